#include "common/base/json_blocks.h"

#include "common/base/prng.h"
#include "tests/unit/common/base/json_judgement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *const path_texts[] = { "/pk", "/a/b", "/a" };

static bool same_value(const struct wb_json_value *a, const struct wb_json_value *b)
{
	return a->type == b->type && a->raw.data == b->raw.data && a->raw.len == b->raw.len;
}

static bool same_judgement(const struct judgement *a, const struct judgement *b)
{
	if (a->status != b->status || a->after != b->after)
		return false;
	if (!a->after)
		return a->x.error_at == b->x.error_at && a->x.error_text == b->x.error_text;
	if (a->status != WB_JSON_OK)
		return true;
	for (unsigned i = 0; i < WB_JSON_PATHS_MAX; i++)
		if (!same_value(&a->document.keys[i], &b->document.keys[i]))
			return false;
	return same_value(&a->document.id, &b->document.id) && a->document.raw.data == b->document.raw.data &&
		a->document.raw.len == b->document.raw.len;
}

static void add_paths(struct wb_json_paths *paths)
{
	*paths = (struct wb_json_paths){ .count = 0 };
	for (size_t i = 0; i < WB_ARRAY_LEN(path_texts); i++)
		assert_int_equal(wb_json_paths_add(paths, wb_slice_cstr(path_texts[i]), NULL), WB_OK);
}

/* Every instruction set of this machine judges as the tokens do. The text is copied to memory of exactly its size, so
 * that a read past its end is an error. */
static bool all_agree(struct wb_slice text, const struct wb_json_paths *paths)
{
	char *copy = malloc(text.len ? text.len : 1);
	struct judgement tokens;
	bool agree = true;

	assert_non_null(copy);
	memcpy(copy, text.data, text.len);
	text.data = copy;
	tokens = judge(WB_JSON_ISA_NONE, text, paths);
	for (enum wb_json_isa isa = WB_JSON_ISA_NONE + 1; isa < WB_JSON_ISAS && agree; isa++) {
		struct judgement other;

		if (!wb_json_isa_runs(isa))
			continue;
		other = judge(isa, text, paths);
		agree = same_judgement(&tokens, &other);
	}
	free(copy);
	return agree;
}

/* How a document looks to the blocks of one instruction set alone. */
static bool stays_in_blocks(enum wb_json_isa isa, const char *text, const struct wb_json_paths *paths)
{
	struct wb_slice slice = wb_slice_cstr(text);
	char tail[WB_JSON_TAIL_BYTES];
	struct wb_json_lex x = wb_json_lex_init(&slice, tail);
	struct wb_json_search s;

	wb_json_search_init(&s, &x, paths);
	return wb_json_blocks_search(isa, &s, slice.data) == slice.data + slice.len;
}

static const char *const plain_documents[] = {
	"{}",
	"{\"id\":\"a\"}",
	"{\"id\" : \"a\" ,\r\n\t\"pk\":[ ], \"a\":{ }}",
	"{\"id\":\"doc-00000017\",\"pk\":\"tenant-4711\",\"seq\":17,\"entries\":[{\"code\":\"AD-02\",\"name\":"
	"\"Canillo\","
	"\"type\":\"Parish\"},{\"code\":\"AD-03\",\"name\":\"Encamp\",\"type\":\"Parish\"},{\"code\":\"AD-04\"}]}",
	"{\"id\":\"numbers\",\"a\":{\"b\":[0,-0,1.5,-12.25e3,1E+9,2e-7,0.001,1234567890123456789012345678901234567890,"
	"0.1234567890123456789012345678901234567890123456789012345678901234567890e+1234567890,-1,10]},\"pk\":null}",
	"{\"id\":\"Zürich € 𝄞\",\"a\":[true,false,null,[[[{\"x\":[{}]}]]],\"\\u00e9\\n\\\\\\\" "
	"\\/\\b\\f\\r\\t\"],\"pk\":-0.5}",
	"{\"pk\":true,\"a\":{\"x\":{\"b\":1},\"b\":{\"b\":2},\"pk\":3},\"b\":4,\"\":5,\"idd\":6,\"i\":7,\"id\":false}",
};

static void good_documents_stay_in_blocks(void **state)
{
	struct wb_json_paths paths;

	(void)state;
	add_paths(&paths);
	for (size_t i = 0; i < WB_ARRAY_LEN(plain_documents); i++) {
		const char *text = plain_documents[i];

		for (enum wb_json_isa isa = WB_JSON_ISA_NONE + 1; isa < WB_JSON_ISAS; isa++)
			if (wb_json_isa_runs(isa) && !stays_in_blocks(isa, text, &paths))
				fail_msg("instruction set %d leaves to the tokens: %s", (int)isa, text);
	}
	wb_json_paths_release(&paths);
}

enum { TEXT_MAX = 4096, LONG = 512 };

/* A good document with space before its end, cut, and with one byte changed, at every place. */
static void changed_documents_are_judged_as_by_tokens(void **state)
{
	static const char changes[] = "{}[]:,\"\\ \n0-+.eEtfnu/a\x01\x80\xbf\xc3\xe0\xed\xf0\xf4\xff";
	struct wb_json_paths paths;
	char text[TEXT_MAX];

	(void)state;
	add_paths(&paths);
	for (size_t i = 0; i < WB_ARRAY_LEN(plain_documents); i++) {
		size_t len = strlen(plain_documents[i]);

		memcpy(text, plain_documents[i], len);
		for (size_t at = 1; at < len; at++) {
			if (!all_agree(wb_slice(text, at), &paths))
				fail_msg("document %zu cut at %zu", i, at);
			for (size_t c = 0; c < sizeof changes; c++) {
				text[at] = changes[c];
				if (!all_agree(wb_slice(text, len), &paths))
					fail_msg("document %zu with %02x at %zu", i, (unsigned char)changes[c], at);
			}
			text[at] = plain_documents[i][at];
		}
	}
	wb_json_paths_release(&paths);
}

struct suite_case {
	const char *name;
	unsigned times;
	struct wb_slice opening, closing;
};

static const struct suite_case suite[] = {
#define CASE(verdict, name, text)                      { name, 1, WB_SLICE_LIT(text), WB_SLICE_LIT("") },
#define NESTED(verdict, name, times, opening, closing) { name, times, WB_SLICE_LIT(opening), WB_SLICE_LIT(closing) },
#include "tests/unit/common/base/jsontestsuite.inc"
};

/* Every case of JSONTestSuite as a member of a document, at every distance from the borders of blocks. */
static void the_suite_is_judged_as_by_tokens(void **state)
{
	struct wb_json_paths paths;

	(void)state;
	add_paths(&paths);
	for (size_t i = 0; i < WB_ARRAY_LEN(suite); i++) {
		const struct suite_case *c = &suite[i];
		char text[TEXT_MAX];

		if (c->times > 1 || c->opening.len > sizeof text / 2)
			continue;
		for (int before = 0; before < 64; before++) {
			int len = snprintf(text, sizeof text, "{\"%.*s\":", before,
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

			assert_in_range(len, 4, sizeof text / 4);
			memcpy(text + len, c->opening.data, c->opening.len);
			len += (int)c->opening.len;
			text[len++] = ',';
			memcpy(text + len, "\"id\":1}", 7);
			if (!all_agree(wb_slice(text, (size_t)len + 7), &paths))
				fail_msg("%s behind %d bytes", c->name, before);
			text[len - 1] = '}';
			if (!all_agree(wb_slice(text, (size_t)len), &paths))
				fail_msg("%s at the end behind %d bytes", c->name, before);
		}
	}
	wb_json_paths_release(&paths);
}

/* Mostly valid documents, written at random; then a byte of each is changed. */
struct writer {
	struct wb_prng prng;
	char text[TEXT_MAX];
	size_t len;
};

static size_t below(struct writer *w, size_t limit)
{
	return wb_prng_next(&w->prng) % limit;
}

static void put(struct writer *w, const char *bytes)
{
	size_t len = strlen(bytes);

	assert_true(w->len + len < sizeof w->text);
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
}

static void put_one_of(struct writer *w, const char *const *choices, size_t count)
{
	put(w, choices[below(w, count)]);
}
#define PUT_ONE_OF(w, ...)                                  \
	put_one_of(w, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void put_space(struct writer *w)
{
	if (below(w, 8) == 0)
		PUT_ONE_OF(w, " ", "\n", "\t\r ", "                    ");
}

static void put_string(struct writer *w)
{
	put(w, "\"");
	for (size_t pieces = below(w, 4); pieces > 0; pieces--)
		PUT_ONE_OF(w, "a", "bcd", "é", "€uro", "𝄞", "\\u00e9", "\\\\", "\\\"", "{}[]:,0",
			"a long run of letters that reaches into the next block for sure", "true");
	put(w, "\"");
}

static void put_value(struct writer *w, unsigned depth);

static void put_container(struct writer *w, unsigned depth, bool object)
{
	size_t members = w->len < LONG ? below(w, 5) : 0;

	put(w, object ? "{" : "[");
	put_space(w);
	for (size_t i = 0; i < members; i++) {
		put(w, i ? "," : "");
		put_space(w);
		if (object) {
			if (below(w, 2))
				PUT_ONE_OF(w, "\"id\"", "\"pk\"", "\"a\"", "\"b\"", "\"\"", "\"i\\u0064\"");
			else
				put_string(w);
			put_space(w);
			put(w, ":");
			put_space(w);
		}
		put_value(w, depth + 1);
		put_space(w);
	}
	put(w, object ? "}" : "]");
}

static void put_value(struct writer *w, unsigned depth)
{
	size_t kind = below(w, depth < 6 && w->len < LONG ? 8 : 4);

	if (kind >= 4)
		put_container(w, depth, kind < 7);
	else if (kind == 3)
		PUT_ONE_OF(w, "true", "false", "null");
	else if (kind == 2)
		PUT_ONE_OF(w, "0", "-0.0", "17", "1e5", "-12345678901234567890.123456789E-12", "0.5", "3E+1");
	else
		put_string(w);
}

static void random_documents_are_judged_as_by_tokens(void **state)
{
	struct writer w = { .prng = { 1 } };
	struct wb_json_paths paths;

	(void)state;
	add_paths(&paths);
	for (unsigned i = 0; i < 20000; i++) {
		w.len = 0;
		put_container(&w, 0, true);
		if (below(&w, 4) == 0)
			put(&w, ",{\"\\");
		for (unsigned changes = 0; changes < 4; changes++) {
			if (!all_agree(wb_slice(w.text, w.len), &paths))
				fail_msg("document %u: %.*s", i, (int)w.len, w.text);
			w.text[1 + below(&w, w.len - 1)] = "{}[]:,\"\\ 0-+.et\x1f\x80\xc3"[below(&w, 18)];
		}
	}
	wb_json_paths_release(&paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_documents_stay_in_blocks),
		cmocka_unit_test(changed_documents_are_judged_as_by_tokens),
		cmocka_unit_test(the_suite_is_judged_as_by_tokens),
		cmocka_unit_test(random_documents_are_judged_as_by_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
