/* What one instruction set makes of a document, to be held against another's: for the unit test and the fuzzer.
 *
 * Not thread-safe: one owner; slices point into the text.
 */
#ifndef WB_TESTS_JSON_JUDGEMENT_H
#define WB_TESTS_JSON_JUDGEMENT_H

#include "common/base/json_blocks.h"

struct judgement {
	struct wb_json_lex x;
	struct wb_json_document document;
	enum wb_json_status status;
	const char *after;
};

static inline struct judgement judge(enum wb_json_isa isa, struct wb_slice text, const struct wb_json_paths *paths)
{
	char tail[WB_JSON_TAIL_BYTES];
	struct judgement j = { .x = wb_json_lex_init(&text, tail) };
	struct wb_json_search s;

	j.after = wb_json_search(isa, &j.x, text.data, paths, &s, &j.status);
	if (j.status == WB_JSON_OK)
		j.document = wb_json_search_result(&s, paths, wb_slice(text.data, (size_t)(j.after - text.data)));
	return j;
}

#endif
