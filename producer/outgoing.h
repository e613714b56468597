/* What goes to Kafka: the records of a job and its accepted record; one code for the service and for
 * writebehind-publish.
 *
 * Thread-safe: every function.
 */
#ifndef WB_PRODUCER_OUTGOING_H
#define WB_PRODUCER_OUTGOING_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/contract/record.h"
#include "common/kafka/producer.h"
#include "producer/batch.h"

#include <stdbool.h>
#include <stdint.h>

/* A new job id: 16 random bytes in lower-case hex. */
void wb_job_id_new(char ret[WB_JOB_ID_SIZE]);

/* Where a write belongs. */
struct wb_outgoing_target {
	const char *topic;
	struct wb_slice job;                 /* absent: untracked */
	struct wb_slice database, container; /* absent: the consumers' default */
	bool values_stay;                    /* as in wb_kafka_record */
};

/* Sends one write; the results are wb_kafka_producer_send's. */
enum wb_err wb_outgoing_write(struct wb_kafka_producer *kafka, const struct wb_outgoing_target *target, uint64_t seq,
	const struct wb_batch_write *write, wb_kafka_ack_fn fn, void *arg) WB_MUST_USE;

/* Sends an accepted record to the job's partition of the results topic, which has that many partitions. */
enum wb_err wb_outgoing_accepted(struct wb_kafka_producer *kafka, const char *topic, int32_t partitions,
	struct wb_slice job, struct wb_slice record, wb_kafka_ack_fn fn, void *arg) WB_MUST_USE;

#endif
