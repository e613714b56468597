#include "consumer/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void count(void *arg)
{
	++*(int *)arg;
}

static void it_is_open_until_it_is_shut(void **state)
{
	struct wb_gate gate;
	int woken = 0;

	(void)state;
	wb_gate_init(&gate, count, &woken);
	assert_true(wb_gate_is_open(&gate));
	wb_gate_shut(&gate);
	assert_false(wb_gate_is_open(&gate));
	assert_int_equal(woken, 1);
}

static void a_proof_that_began_after_it_was_shut_opens_it(void **state)
{
	struct wb_gate gate;
	int woken = 0;

	(void)state;
	wb_gate_init(&gate, count, &woken);
	wb_gate_shut(&gate);
	wb_gate_shut(&gate);
	wb_gate_prove(&gate, wb_gate_ticket(&gate));
	assert_true(wb_gate_is_open(&gate));
}

static void a_proof_that_began_before_does_not(void **state)
{
	struct wb_gate gate;
	uint64_t before, between;
	int woken = 0;

	(void)state;
	wb_gate_init(&gate, count, &woken);
	before = wb_gate_ticket(&gate);
	wb_gate_shut(&gate);
	wb_gate_prove(&gate, before);
	assert_false(wb_gate_is_open(&gate));
	between = wb_gate_ticket(&gate);
	wb_gate_shut(&gate);
	wb_gate_prove(&gate, between);
	assert_false(wb_gate_is_open(&gate));
	wb_gate_prove(&gate, wb_gate_ticket(&gate));
	assert_true(wb_gate_is_open(&gate));
	assert_int_equal(woken, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_open_until_it_is_shut),
		cmocka_unit_test(a_proof_that_began_after_it_was_shut_opens_it),
		cmocka_unit_test(a_proof_that_began_before_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
