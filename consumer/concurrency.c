#include "consumer/concurrency.h"

#include <assert.h>

#define SECOND_MS 1000
/* A range that waits for less of a second has about the places that use up what is allowed. */
#define HELD_SHARE 0.1
/* After throttling no place is added for a while, longer than the server's seconds; then as many as there were at the
 * start, and one a second, as the official SDKs do, for a while. */
#define THROTTLED_LATELY_MS 1200
#define GENTLE_MS           10000

struct wb_concurrency wb_concurrency_make(unsigned min, unsigned start, unsigned max, struct wb_pace *pace)
{
	assert(min > 0 && min <= start && start <= max);
	return (struct wb_concurrency){
		.pace = pace,
		.limit = max,
		.min = min,
		.start = start,
		.max = max,
		.second_ms = INT64_MIN / 2,
		.throttled_ms = INT64_MIN / 2,
		.grown_ms = INT64_MIN / 2,
	};
}

void wb_concurrency_press(struct wb_concurrency *c)
{
	if (c->pace && wb_pace_places(c->pace) <= c->limit)
		wb_pace_press(c->pace);
	else
		c->pressed = c->limit < c->max;
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
	c->limit = (unsigned)((double)wb_concurrency_places(c) * (1 - share) + 0.5);
	c->limit = c->limit > c->min ? c->limit : c->min;
}

/* Places that throttling took come back, as far as they are wanted. */
static void come_back(struct wb_concurrency *c, int64_t now_ms)
{
	int64_t quiet_ms = now_ms - c->throttled_ms;

	if (c->limit == c->max || !c->pressed || quiet_ms < THROTTLED_LATELY_MS)
		return;
	if (quiet_ms >= GENTLE_MS) {
		c->limit = c->max;
	} else if (c->limit < c->start) {
		c->limit = c->start;
	} else if (now_ms - c->grown_ms >= SECOND_MS) {
		c->limit++;
	} else {
		return;
	}
	c->grown_ms = now_ms;
	c->pressed = false;
}

void wb_concurrency_replied(struct wb_concurrency *c, int64_t took_ms, int64_t now_ms)
{
	end_second(c, now_ms);
	come_back(c, now_ms);
	if (c->pace)
		wb_pace_replied(c->pace, took_ms, c->max, now_ms);
}

void wb_concurrency_throttled(struct wb_concurrency *c, int64_t held_ms, int64_t now_ms)
{
	end_second(c, now_ms);
	c->held_ms += held_ms;
	c->throttled_ms = now_ms + held_ms;
}
