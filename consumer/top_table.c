#include "consumer/top_table.h"

#include "common/base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (16 * 1024 * 1024)
#define INDENT   2
#define GAP      2

/* The code point of a character of that length. */
static unsigned code_point(const char *s, size_t len)
{
	unsigned point = len == 1 ? (unsigned char)s[0] : (unsigned char)s[0] & (0x7fU >> len);

	for (size_t i = 1; i < len; i++)
		point = point << 6 | ((unsigned char)s[i] & 0x3f);
	return point;
}

void wb_top_append_safe(struct wb_buf *to, struct wb_slice s)
{
	for (size_t at = 0; at < s.len;) {
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);
		char c = s.data[at];

		if (len == 0)
			wb_buf_appendf(to, "\\x%02x", (unsigned char)c);
		else if (c == '\n' || c == '\t' || c == '\\')
			wb_buf_appendf(to, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
		else if (c >= ' ' && c <= '~')
			wb_buf_append_char(to, c);
		else
			wb_buf_appendf(to, "\\u{%x}", code_point(s.data + at, len));
		at += len ? len : 1;
	}
}

void wb_top_append_number(struct wb_buf *to, double value)
{
	char digits[32];
	size_t len;

	if (!isfinite(value) || fabs(value) >= 1e18) {
		wb_buf_append_char(to, '?');
		return;
	}
	if (value <= -1)
		wb_buf_append_char(to, '-');
	len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, (int64_t)fabs(value)); /* 19 digits at most */
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			wb_buf_append_char(to, ',');
		wb_buf_append_char(to, digits[i]);
	}
}

void wb_top_append_bytes(struct wb_buf *to, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	for (; i + 1 < WB_ARRAY_LEN(units) && fabs(bytes) >= 1024; i++)
		bytes /= 1024;
	wb_buf_appendf(to, i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

void wb_top_append_duration(struct wb_buf *to, int64_t seconds)
{
	if (seconds < 60)
		wb_buf_appendf(to, "%" PRId64 "s", seconds > 0 ? seconds : 0);
	else if (seconds < 3600)
		wb_buf_appendf(to, "%" PRId64 "m %02" PRId64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		wb_buf_appendf(to, "%" PRId64 "h %02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
	else
		wb_buf_appendf(to, "%" PRId64 "d %02" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}

void wb_top_table_init(struct wb_top_table *t, const struct wb_top_column *columns, size_t count)
{
	assert(count > 0 && count <= WB_TOP_COLUMNS_MAX);
	*t = (struct wb_top_table){ .columns = columns, .column_count = count };
	wb_buf_init(&t->text, TEXT_MAX);
}

void wb_top_table_release(struct wb_top_table *t)
{
	wb_buf_release(&t->text);
}

size_t wb_top_table_rows(const struct wb_top_table *t)
{
	return t->cells / t->column_count;
}

static void end_cell(struct wb_top_table *t)
{
	wb_buf_append_char(&t->text, '\0');
	t->cells++;
}

void wb_top_table_text(struct wb_top_table *t, const char *text)
{
	wb_top_append_safe(&t->text, wb_slice_cstr(text));
	end_cell(t);
}

void wb_top_table_number(struct wb_top_table *t, double value)
{
	wb_top_append_number(&t->text, value);
	end_cell(t);
}

void wb_top_table_cell(struct wb_top_table *t, struct wb_buf *cell)
{
	wb_buf_append_slice(&t->text, wb_buf_slice(cell));
	wb_buf_clear(cell);
	end_cell(t);
}

static void widen(size_t *width, const char *text)
{
	size_t len = strlen(text);

	*width = len > *width ? len : *width;
}

/* The line has its cells; what is too long for the window is cut. */
static void end_line(struct wb_buf *ret, size_t from, size_t width)
{
	if (ret->len > from + width)
		wb_buf_truncate(ret, from + width);
	while (ret->len > from && ret->data[ret->len - 1] == ' ')
		wb_buf_truncate(ret, ret->len - 1);
	wb_buf_append_char(ret, '\n');
}

static void pad(struct wb_buf *ret, size_t count)
{
	while (count-- > 0)
		wb_buf_append_char(ret, ' ');
}

static void append_cell(struct wb_buf *ret, const struct wb_top_column *column, size_t width, const char *text)
{
	size_t len = strlen(text), room = width > len ? width - len : 0;

	if (column->right)
		pad(ret, room);
	wb_buf_append_cstr(ret, text);
	if (!column->right)
		pad(ret, room);
	pad(ret, GAP);
}

void wb_top_table_render(const struct wb_top_table *t, size_t max_rows, size_t width, struct wb_buf *ret)
{
	size_t widths[WB_TOP_COLUMNS_MAX] = { 0 }, from = ret->len;
	size_t rows = wb_top_table_rows(t) < max_rows ? wb_top_table_rows(t) : max_rows;
	const char *cell = t->text.data;

	if (wb_buf_status(&t->text) != WB_OK)
		return;
	for (size_t i = 0; i < t->column_count; i++)
		widths[i] = strlen(t->columns[i].head);
	for (size_t i = 0; i < rows * t->column_count; i++, cell += strlen(cell) + 1)
		widen(&widths[i % t->column_count], cell);
	pad(ret, INDENT);
	for (size_t i = 0; i < t->column_count; i++)
		append_cell(ret, &t->columns[i], widths[i], t->columns[i].head);
	end_line(ret, from, width);
	cell = t->text.data;
	for (size_t i = 0; i < rows; i++) {
		from = ret->len;
		pad(ret, INDENT);
		for (size_t j = 0; j < t->column_count; j++, cell += strlen(cell) + 1)
			append_cell(ret, &t->columns[j], widths[j], cell);
		end_line(ret, from, width);
	}
}
