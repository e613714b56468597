#include "consumer/concurrency.h"

#include <assert.h>
#include <math.h>

/* A round lasts until its mean is known well enough. */
#define ROUND_REPLIES_MIN 16
#define ROUND_REPLIES_MAX 128
/* A mean may be off by so many standard errors. */
#define STANDARD_ERRORS 1.5
/* Replies of a round come as quickly as in the quickest one; and clearly later. Times are counted in whole milliseconds. */
#define AS_QUICK_RATIO 1.05
#define LATE_RATIO     1.2
#define KNOWN_RATIO    0.04
#define RESOLUTION_MS  0.25
/* Places that come or go at once: this part of them, at least one. */
#define STEP_PART 4
#define PERIOD_MS 10000
#define SECOND_MS 1000
/* A range that waits for less of a second has about the places that use up what is allowed. */
#define HELD_SHARE 0.1
/* After throttling no place is added for a while, longer than the server's seconds; then as many as there were at the
 * start, and one a second, as the official SDKs do, for a while. */
#define THROTTLED_LATELY_MS 1200
#define GENTLE_MS           10000

struct wb_concurrency wb_concurrency_make(unsigned min, unsigned start, unsigned max)
{
	assert(min > 0 && min <= start && start <= max);
	return (struct wb_concurrency){
		.limit = start,
		.min = min,
		.start = start,
		.max = max,
		.period = INT64_MIN,
		.second_ms = INT64_MIN / 2,
		.throttled_ms = INT64_MIN / 2,
		.grown_ms = INT64_MIN / 2,
	};
}

/* A second is over: places that were not needed go. One second alone may be the beginning of an outage, whose end must
 * find all places. */
static void end_second(struct wb_concurrency *c, int64_t now_ms)
{
	double share;
	bool is_shared, was_shared = c->shared;

	if (now_ms - c->second_ms < SECOND_MS)
		return;
	share = (double)c->held_ms / (double)(now_ms - c->second_ms);
	is_shared = c->served && share > HELD_SHARE;
	c->second_ms = now_ms;
	c->held_ms = 0;
	c->served = false;
	c->shared = is_shared;
	if (!is_shared || !was_shared)
		return;
	share = share < 1 ? share : 1;
	c->limit = (unsigned)((double)c->limit * (1 - share) + 0.5);
	c->limit = c->limit > c->min ? c->limit : c->min;
}

static void begin_round(struct wb_concurrency *c)
{
	c->pressed = false;
	c->replies = 0;
	c->took_ms = c->took_squares = 0;
}

/* Throttling found the limit of a range that is throttled: there is nothing to find again. */
static void begin_period(struct wb_concurrency *c, int64_t now_ms)
{
	unsigned half = (c->limit + 1) / 2;

	if (c->limit > c->start && now_ms - c->throttled_ms >= GENTLE_MS)
		c->limit = half > c->start ? half : c->start;
	c->period = now_ms / PERIOD_MS;
	c->quickest_ms = 0;
	begin_round(c);
}

static unsigned step(const struct wb_concurrency *c)
{
	return c->limit > STEP_PART ? c->limit / STEP_PART : 1;
}

static void grow(struct wb_concurrency *c, int64_t now_ms)
{
	int64_t quiet_ms = now_ms - c->throttled_ms;
	unsigned more = step(c);

	if (quiet_ms < THROTTLED_LATELY_MS)
		return;
	if (c->limit < c->start) {
		more = c->start - c->limit;
	} else if (quiet_ms < GENTLE_MS) {
		if (now_ms - c->grown_ms < SECOND_MS)
			return;
		more = 1;
	}
	c->grown_ms = now_ms;
	c->limit = c->max - c->limit > more ? c->limit + more : c->max;
}

/* What there was at the start makes no queue: the server itself became slower. */
static void shrink(struct wb_concurrency *c, double quick_ms)
{
	if (c->limit <= c->start)
		c->quickest_ms = quick_ms;
	else
		c->limit -= c->limit - c->start > step(c) ? step(c) : c->limit - c->start;
}

/* By how much the mean of the round may be off. */
static double off_by(const struct wb_concurrency *c, double mean_ms)
{
	double variance = fmax(0, c->took_squares / c->replies - mean_ms * mean_ms);

	return STANDARD_ERRORS * sqrt(variance / c->replies);
}

/* The first round of a period is what the others are compared with. What throttling took away comes back up to the start
 * without comparing. */
static void end_round(struct wb_concurrency *c, double mean_ms, double off_ms, int64_t now_ms)
{
	bool compares = c->quickest_ms > 0, as_quick;

	if (!compares || mean_ms + off_ms < c->quickest_ms)
		c->quickest_ms = mean_ms + off_ms;
	as_quick = mean_ms - off_ms <= c->quickest_ms * AS_QUICK_RATIO + RESOLUTION_MS;
	if (c->pressed && (c->limit < c->start || (compares && as_quick)))
		grow(c, now_ms);
	else if (mean_ms - off_ms > c->quickest_ms * LATE_RATIO + RESOLUTION_MS)
		shrink(c, mean_ms + off_ms);
	begin_round(c);
}

void wb_concurrency_replied(struct wb_concurrency *c, int64_t took_ms, int64_t now_ms)
{
	double mean_ms, off_ms;

	end_second(c, now_ms);
	if (now_ms / PERIOD_MS != c->period)
		begin_period(c, now_ms);
	c->took_ms += (double)took_ms;
	c->took_squares += (double)took_ms * (double)took_ms;
	c->replies++;
	if (c->replies < c->limit || (c->replies < ROUND_REPLIES_MIN && c->limit >= c->start))
		return;
	mean_ms = c->took_ms / c->replies;
	off_ms = off_by(c, mean_ms);
	if (c->limit < c->start || c->replies >= ROUND_REPLIES_MAX || off_ms <= mean_ms * KNOWN_RATIO + RESOLUTION_MS)
		end_round(c, mean_ms, off_ms, now_ms);
}

void wb_concurrency_throttled(struct wb_concurrency *c, int64_t held_ms, int64_t now_ms)
{
	end_second(c, now_ms);
	c->held_ms += held_ms;
	c->throttled_ms = now_ms + held_ms;
}
