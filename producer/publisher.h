/* Publishes batches as jobs: all their records, and after the last acknowledgement the accepted record, whose
 * acknowledgement makes the job (promise 1).
 *
 * Nothing blocks: records are sent on the submitting thread as far as the producer's queue takes them, the rest by the
 * publisher's own thread, batch after batch in the order of submission. A job that is not through within timeout_ms
 * fails; what Kafka took of it stays written ("unaccepted"), and its accepted record is not sent any more.
 * Thread-safe: every function but new, stop and free.
 */
#ifndef WB_PRODUCER_PUBLISHER_H
#define WB_PRODUCER_PUBLISHER_H

#include "common/base/error.h"
#include "common/base/metrics.h"
#include "common/contract/record.h"
#include "common/kafka/producer.h"
#include "producer/batch.h"

#include <stddef.h>
#include <stdint.h>

struct wb_publisher; /* opaque */

struct wb_publisher_settings {
	struct wb_kafka_producer *kafka; /* outlives stop; freed before free */
	const char *topic_writes, *topic_results;
	int32_t results_partitions;
	int64_t timeout_ms;
	struct wb_metrics *metrics;
};

/* Called once for every submitted job, from any thread; must not block. WB_OK: accepted. WB_ETIMEDOUT, WB_EIO,
 * WB_ETOOBIG (the topic refused a record for its size), WB_ECLOSED (stopped): not accepted; why is a sentence, valid
 * during the call. */
typedef void (*wb_publish_done_fn)(void *arg, enum wb_err err, const char *why);

struct wb_publisher *wb_publisher_new(const struct wb_publisher_settings *settings);
/* Ends what is in flight with WB_ECLOSED and sends nothing more. */
void wb_publisher_stop(struct wb_publisher *p);
/* After stop and after the producer was freed, whose callbacks name the publisher. */
void wb_publisher_free(struct wb_publisher **p);

/* Publishes batch under the job id. The batch is moved (empty after) and released before done is called; what its
 * slices point to must stay until then. */
void wb_publisher_submit(struct wb_publisher *p, const char job[WB_JOB_ID_SIZE], int64_t now_wall_ms,
	struct wb_batch *batch, wb_publish_done_fn done, void *arg);
/* Jobs that are not done. */
size_t wb_publisher_in_flight(struct wb_publisher *p);

#endif
