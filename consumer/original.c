#include "consumer/original.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>

static unsigned step_of(size_t size)
{
	return (unsigned)((size - 1) / WB_ORIGINAL_STEP_BYTES);
}

static bool is_large(size_t size)
{
	return size > (size_t)WB_ORIGINAL_STEPS * WB_ORIGINAL_STEP_BYTES;
}

_Static_assert(WB_ORIGINAL_STEPS == 64, "sizes has a bit for each step");

void wb_originals_init(struct wb_originals *all, size_t spare_max_bytes)
{
	memset(all, 0, sizeof *all);
	all->spare_max_bytes = spare_max_bytes;
	atomic_init(&all->let_go, NULL);
}

static struct wb_original *pop_spare(struct wb_originals *all, unsigned step)
{
	struct wb_original *o = all->spare[step];

	if (o) {
		all->spare[step] = o->next;
		all->spare_bytes -= o->size;
		if (!o->next)
			all->sizes &= ~(UINT64_C(1) << step);
	}
	return o;
}

void wb_originals_release(struct wb_originals *all)
{
	struct wb_original *o;

	wb_originals_collect(all);
	assert(all->held_bytes == 0);
	for (unsigned step = 0; step < WB_ORIGINAL_STEPS; step++) {
		while ((o = pop_spare(all, step)))
			free(o);
	}
}

static struct wb_original *take_block(struct wb_originals *all, size_t size)
{
	struct wb_original *o;

	if (!is_large(size)) {
		o = pop_spare(all, step_of(size));
		if (o)
			return o;
		size = (size_t)(step_of(size) + 1) * WB_ORIGINAL_STEP_BYTES;
	}
	o = wb_xmalloc(size);
	o->size = size;
	o->from = all;
	return o;
}

static bool keeps_spare(void)
{
#ifdef WB_ADDRESS_SANITIZER /* set by the build */
	return false; /* so that the sanitizer sees one that is used after its end */
#else
	return true;
#endif
}

/* Sizes that are not asked for any more give way, one after the other; the others come back. */
static void evict(struct wb_originals *all)
{
	while (all->spare_bytes > all->spare_max_bytes) {
		uint64_t later = all->sizes >> all->evict << all->evict;

		all->evict = (unsigned)__builtin_ctzll(later ? later : all->sizes);
		free(pop_spare(all, all->evict));
		all->evict = (all->evict + 1) % WB_ORIGINAL_STEPS;
	}
}

static void put_block(struct wb_originals *all, struct wb_original *o)
{
	if (is_large(o->size) || !keeps_spare()) {
		free(o);
		return;
	}
	o->next = all->spare[step_of(o->size)];
	all->spare[step_of(o->size)] = o;
	all->sizes |= UINT64_C(1) << step_of(o->size);
	all->spare_bytes += o->size;
	evict(all);
}

/* Copies bytes to *at and moves it behind them; no data stays no data. */
static struct wb_slice copy(char **at, struct wb_slice bytes)
{
	struct wb_slice result = wb_slice(bytes.data ? *at : NULL, bytes.len);

	if (bytes.len)
		memcpy(*at, bytes.data, bytes.len);
	*at += bytes.len;
	return result;
}

struct wb_original *wb_original_new(struct wb_originals *all, struct wb_slice *key, struct wb_slice *value,
	const struct wb_header *headers, size_t header_count)
{
	size_t size = sizeof(struct wb_original) + header_count * sizeof *headers + key->len + value->len;
	struct wb_original *o;
	char *at;

	for (size_t i = 0; i < header_count; i++)
		size += headers[i].name.len + headers[i].value.len;
	o = take_block(all, size);
	all->held_bytes += o->size;
	o->header_count = header_count;
	at = (char *)&o->headers[header_count];
	for (size_t i = 0; i < header_count; i++) {
		o->headers[i].name = copy(&at, headers[i].name);
		o->headers[i].value = copy(&at, headers[i].value);
	}
	*key = copy(&at, *key);
	*value = copy(&at, *value);
	return o;
}

void wb_original_let_go(struct wb_original **original)
{
	struct wb_original *o = *original;
	struct wb_originals *all;

	if (!o)
		return;
	all = o->from;
	o->next = atomic_load_explicit(&all->let_go, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&all->let_go, &o->next, o, memory_order_release, memory_order_relaxed))
		;
	*original = NULL;
}

void wb_originals_collect(struct wb_originals *all)
{
	struct wb_original *next = atomic_exchange_explicit(&all->let_go, NULL, memory_order_acquire);

	while (next) {
		struct wb_original *o = next;

		next = o->next;
		all->held_bytes -= o->size;
		put_block(all, o);
	}
}
