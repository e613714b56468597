/* The inside of the engine, shared by its files: engine.c (what it holds), engine_send.c (writes become requests),
 * engine_budget.c (what they may cost), engine_reply.c (replies become verdicts), engine_refused.c (what is refused for
 * ever), engine_watch.c (what others see of it: metrics, snapshots).
 *
 * Not thread-safe: as the engine.
 */
#ifndef WB_CONSUMER_ENGINE_INTERNAL_H
#define WB_CONSUMER_ENGINE_INTERNAL_H

#include "common/base/prng.h"
#include "consumer/delay_heap.h"
#include "consumer/engine.h"
#include "consumer/item_order.h"
#include "consumer/throttle.h"
#include "consumer/verdict.h"

/* A range as this engine sends to it. */
struct wb_range_state {
	struct wb_range_state *next;
	struct wb_range *range;
	struct wb_throttle throttle;
	struct wb_list ready;    /* writes that may go, each the head of its item */
	size_t ready_bytes;      /* what they would add to a bulk */
	int64_t ready_since_ms;  /* when ready began to wait; for the linger */
	struct wb_list again;    /* batches whose request failed as a whole */
	bool again_had_its_turn; /* in an outage what failed and what is new try in turn */
	int64_t last_success_ms; /* an operation was written */
	int64_t served_sent_ms;  /* when the latest of the requests was sent that found the service there */
	int64_t refused_since_ms; /* since then every reply refused all that it carried; 0: the last one did not */
	bool outage;             /* counted in settings.outage */
	struct wb_spender *spender; /* engine_budget: its container; NULL: not looked up yet */
	bool served; /* something was sent to it since turns were taken */
	int64_t outage_since_ms; /* of outage */

	/* engine_watch.c */
	double request_charge;
	int64_t throttled_counted_ms; /* how far the time that 429 cost is counted */
	struct wb_counter *request_units, *throttled_seconds; /* its container's */
	struct wb_gauge *limit, *in_flight; /* its own; NULL: beyond settings.ranges_shown_max */
};

/* Requests by status are counted in a table, so that a reply costs no search by name. */
#define WB_STATUS_MAX 600

enum wb_retry_kind { WB_RETRY_THROTTLED, WB_RETRY_OUTAGE, WB_RETRY_ALONE, WB_RETRY_ROUTING };
#define WB_RETRY_KINDS 4

struct wb_engine_metrics {
	struct wb_counter *status[WB_STATUS_MAX]; /* made when first seen; 0: no reply */
	struct wb_counter *operations;
	struct wb_counter *superseded;
	struct wb_counter *items_read;
	struct wb_counter *retries[WB_RETRY_KINDS][WB_STATUS_MAX]; /* made when first seen */
	struct wb_gauge *in_flight, *ranges;
	struct wb_histogram *batch_operations, *batch_fill;
};

/* What is not told to the metrics yet: an operation costs an addition, not a counter's. */
struct wb_engine_uncounted {
	unsigned superseded;
	unsigned retries; /* of that kind and status; others came before or come next */
	enum wb_retry_kind kind;
	int status;
};

struct wb_engine {
	struct wb_engine_settings settings;
	int64_t now_ms, wall_ms;
	struct wb_item_order *order;
	struct wb_write *oldest, *newest; /* all that it holds, as they came (entered_after) */
	size_t held;
	struct wb_delay_heap delayed;
	struct wb_list conflicts;    /* heads that wait for a unique key that an earlier write may free */
	int64_t conflicts_looked_ms; /* when it was last looked whether they may go */
	struct wb_range_state *ranges;
	struct wb_batch *flying;
	size_t flying_bytes; /* charged for them */
	int64_t idle_looked_ms; /* when it was last looked which outages nobody waits for */
	struct wb_list pool; /* batches at rest */
	struct wb_list judged;
	struct wb_list handed_back;
	struct wb_prng random;
	int64_t stuck_said_ms;
	struct wb_spender *spenders; /* engine_budget */
	bool turns_due; /* since turns were taken a range found no memory or no budget for what it has */
	struct wb_engine_metrics metrics;
	struct wb_engine_uncounted uncounted;
	size_t ranges_shown; /* that have gauges */
	int64_t watched_ms; /* when the metrics of ranges were told last */
	struct wb_operation_reply replies[WB_BULK_OPERATIONS_MAX];
};

/* engine.c */
/* The range that the write is for now, as this engine sends to it. */
struct wb_range_state *wb_engine_range(struct wb_engine *e, struct wb_write *write);
/* A WAITING head of its item becomes ready to be sent; front: before the others. */
void wb_engine_ready(struct wb_engine *e, struct wb_write *write, bool front);
struct wb_write *wb_engine_pop_ready(struct wb_range_state *rs);
/* Whether the write may not be sent any more. */
bool wb_engine_is_withdrawn(const struct wb_engine *e, const struct wb_write *write);
/* The head has its outcome: hands it on, with those that it replaced, and makes the next of its item ready. */
void wb_engine_judge(struct wb_engine *e, struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason);
/* The head, WAITING, goes back. */
void wb_engine_hand_back(struct wb_engine *e, struct wb_write *write);
/* The write, in flight until now, was not carried out: notes when. */
void wb_engine_failed(const struct wb_engine *e, struct wb_write *write);
/* The head, in flight until now, waits again: until delay_ms have passed, or for its turn. */
void wb_engine_requeue(struct wb_engine *e, struct wb_write *write, int64_t delay_ms);
struct wb_batch *wb_engine_batch(struct wb_engine *e, struct wb_range_state *rs);
void wb_engine_batch_done(struct wb_engine *e, struct wb_batch *b);

/* engine_send.c */
/* Sends what may be sent now. Returns when to look again, monotonic; INT64_MAX: when something comes. */
int64_t wb_engine_serve_range(struct wb_engine *e, struct wb_range_state *rs);
/* The range is gone: what waits for it goes where it belongs now. */
void wb_engine_leave_range(struct wb_engine *e, struct wb_range_state *rs);

/* engine_budget.c; without a budget all of it does nothing, and everything may go. */
/* Whether it is worth while to form a batch: false while its container waits for the budget, until *ret_again_ms at least,
 * which stays untouched when there is nothing to send. */
bool wb_engine_may_spend(struct wb_engine *e, struct wb_range_state *rs, int64_t *ret_again_ms);
/* The budget admits the batch, or its first writes: the others are ready again. False: none, before *ret_again_ms, and the
 * batch is gone to where it came from. */
bool wb_engine_reserve(struct wb_engine *e, struct wb_batch *b, int64_t *ret_again_ms);
/* The batch had its end, and still has its writes. reply NULL: it was cut off. judged_alone: e->replies are its operations'. */
void wb_engine_settle(struct wb_engine *e, const struct wb_batch *b, const struct wb_reply *reply, bool judged_alone);
void wb_engine_forget_spenders(struct wb_engine *e);

/* engine_reply.c: a failure of its own; the write, in flight, goes again after a backoff, or is out of patience: false. */
bool wb_engine_retry_alone(
	struct wb_engine *e, struct wb_range_state *rs, struct wb_write *write, const struct wb_verdict *verdict);

/* engine_watch.c */
void wb_engine_make_metrics(struct wb_engine *e);
/* The range is sent to from now on; or it is about to be forgotten. */
void wb_engine_watch_range(struct wb_engine *e, struct wb_range_state *rs);
void wb_engine_unwatch_range(struct wb_engine *e, struct wb_range_state *rs);
/* A request goes out; or its reply came. */
void wb_engine_count_sent(struct wb_engine *e, const struct wb_batch *b);
void wb_engine_count_reply(struct wb_engine *e, struct wb_range_state *rs, const struct wb_reply *reply);
/* Operations have to be sent again after that status. */
void wb_engine_count_retries(struct wb_engine *e, enum wb_retry_kind kind, int status, size_t operations);
/* Counts the throttled time up to now; before the throttle hears of more. */
void wb_engine_count_throttled(struct wb_engine *e, struct wb_range_state *rs);
/* Tells the metrics what is not counted yet. */
void wb_engine_tell_counts(struct wb_engine *e);
/* Tells the metrics of ranges, once a second. */
void wb_engine_watch(struct wb_engine *e);

/* engine_refused.c */
/* The write, in flight, is refused for ever: what it replaced is written first, then its item is read. */
void wb_engine_condemn(struct wb_engine *e, struct wb_write *write, const struct wb_verdict *verdict);
/* The item was read. */
void wb_engine_item_read(struct wb_engine *e, struct wb_write *write, struct wb_slice item, const char *etag);
void wb_engine_item_absent(struct wb_engine *e, struct wb_write *write);
/* The item cannot be read: its state stays unknown. */
void wb_engine_item_unknown(struct wb_engine *e, struct wb_write *write);
/* Lets go those that wait for a unique key, where nothing earlier of their partition key is left. */
void wb_engine_serve_conflicts(struct wb_engine *e);

#endif
