#include "consumer/throttle.h"

#include <assert.h>

struct wb_throttle wb_throttle_make(struct wb_concurrency concurrency)
{
	return (struct wb_throttle){
		.concurrency = concurrency,
		.sent_ms = INT64_MAX - WB_THROTTLE_HANGS_MS,
		.throttled_until_ms = INT64_MIN,
		.outage_until_ms = INT64_MIN,
		.backoff = wb_backoff_make(WB_THROTTLE_BACKOFF_BASE_MS, WB_THROTTLE_BACKOFF_CAP_MS),
	};
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t wb_throttle_next_ms(const struct wb_throttle *t, int64_t now_ms)
{
	int64_t may_ms = later(now_ms, later(t->throttled_until_ms, t->outage_until_ms));

	if (wb_throttle_is_full(t))
		return INT64_MAX;
	return t->outage && t->in_flight > 0 ? later(may_ms, t->sent_ms + WB_THROTTLE_HANGS_MS) : may_ms;
}

bool wb_throttle_is_held_up(const struct wb_throttle *t, int64_t now_ms)
{
	return t->outage || t->throttled_until_ms > now_ms;
}

bool wb_throttle_may_send(const struct wb_throttle *t, int64_t now_ms)
{
	return wb_throttle_next_ms(t, now_ms) == now_ms;
}

void wb_throttle_sent(struct wb_throttle *t)
{
	assert(t->in_flight <
		t->concurrency.max); /* its pace may have changed since it was asked: others hear of it, too */
	t->in_flight++;
}

void wb_throttle_sent_at(struct wb_throttle *t, int64_t now_ms)
{
	wb_throttle_sent(t);
	t->sent_ms = now_ms;
}

void wb_throttle_took(struct wb_throttle *t, int64_t sent_ms, int64_t now_ms)
{
	wb_concurrency_replied(&t->concurrency, now_ms - sent_ms, now_ms);
}

/* It waits from now, or from the end of an earlier wait, that much longer. */
static void wait_until(struct wb_throttle *t, enum wb_hold hold, int64_t until_ms, int64_t now_ms)
{
	int64_t held_until_ms = later(t->throttled_until_ms, now_ms);

	if (until_ms <= held_until_ms)
		return;
	t->throttled_until_ms = until_ms;
	if (hold == WB_HOLD_THROTTLED)
		wb_concurrency_throttled(&t->concurrency, until_ms - held_until_ms, now_ms);
}

void wb_throttle_replied(
	struct wb_throttle *t, enum wb_hold hold, int64_t retry_after_ms, int64_t now_ms, uint64_t random)
{
	assert(t->in_flight > 0);
	t->in_flight--;
	t->outage = false;
	t->outage_until_ms = INT64_MIN;
	if (hold == WB_HOLD_NONE)
		wb_backoff_reset(&t->backoff);
	else if (retry_after_ms > 0)
		wait_until(t, hold, now_ms + retry_after_ms, now_ms);
	else if (t->throttled_until_ms <= now_ms) /* several replies of one moment are one throttling */
		wait_until(t, hold, now_ms + wb_backoff_next_ms(&t->backoff, random, 1), now_ms);
}

void wb_throttle_failed(struct wb_throttle *t, int64_t retry_after_ms, int64_t now_ms, uint64_t random)
{
	int64_t asked_ms = retry_after_ms > 0 ? retry_after_ms : 0;
	bool known = t->outage && t->outage_until_ms > now_ms;

	assert(t->in_flight > 0);
	t->in_flight--;
	/* Requests that were in flight together fail together: that is one failure, not a row of them. */
	if (known)
		t->outage_until_ms = later(t->outage_until_ms, now_ms + asked_ms);
	else
		t->outage_until_ms = now_ms + wb_backoff_next_ms(&t->backoff, random, later(asked_ms, 1));
	t->outage = true;
}

void wb_throttle_cancelled(struct wb_throttle *t)
{
	assert(t->in_flight > 0);
	t->in_flight--;
}
