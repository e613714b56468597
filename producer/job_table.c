#include "producer/job_table.h"

#include "common/base/interval_set.h"
#include "common/base/mem.h"
#include "producer/origins.h"

#include <stdlib.h>
#include <string.h>

#define ID_BYTES             (WB_JOB_ID_LEN / 2)
#define CHUNK_JOBS           1024
#define FIRST_BUCKETS        1024
#define NONE                 UINT32_MAX
#define FAILURE_ID_BYTES_MAX 1023

enum job_state { FREE, AWAITED, OPEN, FINISHED };

struct failures {
	size_t count;
	struct wb_result_failure list[WB_RESULT_FAILURES_MAX]; /* ids are owned */
};

/* Kept small: a million of them is the default limit. Jobs name one another by their index in the slab. */
struct job {
	uint8_t id[ID_BYTES];
	uint64_t accepted, written, superseded, dead, pending;
	double charge;
	int64_t created_ms;           /* while AWAITED: of the last outcome */
	int64_t completed_ms;
	struct wb_interval_set *seen; /* sequence numbers with an outcome; NULL once FINISHED */
	struct failures *failures;
	uint32_t next_in_bucket;
	uint32_t older, newer;        /* among the partition's accepted jobs, or its awaited ones */
	uint32_t next_finished;
	int32_t partition;
	enum job_state state;
};

struct job_list {
	uint32_t oldest, newest;
};

struct partition {
	struct job_list accepted, awaited;
	int64_t clock_ms; /* newest record */
};

struct wb_job_table {
	struct wb_job_limits limits;
	struct job **chunks;
	size_t chunk_count;
	uint32_t used, free_list; /* free jobs are chained by next_in_bucket */
	uint32_t *buckets;
	size_t bucket_count; /* a power of two */
	struct partition *partitions;
	size_t partition_count;
	struct job_list finished; /* oldest end first, chained by next_finished */
	struct wb_origins origins;
	struct wb_job_totals totals;
	struct wb_job_counts counts;

	/* While a record is applied. */
	int32_t record_partition;
	int64_t record_ms;
	uint32_t fresh_job;
	struct wb_interval_set fresh; /* writes of fresh_job that this record brought to death */
};

static struct job *at(const struct wb_job_table *t, uint32_t i)
{
	return &t->chunks[i / CHUNK_JOBS][i % CHUNK_JOBS];
}

struct wb_job_table *wb_job_table_new(const struct wb_job_limits *limits)
{
	struct wb_job_table *t = wb_xcalloc(1, sizeof *t);

	t->limits = *limits;
	t->free_list = NONE;
	t->finished = (struct job_list){ NONE, NONE };
	t->bucket_count = FIRST_BUCKETS;
	t->buckets = wb_xmalloc(t->bucket_count * sizeof *t->buckets);
	memset(t->buckets, 0xff, t->bucket_count * sizeof *t->buckets);
	return t;
}

static void release_job(struct job *j)
{
	if (j->seen)
		wb_interval_set_release(j->seen);
	free(j->seen);
	for (size_t i = 0; j->failures && i < j->failures->count; i++)
		free((char *)j->failures->list[i].id.data);
	free(j->failures);
}

void wb_job_table_free(struct wb_job_table **table)
{
	struct wb_job_table *t = *table;

	*table = NULL;
	if (!t)
		return;
	for (uint32_t i = 0; i < t->used; i++) {
		if (at(t, i)->state != FREE)
			release_job(at(t, i));
	}
	for (size_t i = 0; i < t->chunk_count; i++)
		free(t->chunks[i]);
	wb_origins_release(&t->origins);
	wb_interval_set_release(&t->fresh);
	free(t->partitions);
	free(t->chunks);
	free(t->buckets);
	free(t);
}

/* Ids */

static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static bool parse_id(struct wb_slice text, uint8_t ret[ID_BYTES])
{
	if (!wb_job_id_valid(text))
		return false;
	for (size_t i = 0; i < ID_BYTES; i++)
		ret[i] = (uint8_t)(nibble(text.data[2 * i]) << 4 | nibble(text.data[2 * i + 1]));
	return true;
}

static void format_id(const uint8_t id[ID_BYTES], char ret[WB_JOB_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < ID_BYTES; i++) {
		ret[2 * i] = digits[id[i] >> 4];
		ret[2 * i + 1] = digits[id[i] & 15];
	}
	ret[WB_JOB_ID_LEN] = '\0';
}

/* Ids are random, so their first bytes spread well enough. */
static uint32_t *bucket_of(const struct wb_job_table *t, const uint8_t id[ID_BYTES])
{
	uint64_t hash;

	memcpy(&hash, id, sizeof hash);
	return &t->buckets[(hash ^ hash >> 32) & (t->bucket_count - 1)];
}

static uint32_t lookup(const struct wb_job_table *t, const uint8_t id[ID_BYTES])
{
	uint32_t i = *bucket_of(t, id);

	while (i != NONE && memcmp(at(t, i)->id, id, ID_BYTES) != 0)
		i = at(t, i)->next_in_bucket;
	return i;
}

static void grow_buckets(struct wb_job_table *t)
{
	free(t->buckets);
	t->bucket_count *= 2;
	t->buckets = wb_xmalloc(t->bucket_count * sizeof *t->buckets);
	memset(t->buckets, 0xff, t->bucket_count * sizeof *t->buckets);
	for (uint32_t i = 0; i < t->used; i++) {
		struct job *j = at(t, i);
		uint32_t *bucket;

		if (j->state == FREE)
			continue;
		bucket = bucket_of(t, j->id);
		j->next_in_bucket = *bucket;
		*bucket = i;
	}
}

/* Lists */

static void list_push(struct wb_job_table *t, struct job_list *list, uint32_t i)
{
	struct job *j = at(t, i);

	j->older = list->newest;
	j->newer = NONE;
	if (list->newest != NONE)
		at(t, list->newest)->newer = i;
	else
		list->oldest = i;
	list->newest = i;
}

static void list_remove(struct wb_job_table *t, struct job_list *list, uint32_t i)
{
	struct job *j = at(t, i);

	if (j->older != NONE)
		at(t, j->older)->newer = j->newer;
	else
		list->oldest = j->newer;
	if (j->newer != NONE)
		at(t, j->newer)->older = j->older;
	else
		list->newest = j->older;
}

static struct partition *partition_of(struct wb_job_table *t, int32_t partition)
{
	size_t wanted = (size_t)partition + 1;

	if (wanted > t->partition_count) {
		t->partitions = wb_xrealloc(t->partitions, wanted * sizeof *t->partitions);
		for (size_t i = t->partition_count; i < wanted; i++)
			t->partitions[i] = (struct partition){ { NONE, NONE }, { NONE, NONE }, 0 };
		t->partition_count = wanted;
	}
	return &t->partitions[partition];
}

/* Jobs */

static uint32_t allocate(struct wb_job_table *t)
{
	uint32_t i = t->free_list;

	if (i != NONE) {
		t->free_list = at(t, i)->next_in_bucket;
		return i;
	}
	if (t->used % CHUNK_JOBS == 0) {
		t->chunks = wb_xrealloc(t->chunks, (t->chunk_count + 1) * sizeof *t->chunks);
		t->chunks[t->chunk_count++] = wb_xcalloc(CHUNK_JOBS, sizeof **t->chunks);
	}
	if (t->used >= t->bucket_count)
		grow_buckets(t);
	return t->used++;
}

static void forget(struct wb_job_table *t, uint32_t i)
{
	struct job *j = at(t, i);
	struct partition *p = partition_of(t, j->partition);
	uint32_t *link = bucket_of(t, j->id);

	while (*link != i)
		link = &at(t, *link)->next_in_bucket;
	*link = j->next_in_bucket;
	list_remove(t, j->state == AWAITED ? &p->awaited : &p->accepted, i);
	if (j->state == AWAITED)
		t->counts.awaited--;
	release_job(j);
	*j = (struct job){ .state = FREE, .next_in_bucket = t->free_list };
	t->free_list = i;
}

static void forget_first_finished(struct wb_job_table *t)
{
	uint32_t i = t->finished.oldest;

	t->finished.oldest = at(t, i)->next_finished;
	if (t->finished.oldest == NONE)
		t->finished.newest = NONE;
	t->counts.finished--;
	forget(t, i);
}

static uint32_t add_job(struct wb_job_table *t, const uint8_t id[ID_BYTES], enum job_state state, int64_t at_ms)
{
	struct partition *p = partition_of(t, t->record_partition);
	uint32_t i = allocate(t), *bucket = bucket_of(t, id);
	struct job *j = at(t, i);

	*j = (struct job){ .state = state, .created_ms = at_ms, .partition = t->record_partition };
	memcpy(j->id, id, ID_BYTES);
	j->seen = wb_xcalloc(1, sizeof *j->seen);
	j->next_in_bucket = *bucket;
	*bucket = i;
	list_push(t, state == AWAITED ? &p->awaited : &p->accepted, i);
	if (state == AWAITED)
		t->counts.awaited++;
	else
		t->counts.unfinished++;
	return i;
}

static void finish_if_complete(struct wb_job_table *t, uint32_t i, int64_t at_ms)
{
	struct job *j = at(t, i);

	if (j->state != OPEN || j->pending)
		return;
	wb_interval_set_release(j->seen);
	free(j->seen);
	j->seen = NULL;
	j->state = FINISHED;
	j->completed_ms = at_ms > j->created_ms ? at_ms : j->created_ms;
	j->next_finished = NONE;
	if (t->finished.newest != NONE)
		at(t, t->finished.newest)->next_finished = i;
	else
		t->finished.oldest = i;
	t->finished.newest = i;
	t->counts.unfinished--;
	t->counts.finished++;
	while (t->counts.finished > t->limits.max)
		forget_first_finished(t);
}

/* Finds the job that a record names, or NONE when it is not ours to look at. Unknown ones are made as AWAITED if asked. */
static uint32_t named(struct wb_job_table *t, struct wb_slice job, bool make)
{
	uint8_t id[ID_BYTES];
	uint32_t i;

	if (t->limits.only && !wb_slice_eq_cstr(job, t->limits.only))
		return NONE;
	if (!parse_id(job, id))
		return NONE;
	i = lookup(t, id);
	return i == NONE && make ? add_job(t, id, AWAITED, t->record_ms) : i;
}

static void on_accepted(void *arg, const struct wb_result_accepted *accepted)
{
	struct wb_job_table *t = arg;
	struct partition *p;
	uint64_t in_range;
	struct job *j;
	uint32_t i = named(t, accepted->job, true);

	if (i == NONE || at(t, i)->state != AWAITED)
		return;
	j = at(t, i);
	p = partition_of(t, j->partition);
	list_remove(t, &p->awaited, i);
	list_push(t, &p->accepted, i);
	in_range = accepted->count ? wb_interval_set_count_in(j->seen, 0, accepted->count - 1) : 0;
	j->state = OPEN;
	j->accepted = accepted->count;
	j->pending = accepted->count - in_range;
	j->created_ms = accepted->at_ms;
	t->counts.awaited--;
	t->counts.unfinished++;
	t->totals.accepted += accepted->count;
	t->totals.pending += j->pending;
	t->totals.unaccepted -= in_range;
	finish_if_complete(t, i, t->record_ms);
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
	const struct wb_interval_set *seen = at(t, i)->seen;

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

static uint64_t add_outcome(struct wb_job_table *t, uint32_t i, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	struct job *j = at(t, i);
	uint64_t n;

	if (outcome == WB_DEAD)
		note_fresh(t, i, first, last);
	n = wb_interval_set_add(j->seen, first, last);
	*(outcome == WB_WRITTEN ? &j->written : outcome == WB_SUPERSEDED ? &j->superseded : &j->dead) += n;
	count_outcome(&t->totals, outcome, n);
	return n;
}

/* The list stays in the order of the last outcomes. */
static void wait_on(struct wb_job_table *t, uint32_t i)
{
	struct job_list *awaited = &partition_of(t, at(t, i)->partition)->awaited;

	at(t, i)->created_ms = t->record_ms;
	list_remove(t, awaited, i);
	list_push(t, awaited, i);
}

static void on_outcome(
	void *arg, struct wb_slice job, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms)
{
	struct wb_job_table *t = arg;
	uint64_t inside = 0, n;
	uint32_t i = named(t, job, true);
	struct job *j;

	if (i == NONE || at(t, i)->state == FINISHED)
		return;
	j = at(t, i);
	if (j->state == AWAITED)
		wait_on(t, i);
	/* A number beyond the job's count was never accepted: it is counted, but not as the job's. */
	if (j->state == OPEN && first < j->accepted) {
		inside = add_outcome(t, i, outcome, first, last < j->accepted ? last : j->accepted - 1);
		j->pending -= inside;
		t->totals.pending -= inside;
		first = j->accepted;
	}
	if (first <= last) {
		n = add_outcome(t, i, outcome, first, last);
		t->totals.unaccepted += n;
	}
	finish_if_complete(t, i, at_ms > 0 ? at_ms : t->record_ms);
}

static void on_charge(void *arg, struct wb_slice job, double request_units)
{
	struct wb_job_table *t = arg;
	uint32_t i = named(t, job, false);

	if (i != NONE && request_units > 0)
		at(t, i)->charge += request_units;
}

static void on_failure(void *arg, struct wb_slice job, const struct wb_result_failure *failure)
{
	struct wb_job_table *t = arg;
	uint32_t i = named(t, job, false);
	struct wb_result_failure *kept;
	struct job *j;

	if (i == NONE || t->fresh_job != i || !wb_interval_set_has(&t->fresh, failure->seq))
		return;
	j = at(t, i);
	if (!j->failures)
		j->failures = wb_xcalloc(1, sizeof *j->failures);
	if (j->failures->count == WB_RESULT_FAILURES_MAX)
		return;
	kept = &j->failures->list[j->failures->count++];
	*kept = *failure;
	if (kept->id.len > FAILURE_ID_BYTES_MAX)
		kept->id.len = FAILURE_ID_BYTES_MAX;
	if (kept->id.data)
		kept->id.data = wb_xmemdup(failure->id.data, kept->id.len);
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

/* Interface */

static void expire_awaited(struct wb_job_table *t, struct partition *p, int64_t now_ms)
{
	while (p->awaited.oldest != NONE && at(t, p->awaited.oldest)->created_ms < now_ms - t->limits.unaccepted_ms)
		forget(t, p->awaited.oldest);
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
	};
	struct partition *p = partition_of(t, partition);
	enum wb_err err;

	t->record_partition = partition;
	t->record_ms = at_ms;
	t->fresh_job = NONE;
	wb_interval_set_clear(&t->fresh);
	err = wb_result_decode(record, &visitor, t, e);
	if (at_ms > p->clock_ms)
		p->clock_ms = at_ms;
	expire_awaited(t, p, p->clock_ms);
	while (t->counts.awaited > t->limits.max && p->awaited.oldest != NONE)
		forget(t, p->awaited.oldest);
	return err;
}

void wb_job_table_expire(struct wb_job_table *t, int64_t now_ms, bool awaited)
{
	while (t->finished.oldest != NONE && at(t, t->finished.oldest)->completed_ms < now_ms - t->limits.retention_ms)
		forget_first_finished(t);
	for (size_t i = 0; awaited && i < t->partition_count; i++)
		expire_awaited(t, &t->partitions[i], now_ms);
}

static enum wb_job_status status_of(const struct job *j)
{
	if (j->pending)
		return j->pending == j->accepted ? WB_JOB_NOT_STARTED : WB_JOB_RUNNING;
	return j->dead ? WB_JOB_FAILED : WB_JOB_SUCCEEDED;
}

static void describe(const struct job *j, struct wb_job_info *ret)
{
	*ret = (struct wb_job_info){
		.status = status_of(j),
		.accepted = j->accepted,
		.written = j->written,
		.superseded = j->superseded,
		.dead = j->dead,
		.pending = j->pending,
		.request_charge = j->charge,
		.created_ms = j->created_ms,
		.completed_ms = j->state == FINISHED ? j->completed_ms : 0,
		.failures = j->failures ? j->failures->list : NULL,
		.failure_count = j->failures ? j->failures->count : 0,
	};
	format_id(j->id, ret->id);
}

bool wb_job_table_find(struct wb_job_table *t, struct wb_slice id, struct wb_job_info *ret)
{
	uint8_t bytes[ID_BYTES];
	uint32_t i;

	if (!parse_id(id, bytes))
		return false;
	i = lookup(t, bytes);
	if (i == NONE || at(t, i)->state == AWAITED)
		return false;
	describe(at(t, i), ret);
	return true;
}

void wb_job_table_list(struct wb_job_table *t, unsigned statuses, size_t limit,
	void (*fn)(void *arg, const struct wb_job_info *info), void *arg)
{
	uint32_t *next = wb_xmalloc((t->partition_count + 1) * sizeof *next);

	for (size_t i = 0; i < t->partition_count; i++)
		next[i] = t->partitions[i].accepted.newest;
	while (limit) {
		uint32_t *newest = NULL;
		struct wb_job_info info;

		for (size_t i = 0; i < t->partition_count; i++) {
			if (next[i] != NONE && (!newest || at(t, next[i])->created_ms > at(t, *newest)->created_ms))
				newest = &next[i];
		}
		if (!newest)
			break;
		if (statuses >> status_of(at(t, *newest)) & 1) {
			describe(at(t, *newest), &info);
			fn(arg, &info);
			limit--;
		}
		*newest = at(t, *newest)->older;
	}
	free(next);
}

struct wb_job_totals wb_job_table_totals(const struct wb_job_table *t)
{
	return t->totals;
}

struct wb_job_counts wb_job_table_counts(const struct wb_job_table *t)
{
	return t->counts;
}

static const char *const status_words[WB_JOB_STATUSES] = {
	[WB_JOB_NOT_STARTED] = "NotStarted",
	[WB_JOB_RUNNING] = "Running",
	[WB_JOB_SUCCEEDED] = "Succeeded",
	[WB_JOB_FAILED] = "Failed",
};

const char *wb_job_status_text(enum wb_job_status status)
{
	return status_words[status];
}

bool wb_job_status_parse(struct wb_slice text, enum wb_job_status *ret)
{
	for (unsigned i = 0; i < WB_JOB_STATUSES; i++) {
		if (wb_slice_eq_cstr(text, status_words[i])) {
			*ret = (enum wb_job_status)i;
			return true;
		}
	}
	return false;
}
