/* Bytes of strangers made safe to look at: nothing that a letter holds can move the cursor, change colours or hide text.
 *
 * Control characters, bytes that are not UTF-8, and the invisible characters that reorder text (Unicode TR9's explicit
 * directional formatting) are written as escapes. Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_TEXT_H
#define WB_DEADLETTER_TEXT_H

#include "common/base/buf.h"

/* Appends bytes on one line: \n, \t, \xNN, \u{NNNN} for what must not reach a terminal. At most max_chars characters,
 * the last of which is … when something was left out. Returns how many characters were appended. */
size_t wb_text_line(struct wb_buf *ret, struct wb_slice bytes, size_t max_chars);
/* Appends valid JSON, a member or element a line, indented by two from indent on; strings stay as they are but for what
 * must not reach a terminal. Values keep their spelling. */
void wb_text_json(struct wb_buf *ret, struct wb_slice json, unsigned indent);
/* Appends JSON as it is, but for characters in its strings that must not reach a terminal: they become \uNNNN escapes,
 * which mean the same. */
void wb_text_json_line(struct wb_buf *ret, struct wb_slice json);
/* Whether all of it is UTF-8. */
bool wb_text_is_utf8(struct wb_slice bytes);
/* Appends n spaces. */
void wb_text_pad(struct wb_buf *ret, size_t n);

#endif
