/* Which untracked writes have an outcome: offsets, per topic and partition that they came from.
 *
 * Bounded: repeats come soon after the first outcome, so above WB_ORIGIN_RANGES_MAX ranges of an origin its older half
 * is taken as seen whole; what would still come there is no longer counted.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_ORIGINS_H
#define WB_PRODUCER_ORIGINS_H

#include "common/base/interval_set.h"
#include "common/base/slice.h"

#include <stdint.h>

#define WB_ORIGIN_RANGES_MAX 65536
#define WB_ORIGINS_MAX       65536

struct wb_origin {
	char *topic;
	int32_t partition;
	struct wb_interval_set seen;
};

/* Zeroed memory is empty. */
struct wb_origins {
	struct wb_origin *list;
	size_t count;
};

void wb_origins_release(struct wb_origins *o);
/* Adds offsets first..last; returns how many had no outcome before. Nothing is counted of an origin above
 * WB_ORIGINS_MAX. */
uint64_t wb_origins_add(struct wb_origins *o, struct wb_slice topic, int32_t partition, uint64_t first, uint64_t last);

#endif
