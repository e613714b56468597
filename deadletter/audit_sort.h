/* Sorts any number of events within a fixed memory: what is more goes to a temporary file, which has no name any more while it
 * is used, so that nothing stays behind whatever becomes of the process.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_AUDIT_SORT_H
#define WB_DEADLETTER_AUDIT_SORT_H

#include "deadletter/audit_event.h"

struct wb_audit_sort;

/* Holds up to events_max (at least 1) in memory; the file is made in directory (NULL: $TMPDIR, or /tmp) when more come. */
struct wb_audit_sort *wb_audit_sort_new(size_t events_max, const char *directory) WB_MUST_USE;
void wb_audit_sort_free(struct wb_audit_sort **s);
/* WB_EIO with a sentence when the file cannot be made or written; more events then do nothing but say so again. */
enum wb_err wb_audit_sort_add(
	struct wb_audit_sort *s, const struct wb_audit_event *event, struct wb_error *e) WB_MUST_USE;
/* All were added; from now on they are taken. WB_EIO as above. */
enum wb_err wb_audit_sort_end(struct wb_audit_sort *s, struct wb_error *e) WB_MUST_USE;
/* The next in order; *ret_more false when there is none. WB_EIO when the file cannot be read. */
enum wb_err wb_audit_sort_next(
	struct wb_audit_sort *s, struct wb_audit_event *ret, bool *ret_more, struct wb_error *e) WB_MUST_USE;

#endif
