/* writebehind-deadletter export and watch: letters as they are found or come, a line each.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_EXPORT_H
#define WB_DEADLETTER_CMD_EXPORT_H

#include "common/base/log.h"
#include "deadletter/options.h"

#include <signal.h>
#include <stdio.h>

/* NDJSON with key, value and headers; ret_found: how many. */
enum wb_err wb_cmd_export(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out, uint64_t *ret_found,
	struct wb_error *e) WB_MUST_USE;
/* Prints letters that come from now on (with --since: from then on) until *stop is set. */
enum wb_err wb_cmd_watch(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out,
	const volatile sig_atomic_t *stop, struct wb_error *e) WB_MUST_USE;

#endif
