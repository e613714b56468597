/* The tokens of JSON: where a string, a number, a literal or a run of space ends, several bytes at a time.
 *
 * The inside of json_scan.h, shared by its files and used by nothing else. Every function takes a position and gives
 * the position after the token, or NULL after noting the error in the lexer. No byte outside the text is read: a
 * block that would reach over its end comes from `tail`, a copy of the last bytes padded with zeros, and a zero
 * byte ends a token of every kind.
 * A block is an SSE2 register where there is one, else a 64-bit word; WB_JSON_PORTABLE chooses the word everywhere.
 * Pure. Thread-safe: each lexer has one owner.
 */
#ifndef WB_COMMON_BASE_JSON_LEX_H
#define WB_COMMON_BASE_JSON_LEX_H

#include "common/base/compiler.h"
#include "common/base/json_scan.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(WB_JSON_PORTABLE)
#include <emmintrin.h>
#define WB_JSON_SSE2        1
#define WB_JSON_BLOCK_BYTES 16
typedef __m128i wb_json_block;
typedef uint32_t wb_json_mask; /* one bit a byte */
#else
#define WB_JSON_SSE2        0
#define WB_JSON_BLOCK_BYTES 8
typedef uint64_t wb_json_block;
typedef uint64_t wb_json_mask; /* the highest bit of each byte */
#endif

struct wb_json_lex {
	const char *end;
	const char *tail; /* WB_JSON_TAIL_BYTES bytes, filled by wb_json_lex_init */
	bool escaped; /* set by a string that has an escape, never reset here */
	const char *error_at;
	const char *error_text;
};

/* A lexer for *text, whose last bytes are copied to tail; the absent slice becomes an empty text. */
static inline struct wb_json_lex wb_json_lex_init(struct wb_slice *text, char tail[WB_JSON_TAIL_BYTES])
{
	enum { HALF = WB_JSON_TAIL_BYTES / 2 };

	if (text->data == NULL)
		*text = wb_slice("", 0);
	memset(tail + HALF, 0, HALF);
	if (WB_LIKELY(text->len >= HALF))
		memcpy(tail, text->data + text->len - HALF, HALF);
	else
		memcpy(tail + HALF - text->len, text->data, text->len);
	return (struct wb_json_lex){ .end = text->data + text->len, .tail = tail };
}

/* The unhurried ways on, in json_lex.c. */
const char *wb_json_lex_fail(struct wb_json_lex *x, const char *p, const char *text) __attribute__((cold));
const char *wb_json_lex_string_special(struct wb_json_lex *x, const char *p);
const char *wb_json_lex_space_run(const struct wb_json_lex *x, const char *p);
const char *wb_json_lex_digits(const struct wb_json_lex *x, const char *p);
const char *wb_json_lex_exponent(struct wb_json_lex *x, const char *p);
const char *wb_json_lex_literal(struct wb_json_lex *x, const char *p);
/* Validates the value that starts at p, at most depth_max containers deep. */
const char *wb_json_lex_value(struct wb_json_lex *x, const char *p, unsigned depth_max);
/* Whether a raw name (with quotes) is, decoded, these bytes. */
bool wb_json_name_equals(struct wb_slice raw_name, struct wb_slice name);

/* The byte at p; 0, which no token starts with, at the end of the text. */
static inline unsigned char wb_json_lex_peek(const struct wb_json_lex *x, const char *p)
{
	return WB_LIKELY(p < x->end) ? (unsigned char)*p : 0;
}

static inline const char *wb_json_lex_block_at(const struct wb_json_lex *x, const char *p)
{
	size_t left = (size_t)(x->end - p);

	return WB_LIKELY(left >= WB_JSON_BLOCK_BYTES) ? p : x->tail + WB_JSON_TAIL_BYTES / 2 - left;
}

#if WB_JSON_SSE2

static inline unsigned wb_json_mask_first(wb_json_mask m)
{
	return (unsigned)__builtin_ctz(m);
}

static inline wb_json_block wb_json_lex_load(const struct wb_json_lex *x, const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)wb_json_lex_block_at(x, p));
}

/* Quote, backslash, control and non-ASCII bytes; the last two are what is below a space as signed byte. */
static inline wb_json_mask wb_json_mask_special(wb_json_block b)
{
	__m128i quote = _mm_cmpeq_epi8(b, _mm_set1_epi8('"'));
	__m128i backslash = _mm_cmpeq_epi8(b, _mm_set1_epi8('\\'));
	__m128i below = _mm_cmplt_epi8(b, _mm_set1_epi8(' '));

	return (wb_json_mask)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), below));
}

static inline wb_json_mask wb_json_mask_not_digit(wb_json_block b)
{
	__m128i value = _mm_sub_epi8(b, _mm_set1_epi8('0'));
	__m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);

	return (wb_json_mask)_mm_movemask_epi8(digit) ^ 0xffff;
}

static inline wb_json_mask wb_json_mask_not_space(wb_json_block b)
{
	__m128i space = _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\n')));
	__m128i other = _mm_or_si128(_mm_cmpeq_epi8(b, _mm_set1_epi8('\t')), _mm_cmpeq_epi8(b, _mm_set1_epi8('\r')));

	return (wb_json_mask)_mm_movemask_epi8(_mm_or_si128(space, other)) ^ 0xffff;
}

#else

#define WB_JSON_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline unsigned wb_json_mask_first(wb_json_mask m)
{
	return (unsigned)__builtin_ctzll(m) / 8;
}

static inline wb_json_block wb_json_lex_load(const struct wb_json_lex *x, const char *p)
{
	uint64_t word;

	memcpy(&word, wb_json_lex_block_at(x, p), sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* Marks the bytes below limit, which is at most 0x80; without carries between bytes. */
static inline wb_json_mask wb_json_mask_below(wb_json_block b, unsigned char limit)
{
	uint64_t at_least = (b & WB_JSON_EACH(0x7f)) + WB_JSON_EACH(0x80U - limit);

	return ~(at_least | b) & WB_JSON_EACH(0x80);
}

static inline wb_json_mask wb_json_mask_equal(wb_json_block b, unsigned char byte)
{
	return wb_json_mask_below(b ^ WB_JSON_EACH(byte), 1);
}

static inline wb_json_mask wb_json_mask_special(wb_json_block b)
{
	return wb_json_mask_equal(b, '"') | wb_json_mask_equal(b, '\\') | wb_json_mask_below(b, ' ') |
		(b & WB_JSON_EACH(0x80));
}

static inline wb_json_mask wb_json_mask_not_digit(wb_json_block b)
{
	return wb_json_mask_below(b ^ WB_JSON_EACH('0'), 10) ^ WB_JSON_EACH(0x80);
}

static inline wb_json_mask wb_json_mask_not_space(wb_json_block b)
{
	return (wb_json_mask_equal(b, ' ') | wb_json_mask_equal(b, '\n') | wb_json_mask_equal(b, '\t') |
		       wb_json_mask_equal(b, '\r')) ^
		WB_JSON_EACH(0x80);
}

#endif

static inline const char *wb_json_lex_space(const struct wb_json_lex *x, const char *p)
{
	if (WB_LIKELY(p < x->end && (unsigned char)*p > ' '))
		return p;
	return wb_json_lex_space_run(x, p);
}

/* p is after the opening quote; gives the position after the closing one. */
static inline const char *wb_json_lex_string(struct wb_json_lex *x, const char *p)
{
	for (;;) {
		wb_json_mask special = wb_json_mask_special(wb_json_lex_load(x, p));

		if (special == 0) {
			p += WB_JSON_BLOCK_BYTES;
			continue;
		}
		p += wb_json_mask_first(special);
		if (WB_LIKELY(p < x->end && *p == '"'))
			return p + 1;
		p = wb_json_lex_string_special(x, p);
		if (p == NULL)
			return NULL;
	}
}

/* p is at the first byte of whatever stands where a value should and is neither string, container nor literal. */
static inline const char *wb_json_lex_number(struct wb_json_lex *x, const char *p)
{
	const char *digits = p + (wb_json_lex_peek(x, p) == '-');
	wb_json_mask stops = wb_json_mask_not_digit(wb_json_lex_load(x, digits));
	const char *after = stops ? digits + wb_json_mask_first(stops) : wb_json_lex_digits(x, digits);
	unsigned char next;

	if (WB_UNLIKELY(after == digits))
		return wb_json_lex_fail(x, after, digits == p ? "a value is missing" : "a digit is missing");
	if (WB_UNLIKELY(*digits == '0' && after > digits + 1))
		return wb_json_lex_fail(x, digits + 1, "a number has a leading zero");
	next = wb_json_lex_peek(x, after);
	if (next == '.') {
		const char *fraction = after + 1;

		/* One block mostly holds the whole number: its second stop is the fraction's end. */
		stops &= stops - 1;
		after = stops ? digits + wb_json_mask_first(stops) : wb_json_lex_digits(x, fraction);
		if (WB_UNLIKELY(after == fraction))
			return wb_json_lex_fail(x, after, "a digit is missing");
		next = wb_json_lex_peek(x, after);
	}
	if (WB_UNLIKELY((next | 0x20) == 'e'))
		return wb_json_lex_exponent(x, after + 1);
	return after;
}

/* wb_json_lex_value without a call for the most frequent values. */
static inline const char *wb_json_lex_any(struct wb_json_lex *x, const char *p, unsigned depth_max)
{
	unsigned char c = wb_json_lex_peek(x, p);

	if (c == '"')
		return wb_json_lex_string(x, p + 1);
	if (c >= '0' && c <= '9')
		return wb_json_lex_number(x, p);
	return wb_json_lex_value(x, p, depth_max);
}

/* p is where a member of an object must start; gives the position of its value, the name's quotes included in
 * *ret_name. */
static inline const char *wb_json_lex_member(struct wb_json_lex *x, const char *p, struct wb_slice *ret_name)
{
	const char *name = p;

	if (WB_UNLIKELY(wb_json_lex_peek(x, p) != '"'))
		return wb_json_lex_fail(x, p, "a member name is missing");
	p = wb_json_lex_string(x, p + 1);
	if (WB_UNLIKELY(p == NULL))
		return NULL;
	*ret_name = wb_slice(name, (size_t)(p - name));
	p = wb_json_lex_space(x, p);
	if (WB_UNLIKELY(wb_json_lex_peek(x, p) != ':'))
		return wb_json_lex_fail(x, p, "a colon is missing after a member name");
	return wb_json_lex_space(x, p + 1);
}

static inline enum wb_json_type wb_json_lex_type(unsigned char first)
{
	switch (first) {
	case '{':
		return WB_JSON_OBJECT;
	case '[':
		return WB_JSON_ARRAY;
	case '"':
		return WB_JSON_STRING;
	case 't':
		return WB_JSON_TRUE;
	case 'f':
		return WB_JSON_FALSE;
	case 'n':
		return WB_JSON_NULL;
	default:
		return first == '-' || (first >= '0' && first <= '9') ? WB_JSON_NUMBER : WB_JSON_ABSENT;
	}
}

#endif
