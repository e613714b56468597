#include "producer/rate.h"

#include <math.h>

static double full(const struct wb_rate *r)
{
	return (double)r->per_s * (double)r->burst_s;
}

static void refill(struct wb_rate *r, int64_t now_ms)
{
	if (now_ms <= r->at_ms)
		return;
	r->level = fmin(full(r), r->level + (double)r->per_s * (double)(now_ms - r->at_ms) / 1000);
	r->at_ms = now_ms;
}

void wb_rate_init(struct wb_rate *r, int64_t per_s, int64_t burst_s, int64_t now_ms)
{
	*r = (struct wb_rate){ .per_s = per_s, .burst_s = burst_s, .at_ms = now_ms };
	r->level = full(r);
}

void wb_rate_change(struct wb_rate *r, int64_t per_s, int64_t burst_s, int64_t now_ms)
{
	double before;

	refill(r, now_ms);
	before = full(r);
	r->per_s = per_s;
	r->burst_s = burst_s;
	if (before == 0)
		r->level = full(r);
	else if (r->level > 0)
		r->level *= full(r) / before;
}

bool wb_rate_ready(struct wb_rate *r, int64_t now_ms)
{
	refill(r, now_ms);
	return r->per_s == 0 || r->level >= 1;
}

void wb_rate_take(struct wb_rate *r, uint64_t count, int64_t now_ms)
{
	refill(r, now_ms);
	if (r->per_s > 0)
		r->level -= (double)count;
}

static int64_t seconds_until(const struct wb_rate *r, double level)
{
	return r->per_s == 0 || r->level >= level ? 0 : (int64_t)ceil((level - r->level) / (double)r->per_s);
}

int64_t wb_rate_wait_s(struct wb_rate *r, int64_t now_ms)
{
	int64_t wait_s;

	refill(r, now_ms);
	wait_s = seconds_until(r, 1);
	return wait_s > 0 ? wait_s : 1;
}

int64_t wb_rate_left(struct wb_rate *r, int64_t now_ms)
{
	refill(r, now_ms);
	return r->level > 0 ? (int64_t)r->level : 0;
}

int64_t wb_rate_full_s(struct wb_rate *r, int64_t now_ms)
{
	refill(r, now_ms);
	return seconds_until(r, full(r));
}
