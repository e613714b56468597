/* What others see of the engine: its metrics and snapshots. */
#include "tests/unit/consumer/engine_fixture.h"

#include <string.h>

static struct world *watched_world(size_t ranges_shown_max)
{
	struct world *w = world_new_showing(ranges_shown_max);

	w->range->database = w->second->database = "db";
	w->range->container_name = w->second->container_name = "c";
	return w;
}

static bool page_has(struct world *w, const char *line)
{
	struct wb_buf page;
	bool found;

	wb_buf_init(&page, 1 << 20);
	wb_metrics_render(w->metrics, &page);
	found = strstr(page.data, line) != NULL;
	wb_buf_release(&page);
	return found;
}

static void assert_page_has(struct world *w, const char *line)
{
	if (!page_has(w, line))
		fail_msg("no such line: %s", line);
}

static void request_units_are_their_containers(void **state)
{
	struct world *w = watched_world(0);
	struct wb_reply reply = { .status = 200, .retry_after_ms = -1, .request_charge = 10.5 };

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	reply.body = wb_slice_cstr("[{\"statusCode\":201}]");
	answer(w, &reply);
	assert_page_has(w, "writebehind_cosmos_request_units_total{database=\"db\",container=\"c\"} 10.5\n");
	assert_page_has(w, "writebehind_cosmos_batch_fill_ratio_bucket{le=\"0.01\"} 1\n");
	assert_page_has(w, "writebehind_cosmos_ranges 1\n");
	world_free(w);
}

static void retries_are_told_by_kind_and_status(void **state)
{
	static const int statuses[] = { 429, 429, 449, 429, 201 };
	struct world *w = watched_world(0);

	(void)state;
	add_many(w, 'a', 5);
	serve(w);
	answer_bulk(w, statuses, 5);
	assert_page_has(w, "writebehind_cosmos_retries_total{kind=\"throttled\",status=\"429\"} 3\n");
	assert_page_has(w, "writebehind_cosmos_retries_total{kind=\"alone\",status=\"449\"} 1\n");
	pass(w, 1000);
	serve(w);
	answer_status(w, 0);
	assert_page_has(w, "writebehind_cosmos_retries_total{kind=\"outage\",status=\"0\"} ");
	world_free(w);
}

static void throttled_time_is_counted_as_it_passes(void **state)
{
	const struct wb_reply throttled = { .status = 429, .retry_after_ms = 3000, .activity_id = "a" };
	struct world *w = watched_world(0);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	pass(w, 500);
	answer(w, &throttled);
	pass(w, 1000);
	serve(w);
	assert_page_has(w, "writebehind_cosmos_throttled_seconds_total{database=\"db\",container=\"c\"} 1\n");
	pass(w, 10000); /* longer than the server asked for */
	serve(w);
	assert_page_has(w, "writebehind_cosmos_throttled_seconds_total{database=\"db\",container=\"c\"} 3\n");
	world_free(w);
}

static void a_range_has_gauges_while_it_is_there(void **state)
{
	struct world *w = watched_world(1);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	pass(w, 1000);
	serve(w);
	assert_page_has(w,
		"writebehind_cosmos_range_concurrency_limit{database=\"db\",container=\"c\",range=\"0\",worker=\"0\"} "
		"2\n");
	assert_page_has(w,
		"writebehind_cosmos_range_requests_in_flight{database=\"db\",container=\"c\",range=\"0\",worker=\"0\"} "
		"1\n");
	(void)add_to(w, &container, w->second, &w->assignment, WB_OP_UPSERT, "b", "{}");
	pass(w, 1000);
	serve(w);
	assert_page_has(w, "writebehind_cosmos_ranges 2\n");
	assert_false(page_has(w, "range=\"1\"")); /* beyond the maximum */
	atomic_store(&w->range->gone, true);
	answer_status(w, 410);
	pass(w, 1000);
	serve(w);
	pass(w, 1000);
	serve(w);
	assert_false(page_has(w, "range=\"0\""));
	assert_page_has(w, "range=\"1\",worker=\"0\"}"); /* there is room for it now */
	assert_page_has(w, "writebehind_cosmos_ranges 1\n");
	world_free(w);
}

static void a_snapshot_shows_trouble_first(void **state)
{
	struct world *w = watched_world(10);
	struct wb_snapshot *s = wb_snapshot_new();

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	(void)add_to(w, &container, w->second, &w->assignment, WB_OP_UPSERT, "b", "{}");
	serve(w);
	while (w->flying[0]->range != w->range) { /* that of the first range fails, the other one stays in flight */
		struct wb_batch *b = landing(w);

		w->flying[w->flying_count++] = b;
	}
	answer_status(w, 503);
	pass(w, 700);
	wb_engine_snapshot(w->engine, s);
	assert_int_equal(s->ranges_total, 2);
	assert_int_equal(s->range_count, 2);
	assert_string_equal(s->ranges[0].id, "0");
	assert_string_equal(s->ranges[0].database, "db");
	assert_int_equal(s->ranges[0].outage_ms, 700);
	assert_int_equal(s->ranges[0].failed_requests, 1);
	assert_int_equal(s->ranges[1].outage_ms, -1);
	assert_int_equal(s->ranges[1].in_flight, 1);
	assert_int_equal(s->ranges[1].limit, WB_PACE_START);
	assert_int_equal(s->held_total, 2);
	assert_int_equal(s->held_count, 2);
	assert_string_equal(s->held[0].id, "a");
	assert_int_equal(s->held[0].attempts, 1);
	assert_int_equal(s->held[0].state, WB_WRITE_WAITING);
	assert_int_equal(s->held[1].state, WB_WRITE_IN_FLIGHT);
	wb_snapshot_free(&s);
	world_free(w);
}

static void a_snapshot_is_bounded(void **state)
{
	struct world *w = watched_world(1);
	struct wb_snapshot *s = wb_snapshot_new();

	(void)state;
	add_many(w, 'a', 150);
	(void)add_to(w, &container, w->second, &w->assignment, WB_OP_UPSERT, "b", "{}");
	serve(w);
	wb_engine_snapshot(w->engine, s);
	assert_int_equal(s->held_total, 151);
	assert_int_equal(s->held_count, WB_SNAPSHOT_HELD_MAX);
	assert_string_equal(s->held[0].id, "a0");
	assert_int_equal(s->ranges_total, 2);
	assert_int_equal(s->range_count, 1);
	wb_snapshot_free(&s);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_units_are_their_containers),
		cmocka_unit_test(retries_are_told_by_kind_and_status),
		cmocka_unit_test(throttled_time_is_counted_as_it_passes),
		cmocka_unit_test(a_range_has_gauges_while_it_is_there),
		cmocka_unit_test(a_snapshot_shows_trouble_first),
		cmocka_unit_test(a_snapshot_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
