#include "consumer/delay_heap.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct wb_write *write_at(int64_t not_before_ms)
{
	struct wb_write *w = wb_write_new();

	w->not_before_ms = not_before_ms;
	return w;
}

static void gives_back_in_order_of_time(void **state)
{
	struct wb_prng random = { 7 };
	struct wb_delay_heap h = { 0 };
	struct wb_write *w;
	int64_t last_ms = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		wb_delay_heap_push(&h, write_at((int64_t)(wb_prng_next(&random) % 500)));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(wb_delay_heap_next_ms(&h), h.slot[0]->not_before_ms);
		w = wb_delay_heap_pop_due(&h, 499);
		assert_non_null(w);
		assert_true(w->not_before_ms >= last_ms);
		last_ms = w->not_before_ms;
		wb_write_free(&w);
	}
	assert_null(wb_delay_heap_pop_due(&h, INT64_MAX));
	wb_delay_heap_release(&h);
}

static void keeps_what_is_not_due(void **state)
{
	struct wb_delay_heap h = { 0 };
	struct wb_write *w;

	(void)state;
	assert_int_equal(wb_delay_heap_next_ms(&h), INT64_MAX);
	wb_delay_heap_push(&h, write_at(20));
	wb_delay_heap_push(&h, write_at(10));
	assert_null(wb_delay_heap_pop_due(&h, 9));
	w = wb_delay_heap_pop_due(&h, 10);
	assert_int_equal(w->not_before_ms, 10);
	wb_write_free(&w);
	assert_null(wb_delay_heap_pop_due(&h, 19));
	assert_int_equal(wb_delay_heap_next_ms(&h), 20);
	w = wb_delay_heap_pop_due(&h, 20);
	wb_write_free(&w);
	wb_delay_heap_release(&h);
}

static bool is_odd(void *arg, const struct wb_write *w)
{
	(void)arg;
	return w->not_before_ms % 2;
}

static void withdraws_what_is_picked_and_stays_in_order(void **state)
{
	struct wb_delay_heap h = { 0 };
	struct wb_list picked = { 0 };
	struct wb_write *w;

	(void)state;
	for (int i = 0; i < 100; i++)
		wb_delay_heap_push(&h, write_at((i * 37) % 100));
	assert_true(wb_delay_heap_any(&h, is_odd, NULL));
	wb_delay_heap_withdraw(&h, is_odd, NULL, &picked);
	assert_false(wb_delay_heap_any(&h, is_odd, NULL));
	assert_int_equal(picked.count, 50);
	while ((w = wb_write_of(wb_list_pop(&picked)))) {
		assert_int_equal(w->not_before_ms % 2, 1);
		wb_write_free(&w);
	}
	for (int64_t expected = 0; expected < 100; expected += 2) {
		w = wb_delay_heap_pop_due(&h, 1000);
		assert_int_equal(w->not_before_ms, expected);
		wb_write_free(&w);
	}
	wb_delay_heap_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_in_order_of_time),
		cmocka_unit_test(keeps_what_is_not_due),
		cmocka_unit_test(withdraws_what_is_picked_and_stays_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
