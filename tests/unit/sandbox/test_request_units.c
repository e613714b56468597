#include "sandbox/request_units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void charges_grow_with_the_document(void **state)
{
	(void)state;
	assert_true(wb_request_units_charge(WB_OPERATION_READ, 200, 100) == 1);
	assert_true(wb_request_units_charge(WB_OPERATION_READ, 200, 4096) == 4);
	assert_true(wb_request_units_charge(WB_OPERATION_UPSERT, 201, 1024) ==
		wb_request_units_charge(WB_OPERATION_UPSERT, 200, 10));
	assert_true(wb_request_units_charge(WB_OPERATION_UPSERT, 201, 10 * 1024) >
		9 * wb_request_units_charge(WB_OPERATION_READ, 200, 1024));
	assert_true(wb_request_units_charge(WB_OPERATION_UPSERT, 201, 2048) >
		wb_request_units_charge(WB_OPERATION_UPSERT, 201, 1024));
}

static void what_fails_costs_little_but_not_nothing(void **state)
{
	double failed = wb_request_units_charge(WB_OPERATION_CREATE, 409, 100000);

	(void)state;
	assert_true(failed > 0 && failed < 2);
	assert_true(wb_request_units_charge(WB_OPERATION_CREATE, 429, 100000) < failed);
}

static void no_limit_lets_everything_in(void **state)
{
	struct wb_request_units u = { .used = 1e12 };
	int64_t retry_ms = -1;

	(void)state;
	assert_true(wb_request_units_admit(&u, 0, 5, &retry_ms));
	assert_int_equal(retry_ms, -1);
}

static void a_window_ends_after_a_second(void **state)
{
	struct wb_request_units u = { 0 };
	int64_t retry_ms = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_true(wb_request_units_admit(&u, 100, 1000, &retry_ms));
		wb_request_units_spend(&u, 10);
	}
	assert_false(wb_request_units_admit(&u, 100, 1000, &retry_ms));
	assert_int_equal(retry_ms, 1000);
	assert_false(wb_request_units_admit(&u, 100, 1999, &retry_ms));
	assert_int_equal(retry_ms, 1);
	assert_true(wb_request_units_admit(&u, 100, 2000, &retry_ms));
}

static void what_was_overdrawn_is_owed_by_the_next_windows(void **state)
{
	struct wb_request_units u = { .window_ms = 0 };
	int64_t retry_ms = 0;

	(void)state;
	assert_true(wb_request_units_admit(&u, 100, 0, &retry_ms));
	wb_request_units_spend(&u, 250);
	assert_false(wb_request_units_admit(&u, 100, 10, &retry_ms));
	assert_int_equal(retry_ms, 1990);
	assert_false(wb_request_units_admit(&u, 100, 1500, &retry_ms));
	assert_int_equal(retry_ms, 500);
	assert_true(wb_request_units_admit(&u, 100, 2000, &retry_ms));
}

/* Whatever is sent, over ten seconds no more than ten times the limit and one operation is let in. */
static void the_limit_holds_over_time(void **state)
{
	struct wb_request_units u = { 0 };
	double admitted = 0;
	int64_t retry_ms = 0;

	(void)state;
	for (int64_t now_ms = 0; now_ms < 10000; now_ms++) {
		for (int i = 0; i < 20; i++) {
			if (!wb_request_units_admit(&u, 400, now_ms, &retry_ms))
				continue;
			wb_request_units_spend(&u, 6.29);
			admitted += 6.29;
		}
	}
	assert_true(admitted <= 4000 + 6.29);
	assert_true(admitted >= 4000);
}

static void a_charge_has_two_decimals(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 100);
	wb_request_units_append(&b, 6.29);
	wb_buf_append_char(&b, ' ');
	wb_request_units_append(&b, 0.999);
	wb_buf_append_char(&b, ' ');
	wb_request_units_append(&b, 629.004);
	assert_string_equal(b.data, "6.29 1.00 629.00");
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charges_grow_with_the_document),
		cmocka_unit_test(what_fails_costs_little_but_not_nothing),
		cmocka_unit_test(no_limit_lets_everything_in),
		cmocka_unit_test(a_window_ends_after_a_second),
		cmocka_unit_test(what_was_overdrawn_is_owed_by_the_next_windows),
		cmocka_unit_test(the_limit_holds_over_time),
		cmocka_unit_test(a_charge_has_two_decimals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
