/* At most one write in flight per item, and the others of that item behind it in log order.
 *
 * A newer plain upsert of an item that still waits may take its place, within one topic partition; the older one is kept
 * as its `older` until the newer has its end.
 *
 * An item is (container, canonical partition key, decoded id). A write that enters is either the head of its item
 * (it may be sent) or waits behind. Different items never wait for one another here. One probe of a hash table and no
 * allocation a write, but when the table doubles; it shrinks again with what it holds.
 * Pure. Not thread-safe: each worker owns one. The writes stay the caller's; this only links them by `behind`. From
 * enter until a write has left or was withdrawn, its container, pk_text and id must not change (their bytes may move).
 */
#ifndef WB_CONSUMER_ITEM_ORDER_H
#define WB_CONSUMER_ITEM_ORDER_H

#include "consumer/write.h"

struct wb_item_order; /* opaque */

/* seed: random per process and secret, so that nobody can choose colliding ids. */
struct wb_item_order *wb_item_order_new(uint64_t seed);
/* Must be empty. */
void wb_item_order_free(struct wb_item_order **o);
/* Must be called before the write enters, best a little before: its place, which is in no cache, is fetched meanwhile. Sets
 * item_hash. */
void wb_item_order_expect(const struct wb_item_order *o, struct wb_write *w);
/* The write, which is in there, will leave soon; likewise. */
void wb_item_order_expect_leave(const struct wb_item_order *o, const struct wb_write *w);
/* Enters a WAITING write that was expected, later in the log than all entered before for its item. True: it is the head
 * and may be sent. Identity is the container's address, pk_text and id; w->container must be set. */
bool wb_item_order_enter(struct wb_item_order *o, struct wb_write *w) WB_MUST_USE;
/* The head has its outcome (or goes back unsent): it leaves, and the next of its item, now head, is returned or NULL. */
struct wb_write *wb_item_order_leave(struct wb_item_order *o, struct wb_write *head) WB_MUST_USE;
/* The head, which is WAITING, gives its place to the write behind it when both are plain upserts of one assignment: that
 * one becomes the head, with the old head as its `older`, and is returned. NULL, and nothing changes, otherwise. */
struct wb_write *wb_item_order_replace(struct wb_item_order *o, struct wb_write *head) WB_MUST_USE;
/* The head, which will not be written, gives its place back to its `older`, which is returned and must be there: the head
 * then stands right behind it. */
struct wb_write *wb_item_order_restore(struct wb_item_order *o, struct wb_write *head) WB_MUST_USE;
/* Takes out all waiting (non-head) writes for which pick says true, to the end of ret, each item's in log order; for
 * revocation. Heads are left: the caller has them. pick must not use this order. */
void wb_item_order_withdraw(
	struct wb_item_order *o, bool (*pick)(void *arg, const struct wb_write *w), void *arg, struct wb_list *ret);
/* Writes that wait behind a head. */
size_t wb_item_order_waiting(const struct wb_item_order *o);
/* Items with at least one write. */
size_t wb_item_order_items(const struct wb_item_order *o);

#endif
