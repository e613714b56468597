/* What --top shows: the states of some consumers (docs/STATE.md) as text that fits a window.
 *
 * Faults and what is held come first, as they are what one looks for. Rates are what changed since the state before.
 * Pure: time is an argument. Not thread-safe: one owner.
 */
#ifndef WB_CONSUMER_TOP_VIEW_H
#define WB_CONSUMER_TOP_VIEW_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdint.h>

struct wb_top_view; /* opaque */

/* urls, for people, outlive it. */
struct wb_top_view *wb_top_view_new(const char *const *urls, size_t count);
void wb_top_view_free(struct wb_top_view **v);
/* The state of consumer i as it was read at now_ms (monotonic). WB_EINVAL with a sentence: it is no state; that is then shown
 * in its place. */
enum wb_err wb_top_view_take(
	struct wb_top_view *v, size_t i, struct wb_slice json, int64_t now_ms, struct wb_error *e) WB_MUST_USE;
/* The state of consumer i could not be read: why is copied. */
void wb_top_view_fail(struct wb_top_view *v, size_t i, const char *why);
/* Appends the whole text. Lines are at most width wide and end with a line feed; there are at most height of them, or as
 * many as it takes where height is 0. */
void wb_top_view_render(const struct wb_top_view *v, size_t width, size_t height, struct wb_buf *ret);

#endif
