/* A token bucket: so much a second, and a burst of some seconds' worth at once. What is taken may make a debt.
 *
 * Pure: time is an argument, and one that goes back counts as none gone by. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_RATE_H
#define WB_PRODUCER_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct wb_rate {
	int64_t per_s, burst_s; /* per_s 0: no limit */
	double level;           /* what can be taken; below 0 it is owed */
	int64_t at_ms;
};

/* Full. */
void wb_rate_init(struct wb_rate *r, int64_t per_s, int64_t burst_s, int64_t now_ms);
/* Other limits from now on. The bucket stays as full as it is, and a debt is kept; without a limit before, it is full. */
void wb_rate_change(struct wb_rate *r, int64_t per_s, int64_t burst_s, int64_t now_ms);
/* Whether there is one, at least. */
bool wb_rate_ready(struct wb_rate *r, int64_t now_ms);
void wb_rate_take(struct wb_rate *r, uint64_t count, int64_t now_ms);
/* Whole seconds until there is one again, at least 1. */
int64_t wb_rate_wait_s(struct wb_rate *r, int64_t now_ms);
/* What can be taken now, in whole ones, and whole seconds until the bucket is full. */
int64_t wb_rate_left(struct wb_rate *r, int64_t now_ms);
int64_t wb_rate_full_s(struct wb_rate *r, int64_t now_ms);

#endif
