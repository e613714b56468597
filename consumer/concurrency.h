/* How many requests a range gets at once: what the pace of its container gives it, or less while it is throttled.
 *
 * Throttling takes away the places whose share of a second the range only waited in: what is left uses up what the
 * server allows, with few operations refused and sent twice.
 * Pure but for the pace: time is an argument. Not thread-safe: the range's worker owns it.
 */
#ifndef WB_CONSUMER_CONCURRENCY_H
#define WB_CONSUMER_CONCURRENCY_H

#include "consumer/pace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_concurrency {
	struct wb_pace *pace; /* NULL: max is right as long as it is not throttled */
	unsigned limit; /* places that throttling leaves: max when it takes none */
	unsigned min, start, max;
	bool pressed; /* a full request waited for a place that throttling took */
	bool served; /* in this second something was carried out: what throttles it all is an outage */
	bool shared; /* the second before had both: something carried out, and waiting as it was throttled */
	int64_t second_ms; /* when the second began in which held_ms is counted */
	int64_t held_ms; /* of it the range may not be sent to, as it is throttled */
	int64_t throttled_ms; /* until when it was throttled last */
	int64_t grown_ms; /* when a place came back last */
};

/* 0 < min <= start <= max: places that are left however throttled it is; that come back at once when it is not any more; and
 * at most. pace outlives it. */
struct wb_concurrency wb_concurrency_make(unsigned min, unsigned start, unsigned max, struct wb_pace *pace);
/* Requests in flight at most. */
static inline unsigned wb_concurrency_places(const struct wb_concurrency *c)
{
	unsigned places = c->pace ? wb_pace_places(c->pace) : c->max;

	return places < c->limit ? places : c->limit;
}
/* A full request waits only for a place. */
void wb_concurrency_press(struct wb_concurrency *c);
/* A reply came, took_ms after its request was sent, that did not throttle. */
void wb_concurrency_replied(struct wb_concurrency *c, int64_t took_ms, int64_t now_ms);
/* The range is throttled for held_ms more. */
void wb_concurrency_throttled(struct wb_concurrency *c, int64_t held_ms, int64_t now_ms);

#endif
