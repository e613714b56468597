/* How many requests a range gets at once, found by itself between a minimum and a maximum.
 *
 * It begins with a few and gets more each round (as many replies as it has places, and as their mean takes to be known),
 * as long as a full request waited for a place and replies come as quickly as in the quickest round: more places would only lengthen a queue after that,
 * the server's or this process's own, as in TCP Vegas (Brakmo and Peterson, 1995). Where they come clearly later, places
 * go. What two rounds may differ by as replies scatter does not count.
 * Every 10 s half of what was found is given up and found again, in all ranges at the same moment, so that they learn how
 * quick a server is that they share. Throttling takes away the places whose share of a second
 * the range only waited in: what is left uses up what the server allows, with few operations refused and sent twice.
 * Pure: time is an argument. Not thread-safe: the range's worker owns it.
 */
#ifndef WB_CONSUMER_CONCURRENCY_H
#define WB_CONSUMER_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

struct wb_concurrency {
	unsigned limit; /* places: requests in flight at most */
	unsigned min, start, max;
	bool pressed; /* in this round a full request waited for a place */
	unsigned replies; /* of this round */
	double took_ms, took_squares; /* they took, in sum */
	double quickest_ms; /* mean of the quickest round of this period, and what it may be off by; 0: there was none yet */
	int64_t period; /* which: it is the same for every range */
	bool served; /* in this second something was carried out: what throttles it all is an outage */
	bool shared; /* the second before had both: something carried out, and waiting as it was throttled */
	int64_t second_ms; /* when the second began in which held_ms is counted */
	int64_t held_ms; /* of it the range may not be sent to, as it is throttled */
	int64_t throttled_ms; /* until when it was throttled last */
	int64_t grown_ms; /* when it got more places last */
};

/* 0 < min <= start <= max. */
struct wb_concurrency wb_concurrency_make(unsigned min, unsigned start, unsigned max);
/* A full request waits only for a place. */
static inline void wb_concurrency_press(struct wb_concurrency *c)
{
	c->pressed = true;
}
/* A reply came, took_ms after its request was sent, that did not throttle. */
void wb_concurrency_replied(struct wb_concurrency *c, int64_t took_ms, int64_t now_ms);
/* The range is throttled for held_ms more. */
void wb_concurrency_throttled(struct wb_concurrency *c, int64_t held_ms, int64_t now_ms);

#endif
