#include "consumer/pace.h"

#include "common/base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MAX 64

/* A server on which a request takes service_ms, and longer when more than its own places are taken. */
struct server {
	double service_ms;
	unsigned places;
};

static int64_t time_of(const struct server *s, unsigned in_flight)
{
	return (int64_t)(s->service_ms * (in_flight > s->places ? (double)in_flight / s->places : 1) + 0.5);
}

/* So many ranges of each container have as many in flight as they may. Returns the time after. */
static int64_t load(struct wb_pace *const *containers, unsigned count, unsigned ranges, const struct server *s,
	int64_t now_ms, int64_t for_ms)
{
	int64_t end_ms = now_ms + for_ms;

	while (now_ms < end_ms) {
		unsigned in_flight = 0;
		int64_t took_ms;

		for (unsigned i = 0; i < count; i++)
			in_flight += wb_pace_places(containers[i]) * ranges;
		took_ms = time_of(s, in_flight);
		now_ms += took_ms;
		for (unsigned i = 0; i < count; i++) {
			unsigned replies = wb_pace_places(containers[i]) * ranges;

			wb_pace_press(containers[i]);
			for (unsigned r = 0; r < replies; r++)
				wb_pace_replied(containers[i], took_ms, MAX, now_ms);
		}
	}
	return now_ms;
}

static int setup(void **state)
{
	*state = wb_paces_new();
	return 0;
}

static int teardown(void **state)
{
	struct wb_paces *all = *state;

	wb_paces_free(&all);
	assert_null(all);
	return 0;
}

static struct wb_pace *pace_of(void **state, const char *container)
{
	return wb_paces_of(*state, container);
}

static void a_container_has_one_pace(void **state)
{
	const char a = 0, b = 0;

	assert_ptr_equal(wb_paces_of(*state, &a), wb_paces_of(*state, &a));
	assert_ptr_not_equal(wb_paces_of(*state, &a), wb_paces_of(*state, &b));
}

static void a_server_that_is_never_busy_gets_all_there_may_be_within_two_seconds(void **state)
{
	const struct server wide = { .service_ms = 20, .places = 10000 };
	struct wb_pace *p = pace_of(state, "c");

	assert_int_equal(wb_pace_places(p), WB_PACE_START);
	load(&p, 1, 2, &wide, 50000, 2000);
	assert_int_equal(wb_pace_places(p), MAX);
}

static void what_nobody_waits_for_is_not_added(void **state)
{
	struct wb_pace *p = pace_of(state, "c");

	for (int64_t i = 0; i < 1000; i++)
		wb_pace_replied(p, 10, MAX, i);
	assert_int_equal(wb_pace_places(p), WB_PACE_START);
}

static void no_more_places_than_are_of_use(void **state)
{
	struct wb_pace *p = pace_of(state, "c");

	for (int64_t i = 0; i < 9000; i++) {
		wb_pace_press(p);
		wb_pace_replied(p, 10, 3, i);
	}
	assert_int_equal(wb_pace_places(p), 3);
}

/* More would wait in the server's queue. */
static void a_busy_server_gets_little_more_than_it_can_work_on(void **state)
{
	const struct server busy = { .service_ms = 10, .places = 20 };
	struct wb_pace *p = pace_of(state, "c");
	int64_t now_ms = 500;

	now_ms = load(&p, 1, 1, &busy, now_ms, 1500);
	for (int i = 0; i < 60; i++) {
		now_ms = load(&p, 1, 1, &busy, now_ms, 1000);
		assert_in_range(wb_pace_places(p), 8, 28); /* half of it where a period begins */
	}
}

/* Each alone would take whatever the others leave; together they learn how quick the server is when it is not full. */
static void containers_of_one_busy_server_do_not_outbid_one_another(void **state)
{
	const struct server busy = { .service_ms = 10, .places = 40 };
	const struct server wide = { .service_ms = 10, .places = 10000 };
	struct wb_pace *containers[4] = { pace_of(state, "a"), pace_of(state, "b"), pace_of(state, "c"),
		pace_of(state, "d") };
	unsigned in_flight = 0;
	int64_t now_ms = load(containers, 1, 2, &wide, 500, 5000); /* one had found much before the others came */

	assert_int_equal(wb_pace_places(containers[0]), MAX);
	now_ms = load(containers, 4, 2, &busy, now_ms, 60000);
	now_ms = load(containers, 4, 2, &busy, now_ms, 9000 - now_ms % 10000); /* not just behind a halving */
	for (unsigned i = 0; i < 4; i++)
		in_flight += wb_pace_places(containers[i]) * 2;
	assert_in_range(in_flight, 32, 2 * 40);
}

static void a_server_that_became_slower_is_not_taken_for_a_busy_one(void **state)
{
	const struct server quick = { .service_ms = 5, .places = 1000 }, slow = { .service_ms = 50, .places = 1000 };
	struct wb_pace *p = pace_of(state, "c");
	int64_t now_ms = load(&p, 1, 1, &quick, 0, 1000);

	now_ms = load(&p, 1, 1, &slow, now_ms, 7500);
	assert_true(wb_pace_places(p) >= MAX / 2);
	assert_true(now_ms < 10000); /* without being told to find everything again */
}

/* Most replies take 5 ms, some ten times as long: a mean of few of them says little. */
static void replies_that_scatter_are_not_taken_for_a_queue(void **state)
{
	struct wb_pace *p = pace_of(state, "c");
	uint32_t random = 7;

	for (int64_t now_ms = 0; now_ms < 9000; now_ms++) {
		random = random * 1664525 + 1013904223;
		wb_pace_press(p);
		wb_pace_replied(p, random >> 24 < 32 ? 50 : 5, MAX, now_ms);
	}
	assert_in_range(wb_pace_places(p), MAX / 4, MAX);
}

static void a_server_that_became_busier_gets_less(void **state)
{
	const struct server wide = { .service_ms = 10, .places = 60 }, narrow = { .service_ms = 10, .places = 10 };
	struct wb_pace *p = pace_of(state, "c");
	int64_t now_ms = load(&p, 1, 1, &wide, 0, 3000);

	assert_in_range(wb_pace_places(p), 48, MAX);
	load(&p, 1, 1, &narrow, now_ms, 4000);
	assert_in_range(wb_pace_places(p), 10, 13);
}

/* Each has its own idea of the time, so one may tell that a period has begun before the others do. */
static void a_worker_whose_clock_is_behind_ends_no_period(void **state)
{
	const struct server wide = { .service_ms = 5, .places = 10000 };
	struct wb_pace *p = pace_of(state, "c");

	load(&p, 1, 4, &wide, 0, 9000);
	assert_int_equal(wb_pace_places(p), MAX);
	for (int i = 0; i < 5; i++) {
		wb_pace_replied(p, 5, MAX, 10000);
		wb_pace_replied(p, 5, MAX, 9999);
	}
	assert_int_equal(wb_pace_places(p), MAX / 2);
}

static void what_nobody_wants_more_of_is_not_halved(void **state)
{
	const struct server wide = { .service_ms = 5, .places = 10000 };
	struct wb_pace *p = pace_of(state, "c");

	load(&p, 1, 4, &wide, 0, 9000);
	for (int64_t now_ms = 9000; now_ms < 60000; now_ms++)
		wb_pace_replied(p, 5, MAX, now_ms);
	assert_true(wb_pace_places(p) >= MAX / 2);
}

/* Two places for half a second each: four replies a second. */
static void slow_replies_are_waited_for(void **state)
{
	const struct server far = { .service_ms = 500, .places = 10000 };
	struct wb_pace *p = pace_of(state, "c");
	int64_t now_ms = load(&p, 1, 1, &far, 500, 60000);

	assert_true(wb_pace_places(p) >= 8);
	load(&p, 1, 1, &far, now_ms, 60000);
	assert_true(wb_pace_places(p) >= MAX / 2);
}

static void a_server_that_answers_at_once_gets_all_there_may_be(void **state)
{
	struct wb_pace *p = pace_of(state, "c");

	for (int64_t i = 0; i < 9000; i++) {
		wb_pace_press(p);
		wb_pace_replied(p, 0, MAX, i / 10);
	}
	assert_int_equal(wb_pace_places(p), MAX);
}

static void *answer_many(void *arg)
{
	for (int64_t i = 0; i < 20000; i++) {
		wb_pace_press(arg);
		wb_pace_replied(arg, 10, MAX, i);
		if (wb_pace_places(arg) < WB_PACE_START || wb_pace_places(arg) > MAX)
			return arg;
	}
	return NULL;
}

static void two_workers_share_it(void **state)
{
	struct wb_pace *p = pace_of(state, "c");
	pthread_t a, b;
	void *wrong;

	assert_int_equal(pthread_create(&a, NULL, answer_many, p), 0);
	assert_int_equal(pthread_create(&b, NULL, answer_many, p), 0);
	assert_int_equal(pthread_join(a, &wrong), 0);
	assert_null(wrong);
	assert_int_equal(pthread_join(b, &wrong), 0);
	assert_null(wrong);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_container_has_one_pace),
		TEST(a_server_that_is_never_busy_gets_all_there_may_be_within_two_seconds),
		TEST(what_nobody_waits_for_is_not_added),
		TEST(no_more_places_than_are_of_use),
		TEST(a_busy_server_gets_little_more_than_it_can_work_on),
		TEST(containers_of_one_busy_server_do_not_outbid_one_another),
		TEST(a_server_that_became_slower_is_not_taken_for_a_busy_one),
		TEST(replies_that_scatter_are_not_taken_for_a_queue),
		TEST(a_server_that_became_busier_gets_less),
		TEST(a_worker_whose_clock_is_behind_ends_no_period),
		TEST(what_nobody_wants_more_of_is_not_halved),
		TEST(slow_replies_are_waited_for),
		TEST(a_server_that_answers_at_once_gets_all_there_may_be),
		TEST(two_workers_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
