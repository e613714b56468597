/* The loop over the blocks, for the instruction set of the file that includes this, once. It has defined BLOCK_TARGET,
 * the compiler's attribute for the set; block, 64 bytes in registers; equal, below (as signed bytes), at_least (as
 * unsigned ones), digits, high and bit5, which make bitmaps of a block; lower, which sets its bit 5; prefix_xor over a
 * bitmap; and last, last_init and load_some, which load a block that may reach over the end of the text.
 *
 * Pure. Thread-safe: each search has one owner.
 */
#ifndef WB_COMMON_BASE_JSON_BLOCKS_LOOP_H
#define WB_COMMON_BASE_JSON_BLOCKS_LOOP_H

#include "common/base/json_grammar.h"

#ifdef BLOCK_TARGET

#define BLOCK_INLINE BLOCK_TARGET WB_JSON_INLINE

BLOCK_INLINE struct wb_json_number_kinds number_kinds_of(block bytes)
{
	return (struct wb_json_number_kinds){
		.digit = digits(bytes),
		.zero = equal(bytes, '0'),
		.point = equal(bytes, '.'),
		.exponent = equal(lower(bytes), 'e'),
		.minus = equal(bytes, '-'),
		.plus = equal(bytes, '+'),
	};
}

BLOCK_INLINE struct wb_json_utf8_kinds utf8_kinds_of(block bytes)
{
	return (struct wb_json_utf8_kinds){
		.high = high(bytes),
		.continuation = below(bytes, 0xc0),
		.lead3 = at_least(bytes, 0xe0),
		.lead4 = at_least(bytes, 0xf0),
		.bad = equal(bytes, 0xc0) | equal(bytes, 0xc1) | at_least(bytes, 0xf5),
		.e0 = equal(bytes, 0xe0),
		.ed = equal(bytes, 0xed),
		.f0 = equal(bytes, 0xf0),
		.f4 = equal(bytes, 0xf4),
		.from_90 = at_least(bytes, 0x90),
		.from_a0 = at_least(bytes, 0xa0),
	};
}

/* Numbers and UTF-8 are judged outside the loop, which has too few registers as it is. */
BLOCK_TARGET static __attribute__((noinline)) uint64_t judge_scalars(
	struct wb_json_scalar_state *st, struct wb_json_lex *x, const char *p, const block *bytes, uint64_t scalar)
{
	struct wb_json_number_kinds numbers = number_kinds_of(*bytes);

	return wb_json_scalars(st, x, p, scalar, &numbers);
}

BLOCK_TARGET static __attribute__((noinline)) uint64_t judge_utf8(struct wb_json_utf8_state *st, const block *bytes)
{
	struct wb_json_utf8_kinds utf8 = utf8_kinds_of(*bytes);

	return wb_json_utf8(st, &utf8);
}

/* Finds the strings. Returns what is wrong with their escapes. */
BLOCK_INLINE uint64_t find_strings(
	struct wb_json_state *st, struct wb_json_lex *x, block bytes, struct wb_json_block_masks *b)
{
	uint64_t quote = equal(bytes, '"'), escaped = 0;

	b->backslash = equal(bytes, '\\');
	if (b->backslash | st->escaped) {
		escaped = wb_json_escaped(b->backslash, &st->escaped);
		quote &= ~escaped;
	}
	b->string = prefix_xor(quote) ^ st->in_string;
	st->in_string = -(b->string >> 63);
	b->opening = quote & b->string;
	b->closing = quote & ~b->string;
	return WB_UNLIKELY(escaped) ? wb_json_grammar_escapes(x, b->p, escaped & b->string) : 0;
}

/* Finds everything else. */
BLOCK_INLINE void find_tokens(block bytes, uint64_t text, bool special, struct wb_json_block_masks *b)
{
	block folded = lower(bytes);
	uint64_t outside = text & ~b->string;

	b->space = equal(bytes, ' ');
	if (special)
		b->space |= equal(bytes, '\t') | equal(bytes, '\n') | equal(bytes, '\r');
	b->space &= outside;
	b->open = equal(folded, '{') & outside;
	b->close = equal(folded, '}') & outside;
	b->curly = bit5(bytes);
	b->comma = equal(bytes, ',') & outside;
	b->colon = equal(bytes, ':') & outside;
	b->scalar = outside & ~(b->closing | b->open | b->close | b->comma | b->colon | b->space);
}

BLOCK_INLINE const char *search_blocks(struct wb_json_search *s, const char *p)
{
	struct wb_json_lex *x = s->x;
	/* The first brace stands where a value may. */
	struct wb_json_state st = { .after_colon = 1 };
	struct wb_json_scalar_state scalars = { .in_whole = 0 };
	struct wb_json_utf8_state utf8 = { .continuation = 0 };
	struct last last;

	last_init(&last, p, x->end);
	for (;; p += WB_JSON_BITMAP_BYTES) {
		size_t left = (size_t)(x->end - p);
		block bytes = load_some(&last, p, left);
		/* The last block is filled up with zeros. */
		uint64_t text = left < WB_JSON_BITMAP_BYTES ? ~(~UINT64_C(0) << left) : ~UINT64_C(0);
		struct wb_json_block_masks b = { .p = p };
		uint64_t special = below(bytes, ' ') & text; /* control bytes, and all that is not ASCII */
		uint64_t wrong, names, objects = 0, in_document;

		wrong = find_strings(&st, x, bytes, &b);
		find_tokens(bytes, text, special != 0, &b);
		if (special | utf8.continuation) {
			block copy = bytes;

			wrong |= (special & ~high(bytes) & b.string) | judge_utf8(&utf8, &copy);
		}
		b.scalar_start = b.scalar & ~wb_json_next(b.scalar, &st.in_scalar);
		if (b.scalar | scalars.in_scalar) {
			block copy = bytes;

			wrong |= judge_scalars(&scalars, x, p, &copy, b.scalar);
		}
		wrong |= wb_json_order(&st, &b, &names);
		in_document = wb_json_nesting(&st, s, &b, names & b.opening, &objects);
		wrong |= wb_json_names(&st, &b, names & objects);
		if (WB_UNLIKELY(in_document == 0 || (wrong & in_document)))
			return NULL;
		if (st.depth == 0)
			return p + WB_JSON_BITMAP_BYTES - __builtin_clzll(in_document);
		if (left <= WB_JSON_BITMAP_BYTES)
			return NULL;
	}
}

#endif

#endif
