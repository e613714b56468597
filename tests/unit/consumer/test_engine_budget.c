/* Requests wait for cosmos.ru.budget: what goes out when, in which order, and what waiting for it is not. */
#include "tests/unit/consumer/engine_fixture.h"

static const char second_container; /* only its address counts */

static struct world *limited(bool bulk, int64_t concurrency, double units_per_s)
{
	return world_new_with(bulk, concurrency, units_per_s, wb_log_new("test", 2, WB_LOG_ERROR, WB_LOG_LOGFMT));
}

/* Answers the oldest request: every operation written for so much. */
static void answer_charged(struct world *w, double units)
{
	char body[8192] = "[";
	struct wb_batch *b = landing(w);
	struct wb_reply reply = { .status = 207, .retry_after_ms = -1, .activity_id = "a", .etag = "e" };
	size_t len = 1, count = b->writes.count;

	reply.request_charge = units * (double)count;
	for (size_t i = 0; i < count && !b->point; i++)
		len += (size_t)snprintf(body + len, sizeof body - len, "%s{\"statusCode\":201,\"requestCharge\":%g}",
			i ? "," : "", units);
	if (!b->point) {
		body[len++] = ']';
		reply.body = wb_slice(body, len);
	} else {
		reply.status = 201;
	}
	wb_engine_replied(w->engine, b, &reply);
	wb_engine_hand_over(w->engine);
}

/* Serves when the engine wants to be, and answers all at once; returns how often it was served. It never wants to be at the
 * present time. */
static int run(struct world *w, int64_t ms, double units)
{
	int64_t end_ms = w->now_ms + ms;
	int turns = 0;

	while (w->now_ms < end_ms) {
		int64_t next_ms = wb_engine_serve(w->engine);

		turns++;
		wb_engine_hand_over(w->engine);
		while (w->flying_count > 0)
			answer_charged(w, units);
		assert_true(next_ms > w->now_ms);
		pass(w, (next_ms < end_ms ? next_ms : end_ms) - w->now_ms);
	}
	return turns;
}

static void what_is_sent_stays_within_and_nothing_spins(void **state)
{
	(void)state;
	for (int bulk = 0; bulk < 2; bulk++) {
		struct world *w = limited(bulk, 4, 100);
		int turns;

		add_many(w, 'a', 400);
		turns = run(w, 30000, 10);
		/* 100 units a second for 30 s, at 10 each; the beginning is careful. */
		assert_in_range(w->judged.count, 230, 301);
		assert_in_range(turns, 200, 1500);
		world_free(w);
	}
}

/* The first operation shows what the others cost; then requests have as many as the budget lets. */
static void a_bulk_is_as_large_as_the_budget_lets(void **state)
{
	struct world *w = limited(true, 4, 10000);
	size_t largest = 0;

	(void)state;
	add_many(w, 'a', 900);
	pass(w, 1000);
	serve(w);
	assert_int_equal(w->flying_count, 1);
	assert_int_equal(w->flying[0]->writes.count, 1);
	answer_charged(w, 5);
	for (int ms = 0; ms < 1000; ms += 10) {
		serve(w);
		while (w->flying_count > 0) {
			largest = w->flying[0]->writes.count > largest ? w->flying[0]->writes.count : largest;
			answer_charged(w, 5);
		}
		pass(w, 10);
	}
	assert_in_range(largest, 20, 100);
	assert_int_equal(w->judged.count, 900);
	/* In the order in which they came. */
	for (size_t i = 0; i < w->judged.count; i++) {
		struct wb_write *write = wb_write_of(wb_list_pop(&w->judged));

		assert_ptr_equal(write, w->writes[i]);
		wb_list_push(&w->judged, &write->link);
	}
	world_free(w);
}

static void without_a_share_nothing_goes_and_all_can_be_handed_back(void **state)
{
	struct world *w = limited(true, 4, 100);

	(void)state;
	wb_ru_budget_share(w->budget, 0, w->now_ms);
	add_many(w, 'a', 200);
	assert_true(run(w, 10000, 1) <= 110);
	assert_int_equal(w->sent_count, 0);
	atomic_store(&w->assignment.ended, true);
	wb_engine_withdraw(w->engine, false);
	wb_engine_hand_over(w->engine);
	assert_int_equal(w->handed_back.count, 200);
	world_free(w);
}

static size_t written_of(const struct world *w, const void *of, const struct wb_range *range)
{
	size_t n = 0;

	for (size_t i = 0; i < w->write_count; i++)
		n += w->writes[i]->container == of && w->writes[i]->range == range &&
			w->writes[i]->state == WB_WRITE_JUDGED;
	return n;
}

/* One container with one range, another with two. */
static void containers_have_equal_parts_and_their_ranges_take_turns(void **state)
{
	struct world *w = limited(true, 4, 200);
	struct wb_range *third = range_new("2", true), *fourth = range_new("3", true);
	size_t first, second, other;
	char id[16];

	(void)state;
	third->container = fourth->container = (const void *)&second_container;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof id, "a%d", i); /* it fits */
		(void)add_to(w, &container, w->range, &w->assignment, WB_OP_UPSERT, id, "{}");
		(void)snprintf(id, sizeof id, "b%d", i);
		(void)add_to(w, &second_container, third, &w->assignment, WB_OP_UPSERT, id, "{}");
		(void)snprintf(id, sizeof id, "c%d", i);
		(void)add_to(w, &second_container, fourth, &w->assignment, WB_OP_UPSERT, id, "{}");
	}
	(void)run(w, 20000, 10);
	first = written_of(w, &container, w->range);
	second = written_of(w, &second_container, third);
	other = written_of(w, &second_container, fourth);
	assert_in_range(first, 150, 210);
	assert_in_range(second + other, first * 9 / 10, first * 11 / 10);
	assert_in_range(second, other * 9 / 10, other * 11 / 10);
	world_free(w);
	free(third);
	free(fourth);
}

/* A request that failed as a whole goes again as it was, and again, though it costs more than usual. */
static void what_failed_as_a_whole_stays_together(void **state)
{
	struct world *w = limited(true, 4, 5000);
	size_t count;

	(void)state;
	add_many(w, 'a', 60);
	pass(w, 2000);
	serve(w);
	answer_charged(w, 6);
	pass(w, 1000);
	serve(w);
	count = w->flying[0]->writes.count;
	assert_in_range(count, 2, 59);
	for (int i = 0; i < 3; i++) {
		while (w->flying_count > 1)
			answer_charged(w, 6);
		answer_status(w, 503);
		for (int ms = 0; ms < 4000 && w->flying_count == 0; ms += 50) {
			pass(w, 50);
			serve(w);
		}
		assert_true(w->flying_count > 0);
	}
	(void)run(w, 60000, 6);
	assert_int_equal(w->judged.count, 60);
	world_free(w);
}

/* Replies of 429 charge next to nothing, and teach nothing. */
static void throttled_operations_do_not_look_cheap(void **state)
{
	struct world *w = limited(true, 1, 1000);
	int sent = 0;

	(void)state;
	add_many(w, 'a', 500);
	(void)run(w, 2000, 6);
	for (int i = 0; i < 20; i++) {
		int statuses[100];

		for (size_t k = 0; k < WB_ARRAY_LEN(statuses); k++)
			statuses[k] = 429;
		for (int ms = 0; ms < 5000 && w->flying_count == 0; ms += 20) {
			pass(w, 20);
			serve(w);
		}
		assert_true(w->flying_count > 0);
		assert_true(w->flying[0]->reserved_units > 5.9 * (double)w->flying[0]->writes.count);
		answer_bulk(w, statuses, w->flying[0]->writes.count);
		sent++;
	}
	assert_int_equal(sent, 20);
	world_free(w);
}

/* Without a reply nobody knows what was charged: it is taken for what was expected. */
static void what_has_no_reply_or_is_cut_off_counts(void **state)
{
	struct wb_counter *spent;
	struct world *w = limited(false, 4, 1000);

	(void)state;
	spent = wb_metrics_counter(w->metrics, "writebehind_ru_budget_spent_units_total",
		"Request units counted against cosmos.ru.budget; of requests without a reply as they were expected.",
		"");
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	pass(w, 2000);
	serve(w);
	answer_status(w, 0);
	assert_true(wb_counter_value(spent) >= 10);
	for (int ms = 0; ms < 5000 && w->flying_count == 0; ms += 50) {
		pass(w, 50);
		serve(w);
	}
	wb_engine_cut_off(w->engine, landing(w));
	assert_true(wb_counter_value(spent) >= 20);
	(void)run(w, 5000, 6);
	assert_int_equal(w->judged.count, 1);
	assert_true(wb_counter_value(spent) >= 26);
	world_free(w);
}

/* Its reading is charged to the container, too. */
static void the_reading_of_a_refused_item_counts(void **state)
{
	struct wb_reply refused = { .status = 409, .retry_after_ms = -1, .activity_id = "a", .request_charge = 2 };
	struct wb_reply item = { .status = 200,
		.retry_after_ms = -1,
		.activity_id = "a",
		.request_charge = 3,
		.body = wb_slice_cstr("{\"v\":1,\"_etag\":\"e\"}") };
	struct world *w = limited(false, 1, 100);
	struct wb_counter *spent = wb_metrics_counter(w->metrics, "writebehind_ru_budget_spent_units_total",
		"Request units counted against cosmos.ru.budget; of requests without a reply as they were expected.",
		"");
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{\"v\":1}");

	(void)state;
	pass(w, 5000);
	serve(w);
	wb_engine_replied(w->engine, landing(w), &refused);
	for (int ms = 0; ms < 5000 && w->flying_count == 0; ms += 50) {
		pass(w, 50);
		serve(w);
	}
	assert_int_equal(only_in_flight(w)->step, WB_STEP_READ);
	wb_engine_replied(w->engine, landing(w), &item);
	wb_engine_hand_over(w->engine);
	is(write, WB_WRITTEN, WB_REASON_NONE);
	assert_true(wb_counter_value(spent) >= 5 && wb_counter_value(spent) < 5.01);
	world_free(w);
}

/* Waiting is no outage and no throttling. */
static void waiting_is_no_trouble(void **state)
{
	struct world *w = limited(true, 4, 100);

	(void)state;
	add_many(w, 'a', 300);
	(void)run(w, 1050, 10);
	assert_true(wb_health_ready(w->health));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_stays_within_and_nothing_spins),
		cmocka_unit_test(a_bulk_is_as_large_as_the_budget_lets),
		cmocka_unit_test(without_a_share_nothing_goes_and_all_can_be_handed_back),
		cmocka_unit_test(containers_have_equal_parts_and_their_ranges_take_turns),
		cmocka_unit_test(what_failed_as_a_whole_stays_together),
		cmocka_unit_test(throttled_operations_do_not_look_cheap),
		cmocka_unit_test(what_has_no_reply_or_is_cut_off_counts),
		cmocka_unit_test(the_reading_of_a_refused_item_counts),
		cmocka_unit_test(waiting_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
