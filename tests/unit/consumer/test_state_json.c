#include "consumer/state_json.h"

#include "common/base/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct wb_state_facts facts = {
	.program = "writebehind-consumer",
	.version = "1.2.3",
	.group_id = "g",
	.wall_ms = 1760000100000, /* 2025-10-09T08:55:00Z */
	.started_ms = 1760000000000,
	.memory_budget_bytes = 1000,
	.health = WB_SLICE_LIT("{\"ready\":false,\"conditions\":[{\"name\":\"group\",\"ok\":true},"
			       "{\"name\":\"cosmos\",\"ok\":false,\"why\":\"status 503/0\",\"since\":\"x\"}]}"),
};

static json_t *state_of(const struct wb_state_facts *f, const struct wb_board_answer *answers, size_t count)
{
	struct wb_buf page;
	json_t *state;

	wb_buf_init(&page, 1 << 22);
	wb_state_json(f, answers, count, &page);
	assert_int_equal(wb_buf_status(&page), WB_OK);
	state = json_loadb(page.data, page.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(state);
	wb_buf_release(&page);
	return state;
}

/* The value at a path like "ranges.0.limit", as compact JSON text. */
static void assert_at(const json_t *state, const char *path, const char *expected)
{
	char step[64];
	char *text;

	for (const char *at = path; *at;) {
		size_t len = strcspn(at, ".");

		memcpy(step, at, len);
		step[len] = '\0';
		state = json_is_array(state) ? json_array_get(state, (size_t)strtoul(step, NULL, 10))
					     : json_object_get(state, step);
		if (!state)
			fail_msg("nothing at %s", path);
		at += len + (at[len] == '.');
	}
	text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (strcmp(text, expected) != 0)
		fail_msg("%s is %s, expected %s", path, text, expected);
	free(text);
}

static void before_anybody_is_there_the_frame_stands(void **state)
{
	json_t *s = state_of(&facts, NULL, 0);

	(void)state;
	assert_at(s, "program", "\"writebehind-consumer\"");
	assert_at(s, "version", "\"1.2.3\"");
	assert_at(s, "now", "\"2025-10-09T08:55:00.000Z\"");
	assert_at(s, "uptimeSeconds", "100");
	assert_at(s, "group.id", "\"g\"");
	assert_at(s, "group.member", "null");
	assert_at(s, "memory", "{\"heldBytes\":null,\"budgetBytes\":1000}");
	assert_at(s, "faults.ready", "false");
	assert_at(s, "faults.conditions",
		"[{\"name\":\"cosmos\",\"ok\":false,\"why\":\"status 503/0\",\"since\":\"x\"}]");
	assert_at(s, "partitions", "[]");
	assert_at(s, "ranges", "[]");
	assert_at(s, "held", "[]");
	json_decref(s);
}

static struct wb_snapshot *poller_snapshot(void)
{
	struct wb_snapshot *s = wb_snapshot_new();

	s->has_group = true;
	s->group = (struct wb_group_snapshot){
		.assigned = true, .assigned_ms = 60000, .proven = true, .change = "none"
	};
	s->partitions = wb_xcalloc(2, sizeof *s->partitions);
	s->partitions[0] = (struct wb_partition_snapshot){ .topic = "t",
		.partition = 10,
		.position = 30,
		.committed = -1,
		.end = -1,
		.lag = -1,
		.stands_at = -1,
		.lost = true,
		.lost_from = 30,
		.lost_to = 39 };
	s->partitions[1] = (struct wb_partition_snapshot){ .topic = "t",
		.partition = 9,
		.position = 8,
		.committed = 5,
		.end = 9,
		.lag = 4,
		.pending = 2,
		.gap = 3,
		.stands_at = 5,
		.stands_ms = 1000,
		.paused = true };
	s->partition_count = 2;
	s->partitions_total = 5;
	s->containers = wb_xcalloc(1, sizeof *s->containers);
	s->containers[0] = (struct wb_container_snapshot){ "db", "c", "missing", 1, 2 };
	s->container_count = s->containers_total = 1;
	s->records = 12;
	s->held_bytes = 600;
	return s;
}

static void partitions_are_told_in_order(void **state)
{
	struct wb_board_answer answers[] = { { "poller", poller_snapshot() } };
	json_t *s = state_of(&facts, answers, 1);

	(void)state;
	assert_at(s, "group",
		"{\"id\":\"g\",\"member\":true,\"assignedSince\":\"2025-10-09T08:54:00.000Z\",\"joining\":false,"
		"\"membershipConfirmed\":true,\"change\":\"none\"}");
	assert_at(s, "partitions.0",
		"{\"topic\":\"t\",\"partition\":9,\"position\":8,\"committed\":5,\"end\":9,\"lag\":4,\"pending\":2,"
		"\"gap\":3,\"standsAt\":5,\"standsSince\":\"2025-10-09T08:54:59.000Z\",\"paused\":true,"
		"\"revoked\":false}");
	assert_at(s, "partitions.1.lost", "{\"from\":30,\"to\":39}");
	assert_at(s, "partitions.1.lag", "null");
	assert_at(s, "partitions.1.standsSince", "null");
	assert_at(s, "partitionsTruncated", "true");
	assert_at(s, "containers",
		"[{\"database\":\"db\",\"container\":\"c\",\"state\":\"missing\",\"routed\":1,\"parked\":2}]");
	assert_at(s, "containersTruncated", "false");
	assert_at(s, "memory.heldBytes", "600");
	assert_at(s, "totals.records", "12");
	json_decref(s);
	wb_snapshot_free(&answers[0].snapshot);
}

static struct wb_snapshot *worker_snapshot(unsigned worker, int64_t held_ms)
{
	struct wb_snapshot *s = wb_snapshot_new();

	s->ranges = wb_xcalloc(1, sizeof *s->ranges);
	s->ranges[0] = (struct wb_range_snapshot){ .database = "db",
		.container = "c",
		.id = "7",
		.worker = worker,
		.limit = 4,
		.in_flight = 3,
		.throttled_for_ms = 20,
		.outage_ms = worker ? 2000 : -1,
		.refused_ms = -1,
		.request_charge = 0.1 + 0.2 };
	s->range_count = s->ranges_total = 1;
	s->held_count = s->held_total = WB_SNAPSHOT_HELD_MAX;
	for (size_t i = 0; i < s->held_count; i++) {
		struct wb_held_write *h = &s->held[i];

		*h = (struct wb_held_write){ .topic = "t", .offset = (int64_t)i, .held_ms = held_ms - (int64_t)i };
		(void)snprintf(h->id, sizeof h->id, "%u \x1b\"\n", worker); /* it fits */
	}
	return s;
}

static void what_is_held_longest_comes_first_whoever_holds_it(void **state)
{
	struct wb_board_answer answers[] = { { "worker-0", worker_snapshot(0, 500) },
		{ "worker-1", worker_snapshot(1, 500000) }, { "worker-2", NULL } };
	json_t *s = state_of(&facts, answers, 3);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(s, "held")), WB_SNAPSHOT_HELD_MAX);
	assert_at(s, "heldTotal", "200");
	assert_at(s, "held.0",
		"{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"database\":null,\"container\":null,"
		"\"id\":\"1 \\u001B\\\"\\n\",\"state\":\"waiting\",\"alone\":false,\"attempts\":0,\"status\":0,"
		"\"substatus\":0,\"heldSince\":\"2025-10-09T08:46:40.000Z\"}");
	assert_at(s, "held.99.offset", "99");
	assert_at(s, "unanswered", "[\"worker-2\"]");
	assert_at(s, "ranges.0.requestCharge", "0.3");
	assert_at(s, "ranges.0.outageSince", "null");
	assert_at(s, "ranges.1.throttledForMs", "20");
	assert_at(s, "faults.outages",
		"[{\"database\":\"db\",\"container\":\"c\",\"range\":\"7\",\"worker\":1,"
		"\"since\":\"2025-10-09T08:54:58.000Z\"}]");
	json_decref(s);
	for (size_t i = 0; i < 2; i++)
		wb_snapshot_free(&answers[i].snapshot);
}

static void a_draining_consumer_is_not_ready(void **state)
{
	struct wb_state_facts f = facts;
	json_t *s;

	(void)state;
	f.health = wb_slice_cstr("{\"ready\":true,\"conditions\":[]}");
	s = state_of(&f, NULL, 0);
	assert_at(s, "faults.ready", "true");
	json_decref(s);
	f.draining = true;
	s = state_of(&f, NULL, 0);
	assert_at(s, "faults.ready", "false");
	assert_at(s, "faults.draining", "true");
	json_decref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_anybody_is_there_the_frame_stands),
		cmocka_unit_test(partitions_are_told_in_order),
		cmocka_unit_test(what_is_held_longest_comes_first_whoever_holds_it),
		cmocka_unit_test(a_draining_consumer_is_not_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
