#include "producer/callback_queue.h"

#include "common/base/list.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE         UINT32_MAX
#define ID_BYTES     (WB_JOB_ID_LEN / 2)
#define FIRST_SLOTS  64
#define HOST_BUCKETS 256

enum state {
	FREE,
	WAITING, /* in the heap */
	TAKEN,   /* its owner looks it up */
	READY,   /* in line for its host */
	SENDING,
	ENDED,   /* its outcome is being recorded */
};

/* Small, as there may be many: slots of one array instead of allocations, and numbers instead of pointers. */
struct slot {
	uint8_t id[ID_BYTES];
	int64_t due_ms;
	struct host *host; /* READY and SENDING */
	int32_t partition;
	uint32_t link;     /* of the free list, or of its host's line */
	uint32_t at;       /* in the heap */
	uint8_t state, attempts;
};

struct host {
	struct wb_link turn;
	struct host *next; /* of its bucket */
	uint32_t first, last;
	size_t ready;
	unsigned in_flight;
	bool suspect;
	bool has_turn;
	char name[];
};

struct wb_callback_queue {
	struct wb_callback_queue_limits limits;
	struct slot *slots;
	size_t slot_count, used;
	uint32_t free;      /* list */
	uint32_t *heap;     /* as large as slots */
	size_t heap_count;
	uint32_t *index;    /* by id, open addressing, a power of two and at least twice as large as slots */
	size_t index_size;
	int64_t horizon_ms; /* what is due from then on was left out */
	bool cut;           /* a part of a line was left out */
	struct host *buckets[HOST_BUCKETS];
	size_t hosts;
	struct wb_list turns, suspect_turns;
	bool suspects_turn;
	unsigned in_flight, suspects_in_flight;
};

/* ---- by id ---- */

static size_t hash_of(const struct wb_callback_queue *q, const uint8_t *id)
{
	uint64_t a, b;

	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	return (size_t)(((a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9)) >> 20) &
		(q->index_size - 1);
}

/* The place in the index where the id stands or would stand. */
static size_t place_of(const struct wb_callback_queue *q, const uint8_t *id)
{
	size_t at = hash_of(q, id);

	while (q->index[at] != NONE && memcmp(q->slots[q->index[at]].id, id, ID_BYTES) != 0)
		at = (at + 1) & (q->index_size - 1);
	return at;
}

static void unindex(struct wb_callback_queue *q, const uint8_t *id)
{
	const size_t mask = q->index_size - 1;
	size_t hole = place_of(q, id), at = hole;

	/* What stands behind and could not stand nearer is moved up, so that no search ends at the hole. */
	for (;;) {
		size_t home;

		at = (at + 1) & mask;
		if (q->index[at] == NONE)
			break;
		home = hash_of(q, q->slots[q->index[at]].id);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			q->index[hole] = q->index[at];
			hole = at;
		}
	}
	q->index[hole] = NONE;
}

static void grow(struct wb_callback_queue *q)
{
	size_t before = q->slot_count;

	q->slot_count = before ? 2 * before : FIRST_SLOTS;
	if (q->slot_count > q->limits.waiting)
		q->slot_count = q->limits.waiting;
	q->slots = wb_xrealloc(q->slots, q->slot_count * sizeof *q->slots);
	q->heap = wb_xrealloc(q->heap, q->slot_count * sizeof *q->heap);
	for (size_t i = q->slot_count; i-- > before;) {
		q->slots[i].state = FREE;
		q->slots[i].link = q->free;
		q->free = (uint32_t)i;
	}
	q->index_size = q->index_size ? q->index_size : 2 * FIRST_SLOTS;
	while (q->index_size < 2 * q->slot_count)
		q->index_size *= 2;
	q->index = wb_xrealloc(q->index, q->index_size * sizeof *q->index);
	memset(q->index, 0xff, q->index_size * sizeof *q->index);
	for (size_t i = 0; i < before; i++) {
		if (q->slots[i].state != FREE)
			q->index[place_of(q, q->slots[i].id)] = (uint32_t)i;
	}
}

/* ---- by time ---- */

static int64_t due_at(const struct wb_callback_queue *q, size_t at)
{
	return q->slots[q->heap[at]].due_ms;
}

static void put_at(struct wb_callback_queue *q, size_t at, uint32_t handle)
{
	q->heap[at] = handle;
	q->slots[handle].at = (uint32_t)at;
}

static void sift_up(struct wb_callback_queue *q, size_t at)
{
	uint32_t handle = q->heap[at];

	while (at > 0 && q->slots[handle].due_ms < due_at(q, (at - 1) / 2)) {
		put_at(q, at, q->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put_at(q, at, handle);
}

static void sift_down(struct wb_callback_queue *q, size_t at)
{
	uint32_t handle = q->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < q->heap_count && due_at(q, child + 1) < due_at(q, child))
			child++;
		if (child >= q->heap_count || due_at(q, child) >= q->slots[handle].due_ms)
			break;
		put_at(q, at, q->heap[child]);
		at = child;
	}
	put_at(q, at, handle);
}

static void heap_push(struct wb_callback_queue *q, uint32_t handle)
{
	q->slots[handle].state = WAITING;
	put_at(q, q->heap_count, handle);
	sift_up(q, q->heap_count++);
}

static void heap_remove(struct wb_callback_queue *q, uint32_t handle)
{
	size_t at = q->slots[handle].at;

	q->heap_count--;
	if (at == q->heap_count)
		return;
	put_at(q, at, q->heap[q->heap_count]);
	sift_down(q, at);
	sift_up(q, q->slots[q->heap[at]].at);
}

static int by_due(const void *a, const void *b, void *arg)
{
	const struct wb_callback_queue *q = arg;
	int64_t first = q->slots[*(const uint32_t *)a].due_ms, second = q->slots[*(const uint32_t *)b].due_ms;

	return first < second ? -1 : first > second;
}

/* ---- slots ---- */

static void release(struct wb_callback_queue *q, uint32_t handle)
{
	unindex(q, q->slots[handle].id);
	q->slots[handle].state = FREE;
	q->slots[handle].link = q->free;
	q->free = handle;
	q->used--;
}

/* Leaves out the later half of what waits. Sorted, the rest is a heap. */
static void cut_heap(struct wb_callback_queue *q)
{
	size_t keep = q->heap_count / 2;

	qsort_r(q->heap, q->heap_count, sizeof *q->heap, by_due, q);
	if (due_at(q, keep) < q->horizon_ms)
		q->horizon_ms = due_at(q, keep);
	for (size_t i = keep; i < q->heap_count; i++)
		release(q, q->heap[i]);
	q->heap_count = keep;
	for (size_t i = 0; i < keep; i++)
		put_at(q, i, q->heap[i]);
}

static struct host *longest_line(const struct wb_callback_queue *q)
{
	struct host *longest = NULL;

	for (size_t i = 0; i < HOST_BUCKETS; i++) {
		for (struct host *h = q->buckets[i]; h; h = h->next) {
			if (!longest || h->ready > longest->ready)
				longest = h;
		}
	}
	return longest;
}

/* Leaves out the later half of the longest line: most likely that of a host that does not answer. */
static void cut_line(struct wb_callback_queue *q)
{
	struct host *h = longest_line(q);
	uint32_t handle, next;

	if (!h || h->ready < 2)
		return;
	q->cut = true;
	h->ready /= 2;
	handle = h->first;
	for (size_t i = 1; i < h->ready; i++)
		handle = q->slots[handle].link;
	h->last = handle;
	next = q->slots[handle].link;
	q->slots[handle].link = NONE;
	for (handle = next; handle != NONE; handle = next) {
		next = q->slots[handle].link;
		release(q, handle);
	}
}

static void make_room(struct wb_callback_queue *q)
{
	if (q->heap_count >= q->limits.waiting / 2)
		cut_heap(q);
	else
		cut_line(q);
}

static bool read_id(const char *job, uint8_t ret[ID_BYTES])
{
	for (size_t i = 0; i < WB_JOB_ID_LEN; i++) {
		char c = job[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] | digit : digit << 4);
	}
	return true;
}

static void show(const struct wb_callback_queue *q, uint32_t handle, struct wb_callback_item *ret)
{
	static const char digits[] = "0123456789abcdef";
	const struct slot *s = &q->slots[handle];

	ret->handle = handle;
	ret->partition = s->partition;
	ret->attempts = s->attempts;
	for (size_t i = 0; i < ID_BYTES; i++) {
		ret->job[2 * i] = digits[s->id[i] >> 4];
		ret->job[2 * i + 1] = digits[s->id[i] & 15];
	}
	ret->job[WB_JOB_ID_LEN] = '\0';
}

void wb_callback_queue_add(
	struct wb_callback_queue *q, const char *job, int32_t partition, unsigned attempts, int64_t due_ms)
{
	uint8_t id[ID_BYTES];
	struct slot *s;
	uint32_t handle;

	if (!read_id(job, id) || (q->index_size && q->index[place_of(q, id)] != NONE) || due_ms >= q->horizon_ms)
		return;
	if (q->used == q->limits.waiting)
		make_room(q);
	if (q->used == q->limits.waiting || due_ms >= q->horizon_ms) {
		q->horizon_ms = due_ms < q->horizon_ms ? due_ms : q->horizon_ms;
		return;
	}
	if (q->free == NONE)
		grow(q);
	handle = q->free;
	s = &q->slots[handle];
	q->free = s->link;
	q->used++;
	*s = (struct slot){ .due_ms = due_ms, .partition = partition, .attempts = (uint8_t)attempts };
	memcpy(s->id, id, sizeof id);
	q->index[place_of(q, id)] = handle;
	heap_push(q, handle);
}

bool wb_callback_queue_take_due(struct wb_callback_queue *q, int64_t now_ms, struct wb_callback_item *ret)
{
	uint32_t handle;

	if (q->heap_count == 0 || due_at(q, 0) > now_ms)
		return false;
	handle = q->heap[0];
	heap_remove(q, handle);
	q->slots[handle].state = TAKEN;
	show(q, handle, ret);
	return true;
}

/* ---- hosts ---- */

static unsigned bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % HOST_BUCKETS;
}

/* Forgets hosts that nobody waits for; all that is lost is who was a suspect. */
static void sweep_hosts(struct wb_callback_queue *q)
{
	for (size_t i = 0; i < HOST_BUCKETS; i++) {
		struct host **link = &q->buckets[i];

		while (*link) {
			struct host *h = *link;

			if (h->ready || h->in_flight || h->has_turn) {
				link = &h->next;
				continue;
			}
			*link = h->next;
			free(h);
			q->hosts--;
		}
	}
}

static struct host *host_of(struct wb_callback_queue *q, const char *name)
{
	struct host **bucket = &q->buckets[bucket_of(name)], *h;

	for (h = *bucket; h; h = h->next) {
		if (strcmp(h->name, name) == 0)
			return h;
	}
	if (q->hosts == q->limits.hosts)
		sweep_hosts(q);
	if (q->hosts == q->limits.hosts)
		return NULL;
	h = wb_xcalloc(1, sizeof *h + strlen(name) + 1);
	memcpy(h->name, name, strlen(name) + 1);
	h->first = h->last = NONE;
	h->next = *bucket;
	*bucket = h;
	q->hosts++;
	return h;
}

static bool may_send(const struct wb_callback_queue *q, const struct host *h)
{
	return h->ready > 0 && h->in_flight < (h->suspect ? 1 : q->limits.per_host);
}

/* Lets it stand in line for the next place, if it has something to send. */
static void give_turn(struct wb_callback_queue *q, struct host *h)
{
	if (h->has_turn || !may_send(q, h))
		return;
	h->has_turn = true;
	wb_list_push(h->suspect ? &q->suspect_turns : &q->turns, &h->turn);
}

bool wb_callback_queue_ready(struct wb_callback_queue *q, uint32_t handle, const char *host)
{
	struct slot *s = &q->slots[handle];
	struct host *h = host_of(q, host);

	assert(s->state == TAKEN);
	if (!h)
		return false;
	s->state = READY;
	s->host = h;
	s->link = NONE;
	if (h->last == NONE)
		h->first = handle;
	else
		q->slots[h->last].link = handle;
	h->last = handle;
	h->ready++;
	give_turn(q, h);
	return true;
}

/* The host whose turn it is; NULL when nobody may send. Suspects and others alternate. */
static struct host *take_turn(struct wb_callback_queue *q)
{
	bool suspects_may = q->suspects_in_flight < q->limits.in_flight / 2;
	bool suspects = suspects_may && q->suspect_turns.head && (q->suspects_turn || !q->turns.head);
	struct wb_link *link = wb_list_pop(suspects ? &q->suspect_turns : &q->turns);
	struct host *h;

	if (!link)
		return NULL;
	q->suspects_turn = !suspects;
	h = WB_CONTAINER_OF(link, struct host, turn);
	h->has_turn = false;
	return h;
}

bool wb_callback_queue_next(struct wb_callback_queue *q, struct wb_callback_item *ret)
{
	struct host *h;

	while (q->in_flight < q->limits.in_flight && (h = take_turn(q))) {
		uint32_t handle = h->first;
		struct slot *s;

		/* It may have become a suspect since it got its turn, or have been forgotten with its partition. */
		if (!may_send(q, h) || (h->suspect && q->suspects_in_flight >= q->limits.in_flight / 2)) {
			give_turn(q, h);
			continue;
		}
		s = &q->slots[handle];
		h->first = s->link;
		if (h->first == NONE)
			h->last = NONE;
		h->ready--;
		h->in_flight++;
		q->in_flight++;
		q->suspects_in_flight += h->suspect;
		s->state = SENDING;
		s->link = h->suspect;
		give_turn(q, h);
		show(q, handle, ret);
		return true;
	}
	return false;
}

void wb_callback_queue_answered(struct wb_callback_queue *q, uint32_t handle, bool prompt)
{
	struct slot *s = &q->slots[handle];
	struct host *h = s->host;

	assert(s->state == SENDING && h->in_flight > 0);
	s->state = ENDED;
	s->host = NULL;
	h->in_flight--;
	q->suspects_in_flight -= s->link; /* as it was when it went out */
	h->suspect = !prompt;
	give_turn(q, h);
}

static void leave_flight(struct wb_callback_queue *q, const struct slot *s)
{
	assert(s->state == TAKEN || s->state == ENDED);
	if (s->state == ENDED)
		q->in_flight--;
}

void wb_callback_queue_wait(struct wb_callback_queue *q, uint32_t handle, unsigned attempts, int64_t due_ms)
{
	struct slot *s = &q->slots[handle];

	leave_flight(q, s);
	s->attempts = (uint8_t)attempts;
	s->due_ms = due_ms;
	if (due_ms >= q->horizon_ms)
		release(q, handle);
	else
		heap_push(q, handle);
}

void wb_callback_queue_drop(struct wb_callback_queue *q, uint32_t handle)
{
	leave_flight(q, &q->slots[handle]);
	release(q, handle);
}

/* ---- partitions and numbers ---- */

/* Takes the partition's callbacks out of the host's line. */
static void forget_line(struct wb_callback_queue *q, struct host *h, int32_t partition)
{
	uint32_t handle = h->first, next;

	h->first = h->last = NONE;
	h->ready = 0;
	for (; handle != NONE; handle = next) {
		next = q->slots[handle].link;
		if (q->slots[handle].partition == partition) {
			release(q, handle);
			continue;
		}
		q->slots[handle].link = NONE;
		if (h->last == NONE)
			h->first = handle;
		else
			q->slots[h->last].link = handle;
		h->last = handle;
		h->ready++;
	}
}

void wb_callback_queue_forget(struct wb_callback_queue *q, int32_t partition)
{
	for (size_t i = 0; i < HOST_BUCKETS; i++) {
		for (struct host *h = q->buckets[i]; h; h = h->next)
			forget_line(q, h, partition);
	}
	for (size_t i = 0; i < q->slot_count; i++) {
		if (q->slots[i].state == WAITING && q->slots[i].partition == partition) {
			heap_remove(q, (uint32_t)i);
			release(q, (uint32_t)i);
		}
	}
}

size_t wb_callback_queue_in_flight(const struct wb_callback_queue *q, int32_t partition)
{
	size_t count = 0;

	if (partition < 0 || q->in_flight == 0)
		return q->in_flight;
	for (size_t i = 0; i < q->slot_count; i++)
		count += (q->slots[i].state == SENDING || q->slots[i].state == ENDED) &&
			q->slots[i].partition == partition;
	return count;
}

size_t wb_callback_queue_count(const struct wb_callback_queue *q)
{
	return q->used;
}

int64_t wb_callback_queue_next_ms(const struct wb_callback_queue *q)
{
	return q->heap_count ? due_at(q, 0) : INT64_MAX;
}

bool wb_callback_queue_left_out(struct wb_callback_queue *q, int64_t now_ms)
{
	bool room = q->used <= q->limits.waiting / 2;
	bool again = (q->horizon_ms != INT64_MAX && (room || now_ms >= q->horizon_ms)) || (q->cut && room);

	if (again) {
		q->horizon_ms = INT64_MAX;
		q->cut = false;
	}
	return again;
}

struct wb_callback_queue *wb_callback_queue_new(const struct wb_callback_queue_limits *limits)
{
	struct wb_callback_queue *q = wb_xcalloc(1, sizeof *q);

	q->limits = *limits;
	q->free = NONE;
	q->horizon_ms = INT64_MAX;
	return q;
}

void wb_callback_queue_free(struct wb_callback_queue **queue)
{
	struct wb_callback_queue *q = *queue;

	*queue = NULL;
	if (!q)
		return;
	for (size_t i = 0; i < HOST_BUCKETS; i++) {
		struct host *h, *next;

		for (h = q->buckets[i]; h; h = next) {
			next = h->next;
			free(h);
		}
	}
	free(q->slots);
	free(q->heap);
	free(q->index);
	free(q);
}
