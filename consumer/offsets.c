#include "consumer/offsets.h"

#include "common/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64
#define OFFSET_MAX     (INT64_MAX / 2)

/* A ring of the records from the first unfinished one on; offsets ascend. Each slot is offset * 2 + finished, so that
 * a record costs eight bytes. */
struct wb_offsets {
	int64_t *slot;
	size_t capacity; /* a power of two */
	size_t first;    /* where the ring begins */
	size_t count;
	size_t pending;
	int64_t next; /* one past the last delivered or skipped; -1: none yet */
};

struct wb_offsets *wb_offsets_new(void)
{
	struct wb_offsets *o = wb_xcalloc(1, sizeof *o);

	o->capacity = FIRST_CAPACITY;
	o->slot = wb_xmalloc(o->capacity * sizeof *o->slot);
	o->next = -1;
	return o;
}

void wb_offsets_free(struct wb_offsets **o)
{
	if (!*o)
		return;
	free((*o)->slot);
	free(*o);
	*o = NULL;
}

static int64_t *slot_at(const struct wb_offsets *o, size_t i)
{
	return &o->slot[(o->first + i) & (o->capacity - 1)];
}

static int64_t offset_at(const struct wb_offsets *o, size_t i)
{
	return *slot_at(o, i) / 2;
}

static void grow(struct wb_offsets *o)
{
	int64_t *larger = wb_xmalloc(o->capacity * 2 * sizeof *larger);

	for (size_t i = 0; i < o->count; i++)
		larger[i] = *slot_at(o, i);
	free(o->slot);
	o->slot = larger;
	o->capacity *= 2;
	o->first = 0;
}

void wb_offsets_delivered(struct wb_offsets *o, int64_t offset)
{
	if (offset < o->next || offset < 0 || offset > OFFSET_MAX) {
		(void)fprintf(stderr, "writebehind: bug: offset %" PRId64 " delivered, but %" PRId64 " was next\n",
			offset, o->next); /* the process ends next; nobody is left to hear of a failure */
		abort();
	}
	if (o->count == o->capacity)
		grow(o);
	*slot_at(o, o->count) = offset * 2;
	o->count++;
	o->pending++;
	o->next = offset + 1;
}

void wb_offsets_skipped(struct wb_offsets *o, int64_t offset)
{
	if (offset > o->next && offset <= OFFSET_MAX)
		o->next = offset;
}

/* The index of the first delivered offset that is not below this one. */
static size_t find(const struct wb_offsets *o, int64_t offset)
{
	int64_t distance = offset - offset_at(o, 0);
	size_t low = 0, high = o->count;

	if (distance <= 0)
		return 0;
	/* Offsets ascend, so it is at most that far from the first; without holes it is exactly there. */
	if ((uint64_t)distance < o->count) {
		high = (size_t)distance + 1;
		if (offset_at(o, (size_t)distance) == offset)
			return (size_t)distance;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (offset_at(o, middle) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool wb_offsets_finished(struct wb_offsets *o, int64_t offset)
{
	size_t i;

	if (o->count == 0 || offset < 0 || offset >= o->next)
		return false;
	i = find(o, offset);
	if (i == o->count || *slot_at(o, i) != offset * 2)
		return false;
	*slot_at(o, i) |= 1;
	o->pending--;
	while (o->count > 0 && (*slot_at(o, 0) & 1)) {
		o->first = (o->first + 1) & (o->capacity - 1);
		o->count--;
	}
	return true;
}

int64_t wb_offsets_position(const struct wb_offsets *o)
{
	return o->count > 0 ? offset_at(o, 0) : o->next;
}

int64_t wb_offsets_next(const struct wb_offsets *o)
{
	return o->next;
}

size_t wb_offsets_gap(const struct wb_offsets *o)
{
	return o->count;
}

size_t wb_offsets_pending(const struct wb_offsets *o)
{
	return o->pending;
}
