/* Kafka in a process: librdkafka's mock cluster on one port, with topics in place and a watch over what it drops.
 *
 * The mock keeps 5 MiB or 100,000 batches of a partition and then drops the oldest without a word; there is no
 * setting for it. A thread asks for the partitions' first offsets, five times a second where records come in, and when
 * one moves past 0 it logs an error (this object logs by itself: nobody else could tell) and counts what is gone.
 * What the mock cannot do (compaction, groups' details, transactions' meaning) is told in docs/SANDBOX.md.
 * Thread-safe: every function but new and free.
 */
#ifndef WB_SANDBOX_KAFKA_MOCK_H
#define WB_SANDBOX_KAFKA_MOCK_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/log.h"

#include <stdint.h>

struct wb_kafka_mock_settings {
	uint16_t port;      /* 0 picks one */
	const char *topics; /* names with commas between them */
	int partitions;     /* of each */
	struct wb_log *log;
};

struct wb_kafka_mock;

/* Starts the cluster and makes the topics. NULL with a sentence in e. */
struct wb_kafka_mock *wb_kafka_mock_new(const struct wb_kafka_mock_settings *settings, struct wb_error *e) WB_MUST_USE;
/* "127.0.0.1:19092" */
const char *wb_kafka_mock_address(const struct wb_kafka_mock *m);
/* Appends {"address":…,"dropped":N,"topics":[{"topic":…,"partitions":8,"records":N,"dropped":N},…]}: records in all,
 * and those of them that are gone. */
void wb_kafka_mock_stats(struct wb_kafka_mock *m, struct wb_buf *ret);
void wb_kafka_mock_free(struct wb_kafka_mock **m);

#endif
