/* Texts that many share, each kept once: the callback URLs of jobs.
 *
 * A text has a number, from 1, for as long as somebody uses it.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_TEXTS_H
#define WB_PRODUCER_TEXTS_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_text {
	char *data; /* NULL: the place is free */
	uint32_t len, users;
	uint32_t next; /* in its bucket, or among the free ones */
	uint32_t hash;
};

/* Zeroed memory has no texts. */
struct wb_texts {
	struct wb_text *list; /* text n stands at n - 1 */
	uint32_t count, cap;
	uint32_t free_list;
	uint32_t *buckets;
	size_t bucket_count;
	size_t used;  /* texts that are there */
	size_t bytes; /* of them, with what the allocator takes */
};

void wb_texts_release(struct wb_texts *t);
/* One more user of that text; returns its number. */
uint32_t wb_texts_use(struct wb_texts *t, struct wb_slice text);
/* One user fewer. 0 is no text, and fine. */
void wb_texts_drop(struct wb_texts *t, uint32_t number);
/* Valid as long as it is used. Absent for 0. */
struct wb_slice wb_texts_get(const struct wb_texts *t, uint32_t number);
bool wb_texts_shared(const struct wb_texts *t, uint32_t number);
size_t wb_texts_memory_bytes(const struct wb_texts *t);

#endif
