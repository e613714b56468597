/* A set of unsigned 64-bit numbers kept as sorted, disjoint, non-adjacent ranges.
 *
 * Sequence numbers of a job and offsets of a partition come nearly in order, so a set is a few ranges; inserting at or
 * near the end is constant time, elsewhere logarithmic search plus a move. Not thread-safe: one owner.
 */
#ifndef WB_COMMON_BASE_INTERVAL_SET_H
#define WB_COMMON_BASE_INTERVAL_SET_H

#include "common/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_interval {
	uint64_t first, last; /* both included */
};

struct wb_interval_set {
	struct wb_interval *ranges;
	size_t count, cap;
};

/* Zeroed memory is an empty set. Frees; empty after. */
void wb_interval_set_release(struct wb_interval_set *s);
/* Empties and keeps the memory. */
void wb_interval_set_clear(struct wb_interval_set *s);
/* Adds first..last (first <= last); returns how many of them were not in the set before. */
uint64_t wb_interval_set_add(struct wb_interval_set *s, uint64_t first, uint64_t last);
bool wb_interval_set_has(const struct wb_interval_set *s, uint64_t value);
/* How many numbers of first..last are in the set. */
uint64_t wb_interval_set_count_in(const struct wb_interval_set *s, uint64_t first, uint64_t last);
/* How many numbers in all. */
uint64_t wb_interval_set_total(const struct wb_interval_set *s);

#endif
