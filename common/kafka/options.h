/* Options that every program that talks to Kafka shares: the cluster, the topics' names, and kafka.* passed through.
 *
 * Not thread-safe; filled once at start, read-only after.
 */
#ifndef WB_COMMON_KAFKA_OPTIONS_H
#define WB_COMMON_KAFKA_OPTIONS_H

#include "common/base/options.h"

struct wb_kafka_options {
	char *bootstrap_servers;         /* kafka.bootstrap.servers */
	struct wb_option_map properties; /* kafka.* but for the rows of this table */
	char *topic_writes;
	char *topic_results;
	char *topic_dead_letters;
	bool topic_create;
	int64_t topic_partitions;        /* topic.partitions: for topics that topic.create makes (default 8) */
	int64_t topic_replication;       /* topic.replication.factor (default 3) */
};

#define WB_KAFKA_OPTION_ROWS 8 /* a constant, because programs' tables are static initialisers */

/* The rows, for the program's table: { "Kafka", wb_kafka_option_rows, WB_KAFKA_OPTION_ROWS, offsetof(…) }. */
extern const struct wb_option wb_kafka_option_rows[WB_KAFKA_OPTION_ROWS];
extern const size_t wb_kafka_option_row_count;

/* kafka.message.max.bytes as it was given; -1: it was not, or is no number, which the Kafka client says in its own words. */
int64_t wb_kafka_message_max_bytes(const struct wb_kafka_options *options);

#endif
