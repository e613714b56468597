/* The grammar of JSON as arithmetic on bitmaps: bit i of a mask stands for byte i of a block of 64.
 *
 * The inside of json_blocks.h. A run of bits is followed to its end by adding its first bit: the carry stops behind the
 * run. What reaches over a block's end, that carry too, is kept for the next block. Everything is inlined into the
 * loop over the blocks, so that masks stay in registers and each instruction set makes the best of them.
 * Pure. Thread-safe: each state has one owner.
 */
#ifndef WB_COMMON_BASE_JSON_GRAMMAR_H
#define WB_COMMON_BASE_JSON_GRAMMAR_H

#include "common/base/json_search.h"

#define WB_JSON_INLINE static inline __attribute__((always_inline))

enum { WB_JSON_BITMAP_BYTES = 64 };

struct wb_json_number_kinds {
	uint64_t digit, zero, point, exponent, minus, plus;
};
struct wb_json_utf8_kinds {
	uint64_t high, continuation;
	uint64_t lead3, lead4;     /* first bytes of at least three, of four */
	uint64_t bad;              /* C0, C1, F5 and above */
	uint64_t e0, ed, f0, f4;   /* after these, not every continuation is allowed */
	uint64_t from_90, from_a0; /* bytes from here on */
};

/* What of a document has been read, between two blocks. What is after or in something is 1 or 0: whether that goes on at
 * the first byte of the next block. */
struct wb_json_state {
	uint64_t in_string; /* all ones or none */
	uint64_t in_name, in_scalar, escaped;
	uint64_t after_open, after_comma, after_colon, after_name; /* with nothing but space since */
	uint64_t containers; /* open ones, the innermost lowest: 1 is an object */
	unsigned depth; /* how many; 0 before and after the document */
};
struct wb_json_scalar_state {
	uint64_t in_scalar;
	uint64_t in_whole, in_fraction, after_zero, after_minus, after_point, after_exponent, after_sign;
	uint64_t in_literal, after_literal; /* in_literal: its bytes */
};
struct wb_json_utf8_state {
	uint64_t continuation; /* the bytes that must be one */
	uint64_t after_e0, after_ed, after_f0, after_f4;
};

/* One block. Strings are left out of every mask from open on. */
struct wb_json_block_masks {
	const char *p;
	uint64_t string; /* from each opening quote to before the closing one */
	uint64_t opening, closing; /* quotes */
	uint64_t backslash;
	uint64_t open, close; /* braces and brackets */
	uint64_t curly; /* which of these are braces */
	uint64_t comma, colon, space;
	uint64_t scalar, scalar_start;
};

/* Each bit moves on by one byte; *carry is what comes in from the block before and goes out to the next. */
WB_JSON_INLINE uint64_t wb_json_next(uint64_t mask, uint64_t *carry)
{
	uint64_t next = mask << 1 | *carry;

	*carry = mask >> 63;
	return next;
}

/* The bits behind the runs that start at these bits. No run starts where one comes in from the block before. */
WB_JSON_INLINE uint64_t wb_json_behind(uint64_t starts, uint64_t runs, uint64_t *carry)
{
	uint64_t sum;

	*carry = __builtin_add_overflow(runs, starts | *carry, &sum);
	return sum & ~runs;
}

/* The first byte after each that is no space. */
WB_JSON_INLINE uint64_t wb_json_follower(uint64_t mask, uint64_t space, uint64_t *carry)
{
	uint64_t over = mask >> 63, next;

	if (WB_LIKELY(!space))
		return wb_json_next(mask, carry);
	next = wb_json_behind(mask << 1, space, carry);
	*carry |= over;
	return next;
}

/* Which bytes are escaped: every second one of a run of backslashes, and what stands behind an odd run. */
WB_JSON_INLINE uint64_t wb_json_escaped(uint64_t backslash, uint64_t *carry)
{
	const uint64_t odd = UINT64_C(0xaaaaaaaaaaaaaaaa);
	uint64_t start = backslash & ~*carry;
	uint64_t codes = (((start << 1) | odd) - start) ^ odd;
	uint64_t escaped = codes ^ (backslash | *carry);

	*carry = (codes & backslash) >> 63;
	return escaped;
}

/* What follows returns masks of what is wrong. */

/* Escapes, by the byte after the backslash. */
uint64_t wb_json_grammar_escapes(struct wb_json_lex *x, const char *p, uint64_t escaped);
/* The literals that start at these bits. *ret: their bytes, with those of one that began in the block before. */
uint64_t wb_json_grammar_literals(
	struct wb_json_lex *x, const char *p, uint64_t starts, uint64_t *in_literal, uint64_t *ret);

/* Numbers and literals. */
WB_JSON_INLINE uint64_t wb_json_scalars(struct wb_json_scalar_state *st, struct wb_json_lex *x, const char *p,
	uint64_t scalar, const struct wb_json_number_kinds *k)
{
	uint64_t start = scalar & ~wb_json_next(scalar, &st->in_scalar);
	uint64_t literal = start & ~(k->digit | k->minus), wrong = 0;
	uint64_t digit, point, exponent, minus, sign, whole, whole_end, fraction, fraction_end, power, power_digits;

	if (literal | st->in_literal)
		wrong = wb_json_grammar_literals(x, p, literal, &st->in_literal, &literal);
	scalar &= ~literal;
	digit = k->digit & scalar;
	point = k->point & scalar;
	exponent = k->exponent & scalar;
	minus = k->minus & start;
	sign = (k->minus | k->plus) & scalar & ~minus;
	whole = (start & digit) | wb_json_next(minus, &st->after_minus);
	whole_end = wb_json_behind(whole, digit, &st->in_whole);
	fraction = wb_json_next(point, &st->after_point);
	fraction_end = wb_json_behind(fraction, digit, &st->in_fraction);
	power = wb_json_next(exponent, &st->after_exponent);
	power_digits = (power & ~sign) | wb_json_next(sign, &st->after_sign);
	wrong |= wb_json_next(whole & k->zero, &st->after_zero) & digit;
	wrong |= (point & ~whole_end) | (exponent & ~(whole_end | fraction_end)) | (sign & ~power);
	wrong |= (whole | fraction | power_digits) & ~digit;
	wrong |= scalar & ~(digit | point | exponent | sign | minus);
	return wrong | (wb_json_next(literal, &st->after_literal) & scalar);
}

/* UTF-8, in strings or not. */
WB_JSON_INLINE uint64_t wb_json_utf8(struct wb_json_utf8_state *st, const struct wb_json_utf8_kinds *k)
{
	uint64_t lead = k->high & ~k->continuation;
	uint64_t expected = lead << 1 | k->lead3 << 2 | k->lead4 << 3 | st->continuation;
	uint64_t wrong = (expected ^ k->continuation) | k->bad;

	st->continuation = lead >> 63 | k->lead3 >> 62 | k->lead4 >> 61;
	wrong |= wb_json_next(k->e0, &st->after_e0) & ~k->from_a0;
	wrong |= wb_json_next(k->ed, &st->after_ed) & k->from_a0;
	wrong |= wb_json_next(k->f0, &st->after_f0) & ~k->from_90;
	wrong |= wb_json_next(k->f4, &st->after_f4) & k->from_90;
	return wrong;
}

/* The tokens' order, except what is said of names in wb_json_names. *ret_names: what stands where a name would in an
 * object. */
WB_JSON_INLINE uint64_t wb_json_order(
	struct wb_json_state *st, const struct wb_json_block_masks *b, uint64_t *ret_names)
{
	uint64_t after_open = wb_json_follower(b->open, b->space, &st->after_open);
	uint64_t after_comma = wb_json_follower(b->comma, b->space, &st->after_comma);
	uint64_t after_colon = wb_json_follower(b->colon, b->space, &st->after_colon);
	uint64_t value = b->opening | b->open | b->scalar_start, separator = b->comma | b->colon;
	uint64_t expected = after_open | after_comma | after_colon;

	*ret_names = after_open | after_comma;
	return (value & ~expected) | (separator & expected) | (b->close & (after_comma | after_colon));
}

/* What stands where a name should is one, and a colon follows each name and nothing else. */
WB_JSON_INLINE uint64_t wb_json_names(struct wb_json_state *st, const struct wb_json_block_masks *b, uint64_t names)
{
	uint64_t wrong = names & ~(b->opening | b->close), sum;
	bool over = __builtin_add_overflow(b->string, (names & b->opening) | st->in_name, &sum);

	st->in_name = over;
	wrong |= b->colon ^ wb_json_follower(sum & ~b->string, b->space, &st->after_name);
	/* An escape in a name: no error, but for the tokens to decode. */
	return wrong | (b->backslash & b->string & ~sum);
}

/* Tells the search of those of the innermost level's members whose names open at these bits. False when the tokens
 * must judge. */
bool wb_json_grammar_members(struct wb_json_search *s, const char *p, uint64_t names, uint64_t closing);

/* Of the innermost level's names, those as long as one that is wanted, and the one that does not end in this block. */
WB_JSON_INLINE uint64_t wb_json_candidates(const struct wb_json_search *s, uint64_t names, uint64_t closing)
{
	uint64_t found = closing ? ~UINT64_C(0) << (63 - __builtin_clzll(closing)) : ~UINT64_C(0);

	for (unsigned i = 0; i < WB_JSON_TARGETS_MAX; i++) {
		found |= closing >> s->spans[i];
		if (WB_UNLIKELY(s->spans[i] == 63))
			return names;
	}
	return names & found;
}

/* From bracket to bracket: containers match, and members are told of. *ret_objects: the bytes whose innermost
 * container is an object. Returns the bytes of the document in this block: all of them, but in the last one, after
 * which the depth is 0. Returns 0 when the tokens must judge. */
WB_JSON_INLINE uint64_t wb_json_nesting(struct wb_json_state *st, struct wb_json_search *s,
	const struct wb_json_block_masks *b, uint64_t names, uint64_t *ret_objects)
{
	uint64_t brackets = b->open | b->close, ahead = ~UINT64_C(0), containers = st->containers;
	uint64_t objects = -(containers & 1);
	unsigned depth = st->depth, level = s->depth + 1;

	for (;;) {
		uint64_t bit = brackets & -brackets, curly;

		if (depth == level && (names & ahead & (bit - 1))) {
			uint64_t candidates = wb_json_candidates(s, names & ahead & (bit - 1), b->closing);

			if (candidates && !wb_json_grammar_members(s, b->p, candidates, b->closing))
				return 0;
			level = s->depth + 1;
		}
		if (bit == 0)
			break;
		brackets &= brackets - 1;
		ahead = bit ^ -bit;
		curly = (b->curly & bit) != 0;
		if (b->open & bit) {
			containers = containers << 1 | curly;
			if (++depth > 64)
				return 0;
		} else {
			if ((containers & 1) != curly || depth < level)
				return 0;
			if (depth == level) {
				if (level == 1) {
					st->depth = 0;
					*ret_objects = objects;
					return ~ahead;
				}
				wb_json_search_leave(s, b->p + __builtin_ctzll(bit) + 1);
				level--;
			}
			containers >>= 1;
			depth--;
		}
		objects = (objects & ~ahead) | (-(containers & 1) & ahead);
	}
	st->containers = containers;
	st->depth = depth;
	*ret_objects = objects;
	return ~UINT64_C(0);
}

#endif
