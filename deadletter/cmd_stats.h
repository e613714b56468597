/* writebehind-deadletter stats: how many letters by reason, container and hour, and when the oldest one expires.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_STATS_H
#define WB_DEADLETTER_CMD_STATS_H

#include "common/base/log.h"
#include "deadletter/options.h"

#include <stdio.h>

/* Prints to out; now_ms: the wall clock. ret_found: how many letters fit the filters. */
enum wb_err wb_cmd_stats(const struct wb_deadletter_config *config, int64_t now_ms, struct wb_log *log, FILE *out,
	uint64_t *ret_found, struct wb_error *e) WB_MUST_USE;

#endif
