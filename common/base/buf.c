#include "common/base/buf.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 64 };

void wb_buf_init(struct wb_buf *b, size_t max_bytes)
{
	assert(max_bytes > 0 && max_bytes < SIZE_MAX);
	*b = (struct wb_buf){ .max = max_bytes };
}

void wb_buf_release(struct wb_buf *b)
{
	free(b->data);
	*b = (struct wb_buf){ .max = b->max };
}

void wb_buf_clear(struct wb_buf *b)
{
	b->err = WB_OK;
	if (b->data)
		wb_buf_truncate(b, 0);
}

void wb_buf_truncate(struct wb_buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
}

char *wb_buf_grow(struct wb_buf *b, size_t extra)
{
	size_t need, cap;
	char *data;

	if (b->err)
		return NULL;
	if (extra > b->max - b->len) {
		b->err = WB_ETOOBIG;
		return NULL;
	}
	need = b->len + extra + 1;
	if (need > b->cap) {
		cap = b->cap > b->max / 2 ? b->max + 1 : b->cap * 2;
		if (cap < FIRST_BYTES)
			cap = FIRST_BYTES < b->max + 1 ? FIRST_BYTES : b->max + 1;
		if (cap < need)
			cap = need;
		data = realloc(b->data, cap);
		if (!data) {
			b->err = WB_ENOMEM;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	b->data[b->len] = '\0';
	b->data[b->len + extra] = '\0';
	return b->data + b->len;
}

void wb_buf_append(struct wb_buf *b, const void *data, size_t len)
{
	char *to = wb_buf_reserve(b, len);

	if (!to || !len)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void wb_buf_append_cstr(struct wb_buf *b, const char *s)
{
	wb_buf_append(b, s, strlen(s));
}

void wb_buf_append_slice(struct wb_buf *b, struct wb_slice s)
{
	wb_buf_append(b, s.data, s.len);
}

size_t wb_u64_digits(uint64_t value, char ret[WB_U64_DIGITS])
{
	char digits[WB_U64_DIGITS];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	memcpy(ret, digits + at, sizeof digits - at);
	return sizeof digits - at;
}

void wb_buf_append_u64(struct wb_buf *b, uint64_t value)
{
	char digits[WB_U64_DIGITS];

	wb_buf_append(b, digits, wb_u64_digits(value, digits));
}

void wb_buf_append_i64(struct wb_buf *b, int64_t value)
{
	size_t before = b->len;

	if (value < 0)
		wb_buf_append_char(b, '-');
	wb_buf_append_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
	if (b->err && b->len > before)
		wb_buf_truncate(b, before);
}

void wb_buf_appendf(struct wb_buf *b, const char *format, ...)
{
	va_list values;
	char *to;
	int len;

	va_start(values, format);
	len = vsnprintf(NULL, 0, format, values);
	va_end(values);
	assert(len >= 0);
	to = wb_buf_reserve(b, (size_t)len);
	if (!to)
		return;
	va_start(values, format);
	len = vsnprintf(to, (size_t)len + 1, format, values);
	va_end(values);
	assert(len >= 0);
	b->len += (size_t)len;
}

/* Appends the escape of one byte that JSON wants escaped. */
static void append_escape(struct wb_buf *b, unsigned char c)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	static const char hex[] = "0123456789abcdef";

	for (const char *n = named; *n; n += 2) {
		if (c == (unsigned char)n[0]) {
			wb_buf_append(b, (const char[]){ '\\', n[1] }, 2);
			return;
		}
	}
	wb_buf_append(b, (const char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
}

void wb_buf_append_json_string(struct wb_buf *b, struct wb_slice s)
{
	size_t before = b->len, from = 0, at = 0;

	wb_buf_append_char(b, '"');
	while (at < s.len) {
		unsigned char c = (unsigned char)s.data[at];
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);

		if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
			at += len;
			continue;
		}
		wb_buf_append(b, s.data + from, at - from);
		if (len > 0)
			append_escape(b, c);
		else
			wb_buf_append_cstr(b, "\xEF\xBF\xBD");
		from = ++at;
	}
	if (at > from)
		wb_buf_append(b, s.data + from, at - from);
	wb_buf_append_char(b, '"');
	if (b->err && b->len > before)
		wb_buf_truncate(b, before);
}

enum wb_err wb_buf_status(const struct wb_buf *b)
{
	return b->err;
}

char *wb_buf_take(struct wb_buf *b, size_t *ret_len)
{
	char *data = b->data ? b->data : wb_xcalloc(1, 1);

	if (ret_len)
		*ret_len = b->len;
	*b = (struct wb_buf){ .max = b->max };
	return data;
}
