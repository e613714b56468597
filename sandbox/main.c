/* writebehind-sandbox: Kafka and Cosmos DB in one process, for development, demonstrations and tests. */

#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "sandbox/emulator.h"
#include "sandbox/kafka_mock.h"
#include "sandbox/options.h"

#include <stdio.h>
#include <unistd.h>

#define PROGRAM "writebehind-sandbox"
/* The emulator's administration is open: nobody but this machine may reach it. */
#define HOST "127.0.0.1"

struct sandbox {
	struct wb_sandbox_config config;
	struct wb_lifecycle *lifecycle;
	struct wb_log *log;
	struct wb_kafka_mock *kafka;
	struct wb_emulator *emulator;
};

static void kafka_stats(void *arg, struct wb_buf *ret)
{
	struct sandbox *s = arg;

	wb_buf_append_cstr(ret, ",\"kafka\":");
	wb_kafka_mock_stats(s->kafka, ret);
}

static enum wb_err start(struct sandbox *s, struct wb_error *e)
{
	const struct wb_sandbox_config *c = &s->config;
	const struct wb_kafka_mock_settings kafka = {
		.port = (uint16_t)c->kafka_port,
		.topics = c->kafka_topics,
		.partitions = (int)c->kafka_partitions,
		.log = s->log,
	};
	const struct wb_emulator_settings emulator = {
		.host = HOST,
		.port = (uint16_t)c->cosmos_port,
		.key = c->emulator_key,
		.ranges = (unsigned)c->cosmos_ranges,
		.threads = (unsigned)c->cosmos_threads,
		.locations = (unsigned)c->cosmos_regions,
		.range_limit = c->cosmos_range_ru,
		.store_max_bytes = c->store_max_bytes,
		.latency_ms = c->fault_latency_ms,
		.jitter_ms = c->fault_jitter_ms,
		.fault_rules = c->fault_rules,
		.more_stats = kafka_stats,
		.more_stats_arg = s,
	};

	s->kafka = wb_kafka_mock_new(&kafka, e);
	if (!s->kafka)
		return WB_EIO;
	s->emulator = wb_emulator_new(&emulator, e);
	if (!s->emulator)
		return WB_EIO;
	return wb_emulator_create(s->emulator, c->cosmos_database, c->cosmos_container, c->cosmos_partition_key, e);
}

/* The one line on standard output: where everything is. */
static void say_ready(const struct sandbox *s)
{
	const struct wb_sandbox_config *c = &s->config;
	const char *const members[][2] = {
		{ "key", c->emulator_key },
		{ "database", c->cosmos_database },
		{ "container", c->cosmos_container },
		{ "partitionKey", c->cosmos_partition_key },
	};
	struct wb_buf line;

	wb_buf_init(&line, 65536);
	wb_buf_appendf(&line, "{\"kafka\":\"%s\",\"cosmos\":\"http://" HOST ":%u\"", wb_kafka_mock_address(s->kafka),
		wb_emulator_port(s->emulator, 0));
	if (c->cosmos_regions > 1) {
		wb_buf_append_cstr(&line, ",\"cosmosRegions\":[");
		for (unsigned i = 0; i < c->cosmos_regions; i++)
			wb_buf_appendf(
				&line, "%s\"http://" HOST ":%u\"", i ? "," : "", wb_emulator_port(s->emulator, i));
		wb_buf_append_char(&line, ']');
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(members); i++) {
		wb_buf_appendf(&line, ",\"%s\":", members[i][0]);
		wb_buf_append_json_string(&line, wb_slice_cstr(members[i][1]));
	}
	wb_buf_append_cstr(&line, "}\n");
	(void)fwrite(line.data, 1, line.len, stdout); /* whoever closed it does not want to know */
	(void)fflush(stdout);
	wb_buf_release(&line);
}

static int run(struct sandbox *s)
{
	struct wb_error why;
	int code;

	if (start(s, &why)) {
		wb_log_error(s->log, "cannot start", WB_STR("why", why.text));
		wb_lifecycle_stop(s->lifecycle, 1, "cannot start");
	} else {
		wb_lifecycle_running(s->lifecycle);
		wb_log_info(s->log, "ready", WB_STR("kafka", wb_kafka_mock_address(s->kafka)),
			WB_INT("cosmos_port", wb_emulator_port(s->emulator, 0)),
			WB_INT("ranges", s->config.cosmos_ranges));
		say_ready(s);
	}
	(void)wb_lifecycle_wait(s->lifecycle, -1); /* returns only when it is over */
	code = wb_lifecycle_exit_code(s->lifecycle);
	wb_lifecycle_reason(s->lifecycle, &why);
	wb_log_info(s->log, "stopping", WB_STR("reason", why.text));
	wb_emulator_free(&s->emulator);
	wb_kafka_mock_free(&s->kafka);
	wb_lifecycle_stopped(s->lifecycle);
	return code;
}

int main(int argc, char **argv)
{
	struct sandbox s = { 0 };
	struct wb_error why;
	int code = 0;

	switch (wb_options_parse(&wb_sandbox_options, argc, argv, environ, &s.config, NULL, NULL, &why)) {
	case WB_OPTIONS_DONE:
		break;
	case WB_OPTIONS_BAD:
		(void)fprintf(stderr, PROGRAM ": %s\n", why.text);
		code = 2;
		break;
	case WB_OPTIONS_RUN:
		s.lifecycle = wb_lifecycle_new();
		s.log = wb_log_open(PROGRAM, &s.config.log);
		code = run(&s);
		wb_log_free(&s.log);
		wb_lifecycle_free(&s.lifecycle);
		break;
	}
	wb_options_release(&wb_sandbox_options, &s.config);
	return code;
}
