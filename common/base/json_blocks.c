#include "common/base/json_blocks.h"

#include "common/base/json_grammar.h"

bool wb_json_grammar_members(struct wb_json_search *s, const char *p, uint64_t names, uint64_t closing)
{
	struct wb_json_lex *x = s->x;

	for (; names; names &= names - 1) {
		unsigned i = (unsigned)__builtin_ctzll(names), matched;
		uint64_t ends = closing & ~UINT64_C(0) << i;
		const char *at = p + i, *end = ends ? p + __builtin_ctzll(ends) + 1 : wb_json_lex_string(x, at + 1);
		bool entered;

		if (!end)
			return false;
		/* The tokens judge names with escapes. */
		matched = wb_json_search_match(s, wb_slice(at, (size_t)(end - at)), false);
		if (!matched)
			continue;
		end = wb_json_lex_space(x, end);
		if (matched == UINT8_MAX || wb_json_lex_peek(x, end) != ':' ||
			!wb_json_search_value(s, wb_json_lex_space(x, end + 1), matched, &entered))
			return false;
	}
	return true;
}

enum { HEX = 1, ESCAPE = 2 };

static const unsigned char escape_kinds[256] = {
	['0'] = HEX,
	['1'] = HEX,
	['2'] = HEX,
	['3'] = HEX,
	['4'] = HEX,
	['5'] = HEX,
	['6'] = HEX,
	['7'] = HEX,
	['8'] = HEX,
	['9'] = HEX,
	['A'] = HEX,
	['B'] = HEX,
	['C'] = HEX,
	['D'] = HEX,
	['E'] = HEX,
	['F'] = HEX,
	['a'] = HEX,
	['b'] = HEX | ESCAPE,
	['c'] = HEX,
	['d'] = HEX,
	['e'] = HEX,
	['f'] = HEX | ESCAPE,
	['"'] = ESCAPE,
	['\\'] = ESCAPE,
	['/'] = ESCAPE,
	['n'] = ESCAPE,
	['r'] = ESCAPE,
	['t'] = ESCAPE,
};

static unsigned escape_kind(char c)
{
	return escape_kinds[(unsigned char)c];
}

uint64_t wb_json_grammar_escapes(struct wb_json_lex *x, const char *p, uint64_t escaped)
{
	uint64_t wrong = 0;

	for (; escaped; escaped &= escaped - 1) {
		const char *c = p + __builtin_ctzll(escaped);
		bool good;

		/* The document still needs a quote and a brace behind it. */
		if (x->end - c <= 4)
			good = c < x->end && escape_kind(*c) & ESCAPE;
		else if (*c == 'u')
			good = escape_kind(c[1]) & escape_kind(c[2]) & escape_kind(c[3]) & escape_kind(c[4]) & HEX;
		else
			good = escape_kind(*c) & ESCAPE;
		if (!good)
			wrong |= escaped & -escaped;
	}
	return wrong;
}

uint64_t wb_json_grammar_literals(
	struct wb_json_lex *x, const char *p, uint64_t starts, uint64_t *in_literal, uint64_t *ret)
{
	uint64_t wrong = 0, literals = *in_literal;

	*in_literal = 0;
	for (; starts; starts &= starts - 1) {
		unsigned i = (unsigned)__builtin_ctzll(starts);
		/* The last block is filled up with zeros. */
		const char *after = (size_t)(x->end - p) > i ? wb_json_lex_literal(x, p + i) : NULL;
		uint64_t bytes;

		if (!after) {
			wrong |= starts & -starts;
			continue;
		}
		bytes = (UINT64_C(1) << (after - p - i)) - 1;
		literals |= bytes << i;
		if (i > 0)
			*in_literal |= bytes >> (64 - i);
	}
	*ret = literals;
	return wrong;
}

#if defined(__x86_64__)

#define BYTE(n)    (uint32_t)(n) * 0x01010101U
#define BYTES4(n)  BYTE(n), BYTE((n) + 1), BYTE((n) + 2), BYTE((n) + 3)
#define BYTES16(n) BYTES4(n), BYTES4((n) + 4), BYTES4((n) + 8), BYTES4((n) + 12)
#define BYTES64(n) BYTES16(n), BYTES16((n) + 16), BYTES16((n) + 32), BYTES16((n) + 48)

const uint32_t wb_json_bytes[256] = { BYTES64(0), BYTES64(64), BYTES64(128), BYTES64(192) };

bool wb_json_isa_runs(enum wb_json_isa isa)
{
	bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
		__builtin_cpu_supports("pclmul");

	switch (isa) {
	case WB_JSON_ISA_NONE:
		return true;
	case WB_JSON_ISA_AVX2:
		return avx2;
	case WB_JSON_ISA_AVX512:
		return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512vbmi2");
	case WB_JSON_ISAS:
		break;
	}
	return false;
}

enum wb_json_isa wb_json_isa_best(void)
{
	return wb_json_isa_runs(WB_JSON_ISA_AVX512)  ? WB_JSON_ISA_AVX512
		: wb_json_isa_runs(WB_JSON_ISA_AVX2) ? WB_JSON_ISA_AVX2
						     : WB_JSON_ISA_NONE;
}

const char *wb_json_blocks_search(enum wb_json_isa isa, struct wb_json_search *s, const char *p)
{
	switch (isa) {
	case WB_JSON_ISA_AVX2:
		return wb_json_blocks_avx2(s, p);
	case WB_JSON_ISA_AVX512:
		return wb_json_blocks_avx512(s, p);
	case WB_JSON_ISA_NONE:
	case WB_JSON_ISAS:
		break;
	}
	return NULL;
}

#else

bool wb_json_isa_runs(enum wb_json_isa isa)
{
	return isa == WB_JSON_ISA_NONE;
}

enum wb_json_isa wb_json_isa_best(void)
{
	return WB_JSON_ISA_NONE;
}

const char *wb_json_blocks_search(enum wb_json_isa isa, struct wb_json_search *s, const char *p)
{
	(void)isa;
	(void)s;
	(void)p;
	return NULL;
}

#endif
