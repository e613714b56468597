/* Documents judged in blocks of 64 bytes: what kind each byte is becomes bitmaps, and the grammar becomes arithmetic
 * on them, so that a block costs about the same whatever tokens are in it.
 *
 * The inside of json_scan.h, the fast one of its two ways. It only ever says yes: what it does not accept (not JSON,
 * a duplicate, escapes in names, more than 64 open containers) goes to the tokens of json_lex.h, which say what is wrong
 * and where. Which instruction set the processor has is asked for each document; without one that is quick at this
 * (x86-64 before AVX2, and aarch64, where making a bitmap costs too much) documents go to the tokens at once.
 * Pure. Thread-safe.
 */
#ifndef WB_COMMON_BASE_JSON_BLOCKS_H
#define WB_COMMON_BASE_JSON_BLOCKS_H

#include "common/base/json_search.h"

/* Slowest first. */
enum wb_json_isa {
	WB_JSON_ISA_NONE, /* no blocks, only tokens */
	WB_JSON_ISA_AVX2,
	WB_JSON_ISA_AVX512, /* with VBMI2, so no processor that slows down where it is used */
	WB_JSON_ISAS
};

/* Whether this machine has it. */
bool wb_json_isa_runs(enum wb_json_isa isa);
/* The fastest one that runs. */
enum wb_json_isa wb_json_isa_best(void);

/* What documents are judged with; tests define another one. */
#ifndef WB_JSON_ISA
#define WB_JSON_ISA wb_json_isa_best()
#endif

/* Validates the document at p and finds what paths and the id say, in blocks if isa has them and then, if need be, by
 * tokens. The position after the value for WB_JSON_OK, when *s has what was found, and for WB_JSON_NOT_OBJECT; else
 * NULL. isa must run. */
const char *wb_json_search(enum wb_json_isa isa, struct wb_json_lex *x, const char *p,
	const struct wb_json_paths *paths, struct wb_json_search *s, enum wb_json_status *ret_status);

/* Judges the document at p, which is its opening brace, and finds what s looks for. The position after the document,
 * or NULL when it must be judged by tokens: then s and what it found mean nothing. isa must run. */
const char *wb_json_blocks_search(enum wb_json_isa isa, struct wb_json_search *s, const char *p);

/* Every byte four times, to fill registers from. The compiler must not see what is in it: it would make the constants
 * before the loop over the blocks, for each document, and keep them on the stack. */
extern const uint32_t wb_json_bytes[256];
static inline const uint32_t *wb_json_each(void)
{
	const uint32_t *each = wb_json_bytes;

	__asm__("" : "+r"(each));
	return each;
}

/* One for each instruction set, behind wb_json_blocks_search. */
const char *wb_json_blocks_avx2(struct wb_json_search *s, const char *p);
const char *wb_json_blocks_avx512(struct wb_json_search *s, const char *p);

#endif
