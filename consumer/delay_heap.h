/* Writes that wait for a time: a binary heap by not_before_ms.
 *
 * Pure. Not thread-safe: one owner. The writes stay the caller's.
 */
#ifndef WB_CONSUMER_DELAY_HEAP_H
#define WB_CONSUMER_DELAY_HEAP_H

#include "consumer/write.h"

struct wb_delay_heap {
	struct wb_write **slot;
	size_t count, capacity;
};

/* Zeroed memory is an empty heap. Release frees the heap, not the writes. */
void wb_delay_heap_release(struct wb_delay_heap *h);
void wb_delay_heap_push(struct wb_delay_heap *h, struct wb_write *w);
/* The write with the least not_before_ms if that is at most now_ms, else NULL. */
struct wb_write *wb_delay_heap_pop_due(struct wb_delay_heap *h, int64_t now_ms);
/* INT64_MAX when it is empty. */
int64_t wb_delay_heap_next_ms(const struct wb_delay_heap *h);
/* Whether pick says true for any of its writes. */
bool wb_delay_heap_any(const struct wb_delay_heap *h, bool (*pick)(void *arg, const struct wb_write *w), void *arg);
/* Takes out all writes for which pick says true, to the end of ret. */
void wb_delay_heap_withdraw(
	struct wb_delay_heap *h, bool (*pick)(void *arg, const struct wb_write *w), void *arg, struct wb_list *ret);

#endif
