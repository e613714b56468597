#include "common/base/properties.h"

#include "common/base/buf.h"
#include "common/base/crypto.h"
#include "common/base/utf8.h"

#include <stdint.h>

struct reader {
	struct wb_slice text;
	size_t at;
	size_t line; /* of text.data[at] */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool at_end(const struct reader *r)
{
	return r->at >= r->text.len;
}

static bool at_line_end(const struct reader *r)
{
	return at_end(r) || r->text.data[r->at] == '\n' || r->text.data[r->at] == '\r';
}

static void skip_blanks(struct reader *r)
{
	while (!at_end(r) && is_blank(r->text.data[r->at]))
		r->at++;
}

/* Steps over one line end: \n, \r or \r\n. */
static void skip_line_end(struct reader *r)
{
	if (at_end(r))
		return;
	if (r->text.data[r->at] == '\r' && r->at + 1 < r->text.len && r->text.data[r->at + 1] == '\n')
		r->at++;
	r->at++;
	r->line++;
}

/* Steps to the next line that begins a pair; false at the end of the text. */
static bool find_pair(struct reader *r)
{
	while (!at_end(r)) {
		skip_blanks(r);
		if (!at_line_end(r) && r->text.data[r->at] != '#' && r->text.data[r->at] != '!')
			return true;
		while (!at_line_end(r))
			r->at++;
		skip_line_end(r);
	}
	return false;
}

/* The four hex digits at r, stepped over; -1 where they are not four. */
static int32_t take_hex4(struct reader *r)
{
	int32_t value = 0;

	for (int i = 0; i < 4; i++, r->at++) {
		char c = at_end(r) ? '\0' : r->text.data[r->at];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value * 16 + ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* Reads what follows "\u": a character, or two escapes that are a surrogate pair. */
static enum wb_err take_unicode(struct reader *r, struct wb_buf *to, struct wb_error *e)
{
	int32_t c = take_hex4(r), low;
	char utf8[4];

	if (c < 0)
		return wb_error_set(e, WB_EINVAL, "line %zu: \\u needs four hexadecimal digits", r->line);
	if (c >= 0xd800 && c < 0xdc00 && r->text.len - r->at >= 6 && memcmp(r->text.data + r->at, "\\u", 2) == 0) {
		r->at += 2;
		low = take_hex4(r);
		c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00) : 0;
	}
	if (c == 0 || (c >= 0xd800 && c < 0xe000))
		return wb_error_set(e, WB_EINVAL, "line %zu: a \\u escape that is no character", r->line);
	wb_buf_append(to, utf8, wb_utf8_encode((uint32_t)c, utf8));
	return WB_OK;
}

/* Reads what follows a backslash. A line end there joins the next line, without its leading blanks. */
static enum wb_err take_escape(struct reader *r, struct wb_buf *to, struct wb_error *e)
{
	char c;

	if (at_line_end(r)) {
		skip_line_end(r);
		skip_blanks(r);
		return WB_OK;
	}
	c = r->text.data[r->at++];
	if (c == 'u')
		return take_unicode(r, to, e);
	wb_buf_append_char(to, c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c);
	return WB_OK;
}

/* Reads up to the end of the line, a key also up to what separates it from its value. */
static enum wb_err take_part(struct reader *r, bool is_key, struct wb_buf *to, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	wb_buf_append_cstr(to, ""); /* an empty part is a string too */
	while (!err && !at_line_end(r)) {
		char c = r->text.data[r->at];

		if (is_key && (c == '=' || c == ':' || is_blank(c)))
			break;
		r->at++;
		if (c == '\0')
			err = wb_error_set(e, WB_EINVAL, "line %zu: a zero byte", r->line);
		else if (c == '\\')
			err = take_escape(r, to, e);
		else
			wb_buf_append_char(to, c);
	}
	return err ? err : wb_buf_status(to);
}

static enum wb_err take_pair(struct reader *r, struct wb_buf *key, struct wb_buf *value, struct wb_error *e)
{
	enum wb_err err = take_part(r, true, key, e);

	if (err)
		return err;
	skip_blanks(r);
	if (!at_end(r) && (r->text.data[r->at] == '=' || r->text.data[r->at] == ':')) {
		r->at++;
		skip_blanks(r);
	}
	err = take_part(r, false, value, e);
	skip_line_end(r);
	return err;
}

enum wb_err wb_properties_read(struct wb_slice text, wb_properties_fn fn, void *arg, struct wb_error *e)
{
	static const struct wb_slice bom = WB_SLICE_LIT("\xEF\xBB\xBF");
	struct reader r = { .text = text, .line = 1 };
	enum wb_err err = WB_OK;
	struct wb_buf key, value;

	/* No part is longer than the text. */
	wb_buf_init(&key, text.len + 1);
	wb_buf_init(&value, text.len + 1);
	if (text.len >= bom.len && memcmp(text.data, bom.data, bom.len) == 0)
		r.at = bom.len;
	while (!err && find_pair(&r)) {
		size_t line = r.line;

		wb_buf_clear(&key);
		wb_buf_clear(&value);
		err = take_pair(&r, &key, &value, e);
		if (!err)
			err = fn(arg, key.data, value.data, line, e);
	}
	wb_crypto_wipe(value.data, value.cap);
	wb_buf_release(&value);
	wb_buf_release(&key);
	return err;
}
