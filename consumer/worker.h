/* A worker: the event loop that owns some partition key ranges and sends their writes to Cosmos DB.
 *
 * Per range: a ready queue, requests in flight, a throttle. Operations of one range travel together, at most 100 and
 * 220,201 bytes, flushed when full or after a few ms. Every operation of a reply is judged alone; a whole request that
 * fails waits as an outage or is split. At most one write per item is in flight (item_order).
 * Thread-safe: submit and wake from any thread; the rest is the worker's own thread.
 */
#ifndef WB_CONSUMER_WORKER_H
#define WB_CONSUMER_WORKER_H

#include "common/base/handover.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "consumer/metadata.h"
#include "consumer/options.h"
#include "consumer/outage.h"
#include "consumer/write.h"

struct wb_worker; /* opaque */

struct wb_worker_settings {
	unsigned index;
	const struct wb_consumer_options *options;
	struct wb_metadata *metadata;
	/* Takes judged writes away; called on the worker's thread. */
	void (*judged)(void *arg, struct wb_list *batch);
	/* Takes writes of ended assignments back, unsent (state FINISHED, no outcome). */
	void (*handed_back)(void *arg, struct wb_list *batch);
	/* Makes what the write needs of its Kafka message its own, as it is about to wait for long; once is enough. */
	void (*detach_message)(void *arg, struct wb_write *w);
	void *arg;
	struct wb_outage *outage;
	struct wb_metrics *metrics;
	struct wb_log *log;
};

/* Starts its thread. */
struct wb_worker *wb_worker_new(const struct wb_worker_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Hands over WAITING writes whose range belongs to this worker, in log order per item; batch is empty after. */
void wb_worker_submit(struct wb_worker *w, struct wb_list *batch);
/* Something changed (an assignment ended): look again now. */
void wb_worker_wake(struct wb_worker *w);
/* Ends the thread at once; writes that it still holds are handed back. */
void wb_worker_free(struct wb_worker **w);

#endif
