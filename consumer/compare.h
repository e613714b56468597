/* Whether the stored item already is what a write wanted: then the write was done before, perhaps in an earlier life of
 * the consumer, and its conflict or failed condition is no failure (promise 10).
 *
 * Off the hot path: only refused writes come here. Pure, thread-safe.
 */
#ifndef WB_CONSUMER_COMPARE_H
#define WB_CONSUMER_COMPARE_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether both are the same JSON object by value, members in any order, numbers as doubles, of repeated members the last;
 * members that the service adds (_rid, _self, _etag, _attachments, _ts) are left out on both sides. False for what is no
 * object or cannot be read. */
bool wb_compare_documents(struct wb_slice sent, struct wb_slice stored);
/* Whether text is an item as the service shows one, a JSON object with an _etag, which is then in ret_etag (cut to its
 * size, which is above 0). */
bool wb_compare_is_item(struct wb_slice text, char *ret_etag, size_t size);

#endif
