/* Quoted-printable and header fields. */
#include "common/base/crypto.h"
#include "common/base/utf8.h"
#include "deadletter/mail.h"
#include "deadletter/text.h"

#define LINE_CHARS       76
#define WORD_BYTES       36 /* of text in an encoded word: 60 characters, which fit a line with any field's name */
#define HEADER_CHARS_MAX 500

/* Whether a byte must be encoded where it stands: at the start of a line, a dot and "From " mean something on the way. */
static bool must_encode(struct wb_slice text, size_t at, bool line_start)
{
	unsigned char c = (unsigned char)text.data[at];

	if (c == ' ' || c == '\t')
		return at + 1 == text.len || text.data[at + 1] == '\n';
	return c < 0x20 || c > 0x7e || c == '=' || (line_start && (c == '.' || c == 'F'));
}

void wb_mail_quoted_printable(struct wb_slice text, struct wb_buf *ret)
{
	size_t column = 0;

	for (size_t at = 0; at < text.len; at++) {
		bool encode;
		size_t width;

		if (text.data[at] == '\n') {
			wb_buf_append_cstr(ret, "\r\n");
			column = 0;
			continue;
		}
		encode = must_encode(text, at, column == 0);
		width = encode ? 3 : 1;
		/* The last place of a line is for the mark that it goes on. */
		if (column + width > LINE_CHARS - 1) {
			wb_buf_append_cstr(ret, "=\r\n");
			column = 0;
			encode = must_encode(text, at, true);
			width = encode ? 3 : 1;
		}
		if (encode)
			wb_buf_appendf(ret, "=%02X", (unsigned char)text.data[at]);
		else
			wb_buf_append_char(ret, text.data[at]);
		column += width;
	}
}

static bool plain(struct wb_slice text)
{
	size_t word = 0;

	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] > 0x7e ||
			(text.data[i] == '=' && i + 1 < text.len && text.data[i + 1] == '?'))
			return false;
		word = text.data[i] == ' ' ? 0 : word + 1;
		if (word >= LINE_CHARS - 1)
			return false;
	}
	/* Space at the ends would get lost, and so would one of two where a line is folded. */
	return text.len > 0 && text.data[0] != ' ' && text.data[text.len - 1] != ' ';
}

static void fold_plain(struct wb_buf *ret, size_t column, struct wb_slice text)
{
	for (size_t at = 0; at < text.len;) {
		size_t end = at + 1;

		while (end < text.len && text.data[end] != ' ')
			end++;
		if (text.data[at] == ' ' && column + (end - at) > LINE_CHARS) {
			wb_buf_append_cstr(ret, "\r\n");
			column = 0;
		}
		wb_buf_append(ret, text.data + at, end - at);
		column += end - at;
		at = end;
	}
}

static void encoded_words(struct wb_buf *ret, struct wb_slice text)
{
	for (size_t at = 0; at < text.len;) {
		size_t len = 0, n;

		while (at + len < text.len) {
			n = wb_utf8_char_len(text.data + at + len, text.len - at - len);
			if (len + n > WORD_BYTES)
				break;
			len += n;
		}
		wb_buf_append_cstr(ret, at ? "\r\n =?utf-8?B?" : "=?utf-8?B?");
		wb_base64_encode(wb_slice(text.data + at, len), ret);
		wb_buf_append_cstr(ret, "?=");
		at += len;
	}
}

void wb_mail_header(const char *name, struct wb_slice value, struct wb_buf *ret)
{
	struct wb_buf safe;

	wb_buf_init(&safe, 16 * HEADER_CHARS_MAX);
	(void)wb_text_line(&safe, value, HEADER_CHARS_MAX);
	wb_buf_appendf(ret, "%s: ", name);
	if (plain(wb_buf_slice(&safe)))
		fold_plain(ret, strlen(name) + 2, wb_buf_slice(&safe));
	else
		encoded_words(ret, wb_buf_slice(&safe));
	wb_buf_append_cstr(ret, "\r\n");
	wb_buf_release(&safe);
}
