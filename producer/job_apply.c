#include "producer/job_table_internal.h"

#include <string.h>

static void changed(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	if (j->state < OPEN)
		return; /* not shown yet, or forgotten as it ended */
	if (++t->version == 0)
		t->version = 1;
	j->version = t->version;
	if (t->hooks.changed)
		t->hooks.changed(t->hooks.arg, j->id);
}

static uint64_t *pending_of(struct wb_job_table *t, uint32_t i)
{
	return &wb_job_store_extra(t, i)->pending;
}

static void finish(struct wb_job_table *t, uint32_t i, int64_t at_ms)
{
	struct job *j = wb_job_at(t, i);
	uint64_t completed_ms = wb_job_time(at_ms);

	j->completed_ms = (completed_ms > j->created_ms ? completed_ms : j->created_ms) & (uint64_t)TIME_MS_MAX;
	if (j->callback && t->hooks.ended)
		t->hooks.ended(t->hooks.arg, j->id);
	wb_job_store_finish(t, i);
}

static void finish_if_complete(struct wb_job_table *t, uint32_t i, int64_t at_ms)
{
	const struct job *j = wb_job_at(t, i);

	if (j->state == OPEN && (j->extra ? j->extra->pending : wb_job_numbers(j).accepted) == 0)
		finish(t, i, at_ms);
}

enum known { OURS, FORGOTTEN, NEW, NOT_OURS };

/* Finds the job that a record names. */
static enum known named(struct wb_job_table *t, struct wb_slice job, uint8_t ret_id[WB_JOB_ID_BYTES], uint32_t *ret)
{
	if (t->limits.only && !wb_slice_eq_cstr(job, t->limits.only))
		return NOT_OURS;
	if (!wb_job_id_read(job, ret_id))
		return NOT_OURS;
	*ret = wb_job_store_find(t, ret_id);
	if (*ret != NONE)
		return OURS;
	return wb_job_names_has(t->names, ret_id) ? FORGOTTEN : NEW;
}

/* The job that a record names if it is there, else NONE. */
static uint32_t existing(struct wb_job_table *t, struct wb_slice job)
{
	uint8_t id[WB_JOB_ID_BYTES];
	uint32_t i;

	return named(t, job, id, &i) == OURS ? i : NONE;
}

/* The same, but an unknown one is made. What comes for a forgotten job is a repeat: NONE. */
static uint32_t existing_or_new(struct wb_job_table *t, struct wb_slice job)
{
	uint8_t id[WB_JOB_ID_BYTES];
	uint32_t i;
	enum known known = named(t, job, id, &i);

	return known == OURS ? i : known == NEW ? wb_job_store_add(t, id) : NONE;
}

static void take_names(struct wb_job_table *t, struct job *j, const struct wb_result_accepted *accepted)
{
	j->has_key = accepted->has_key;
	if (accepted->has_key)
		memcpy(j->key, accepted->key, WB_RESULT_KEY_SIZE);
	if (!accepted->callback.data)
		return;
	j->callback = wb_texts_use(&t->texts, accepted->callback);
	j->callback_state = WB_CALLBACK_PENDING;
}

static void on_accepted(void *arg, const struct wb_result_accepted *accepted)
{
	struct wb_job_table *t = arg;
	uint32_t i = existing_or_new(t, accepted->job);
	struct numbers n;
	uint64_t in_range;
	struct job *j;

	if (i == NONE || wb_job_at(t, i)->state != AWAITED)
		return;
	j = wb_job_at(t, i);
	in_range = accepted->count ? wb_interval_set_count_in(&j->extra->seen, 0, accepted->count - 1) : 0;
	n = wb_job_numbers(j);
	n.accepted = accepted->count;
	wb_job_store_set_numbers(t, i, n);
	*pending_of(t, i) = accepted->count - in_range;
	j->created_ms = wb_job_time(accepted->at_ms) & (uint64_t)TIME_MS_MAX;
	take_names(t, j, accepted);
	t->totals.accepted += accepted->count;
	t->totals.pending += accepted->count - in_range;
	t->totals.unaccepted -= in_range;
	wb_job_store_accept(t, i);
	finish_if_complete(t, i, t->record_ms);
	changed(t, i);
}

/* Outcomes */

static void count_outcome(struct wb_job_totals *totals, enum wb_outcome outcome, uint64_t n)
{
	if (outcome == WB_WRITTEN)
		totals->written += n;
	else if (outcome == WB_SUPERSEDED)
		totals->superseded += n;
	else
		totals->dead += n;
}

static size_t first_range_reaching(const struct wb_interval_set *s, uint64_t value)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->ranges[mid].last < value)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Notes which of first..last die now, so that the failures that follow are told from repeats. */
static void note_fresh(struct wb_job_table *t, uint32_t i, uint64_t first, uint64_t last)
{
	static const struct wb_interval_set nothing = { 0 };
	const struct job_extra *x = wb_job_at(t, i)->extra;
	const struct wb_interval_set *seen = x ? &x->seen : &nothing;

	if (t->fresh_job != i)
		wb_interval_set_clear(&t->fresh);
	t->fresh_job = i;
	for (size_t k = first_range_reaching(seen, first); k < seen->count && seen->ranges[k].first <= last; k++) {
		if (seen->ranges[k].first > first)
			(void)wb_interval_set_add(&t->fresh, first, seen->ranges[k].first - 1);
		if (seen->ranges[k].last >= last)
			return;
		first = seen->ranges[k].last + 1;
	}
	(void)wb_interval_set_add(&t->fresh, first, last);
}

static void add_number(struct wb_job_table *t, uint32_t i, enum wb_outcome outcome, uint64_t n)
{
	struct numbers numbers = wb_job_numbers(wb_job_at(t, i));

	*(outcome == WB_WRITTEN                    ? &numbers.written
			: outcome == WB_SUPERSEDED ? &numbers.superseded
						   : &numbers.dead) += n;
	wb_job_store_set_numbers(t, i, numbers);
	count_outcome(&t->totals, outcome, n);
}

static uint64_t add_outcome(struct wb_job_table *t, uint32_t i, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	uint64_t n;

	if (outcome == WB_DEAD)
		note_fresh(t, i, first, last);
	n = wb_job_store_see(t, i, first, last);
	add_number(t, i, outcome, n);
	return n;
}

/* All of a job's writes have their first outcome, and it is the same one: nothing needs to be remembered of them. */
static bool end_at_once(
	struct wb_job_table *t, uint32_t i, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms)
{
	const struct job *j = wb_job_at(t, i);

	if (j->state != OPEN || j->extra || first != 0 || last != (uint64_t)j->accepted - 1)
		return false;
	if (outcome == WB_DEAD)
		note_fresh(t, i, first, last);
	add_number(t, i, outcome, j->accepted);
	t->totals.pending -= j->accepted;
	finish(t, i, at_ms);
	changed(t, i);
	return true;
}

static void on_outcome(
	void *arg, struct wb_slice job, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms)
{
	struct wb_job_table *t = arg;
	uint32_t i = existing_or_new(t, job);
	uint64_t accepted, inside = 0, beyond = 0;

	at_ms = at_ms > 0 ? at_ms : t->record_ms;
	if (i == NONE || wb_job_at(t, i)->state == FINISHED || end_at_once(t, i, outcome, first, last, at_ms))
		return;
	if (wb_job_at(t, i)->state == AWAITED)
		wb_job_store_await_again(t, i);
	/* A number beyond the job's count was never accepted: it is counted, but not as the job's. */
	accepted = wb_job_at(t, i)->state == OPEN ? wb_job_numbers(wb_job_at(t, i)).accepted : 0;
	if (first < accepted) {
		uint64_t *pending = pending_of(t, i);

		inside = add_outcome(t, i, outcome, first, last < accepted ? last : accepted - 1);
		*pending -= inside;
		t->totals.pending -= inside;
		first = accepted;
	}
	if (first <= last)
		beyond = add_outcome(t, i, outcome, first, last);
	t->totals.unaccepted += beyond;
	finish_if_complete(t, i, at_ms);
	if (inside || beyond)
		changed(t, i);
}

static void on_charge(void *arg, struct wb_slice job, double request_units)
{
	struct wb_job_table *t = arg;
	uint32_t i = existing(t, job);

	if (i == NONE || !(request_units > 0))
		return;
	wb_job_at(t, i)->charge += request_units;
	changed(t, i);
}

static void on_failure(void *arg, struct wb_slice job, const struct wb_result_failure *failure)
{
	struct wb_job_table *t = arg;
	uint32_t i = existing(t, job);

	if (i == NONE || t->fresh_job != i || !wb_interval_set_has(&t->fresh, failure->seq))
		return;
	wb_job_store_add_failure(t, i, failure);
	changed(t, i);
}

static void on_untracked(
	void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	struct wb_job_table *t = arg;
	uint64_t n;

	if (t->limits.only)
		return;
	n = wb_origins_add(&t->origins, topic, partition, first, last);
	count_outcome(&t->totals, outcome, n);
	t->totals.accepted += n;
}

static void on_callback(void *arg, const struct wb_result_callback *callback)
{
	struct wb_job_table *t = arg;
	uint32_t i = existing(t, callback->job);
	struct job *j;

	if (i == NONE || !wb_job_callback_due(wb_job_at(t, i)))
		return;
	j = wb_job_at(t, i);
	j->callback_state = (unsigned)callback->state & 7;
	j->callback_status = (unsigned)callback->status & 1023;
	j->callback_attempts = callback->attempt < UINT16_MAX ? callback->attempt & UINT16_MAX : UINT16_MAX;
	j->callback_ms = wb_job_time(callback->at_ms) & (uint64_t)TIME_MS_MAX;
	if (j->state == FINISHED && !wb_job_callback_due(j))
		wb_job_store_called(t, i);
	changed(t, i);
}

enum wb_err wb_job_table_apply(
	struct wb_job_table *t, int32_t partition, int64_t at_ms, struct wb_slice record, struct wb_error *e)
{
	static const struct wb_result_visitor visitor = {
		.accepted = on_accepted,
		.job_outcome = on_outcome,
		.job_charge = on_charge,
		.job_failure = on_failure,
		.untracked = on_untracked,
		.callback = on_callback,
	};
	struct partition *p;
	enum wb_err err;

	t->record_partition = partition;
	t->record_ms = at_ms;
	t->fresh_job = NONE;
	wb_interval_set_clear(&t->fresh);
	err = wb_result_decode(record, &visitor, t, e);
	p = wb_job_store_partition(t, partition);
	if (at_ms > p->clock_ms)
		p->clock_ms = at_ms;
	wb_job_store_expire_awaited(t, p, p->clock_ms - t->limits.unaccepted_ms);
	return err;
}
