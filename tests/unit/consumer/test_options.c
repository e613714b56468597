#include "consumer/options.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="

/* Parses the environment alone, which is only read. Returns what finish says, or EINVAL of the parser. */
static enum wb_err parse(struct wb_consumer_options *o, const char **env, struct wb_error *e)
{
	char name[] = "writebehind-consumer";
	char *argv[] = { name, NULL };

	*o = (struct wb_consumer_options){ 0 };
	if (wb_options_parse(&wb_consumer_option_table, 1, argv, (char **)env, o, NULL, NULL, e) != WB_OPTIONS_RUN)
		return WB_EINVAL;
	return wb_consumer_options_finish(o, e);
}

static void check_bad(const char **env, const char *named)
{
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	assert_int_equal(parse(&o, env, &e), WB_EINVAL);
	if (!strstr(e.text, named))
		fail_msg("\"%s\" does not name %s", e.text, named);
	assert_null(strstr(e.text, "Jw=="));
	wb_consumer_options_release(&o);
}

static void defaults_are_complete(void **state)
{
	const char *env[] = { "COSMOS_ENDPOINT=https://h:443/", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d",
		"COSMOS_CONTAINER=c", NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, env, &e), WB_OK);
	assert_string_equal(o.cosmos.endpoint, "https://h:443");
	assert_int_equal(o.cosmos.key.len, 64);
	assert_string_equal(o.group_id, "writebehind");
	assert_int_equal(o.memory_budget_bytes, 128 << 20);
	assert_int_equal(o.cosmos.allowed_count, 1);
	assert_true(wb_slice_eq_cstr(o.cosmos.allowed[0], "c"));
	wb_consumer_options_release(&o);
}

static void connection_string_stands_for_endpoint_and_key(void **state)
{
	const char *env[] = { "COSMOS_CONNECTION_STRING=AccountEndpoint=http://127.0.0.1:8081/;AccountKey=" KEY ";",
		"COSMOS_DATABASE=d", "COSMOS_CONTAINER=c", NULL };
	const char *both[] = { env[0], "COSMOS_KEY=" KEY, env[1], env[2], NULL };
	const char *half[] = { "COSMOS_CONNECTION_STRING=AccountKey=" KEY, env[1], env[2], NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, env, &e), WB_OK);
	assert_string_equal(o.cosmos.endpoint, "http://127.0.0.1:8081");
	assert_int_equal(o.cosmos.key.len, 64);
	wb_consumer_options_release(&o);
	check_bad(both, "cosmos.connection.string");
	check_bad(half, "AccountEndpoint");
}

static void a_list_of_containers_is_split(void **state)
{
	const char *env[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d", "COSMOS_CONTAINER=c",
		"COSMOS_CONTAINERS=c, other ,third", NULL };
	const char *bad[] = { env[0], env[1], env[2], env[3], "COSMOS_CONTAINERS=c,,d", NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, env, &e), WB_OK);
	assert_int_equal(o.cosmos.allowed_count, 3);
	assert_true(wb_slice_eq_cstr(o.cosmos.allowed[1], "other"));
	assert_true(wb_slice_eq_cstr(o.cosmos.allowed[2], "third"));
	wb_consumer_options_release(&o);
	check_bad(bad, "cosmos.containers");
}

static void requests_end_before_the_session_does(void **state)
{
	const char *common[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d",
		"COSMOS_CONTAINER=c" };
	const char *short_session[] = { common[0], common[1], common[2], common[3], "KAFKA_SESSION_TIMEOUT_MS=5000",
		NULL };
	const char *long_session[] = { common[0], common[1], common[2], common[3], "KAFKA_SESSION_TIMEOUT_MS=60000",
		NULL };
	const char *too_long[] = { common[0], common[1], common[2], common[3], "COSMOS_REQUEST_TIMEOUT_MS=10s", NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, short_session, &e), WB_OK);
	assert_int_equal(o.cosmos.request_timeout_ms, 4000);
	wb_consumer_options_release(&o);
	assert_int_equal(parse(&o, long_session, &e), WB_OK);
	assert_int_equal(o.cosmos.request_timeout_ms, 30000);
	wb_consumer_options_release(&o);
	check_bad(too_long, "kafka.session.timeout.ms");
}

static void a_revocation_ends_before_the_group_loses_patience(void **state)
{
	const char *common[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d",
		"COSMOS_CONTAINER=c" };
	const char *enough[] = { common[0], common[1], common[2], common[3], "KAFKA_MAX_POLL_INTERVAL_MS=26000", NULL };
	const char *too_short[] = { common[0], common[1], common[2], common[3], "KAFKA_MAX_POLL_INTERVAL_MS=25999",
		NULL };
	const char *long_requests[] = { common[0], common[1], common[2], common[3], "KAFKA_MAX_POLL_INTERVAL_MS=26000",
		"KAFKA_SESSION_TIMEOUT_MS=26000", "COSMOS_REQUEST_TIMEOUT_MS=25000", NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, enough, &e), WB_OK);
	wb_consumer_options_release(&o);
	check_bad(too_short, "kafka.max.poll.interval.ms (25999) must be at least 26000");
	check_bad(long_requests, "must be at least 31000");
}

static void more_topics_have_containers_of_their_own(void **state)
{
	const char *env[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d", "COSMOS_CONTAINER=c",
		"TOPIC_MAP=orders.writes:orders, users.writes : users", "CONSUMER_TOMBSTONES=delete",
		"CONSUMER_ON_LOST_RANGE=continue", "KAFKA_SESSION_TIMEOUT_MS=20000", NULL };
	struct wb_consumer_options o;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(parse(&o, env, &e), WB_OK);
	assert_int_equal(o.topic_map.count, 2);
	assert_string_equal(o.topic_map.entries[1].topic, "users.writes");
	assert_true(wb_slice_eq_cstr(o.topic_map.entries[1].container, "users"));
	assert_int_equal(o.tombstones, WB_TOMBSTONES_DELETE);
	assert_int_equal(o.on_lost_range, WB_LOST_RANGE_CONTINUE);
	assert_int_equal(o.session_timeout_ms, 20000);
	wb_consumer_options_release(&o);
}

static void a_topic_has_one_use(void **state)
{
	static const char *const maps[] = { "TOPIC_MAP=writebehind.writes:c", "TOPIC_MAP=writebehind.results:c",
		"TOPIC_MAP=writebehind.dead-letters:c", "TOPIC_MAP=a:b,a:c", "TOPIC_MAP=a:b/c", "TOPIC_MAP=a" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(maps); i++) {
		const char *env[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d",
			"COSMOS_CONTAINER=c", maps[i], NULL };

		check_bad(env, "topic.map");
	}
}

static void bad_values_are_named(void **state)
{
	static const struct {
		const char *change;
		const char *named;
	} cases[] = {
		{ "COSMOS_ENDPOINT=ftp://h", "cosmos.endpoint" },
		{ "COSMOS_ENDPOINT=https://", "cosmos.endpoint" },
		{ "COSMOS_ENDPOINT=https://h/path", "cosmos.endpoint" },
		{ "COSMOS_ENDPOINT=https://user@h", "cosmos.endpoint" },
		{ "COSMOS_DATABASE=a/b", "cosmos.database" },
		{ "COSMOS_CONTAINER=a?b", "cosmos.container" },
		{ "COSMOS_KEY=!not base64!", "key" },
		{ "CONSUMER_WORKERS=0", "consumer.workers" },
		{ "CONSUMER_TOMBSTONES=keep", "consumer.tombstones" },
		{ "CONSUMER_ON_LOST_RANGE=wait", "consumer.on.lost.range" },
		{ "MEMORY_BUDGET_BYTES=1MiB", "memory.budget.bytes" },
		{ "KAFKA_MESSAGE_MAX_BYTES=40000000", "memory.budget.bytes (134217728) is too small" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		const char *env[] = { "COSMOS_ENDPOINT=http://h", "COSMOS_KEY=" KEY, "COSMOS_DATABASE=d",
			"COSMOS_CONTAINER=c", cases[i].change, NULL };
		size_t name_len = strcspn(cases[i].change, "=") + 1;

		for (size_t k = 0; k < 4; k++) {
			if (strncmp(env[k], cases[i].change, name_len) == 0)
				env[k] = cases[i].change;
		}
		check_bad(env, cases[i].named);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_complete),
		cmocka_unit_test(connection_string_stands_for_endpoint_and_key),
		cmocka_unit_test(a_list_of_containers_is_split),
		cmocka_unit_test(requests_end_before_the_session_does),
		cmocka_unit_test(a_revocation_ends_before_the_group_loses_patience),
		cmocka_unit_test(more_topics_have_containers_of_their_own),
		cmocka_unit_test(a_topic_has_one_use),
		cmocka_unit_test(bad_values_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
