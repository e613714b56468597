#include "common/kafka/options.h"

#include "common/base/strict.h"

#include <string.h>

#define ROW(member) offsetof(struct wb_kafka_options, member)

const struct wb_option wb_kafka_option_rows[WB_KAFKA_OPTION_ROWS] = {
	{
		.key = "kafka.bootstrap.servers",
		.type = WB_OPT_STRING,
		.offset = ROW(bootstrap_servers),
		.def = "127.0.0.1:9092",
		.help = "Brokers to start from, as host:port separated by commas",
	},
	{
		.key = "kafka.",
		.type = WB_OPT_PREFIX,
		.offset = ROW(properties),
		.help = "Any other librdkafka property, passed on unchanged: kafka.security.protocol, "
			"kafka.sasl.password …; acks, idempotence, commits and offset resets cannot be changed, "
			"since the promises rest on them",
	},
	{
		.key = "topic.writes",
		.type = WB_OPT_STRING,
		.offset = ROW(topic_writes),
		.def = "writebehind.writes",
		.help = "Topic that carries the writes",
	},
	{
		.key = "topic.results",
		.type = WB_OPT_STRING,
		.offset = ROW(topic_results),
		.def = "writebehind.results",
		.help = "Topic that says what was accepted and what became of it",
	},
	{
		.key = "topic.dead.letters",
		.type = WB_OPT_STRING,
		.offset = ROW(topic_dead_letters),
		.def = "writebehind.dead-letters",
		.help = "Topic that takes the writes that cannot succeed",
	},
	{
		.key = "topic.create",
		.type = WB_OPT_BOOL,
		.offset = ROW(topic_create),
		.def = "false",
		.help = "Create the topics that are missing; existing ones are never changed",
	},
	{
		.key = "topic.partitions",
		.type = WB_OPT_INT,
		.offset = ROW(topic_partitions),
		.def = "8",
		.min = 1,
		.max = 10000,
		.help = "Partitions of topics that are created",
	},
	{
		.key = "topic.replication.factor",
		.type = WB_OPT_INT,
		.offset = ROW(topic_replication),
		.def = "3",
		.min = 1,
		.max = 100,
		.help = "Copies of each partition of topics that are created",
	},
};

const size_t wb_kafka_option_row_count = WB_KAFKA_OPTION_ROWS;

int64_t wb_kafka_message_max_bytes(const struct wb_kafka_options *options)
{
	int64_t bytes = -1, given;

	for (size_t i = 0; i < options->properties.count; i++) {
		const struct wb_option_pair *pair = &options->properties.pairs[i];

		/* Up to where librdkafka takes it. */
		if (strcmp(pair->key, "message.max.bytes") == 0 &&
			wb_strict_int64(wb_slice_cstr(pair->value), 1000, 1000000000, &given, NULL) == WB_OK)
			bytes = given;
	}
	return bytes;
}
