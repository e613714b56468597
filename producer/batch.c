#include "producer/batch.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES  16384
#define FIRST_WRITES 16

struct wb_batch_chunk {
	struct wb_batch_chunk *next;
	size_t used, cap;
	_Alignas(max_align_t) char bytes[];
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

/* Memory until release, aligned for anything. */
static char *take(struct wb_batch *b, size_t len)
{
	struct wb_batch_chunk *chunk = b->chunks;
	size_t padded = (len + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	char *at;

	if (!chunk || chunk->cap - chunk->used < padded) {
		size_t cap = padded > CHUNK_BYTES ? padded : CHUNK_BYTES;

		chunk = malloc(sizeof *chunk + cap);
		if (!chunk)
			return NULL;
		chunk->used = 0;
		chunk->cap = cap;
		chunk->next = b->chunks;
		b->chunks = chunk;
		b->chunk_bytes += sizeof *chunk + cap;
	}
	at = chunk->bytes + chunk->used;
	chunk->used += padded;
	return at;
}

enum wb_err wb_batch_keep(struct wb_batch *b, struct wb_slice bytes, struct wb_slice *ret)
{
	char *at = take(b, bytes.len);

	if (!at)
		return WB_ENOMEM;
	if (bytes.len)
		memcpy(at, bytes.data, bytes.len);
	*ret = wb_slice(at, bytes.len);
	return WB_OK;
}

enum wb_err wb_batch_keep_passing(struct wb_batch *b, const struct wb_buf *passing, struct wb_slice *slice)
{
	bool passes = slice->data && slice->data >= passing->data && slice->data < passing->data + passing->cap;

	return passes ? wb_batch_keep(b, *slice, slice) : WB_OK;
}

enum wb_err wb_batch_keep_more(struct wb_batch *b, const struct wb_batch_more *more, const struct wb_buf *passing,
	const struct wb_batch_more **ret)
{
	struct wb_batch_more *kept = (struct wb_batch_more *)(void *)take(b, sizeof *kept);
	enum wb_err err;

	if (!kept)
		return WB_ENOMEM;
	*kept = *more;
	err = wb_batch_keep_passing(b, passing, &kept->partition_key);
	if (err == WB_OK)
		err = wb_batch_keep_passing(b, passing, &kept->if_match);
	if (err == WB_OK)
		err = wb_batch_keep_passing(b, passing, &kept->if_none_match);
	*ret = kept;
	return err;
}

#define ID_BEGIN "{\"id\":\""

/* Whether anything but space stands between the braces of a document that was judged. */
static bool has_members(struct wb_slice document)
{
	const char *p = document.data + 1;

	while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		p++;
	return *p != '}';
}

size_t wb_batch_value_len(const struct wb_batch_write *write)
{
	if (!write->id_made)
		return write->document.len;
	/* What is put in, without the brace that was there, and the comma behind it. */
	return write->document.len + sizeof ID_BEGIN - 2 + write->id.len + 1 + has_members(write->document);
}

enum wb_err wb_batch_value(const struct wb_batch_write *write, struct wb_buf *scratch, struct wb_slice *ret)
{
	if (!write->id_made) {
		*ret = write->document.data ? write->document : wb_slice("", 0);
		return WB_OK;
	}
	wb_buf_clear(scratch);
	wb_buf_append_cstr(scratch, ID_BEGIN);
	wb_buf_append_slice(scratch, write->id);
	wb_buf_append_cstr(scratch, has_members(write->document) ? "\"," : "\"");
	wb_buf_append(scratch, write->document.data + 1, write->document.len - 1);
	*ret = wb_buf_slice(scratch);
	return wb_buf_status(scratch);
}

size_t wb_batch_bytes(const struct wb_batch *b)
{
	return b->cap * sizeof *b->writes + b->chunk_bytes;
}
