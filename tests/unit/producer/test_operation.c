#include "producer/operation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PATCH "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1.0}]"

/* The object read as an element of "operations", or, where not named, as one of deletes or patches. */
struct reading {
	struct wb_item_rules rules;
	struct wb_item_judge judge;
	struct wb_batch_write write;
	struct wb_request_error error;
	bool good;
};

static void read_object(struct reading *g, const char *text, enum wb_op op, bool named, const char *path)
{
	struct wb_operation_place at = { .judge = &g->judge,
		.op = op,
		.named = named,
		.index = 4,
		.seq = 4,
		.bytes_of = "the test",
		.error = &g->error };
	struct wb_json_reader r;

	*g = (struct reading){ .rules = { .record_bytes_max = 10000 } };
	if (path)
		assert_int_equal(wb_json_paths_add(&g->rules.paths, wb_slice_cstr(path), NULL), WB_OK);
	assert_int_equal(wb_item_judge_init(&g->judge, &g->rules, wb_slice(NULL, 0)), WB_OK);
	wb_json_reader_init(&r, wb_slice_cstr(text));
	g->good = wb_operation_read(&at, &r, &g->write);
	if (g->good)
		assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);
}

static void release(struct reading *g)
{
	wb_item_judge_release(&g->judge);
	wb_json_paths_release(&g->rules.paths);
}

static bool is(struct wb_slice s, const char *text)
{
	return text ? s.data && wb_slice_eq_cstr(s, text) : !s.data;
}

static void every_operation_is_read(void **state)
{
	static const struct {
		const char *text;
		enum wb_op op;
		const char *id, *document, *key, *if_match, *if_none_match;
	} rows[] = {
		{ "{\"document\":{\"id\":\"a\", \"n\":1.0}}", WB_OP_UPSERT, "a", "{\"id\":\"a\", \"n\":1.0}", NULL,
			NULL, NULL },
		{ "{\"document\":{\"id\":\"a\"},\"op\":\"upsert\",\"ifMatch\":\"\\\"e\\\"\"}", WB_OP_UPSERT, "a",
			"{\"id\":\"a\"}", NULL, "\"e\"", NULL },
		{ "{\"ifNoneMatch\":\"\\u0065\",\"document\":{\"id\":\"a\"}}", WB_OP_UPSERT, "a", "{\"id\":\"a\"}",
			NULL, NULL, "e" },
		{ "{\"op\":\"create\",\"document\":{\"id\":\"\\u0061\"}}", WB_OP_CREATE, "a", "{\"id\":\"\\u0061\"}",
			NULL, NULL, NULL },
		{ "{\"op\":\"create\",\"document\":{\"id\":\"a\"},\"ifNoneMatch\":\"*\"}", WB_OP_CREATE, "a",
			"{\"id\":\"a\"}", NULL, NULL, "*" },
		{ "{\"op\":\"replace\",\"document\":{\"id\":\"a\",\"pk\":1},\"partitionKey\":[1.0],\"ifMatch\":\"e\"}",
			WB_OP_REPLACE, "a", "{\"id\":\"a\",\"pk\":1}", "[1]", "e", NULL },
		{ "{\"partitionKey\":\"\\u00e9\",\"document\":{\"id\":\"a\"}}", WB_OP_UPSERT, "a", "{\"id\":\"a\"}",
			"[\"\\u00e9\"]", NULL, NULL },
		{ "{\"op\":\"delete\",\"id\":\"a\",\"partitionKey\":[\"x\",null,{}],\"ifMatch\":\"*\"}", WB_OP_DELETE,
			"a", NULL, "[\"x\",null,{}]", "*", NULL },
		{ "{\"op\":\"d\\u0065lete\",\"id\":\"a\",\"partitionKey\":null}", WB_OP_DELETE, "a", NULL, "[null]",
			NULL, NULL },
		{ "{\"op\":\"patch\",\"operations\": " PATCH " ,\"id\":\"a\",\"partitionKey\":\"x\"}", WB_OP_PATCH, "a",
			PATCH, "[\"x\"]", NULL, NULL },
		{ "{\"op\":\"patch\",\"operations\":{\"condition\":\"from c\",\"operations\":" PATCH
		  "},\"id\":\"a\",\"partitionKey\":\"x\",\"ifMatch\":\"e\"}",
			WB_OP_PATCH, "a", "{\"condition\":\"from c\",\"operations\":" PATCH "}", "[\"x\"]", "e", NULL },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		static const struct wb_batch_more none;
		const struct wb_batch_more *more;
		struct reading g;

		read_object(&g, rows[i].text, WB_OP_UPSERT, true, NULL);
		if (!g.good)
			fail_msg("%s: %s", rows[i].text, g.error.detail.text);
		more = g.write.more ? g.write.more : &none;
		if (g.write.op != rows[i].op || !is(g.write.id, rows[i].id) ||
			!is(g.write.document, rows[i].document) || !is(more->partition_key, rows[i].key) ||
			!is(more->if_match, rows[i].if_match) || !is(more->if_none_match, rows[i].if_none_match))
			fail_msg("%s is read as something else", rows[i].text);
		release(&g);
	}
}

struct refusal {
	const char *text;
	const char *code;
	enum wb_reason reason;
	const char *says;
};

static void check_refusals(const struct refusal *rows, size_t count, enum wb_op op, bool named, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		struct reading g;

		read_object(&g, rows[i].text, op, named, path);
		if (g.good)
			fail_msg("%s is taken", rows[i].text);
		if (strcmp(g.error.code, rows[i].code) != 0 || g.error.reason != rows[i].reason ||
			!strstr(g.error.detail.text, rows[i].says))
			fail_msg("%s: %s %s: %s", rows[i].text, g.error.code, wb_reason_text(g.error.reason),
				g.error.detail.text);
		assert_int_equal(g.error.index, 4);
		assert_int_equal(g.error.status, g.error.reason == WB_REASON_TOO_LARGE ? 413 : 400);
		release(&g);
	}
}

#define DOC     "\"document\":{\"id\":\"a\",\"pk\":1}"
#define ITEM    "\"id\":\"a\",\"partitionKey\":1"
#define BAD_OP  "invalid-operation", WB_REASON_NONE
#define BAD_DOC "invalid-document"
#define UNKNOWN "unknown-operation", WB_REASON_NONE

static void what_does_not_fit_the_operation_is_refused(void **state)
{
	static const struct refusal rows[] = {
		{ "5", BAD_OP, "an object" },
		{ "[]", BAD_OP, "an object" },
		{ "{}", BAD_OP, "upsert needs \"document\"" },
		{ "{\"op\":\"destroy\"}", UNKNOWN, "upsert, create, replace, delete, patch" },
		{ "{\"op\":null," DOC "}", UNKNOWN, "one of the strings" },
		{ "{\"op\":\"create\"," ITEM "}", BAD_OP, "create needs \"document\"" },
		{ "{\"op\":\"replace\"," DOC ",\"id\":\"a\"}", BAD_OP, "replace takes no \"id\"" },
		{ "{\"op\":\"upsert\"," DOC ",\"operations\":" PATCH "}", BAD_OP, "takes no \"operations\"" },
		{ "{\"op\":\"delete\"," DOC "}", BAD_OP, "delete takes no \"document\"" },
		{ "{\"op\":\"delete\"," ITEM ",\"operations\":" PATCH "}", BAD_OP, "takes no \"operations\"" },
		{ "{\"op\":\"patch\"," ITEM "}", BAD_OP, "patch needs \"operations\"" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":" PATCH "," DOC "}", BAD_OP, "takes no \"document\"" },
		{ "{" DOC ",\"ifMatch\":\"e\",\"ifNoneMatch\":\"e\"}", BAD_OP, "both given" },
		{ "{" DOC ",\"ifMatch\":\"\"}", BAD_OP, "neither * nor an etag" },
		{ "{" DOC ",\"ifMatch\":\"a b\"}", BAD_OP, "\"ifMatch\" is neither" },
		{ "{" DOC ",\"ifNoneMatch\":\"\\u00e9\"}", BAD_OP, "\"ifNoneMatch\" is neither" },
		{ "{" DOC ",\"ifMatch\":\"\\r\\nx\"}", BAD_OP, "neither" },
		{ "{" DOC ",\"ifMatch\":5}", BAD_OP, "\"ifMatch\" is no string" },
		{ "{" DOC ",\"ifMatch\":null}", BAD_OP, "\"ifMatch\" is no string" },
		{ "{\"op\":\"create\"," DOC ",\"ifMatch\":\"e\"}", BAD_OP, "given with create" },
		{ "{\"op\":\"create\"," DOC ",\"ifNoneMatch\":\"e\"}", BAD_OP, "given with create" },
		{ "{\"op\":\"replace\"," DOC ",\"ifNoneMatch\":\"*\"}", BAD_OP, "given with replace" },
		{ "{\"op\":\"delete\"," ITEM ",\"ifNoneMatch\":\"*\"}", BAD_OP, "given with delete" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":" PATCH ",\"ifNoneMatch\":\"*\"}", BAD_OP,
			"given with patch" },
		{ "{" DOC ",\"etag\":\"e\"}", "unknown-member", WB_REASON_NONE, "the member \"etag\" is not known" },
		{ "{" DOC "," DOC "}", "duplicate-member", WB_REASON_NONE, "the member \"document\" stands twice" },
		{ "{\"ifMatch\":\"e\",\"if\\u004datch\":\"e\"}", "duplicate-member", WB_REASON_NONE, "twice" },
	};

	(void)state;
	check_refusals(rows, WB_ARRAY_LEN(rows), WB_OP_UPSERT, true, NULL);
}

static void what_would_be_a_dead_letter_has_its_reason(void **state)
{
	static const struct refusal rows[] = {
		{ "{\"document\":5}", BAD_DOC, WB_REASON_NOT_AN_OBJECT, "byte 12 of the test" },
		{ "{\"document\":{\"id\":\"a\",}}", BAD_DOC, WB_REASON_INVALID_JSON, "byte 22 of the test" },
		{ "{\"document\":{\"pk\":1}}", BAD_DOC, WB_REASON_MISSING_ID, "no id" },
		{ "{\"document\":{\"id\":\"a\",\"pk\":[]}}", BAD_DOC, WB_REASON_INVALID_PARTITION_KEY, "an array" },
		{ "{\"document\":{\"id\":\"a\",\"pk\":1,\"pk\":1}}", BAD_DOC, WB_REASON_DUPLICATE_MEMBER, "twice" },
		{ "{" DOC ",\"partitionKey\":2}", BAD_DOC, WB_REASON_PARTITION_KEY_MISMATCH, "cosmos.partition.key" },
		{ "{" DOC ",\"partitionKey\":[\"1\"]}", BAD_DOC, WB_REASON_PARTITION_KEY_MISMATCH, "" },
		{ "{\"document\":{\"id\":\"a\"},\"partitionKey\":[null]}", BAD_DOC, WB_REASON_PARTITION_KEY_MISMATCH,
			"" },
		{ "{" DOC ",\"partitionKey\":[1,1]}", BAD_DOC, WB_REASON_INVALID_PARTITION_KEY, "needs 1" },
		{ "{" DOC ",\"partitionKey\":{}}", BAD_DOC, WB_REASON_INVALID_PARTITION_KEY, "an object" },
		{ "{\"op\":\"delete\",\"partitionKey\":1}", BAD_DOC, WB_REASON_MISSING_ID, "a delete needs \"id\"" },
		{ "{\"op\":\"patch\",\"id\":\"a\",\"operations\":" PATCH "}", BAD_DOC, WB_REASON_MISSING_PARTITION_KEY,
			"a patch needs \"partitionKey\"" },
		{ "{\"op\":\"delete\",\"id\":\"a#b\",\"partitionKey\":1}", BAD_DOC, WB_REASON_INVALID_ID, "#" },
		{ "{\"op\":\"delete\",\"id\":\"\\ud800\",\"partitionKey\":1}", BAD_DOC, WB_REASON_INVALID_ID, "half" },
		{ "{\"op\":\"delete\",\"id\":\"a\",\"partitionKey\":[]}", BAD_DOC, WB_REASON_INVALID_PARTITION_KEY,
			"empty" },
		{ "{\"op\":\"delete\",\"id\":\"a\",\"partitionKey\":[1,2]}", BAD_DOC, WB_REASON_INVALID_PARTITION_KEY,
			"2 values" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":[]}", BAD_DOC, WB_REASON_BAD_REQUEST, "1 to 10" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":\"set\"}", BAD_DOC, WB_REASON_NOT_AN_OBJECT, "neither" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":[{\"op\":\"test\",\"path\":\"/a\"}]}", BAD_DOC,
			WB_REASON_BAD_REQUEST, "operation 0 of the patch" },
		{ "{\"op\":\"patch\"," ITEM ",\"operations\":{\"operations\":" PATCH ",\"conditions\":\"\"}}", BAD_DOC,
			WB_REASON_BAD_REQUEST, "another member" },
	};

	(void)state;
	check_refusals(rows, WB_ARRAY_LEN(rows), WB_OP_UPSERT, true, "/pk");
}

static void an_unnamed_object_names_only_its_item(void **state)
{
	static const struct refusal deletes[] = {
		{ "[1]", BAD_DOC, WB_REASON_NOT_AN_OBJECT, "a delete is an object" },
		{ "x", BAD_DOC, WB_REASON_INVALID_JSON, "byte 0 of the test" },
		{ "{\"op\":\"delete\"," ITEM "}", "unknown-member", WB_REASON_NONE, "\"op\" is not known" },
		{ "{" DOC "}", "unknown-member", WB_REASON_NONE, "\"document\" is not known" },
		{ "{" ITEM ",\"id\":\"a\"}", "duplicate-member", WB_REASON_NONE, "\"id\" stands twice" },
		{ "{" ITEM ",\"operations\":" PATCH "}", BAD_OP, "delete takes no \"operations\"" },
		{ "{" ITEM ",\"ifNoneMatch\":\"*\"}", BAD_OP, "given with delete" },
	};
	static const struct refusal patches[] = {
		{ "{" ITEM "}", BAD_OP, "patch needs \"operations\"" },
		{ "{" ITEM ",\"operations\":" PATCH ",\"condition\":\"\"}", "unknown-member", WB_REASON_NONE,
			"\"condition\"" },
	};
	struct reading g;

	(void)state;
	check_refusals(deletes, WB_ARRAY_LEN(deletes), WB_OP_DELETE, false, NULL);
	check_refusals(patches, WB_ARRAY_LEN(patches), WB_OP_PATCH, false, NULL);
	read_object(&g, "{" ITEM ",\"ifMatch\":\"e\"}", WB_OP_DELETE, false, NULL);
	assert_true(g.good);
	assert_true(is(g.write.more->if_match, "e"));
	release(&g);
	read_object(&g, "{" ITEM ",\"operations\":" PATCH "}", WB_OP_PATCH, false, NULL);
	assert_true(g.good);
	assert_true(is(g.write.document, PATCH));
	release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_is_read),
		cmocka_unit_test(what_does_not_fit_the_operation_is_refused),
		cmocka_unit_test(what_would_be_a_dead_letter_has_its_reason),
		cmocka_unit_test(an_unnamed_object_names_only_its_item),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
