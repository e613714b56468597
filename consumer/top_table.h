/* Text for a terminal: strings made harmless, numbers for people, tables with aligned columns that fit a width.
 *
 * Whatever is shown comes from other people's ids and words, so nothing but printable ASCII reaches the terminal: a control
 * character could drive it, others could not be aligned.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_CONSUMER_TOP_TABLE_H
#define WB_CONSUMER_TOP_TABLE_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_TOP_COLUMNS_MAX 12

/* Appends s with everything but printable ASCII escaped: \n, \t, \\, \u{1b}, \xff for a byte that is no UTF-8. */
void wb_top_append_safe(struct wb_buf *to, struct wb_slice s);
/* "12,345"; a fraction is dropped. */
void wb_top_append_number(struct wb_buf *to, double value);
/* "63.1 MiB". */
void wb_top_append_bytes(struct wb_buf *to, double bytes);
/* "4s", "12m 03s", "3h 07m", "5d 02h". */
void wb_top_append_duration(struct wb_buf *to, int64_t seconds);

struct wb_top_column {
	const char *head;
	bool right; /* aligned */
};

struct wb_top_table {
	const struct wb_top_column *columns;
	size_t column_count;
	struct wb_buf text; /* the cells, each ended by a zero byte, row by row */
	size_t cells;
};

/* columns, at most WB_TOP_COLUMNS_MAX, outlive the table. */
void wb_top_table_init(struct wb_top_table *t, const struct wb_top_column *columns, size_t count);
void wb_top_table_release(struct wb_top_table *t);
size_t wb_top_table_rows(const struct wb_top_table *t);
/* The next cell, escaped; rows fill from left to right. */
void wb_top_table_text(struct wb_top_table *t, const char *text);
void wb_top_table_number(struct wb_top_table *t, double value);
/* Takes what stands in cell, escaped or harmless already, and clears it. */
void wb_top_table_cell(struct wb_top_table *t, struct wb_buf *cell);
/* Appends heads and at most max_rows rows, from the first on, each line indented, cut at width and ended by a line feed. */
void wb_top_table_render(const struct wb_top_table *t, size_t max_rows, size_t width, struct wb_buf *ret);

#endif
