/* The writes of one request, as views: a vector of records, their target, and memory for what had to be decoded.
 *
 * Documents are slices of the request's body, which must outlive the batch. The number of writes and the bytes of
 * decoded strings are bounded by the batch's limits and the body.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_BATCH_H
#define WB_PRODUCER_BATCH_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/record.h"

#include <stddef.h>

struct wb_batch_write {
	struct wb_slice document;      /* the value as it goes to Kafka; absent for a delete */
	struct wb_slice id;            /* decoded: the record's key; absent only for an unchecked item without one */
	struct wb_slice partition_key; /* canonical JSON array text; delete only */
	enum wb_op op;
};

struct wb_batch_chunk; /* opaque: memory for decoded strings */

struct wb_batch {
	struct wb_slice database, container; /* absent: the consumers' default */
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
/* Bytes of memory that the batch holds (the body not counted). */
size_t wb_batch_bytes(const struct wb_batch *b);

#endif
