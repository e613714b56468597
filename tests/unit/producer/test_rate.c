#include "producer/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_bucket_is_full_at_first_and_fills_again(void **state)
{
	struct wb_rate r;

	(void)state;
	wb_rate_init(&r, 10, 2, 1000);
	assert_int_equal(wb_rate_left(&r, 1000), 20);
	assert_int_equal(wb_rate_full_s(&r, 1000), 0);
	for (int i = 0; i < 20; i++) {
		assert_true(wb_rate_ready(&r, 1000));
		wb_rate_take(&r, 1, 1000);
	}
	assert_false(wb_rate_ready(&r, 1000));
	assert_int_equal(wb_rate_wait_s(&r, 1000), 1);
	assert_int_equal(wb_rate_full_s(&r, 1000), 2);
	assert_false(wb_rate_ready(&r, 1099));
	assert_true(wb_rate_ready(&r, 1100));
	assert_int_equal(wb_rate_left(&r, 1500), 5);
	assert_int_equal(wb_rate_left(&r, 1000000), 20);
}

static void a_debt_is_paid_off_in_time(void **state)
{
	struct wb_rate r;

	(void)state;
	wb_rate_init(&r, 10, 1, 0);
	wb_rate_take(&r, 110, 0);
	assert_int_equal(wb_rate_left(&r, 0), 0);
	assert_int_equal(wb_rate_wait_s(&r, 0), 11);
	assert_false(wb_rate_ready(&r, 10000));
	assert_true(wb_rate_ready(&r, 10100));
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
	struct wb_rate r;

	(void)state;
	wb_rate_init(&r, 1, 1, 5000);
	wb_rate_take(&r, 1, 5000);
	assert_false(wb_rate_ready(&r, 1000));
	assert_false(wb_rate_ready(&r, 5999));
	assert_true(wb_rate_ready(&r, 6000));
}

static void other_limits_leave_it_as_full_as_it_was(void **state)
{
	struct wb_rate r;

	(void)state;
	wb_rate_init(&r, 100, 1, 0);
	wb_rate_take(&r, 75, 0);
	wb_rate_change(&r, 1000, 2, 0);
	assert_int_equal(wb_rate_left(&r, 0), 500);
	wb_rate_take(&r, 600, 0);
	wb_rate_change(&r, 10, 1, 0);
	assert_int_equal(wb_rate_wait_s(&r, 0), 11); /* the debt of 100 is kept */
}

static void without_a_limit_nothing_is_counted(void **state)
{
	struct wb_rate r;

	(void)state;
	wb_rate_init(&r, 0, 1, 0);
	wb_rate_take(&r, 1000000, 0);
	assert_true(wb_rate_ready(&r, 0));
	wb_rate_change(&r, 10, 1, 0);
	assert_int_equal(wb_rate_left(&r, 0), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_is_full_at_first_and_fills_again),
		cmocka_unit_test(a_debt_is_paid_off_in_time),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
		cmocka_unit_test(other_limits_leave_it_as_full_as_it_was),
		cmocka_unit_test(without_a_limit_nothing_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
