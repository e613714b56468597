/* Sends the writes of one job from one thread that may wait: writebehind-publish's way to Kafka.
 *
 * Waits only while the producer's queue is full, never for a single record. The first failure ends the job: later
 * calls return it again. Not thread-safe: one owner; acknowledgements come from Kafka's thread.
 */
#ifndef WB_PRODUCER_SENDER_H
#define WB_PRODUCER_SENDER_H

#include "common/base/error.h"
#include "common/kafka/producer.h"
#include "producer/outgoing.h"

#include <stdatomic.h>
#include <stdint.h>

struct wb_sender {
	struct wb_kafka_producer *kafka;
	struct wb_outgoing_target target;
	int64_t timeout_ms;          /* without any acknowledgement */
	uint64_t sent;               /* writes given to Kafka's queue */
	atomic_uint_least64_t acked; /* writes that Kafka holds */
	atomic_uint_least64_t failed;
	atomic_int err;              /* enum wb_err of the first failure */
	char why[256];               /* of the first failure: valid when err is set and failed counts it */
	atomic_int accepted;         /* -1: not answered yet, else enum wb_err */
	/* Called now and then while waiting; may be NULL. */
	void (*progress)(void *arg);
	void *progress_arg;
};

void wb_sender_init(struct wb_sender *s, struct wb_kafka_producer *kafka, const struct wb_outgoing_target *target,
	int64_t timeout_ms);
/* Gives one write to Kafka's queue; its memory may be reused after. WB_ETIMEDOUT, WB_EIO, WB_ETOOBIG with a sentence. */
enum wb_err wb_sender_send(struct wb_sender *s, const struct wb_batch_write *write, struct wb_error *e) WB_MUST_USE;
/* Waits until every write that was sent is acknowledged or failed. */
enum wb_err wb_sender_settle(struct wb_sender *s, struct wb_error *e) WB_MUST_USE;
/* After settle: sends the accepted record and waits for it. */
enum wb_err wb_sender_accept(struct wb_sender *s, const char *topic, int32_t partitions, int64_t now_wall_ms,
	struct wb_error *e) WB_MUST_USE;

#endif
