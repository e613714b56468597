#include "common/base/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_raw(struct wb_slice raw, const char *expected)
{
	assert_true(wb_slice_eq_cstr(raw, expected));
}

static void a_request_body_is_split_into_documents(void **state)
{
	struct wb_slice text = WB_SLICE_LIT(
		" {\"job\" : \"x\", \"documents\":[ {\"id\":1,\"pk\":\"a\"} ,{\"pk\":2} ], \"n\":3 } ");
	struct wb_json_paths paths = { .count = 0 };
	struct wb_json_document document;
	struct wb_json_value value;
	struct wb_json_reader r;
	struct wb_slice name;

	(void)state;
	assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr("/pk"), NULL), WB_OK);
	wb_json_reader_init(&r, text);
	assert_int_equal(wb_json_reader_enter(&r), '{');
	assert_int_equal(wb_json_reader_next(&r, &name), 1);
	assert_raw(name, "\"job\"");
	assert_int_equal(wb_json_reader_skip(&r, &value), WB_JSON_OK);
	assert_int_equal(value.type, WB_JSON_STRING);
	assert_raw(value.raw, "\"x\"");

	assert_int_equal(wb_json_reader_next(&r, &name), 1);
	assert_raw(name, "\"documents\"");
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, &name), 1);
	assert_null(name.data);
	assert_int_equal(name.len, 0);
	assert_int_equal(wb_json_reader_document(&r, &paths, &document), WB_JSON_OK);
	assert_raw(document.raw, "{\"id\":1,\"pk\":\"a\"}");
	assert_raw(document.id.raw, "1");
	assert_raw(document.keys[0].raw, "\"a\"");
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_document(&r, &paths, &document), WB_JSON_OK);
	assert_int_equal(document.id.type, WB_JSON_ABSENT);
	assert_raw(document.keys[0].raw, "2");
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);

	assert_int_equal(wb_json_reader_next(&r, &name), 1);
	assert_raw(name, "\"n\"");
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	assert_int_equal(wb_json_reader_next(&r, &name), 0);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);
	wb_json_paths_release(&paths);
}

static void peek_tells_the_type_and_consumes_nothing(void **state)
{
	static const enum wb_json_type types[] = { WB_JSON_NULL, WB_JSON_FALSE, WB_JSON_TRUE, WB_JSON_NUMBER,
		WB_JSON_NUMBER, WB_JSON_STRING, WB_JSON_ARRAY, WB_JSON_OBJECT };
	struct wb_slice text = WB_SLICE_LIT("[ null,false,true, 0,-1,\"\",[ ],{} ]");
	struct wb_json_value value;
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, text);
	assert_int_equal(wb_json_reader_peek(&r), WB_JSON_ARRAY);
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_peek(&r), WB_JSON_ABSENT);
	for (size_t i = 0; i < WB_ARRAY_LEN(types); i++) {
		assert_int_equal(wb_json_reader_next(&r, NULL), 1);
		assert_int_equal(wb_json_reader_peek(&r), types[i]);
		assert_int_equal(wb_json_reader_peek(&r), types[i]);
		assert_int_equal(wb_json_reader_skip(&r, &value), WB_JSON_OK);
		assert_int_equal(value.type, types[i]);
	}
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_peek(&r), WB_JSON_ABSENT);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);

	wb_json_reader_init(&r, wb_slice_cstr(" "));
	assert_int_equal(wb_json_reader_peek(&r), WB_JSON_ABSENT);
}

static void entering_something_else_is_no_error(void **state)
{
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, wb_slice_cstr("[1]"));
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_enter(&r), 0);
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);
}

static void empty_containers_have_no_element(void **state)
{
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, wb_slice_cstr("[ { } , [\n] ]"));
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_enter(&r), '{');
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);
}

static void assert_stuck(struct wb_json_reader *r, enum wb_json_status status, size_t offset)
{
	struct wb_json_document document;

	assert_int_equal(r->status, status);
	assert_int_equal(r->error.offset, offset);
	assert_non_null(r->error.text);
	assert_int_equal(wb_json_reader_peek(r), WB_JSON_ABSENT);
	assert_int_equal(wb_json_reader_enter(r), 0);
	assert_int_equal(wb_json_reader_next(r, NULL), -1);
	assert_int_equal(wb_json_reader_skip(r, NULL), status);
	assert_int_equal(wb_json_reader_document(r, NULL, &document), status);
	assert_int_equal(wb_json_reader_end(r), status);
	assert_int_equal(r->error.offset, offset);
}

/* Reads everything that is there, container by container. */
static void read_all(struct wb_json_reader *r)
{
	if (!wb_json_reader_enter(r)) {
		(void)!wb_json_reader_skip(r, NULL); /* the status sticks */
		return;
	}
	while (wb_json_reader_next(r, NULL) == 1)
		read_all(r);
}

static void errors_stick_and_say_where(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} rows[] = {
		{ "", 0 },
		{ "[1 2]", 3 },
		{ "[1,]", 3 },
		{ "[,1]", 1 },
		{ "[1}", 2 },
		{ "[1", 2 },
		{ "{\"a\":1]", 6 },
		{ "{\"a\":1,}", 7 },
		{ "{\"a\":1 \"b\":2}", 7 },
		{ "{\"a\" 1}", 5 },
		{ "{1:1}", 1 },
		{ "{\"a\":{\"b\":[01]}}", 12 },
		{ "[\"\x80\"]", 2 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_json_reader r;

		wb_json_reader_init(&r, wb_slice_cstr(rows[i].text));
		read_all(&r);
		assert_stuck(&r, WB_JSON_INVALID, rows[i].offset);
	}
}

static void a_bad_document_sticks_with_its_reason(void **state)
{
	static const struct {
		const char *text;
		enum wb_json_status status;
		size_t offset;
	} rows[] = {
		{ "[{\"id\":1,\"id\":2}]", WB_JSON_DUPLICATE, 9 },
		{ "[ [{}] ]", WB_JSON_NOT_OBJECT, 2 },
		{ "[\"x\"]", WB_JSON_NOT_OBJECT, 1 },
		{ "[[{]]", WB_JSON_INVALID, 3 },
		{ "[{\"id\":1.}]", WB_JSON_INVALID, 9 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_json_document document, before;
		struct wb_json_reader r;

		memset(&document, 0x5a, sizeof document);
		before = document;
		wb_json_reader_init(&r, wb_slice_cstr(rows[i].text));
		assert_int_equal(wb_json_reader_enter(&r), '[');
		assert_int_equal(wb_json_reader_next(&r, NULL), 1);
		assert_int_equal(wb_json_reader_document(&r, NULL, &document), rows[i].status);
		assert_memory_equal(&document, &before, sizeof document);
		assert_stuck(&r, rows[i].status, rows[i].offset);
	}
}

static void a_value_is_read_once_and_not_passed_over(void **state)
{
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, wb_slice_cstr("[1,2]"));
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_INVALID); /* next comes first */
	assert_stuck(&r, WB_JSON_INVALID, 1);

	wb_json_reader_init(&r, wb_slice_cstr("[1,2]"));
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_next(&r, NULL), -1);
	assert_stuck(&r, WB_JSON_INVALID, 1);

	wb_json_reader_init(&r, wb_slice_cstr("1 2"));
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_INVALID);
	assert_stuck(&r, WB_JSON_INVALID, 1);

	wb_json_reader_init(&r, wb_slice_cstr("1"));
	assert_int_equal(wb_json_reader_next(&r, NULL), -1);
	assert_stuck(&r, WB_JSON_INVALID, 0);
}

static void the_end_wants_everything_read(void **state)
{
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, wb_slice_cstr("1 2"));
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_INVALID);

	wb_json_reader_init(&r, wb_slice_cstr("1 2"));
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_INVALID);
	assert_int_equal(r.error.offset, 2);

	wb_json_reader_init(&r, wb_slice_cstr(" "));
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_INVALID);

	wb_json_reader_init(&r, wb_slice_cstr("[1"));
	assert_int_equal(wb_json_reader_enter(&r), '[');
	assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_INVALID);
	assert_int_equal(r.error.offset, 2);
}

static void values_count_their_depth_from_where_they_start(void **state)
{
	static char text[2 * WB_JSON_DEPTH_MAX + 5];
	struct wb_json_reader r;

	(void)state;
	memset(text, '[', WB_JSON_DEPTH_MAX + 2);
	memset(text + WB_JSON_DEPTH_MAX + 2, ']', WB_JSON_DEPTH_MAX + 2);
	wb_json_reader_init(&r, wb_slice(text, 2 * WB_JSON_DEPTH_MAX + 4));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wb_json_reader_enter(&r), '[');
		assert_int_equal(wb_json_reader_next(&r, NULL), 1);
	}
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(wb_json_reader_next(&r, NULL), 0);
	assert_int_equal(wb_json_reader_end(&r), WB_JSON_OK);

	wb_json_reader_init(&r, wb_slice(text, 2 * WB_JSON_DEPTH_MAX + 4));
	read_all(&r);
	assert_stuck(&r, WB_JSON_INVALID, WB_JSON_DEPTH_MAX);
}

static void a_text_cut_anywhere_is_refused(void **state)
{
	static const char text[] =
		"{\"op\":[{\"resourceBody\":{\"id\":\"a\xc3\xa9\\n\"},\"statusCode\":201,\"x\":null}, [ ] ]}";

	(void)state;
	for (size_t len = 0; len < sizeof text; len++) {
		char *copy = malloc(len ? len : 1);
		struct wb_json_reader r;

		assert_non_null(copy);
		memcpy(copy, text, len);
		wb_json_reader_init(&r, wb_slice(copy, len));
		read_all(&r);
		assert_int_equal(wb_json_reader_end(&r), len == sizeof text - 1 ? WB_JSON_OK : WB_JSON_INVALID);
		assert_true(r.error.offset <= len);
		free(copy);
		if (len == sizeof text - 1)
			break;
	}
}

static void names_are_compared_decoded(void **state)
{
	(void)state;
	assert_true(wb_json_name_is(wb_slice_cstr("\"id\""), "id"));
	assert_true(wb_json_name_is(wb_slice_cstr("\"\\u0069d\""), "id"));
	assert_true(wb_json_name_is(wb_slice_cstr("\"\\ud83d\\ude00\""), "😀"));
	assert_true(wb_json_name_is(wb_slice_cstr("\"\""), ""));
	assert_false(wb_json_name_is(wb_slice_cstr("\"id\""), "i"));
	assert_false(wb_json_name_is(wb_slice_cstr("\"id\""), "idx"));
	assert_false(wb_json_name_is(wb_slice_cstr("\"\\u0069\""), "id"));
	assert_false(wb_json_name_is(wb_slice_cstr("\"ID\""), "id"));
	assert_false(wb_json_name_is(wb_slice_cstr("\"\\ud83d\""), "id"));
	assert_false(wb_json_name_is(wb_slice_cstr("\"id\\u0000\""), "id"));
}

static void the_absent_slice_is_an_empty_text(void **state)
{
	struct wb_slice absent = { NULL, 0 };
	struct wb_json_reader r;

	(void)state;
	wb_json_reader_init(&r, absent);
	assert_int_equal(wb_json_reader_skip(&r, NULL), WB_JSON_INVALID);
	assert_stuck(&r, WB_JSON_INVALID, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_body_is_split_into_documents),
		cmocka_unit_test(peek_tells_the_type_and_consumes_nothing),
		cmocka_unit_test(entering_something_else_is_no_error),
		cmocka_unit_test(empty_containers_have_no_element),
		cmocka_unit_test(errors_stick_and_say_where),
		cmocka_unit_test(a_bad_document_sticks_with_its_reason),
		cmocka_unit_test(a_value_is_read_once_and_not_passed_over),
		cmocka_unit_test(the_end_wants_everything_read),
		cmocka_unit_test(values_count_their_depth_from_where_they_start),
		cmocka_unit_test(a_text_cut_anywhere_is_refused),
		cmocka_unit_test(names_are_compared_decoded),
		cmocka_unit_test(the_absent_slice_is_an_empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
