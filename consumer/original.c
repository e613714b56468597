#include "consumer/original.h"

#include "common/base/compiler.h"
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
	all->frame_bytes = sizeof(struct wb_original);
}

static void *pop_spare(struct wb_originals *all, unsigned step)
{
	struct wb_spare_blocks *spare = &all->spare[step];

	if (spare->count == 0)
		return NULL;
	all->spare_bytes -= (size_t)(step + 1) * WB_ORIGINAL_STEP_BYTES;
	if (--spare->count == 0)
		all->sizes &= ~(UINT64_C(1) << step);
	return spare->block[spare->count];
}

void wb_originals_release(struct wb_originals *all)
{
	void *block;

	assert(all->held_bytes == 0);
	for (unsigned step = 0; step < WB_ORIGINAL_STEPS; step++) {
		while ((block = pop_spare(all, step)))
			free(block);
		free(all->spare[step].block);
	}
}

/* *size becomes the block's. */
static void *take_block(struct wb_originals *all, size_t *size)
{
	void *block = NULL;

	if (!is_large(*size)) {
		block = pop_spare(all, step_of(*size));
		*size = (size_t)(step_of(*size) + 1) * WB_ORIGINAL_STEP_BYTES;
	}
	all->held_bytes += *size;
	return block ? block : wb_xmalloc(*size);
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

static void put_block(struct wb_originals *all, void *block, size_t size)
{
	struct wb_spare_blocks *spare;

	all->held_bytes -= size;
	if (is_large(size) || !keeps_spare()) {
		free(block);
		return;
	}
	spare = &all->spare[step_of(size)];
	if (spare->count == spare->cap) {
		spare->cap = spare->cap ? spare->cap * 2 : 16;
		spare->block = wb_xrealloc(spare->block, spare->cap * sizeof *spare->block);
	}
	spare->block[spare->count++] = block;
	all->sizes |= UINT64_C(1) << step_of(size);
	all->spare_bytes += size;
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

void wb_originals_expect(const struct wb_originals *all, size_t bytes)
{
	size_t size = all->frame_bytes + bytes;
	const struct wb_spare_blocks *spare;

	if (is_large(size))
		return;
	spare = &all->spare[step_of(size)];
	if (spare->count > 0)
		wb_prefetch_to_write(spare->block[spare->count - 1], size);
}

struct wb_original *wb_original_new(struct wb_originals *all, struct wb_slice *key, struct wb_slice *value,
	const struct wb_header *headers, size_t header_count, size_t *ret_bytes)
{
	size_t size = sizeof(struct wb_original) + header_count * sizeof *headers + key->len + value->len;
	struct wb_original *o;
	char *at;

	for (size_t i = 0; i < header_count; i++)
		size += headers[i].name.len + headers[i].value.len;
	all->frame_bytes = size - key->len - value->len;
	o = take_block(all, &size);
	*ret_bytes = size;
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

void wb_original_let_go(struct wb_originals *all, struct wb_original **o, size_t bytes)
{
	if (*o)
		put_block(all, *o, bytes);
	*o = NULL;
}
