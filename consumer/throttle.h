/* When a range may be sent to: how many requests at once, and not before which time.
 *
 * 429 makes the range wait as long as the server asked; an outage makes it wait by a jittered backoff and lets one
 * request try first, and one more a second while those before it hang, so that a recovering service is not stormed. How
 * many may be in flight is found by concurrency.h.
 * Every request sent ends with exactly one of replied, failed and cancelled.
 * Pure: time and randomness are arguments. Not thread-safe: the range's worker owns it.
 */
#ifndef WB_CONSUMER_THROTTLE_H
#define WB_CONSUMER_THROTTLE_H

#include "common/base/backoff.h"
#include "consumer/concurrency.h"

#include <stdbool.h>
#include <stdint.h>

/* The cap is how late a recovery may be noticed: full speed is promised within 2 s of it. */
#define WB_THROTTLE_BACKOFF_BASE_MS 50
#define WB_THROTTLE_BACKOFF_CAP_MS  1500
/* In an outage a request that has gone so long without a reply may hang: another one tries beside it. */
#define WB_THROTTLE_HANGS_MS 1000
/* But for as many as this, however few places there are when the range is served. */
#define WB_THROTTLE_HANGING_MAX 4

/* Why a range waits after a reply. */
enum wb_hold {
	WB_HOLD_NONE,
	WB_HOLD_THROTTLED, /* at least one 429: less at once may be enough */
	WB_HOLD_OTHER,     /* it has to be found anew, or refuses everything: how many at once makes no difference */
};

struct wb_throttle {
	struct wb_concurrency concurrency;
	unsigned in_flight;
	bool outage;             /* the last whole request failed: one at a time until one succeeds */
	int64_t sent_ms;         /* monotonic, of the last request, where that was told */
	int64_t throttled_until_ms; /* monotonic: no sending before, 429 */
	int64_t outage_until_ms;    /* monotonic: no sending before, outage */
	struct wb_backoff backoff;
};

/* concurrency: how many requests at once. */
struct wb_throttle wb_throttle_make(struct wb_concurrency concurrency);
bool wb_throttle_may_send(const struct wb_throttle *t, int64_t now_ms);
/* A request goes out; may_send was true. */
void wb_throttle_sent(struct wb_throttle *t);
/* Likewise, and tells when: so that what hangs does not keep others of its range from finding the end of an outage. */
void wb_throttle_sent_at(struct wb_throttle *t, int64_t now_ms);
/* A reply came with operations judged alone: hold, with the longest wait asked for (0 or less: none, then a backoff). It
 * ends an outage. */
void wb_throttle_replied(
	struct wb_throttle *t, enum wb_hold hold, int64_t retry_after_ms, int64_t now_ms, uint64_t random);
/* Before replied, of a full request that was not throttled: when it was sent. */
void wb_throttle_took(struct wb_throttle *t, int64_t sent_ms, int64_t now_ms);
/* Before replied: something of the request was carried out. */
static inline void wb_throttle_served(struct wb_throttle *t)
{
	t->concurrency.served = true;
}
/* The whole request failed as an outage (wb_verdict's member of that name). retry_after_ms as above: a floor. */
void wb_throttle_failed(struct wb_throttle *t, int64_t retry_after_ms, int64_t now_ms, uint64_t random);
/* The request was cut off by ourselves: that tells nothing of the range. */
void wb_throttle_cancelled(struct wb_throttle *t);
/* As many are in flight as may be. In an outage, in which one goes at a time, all but one may hang. */
static inline bool wb_throttle_is_full(const struct wb_throttle *t)
{
	unsigned places = wb_concurrency_places(&t->concurrency);

	if (t->outage && places < WB_THROTTLE_HANGING_MAX)
		places = t->concurrency.max < WB_THROTTLE_HANGING_MAX ? t->concurrency.max : WB_THROTTLE_HANGING_MAX;
	return t->in_flight >= places;
}
/* Throttled, or in an outage: what comes now waits for longer than for a free slot. */
bool wb_throttle_is_held_up(const struct wb_throttle *t, int64_t now_ms);
/* When sending may be possible again: now_ms when it is, INT64_MAX when only a reply, or the pace, can change it. */
int64_t wb_throttle_next_ms(const struct wb_throttle *t, int64_t now_ms);

#endif
