#include "consumer/concurrency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Waits of held_ms in each second, as a server says whose second is used up. */
static int64_t throttle(struct wb_concurrency *c, int64_t held_ms, int64_t now_ms, int seconds)
{
	for (int i = 0; i < seconds; i++, now_ms += 1000) {
		for (int64_t at = 0; at < 1000 - held_ms; at += 10) {
			wb_concurrency_press(c);
			c->served = true;
			for (unsigned r = c->limit; r > 0; r--)
				wb_concurrency_replied(c, 10, now_ms + at);
		}
		wb_concurrency_throttled(c, held_ms, now_ms + 1000 - held_ms);
	}
	return now_ms;
}

static void throttling_leaves_the_places_that_use_up_what_is_allowed(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);

	(void)state;
	throttle(&c, 500, 100000, 2);
	c.limit = 40; /* the second one is not over */
	wb_concurrency_replied(&c, 10, 102000);
	assert_in_range(c.limit, 19, 22);
}

static void a_range_that_is_throttled_a_little_is_left_alone(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);

	(void)state;
	throttle(&c, 60, 100000, 1);
	c.limit = 40;
	throttle(&c, 60, 101000, 60);
	assert_int_equal(c.limit, 40);
}

/* Else its end would find one place. */
static void the_second_in_which_an_outage_begins_takes_no_place_away(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);

	(void)state;
	throttle(&c, 800, 0, 1);
	for (int64_t at = 1000; at < 10000; at += 100)
		wb_concurrency_throttled(&c, 100, at);
	assert_true(c.limit >= 4);
}

/* It will be there again as it was: how many were too many is not known. */
static void where_everything_is_throttled_no_place_is_taken_away(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);

	(void)state;
	throttle(&c, 50, 0, 1);
	c.limit = 40;
	for (int64_t at = 1000; at < 60000; at += 100)
		wb_concurrency_throttled(&c, 100, at);
	assert_int_equal(c.limit, 40);
}

static void one_place_is_always_left(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);

	(void)state;
	throttle(&c, 950, 0, 20);
	assert_int_equal(c.limit, 1);
	wb_concurrency_throttled(&c, 60000, 30000); /* far more than a second */
	wb_concurrency_replied(&c, 10, 31000);
	assert_int_equal(c.limit, 1);
}

static void the_minimum_is_always_left(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(3, 32, 32, NULL);

	(void)state;
	throttle(&c, 950, 0, 20);
	assert_int_equal(c.limit, 3);
}

/* Wanting more than it has, for so long. */
static int64_t press(struct wb_concurrency *c, int64_t now_ms, int64_t for_ms)
{
	for (int64_t end_ms = now_ms + for_ms; now_ms < end_ms; now_ms += 10) {
		wb_concurrency_press(c);
		wb_concurrency_replied(c, 10, now_ms);
	}
	return now_ms;
}

static void after_throttling_the_start_comes_back_then_one_place_a_second_then_all(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);
	int64_t now_ms = throttle(&c, 900, 0, 10);

	(void)state;
	assert_int_equal(c.limit, 1);
	now_ms = press(&c, now_ms, 1000);
	assert_int_equal(c.limit, 1);
	now_ms = press(&c, now_ms, 500);
	assert_int_equal(c.limit, 4);
	now_ms = press(&c, now_ms, 3000);
	assert_in_range(c.limit, 6, 8);
	press(&c, now_ms, 7000);
	assert_int_equal(c.limit, 64);
}

static void what_nobody_waits_for_does_not_come_back(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64, NULL);
	int64_t now_ms = throttle(&c, 900, 0, 10);

	(void)state;
	c.pressed = false;
	for (int64_t i = 0; i < 60000; i += 10)
		wb_concurrency_replied(&c, 10, now_ms + i);
	assert_int_equal(c.limit, 1);
}

static void the_pace_of_the_container_is_the_limit_where_throttling_leaves_more(void **state)
{
	struct wb_paces *paces = wb_paces_new();
	struct wb_concurrency c = wb_concurrency_make(1, 1, 64, wb_paces_of(paces, state));

	(void)state;
	assert_int_equal(wb_concurrency_places(&c), WB_PACE_START);
	(void)press(&c, 50000, 9000);
	assert_int_equal(wb_concurrency_places(&c), 64);
	throttle(&c, 500, 100000, 3);
	assert_in_range(wb_concurrency_places(&c), 10, 40);
	assert_true(wb_concurrency_places(&c) < wb_pace_places(c.pace));
	c = wb_concurrency_make(1, 1, 1, c.pace);
	assert_int_equal(wb_concurrency_places(&c), 1);
	wb_paces_free(&paces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throttling_leaves_the_places_that_use_up_what_is_allowed),
		cmocka_unit_test(a_range_that_is_throttled_a_little_is_left_alone),
		cmocka_unit_test(the_second_in_which_an_outage_begins_takes_no_place_away),
		cmocka_unit_test(where_everything_is_throttled_no_place_is_taken_away),
		cmocka_unit_test(one_place_is_always_left),
		cmocka_unit_test(the_minimum_is_always_left),
		cmocka_unit_test(after_throttling_the_start_comes_back_then_one_place_a_second_then_all),
		cmocka_unit_test(what_nobody_waits_for_does_not_come_back),
		cmocka_unit_test(the_pace_of_the_container_is_the_limit_where_throttling_leaves_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
