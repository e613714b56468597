/* Which offset of one partition may be committed: everything delivered below it is finished.
 *
 * Offsets are delivered in ascending order, with holes where topics are compacted or transactional, and finished in
 * any order. Constant memory per delivered and unfinished record; the caller bounds the gap.
 * Pure. Not thread-safe: the poller owns all of them.
 */
#ifndef WB_CONSUMER_OFFSETS_H
#define WB_CONSUMER_OFFSETS_H

#include "common/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_offsets; /* opaque */

struct wb_offsets *wb_offsets_new(void);
void wb_offsets_free(struct wb_offsets **o);
/* A record was delivered; offset is above all delivered before (a lower one is a bug and aborts). */
void wb_offsets_delivered(struct wb_offsets *o, int64_t offset);
/* Nothing below that offset will be delivered any more: the end of what can be read, or the end of a lost range. One
 * below what was delivered changes nothing. */
void wb_offsets_skipped(struct wb_offsets *o, int64_t offset);
/* It is finished; false when that offset is not delivered and unfinished (a repeat, or never delivered). */
bool wb_offsets_finished(struct wb_offsets *o, int64_t offset) WB_MUST_USE;
/* What to commit: the first unfinished offset, or one past the last delivered or skipped; -1 before the first. */
int64_t wb_offsets_position(const struct wb_offsets *o);
/* One past the last delivered or skipped; -1 before the first. */
int64_t wb_offsets_next(const struct wb_offsets *o);
/* Records from the first unfinished to the last delivered, finished ones in between included: 0 when all is done. */
size_t wb_offsets_gap(const struct wb_offsets *o);
/* Records delivered and not finished. */
size_t wb_offsets_pending(const struct wb_offsets *o);

#endif
