/* writebehind-deadletter audit: proves from Kafka alone that every write was accounted for, and names those that were not.
 *
 * Memory is bounded, whatever the topics hold. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_AUDIT_H
#define WB_DEADLETTER_CMD_AUDIT_H

#include "common/base/log.h"
#include "deadletter/options.h"

#include <stdio.h>

/* Prints to out; progress to progress, which may be NULL. now_ms: wall clock. ret_balances: whether the ledger does. WB_EINVAL
 * with a sentence for wrong options; anything else: Kafka, or a temporary file, could not be read or written. */
enum wb_err wb_cmd_audit(const struct wb_deadletter_config *config, int64_t now_ms, struct wb_log *log, FILE *out,
	FILE *progress, bool *ret_balances, struct wb_error *e) WB_MUST_USE;

#endif
