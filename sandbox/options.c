#include "sandbox/options.h"

#include "common/base/compiler.h"
#include "sandbox/exchange.h"

#define MIB    (INT64_C(1024) * 1024)
#define MINUTE INT64_C(60000)

/* The key that Microsoft's own emulators have, printed in their documentation: no secret. */
#define EMULATOR_KEY "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="

#define ROW(type_, member_, key_, def_, min_, max_, help_)             \
	{ .key = (key_),                                               \
		.type = (type_),                                       \
		.offset = offsetof(struct wb_sandbox_config, member_), \
		.def = (def_),                                         \
		.min = (min_),                                         \
		.max = (max_),                                         \
		.help = (help_) }

static const struct wb_option kafka_rows[] = {
	ROW(WB_OPT_INT, kafka_port, "kafka.port", "0", 0, 65535, "port on loopback; 0 picks a free one"),
	ROW(WB_OPT_INT, kafka_partitions, "kafka.partitions", "8", 1, 1000, "partitions of each topic"),
	ROW(WB_OPT_STRING, kafka_topics, "kafka.topics",
		"writebehind.writes,writebehind.results,writebehind.dead-letters,writebehind.dead-letters.state", 0, 0,
		"topics that are there from the start"),
};

static const struct wb_option cosmos_rows[] = {
	ROW(WB_OPT_INT, cosmos_port, "cosmos.port", "0", 0, 65535, "port on loopback; 0 picks a free one"),
	ROW(WB_OPT_STRING, cosmos_database, "cosmos.database", "writebehind", 0, 0,
		"database that is there from the start"),
	ROW(WB_OPT_STRING, cosmos_container, "cosmos.container", "documents", 0, 0,
		"container that is there from the start"),
	ROW(WB_OPT_STRING, cosmos_partition_key, "cosmos.partition.key", "/pk", 0, 0,
		"its partition key path; up to three with commas between them make a hierarchical key"),
	ROW(WB_OPT_INT, cosmos_ranges, "cosmos.ranges", "8", 1, WB_RANGES_MAX,
		"partition key ranges of every container"),
	ROW(WB_OPT_INT, cosmos_range_ru, "cosmos.range.ru", "0", 0, 1000000000,
		"request units per second that a range may spend before it answers 429; 0 for no limit"),
	ROW(WB_OPT_INT, cosmos_threads, "cosmos.threads", "2", 1, 64, "threads that serve requests"),
	ROW(WB_OPT_INT, cosmos_regions, "cosmos.regions", "1", 1, WB_LOCATIONS_MAX,
		"locations of the account, each on a port of its own, all with the same data; the first can be "
		"written"),
	ROW(WB_OPT_STRING, emulator_key, "emulator.key", EMULATOR_KEY, 0, 0,
		"the account's master key in base64; it is printed at the start, so never give a real account's"),
	ROW(WB_OPT_BYTES, store_max_bytes, "store.max.bytes", "4GiB", MIB, 1024 * 1024 * MIB,
		"memory for documents; beyond it writes are answered with 507"),
};

static const struct wb_option fault_rows[] = {
	ROW(WB_OPT_DURATION, fault_latency_ms, "fault.latency.ms", "0", 0, 10 * MINUTE, "added to every reply"),
	ROW(WB_OPT_DURATION, fault_jitter_ms, "fault.jitter.ms", "0", 0, 10 * MINUTE,
		"added to every reply at random, up to this"),
	ROW(WB_OPT_STRING, fault_rules, "fault.rules", NULL, 0, 0,
		"fault rules as JSON, as POST /_sandbox/faults takes them"),
};

#define GROUP(title_, rows_) { .title = (title_), .options = (rows_), .count = WB_ARRAY_LEN(rows_) }
static const struct wb_option_group groups[] = {
	GROUP("Kafka (librdkafka's mock cluster)", kafka_rows),
	GROUP("Cosmos DB emulator", cosmos_rows),
	GROUP("Faults", fault_rows),
	{ .title = "Log",
		.options = wb_log_service_rows,
		.count = WB_LOG_OPTION_ROWS,
		.base = offsetof(struct wb_sandbox_config, log) },
};

const struct wb_option_table wb_sandbox_options = {
	.program = "writebehind-sandbox",
	.summary =
		"Kafka and Cosmos DB in one process, for development and tests: in memory, on loopback, with faults on "
		"request.",
	.usage = "writebehind-sandbox [options]",
	.epilogue =
		"When both are ready it prints one line of JSON to standard output:\n"
		"  {\"kafka\":\"127.0.0.1:PORT\",\"cosmos\":\"http://127.0.0.1:PORT\",\"key\":...,\"database\":...,\n"
		"   \"container\":...,\"partitionKey\":...}\n"
		"\n"
		"On the Cosmos port, unsigned:\n"
		"  GET  /_sandbox/stats        operations by status, request units, records that Kafka's mock dropped\n"
		"  POST /_sandbox/faults       add rules; GET lists them, DELETE clears them. Examples:\n"
		"    "
		"[{\"match\":{\"op\":\"upsert\",\"bulk\":true,\"range\":\"0\",\"id_prefix\":\"x\"},\"probability\":0.1,"
		"\n"
		"      \"count\":5,\"status\":429,\"substatus\":3200,\"retry_after_ms\":50}]    some operations\n"
		"    [{\"scope\":\"request\",\"probability\":0.01,\"status\":503}]             whole replies\n"
		"    [{\"action\":\"reset-after\",\"count\":1}]   or reset-before, hang, truncate, garbage\n"
		"    [{\"latency_ms\":10,\"jitter_ms\":5}]\n"
		"  GET  /_sandbox/documents?database=D&container=C    every document, one line of JSON each\n"
		"  POST /_sandbox/bulk         {\"enabled\":false} answers bulk requests with 400\n"
		"  POST /_sandbox/throughput   {\"range_ru\":400} changes cosmos.range.ru\n"
		"  POST /_sandbox/split        {\"database\":D,\"container\":C,\"range\":\"0\"} splits a range; merge, "
		"recreate and\n"
		"                              failover are there too: docs/SANDBOX.md\n"
		"\n"
		"The mock keeps 5 MiB of each partition and drops what is older: the log says so when it happens.\n",
	.groups = groups,
	.group_count = WB_ARRAY_LEN(groups),
};
