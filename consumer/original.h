/* A Kafka record as it was read: key, value and headers, in one block of memory of its own.
 *
 * librdkafka's messages share the buffer of their fetch, which any one of them holds as a whole, so that a single write that
 * takes long would keep hundreds of its neighbours. Therefore a record is copied when it is read and its message is let
 * go at once: what is held is what is charged to the memory budget, whatever becomes of the neighbours. Blocks come in a
 * few sizes and serve again, so a record costs no allocation as a rule.
 *
 * What was another thread's for a while is in no cache of this one, so a block that is let go is not touched before it
 * is written again.
 * Not thread-safe: all of it is one thread's, the poller's.
 */
#ifndef WB_CONSUMER_ORIGINAL_H
#define WB_CONSUMER_ORIGINAL_H

#include "common/contract/header.h"

#include <stdint.h>

/* Blocks of up to that many times WB_ORIGINAL_STEP_BYTES serve again; larger ones are allocated as they are. */
#define WB_ORIGINAL_STEPS      64
#define WB_ORIGINAL_STEP_BYTES 128

struct wb_original {
	size_t header_count;
	struct wb_header headers[]; /* names, values, key and value follow */
};

/* Blocks of one size that wait to be used again. */
struct wb_spare_blocks {
	void **block;
	unsigned count, cap;
};

struct wb_originals {
	size_t held_bytes; /* of all that were not let go */
	struct wb_spare_blocks spare[WB_ORIGINAL_STEPS]; /* by size */
	uint64_t sizes; /* bit n: there is one in spare[n] */
	size_t spare_bytes, spare_max_bytes;
	unsigned evict; /* the size that gives way next when there is too much to spare */
	size_t frame_bytes; /* of the last original, all but key and value: likely the next one's, too */
};

/* spare_max_bytes: kept for what is read next, as writes end in bursts; what is in use is charged, this is not. */
void wb_originals_init(struct wb_originals *all, size_t spare_max_bytes);
/* Every original must have been let go. */
void wb_originals_release(struct wb_originals *all);
/* Copies a record; *key and *value are the copies then (data NULL: there is none). *ret_bytes: of its block, as charged. */
struct wb_original *wb_original_new(struct wb_originals *all, struct wb_slice *key, struct wb_slice *value,
	const struct wb_header *headers, size_t header_count, size_t *ret_bytes);
/* One with a key and a value of so many bytes will be made soon. */
void wb_originals_expect(const struct wb_originals *all, size_t bytes);
/* It is not needed any more, and its memory serves again; sets *o to NULL, which it may be. bytes: as it was told. */
void wb_original_let_go(struct wb_originals *all, struct wb_original **o, size_t bytes);

#endif
