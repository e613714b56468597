/* GET /v1/state as JSON, from the owners' snapshots (docs/STATE.md).
 *
 * Pure: time is an argument. Ids of items and names of partitions, containers and ranges may appear; documents, keys of
 * records and secrets never do. Thread-safe.
 */
#ifndef WB_CONSUMER_STATE_JSON_H
#define WB_CONSUMER_STATE_JSON_H

#include "common/base/buf.h"
#include "consumer/board.h"

struct wb_state_facts {
	const char *program, *version, *group_id;
	int64_t wall_ms, started_ms; /* wall clock */
	bool draining;
	int64_t memory_budget_bytes;
	struct wb_slice health; /* as wb_health_render writes it */
};

/* Appends the object. At most WB_SNAPSHOT_HELD_MAX writes are held up for view, those that are held longest. */
void wb_state_json(
	const struct wb_state_facts *facts, const struct wb_board_answer *answers, size_t count, struct wb_buf *ret);

#endif
