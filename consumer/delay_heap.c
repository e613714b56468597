#include "consumer/delay_heap.h"

#include "common/base/mem.h"

#include <stdlib.h>

void wb_delay_heap_release(struct wb_delay_heap *h)
{
	free(h->slot);
	*h = (struct wb_delay_heap){ 0 };
}

static void swap(struct wb_delay_heap *h, size_t a, size_t b)
{
	struct wb_write *w = h->slot[a];

	h->slot[a] = h->slot[b];
	h->slot[b] = w;
}

static bool before(const struct wb_delay_heap *h, size_t a, size_t b)
{
	return h->slot[a]->not_before_ms < h->slot[b]->not_before_ms;
}

static void sift_down(struct wb_delay_heap *h, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;

		if (left < h->count && before(h, left, least))
			least = left;
		if (right < h->count && before(h, right, least))
			least = right;
		if (least == i)
			return;
		swap(h, i, least);
		i = least;
	}
}

void wb_delay_heap_push(struct wb_delay_heap *h, struct wb_write *w)
{
	size_t i = h->count;

	if (h->count == h->capacity) {
		h->capacity = h->capacity ? 2 * h->capacity : 64;
		h->slot = wb_xrealloc(h->slot, h->capacity * sizeof(struct wb_write *));
	}
	h->slot[h->count++] = w;
	while (i > 0 && before(h, i, (i - 1) / 2)) {
		swap(h, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

struct wb_write *wb_delay_heap_pop_due(struct wb_delay_heap *h, int64_t now_ms)
{
	struct wb_write *first;

	if (h->count == 0 || h->slot[0]->not_before_ms > now_ms)
		return NULL;
	first = h->slot[0];
	h->slot[0] = h->slot[--h->count];
	sift_down(h, 0);
	return first;
}

int64_t wb_delay_heap_next_ms(const struct wb_delay_heap *h)
{
	return h->count ? h->slot[0]->not_before_ms : INT64_MAX;
}

bool wb_delay_heap_any(const struct wb_delay_heap *h, bool (*pick)(void *arg, const struct wb_write *w), void *arg)
{
	for (size_t i = 0; i < h->count; i++) {
		if (pick(arg, h->slot[i]))
			return true;
	}
	return false;
}

void wb_delay_heap_withdraw(
	struct wb_delay_heap *h, bool (*pick)(void *arg, const struct wb_write *w), void *arg, struct wb_list *ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->count; i++) {
		if (pick(arg, h->slot[i]))
			wb_list_push(ret, &h->slot[i]->link);
		else
			h->slot[kept++] = h->slot[i];
	}
	h->count = kept;
	for (size_t i = kept / 2; i-- > 0;)
		sift_down(h, i);
}
