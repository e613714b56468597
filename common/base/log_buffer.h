/* Where lines of the log wait to be written many at a time: one write(2) for hundreds instead of one each.
 *
 * Lines that may wait are written within WB_LOG_BUFFER_DELAY_MS by a thread that begins with the first of them; where
 * they come faster than they can be written, whoever adds one waits. What may not wait is written before the call
 * returns, after all that came earlier, so that the order of lines is that of the calls. Two buffers of
 * WB_LOG_BUFFER_BYTES are all the memory that this takes, from the first line that waits on.
 * For common/base/log.c; the interface of logging is log.h. Thread-safe.
 */
#ifndef WB_COMMON_BASE_LOG_BUFFER_H
#define WB_COMMON_BASE_LOG_BUFFER_H

#include <stddef.h>

#define WB_LOG_BUFFER_DELAY_MS 100
#define WB_LOG_BUFFER_BYTES    (128 * 1024) /* half of it is written at once, whatever the time */

struct wb_log_buffer; /* opaque */

/* fd is not closed. */
struct wb_log_buffer *wb_log_buffer_new(int fd);
/* Writes what waits. */
void wb_log_buffer_free(struct wb_log_buffer **b);

/* Takes a line of at most WB_LOG_BUFFER_BYTES, with its line feed, to be written soon. */
void wb_log_buffer_add(struct wb_log_buffer *b, const char *line, size_t len);
/* Writes what waits, and then the line. */
void wb_log_buffer_write(struct wb_log_buffer *b, const char *line, size_t len);
/* Writes what waits as the process ends by a signal or an abort: waits for nobody longer than some 100 ms, neither for
 * a lock nor for a reader. May be called from a signal handler. At worst a line is torn or stands twice. */
void wb_log_buffer_rescue(struct wb_log_buffer *b);

#endif
