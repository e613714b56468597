/* The writes of one request, as views: a vector of records, their target, and memory for what had to be decoded.
 *
 * Documents are slices of the request's body, which must outlive the batch. A document that gets an id is put together
 * when it is sent (wb_batch_value), so that it costs no memory before. The number of writes and the bytes of
 * decoded strings are bounded by the batch's limits and the body.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_BATCH_H
#define WB_PRODUCER_BATCH_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stddef.h>

/* What few writes have. */
struct wb_batch_more {
	struct wb_slice partition_key;           /* canonical JSON array text; absent: the document says it */
	struct wb_slice if_match, if_none_match; /* conditions; absent: none */
};

/* Small, as a request may have 100,000 of them. */
struct wb_batch_write {
	struct wb_slice document; /* a document or a patch, as it came; absent for a delete */
	struct wb_slice id;       /* decoded: the record's key; absent only for an unchecked item without one */
	const struct wb_batch_more *more; /* NULL: nothing of it */
	enum wb_op op;
	bool id_made; /* the document has no id: wb_batch_value puts this one in */
};

/* What goes to Kafka as the record's value: write's document, or, where an id was made for it, a copy in scratch
 * (emptied before; its maximum must take it) with "id" as first member and every other byte as it was; empty for a delete. WB_ENOMEM. */
enum wb_err wb_batch_value(
	const struct wb_batch_write *write, struct wb_buf *scratch, struct wb_slice *ret) WB_MUST_USE;
/* Bytes of that value. */
size_t wb_batch_value_len(const struct wb_batch_write *write);

struct wb_batch_chunk; /* opaque: memory for decoded strings */

struct wb_batch {
	struct wb_slice database, container; /* absent: the consumers' default */
	struct wb_slice callback;            /* absent: none */
	struct wb_batch_write *writes;
	size_t count, cap, max;
	struct wb_batch_chunk *chunks;
	size_t chunk_bytes;
};

/* No memory is taken before the first add. max_writes > 0. */
void wb_batch_init(struct wb_batch *b, size_t max_writes);
void wb_batch_release(struct wb_batch *b);
/* Appends a write; WB_ETOOBIG when the batch has max_writes already, WB_ENOMEM. */
enum wb_err wb_batch_add(struct wb_batch *b, const struct wb_batch_write *write) WB_MUST_USE;
/* Copies bytes to where they stay until release. *ret is present even when bytes is empty. WB_ENOMEM. */
enum wb_err wb_batch_keep(struct wb_batch *b, struct wb_slice bytes, struct wb_slice *ret) WB_MUST_USE;
/* The same for a slice that stands in passing memory, in its place; any other one stays as it is. */
enum wb_err wb_batch_keep_passing(struct wb_batch *b, const struct wb_buf *passing, struct wb_slice *slice) WB_MUST_USE;
/* The same for what few writes have, with those of its strings that stand in passing memory. */
enum wb_err wb_batch_keep_more(struct wb_batch *b, const struct wb_batch_more *more, const struct wb_buf *passing,
	const struct wb_batch_more **ret) WB_MUST_USE;
/* Bytes of memory that the batch holds (the body not counted). */
size_t wb_batch_bytes(const struct wb_batch *b);

#endif
