/* Counts of letters by reason, container and hour of death.
 *
 * Memory is bounded: of containers beyond WB_TALLY_CONTAINERS the rest is counted together. Pure; not thread-safe.
 */
#ifndef WB_DEADLETTER_TALLY_H
#define WB_DEADLETTER_TALLY_H

#include "common/base/buf.h"
#include "common/contract/reason.h"
#include "deadletter/index.h"

#define WB_TALLY_CONTAINERS 1000
#define WB_TALLY_HOURS      48 /* the last ones, the present one included */
#define WB_HOUR_MS          INT64_C(3600000)

struct wb_tally {
	int64_t now_ms;
	uint64_t total, of_reason[WB_REASON_SERVER_ERROR + 1], of_hour[WB_TALLY_HOURS]; /* [WB_TALLY_HOURS - 1]: now */
	uint64_t earlier; /* died before those hours */
	int64_t oldest_ms; /* of all; meaningful when there is one */
	struct wb_tally_container {
		char *name; /* NULL: the consumers' default */
		size_t len;
		uint64_t count;
	} *containers;
	size_t container_count, container_cap, last;
	uint64_t other_containers;
};

void wb_tally_init(struct wb_tally *t, int64_t now_ms);
void wb_tally_release(struct wb_tally *t);
void wb_tally_add(struct wb_tally *t, const struct wb_index_letter *letter);
/* Puts the containers with the most letters first. */
void wb_tally_sort(struct wb_tally *t);
/* Appends a Unicode block for each number, the highest of them a full one; a blank for 0. */
void wb_tally_sparkline(const uint64_t *numbers, size_t count, struct wb_buf *ret);

#endif
