/* Reads one topic from its first record on, all partitions, without a consumer group; and knows when it has caught up.
 *
 * For views (job status, dead letters). Records of one partition come in their order. New partitions are picked up.
 * Not thread-safe: one owner.
 */
#ifndef WB_COMMON_KAFKA_READER_H
#define WB_COMMON_KAFKA_READER_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/kafka/options.h"
#include "common/kafka/producer.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_kafka_reader; /* opaque */

/* The record and its slices are valid during the call. */
typedef void (*wb_kafka_record_fn)(void *arg, const struct wb_kafka_record *record);

struct wb_kafka_reader_settings {
	const char *topic, *client_id;
	int64_t since_ms;   /* start at the first record with that timestamp or later; 0: at the earliest */
	int64_t timeout_ms; /* of the wait for the topic's partitions */
	/* For what follows a busy topic for ever: a fetch waits up to 20 ms for 64 KiB, so that there are 50 a second and
	 * not thousands, and less is fetched ahead. Else a record is fetched as soon as it is there. */
	bool follows;
	/* No partition is read before wb_kafka_reader_seek says where from; since_ms means nothing then. */
	bool waits;
};

struct wb_kafka_reader *wb_kafka_reader_new(const struct wb_kafka_options *options,
	const struct wb_kafka_reader_settings *settings, struct wb_log *log, struct wb_error *e) WB_MUST_USE;
void wb_kafka_reader_free(struct wb_kafka_reader **r);
/* Hands up to max records that are there, waiting up to timeout_ms for the first; returns how many. Errors that pass
 * by themselves are waited out; ret_err (not NULL) becomes WB_EFATAL for one that does not. */
size_t wb_kafka_reader_poll(struct wb_kafka_reader *r, size_t max, int64_t timeout_ms, wb_kafka_record_fn fn, void *arg,
	enum wb_err *ret_err, struct wb_error *e);
/* Asks the cluster for the ends of all partitions as they are now and remembers them as the mark. */
enum wb_err wb_kafka_reader_mark(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_error *e) WB_MUST_USE;
/* Whether everything below the last mark was handed out; remaining (may be NULL): how many records are not. */
bool wb_kafka_reader_reached(struct wb_kafka_reader *r, int64_t *remaining);

/* For readers that wait. How many partitions are known as of the last mark, and what was marked of one: its first offset and
 * its end; next: the first offset that was not handed out, -1 where it is not read. */
int32_t wb_kafka_reader_partitions(const struct wb_kafka_reader *r);
void wb_kafka_reader_bounds(
	const struct wb_kafka_reader *r, int32_t partition, int64_t *ret_low, int64_t *ret_end, int64_t *ret_next);
/* Reads the partition from there on; offset -1: no longer. An offset that does not exist any more, or not yet, is taken for
 * the first that exists. */
enum wb_err wb_kafka_reader_seek(
	struct wb_kafka_reader *r, int32_t partition, int64_t offset, struct wb_error *e) WB_MUST_USE;
/* Whether the cluster has such a topic; false when it does not answer. */
bool wb_kafka_reader_knows(struct wb_kafka_reader *r, const char *topic, int64_t timeout_ms);
/* Appends the cluster's id; nothing when it does not tell. */
void wb_kafka_reader_cluster(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_buf *ret);

#endif
