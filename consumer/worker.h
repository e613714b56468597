/* A worker: the thread that carries some items' writes to Cosmos DB: an engine (what to send when), a transport (how), and
 * a queue of what comes in.
 *
 * Thread-safe: submit and wake from any thread; the rest is the worker's own thread.
 */
#ifndef WB_CONSUMER_WORKER_H
#define WB_CONSUMER_WORKER_H

#include "common/base/handover.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "consumer/board.h"
#include "consumer/gate.h"
#include "consumer/metadata.h"
#include "consumer/options.h"
#include "consumer/outage.h"
#include "consumer/pace.h"
#include "consumer/write.h"

struct wb_worker; /* opaque */
struct wb_ru_budget; /* consumer/ru_budget.h */

struct wb_worker_settings {
	unsigned index;
	const struct wb_consumer_options *options;
	struct wb_metadata *metadata;
	/* Takes judged writes away; called on the worker's thread. */
	void (*judged)(void *arg, struct wb_list *batch);
	/* Takes writes back that may not be sent any more: of ended assignments and stale containers (state WAITING). */
	void (*handed_back)(void *arg, struct wb_list *batch);
	void *arg;
	const char *client; /* for the User-Agent */
	int64_t away_max_ms; /* after a longer absence the gate is shut: half of the session timeout */
	struct wb_gate *gate;
	struct wb_board *board; /* where it is asked what it holds; may be NULL */
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_ru_budget *budget; /* NULL: none */
	struct wb_metrics *metrics;
	struct wb_log *log;
};

/* Starts its thread. */
struct wb_worker *wb_worker_new(const struct wb_worker_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Hands over WAITING writes whose items belong to this worker (wb_container_worker), in log order per item; batch is empty after. */
void wb_worker_submit(struct wb_worker *w, struct wb_list *batch);
/* Something changed (an assignment ended, a container, the gate): look again now. */
void wb_worker_wake(struct wb_worker *w);
/* Ends the thread at once; writes that it still holds are handed back. */
void wb_worker_free(struct wb_worker **w);

#endif
