#include "producer/job_order.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RUN_JOBS 509 /* with the rest of a run: 2 KiB */
#define ID_BYTES 16

/* Jobs from old to new. */
struct run {
	int64_t first_ms; /* creation of the first */
	uint32_t count;
	uint32_t jobs[RUN_JOBS];
};

struct wb_job_order {
	wb_job_place_fn place;
	void *arg;
	struct run **runs; /* from old to new; none is empty */
	size_t count, cap;
};

struct wb_job_order *wb_job_order_new(wb_job_place_fn place, void *arg)
{
	struct wb_job_order *o = wb_xcalloc(1, sizeof *o);

	o->place = place;
	o->arg = arg;
	return o;
}

void wb_job_order_free(struct wb_job_order **order)
{
	struct wb_job_order *o = *order;

	*order = NULL;
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		free(o->runs[i]);
	free(o->runs);
	free(o);
}

static bool older(const struct wb_job_place *a, const struct wb_job_place *b)
{
	if (a->created_ms != b->created_ms)
		return a->created_ms < b->created_ms;
	return memcmp(a->id, b->id, ID_BYTES) < 0;
}

static bool job_older(const struct wb_job_order *o, uint32_t job, const struct wb_job_place *than)
{
	struct wb_job_place place = o->place(o->arg, job);

	return older(&place, than);
}

/* Whether a run begins with a job older than that place. */
static bool run_older(const struct wb_job_order *o, const struct run *run, const struct wb_job_place *than)
{
	return run->first_ms != than->created_ms ? run->first_ms < than->created_ms : job_older(o, run->jobs[0], than);
}

/* How many runs begin with a job older than that place: the last of them is where it belongs. */
static size_t runs_before(const struct wb_job_order *o, const struct wb_job_place *place)
{
	size_t low = 0, high = o->count;

	/* Mostly it is the newest that comes, and the oldest that goes. */
	if (o->count && run_older(o, o->runs[o->count - 1], place))
		return o->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run_older(o, o->runs[middle], place))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many jobs of a run are older than that place. */
static size_t jobs_before(const struct wb_job_order *o, const struct run *run, const struct wb_job_place *place)
{
	size_t low = 0, high = run->count;

	if (job_older(o, run->jobs[high - 1], place))
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (job_older(o, run->jobs[middle], place))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void note_first(const struct wb_job_order *o, struct run *run)
{
	run->first_ms = o->place(o->arg, run->jobs[0]).created_ms;
}

static struct run *insert_run(struct wb_job_order *o, size_t at)
{
	if (o->count == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 16;
		o->runs = wb_xrealloc(o->runs, o->cap * sizeof *o->runs);
	}
	memmove(o->runs + at + 1, o->runs + at, (o->count - at) * sizeof *o->runs);
	o->runs[at] = wb_xmalloc(sizeof **o->runs);
	o->runs[at]->count = 0;
	o->count++;
	return o->runs[at];
}

static void remove_run(struct wb_job_order *o, size_t at)
{
	free(o->runs[at]);
	o->count--;
	memmove(o->runs + at, o->runs + at + 1, (o->count - at) * sizeof *o->runs);
}

static void split(struct wb_job_order *o, size_t at)
{
	struct run *newer = insert_run(o, at + 1), *run = o->runs[at];
	uint32_t kept = run->count / 2;

	newer->count = run->count - kept;
	memcpy(newer->jobs, run->jobs + kept, newer->count * sizeof *run->jobs);
	run->count = kept;
	note_first(o, newer);
}

/* The run that takes a job of that place, with room for it. */
static struct run *run_for(struct wb_job_order *o, const struct wb_job_place *place)
{
	size_t before = runs_before(o, place), at = before ? before - 1 : 0;

	if (o->count == 0)
		return insert_run(o, 0);
	if (o->runs[at]->count < RUN_JOBS)
		return o->runs[at];
	/* At the very end a run stays full: those that come after it are newer. */
	if (at == o->count - 1 && jobs_before(o, o->runs[at], place) == RUN_JOBS)
		return insert_run(o, o->count);
	split(o, at);
	return run_older(o, o->runs[at + 1], place) ? o->runs[at + 1] : o->runs[at];
}

void wb_job_order_add(struct wb_job_order *o, uint32_t job)
{
	struct wb_job_place place = o->place(o->arg, job);
	struct run *run = run_for(o, &place);
	size_t at = run->count ? jobs_before(o, run, &place) : 0;

	memmove(run->jobs + at + 1, run->jobs + at, (run->count - at) * sizeof *run->jobs);
	run->jobs[at] = job;
	run->count++;
	if (at == 0)
		run->first_ms = place.created_ms;
}

/* Makes one run of two that are short, so that what stays when most have gone is small. */
static void join(struct wb_job_order *o, size_t at)
{
	struct run *run = o->runs[at], *newer = o->runs[at + 1];

	if (run->count + newer->count > RUN_JOBS / 2)
		return;
	memcpy(run->jobs + run->count, newer->jobs, newer->count * sizeof *run->jobs);
	run->count += newer->count;
	remove_run(o, at + 1);
}

void wb_job_order_remove(struct wb_job_order *o, uint32_t job)
{
	struct wb_job_place place = o->place(o->arg, job);
	size_t before = runs_before(o, &place), run_at, at;
	struct run *run;

	/* A run that begins with this very job does not count as older. */
	run_at = before < o->count && o->runs[before]->jobs[0] == job ? before : before - 1;
	assert(run_at < o->count);
	run = o->runs[run_at];
	at = jobs_before(o, run, &place);
	assert(at < run->count && run->jobs[at] == job);
	run->count--;
	memmove(run->jobs + at, run->jobs + at + 1, (run->count - at) * sizeof *run->jobs);
	if (run->count == 0) {
		remove_run(o, run_at);
		return;
	}
	if (at == 0)
		note_first(o, run);
	if (run_at + 1 < o->count)
		join(o, run_at);
	if (run_at > 0)
		join(o, run_at - 1);
}

size_t wb_job_order_memory_bytes(const struct wb_job_order *o)
{
	return sizeof *o + o->count * sizeof **o->runs + o->cap * sizeof *o->runs;
}

struct wb_job_walk wb_job_order_walk(const struct wb_job_order *o, const struct wb_job_place *before)
{
	struct wb_job_walk w = { .order = o, .run = before ? runs_before(o, before) : o->count };

	if (w.run > 0) {
		w.run--;
		w.at = before ? jobs_before(o, o->runs[w.run], before) : o->runs[w.run]->count;
	}
	return w;
}

bool wb_job_walk_next(struct wb_job_walk *w, uint32_t *ret_job)
{
	if (w->at == 0) {
		if (w->run == 0)
			return false;
		w->run--;
		w->at = w->order->runs[w->run]->count;
	}
	*ret_job = w->order->runs[w->run]->jobs[--w->at];
	return true;
}
