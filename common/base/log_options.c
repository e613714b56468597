#include "common/base/log_options.h"

#include <unistd.h>

#define LEVEL_ROW(def_)                                           \
	{                                                         \
		.key = "log.level",                               \
		.type = WB_OPT_ENUM,                              \
		.offset = offsetof(struct wb_log_options, level), \
		.def = (def_),                                    \
		.choices = "debug|info|warn|error",               \
		.help = "what is logged",                         \
	}
#define FORMAT_ROW                                                 \
	{                                                          \
		.key = "log.format",                               \
		.type = WB_OPT_ENUM,                               \
		.offset = offsetof(struct wb_log_options, format), \
		.def = "logfmt",                                   \
		.choices = "logfmt|json",                          \
		.help = "how a line of the log looks",             \
	}

const struct wb_option wb_log_service_rows[WB_LOG_OPTION_ROWS] = { LEVEL_ROW("info"), FORMAT_ROW };
const struct wb_option wb_log_command_rows[WB_LOG_OPTION_ROWS] = { LEVEL_ROW("warn"), FORMAT_ROW };

struct wb_log *wb_log_open(const char *program, const struct wb_log_options *options)
{
	return wb_log_new(
		program, STDERR_FILENO, (enum wb_log_level)options->level, (enum wb_log_format)options->format);
}
