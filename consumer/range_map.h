/* The partition key ranges of a container, from the service's pages to a binary search.
 *
 * Ranges are [min, max) over effective partition keys, gapless from "" to "FF". A range named in another's parents
 * has been split or merged and is left out. Bounds are compared as bytes, the shorter padded with zeros, which equals
 * the SDKs' ordinal comparison of hex text padded with '0' (Microsoft.Azure.Cosmos, CollectionRoutingMap).
 * Of an id that comes on several pages the newest counts. Immutable once built; so thread-safe. Pure.
 */
#ifndef WB_CONSUMER_RANGE_MAP_H
#define WB_CONSUMER_RANGE_MAP_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/cosmos/partition_key.h"

#define WB_RANGE_ID_SIZE 64
#define WB_RANGES_MAX    100000 /* a container has some thousands at most */

struct wb_range_entry {
	char id[WB_RANGE_ID_SIZE]; /* printable ASCII; a number in the reply is taken as its text */
	struct wb_epk min, max;
};

struct wb_range_map; /* opaque */

/* bodies: the pages of /pkranges ({"PartitionKeyRanges":[…]}), in the order read. NULL with a sentence for what is
 * malformed, overlapping, has a gap or no ranges. */
struct wb_range_map *wb_range_map_parse(const struct wb_slice *bodies, size_t count, struct wb_error *e) WB_MUST_USE;
struct wb_range_map *wb_range_map_copy(const struct wb_range_map *m);
void wb_range_map_free(struct wb_range_map **m);
size_t wb_range_map_count(const struct wb_range_map *m);
/* In the order of min; i < count. */
const struct wb_range_entry *wb_range_map_at(const struct wb_range_map *m, size_t i);
/* The index of the range that holds epk; always found, as ranges are gapless. */
size_t wb_range_map_find(const struct wb_range_map *m, const struct wb_epk *epk);

#endif
