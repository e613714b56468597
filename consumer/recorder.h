/* Makes outcomes durable before offsets move: dead letters first, then results records, both acknowledged.
 *
 * Its thread takes judged writes, publishes a letter for each dead one, gathers outcomes for some 100 ms per results
 * partition, publishes them, and hands the writes over once that is acknowledged. A letter or record that Kafka did
 * not take is sent again until it does: nothing is finished without it. Thread-safe: judged from any thread; new and free from one.
 */
#ifndef WB_CONSUMER_RECORDER_H
#define WB_CONSUMER_RECORDER_H

#include "common/base/handover.h"
#include "common/base/health.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/kafka/options.h"
#include "consumer/board.h"
#include "consumer/write.h"

struct wb_recorder; /* opaque */

struct wb_recorder_settings {
	const struct wb_kafka_options *kafka;
	const char *client_id;                 /* shown as consumer in letters and results */
	int64_t interval_ms;                   /* results are gathered that long */
	struct wb_handover *finished; /* where writes go whose outcome is acknowledged (RECORDED): the poller's */
	struct wb_handover *given_up; /* where they go, as they are, that had to be given up at the end */
	struct wb_board *board; /* where it is asked what it holds; may be NULL */
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_log *log;
};

struct wb_recorder *wb_recorder_new(const struct wb_recorder_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Takes judged writes (state JUDGED); batch is empty after. */
void wb_recorder_judged(struct wb_recorder *r, struct wb_list *batch);
/* Publish what is gathered now instead of waiting for the interval: while draining. Any thread. */
void wb_recorder_hurry(struct wb_recorder *r, bool hurry);
/* Waits up to timeout_ms for acknowledgements; what is not acknowledged is given up: it is redelivered. */
void wb_recorder_free(struct wb_recorder **r, int64_t timeout_ms);

#endif
