#include "consumer/throttle.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void send(struct wb_throttle *t, unsigned requests, int64_t now_ms)
{
	for (unsigned i = 0; i < requests; i++) {
		assert_true(wb_throttle_may_send(t, now_ms));
		wb_throttle_sent(t);
	}
}

static void up_to_the_limit_are_in_flight_at_once(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 3, 3, NULL));

	(void)state;
	send(&t, 3, 1000);
	assert_false(wb_throttle_may_send(&t, 1000));
	assert_int_equal(wb_throttle_next_ms(&t, 1000), INT64_MAX);
	wb_throttle_replied(&t, WB_HOLD_NONE, -1, 1010, 0);
	assert_int_equal(wb_throttle_next_ms(&t, 1010), 1010);
	send(&t, 1, 1010);
	assert_false(wb_throttle_may_send(&t, 1010));
}

static void what_was_cut_off_frees_its_place_and_tells_nothing(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 1, 1, NULL));

	(void)state;
	send(&t, 1, 0);
	wb_throttle_cancelled(&t);
	assert_true(wb_throttle_may_send(&t, 0));
	send(&t, 1, 0);
	wb_throttle_failed(&t, 1000, 0, 0);
	send(&t, 1, 1000);
	wb_throttle_cancelled(&t);
	assert_true(t.outage);
}

static void held_up_is_throttled_or_in_an_outage(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 2, 2, NULL));

	(void)state;
	assert_false(wb_throttle_is_held_up(&t, 0));
	send(&t, 2, 0);
	assert_false(wb_throttle_is_held_up(&t, 0)); /* only full */
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 100, 0, 0);
	assert_true(wb_throttle_is_held_up(&t, 99));
	assert_false(wb_throttle_is_held_up(&t, 100));
	wb_throttle_failed(&t, 10, 200, 0);
	assert_true(wb_throttle_is_held_up(&t, 1000000)); /* until a reply ends it */
}

static void a_clock_that_begins_below_zero_is_fine(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 1, 1, NULL));

	(void)state;
	assert_true(wb_throttle_may_send(&t, -5000));
}

static void throttling_waits_exactly_as_long_as_asked(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 4, 4, NULL));

	(void)state;
	send(&t, 1, 0);
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 700, 100, UINT64_MAX);
	assert_false(wb_throttle_may_send(&t, 799));
	assert_int_equal(wb_throttle_next_ms(&t, 100), 800);
	send(&t, 4, 800);
}

static void the_longest_wait_asked_for_counts(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 4, 4, NULL));

	(void)state;
	send(&t, 3, 0);
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 500, 0, 0);
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 200, 10, 0);
	assert_int_equal(wb_throttle_next_ms(&t, 10), 500);
	wb_throttle_replied(&t, WB_HOLD_NONE, -1, 20, 0);
	assert_int_equal(wb_throttle_next_ms(&t, 20), 500);
}

static void throttling_without_a_wait_backs_off(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 1, 1, NULL));
	int64_t now_ms = 0, ceiling_ms = WB_THROTTLE_BACKOFF_BASE_MS;

	(void)state;
	for (int i = 0; i < 10; i++) {
		send(&t, 1, now_ms);
		wb_throttle_replied(&t, WB_HOLD_THROTTLED, -1, now_ms, (uint64_t)ceiling_ms);
		assert_int_equal(wb_throttle_next_ms(&t, now_ms), now_ms + ceiling_ms);
		now_ms += ceiling_ms;
		ceiling_ms *= 2;
		if (ceiling_ms > WB_THROTTLE_BACKOFF_CAP_MS)
			ceiling_ms = WB_THROTTLE_BACKOFF_CAP_MS;
	}
	send(&t, 1, now_ms);
	wb_throttle_replied(&t, WB_HOLD_NONE, -1, now_ms, 0);
	send(&t, 1, now_ms);
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 0, now_ms, WB_THROTTLE_BACKOFF_BASE_MS);
	assert_int_equal(wb_throttle_next_ms(&t, now_ms), now_ms + WB_THROTTLE_BACKOFF_BASE_MS);
}

static void replies_of_one_moment_are_one_throttling(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 8, 8, NULL));

	(void)state;
	send(&t, 8, 0);
	for (int i = 0; i < 8; i++)
		wb_throttle_replied(&t, WB_HOLD_THROTTLED, -1, 0, WB_THROTTLE_BACKOFF_BASE_MS);
	assert_int_equal(wb_throttle_next_ms(&t, 0), WB_THROTTLE_BACKOFF_BASE_MS);
	assert_int_equal(t.backoff.attempt, 1);
}

static void in_an_outage_one_request_tries_first(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 4, 4, NULL));
	int64_t now_ms;

	(void)state;
	send(&t, 2, 0);
	wb_throttle_failed(&t, -1, 0, 30);
	assert_int_equal(wb_throttle_next_ms(&t, 0), INT64_MAX); /* the other is still in flight */
	wb_throttle_failed(&t, -1, 10, 30);
	assert_int_equal(wb_throttle_next_ms(&t, 10), 30);
	now_ms = 30;
	send(&t, 1, now_ms);
	assert_false(wb_throttle_may_send(&t, now_ms));
	wb_throttle_replied(&t, WB_HOLD_NONE, -1, now_ms, 0);
	send(&t, 4, now_ms);
}

static void an_outage_waits_at_least_as_long_as_asked(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 4, 4, NULL));

	(void)state;
	send(&t, 2, 0);
	wb_throttle_failed(&t, 5000, 0, 1);
	wb_throttle_failed(&t, 9000, 100, 1);
	assert_int_equal(wb_throttle_next_ms(&t, 100), 9100);
}

static void a_reply_ends_the_outage_and_its_wait_but_not_a_throttling(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 4, 4, NULL));

	(void)state;
	send(&t, 3, 0);
	wb_throttle_failed(&t, 5000, 0, 0);
	wb_throttle_replied(&t, WB_HOLD_THROTTLED, 300, 0, 0);
	wb_throttle_replied(&t, WB_HOLD_NONE, -1, 0, 0);
	assert_false(t.outage);
	assert_int_equal(wb_throttle_next_ms(&t, 0), 300);
	send(&t, 4, 300);
}

/* Simulated: a range of 8 requests at a time, an outage of 24 hours, requests that take 5 ms. */
static void a_day_of_outage_is_probed_calmly_and_left_within_two_seconds(void **state)
{
	const int64_t ends_ms = INT64_C(24) * 3600 * 1000;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct wb_prng random = { .state = seed };
		struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 8, 8, NULL));
		int64_t now_ms = 0, probes = 0;

		send(&t, 8, now_ms);
		for (int i = 0; i < 8; i++)
			wb_throttle_failed(&t, -1, now_ms, wb_prng_next(&random));
		for (;;) {
			now_ms = wb_throttle_next_ms(&t, now_ms);
			wb_throttle_sent(&t);
			assert_int_equal(wb_throttle_next_ms(&t, now_ms), INT64_MAX);
			if (now_ms >= ends_ms)
				break;
			now_ms += 5;
			probes++;
			wb_throttle_failed(&t, -1, now_ms, wb_prng_next(&random));
		}
		assert_in_range(now_ms, ends_ms, ends_ms + 2000);
		/* On average half the cap lies between two. */
		assert_in_range(probes, ends_ms / WB_THROTTLE_BACKOFF_CAP_MS, 3 * ends_ms / WB_THROTTLE_BACKOFF_CAP_MS);
		wb_throttle_replied(&t, WB_HOLD_NONE, -1, now_ms, 0);
		send(&t, 8, now_ms);
	}
}

static void ranges_that_failed_together_do_not_return_together(void **state)
{
	enum { RANGES = 100 };
	int within_a_tenth = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= RANGES; seed++) {
		struct wb_prng random = { .state = seed };
		struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 1, 1, NULL));
		int64_t now_ms = 0;

		while (now_ms < 60000) {
			wb_throttle_sent(&t);
			wb_throttle_failed(&t, -1, now_ms, wb_prng_next(&random));
			now_ms = wb_throttle_next_ms(&t, now_ms);
		}
		within_a_tenth += now_ms < 60000 + WB_THROTTLE_BACKOFF_CAP_MS / 10;
	}
	assert_in_range(within_a_tenth, 0, RANGES / 2);
}

static void what_hangs_in_an_outage_does_not_keep_others_from_trying(void **state)
{
	struct wb_throttle t = wb_throttle_make(wb_concurrency_make(1, 2, 2, NULL));

	(void)state;
	wb_throttle_sent_at(&t, 1000);
	wb_throttle_failed(&t, 0, 1000, 0);
	assert_true(wb_throttle_may_send(&t, 5000));
	wb_throttle_sent_at(&t, 5000);
	assert_false(wb_throttle_may_send(&t, 5000 + WB_THROTTLE_HANGS_MS - 1));
	assert_int_equal(wb_throttle_next_ms(&t, 5100), 5000 + WB_THROTTLE_HANGS_MS);
	assert_true(wb_throttle_may_send(&t, 5000 + WB_THROTTLE_HANGS_MS));
	wb_throttle_sent_at(&t, 5000 + WB_THROTTLE_HANGS_MS);
	assert_false(wb_throttle_may_send(&t, 100000)); /* the limit is the limit */
	assert_int_equal(wb_throttle_next_ms(&t, 100000), INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_to_the_limit_are_in_flight_at_once),
		cmocka_unit_test(what_was_cut_off_frees_its_place_and_tells_nothing),
		cmocka_unit_test(held_up_is_throttled_or_in_an_outage),
		cmocka_unit_test(a_clock_that_begins_below_zero_is_fine),
		cmocka_unit_test(throttling_waits_exactly_as_long_as_asked),
		cmocka_unit_test(the_longest_wait_asked_for_counts),
		cmocka_unit_test(throttling_without_a_wait_backs_off),
		cmocka_unit_test(replies_of_one_moment_are_one_throttling),
		cmocka_unit_test(in_an_outage_one_request_tries_first),
		cmocka_unit_test(an_outage_waits_at_least_as_long_as_asked),
		cmocka_unit_test(a_reply_ends_the_outage_and_its_wait_but_not_a_throttling),
		cmocka_unit_test(a_day_of_outage_is_probed_calmly_and_left_within_two_seconds),
		cmocka_unit_test(ranges_that_failed_together_do_not_return_together),
		cmocka_unit_test(what_hangs_in_an_outage_does_not_keep_others_from_trying),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
