/* A Kafka record as it was read: key, value and headers, in one block of memory of its own.
 *
 * librdkafka's messages share the buffer of their fetch, which any one of them holds as a whole, so that a single write that
 * takes long would keep hundreds of its neighbours. Therefore a record is copied when it is read and its message is let
 * go at once: what is held is what is charged to the memory budget, whatever becomes of the neighbours. Blocks come in a
 * few sizes and serve again, so a record costs no allocation as a rule.
 *
 * Thread-safe: wb_original_let_go; everything else is one thread's, the poller's.
 */
#ifndef WB_CONSUMER_ORIGINAL_H
#define WB_CONSUMER_ORIGINAL_H

#include "common/contract/header.h"

#include <stdatomic.h>
#include <stdint.h>

/* Blocks of up to that many times WB_ORIGINAL_STEP_BYTES serve again; larger ones are allocated as they are. */
#define WB_ORIGINAL_STEPS      64
#define WB_ORIGINAL_STEP_BYTES 128

struct wb_originals;

struct wb_original {
	struct wb_original *next; /* once it was let go */
	struct wb_originals *from;
	size_t size; /* of the block, as charged */
	size_t header_count;
	struct wb_header headers[]; /* names, values, key and value follow */
};

struct wb_originals {
	_Atomic(struct wb_original *) let_go; /* not collected yet */
	size_t held_bytes; /* of all that are not collected */
	struct wb_original *spare[WB_ORIGINAL_STEPS]; /* by size */
	uint64_t sizes; /* bit n: there is one in spare[n] */
	size_t spare_bytes, spare_max_bytes;
	unsigned evict; /* the size that gives way next when there is too much to spare */
};

/* spare_max_bytes: kept for what is read next, as writes end in bursts; what is in use is charged, this is not. */
void wb_originals_init(struct wb_originals *all, size_t spare_max_bytes);
/* Every original must have been let go. */
void wb_originals_release(struct wb_originals *all);
/* Copies a record; *key and *value are the copies then (data NULL: there is none). */
struct wb_original *wb_original_new(struct wb_originals *all, struct wb_slice *key, struct wb_slice *value,
	const struct wb_header *headers, size_t header_count);
/* It is not needed any more; sets *o to NULL, which it may be. Any thread. */
void wb_original_let_go(struct wb_original **o);
/* Takes in what was let go: its memory serves again, and is held no more. */
void wb_originals_collect(struct wb_originals *all);

#endif
