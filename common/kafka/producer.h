/* Producing with acknowledgements: every record gets exactly one callback, acknowledged by all in-sync replicas or
 * failed. Idempotent, murmur2_random partitioner. A record that the broker did not confirm with its offset counts as
 * failed, though librdkafka may infer that it is stored.
 *
 * Bounded: the queue takes at most queue.buffering.max.kbytes; then send says WB_EFULL and nothing was taken.
 * After a fatal error the client is replaced by a new one behind this interface; records in flight then fail and their
 * owners send them again. Callbacks run on the producer's own thread, must not block and may call send.
 * Connections are made in the background from the start, so that the first record is as quick as the others.
 * Thread-safe: every function but free.
 */
#ifndef WB_COMMON_KAFKA_PRODUCER_H
#define WB_COMMON_KAFKA_PRODUCER_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/contract/header.h"
#include "common/kafka/options.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_kafka_producer; /* opaque */

struct wb_kafka_producer_settings {
	const char *client_id;
	int64_t linger_ms;
	int64_t delivery_timeout_ms;   /* message.timeout.ms: after it a record's callback says WB_ETIMEDOUT */
	int64_t queue_bytes;           /* of keys and values, or 512 bytes a record where they are smaller */
	const char *compression;       /* "none", "zstd", "lz4" … ; NULL: the user's or librdkafka's default */
	int64_t message_max_bytes; /* the client takes at least this, whatever message.max.bytes says, and its queue
	                                * holds one of that size; 0: 3 MB, and only where the queue has room */
	bool alone; /* each record is a batch of its own, so that its size is judged without others' */
};

struct wb_kafka_record {
	const char *topic;
	int32_t partition; /* -1: by key */
	struct wb_slice key; /* data NULL: no key */
	struct wb_slice value; /* data NULL: no value */
	bool value_stays; /* sent: the value's memory stays until the acknowledgement, so that it need not be copied */
	const struct wb_header *headers;
	size_t header_count;
	int64_t timestamp_ms; /* 0: now; when read: -1 for none */
	int64_t offset; /* when read */
};

struct wb_kafka_ack {
	enum wb_err err; /* WB_OK: acknowledged. WB_ETIMEDOUT, WB_ETOOBIG (it, or the batch that it was in),
	                                * WB_EINVAL (no such partition), WB_EIO: not, or not surely */
	int32_t partition;
	int64_t offset; /* of an acknowledged record: where it stands in the log, told by the broker */
	const char *text; /* librdkafka's words; valid during the call */
};
typedef void (*wb_kafka_ack_fn)(void *arg, const struct wb_kafka_ack *ack);

/* Does not wait for the cluster. NULL with a sentence for wrong options. options and settings are not kept. */
struct wb_kafka_producer *wb_kafka_producer_new(const struct wb_kafka_options *options,
	const struct wb_kafka_producer_settings *settings, struct wb_log *log, struct wb_error *e) WB_MUST_USE;
/* Waits up to timeout_ms for what is in flight (its callbacks run), fails the rest, frees. */
void wb_kafka_producer_free(struct wb_kafka_producer **p, int64_t timeout_ms);

/* Copies the record (but see value_stays) and returns; fn runs later, once, unless an error is returned: WB_EFULL (try again later),
 * WB_ETOOBIG (message.max.bytes), WB_EINVAL (no such partition), WB_EIO, WB_ECLOSED (being freed). */
enum wb_err wb_kafka_producer_send(
	struct wb_kafka_producer *p, const struct wb_kafka_record *record, wb_kafka_ack_fn fn, void *arg) WB_MUST_USE;
/* Sends what lingers now and waits until nothing is in flight; WB_ETIMEDOUT when that takes longer than timeout_ms.
 * Not from a callback. */
enum wb_err wb_kafka_producer_flush(struct wb_kafka_producer *p, int64_t timeout_ms) WB_MUST_USE;
/* Records taken and not yet called back. */
int64_t wb_kafka_producer_in_flight(struct wb_kafka_producer *p);
/* Partitions of a topic; asks the cluster (up to timeout_ms) the first time, then answers from memory. Not from a
 * callback. WB_ENOTFOUND for a topic that does not exist, WB_ETIMEDOUT when no broker answered. */
enum wb_err wb_kafka_producer_partitions(struct wb_kafka_producer *p, const char *topic, int64_t timeout_ms,
	int32_t *ret_count, struct wb_error *e) WB_MUST_USE;
/* Whether brokers were reachable in the last seconds, for readyz: false with librdkafka's words in e. */
bool wb_kafka_producer_up(struct wb_kafka_producer *p, struct wb_error *e);

#endif
