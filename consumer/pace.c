#include "consumer/pace.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* A round lasts until its mean is known well enough, and as long as two replies take: those to requests that were sent
 * with fewer places are then in the minority. */
#define ROUND_REPLIES_MIN 16
#define PLACE_REPLIES_MAX 32 /* of each place: few of them do not bring many replies soon */
#define ROUND_REPLIES_MAX 256
#define ROUND_TIMES       2
/* A mean may be off by so many standard errors. */
#define STANDARD_ERRORS 1.5
/* Replies of a round come as quickly as in the quickest one; and clearly later. Times are counted in whole milliseconds. */
#define AS_QUICK_RATIO 1.05
#define LATE_RATIO     1.15
#define KNOWN_RATIO    0.03
#define RESOLUTION_MS  0.1
#define SCATTER_ROUNDS 4
/* Places that come or go at once: this part of them, at least one. */
#define STEP_PART 4
#define PERIOD_MS 10000
/* A period is not over before so many rounds: where replies are few or slow, half would be taken before it was found. */
#define PERIOD_ROUNDS_MIN 8

struct wb_pace {
	struct wb_pace *next;
	const void *container;
	_Atomic unsigned places;
	_Atomic bool pressed; /* in this round a full request waited for a place */
	pthread_mutex_t lock; /* of all below */
	int64_t round_ms; /* when this round began */
	unsigned replies; /* of this round */
	double took_ms, took_squares; /* they took, in sum */
	double scatter; /* variance of rounds, by the square of their mean: of the last few */
	double quickest_ms; /* mean of the quickest round of this period, and what it may be off by; 0: there was none yet */
	int64_t period; /* which: it is the same for every container */
	unsigned rounds; /* of this period */
	bool wanted; /* in this period a full request waited for a place */
};

struct wb_paces {
	pthread_mutex_t lock;
	struct wb_pace *first;
};

struct wb_paces *wb_paces_new(void)
{
	struct wb_paces *all = wb_xcalloc(1, sizeof *all);

	wb_mutex_init(&all->lock);
	return all;
}

void wb_paces_free(struct wb_paces **all)
{
	struct wb_pace *p;

	if (!*all)
		return;
	while ((p = (*all)->first)) {
		(*all)->first = p->next;
		wb_mutex_release(&p->lock);
		free(p);
	}
	wb_mutex_release(&(*all)->lock);
	free(*all);
	*all = NULL;
}

static struct wb_pace *pace_new(const void *container)
{
	struct wb_pace *p = wb_xcalloc(1, sizeof *p);

	p->container = container;
	p->period = INT64_MIN;
	atomic_init(&p->places, WB_PACE_START);
	atomic_init(&p->pressed, false);
	wb_mutex_init(&p->lock);
	return p;
}

struct wb_pace *wb_paces_of(struct wb_paces *all, const void *container)
{
	struct wb_pace *p;

	wb_mutex_lock(&all->lock);
	for (p = all->first; p && p->container != container; p = p->next)
		;
	if (!p) {
		p = pace_new(container);
		p->next = all->first;
		all->first = p;
	}
	wb_mutex_unlock(&all->lock);
	return p;
}

unsigned wb_pace_places(const struct wb_pace *p)
{
	return atomic_load_explicit(&p->places, memory_order_relaxed);
}

void wb_pace_press(struct wb_pace *p)
{
	if (!atomic_load_explicit(&p->pressed, memory_order_relaxed))
		atomic_store_explicit(&p->pressed, true, memory_order_relaxed);
}

static void begin_round(struct wb_pace *p, int64_t now_ms)
{
	atomic_store_explicit(&p->pressed, false, memory_order_relaxed);
	p->round_ms = now_ms;
	p->replies = 0;
	p->took_ms = p->took_squares = 0;
}

static void set_places(struct wb_pace *p, unsigned places)
{
	atomic_store_explicit(&p->places, places > WB_PACE_START ? places : WB_PACE_START, memory_order_relaxed);
}

/* Where nobody wanted more there is nothing to find again: throttling leaves ranges less, or there is less to do. */
static void begin_period(struct wb_pace *p, int64_t now_ms)
{
	if (p->wanted)
		set_places(p, (wb_pace_places(p) + 1) / 2);
	p->period = now_ms / PERIOD_MS;
	p->rounds = 0;
	p->wanted = false;
	p->quickest_ms = 0;
	begin_round(p, now_ms);
}

static unsigned step(unsigned places)
{
	return places > STEP_PART ? places / STEP_PART : 1;
}

static void grow(struct wb_pace *p, unsigned max)
{
	unsigned places = wb_pace_places(p), more = step(places);

	if (places < max)
		set_places(p, max - places > more ? places + more : max);
}

/* What there was at the start makes no queue: the server itself became slower. */
static void shrink(struct wb_pace *p, double quick_ms)
{
	unsigned places = wb_pace_places(p);

	if (places <= WB_PACE_START)
		p->quickest_ms = quick_ms;
	else
		set_places(p, places - step(places));
}

static double scatter_of(const struct wb_pace *p, double mean_ms)
{
	double square = mean_ms * mean_ms;

	return square > 0 ? fmax(0, p->took_squares / p->replies - square) / square : 0;
}

/* By how much the mean of the round may be off. A few replies that are alike by chance do not make it known. */
static double off_by(const struct wb_pace *p, double mean_ms)
{
	return STANDARD_ERRORS * mean_ms * sqrt(fmax(scatter_of(p, mean_ms), p->scatter) / p->replies);
}

/* The first round of a period is what the others are compared with. */
static void end_round(struct wb_pace *p, double mean_ms, double off_ms, unsigned max, int64_t now_ms)
{
	bool pressed = atomic_load_explicit(&p->pressed, memory_order_relaxed);
	bool compares = p->quickest_ms > 0, as_quick;
	double quick_ms = fmax(mean_ms + off_ms, RESOLUTION_MS);

	if (!compares || quick_ms < p->quickest_ms)
		p->quickest_ms = quick_ms;
	p->rounds++;
	p->wanted = p->wanted || pressed;
	as_quick = mean_ms - off_ms <= p->quickest_ms * AS_QUICK_RATIO + RESOLUTION_MS;
	if (compares && as_quick && pressed)
		grow(p, max);
	else if (mean_ms - off_ms > p->quickest_ms * LATE_RATIO + RESOLUTION_MS)
		shrink(p, mean_ms + off_ms);
	p->scatter += (scatter_of(p, mean_ms) - p->scatter) / SCATTER_ROUNDS;
	begin_round(p, now_ms);
}

static bool period_is_over(const struct wb_pace *p, int64_t now_ms)
{
	/* Workers tell their own time, of which one may be a little behind another's. */
	return now_ms / PERIOD_MS > p->period && (p->rounds >= PERIOD_ROUNDS_MIN || p->period == INT64_MIN);
}

static void take_reply(struct wb_pace *p, double took_ms, unsigned max, int64_t now_ms)
{
	unsigned many = wb_pace_places(p) * PLACE_REPLIES_MAX;
	double mean_ms, off_ms;

	many = many < ROUND_REPLIES_MAX ? many : ROUND_REPLIES_MAX;
	if (period_is_over(p, now_ms))
		begin_period(p, now_ms);
	p->took_ms += took_ms;
	p->took_squares += took_ms * took_ms;
	p->replies++;
	mean_ms = p->took_ms / p->replies;
	if (p->replies < ROUND_REPLIES_MIN || (double)(now_ms - p->round_ms) < ROUND_TIMES * mean_ms)
		return;
	off_ms = off_by(p, mean_ms);
	if (p->replies >= many || off_ms <= mean_ms * KNOWN_RATIO + RESOLUTION_MS)
		end_round(p, mean_ms, off_ms, max, now_ms);
}

void wb_pace_replied(struct wb_pace *p, int64_t took_ms, unsigned max, int64_t now_ms)
{
	wb_mutex_lock(&p->lock);
	take_reply(p, (double)took_ms, max, now_ms);
	wb_mutex_unlock(&p->lock);
}
