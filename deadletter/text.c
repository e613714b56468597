#include "deadletter/text.h"

#include "common/base/utf8.h"

#include <stdio.h>

static uint32_t code_point(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c = len == 1 ? u[0] : u[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

static bool must_not_show(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069) || c == 0x061c || c == 0xfeff;
}

/* One character's text: at most 12 bytes. Returns how many input bytes it stands for. */
static size_t show_char(const char *s, size_t len, char ret[16], size_t *ret_chars)
{
	size_t n = wb_utf8_char_len(s, len);
	uint32_t c;

	if (n == 0) {
		*ret_chars = (size_t)snprintf(ret, 16, "\\x%02x", (unsigned char)*s);
		return 1;
	}
	c = code_point(s, n);
	if (c == '\n' || c == '\t') {
		*ret_chars = (size_t)snprintf(ret, 16, "\\%c", c == '\n' ? 'n' : 't');
	} else if (must_not_show(c)) {
		*ret_chars = (size_t)snprintf(ret, 16, c < 0x80 ? "\\x%02x" : "\\u{%04x}", (unsigned)c);
	} else {
		memcpy(ret, s, n);
		ret[n] = '\0';
		*ret_chars = 1;
	}
	return n;
}

size_t wb_text_line(struct wb_buf *ret, struct wb_slice bytes, size_t max_chars)
{
	size_t chars = 0, mark = ret->len, chars_at_mark = 0;
	char text[16];

	for (size_t at = 0; at < bytes.len;) {
		size_t n;

		at += show_char(bytes.data + at, bytes.len - at, text, &n);
		if (chars + n > max_chars) {
			/* Back to where the mark of omission still fits. */
			wb_buf_truncate(ret, mark);
			wb_buf_append_cstr(ret, "…");
			return chars_at_mark + 1;
		}
		wb_buf_append_cstr(ret, text);
		chars += n;
		if (chars < max_chars) {
			mark = ret->len;
			chars_at_mark = chars;
		}
	}
	return chars;
}

void wb_text_pad(struct wb_buf *ret, size_t n)
{
	while (n-- > 0)
		wb_buf_append_char(ret, ' ');
}

static void new_line(struct wb_buf *ret, unsigned depth, unsigned indent)
{
	wb_buf_append_char(ret, '\n');
	wb_text_pad(ret, indent + 2 * depth);
}

/* Copies the string that begins at bytes.data[at] and returns where it ends. */
static size_t copy_string(struct wb_buf *ret, struct wb_slice json, size_t at)
{
	size_t end = at + 1;

	while (end < json.len && json.data[end] != '"')
		end += json.data[end] == '\\' && end + 1 < json.len ? 2 : 1;
	if (end < json.len)
		end++;
	(void)wb_text_line(ret, wb_slice(json.data + at, end - at), SIZE_MAX);
	return end;
}

static size_t skip_space(struct wb_slice json, size_t at)
{
	while (at < json.len && strchr(" \t\r\n", json.data[at]) && json.data[at])
		at++;
	return at;
}

void wb_text_json(struct wb_buf *ret, struct wb_slice json, unsigned indent)
{
	unsigned depth = 0;

	wb_text_pad(ret, indent);
	for (size_t at = skip_space(json, 0); at < json.len; at = skip_space(json, at)) {
		char c = json.data[at];

		if (c == '"') {
			at = copy_string(ret, json, at);
			continue;
		}
		at++;
		if (c == '{' || c == '[') {
			size_t next = skip_space(json, at);

			wb_buf_append_char(ret, c);
			if (next < json.len && (json.data[next] == '}' || json.data[next] == ']')) {
				wb_buf_append_char(ret, json.data[next]);
				at = next + 1;
			} else {
				new_line(ret, ++depth, indent);
			}
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
			new_line(ret, depth, indent);
			wb_buf_append_char(ret, c);
		} else if (c == ',') {
			wb_buf_append_char(ret, c);
			new_line(ret, depth, indent);
		} else {
			wb_buf_append_cstr(ret, c == ':' ? ": " : (const char[]){ c, '\0' });
		}
	}
}

void wb_text_json_line(struct wb_buf *ret, struct wb_slice json)
{
	size_t from = 0, at = 0;

	while (at < json.len) {
		size_t n = wb_utf8_char_len(json.data + at, json.len - at);
		uint32_t c = n ? code_point(json.data + at, n) : 0;

		/* Below 0x7f are structure and plain characters only: JSON's own rules escape control characters. */
		if (n == 0 || c < 0x7f || !must_not_show(c)) {
			at += n ? n : 1;
			continue;
		}
		wb_buf_append(ret, json.data + from, at - from);
		wb_buf_appendf(ret, "\\u%04x", (unsigned)c);
		at += n;
		from = at;
	}
	wb_buf_append(ret, json.data + from, at - from);
}

bool wb_text_is_utf8(struct wb_slice bytes)
{
	for (size_t at = 0, n; at < bytes.len; at += n) {
		n = wb_utf8_char_len(bytes.data + at, bytes.len - at);
		if (n == 0)
			return false;
	}
	return true;
}
