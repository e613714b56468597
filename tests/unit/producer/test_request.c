#include "producer/request.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_OPERATIONS 5

static const struct wb_request_defaults upserts = { .op = WB_OP_UPSERT };
static const struct wb_request_defaults deletes = { .op = WB_OP_DELETE };

struct parsed {
	bool good;
	struct wb_request_error error;
	struct wb_batch batch;
	struct wb_request_rules rules;
	char *body; /* of exactly its length, so that a sanitizer sees a read beyond it */
};

static void parse_rules(
	struct parsed *p, const char *body, enum wb_body_format format, const struct wb_request_defaults *defaults)
{
	size_t len = strlen(body);

	p->body = malloc(len ? len : 1);
	assert_non_null(p->body);
	memcpy(p->body, body, len);
	wb_batch_init(&p->batch, p->rules.max_operations);
	p->good = wb_request_parse(wb_slice(p->body, len), format, &p->rules, defaults, &p->batch, &p->error);
}

static struct parsed parse(const char *body, enum wb_body_format format, const struct wb_request_defaults *defaults)
{
	struct parsed p = { .rules = { .max_operations = MAX_OPERATIONS, .item.record_bytes_max = 3000000 } };

	parse_rules(&p, body, format, defaults);
	return p;
}

static struct parsed parse_json(const char *body)
{
	return parse(body, WB_BODY_JSON, &upserts);
}

static void release(struct parsed *p)
{
	wb_batch_release(&p->batch);
	wb_json_paths_release(&p->rules.item.paths);
	free(p->body);
}

static void assert_slice(struct wb_slice s, const char *text)
{
	assert_non_null(s.data);
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.data, text, s.len);
}

static void a_bare_array_is_upserts_in_its_order_byte_for_byte(void **state)
{
	struct parsed p = parse_json(" [ {\"id\":\"a\", \"n\":1.0} ,{\"n\":12345678901234567890,\"id\":\"b\"}] ");

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.batch.count, 2);
	assert_slice(p.batch.writes[0].document, "{\"id\":\"a\", \"n\":1.0}");
	assert_slice(p.batch.writes[1].document, "{\"n\":12345678901234567890,\"id\":\"b\"}");
	assert_slice(p.batch.writes[0].id, "a");
	assert_slice(p.batch.writes[1].id, "b");
	assert_int_equal(p.batch.writes[0].op, WB_OP_UPSERT);
	assert_null(p.batch.database.data);
	assert_null(p.batch.container.data);
	release(&p);
}

static void documents_are_not_copied(void **state)
{
	struct parsed p = parse_json("[{\"id\":\"a\"}]");

	(void)state;
	assert_true(p.good);
	assert_ptr_equal(p.batch.writes[0].document.data, p.body + 1);
	assert_ptr_equal(p.batch.writes[0].id.data, p.body + 8);
	release(&p);
}

static void the_key_is_the_decoded_id(void **state)
{
	struct parsed p = parse_json("[{\"id\":\"\\u0061\\u00e9\"},{\"id\":\"b\\u0063\"}]");

	(void)state;
	assert_true(p.good);
	assert_slice(p.batch.writes[0].id, "a\xc3\xa9");
	assert_slice(p.batch.writes[1].id, "bc");
	release(&p);
}

static void an_object_of_documents_names_its_target(void **state)
{
	struct parsed p = parse_json("{\"database\":\"d\",\"documents\":[{\"id\":\"a\"}],\"container\":\"\\u0063\"}");

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.batch.count, 1);
	assert_slice(p.batch.database, "d");
	assert_slice(p.batch.container, "c");
	release(&p);
}

static void the_body_wins_over_the_query(void **state)
{
	const struct wb_request_defaults defaults = {
		.op = WB_OP_UPSERT, .database = WB_SLICE_LIT("query-db"), .container = WB_SLICE_LIT("query-c")
	};
	struct parsed p = parse("{\"container\":\"body-c\",\"documents\":[{\"id\":\"a\"}]}", WB_BODY_JSON, &defaults);

	(void)state;
	assert_true(p.good);
	assert_slice(p.batch.database, "query-db");
	assert_slice(p.batch.container, "body-c");
	release(&p);
}

static void operations_may_upsert_and_delete(void **state)
{
	struct parsed p = parse_json("{\"operations\":[{\"document\":{\"id\":\"a\"}},"
				     "{\"partitionKey\":[\"x\",1.0],\"op\":\"delete\",\"id\":\"b\\u0062\"},"
				     "{\"document\":{\"id\":\"c\"},\"op\":\"upsert\"},"
				     "{\"op\":\"delete\",\"id\":\"d\",\"partitionKey\":5}]}");

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.batch.count, 4);
	assert_int_equal(p.batch.writes[0].op, WB_OP_UPSERT);
	assert_int_equal(p.batch.writes[1].op, WB_OP_DELETE);
	assert_slice(p.batch.writes[1].id, "bb");
	assert_slice(p.batch.writes[1].more->partition_key, "[\"x\",1]");
	assert_null(p.batch.writes[1].document.data);
	assert_slice(p.batch.writes[2].document, "{\"id\":\"c\"}");
	assert_slice(p.batch.writes[3].more->partition_key, "[5]");
	release(&p);
}

static void lines_skip_blank_ones_and_take_crlf(void **state)
{
	struct parsed p = parse(
		"\n{\"id\":\"a\"}\r\n  \r\n\t{\"id\":\"b\"} \n{\"id\":\"c\"}", WB_BODY_NDJSON, &upserts);

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.batch.count, 3);
	assert_slice(p.batch.writes[1].document, "{\"id\":\"b\"}");
	assert_slice(p.batch.writes[2].id, "c");
	release(&p);
}

static void lines_and_elements_of_deletes_are_id_and_partition_key(void **state)
{
	struct parsed lines = parse("{\"id\":\"a\",\"partitionKey\":[\"x\"]}\n", WB_BODY_NDJSON, &deletes);
	struct parsed array = parse("[{\"partitionKey\":\"x\",\"id\":\"a\"}]", WB_BODY_JSON, &deletes);

	(void)state;
	assert_true(lines.good);
	assert_true(array.good);
	assert_int_equal(lines.batch.writes[0].op, WB_OP_DELETE);
	assert_slice(lines.batch.writes[0].more->partition_key, "[\"x\"]");
	assert_slice(array.batch.writes[0].more->partition_key, "[\"x\"]");
	release(&lines);
	release(&array);
}

static void each_operation_of_an_element_is_its_own(void **state)
{
	static const struct wb_request_defaults patches = { .op = WB_OP_PATCH };
	struct parsed p = parse("{\"operations\":[{\"op\":\"create\",\"document\":{\"id\":\"a\"}},"
				"{\"op\":\"replace\",\"document\":{\"id\":\"b\"},\"ifMatch\":\"e\"},"
				"{\"id\":\"c\",\"partitionKey\":1,\"operations\":[{\"op\":\"incr\",\"path\":\"/n\","
				"\"value\":1.0}]}]}",
		WB_BODY_JSON, &patches);

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.batch.writes[0].op, WB_OP_CREATE);
	assert_int_equal(p.batch.writes[1].op, WB_OP_REPLACE);
	assert_slice(p.batch.writes[1].more->if_match, "e");
	assert_int_equal(p.batch.writes[2].op, WB_OP_PATCH);
	assert_slice(p.batch.writes[2].document, "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1.0}]");
	assert_null(p.batch.writes[0].more);
	release(&p);
}

static void documents_are_of_the_default_operation(void **state)
{
	static const enum wb_op ops[] = { WB_OP_UPSERT, WB_OP_CREATE, WB_OP_REPLACE };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(ops); i++) {
		const struct wb_request_defaults defaults = { .op = ops[i] };
		struct parsed array = parse("[{\"id\":\"a\"}]", WB_BODY_JSON, &defaults);
		struct parsed lines = parse("{\"id\":\"a\"}\n", WB_BODY_NDJSON, &defaults);

		assert_true(array.good);
		assert_true(lines.good);
		assert_int_equal(array.batch.writes[0].op, ops[i]);
		assert_int_equal(lines.batch.writes[0].op, ops[i]);
		release(&array);
		release(&lines);
	}
}

static void elements_and_lines_of_patches_name_their_item(void **state)
{
	static const struct wb_request_defaults patches = { .op = WB_OP_PATCH };
	static const char text[] =
		"{\"id\":\"a\",\"partitionKey\":1,\"operations\":[{\"op\":\"remove\",\"path\":\"/n\"}]}";
	char array_text[sizeof text + 2];
	struct parsed array, lines;

	(void)state;
	(void)snprintf(array_text, sizeof array_text, "[%s]", text);
	array = parse(array_text, WB_BODY_JSON, &patches);
	lines = parse(text, WB_BODY_NDJSON, &patches);
	assert_true(array.good);
	assert_true(lines.good);
	assert_slice(array.batch.writes[0].document, "[{\"op\":\"remove\",\"path\":\"/n\"}]");
	assert_slice(lines.batch.writes[0].more->partition_key, "[1]");
	release(&array);
	release(&lines);
}

static void ids_are_made_of_job_and_index(void **state)
{
	const struct wb_request_defaults defaults = { .op = WB_OP_UPSERT,
		.job = WB_SLICE_LIT("00112233445566778899aabbccddeeff") };
	static const char *const bodies[] = { "[{\"id\":\"own\"},{}]", "{\"id\":\"own\"}\n\n{}\n",
		"{\"operations\":[{\"document\":{\"id\":\"own\"}},{\"op\":\"create\",\"document\":{}}]}" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(bodies); i++) {
		struct parsed p = { .rules = { .max_operations = MAX_OPERATIONS,
					    .item = { .record_bytes_max = 3000000, .generate_id = true } } };

		parse_rules(&p, bodies[i], i == 1 ? WB_BODY_NDJSON : WB_BODY_JSON, &defaults);
		assert_true(p.good);
		assert_slice(p.batch.writes[0].id, "own");
		assert_slice(p.batch.writes[1].id, "00112233445566778899aabbccddeeff-1");
		assert_true(p.batch.writes[1].id_made);
		release(&p);
	}
}

static void a_callback_is_read_where_there_are_callbacks(void **state)
{
	static const char body[] = "{\"callback\":\"https://example.org/\\u0061\",\"documents\":[{\"id\":\"a\"}]}";
	static const char *const bad[] = { "{\"callback\":\"\",\"documents\":[{\"id\":\"a\"}]}",
		"{\"callback\":null,\"documents\":[{\"id\":\"a\"}]}",
		"{\"callback\":\"x\",\"callback\":\"x\",\"documents\":[{\"id\":\"a\"}]}" };
	struct parsed off = parse_json(body), on = { .rules = off.rules };

	(void)state;
	assert_false(off.good);
	assert_string_equal(off.error.code, "unknown-member");
	release(&off);
	on.rules.callbacks = true;
	parse_rules(&on, body, WB_BODY_JSON, &upserts);
	assert_true(on.good);
	assert_slice(on.batch.callback, "https://example.org/a");
	release(&on);
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++) {
		on = (struct parsed){ .rules = off.rules };
		on.rules.callbacks = true;
		parse_rules(&on, bad[i], WB_BODY_JSON, &upserts);
		assert_false(on.good);
		assert_string_equal(on.error.code, i == 2 ? "duplicate-member" : "invalid-request");
		release(&on);
	}
}

/* A document counts its own levels, wherever it stands. */
static void a_document_may_nest_128_levels(void **state)
{
	(void)state;
	for (size_t levels = 128; levels <= 129; levels++) {
		char body[512], *at = body + sprintf(body, "[{\"id\":\"a\",\"x\":");
		struct parsed p;

		for (size_t i = 1; i < levels; i++)
			*at++ = '[';
		for (size_t i = 1; i < levels; i++)
			*at++ = ']';
		strcpy(at, "}]");
		p = parse_json(body);
		assert_int_equal(p.good, levels == 128);
		if (!p.good)
			assert_non_null(strstr(p.error.detail.text, "nested too deep at byte"));
		release(&p);
	}
}

static void every_word_of_an_operation_is_known(void **state)
{
	static const char *const words[] = { "upsert", "create", "replace", "delete", "patch" };
	struct wb_request_error error;
	enum wb_op op;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(words); i++) {
		assert_true(wb_request_op(wb_slice_cstr(words[i]), &op, &error));
		assert_string_equal(wb_op_text(op), words[i]);
	}
	assert_false(wb_request_op(wb_slice_cstr("Upsert"), &op, &error));
	assert_string_equal(error.code, "unknown-operation");
	assert_int_equal(error.index, -1);
}

struct refusal {
	const char *body;
	unsigned status;
	const char *code;
	int64_t index;
	enum wb_reason reason;
};

static void check_refusals(const struct refusal *cases, size_t count, enum wb_body_format format,
	const struct wb_request_defaults *defaults)
{
	for (size_t i = 0; i < count; i++) {
		struct parsed p = parse(cases[i].body, format, defaults);

		if (p.good || strcmp(p.error.code, cases[i].code) != 0 || p.error.index != cases[i].index)
			print_message("case %zu: %s → %s %lld %s\n", i, cases[i].body, p.good ? "good" : p.error.code,
				p.good ? 0LL : (long long)p.error.index, p.good ? "" : p.error.detail.text);
		assert_false(p.good);
		assert_string_equal(p.error.code, cases[i].code);
		assert_int_equal(p.error.status, cases[i].status);
		assert_int_equal(p.error.index, cases[i].index);
		assert_int_equal(p.error.reason, cases[i].reason);
		assert_true(strlen(p.error.detail.text) > 0);
		release(&p);
	}
}

#define NONE WB_REASON_NONE

static void what_is_wrong_with_the_envelope_has_no_index(void **state)
{
	static const struct refusal cases[] = {
		{ "", 400, "invalid-json", -1, NONE },
		{ "  ", 400, "invalid-json", -1, NONE },
		{ "nonsense", 400, "invalid-json", -1, NONE },
		{ "{", 400, "invalid-json", -1, NONE },
		{ "[{\"id\":\"a\"}", 400, "invalid-json", -1, NONE },
		{ "[{\"id\":\"a\"}] x", 400, "invalid-json", -1, NONE },
		{ "{\"documents\":[{\"id\":\"a\"}]}}", 400, "invalid-json", -1, NONE },
		{ "5", 400, "invalid-request", -1, NONE },
		{ "\"text\"", 400, "invalid-request", -1, NONE },
		{ "null", 400, "invalid-request", -1, NONE },
		{ "{}", 400, "invalid-request", -1, NONE },
		{ "{\"id\":\"a\"}", 400, "unknown-member", -1, NONE },
		{ "{\"documents\":5}", 400, "invalid-request", -1, NONE },
		{ "{\"operations\":{}}", 400, "invalid-request", -1, NONE },
		{ "{\"documents\":[{\"id\":\"a\"}],\"operations\":[]}", 400, "invalid-request", -1, NONE },
		{ "{\"documents\":[{\"id\":\"a\"}],\"documents\":[]}", 400, "invalid-request", -1, NONE },
		{ "{\"documents\":[{\"id\":\"a\"}],\"callback\":\"x\"}", 400, "unknown-member", -1, NONE },
		{ "{\"container\":\"a\",\"container\":\"a\",\"documents\":[]}", 400, "duplicate-member", -1, NONE },
		{ "{\"container\":5,\"documents\":[]}", 400, "invalid-request", -1, NONE },
		{ "{\"container\":\"a/b\",\"documents\":[]}", 400, "invalid-request", -1, NONE },
		{ "{\"database\":\"\",\"documents\":[]}", 400, "invalid-request", -1, NONE },
		{ "{\"database\":\"\\ud800\",\"documents\":[]}", 400, "invalid-request", -1, NONE },
		{ "[]", 400, "empty-batch", -1, NONE },
		{ "{\"documents\":[]}", 400, "empty-batch", -1, NONE },
		{ "{\"operations\":[]}", 400, "empty-batch", -1, NONE },
		{ "[{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\"},{\"id\":\"4\"},{\"id\":\"5\"},{\"id\":\"6\"}]", 413,
			"too-many-operations", -1, NONE },
	};

	(void)state;
	check_refusals(cases, WB_ARRAY_LEN(cases), WB_BODY_JSON, &upserts);
}

static void a_bad_document_has_its_index_and_a_reason(void **state)
{
	static const struct refusal cases[] = {
		{ "[", 400, "invalid-document", 0, WB_REASON_INVALID_JSON },
		{ "[{\"id\":\"a\"},5]", 400, "invalid-document", 1, WB_REASON_NOT_AN_OBJECT },
		{ "[{\"id\":\"a\"},[]]", 400, "invalid-document", 1, WB_REASON_NOT_AN_OBJECT },
		{ "[{\"id\":\"a\"},{\"x\":1}]", 400, "invalid-document", 1, WB_REASON_MISSING_ID },
		{ "[{\"id\":5}]", 400, "invalid-document", 0, WB_REASON_INVALID_ID },
		{ "[{\"id\":\"a/b\"}]", 400, "invalid-document", 0, WB_REASON_INVALID_ID },
		{ "[{\"id\":\"a\"},{\"id\":\"\"}]", 400, "invalid-document", 1, WB_REASON_INVALID_ID },
		{ "[{\"id\":\"a \"}]", 400, "invalid-document", 0, WB_REASON_INVALID_ID },
		{ "[{\"id\":\"a\",\"id\":\"a\"}]", 400, "invalid-document", 0, WB_REASON_DUPLICATE_MEMBER },
		{ "[{\"id\":\"a\"},{\"id\":\"b\",\"n\":01}]", 400, "invalid-document", 1, WB_REASON_INVALID_JSON },
		{ "[{\"id\":\"a\",}]", 400, "invalid-document", 0, WB_REASON_INVALID_JSON },
		{ "[{\"id\":\"a\"", 400, "invalid-document", 0, WB_REASON_INVALID_JSON },
		{ "{\"documents\":[{\"id\":\"a\"},{}]}", 400, "invalid-document", 1, WB_REASON_MISSING_ID },
		{ "{\"operations\":[{\"document\":{\"id\":\"a\"}},{\"document\":{}}]}", 400, "invalid-document", 1,
			WB_REASON_MISSING_ID },
	};

	(void)state;
	check_refusals(cases, WB_ARRAY_LEN(cases), WB_BODY_JSON, &upserts);
}

static void a_bad_operation_has_its_index(void **state)
{
#define OPERATIONS(second) "{\"operations\":[{\"document\":{\"id\":\"a\"}}," second "]}"
	static const struct refusal cases[] = {
		{ OPERATIONS("5"), 400, "invalid-operation", 1, NONE },
		{ OPERATIONS("{}"), 400, "invalid-operation", 1, NONE },
		{ OPERATIONS("{\"op\":\"upsert\"}"), 400, "invalid-operation", 1, NONE },
		{ OPERATIONS("{\"op\":\"upsert\",\"document\":{\"id\":\"b\"},\"id\":\"b\"}"), 400, "invalid-operation",
			1, NONE },
		{ OPERATIONS("{\"op\":\"delete\",\"document\":{\"id\":\"b\"}}"), 400, "invalid-operation", 1, NONE },
		{ OPERATIONS("{\"op\":\"destroy\",\"id\":\"b\"}"), 400, "unknown-operation", 1, NONE },
		{ OPERATIONS("{\"op\":7,\"id\":\"b\"}"), 400, "unknown-operation", 1, NONE },
		{ OPERATIONS("{\"op\":\"delete\",\"op\":\"delete\"}"), 400, "duplicate-member", 1, NONE },
		{ OPERATIONS("{\"document\":{\"id\":\"b\"},\"document\":{\"id\":\"b\"}}"), 400, "duplicate-member", 1,
			NONE },
		{ OPERATIONS("{\"document\":{\"id\":\"b\"},\"etag\":\"x\"}"), 400, "unknown-member", 1, NONE },
		{ OPERATIONS("{\"op\":\"delete\",\"partitionKey\":[1]}"), 400, "invalid-document", 1,
			WB_REASON_MISSING_ID },
		{ OPERATIONS("{\"op\":\"delete\",\"id\":\"b\"}"), 400, "invalid-document", 1,
			WB_REASON_MISSING_PARTITION_KEY },
		{ OPERATIONS("{\"op\":\"delete\",\"id\":5,\"partitionKey\":[1]}"), 400, "invalid-document", 1,
			WB_REASON_INVALID_ID },
		{ OPERATIONS("{\"op\":\"delete\",\"id\":\"b/c\",\"partitionKey\":[1]}"), 400, "invalid-document", 1,
			WB_REASON_INVALID_ID },
		{ OPERATIONS("{\"op\":\"delete\",\"id\":\"b\",\"partitionKey\":{\"a\":1}}"), 400, "invalid-document", 1,
			WB_REASON_INVALID_PARTITION_KEY },
		{ OPERATIONS("{\"op\":\"delete\",\"id\":\"b\",\"partitionKey\":[[1]]}"), 400, "invalid-document", 1,
			WB_REASON_INVALID_PARTITION_KEY },
	};

	(void)state;
	check_refusals(cases, WB_ARRAY_LEN(cases), WB_BODY_JSON, &upserts);
}

static void a_bad_line_has_its_number(void **state)
{
	static const struct refusal cases[] = {
		{ "", 400, "empty-batch", -1, NONE },
		{ "\n\r\n  \n", 400, "empty-batch", -1, NONE },
		{ "{\"id\":\"a\"}\n\nnonsense\n", 400, "invalid-document", 3, WB_REASON_INVALID_JSON },
		{ "{\"id\":\"a\"} {\"id\":\"b\"}\n", 400, "invalid-document", 1, WB_REASON_INVALID_JSON },
		{ "{\"id\":\"a\"}\n[]", 400, "invalid-document", 2, WB_REASON_NOT_AN_OBJECT },
		{ "{\"id\":\n\"a\"}\n", 400, "invalid-document", 1, WB_REASON_INVALID_JSON },
		{ "{}\n{}\n{}\n{}\n{}\n{}\n", 400, "invalid-document", 1, WB_REASON_MISSING_ID },
		{ "{\"id\":\"1\"}\n{\"id\":\"1\"}\n{\"id\":\"1\"}\n{\"id\":\"1\"}\n{\"id\":\"1\"}\n{\"id\":\"1\"}\n",
			413, "too-many-operations", -1, NONE },
	};
	static const struct refusal delete_cases[] = {
		{ "{\"id\":\"a\",\"partitionKey\":[1]}\n{\"id\":\"a\"}", 400, "invalid-document", 2,
			WB_REASON_MISSING_PARTITION_KEY },
		{ "{\"partitionKey\":[1]}", 400, "invalid-document", 1, WB_REASON_MISSING_ID },
		{ "{\"id\":\"a\",\"partitionKey\":[1],\"x\":1}", 400, "unknown-member", 1, NONE },
		{ "{\"id\":\"a\",\"id\":\"a\",\"partitionKey\":[1]}", 400, "duplicate-member", 1, NONE },
		{ "[1]", 400, "invalid-document", 1, WB_REASON_NOT_AN_OBJECT },
		{ "{\"id\":\"a\",", 400, "invalid-document", 1, WB_REASON_INVALID_JSON },
	};

	(void)state;
	check_refusals(cases, WB_ARRAY_LEN(cases), WB_BODY_NDJSON, &upserts);
	check_refusals(delete_cases, WB_ARRAY_LEN(delete_cases), WB_BODY_NDJSON, &deletes);
}

static struct parsed parse_with_paths(const char *body, const char *path)
{
	struct parsed p = { .rules = { .max_operations = MAX_OPERATIONS, .item.record_bytes_max = 3000000 } };
	struct wb_error why;

	assert_int_equal(wb_json_paths_add(&p.rules.item.paths, wb_slice_cstr(path), &why), WB_OK);
	parse_rules(&p, body, WB_BODY_JSON, &upserts);
	return p;
}

static void a_configured_partition_key_is_checked(void **state)
{
	struct parsed object = parse_with_paths("[{\"id\":\"a\",\"pk\":1},{\"id\":\"b\",\"pk\":{}}]", "/pk");
	struct parsed good = parse_with_paths("[{\"id\":\"a\",\"pk\":1},{\"id\":\"b\",\"pk\":null}]", "/pk");
	struct parsed twice = parse_with_paths("[{\"id\":\"a\",\"pk\":1,\"pk\":1}]", "/pk");
	struct parsed many = parse_with_paths(
		"{\"operations\":[{\"op\":\"delete\",\"id\":\"a\",\"partitionKey\":[1,2]}]}", "/pk");

	(void)state;
	assert_true(good.good);
	assert_false(object.good);
	assert_int_equal(object.error.reason, WB_REASON_INVALID_PARTITION_KEY);
	assert_int_equal(object.error.index, 1);
	assert_false(twice.good);
	assert_int_equal(twice.error.reason, WB_REASON_DUPLICATE_MEMBER);
	assert_false(many.good);
	assert_int_equal(many.error.index, 0);
	release(&good);
	release(&object);
	release(&twice);
	release(&many);
}

static char *document_of(size_t bytes)
{
	static const char begin[] = "[{\"id\":\"a\",\"x\":\"", end[] = "\"}]";
	size_t fill = bytes + 2 - (sizeof begin - 1) - (sizeof end - 1);
	char *body = wb_xmalloc(bytes + 3);

	memcpy(body, begin, sizeof begin - 1);
	memset(body + sizeof begin - 1, 'x', fill);
	memcpy(body + sizeof begin - 1 + fill, end, sizeof end);
	return body;
}

static void sizes_are_limited_by_cosmos_and_by_the_topic(void **state)
{
	char *largest = document_of(2 * 1024 * 1024), *larger = document_of(2 * 1024 * 1024 + 1);
	struct parsed fits = parse_json(largest), beyond = parse_json(larger);
	struct parsed topic = { .rules = { .max_operations = 1, .item.record_bytes_max = 1000000 } };

	(void)state;
	parse_rules(&topic, largest, WB_BODY_JSON, &upserts);
	assert_true(fits.good);
	assert_false(beyond.good);
	assert_int_equal(beyond.error.status, 413);
	assert_string_equal(beyond.error.code, "document-too-large");
	assert_int_equal(beyond.error.reason, WB_REASON_TOO_LARGE);
	assert_int_equal(beyond.error.index, 0);
	assert_false(topic.good);
	assert_int_equal(topic.error.status, 413);
	assert_int_equal(topic.error.index, 0);
	release(&fits);
	release(&beyond);
	release(&topic);
	free(largest);
	free(larger);
}

static void content_types(void **state)
{
	static const struct {
		const char *text;
		bool good;
		enum wb_body_format format;
	} cases[] = {
		{ "application/json", true, WB_BODY_JSON },
		{ "Application/JSON ; charset=UTF-8", true, WB_BODY_JSON },
		{ "application/json;charset=\"utf-8\"", true, WB_BODY_JSON },
		{ "application/x-ndjson", true, WB_BODY_NDJSON },
		{ "application/ndjson", true, WB_BODY_NDJSON },
		{ "application/json; charset=latin1", false, WB_BODY_JSON },
		{ "application/jsonx", false, WB_BODY_JSON },
		{ "text/plain", false, WB_BODY_JSON },
		{ "", false, WB_BODY_JSON },
		{ NULL, false, WB_BODY_JSON },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		enum wb_body_format format = WB_BODY_JSON;

		assert_int_equal(wb_request_format(wb_slice_cstr(cases[i].text), &format), cases[i].good);
		if (cases[i].good)
			assert_int_equal(format, cases[i].format);
	}
}

static void names_of_databases_and_containers(void **state)
{
	char longest[WB_NAME_LEN_MAX + 2];

	(void)state;
	memset(longest, 'n', sizeof longest);
	assert_true(wb_request_name_valid(wb_slice(longest, WB_NAME_LEN_MAX)));
	assert_false(wb_request_name_valid(wb_slice(longest, WB_NAME_LEN_MAX + 1)));
	assert_true(wb_request_name_valid(wb_slice_cstr("a b-c_\xc3\xa9")));
	assert_false(wb_request_name_valid(wb_slice_cstr("")));
	assert_false(wb_request_name_valid(wb_slice_cstr("a ")));
	assert_false(wb_request_name_valid(wb_slice_cstr("a/b")));
	assert_false(wb_request_name_valid(wb_slice_cstr("a\\b")));
	assert_false(wb_request_name_valid(wb_slice_cstr("a?")));
	assert_false(wb_request_name_valid(wb_slice_cstr("#a")));
	assert_false(wb_request_name_valid(wb_slice_cstr("a\nb")));
	/* A header that is no UTF-8 would make a dead letter of every write. */
	assert_false(wb_request_name_valid(wb_slice_cstr("a\xff")));
	assert_false(wb_request_name_valid(wb_slice_cstr("\xc3")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_array_is_upserts_in_its_order_byte_for_byte),
		cmocka_unit_test(documents_are_not_copied),
		cmocka_unit_test(the_key_is_the_decoded_id),
		cmocka_unit_test(an_object_of_documents_names_its_target),
		cmocka_unit_test(the_body_wins_over_the_query),
		cmocka_unit_test(operations_may_upsert_and_delete),
		cmocka_unit_test(lines_skip_blank_ones_and_take_crlf),
		cmocka_unit_test(lines_and_elements_of_deletes_are_id_and_partition_key),
		cmocka_unit_test(each_operation_of_an_element_is_its_own),
		cmocka_unit_test(documents_are_of_the_default_operation),
		cmocka_unit_test(elements_and_lines_of_patches_name_their_item),
		cmocka_unit_test(ids_are_made_of_job_and_index),
		cmocka_unit_test(a_callback_is_read_where_there_are_callbacks),
		cmocka_unit_test(a_document_may_nest_128_levels),
		cmocka_unit_test(every_word_of_an_operation_is_known),
		cmocka_unit_test(what_is_wrong_with_the_envelope_has_no_index),
		cmocka_unit_test(a_bad_document_has_its_index_and_a_reason),
		cmocka_unit_test(a_bad_operation_has_its_index),
		cmocka_unit_test(a_bad_line_has_its_number),
		cmocka_unit_test(a_configured_partition_key_is_checked),
		cmocka_unit_test(sizes_are_limited_by_cosmos_and_by_the_topic),
		cmocka_unit_test(content_types),
		cmocka_unit_test(names_of_databases_and_containers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
