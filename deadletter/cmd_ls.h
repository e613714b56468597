/* writebehind-deadletter ls: a table of letters, the newest first, and how many there are of each reason.
 *
 * Memory is bounded by --limit, whatever the topic holds. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_LS_H
#define WB_DEADLETTER_CMD_LS_H

#include "common/base/log.h"
#include "deadletter/options.h"

#include <stdio.h>

/* Prints to out. ret_found: how many letters fit the filters, printed or not. */
enum wb_err wb_cmd_ls(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out, uint64_t *ret_found,
	struct wb_error *e) WB_MUST_USE;

#endif
