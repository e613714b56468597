/* writebehind-deadletter show: one letter, for a person, as JSON, or only the original value.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_SHOW_H
#define WB_DEADLETTER_CMD_SHOW_H

#include "common/base/log.h"
#include "deadletter/options.h"

#include <stdio.h>

/* where: "PARTITION/OFFSET", or an identity, of which the newest copy is shown. WB_EINVAL when it is neither; WB_ENOTFOUND when no such letter is in the topic. */
enum wb_err wb_cmd_show(const struct wb_deadletter_config *config, const char *where, struct wb_log *log, FILE *out,
	struct wb_error *e) WB_MUST_USE;

#endif
