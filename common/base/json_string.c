#include "common/base/json_lex.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned hex4(const char *p)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i];

		value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

static size_t encode_utf8(unsigned code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static unsigned short_escape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return (unsigned char)c;
	}
}

/* Decodes the escape at *p, a backslash, and moves behind it; 0 for a lone surrogate. */
static size_t decode_escape(const char **p, const char *end, char out[4])
{
	unsigned code, low;

	if ((*p)[1] != 'u') {
		code = short_escape((*p)[1]);
		*p += 2;
		return encode_utf8(code, out);
	}
	code = hex4(*p + 2);
	*p += 6;
	if (code < 0xd800 || code > 0xdfff)
		return encode_utf8(code, out);
	if (code > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return 0;
	low = hex4(*p + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*p += 6;
	return encode_utf8(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), out);
}

/* Where the plain run at p ends: at a backslash or at the end. */
static const char *plain_run(const char *p, const char *end)
{
	const char *backslash = memchr(p, '\\', (size_t)(end - p));

	return backslash ? backslash : end;
}

size_t wb_json_string_decode_into(struct wb_slice raw, char *out)
{
	const char *p = raw.data + 1, *end = raw.data + raw.len - 1;
	char *begin = out;

	while (p < end) {
		const char *run_end = plain_run(p, end);
		char bytes[4];
		size_t len;

		memcpy(out, p, (size_t)(run_end - p));
		out += run_end - p;
		p = run_end;
		if (p == end)
			break;
		len = decode_escape(&p, end, bytes);
		if (len == 0)
			return SIZE_MAX;
		memcpy(out, bytes, len);
		out += len;
	}
	return (size_t)(out - begin);
}

/* How long the string is decoded, SIZE_MAX for a lone surrogate. */
static size_t decoded_len(struct wb_slice raw)
{
	const char *p = raw.data + 1, *end = raw.data + raw.len - 1;
	size_t total = 0;

	while (p < end) {
		const char *run_end = plain_run(p, end);
		char bytes[4];
		size_t len;

		total += (size_t)(run_end - p);
		p = run_end;
		if (p == end)
			break;
		len = decode_escape(&p, end, bytes);
		if (len == 0)
			return SIZE_MAX;
		total += len;
	}
	return total;
}

enum wb_err wb_json_string_decode(struct wb_slice raw, struct wb_buf *scratch, struct wb_slice *ret)
{
	const char *inside = raw.data + 1;
	char *out;
	size_t len;

	if (plain_run(inside, inside + raw.len - 2) == inside + raw.len - 2) {
		*ret = wb_slice(inside, raw.len - 2);
		return WB_OK;
	}
	len = decoded_len(raw);
	if (len == SIZE_MAX)
		return WB_EINVAL;
	out = wb_buf_reserve(scratch, len);
	if (out == NULL)
		return wb_buf_status(scratch);
	scratch->len += wb_json_string_decode_into(raw, out);
	scratch->data[scratch->len] = '\0';
	*ret = wb_slice(out, len);
	return WB_OK;
}

bool wb_json_name_equals(struct wb_slice raw_name, struct wb_slice name)
{
	const char *p = raw_name.data + 1, *end = raw_name.data + raw_name.len - 1;

	while (p < end) {
		const char *at = p;
		char bytes[4] = { *p };
		size_t len = 1;

		if (*p == '\\') {
			len = decode_escape(&p, end, bytes);
			at = bytes;
		} else {
			p++;
		}
		if (len == 0 || name.len < len || memcmp(at, name.data, len) != 0)
			return false;
		name = wb_slice(name.data + len, name.len - len);
	}
	return name.len == 0;
}

bool wb_json_name_is(struct wb_slice raw_name, const char *literal)
{
	return wb_json_name_equals(raw_name, wb_slice_cstr(literal));
}

/* No double, nor a point halfway between two, has more significant decimal digits (Muller et al., "Handbook of
 * Floating-Point Arithmetic", 2018, section 2.1.4: 767 for binary64); what comes after them matters only as not zero. */
enum { DIGITS_MAX = 768 };

struct decimal {
	char text[DIGITS_MAX + 32];
	size_t len;
	size_t digits;    /* significant ones in text */
	int64_t exponent; /* of the last digit in text */
	bool more;        /* a digit that is not zero was left out */
};

static void decimal_digit(struct decimal *d, char digit, bool in_fraction)
{
	if (d->digits == 0 && digit == '0') {
		d->exponent -= in_fraction;
		return;
	}
	if (d->digits == DIGITS_MAX) {
		d->more = d->more || digit != '0';
		d->exponent += !in_fraction;
		return;
	}
	d->text[d->len++] = digit;
	d->digits++;
	d->exponent -= in_fraction;
}

/* Beyond this every exponent means zero or infinity, even beside the digits of the longest text. */
#define EXPONENT_MAX (INT64_MAX / 4)

static int64_t exponent_value(const char *p, const char *end)
{
	bool negative = *p == '-';
	int64_t value = 0;

	for (p += negative || *p == '+'; p < end; p++)
		if (value < EXPONENT_MAX / 10)
			value = value * 10 + (*p - '0');
	return negative ? -value : value;
}

static int64_t clamp_exponent(int64_t exponent)
{
	return exponent > 99999 ? 99999 : exponent < -99999 ? -99999 : exponent;
}

double wb_json_number(struct wb_slice raw)
{
	const char *p = raw.data, *end = raw.data + raw.len;
	struct decimal d = { .len = 0 };
	bool in_fraction = false;
	int ignored;

	if (*p == '-')
		d.text[d.len++] = *p++;
	for (; p < end && (*p | 0x20) != 'e'; p++) {
		if (*p == '.')
			in_fraction = true;
		else
			decimal_digit(&d, *p, in_fraction);
	}
	if (p < end)
		d.exponent += exponent_value(p + 1, end);
	if (d.digits == 0) {
		d.text[d.len++] = '0';
		d.exponent = 0;
	}
	if (d.more) {
		d.text[d.len++] = '1';
		d.exponent--;
	}
	ignored = snprintf(d.text + d.len, sizeof d.text - d.len, "e%lld", (long long)clamp_exponent(d.exponent));
	(void)ignored;
	return strtod(d.text, NULL);
}
