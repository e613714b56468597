#include "consumer/concurrency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A server on which a request takes service_ms, and longer when more than its own places are taken. */
struct server {
	double service_ms;
	unsigned places;
};

static int64_t time_of(const struct server *s, unsigned in_flight)
{
	return (int64_t)(s->service_ms * (in_flight > s->places ? (double)in_flight / s->places : 1) + 0.5);
}

/* Each range has as many in flight as it may; a round of each is told in turn. Returns the time after. */
static int64_t load(
	struct wb_concurrency *ranges, unsigned count, const struct server *s, int64_t now_ms, int64_t for_ms)
{
	int64_t end_ms = now_ms + for_ms;

	while (now_ms < end_ms) {
		unsigned in_flight = 0;
		int64_t took_ms;

		for (unsigned i = 0; i < count; i++)
			in_flight += ranges[i].limit;
		took_ms = time_of(s, in_flight);
		now_ms += took_ms;
		for (unsigned i = 0; i < count; i++) {
			unsigned replies = ranges[i].limit;

			wb_concurrency_press(&ranges[i]);
			for (unsigned r = 0; r < replies; r++)
				wb_concurrency_replied(&ranges[i], took_ms, now_ms);
		}
	}
	return now_ms;
}

static void a_server_that_is_never_busy_gets_all_there_may_be_within_a_second(void **state)
{
	const struct server wide = { .service_ms = 20, .places = 10000 };
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	assert_int_equal(c.limit, 4);
	load(&c, 1, &wide, 50000, 1000);
	assert_int_equal(c.limit, 64);
}

static void what_nobody_waits_for_is_not_added(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	for (int64_t i = 0; i < 1000; i++)
		wb_concurrency_replied(&c, 10, i);
	assert_int_equal(c.limit, 4);
}

/* More would wait in the server's queue. */
static void a_busy_server_gets_little_more_than_it_can_work_on(void **state)
{
	const struct server busy = { .service_ms = 10, .places = 20 };
	struct wb_concurrency c = wb_concurrency_make(1, 4, 1000);
	int64_t now_ms = 500;

	(void)state;
	for (int i = 0; i < 60; i++) {
		now_ms = load(&c, 1, &busy, now_ms, 1000);
		assert_in_range(c.limit, 20, 25);
	}
}

/* Each alone would take whatever the others leave; together they learn how quick the server is when it is not full. */
static void ranges_of_one_busy_server_do_not_outbid_one_another(void **state)
{
	const struct server busy = { .service_ms = 10, .places = 40 };
	struct wb_concurrency ranges[8];
	int64_t now_ms = 500;
	unsigned in_flight = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		ranges[i] = wb_concurrency_make(1, i % 2 ? 4 : 1, 1000);
	ranges[0].limit = 500; /* as if it had found that before the others came */
	now_ms = load(ranges, 8, &busy, now_ms, 120000);
	for (unsigned i = 0; i < 8; i++)
		in_flight += ranges[i].limit;
	assert_in_range(in_flight, 40, 2 * 40);
	assert_in_range(ranges[0].limit, 1, 40);
}

static void a_server_that_became_slower_is_not_taken_for_a_busy_one(void **state)
{
	const struct server quick = { .service_ms = 5, .places = 1000 }, slow = { .service_ms = 50, .places = 1000 };
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);
	int64_t now_ms = load(&c, 1, &quick, 0, 1000);

	(void)state;
	now_ms = load(&c, 1, &slow, now_ms, 5000);
	assert_int_equal(c.limit, 64);
	assert_true(now_ms < 10000); /* without being told to find everything again */
}

/* Most replies take 5 ms, some ten times as long: a mean of few of them says little. */
static void replies_that_scatter_are_not_taken_for_a_queue(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 2, 64);
	uint32_t random = 7;

	(void)state;
	for (int64_t now_ms = 0; now_ms < 9000; now_ms++) {
		random = random * 1664525 + 1013904223;
		wb_concurrency_press(&c);
		wb_concurrency_replied(&c, random >> 24 < 32 ? 50 : 5, now_ms);
	}
	assert_in_range(c.limit, 32, 64);
}

static void a_server_that_became_busier_gets_less(void **state)
{
	const struct server wide = { .service_ms = 10, .places = 60 }, narrow = { .service_ms = 10, .places = 10 };
	struct wb_concurrency c = wb_concurrency_make(1, 2, 64);
	int64_t now_ms = load(&c, 1, &wide, 0, 2000);

	(void)state;
	assert_in_range(c.limit, 48, 64);
	load(&c, 1, &narrow, now_ms, 3000);
	assert_in_range(c.limit, 10, 13);
}

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
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	throttle(&c, 500, 100000, 2);
	c.limit = 40; /* the second one is not over */
	wb_concurrency_replied(&c, 10, 102000);
	assert_in_range(c.limit, 19, 22);
}

static void a_range_that_is_throttled_a_little_is_left_alone(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	throttle(&c, 60, 100000, 1);
	c.limit = 40;
	throttle(&c, 60, 101000, 60);
	assert_int_equal(c.limit, 40);
}

/* Else its end would find one place. */
static void the_second_in_which_an_outage_begins_takes_no_place_away(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	throttle(&c, 800, 0, 1);
	for (int64_t at = 1000; at < 10000; at += 100)
		wb_concurrency_throttled(&c, 100, at);
	assert_true(c.limit >= 4);
}

/* It will be there again as it was: how many were too many is not known. */
static void where_everything_is_throttled_no_place_is_taken_away(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	throttle(&c, 50, 0, 1);
	c.limit = 40;
	for (int64_t at = 1000; at < 60000; at += 100)
		wb_concurrency_throttled(&c, 100, at);
	assert_int_equal(c.limit, 40);
}

static void one_place_is_always_left(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);

	(void)state;
	throttle(&c, 950, 0, 20);
	assert_int_equal(c.limit, 1);
	wb_concurrency_throttled(&c, 60000, 30000); /* far more than a second */
	wb_concurrency_replied(&c, 10, 31000);
	assert_int_equal(c.limit, 1);
}

static void the_minimum_is_always_left(void **state)
{
	struct wb_concurrency c = wb_concurrency_make(3, 32, 32);

	(void)state;
	throttle(&c, 950, 0, 20);
	assert_int_equal(c.limit, 3);
}

static void after_throttling_the_start_comes_back_then_one_place_a_second_then_all(void **state)
{
	const struct server wide = { .service_ms = 10, .places = 10000 };
	struct wb_concurrency c = wb_concurrency_make(1, 4, 64);
	int64_t now_ms = throttle(&c, 900, 0, 10);

	(void)state;
	assert_int_equal(c.limit, 1);
	now_ms = load(&c, 1, &wide, now_ms, 1000);
	assert_int_equal(c.limit, 1);
	now_ms = load(&c, 1, &wide, now_ms, 500);
	assert_int_equal(c.limit, 4);
	now_ms = load(&c, 1, &wide, now_ms, 3000);
	assert_in_range(c.limit, 6, 8);
	load(&c, 1, &wide, now_ms, 7000);
	assert_in_range(c.limit, 30, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_is_never_busy_gets_all_there_may_be_within_a_second),
		cmocka_unit_test(what_nobody_waits_for_is_not_added),
		cmocka_unit_test(a_busy_server_gets_little_more_than_it_can_work_on),
		cmocka_unit_test(ranges_of_one_busy_server_do_not_outbid_one_another),
		cmocka_unit_test(a_server_that_became_slower_is_not_taken_for_a_busy_one),
		cmocka_unit_test(replies_that_scatter_are_not_taken_for_a_queue),
		cmocka_unit_test(a_server_that_became_busier_gets_less),
		cmocka_unit_test(throttling_leaves_the_places_that_use_up_what_is_allowed),
		cmocka_unit_test(a_range_that_is_throttled_a_little_is_left_alone),
		cmocka_unit_test(the_second_in_which_an_outage_begins_takes_no_place_away),
		cmocka_unit_test(where_everything_is_throttled_no_place_is_taken_away),
		cmocka_unit_test(one_place_is_always_left),
		cmocka_unit_test(the_minimum_is_always_left),
		cmocka_unit_test(after_throttling_the_start_comes_back_then_one_place_a_second_then_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
