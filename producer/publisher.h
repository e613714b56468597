/* Publishes jobs: all their records, and after the last acknowledgement the accepted record, whose acknowledgement makes
 * the job (promise 1). A job comes as one batch, or as a stream of writes.
 *
 * Nothing blocks. Of a batch, records are sent on the submitting thread as far as the producer's queue takes them, the
 * rest by the publisher's own thread, batch after batch in the order of submission. A job that is not through within
 * timeout_ms (a stream: after its end) fails; what Kafka took of it stays written ("unaccepted"), and its accepted record
 * is not sent any more.
 * Documents are not copied: their memory is the publisher's until Kafka has told what became of each record, which may
 * be after the job was answered.
 * Thread-safe: every function but new, stop and free; a stream and its blocks belong to one thread at a time.
 */
#ifndef WB_PRODUCER_PUBLISHER_H
#define WB_PRODUCER_PUBLISHER_H

#include "common/base/error.h"
#include "common/base/metrics.h"
#include "common/contract/record.h"
#include "common/contract/result.h"
#include "common/kafka/producer.h"
#include "producer/batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_publisher; /* opaque */
struct wb_publish_stream; /* opaque */
struct wb_publish_block; /* opaque */

struct wb_publisher_settings {
	/* Both outlive stop, and are freed before free. A stream's documents have a client of their own, which may let them
	 * linger for longer than a job that somebody waits for. */
	struct wb_kafka_producer *kafka, *stream_kafka;
	const char *topic_writes, *topic_results;
	int32_t results_partitions;
	int64_t timeout_ms;
	size_t stream_bytes; /* of all streams' blocks that Kafka has not acknowledged */
	struct wb_metrics *metrics;
};

/* What a job's accepted record says of it. Copied. */
struct wb_publish_job {
	char id[WB_JOB_ID_SIZE];
	int64_t at_ms; /* wall clock */
	struct wb_slice database, container; /* absent: the consumers' default */
	struct wb_slice callback; /* absent: none */
	const uint8_t *key; /* NULL, or the WB_RESULT_KEY_SIZE bytes of its idempotency key's digest */
};

/* Called once for every job that was submitted or ended, from any thread; must not block. WB_OK: accepted.
 * WB_ETIMEDOUT, WB_EIO, WB_ETOOBIG (the topic refused a record for its size), WB_ECLOSED (stopped): not accepted; why is
 * a sentence, valid during the call. */
typedef void (*wb_publish_done_fn)(void *arg, enum wb_err err, const char *why);

/* Memory that a batch's slices point into, the publisher's until it calls release, once, from any thread, perhaps before
 * submit returns. release NULL: documents are copied as they are sent, and stay until done is called. */
struct wb_publish_memory {
	void (*release)(void *arg);
	void *arg;
};

struct wb_publisher *wb_publisher_new(const struct wb_publisher_settings *settings);
/* Ends what is in flight with WB_ECLOSED and sends nothing more. */
void wb_publisher_stop(struct wb_publisher *p);
/* After stop and after the producer was freed, whose callbacks name the publisher. */
void wb_publisher_free(struct wb_publisher **p);

/* A new random job id. Ids that are made one after the other tend to share a partition of the results topic for a few
 * milliseconds, so that the accepted records of jobs that come together travel together. */
void wb_publisher_new_id(struct wb_publisher *p, char ret[WB_JOB_ID_SIZE]);

/* Publishes batch as a job. The batch is moved (empty after). here: on this thread as far as the queue takes it; else by
 * the publisher's. */
void wb_publisher_submit(struct wb_publisher *p, const struct wb_publish_job *job, struct wb_batch *batch,
	struct wb_publish_memory memory, bool here, wb_publish_done_fn done, void *arg);
/* Jobs that are not done; streams that are still open are not among them. */
size_t wb_publisher_in_flight(struct wb_publisher *p);

/* A stream of writes whose number is not known yet. Its documents stand in blocks. room is called, from any thread, when
 * block_new or send, having said WB_EFULL, may be tried again, also when the stream failed meanwhile; it must not call
 * the publisher. It is not called any more once end or abort has returned. */
struct wb_publish_stream *wb_publish_stream_open(
	struct wb_publisher *p, const struct wb_publish_job *job, void (*room)(void *arg), void *arg);
/* Memory of cap bytes for documents. replaced: the block that is done next, NULL for none; it stays the caller's. WB_EFULL
 * while the stream's share of stream_bytes is in flight beside that one (a stream without any always gets a block): try
 * again when room was called. Else, with a sentence in e, the stream has failed: it is to be aborted. */
enum wb_err wb_publish_block_new(struct wb_publish_stream *s, const struct wb_publish_block *replaced, size_t cap,
	struct wb_publish_block **ret, struct wb_error *e) WB_MUST_USE;
char *wb_publish_block_bytes(struct wb_publish_block *b);
/* No more records of this block follow: its memory goes when Kafka has told what became of those that were sent. */
void wb_publish_block_done(struct wb_publish_block **b);
/* Sends a write that stands in block. WB_EFULL: try again when room was called. Else, with a sentence in e, the stream
 * has failed: it is to be aborted. */
enum wb_err wb_publish_stream_send(struct wb_publish_stream *s, struct wb_publish_block *block,
	const struct wb_batch_write *write, struct wb_error *e) WB_MUST_USE;
/* Writes that were sent. */
uint64_t wb_publish_stream_count(const struct wb_publish_stream *s);
/* All writes are sent: the accepted record follows them. s is not to be used after. */
void wb_publish_stream_end(struct wb_publish_stream **s, wb_publish_done_fn done, void *arg);
/* There will be no job. What was sent may be carried out. */
void wb_publish_stream_abort(struct wb_publish_stream **s);

#endif
