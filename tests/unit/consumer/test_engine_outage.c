/* What is an outage and what is not, what is kept in one, and when one is over. */
#include "tests/unit/consumer/engine_fixture.h"

static size_t dead(const struct world *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->write_count; i++)
		count += w->writes[i]->state == WB_WRITE_JUDGED && w->writes[i]->outcome == WB_DEAD;
	return count;
}

/* Something between us and Cosmos DB refuses everything in its own words, which have no activity id. */
static void a_proxy_that_refuses_everything_kills_nothing(void **state)
{
	static const int statuses[] = { 400, 405, 409, 412, 413, 415, 418, 424, 449, 451 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(statuses); i++) {
		for (int bulk = 0; bulk < 2; bulk++) {
			const struct wb_reply html = { .status = statuses[i],
				.retry_after_ms = -1,
				.body = wb_slice_cstr("<html>sent to an HTTPS port</html>") };
			struct world *w = world_new(bulk, 4);

			add_many(w, 'a', 8);
			for (int second = 0; second < 3600; second++) {
				serve(w);
				while (w->flying_count > 0)
					answer(w, &html);
				pass(w, 1000);
			}
			if (dead(w) > 0)
				fail_msg("%zu died of %d", dead(w), statuses[i]);
			assert_false(wb_health_ready(w->health));
			world_free(w);
		}
	}
}

static void a_reading_that_a_proxy_refuses_is_repeated(void **state)
{
	const struct wb_reply html = { .status = 400, .retry_after_ms = -1, .body = wb_slice_cstr("<html>") };
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{\"v\":1}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(only_in_flight(w)->step, WB_STEP_READ);
		answer(w, &html);
		assert_int_equal(w->judged.count, 0);
		pass(w, 20000);
		serve(w);
	}
	answer_item(w, "e", "{\"v\":1");
	is(write, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

/* One partition goes while another stays, whose writes are of another range. */
static void an_outage_ends_when_another_partition_stays(void **state)
{
	struct world *w = world_new(true, 4);
	char id[8];

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	answer_status(w, 503);
	assert_false(wb_health_ready(w->health));
	(void)add_to(w, &container, w->second, &w->other, WB_OP_UPSERT, "b", "{}");
	atomic_store(&w->assignment.ended, true);
	wb_engine_withdraw(w->engine, false);
	for (int i = 0; i < 10; i++) {
		(void)snprintf(id, sizeof id, "b%d", i);
		(void)add_to(w, &container, w->second, &w->other, WB_OP_UPSERT, id, "{}");
		pass(w, 1000);
		serve(w);
	}
	assert_true(wb_health_ready(w->health));
	world_free(w);
}

/* Its failure is the last that is heard of the range. */
static void an_outage_ends_when_its_last_probe_is_handed_back(void **state)
{
	struct world *w = world_new(true, 4);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	atomic_store(&w->assignment.ended, true);
	wb_engine_withdraw(w->engine, false);
	answer_status(w, 503);
	assert_int_equal(wb_engine_held(w->engine), 0);
	pass(w, 2000);
	serve(w);
	assert_true(wb_health_ready(w->health));
	world_free(w);
}

static void an_outage_lasts_while_a_write_of_its_range_waits_for_its_own_time(void **state)
{
	struct world *w = world_new(false, 1);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	for (int i = 0; i < 100; i++) {
		while (w->flying_count > 0)
			answer_status(w, 503);
		assert_false(wb_health_ready(w->health));
		pass(w, 1000);
		serve(w);
		assert_false(wb_health_ready(w->health));
	}
	world_free(w);
}

static size_t with_words(const struct world *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->write_count; i++)
		count += w->writes[i]->failure != NULL;
	return count;
}

static void an_outage_of_point_writes_keeps_no_words(void **state)
{
	struct world *w = world_new(false, 4);

	(void)state;
	add_many(w, 'a', 100);
	serve(w);
	for (int i = 0; i < 1000; i++) {
		while (w->flying_count > 0)
			answer_status(w, 503);
		pass(w, 1000);
		serve(w);
	}
	assert_in_range(with_words(w), 0, 8);
	world_free(w);
}

static void a_range_that_refuses_each_operation_keeps_no_words(void **state)
{
	static const int statuses[] = { 429, 503 };
	int each[100];

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(statuses); i++) {
		struct world *w = world_new(true, 1);

		for (size_t k = 0; k < WB_ARRAY_LEN(each); k++)
			each[k] = statuses[i];
		add_many(w, 'a', 300);
		for (int second = 0; second < 100; second++) {
			serve(w);
			if (w->flying_count > 0)
				answer_bulk(w, each, w->flying[0]->writes.count);
			pass(w, 1000);
		}
		assert_in_range(with_words(w), 0, 100); /* of the first reply, when nobody could know */
		world_free(w);
	}
}

/* Two writes that fail by themselves, in one bulk of their own, while their range serves others. */
static void poison_of_two_holds_nobody_back(void **state)
{
	struct world *w = world_new(true, 4);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	answer_bulk(w, (int[]){ 200 }, 1);
	add_many(w, 'p', 2);
	serve(w);
	answer_bulk(w, (int[]){ 449, 449 }, 2);
	(void)add(w, WB_OP_UPSERT, "b", "{}");
	serve(w);
	assert_int_equal(w->flying_count, 1);
	world_free(w);
}

/* Answers all that is in flight: what begins with p fails with 449 each time, all else is written. */
static void answer_with_poison(struct world *w)
{
	while (w->flying_count > 0) {
		struct wb_batch *b = w->flying[0];
		int statuses[100];
		size_t count = 0;

		for (struct wb_link *link = b->writes.head; link; link = link->next)
			statuses[count++] = wb_write_of(link)->id.data[0] == 'p' ? 449 : 200;
		answer_bulk(w, statuses, count);
	}
}

/* Lets time pass in steps of a millisecond; true when the write is judged within ms. */
static bool goes_on(struct world *w, int64_t ms, const struct wb_write *until)
{
	for (int64_t end_ms = w->now_ms + ms; w->now_ms < end_ms; pass(w, 1)) {
		serve(w);
		answer_with_poison(w);
		wb_engine_hand_over(w->engine);
		if (until && until->state == WB_WRITE_JUDGED)
			return true;
	}
	return false;
}

/* Writes that fail by themselves where little else is written: once others went through, neither their neighbours nor
 * readyz hear of them. */
static void poison_in_a_quiet_range_holds_nobody_back(void **state)
{
	struct world *w = world_new(true, 4);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "p1", "{}");
	(void)add(w, WB_OP_UPSERT, "p2", "{}");
	(void)goes_on(w, 100, NULL);
	for (int i = 0; i < 40; i++) {
		char id[8];

		(void)snprintf(id, sizeof id, "g%d", i);
		assert_true(goes_on(w, i < 3 ? 2000 : 20, add(w, WB_OP_UPSERT, id, "{}")));
		(void)goes_on(w, 20000 + i * 37, NULL);
		assert_true(i < 3 || wb_health_ready(w->health));
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_that_refuses_everything_kills_nothing),
		cmocka_unit_test(a_reading_that_a_proxy_refuses_is_repeated),
		cmocka_unit_test(an_outage_ends_when_another_partition_stays),
		cmocka_unit_test(an_outage_ends_when_its_last_probe_is_handed_back),
		cmocka_unit_test(an_outage_lasts_while_a_write_of_its_range_waits_for_its_own_time),
		cmocka_unit_test(an_outage_of_point_writes_keeps_no_words),
		cmocka_unit_test(a_range_that_refuses_each_operation_keeps_no_words),
		cmocka_unit_test(poison_of_two_holds_nobody_back),
		cmocka_unit_test(poison_in_a_quiet_range_holds_nobody_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
