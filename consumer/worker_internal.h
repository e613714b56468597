/* The inside of a worker, shared by its files: worker.c (thread, queues, revocation), worker_send.c (writes become
 * requests), worker_reply.c (replies become outcomes).
 *
 * Not thread-safe: the worker's own thread, but for `in` and `look_again`.
 */
#ifndef WB_CONSUMER_WORKER_INTERNAL_H
#define WB_CONSUMER_WORKER_INTERNAL_H

#include "common/base/buf.h"
#include "common/base/prng.h"
#include "consumer/bulk.h"
#include "consumer/delay_heap.h"
#include "consumer/item_order.h"
#include "consumer/throttle.h"
#include "consumer/transport.h"
#include "consumer/worker.h"

/* Writes that travel as one request. After a failure of the whole request they stay together, so that the same
 * request is counted and split. */
struct wb_batch {
	struct wb_link link; /* in its range's list of those to send again, or in the pool */
	struct wb_batch *flying_next, **flying_prev; /* while it is in flight */
	struct wb_worker *worker;
	struct wb_range_state *range;
	struct wb_list writes;
	bool point;        /* one write, sent as itself */
	unsigned failures; /* of the whole request, in a row */
	int64_t sent_us;
	struct wb_buf body;
};

struct wb_range_state {
	struct wb_range_state *next;
	struct wb_range *range;
	struct wb_throttle throttle;
	struct wb_list ready;    /* writes that may go, each the head of its item */
	size_t ready_bytes;      /* what they would add to a bulk */
	int64_t ready_since_ms;  /* when ready began to wait; for the linger */
	struct wb_list again;    /* batches whose request failed as a whole */
	int64_t last_success_ms; /* an operation was written */
	bool outage;             /* counted in settings.outage */
	bool bulk;
};

/* Requests by status are counted in a table, so that a reply costs no search by name. */
#define WB_STATUS_MAX 600

struct wb_worker_metrics {
	struct wb_counter *status[WB_STATUS_MAX]; /* made when first seen; 0: no reply */
	struct wb_counter *request_units;
	struct wb_counter *operations;
	struct wb_counter *retries[4]; /* throttled, outage, failed alone, routing */
	struct wb_gauge *in_flight;
	struct wb_histogram *batch_operations;
	struct wb_histogram *request_seconds;
};

enum wb_retry_kind { WB_RETRY_THROTTLED, WB_RETRY_OUTAGE, WB_RETRY_ALONE, WB_RETRY_ROUTING };

struct wb_worker {
	struct wb_worker_settings settings;
	struct wb_handover in;
	_Atomic bool look_again;
	_Atomic bool stop;
	pthread_t thread;

	struct wb_transport *transport;
	struct wb_item_order *order;
	struct wb_delay_heap delayed;
	struct wb_range_state *ranges;
	struct wb_batch *flying;
	struct wb_list pool; /* batches at rest */
	struct wb_list judged;
	struct wb_list handed_back;
	struct wb_prng random;
	struct wb_worker_metrics metrics;
	struct wb_operation_reply replies[WB_BULK_OPERATIONS_MAX];
};

/* worker.c */
struct wb_range_state *wb_worker_range(struct wb_worker *w, struct wb_range *range);
/* A WAITING head of its item becomes ready to be sent. */
void wb_worker_ready(struct wb_range_state *rs, struct wb_write *write, bool front);
struct wb_write *wb_worker_pop_ready(struct wb_range_state *rs);
/* These writes, that are not in flight, may outlive the neighbours whose fetch they share: their memory becomes their own. */
void wb_worker_detach(struct wb_worker *w, const struct wb_list *writes);
/* The head has its outcome: hands it on, and makes the next of its item ready. */
void wb_worker_judge(struct wb_worker *w, struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason);
/* The head goes back unsent, as its assignment has ended; state WAITING. */
void wb_worker_hand_back(struct wb_worker *w, struct wb_write *write);
struct wb_batch *wb_worker_batch(struct wb_worker *w, struct wb_range_state *rs);
void wb_worker_batch_done(struct wb_worker *w, struct wb_batch *b);

/* Whether the write's assignment has ended: nothing more of it may be sent. */
bool wb_worker_has_ended(void *arg, const struct wb_write *write);

/* worker_send.c: sends what may be sent now. Returns when to look again, monotonic; INT64_MAX: when something comes. */
int64_t wb_worker_serve_range(struct wb_worker *w, struct wb_range_state *rs, int64_t now_ms);

/* worker_reply.c: wb_reply_fn; arg is the batch. */
void wb_worker_replied(void *arg, const struct wb_reply *reply);

#endif
