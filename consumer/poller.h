/* The one thread that reads Kafka and owns offsets: it decodes, routes, takes completions and commits; it never blocks.
 *
 * A revoked partition is drained: nothing new of it is read, what was read is finished, until it is all done or the
 * deadline passes (then the rest is handed back unsent); then the position is committed and the partition let go.
 * A lost partition is let go at once, without a commit. Reading stops at the memory budget and at a partition's gap
 * limit, while polling goes on, so membership stays.
 * Thread-safe: wake and the callbacks that take lists; the rest is its own thread.
 */
#ifndef WB_CONSUMER_POLLER_H
#define WB_CONSUMER_POLLER_H

#include "common/base/health.h"
#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "consumer/board.h"
#include "consumer/options.h"

struct wb_poller; /* opaque */

struct wb_poller_settings {
	const struct wb_consumer_options *options;
	struct wb_lifecycle *lifecycle;
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_board *board; /* where poller, recorder and workers are asked how they stand */
	struct wb_log *log;
};

/* Makes the consumer with its metadata, workers and recorder, and joins the group. */
struct wb_poller *wb_poller_new(const struct wb_poller_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Runs until the lifecycle drains, then drains within shutdown.timeout.ms, commits and leaves the group. Returns
 * WB_OK, or WB_EFATAL with a sentence when the group membership was lost for good. */
enum wb_err wb_poller_run(struct wb_poller *p, struct wb_error *e) WB_MUST_USE;
/* False: the Kafka client could not be destroyed, so that its threads go on using the log until the process ends. */
bool wb_poller_free(struct wb_poller **p);

#endif
