/* The core of a worker: which write goes out when, in which request, and what its reply means for it.
 *
 * It keeps the order of each item (item_order), replaces waiting upserts by newer ones, forms bulks for each partition key
 * range, obeys throttles and outages, judges every operation of a reply alone, reads the stored item of what is refused
 * for ever, routes again what waits for a range that is gone, and hands back what may not be sent any more.
 *
 * Pure: it has no thread, clock or socket. Time is told by wb_engine_at before anything else; randomness comes from the
 * seed; requests leave by calls.send and their replies are told by wb_engine_replied, so a test can drive a whole day
 * in a moment. Not thread-safe: its worker's thread owns it.
 */
#ifndef WB_CONSUMER_ENGINE_H
#define WB_CONSUMER_ENGINE_H

#include "common/base/log.h"
#include "common/base/metrics.h"
#include "consumer/bulk.h"
#include "consumer/metadata.h"
#include "consumer/outage.h"
#include "consumer/pace.h"
#include "consumer/reply.h"
#include "consumer/snapshot.h"
#include "consumer/write.h"

struct wb_engine; /* opaque */
struct wb_range_state;
struct wb_ru_budget; /* consumer/ru_budget.h */

/* A request: writes that travel together. After a failure of the whole request they stay together, so that the same
 * request is counted and split. What a sender needs is in the first part; the rest is the engine's own. */
struct wb_batch {
	struct wb_range *range;
	struct wb_list writes;
	bool point;          /* one write, sent as itself: by its step an operation or a reading */
	struct wb_bulk_body body; /* of a bulk; a point write's body is its document */
	void *sender;        /* the sender's own, as is sent_us */
	int64_t sent_us;

	struct wb_link link; /* in its range's list of those to send again, or in the pool */
	struct wb_batch *flying_next, **flying_prev; /* while it is in flight */
	struct wb_engine *engine;
	struct wb_range_state *state;
	size_t charged_bytes; /* of requests_max_bytes, while it is in flight */
	int64_t sent_ms;     /* monotonic, as the engine was told the time */
	bool full; /* there was enough for a whole one: the time that it takes tells how busy the range is */
	double reserved_units; /* of the request unit budget, while it is in flight */
	unsigned failures; /* of the whole request, in a row */
	int64_t failing_since_ms; /* of failures */
};

struct wb_engine_calls {
	/* Starts the request; wb_engine_replied tells its end, later. */
	void (*send)(void *arg, struct wb_batch *batch);
	/* Takes judged writes away (JUDGED); batch is empty after. */
	void (*judged)(void *arg, struct wb_list *batch);
	/* Takes writes back that were not sent, or whose fate is unknown (WAITING); batch is empty after. */
	void (*handed_back)(void *arg, struct wb_list *batch);
	/* The range of a write now (wb_container_route). */
	struct wb_range *(*route)(void *arg, const struct wb_container *container, const struct wb_epk *epk);
	/* Whether writes to the container are to be handed back instead of sent: it is stale, or missing and given up. */
	bool (*is_given_up)(void *arg, const struct wb_container *container);
	/* The container's definition and ranges are to be read again. */
	void (*refresh)(void *arg, const struct wb_container *container);
	/* The account's writable locations are to be read again. */
	void (*relocate)(void *arg);
};

struct wb_engine_settings {
	unsigned worker; /* its index: which owner_state of a range is its own */
	int64_t range_concurrency, point_concurrency; /* at most: concurrency.h */
	int64_t bulk_linger_ms;
	int64_t operation_retry_max_ms;
	int64_t body_max_bytes;
	size_t ranges_shown_max; /* ranges that have metrics of their own, and that a snapshot shows */
	int64_t requests_max_bytes; /* memory of what is in flight, about: one more than that is sent at most */
	uint64_t seed; /* secret, random per process */
	const struct wb_engine_calls *calls;
	void *arg;
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_ru_budget *budget; /* of the process; NULL: requests may cost what they do */
	struct wb_metrics *metrics;
	struct wb_log *log;
};

struct wb_engine *wb_engine_new(const struct wb_engine_settings *settings);
/* Everything must have left: see wb_engine_cut_off and wb_engine_withdraw. */
void wb_engine_free(struct wb_engine **e);

/* What time it is, for all that follows: monotonic and wall clock. Never backwards. */
void wb_engine_at(struct wb_engine *e, int64_t mono_ms, int64_t wall_ms);
/* Takes WAITING writes over that are its worker's, in log order per item; batch is empty after. A condemned one (step READ)
 * is welcome: it could not be sent, but its item is known. */
void wb_engine_take(struct wb_engine *e, struct wb_list *batch);
/* The reply to a request, or that none came (status 0). The batch is the engine's again. */
void wb_engine_replied(struct wb_engine *e, struct wb_batch *batch, const struct wb_reply *reply);
/* Sends what may be sent now. Returns when to look again, monotonic; INT64_MAX: when something comes. */
int64_t wb_engine_serve(struct wb_engine *e);
/* Without sending: ranges that are gone are left, and outages forgotten that nobody waits for. wb_engine_serve does it, too. */
void wb_engine_tidy(struct wb_engine *e);
/* The request was cut off by ourselves: its fate is unknown, and that is nobody's fault. The batch is the engine's again. */
void wb_engine_cut_off(struct wb_engine *e, struct wb_batch *batch);
/* Hands back whatever may not be sent any more and is not in flight: of assignments that ended, of containers that are
 * given up; all: everything. */
void wb_engine_withdraw(struct wb_engine *e, bool all);
/* Delivers what is judged and handed back, by the calls. */
void wb_engine_hand_over(struct wb_engine *e);
/* Whether a batch in flight carries a write of a lost assignment, so that its connection is to be closed. */
bool wb_batch_is_lost(const struct wb_batch *batch);
/* Its ranges, those in trouble first, and the writes that it holds longest. */
void wb_engine_snapshot(const struct wb_engine *e, struct wb_snapshot *ret);
/* Writes that it holds. */
size_t wb_engine_held(const struct wb_engine *e);

#endif
