#include "common/base/mem.h"
#include "producer/job_table_internal.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS        512
#define BUCKET_LOAD          2 /* jobs a bucket, at most */
#define FAILURE_ID_BYTES_MAX 1023
#define ALLOCATION_BYTES     16 /* about what malloc adds */
#define WEIGHT_UNIT_BYTES    64
#define WEIGHT_UNITS_MAX     ((1U << 15) - 1)
#define WEIGHT_FLOOR_BYTES   ((size_t)16 << 20)

static void index_init(struct job_index *x, size_t buckets)
{
	x->bucket_count = buckets;
	x->buckets = wb_xmalloc(buckets * sizeof *x->buckets);
	memset(x->buckets, 0xff, buckets * sizeof *x->buckets);
}

static struct wb_job_place place_of(void *arg, uint32_t i)
{
	const struct job *j = wb_job_at(arg, i);

	return (struct wb_job_place){ (int64_t)j->created_ms, j->id };
}

void wb_job_store_init(struct wb_job_table *t)
{
	t->free_list = NONE;
	t->finished = (struct job_list){ NONE, NONE };
	t->weight_max = t->limits.max > WEIGHT_FLOOR_BYTES / WEIGHT_UNIT_BYTES ? t->limits.max
									       : WEIGHT_FLOOR_BYTES / WEIGHT_UNIT_BYTES;
	index_init(&t->by_id, FIRST_BUCKETS);
	index_init(&t->by_key, FIRST_BUCKETS);
	t->order = wb_job_order_new(place_of, t);
	t->names = wb_job_names_new();
}

static void free_failures(struct wb_job_table *t, struct job_extra *x)
{
	if (!x->failures)
		return;
	for (uint32_t i = 0; i < x->failures->count; i++)
		free((char *)x->failures->list[i].id.data);
	t->extra_bytes -= x->failures->bytes;
	free(x->failures);
	x->failures = NULL;
}

static size_t seen_bytes(const struct job_extra *x)
{
	return x->seen.cap ? x->seen.cap * sizeof *x->seen.ranges + ALLOCATION_BYTES : 0;
}

static void release_seen(struct wb_job_table *t, struct job_extra *x)
{
	t->extra_bytes -= seen_bytes(x);
	wb_interval_set_release(&x->seen);
}

static void free_extra(struct wb_job_table *t, struct job *j)
{
	if (!j->extra)
		return;
	free_failures(t, j->extra);
	release_seen(t, j->extra);
	t->extra_bytes -= sizeof *j->extra + ALLOCATION_BYTES;
	free(j->extra);
	j->extra = NULL;
}

void wb_job_store_release(struct wb_job_table *t)
{
	for (uint32_t i = 0; i < t->used; i++)
		free_extra(t, wb_job_at(t, i));
	for (size_t i = 0; i < t->chunk_count; i++)
		free(t->chunks[i]);
	wb_job_order_free(&t->order);
	wb_job_names_free(&t->names);
	wb_texts_release(&t->texts);
	free(t->chunks);
	free(t->by_id.buckets);
	free(t->by_key.buckets);
	free(t->partitions);
}

/* Indexes */

uint32_t wb_job_store_find(const struct wb_job_table *t, const uint8_t id[WB_JOB_ID_BYTES])
{
	uint32_t i = t->by_id.buckets[wb_job_id_bucket(id, t->by_id.bucket_count)];

	while (i != NONE && memcmp(wb_job_at(t, i)->id, id, WB_JOB_ID_BYTES) != 0)
		i = wb_job_at(t, i)->next_by_id;
	return i;
}

static bool created_before(const struct job *a, const struct job *b)
{
	if (a->created_ms != b->created_ms)
		return a->created_ms < b->created_ms;
	return memcmp(a->id, b->id, WB_JOB_ID_BYTES) < 0;
}

uint32_t wb_job_store_find_key(const struct wb_job_table *t, const uint8_t key[WB_RESULT_KEY_SIZE])
{
	uint32_t found = NONE;

	for (uint32_t i = t->by_key.buckets[wb_job_id_bucket(key, t->by_key.bucket_count)]; i != NONE;
		i = wb_job_at(t, i)->next_by_key) {
		if (memcmp(wb_job_at(t, i)->key, key, WB_RESULT_KEY_SIZE) != 0)
			continue;
		if (found == NONE || created_before(wb_job_at(t, i), wb_job_at(t, found)))
			found = i;
	}
	return found;
}

static void link_id(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);
	uint32_t *bucket = &t->by_id.buckets[wb_job_id_bucket(j->id, t->by_id.bucket_count)];

	j->next_by_id = *bucket;
	*bucket = i;
}

static void link_key(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);
	uint32_t *bucket = &t->by_key.buckets[wb_job_id_bucket(j->key, t->by_key.bucket_count)];

	j->next_by_key = *bucket;
	*bucket = i;
}

/* Links every job that is in the index already into twice as many buckets. */
static void grow_ids(struct wb_job_table *t)
{
	free(t->by_id.buckets);
	index_init(&t->by_id, t->by_id.bucket_count * 2);
	for (uint32_t i = 0; i < t->used; i++) {
		if (wb_job_at(t, i)->state != FREE)
			link_id(t, i);
	}
}

static void grow_keys(struct wb_job_table *t)
{
	free(t->by_key.buckets);
	index_init(&t->by_key, t->by_key.bucket_count * 2);
	for (uint32_t i = 0; i < t->used; i++) {
		if (wb_job_at(t, i)->state >= OPEN && wb_job_at(t, i)->has_key)
			link_key(t, i);
	}
}

static void unlink_id(struct wb_job_table *t, uint32_t i)
{
	uint32_t *link = &t->by_id.buckets[wb_job_id_bucket(wb_job_at(t, i)->id, t->by_id.bucket_count)];

	while (*link != i)
		link = &wb_job_at(t, *link)->next_by_id;
	*link = wb_job_at(t, i)->next_by_id;
	t->by_id.used--;
}

static void unlink_key(struct wb_job_table *t, uint32_t i)
{
	uint32_t *link = &t->by_key.buckets[wb_job_id_bucket(wb_job_at(t, i)->key, t->by_key.bucket_count)];

	while (*link != i)
		link = &wb_job_at(t, *link)->next_by_key;
	*link = wb_job_at(t, i)->next_by_key;
	t->by_key.used--;
}

/* Lists of a partition: their jobs have an extra part for the links. */

static void list_push(struct wb_job_table *t, struct job_list *list, uint32_t i)
{
	struct job_extra *x = wb_job_store_extra(t, i);

	x->older = list->newest;
	x->newer = NONE;
	if (list->newest != NONE)
		wb_job_at(t, list->newest)->extra->newer = i;
	else
		list->oldest = i;
	list->newest = i;
}

static void list_remove(struct wb_job_table *t, struct job_list *list, uint32_t i)
{
	struct job_extra *x = wb_job_at(t, i)->extra;

	if (x->older != NONE)
		wb_job_at(t, x->older)->extra->newer = x->newer;
	else
		list->oldest = x->newer;
	if (x->newer != NONE)
		wb_job_at(t, x->newer)->extra->older = x->older;
	else
		list->newest = x->older;
}

struct partition *wb_job_store_partition(struct wb_job_table *t, int32_t partition)
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
		t->free_list = wb_job_at(t, i)->next_by_id;
		return i;
	}
	if (t->used % CHUNK_JOBS == 0) {
		t->chunks = wb_xrealloc(t->chunks, (t->chunk_count + 1) * sizeof *t->chunks);
		t->chunks[t->chunk_count++] = wb_xcalloc(CHUNK_JOBS, sizeof **t->chunks);
	}
	return t->used++;
}

uint32_t wb_job_store_add(struct wb_job_table *t, const uint8_t id[WB_JOB_ID_BYTES])
{
	uint32_t i = allocate(t);
	struct job *j = wb_job_at(t, i);

	*j = (struct job){ .state = FREE, .partition = t->record_partition };
	memcpy(j->id, id, WB_JOB_ID_BYTES);
	if (++t->by_id.used > t->by_id.bucket_count * BUCKET_LOAD)
		grow_ids(t); /* not of this one yet */
	j->state = AWAITED;
	j->created_ms = wb_job_time(t->record_ms);
	link_id(t, i);
	list_push(t, &wb_job_store_partition(t, j->partition)->awaited, i);
	t->counts.awaited++;
	return i;
}

struct job_extra *wb_job_store_extra(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	if (!j->extra) {
		j->extra = wb_xcalloc(1, sizeof *j->extra);
		j->extra->pending = j->state == OPEN ? wb_job_numbers(j).accepted : 0;
		t->extra_bytes += sizeof *j->extra + ALLOCATION_BYTES;
	}
	return j->extra;
}

struct numbers wb_job_numbers(const struct job *j)
{
	if (j->enormous)
		return j->extra->numbers;
	return (struct numbers){ j->accepted, j->written, j->superseded, j->dead };
}

void wb_job_store_set_numbers(struct wb_job_table *t, uint32_t i, struct numbers n)
{
	struct job *j = wb_job_at(t, i);

	if ((n.accepted | n.written | n.superseded | n.dead) > UINT32_MAX || j->enormous) {
		wb_job_store_extra(t, i)->numbers = n;
		j->enormous = true;
		return;
	}
	j->accepted = (uint32_t)n.accepted;
	j->written = (uint32_t)n.written;
	j->superseded = (uint32_t)n.superseded;
	j->dead = (uint32_t)n.dead;
}

void wb_job_store_remove(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	unlink_id(t, i);
	if (j->state != AWAITED) {
		wb_job_order_remove(t->order, i);
		if (j->has_key)
			unlink_key(t, i);
	}
	wb_texts_drop(&t->texts, j->callback);
	free_extra(t, j);
	if (t->fresh_job == i)
		t->fresh_job = NONE;
	*j = (struct job){ .state = FREE, .next_by_id = t->free_list };
	t->free_list = i;
}

/* Waiting for the accepted record */

void wb_job_store_await_again(struct wb_job_table *t, uint32_t i)
{
	struct job_list *awaited = &wb_job_store_partition(t, wb_job_at(t, i)->partition)->awaited;

	wb_job_at(t, i)->created_ms = wb_job_time(t->record_ms);
	list_remove(t, awaited, i);
	list_push(t, awaited, i);
}

static void forget_awaited(struct wb_job_table *t, struct partition *p)
{
	uint32_t i = p->awaited.oldest;

	list_remove(t, &p->awaited, i);
	t->counts.awaited--;
	wb_job_store_remove(t, i);
}

void wb_job_store_expire_awaited(struct wb_job_table *t, struct partition *p, int64_t before_ms)
{
	while (p->awaited.oldest != NONE &&
		((int64_t)wb_job_at(t, p->awaited.oldest)->created_ms < before_ms || t->counts.awaited > t->limits.max))
		forget_awaited(t, p);
}

void wb_job_store_accept(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	list_remove(t, &wb_job_store_partition(t, j->partition)->awaited, i);
	t->counts.awaited--;
	t->counts.unfinished++;
	if (j->has_key) {
		/* Linked while it is still AWAITED, so that growing does not link it, too. */
		if (++t->by_key.used > t->by_key.bucket_count * BUCKET_LOAD)
			grow_keys(t);
		link_key(t, i);
	}
	j->state = OPEN;
	if (j->extra->seen.count == 0 && !j->enormous)
		free_extra(t, j);
	wb_job_order_add(t->order, i);
}

uint64_t wb_job_store_see(struct wb_job_table *t, uint32_t i, uint64_t first, uint64_t last)
{
	struct job_extra *x = wb_job_store_extra(t, i);
	size_t before = seen_bytes(x);
	uint64_t n = wb_interval_set_add(&x->seen, first, last);

	t->extra_bytes += seen_bytes(x) - before;
	return n;
}

/* Finished ones */

static unsigned weight_of(const struct wb_job_table *t, const struct job *j)
{
	size_t bytes = 0;

	if (j->extra)
		bytes = sizeof *j->extra + ALLOCATION_BYTES + (j->extra->failures ? j->extra->failures->bytes : 0);
	if (j->callback && !wb_texts_shared(&t->texts, j->callback))
		bytes += wb_texts_get(&t->texts, j->callback).len + sizeof(struct wb_text);
	bytes = (bytes + WEIGHT_UNIT_BYTES - 1) / WEIGHT_UNIT_BYTES;
	return bytes < WEIGHT_UNITS_MAX ? (unsigned)bytes : WEIGHT_UNITS_MAX;
}

/* Only id and key stay. */
static void forget_details(struct wb_job_table *t, uint32_t i)
{
	const struct job *j = wb_job_at(t, i);

	wb_job_names_add(t->names, j->id, j->has_key ? j->key : NULL, (int64_t)j->completed_ms);
	t->counts.forgotten++;
	wb_job_store_remove(t, i);
}

static uint32_t pop_finished(struct wb_job_table *t)
{
	uint32_t i = t->finished.oldest;

	t->finished.oldest = wb_job_at(t, i)->next_finished;
	if (t->finished.oldest == NONE)
		t->finished.newest = NONE;
	t->counts.finished--;
	t->weight -= wb_job_at(t, i)->weight;
	return i;
}

static void push_finished(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	if (j->extra && !j->extra->failures && !j->enormous)
		free_extra(t, j);
	j->next_finished = NONE;
	if (t->finished.newest != NONE)
		wb_job_at(t, t->finished.newest)->next_finished = i;
	else
		t->finished.oldest = i;
	t->finished.newest = i;
	t->counts.finished++;
	j->weight = weight_of(t, j) & WEIGHT_UNITS_MAX;
	t->weight += j->weight;
	while (t->finished.oldest != NONE && (t->counts.finished > t->limits.max || t->weight > t->weight_max))
		forget_details(t, pop_finished(t));
}

static void pop_calling(struct wb_job_table *t, uint32_t i)
{
	list_remove(t, &wb_job_store_partition(t, wb_job_at(t, i)->partition)->calling, i);
	t->counts.calling--;
}

/* The one that ended first of those whose callback is to be made; NONE: there is none. */
static uint32_t first_calling(const struct wb_job_table *t)
{
	uint32_t first = NONE;

	for (size_t i = 0; i < t->partition_count; i++) {
		uint32_t oldest = t->partitions[i].calling.oldest;

		if (oldest != NONE &&
			(first == NONE || wb_job_at(t, oldest)->completed_ms < wb_job_at(t, first)->completed_ms))
			first = oldest;
	}
	return first;
}

static void push_calling(struct wb_job_table *t, uint32_t i)
{
	list_push(t, &wb_job_store_partition(t, wb_job_at(t, i)->partition)->calling, i);
	t->counts.calling++;
	while (t->counts.calling > t->limits.max) {
		uint32_t first = first_calling(t);

		pop_calling(t, first);
		forget_details(t, first);
		t->dropped_callbacks++;
	}
}

void wb_job_store_finish(struct wb_job_table *t, uint32_t i)
{
	struct job *j = wb_job_at(t, i);

	if (j->extra)
		release_seen(t, j->extra);
	j->state = FINISHED;
	t->counts.unfinished--;
	if (wb_job_callback_due(j))
		push_calling(t, i);
	else
		push_finished(t, i);
}

void wb_job_store_called(struct wb_job_table *t, uint32_t i)
{
	pop_calling(t, i);
	push_finished(t, i);
}

void wb_job_store_expire_finished(struct wb_job_table *t, int64_t before_ms)
{
	uint32_t i;

	while (t->finished.oldest != NONE && (int64_t)wb_job_at(t, t->finished.oldest)->completed_ms < before_ms)
		wb_job_store_remove(t, pop_finished(t));
	while ((i = first_calling(t)) != NONE && (int64_t)wb_job_at(t, i)->completed_ms < before_ms) {
		pop_calling(t, i);
		wb_job_store_remove(t, i);
		t->dropped_callbacks++;
	}
	wb_job_names_expire(t->names, before_ms);
	t->counts.forgotten = wb_job_names_count(t->names);
}

/* Failures */

static void reweigh(struct wb_job_table *t, struct job *j)
{
	if (j->state != FINISHED || wb_job_callback_due(j))
		return;
	t->weight -= j->weight;
	j->weight = weight_of(t, j) & WEIGHT_UNITS_MAX;
	t->weight += j->weight; /* what is too much is forgotten with the next job that ends */
}

static struct failures *room_for_failure(struct wb_job_table *t, uint32_t i)
{
	struct job_extra *x = wb_job_store_extra(t, i);
	struct failures *f = x->failures;
	uint32_t cap;

	if (f && f->count < f->cap)
		return f;
	if (f && f->count >= WB_RESULT_FAILURES_MAX)
		return NULL;
	cap = f ? f->cap * 2 : 1;
	cap = cap < WB_RESULT_FAILURES_MAX ? cap : WB_RESULT_FAILURES_MAX;
	x->failures = wb_xrealloc(f, sizeof *f + cap * sizeof *f->list);
	if (!f) {
		x->failures->count = 0;
		x->failures->bytes = sizeof *f + ALLOCATION_BYTES;
		x->failures->cap = 0;
		t->extra_bytes += x->failures->bytes;
	}
	x->failures->bytes += (cap - x->failures->cap) * sizeof *f->list;
	t->extra_bytes += (cap - x->failures->cap) * sizeof *f->list;
	x->failures->cap = cap;
	return x->failures;
}

void wb_job_store_add_failure(struct wb_job_table *t, uint32_t i, const struct wb_result_failure *failure)
{
	struct failures *f = room_for_failure(t, i);
	struct wb_result_failure *kept;

	if (!f)
		return;
	kept = &f->list[f->count++];
	*kept = *failure;
	if (kept->id.len > FAILURE_ID_BYTES_MAX)
		kept->id.len = FAILURE_ID_BYTES_MAX;
	if (kept->id.data) {
		kept->id.data = wb_xmemdup(failure->id.data, kept->id.len);
		f->bytes += kept->id.len + 1 + ALLOCATION_BYTES;
		t->extra_bytes += kept->id.len + 1 + ALLOCATION_BYTES;
	}
	reweigh(t, wb_job_at(t, i));
}
