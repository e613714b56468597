/* An alert in words: what mail and webhooks have in common.
 *
 * Every text is made of one line of safe characters (deadletter/text.h): nothing that a letter says can begin a line, and
 * commands name places and words of our own, so that they can be pasted into a shell. Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_ALERT_TEXT_H
#define WB_DEADLETTER_ALERT_TEXT_H

#include "deadletter/alert.h"

#define WB_ALERT_COMMANDS_MAX 4

/* Appends one line for a subject: what happened, in at most about 150 characters. */
void wb_alert_title(const struct wb_alert *alert, struct wb_buf *ret);
/* Appends one or two sentences: what it means. */
void wb_alert_lead(const struct wb_alert *alert, struct wb_buf *ret);
/* Appends an example on one line: where it is, when it died, what and why. */
void wb_alert_example_line(const struct wb_alert_example *example, struct wb_buf *ret);
/* Appends command number i from 0; false: there is none. */
bool wb_alert_command(const struct wb_alert *alert, unsigned i, struct wb_buf *ret);
/* Appends a span as people say it: "45 s", "5 min", "3 h 20 min", "2 d 4 h". */
void wb_alert_span(int64_t ms, struct wb_buf *ret);
/* Appends "2026-01-02 03:04:05 UTC". */
void wb_alert_time(int64_t wall_ms, struct wb_buf *ret);

#endif
