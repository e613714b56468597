#include "producer/texts.h"

#include "common/base/mem.h"
#include "common/contract/record.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 16, ALLOCATION_BYTES = 17 /* a terminating zero, and about what malloc adds */ };

void wb_texts_release(struct wb_texts *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		free(t->list[i].data);
	free(t->list);
	free(t->buckets);
	*t = (struct wb_texts){ 0 };
}

static uint32_t *bucket_of(const struct wb_texts *t, uint32_t hash)
{
	return &t->buckets[hash & (t->bucket_count - 1)];
}

static void grow_buckets(struct wb_texts *t)
{
	free(t->buckets);
	t->bucket_count = t->bucket_count ? t->bucket_count * 2 : FIRST_BUCKETS;
	t->buckets = wb_xcalloc(t->bucket_count, sizeof *t->buckets);
	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t *bucket = bucket_of(t, t->list[i].hash);

		if (!t->list[i].data)
			continue;
		t->list[i].next = *bucket;
		*bucket = i + 1;
	}
}

static uint32_t place_for(struct wb_texts *t)
{
	uint32_t number = t->free_list;

	if (number) {
		t->free_list = t->list[number - 1].next;
		return number;
	}
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : FIRST_BUCKETS;
		t->list = wb_xrealloc(t->list, t->cap * sizeof *t->list);
	}
	return ++t->count;
}

uint32_t wb_texts_use(struct wb_texts *t, struct wb_slice text)
{
	uint32_t hash = wb_murmur2(text), number = t->bucket_count ? *bucket_of(t, hash) : 0;
	uint32_t *bucket;

	for (; number; number = t->list[number - 1].next) {
		struct wb_text *known = &t->list[number - 1];

		if (known->hash == hash && wb_slice_eq(text, wb_slice(known->data, known->len))) {
			known->users++;
			return number;
		}
	}
	number = place_for(t);
	t->list[number - 1] = (struct wb_text){ 0 };
	if (++t->used > t->bucket_count)
		grow_buckets(t);
	bucket = bucket_of(t, hash);
	t->list[number - 1] = (struct wb_text){ .data = wb_xmemdup(text.data, text.len),
		.len = (uint32_t)text.len,
		.users = 1,
		.next = *bucket,
		.hash = hash };
	*bucket = number;
	t->bytes += text.len + ALLOCATION_BYTES;
	return number;
}

void wb_texts_drop(struct wb_texts *t, uint32_t number)
{
	struct wb_text *text = number ? &t->list[number - 1] : NULL;
	uint32_t *link;

	if (!text)
		return;
	assert(text->data && text->users > 0);
	if (--text->users)
		return;
	for (link = bucket_of(t, text->hash); *link != number; link = &t->list[*link - 1].next)
		;
	*link = text->next;
	t->bytes -= text->len + ALLOCATION_BYTES;
	t->used--;
	free(text->data);
	*text = (struct wb_text){ .next = t->free_list };
	t->free_list = number;
}

struct wb_slice wb_texts_get(const struct wb_texts *t, uint32_t number)
{
	return number ? wb_slice(t->list[number - 1].data, t->list[number - 1].len) : (struct wb_slice){ NULL, 0 };
}

bool wb_texts_shared(const struct wb_texts *t, uint32_t number)
{
	return number && t->list[number - 1].users > 1;
}

size_t wb_texts_memory_bytes(const struct wb_texts *t)
{
	return t->bytes + t->cap * sizeof *t->list + t->bucket_count * sizeof *t->buckets;
}
