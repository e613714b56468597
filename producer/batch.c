#include "producer/batch.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES  16384
#define FIRST_WRITES 16

struct wb_batch_chunk {
	struct wb_batch_chunk *next;
	size_t used, cap;
	char bytes[];
};

void wb_batch_init(struct wb_batch *b, size_t max_writes)
{
	*b = (struct wb_batch){ .max = max_writes };
}

void wb_batch_release(struct wb_batch *b)
{
	while (b->chunks) {
		struct wb_batch_chunk *next = b->chunks->next;

		free(b->chunks);
		b->chunks = next;
	}
	free(b->writes);
	wb_batch_init(b, b->max);
}

enum wb_err wb_batch_add(struct wb_batch *b, const struct wb_batch_write *write)
{
	if (b->count == b->max)
		return WB_ETOOBIG;
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : FIRST_WRITES;
		struct wb_batch_write *grown;

		if (cap > b->max)
			cap = b->max;
		grown = realloc(b->writes, cap * sizeof *grown);
		if (!grown)
			return WB_ENOMEM;
		b->writes = grown;
		b->cap = cap;
	}
	b->writes[b->count++] = *write;
	return WB_OK;
}

enum wb_err wb_batch_keep(struct wb_batch *b, struct wb_slice bytes, struct wb_slice *ret)
{
	struct wb_batch_chunk *chunk = b->chunks;

	if (!chunk || chunk->cap - chunk->used < bytes.len) {
		size_t cap = bytes.len > CHUNK_BYTES ? bytes.len : CHUNK_BYTES;

		chunk = malloc(sizeof *chunk + cap);
		if (!chunk)
			return WB_ENOMEM;
		chunk->used = 0;
		chunk->cap = cap;
		chunk->next = b->chunks;
		b->chunks = chunk;
		b->chunk_bytes += sizeof *chunk + cap;
	}
	if (bytes.len)
		memcpy(chunk->bytes + chunk->used, bytes.data, bytes.len);
	*ret = wb_slice(chunk->bytes + chunk->used, bytes.len);
	chunk->used += bytes.len;
	return WB_OK;
}

size_t wb_batch_bytes(const struct wb_batch *b)
{
	return b->cap * sizeof *b->writes + b->chunk_bytes;
}
