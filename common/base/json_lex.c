#include "common/base/json_lex.h"

#include "common/base/utf8.h"

const char *wb_json_lex_fail(struct wb_json_lex *x, const char *p, const char *text)
{
	x->error_at = p;
	x->error_text = p >= x->end ? "the text ends too early" : text;
	return NULL;
}

const char *wb_json_lex_space_run(const struct wb_json_lex *x, const char *p)
{
	for (;;) {
		wb_json_mask other = wb_json_mask_not_space(wb_json_lex_load(x, p));

		if (other)
			return p + wb_json_mask_first(other);
		p += WB_JSON_BLOCK_BYTES;
	}
}

const char *wb_json_lex_digits(const struct wb_json_lex *x, const char *p)
{
	for (;;) {
		wb_json_mask stops = wb_json_mask_not_digit(wb_json_lex_load(x, p));

		if (stops)
			return p + wb_json_mask_first(stops);
		p += WB_JSON_BLOCK_BYTES;
	}
}

const char *wb_json_lex_exponent(struct wb_json_lex *x, const char *p)
{
	unsigned char sign = wb_json_lex_peek(x, p);
	const char *digits = p + (sign == '+' || sign == '-');
	const char *after = wb_json_lex_digits(x, digits);

	if (after == digits)
		return wb_json_lex_fail(x, after, "a digit is missing");
	return after;
}

const char *wb_json_lex_literal(struct wb_json_lex *x, const char *p)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t left = (size_t)(x->end - p), i = 0;

	for (size_t w = 0; w < WB_ARRAY_LEN(words); w++) {
		size_t len = strlen(words[w]);

		if (*p != words[w][0])
			continue;
		if (WB_LIKELY(left >= len && memcmp(p, words[w], len) == 0))
			return p + len;
		while (i < left && p[i] == words[w][i])
			i++;
	}
	return wb_json_lex_fail(x, p + i, "a word that is not true, false or null");
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const char *escape(struct wb_json_lex *x, const char *p)
{
	x->escaped = true;
	switch (wb_json_lex_peek(x, p + 1)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		for (int i = 2; i < 6; i++)
			if (!is_hex(wb_json_lex_peek(x, p + i)))
				return wb_json_lex_fail(x, p + i, "an escape \\u needs four hexadecimal digits");
		return p + 6;
	default:
		return wb_json_lex_fail(x, p + 1, "an unknown escape in a string");
	}
}

/* p is at a byte that ends a plain run: gives where the next run starts. */
const char *wb_json_lex_string_special(struct wb_json_lex *x, const char *p)
{
	unsigned char c = wb_json_lex_peek(x, p);

	if (c == '\\')
		return escape(x, p);
	if (c < 0x80)
		return wb_json_lex_fail(x, p, "a control byte in a string");
	do {
		size_t len = wb_utf8_char_len(p, (size_t)(x->end - p));

		if (len == 0)
			return wb_json_lex_fail(x, p, "bytes in a string that are not UTF-8");
		p += len;
	} while (p < x->end && (unsigned char)*p >= 0x80);
	return p;
}

/* A scalar that is no string. */
static const char *plain_value(struct wb_json_lex *x, const char *p, unsigned char first)
{
	if (first >= 'a')
		return wb_json_lex_literal(x, p);
	return wb_json_lex_number(x, p);
}

/* What follows a value inside a container: gives the position of the next element or, with *ret_closed, the one
 * after the container. */
static inline const char *separator(struct wb_json_lex *x, const char *p, bool in_object, bool *ret_closed)
{
	unsigned char c;

	p = wb_json_lex_space(x, p);
	c = wb_json_lex_peek(x, p);
	*ret_closed = c != ',';
	if (WB_LIKELY(c == ','))
		return wb_json_lex_space(x, p + 1);
	if (WB_LIKELY(c == (in_object ? '}' : ']')))
		return p + 1;
	return wb_json_lex_fail(x, p, in_object ? "a comma or } is missing" : "a comma or ] is missing");
}

const char *wb_json_lex_value(struct wb_json_lex *x, const char *p, unsigned depth_max)
{
	bool outer_is_object[WB_JSON_DEPTH_MAX];
	bool in_object = false, closed;
	struct wb_slice name;
	unsigned depth = 0;

	for (;;) {
		unsigned char c = wb_json_lex_peek(x, p);

		if (c == '{' || c == '[') {
			if (depth == depth_max)
				return wb_json_lex_fail(x, p, "nested too deep");
			outer_is_object[depth++] = in_object;
			in_object = c == '{';
			p = wb_json_lex_space(x, p + 1);
			closed = wb_json_lex_peek(x, p) == (in_object ? '}' : ']');
			p += closed;
		} else {
			p = c == '"' ? wb_json_lex_string(x, p + 1) : plain_value(x, p, c);
			if (WB_UNLIKELY(p == NULL))
				return NULL;
			if (depth == 0)
				return p;
			p = separator(x, p, in_object, &closed);
			if (WB_UNLIKELY(p == NULL))
				return NULL;
		}
		while (closed) {
			in_object = outer_is_object[--depth];
			if (depth == 0)
				return p;
			p = separator(x, p, in_object, &closed);
			if (WB_UNLIKELY(p == NULL))
				return NULL;
		}
		if (in_object) {
			p = wb_json_lex_member(x, p, &name);
			if (WB_UNLIKELY(p == NULL))
				return NULL;
		}
	}
}
