/* The options of logging, the same in every program: log.level and log.format.
 *
 * Filled once at start, read-only after; so thread-safe.
 */
#ifndef WB_COMMON_BASE_LOG_OPTIONS_H
#define WB_COMMON_BASE_LOG_OPTIONS_H

#include "common/base/log.h"
#include "common/base/options.h"

struct wb_log_options {
	int level;  /* enum wb_log_level */
	int format; /* enum wb_log_format */
};

#define WB_LOG_OPTION_ROWS 2
/* Rows over a struct wb_log_options. A service says what it does (info); a command only what is wrong (warn). */
extern const struct wb_option wb_log_service_rows[WB_LOG_OPTION_ROWS];
extern const struct wb_option wb_log_command_rows[WB_LOG_OPTION_ROWS];

/* A log to standard error. The caller frees it. */
struct wb_log *wb_log_open(const char *program, const struct wb_log_options *options);

#endif
