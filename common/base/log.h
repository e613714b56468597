/* Structured logging to standard error: one event a line, logfmt or JSON.
 *
 * An event is a constant sentence plus fields: wb_log_info(log, "topic created", WB_STR("topic", t), WB_INT("n", n)).
 * Values never hold secrets. Strings are escaped, so that one event is always one line; a line is cut at 8 KiB.
 * A line is written before the call returns, but for those of wb_log_later, which are gathered for up to 100 ms: what
 * there are thousands of a second. Whatever is written at once is written after all that came before it.
 * common/ never logs above debug, but for programs' objects that say otherwise in their header: each failure is
 * logged once, by the program. Thread-safe: lines stay whole.
 */
#ifndef WB_COMMON_BASE_LOG_H
#define WB_COMMON_BASE_LOG_H

#include "common/base/compiler.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum wb_log_level { WB_LOG_DEBUG, WB_LOG_INFO, WB_LOG_WARN, WB_LOG_ERROR };
enum wb_log_format { WB_LOG_LOGFMT, WB_LOG_JSON };

struct wb_log; /* opaque; lives as long as the program */

struct wb_log_field {
	const char *key; /* NULL ends the list */
	enum { WB_LOG_FIELD_STR, WB_LOG_FIELD_INT, WB_LOG_FIELD_DOUBLE, WB_LOG_FIELD_BOOL } type;
	struct wb_slice str;
	int64_t integer;
	double number;
};

#define WB_STR(k, cstr) ((struct wb_log_field){ .key = (k), .type = WB_LOG_FIELD_STR, .str = wb_slice_cstr(cstr) })
#define WB_SLICE(k, s)  ((struct wb_log_field){ .key = (k), .type = WB_LOG_FIELD_STR, .str = (s) })
#define WB_INT(k, v)    ((struct wb_log_field){ .key = (k), .type = WB_LOG_FIELD_INT, .integer = (int64_t)(v) })
#define WB_DOUBLE(k, v) ((struct wb_log_field){ .key = (k), .type = WB_LOG_FIELD_DOUBLE, .number = (v) })
#define WB_BOOL(k, v)   ((struct wb_log_field){ .key = (k), .type = WB_LOG_FIELD_BOOL, .integer = (v) })
#define WB_LOG_END      ((struct wb_log_field){ .key = NULL })

/* program is shown in every line; fd is where lines go (2 for standard error); not closed. */
struct wb_log *wb_log_new(const char *program, int fd, enum wb_log_level level, enum wb_log_format format);
/* Writes what was gathered. */
void wb_log_free(struct wb_log **log);
/* From now on an abort of the process writes what was gathered before the process ends. One log of a process can be
 * the one; log NULL: none. */
void wb_log_keep_at_abort(struct wb_log *log);
/* Writes what was gathered when the process is about to end and nothing may hold it up: some 100 ms at most. No line
 * may be logged after. */
void wb_log_rescue(struct wb_log *log);
bool wb_log_enabled(const struct wb_log *log, enum wb_log_level level);

/* log may be NULL: nothing is written. The list of fields ends with WB_LOG_END; use the macros below. */
void wb_log_event(struct wb_log *log, enum wb_log_level level, const char *event, ...);
/* The same for a line that may wait for others. */
void wb_log_event_later(struct wb_log *log, enum wb_log_level level, const char *event, ...);
#define wb_log_later(log, ...) wb_log_event_later((log), WB_LOG_INFO, __VA_ARGS__, WB_LOG_END)
#define wb_log_debug(log, ...) wb_log_event((log), WB_LOG_DEBUG, __VA_ARGS__, WB_LOG_END)
#define wb_log_info(log, ...)  wb_log_event((log), WB_LOG_INFO, __VA_ARGS__, WB_LOG_END)
#define wb_log_warn(log, ...)  wb_log_event((log), WB_LOG_WARN, __VA_ARGS__, WB_LOG_END)
#define wb_log_error(log, ...) wb_log_event((log), WB_LOG_ERROR, __VA_ARGS__, WB_LOG_END)

#endif
