#include "common/base/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* One scan of a text that lies in memory of exactly its size, so that a read past its end is an error. */
struct scan {
	char *text;
	struct wb_json_paths paths;
	enum wb_json_status status;
	struct wb_json_document document;
	struct wb_json_error error;
};

static char *exact_copy(struct wb_slice text)
{
	char *copy = malloc(text.len ? text.len : 1);

	assert_non_null(copy);
	memcpy(copy, text.data, text.len);
	return copy;
}

/* paths: up to three, the rest NULL. */
static void scan_slice(struct scan *s, struct wb_slice text, const char *const paths[WB_JSON_PATHS_MAX])
{
	*s = (struct scan){ .text = exact_copy(text) };
	for (unsigned i = 0; i < WB_JSON_PATHS_MAX && paths[i]; i++)
		assert_int_equal(wb_json_paths_add(&s->paths, wb_slice_cstr(paths[i]), NULL), WB_OK);
	s->status = wb_json_scan_document(wb_slice(s->text, text.len), &s->paths, &s->document, &s->error);
	if (s->status != WB_JSON_OK) {
		assert_true(s->error.offset <= text.len);
		assert_non_null(s->error.text);
	}
}

static void scan(struct scan *s, const char *text, const char *path)
{
	const char *const paths[WB_JSON_PATHS_MAX] = { path };

	scan_slice(s, wb_slice_cstr(text), paths);
}

static void release(struct scan *s)
{
	wb_json_paths_release(&s->paths);
	free(s->text);
}

static bool is_value(struct wb_slice text)
{
	char *copy = exact_copy(text);
	struct wb_json_value value;
	struct wb_json_error error = { SIZE_MAX, NULL };
	enum wb_json_status status = wb_json_scan_value(wb_slice(copy, text.len), &value, &error);

	if (status == WB_JSON_OK)
		assert_true(value.raw.data >= copy && value.raw.data + value.raw.len <= copy + text.len);
	else
		assert_true(status == WB_JSON_INVALID && error.offset <= text.len);
	free(copy);
	return status == WB_JSON_OK;
}

static void assert_value(struct wb_json_value value, enum wb_json_type type, const char *raw)
{
	assert_int_equal(value.type, type);
	assert_true(wb_slice_eq_cstr(value.raw, raw));
	assert_true((value.raw.data == NULL) == (type == WB_JSON_ABSENT));
}

static void id_and_keys_are_found_wherever_they_stand(void **state)
{
	const char *const paths[] = { "/tenant", "/address/city", "/address/geo/0" };
	struct wb_slice text = WB_SLICE_LIT(
		"{\"x\":[{\"id\":0}],\"address\":{\"geo\":{\"0\":-1.5e3},\"id\":1, \"city\" : "
		"\"Zürich\"},\"tenant\":null,\"id\":\"a\\\"b\",\"y\":{\"tenant\":2}}");
	struct scan s;

	(void)state;
	scan_slice(&s, text, paths);
	assert_int_equal(s.status, WB_JSON_OK);
	assert_value(s.document.id, WB_JSON_STRING, "\"a\\\"b\"");
	assert_value(s.document.keys[0], WB_JSON_NULL, "null");
	assert_value(s.document.keys[1], WB_JSON_STRING, "\"Zürich\"");
	assert_value(s.document.keys[2], WB_JSON_NUMBER, "-1.5e3");
	assert_ptr_equal(s.document.raw.data, s.text);
	assert_int_equal(s.document.raw.len, text.len);
	release(&s);
}

static void id_may_have_any_type(void **state)
{
	static const struct {
		const char *text, *raw;
		enum wb_json_type type;
	} rows[] = {
		{ "{}", NULL, WB_JSON_ABSENT },
		{ "{\"ID\":1,\"i\":2,\"idd\":3,\"\":4}", NULL, WB_JSON_ABSENT },
		{ "{\"id\":null}", "null", WB_JSON_NULL },
		{ "{\"id\": true }", "true", WB_JSON_TRUE },
		{ "{\"id\":false}", "false", WB_JSON_FALSE },
		{ "{\"id\":0}", "0", WB_JSON_NUMBER },
		{ "{\"id\":\"\"}", "\"\"", WB_JSON_STRING },
		{ "{\"id\":[ 1 ] }", "[ 1 ]", WB_JSON_ARRAY },
		{ "{\"id\":{\"id\":{}}}", "{\"id\":{}}", WB_JSON_OBJECT },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct scan s;

		scan(&s, rows[i].text, NULL);
		assert_int_equal(s.status, WB_JSON_OK);
		assert_value(s.document.id, rows[i].type, rows[i].raw);
		release(&s);
	}
}

static void names_are_compared_decoded(void **state)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
		{ "{\"\\u0069\\u0064\":1,\"k\":2}", "/k" },
		{ "{\"id\":1,\"\\u006b\":2}", "/k" },
		{ "{\"id\":1,\"\\u00e9\\/\":2}", "/\"é/\"" },
		{ "{\"id\":1,\"\\ud83d\\ude00\":2}", "/😀" },
		{ "{\"id\":1,\"😀\":2}", "/😀" },
		{ "{\"id\":1,\"\\ud83d\":3,\"a\\tb\":{\"\\u0022\":2}}", "/\"a\tb\"/'\"'" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct scan s;

		scan(&s, rows[i].text, rows[i].path);
		assert_int_equal(s.status, WB_JSON_OK);
		assert_value(s.document.id, WB_JSON_NUMBER, "1");
		assert_value(s.document.keys[0], WB_JSON_NUMBER, "2");
		release(&s);
	}
}

static void a_path_through_something_else_is_absent(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"a\":{}}",
		"{\"a\":{\"c\":1}}",
		"{\"a\":[{\"b\":1}]}",
		"{\"a\":\"b\"}",
		"{\"a\":null,\"b\":1}",
		"{\"b\":1,\"x\":{\"a\":{\"b\":1}}}",
		"{\"a/b\":1}",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		struct scan s;

		scan(&s, texts[i], "/a/b");
		assert_int_equal(s.status, WB_JSON_OK);
		assert_value(s.document.keys[0], WB_JSON_ABSENT, NULL);
		release(&s);
	}
}

static void paths_may_share_members_and_the_id(void **state)
{
	const char *const paths[] = { "/a", "/a/b", "/id" };
	struct wb_slice text = WB_SLICE_LIT("{\"a\":{ \"b\":[{}] ,\"\":{},\"\":0} ,\"id\":7}");
	struct scan s;

	(void)state;
	scan_slice(&s, text, paths);
	assert_int_equal(s.status, WB_JSON_OK);
	assert_value(s.document.keys[0], WB_JSON_OBJECT, "{ \"b\":[{}] ,\"\":{},\"\":0}");
	assert_value(s.document.keys[1], WB_JSON_ARRAY, "[{}]");
	assert_value(s.document.keys[2], WB_JSON_NUMBER, "7");
	assert_value(s.document.id, WB_JSON_NUMBER, "7");
	release(&s);
}

static void a_path_of_the_greatest_length_is_found(void **state)
{
	const char *path = "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p";
	char text[256] = "";
	struct scan s;

	(void)state;
	for (char c = 'a'; c <= 'p'; c++)
		assert_true(snprintf(text + strlen(text), sizeof text - strlen(text), "{\"%c\":", c) > 0);
	strcat(text, "42}}}}}}}}}}}}}}}}");
	scan(&s, text, path);
	assert_int_equal(s.status, WB_JSON_OK);
	assert_value(s.document.keys[0], WB_JSON_NUMBER, "42");
	release(&s);
}

static void duplicates_of_what_says_which_item_it_is_are_refused(void **state)
{
	static const struct {
		const char *text, *path;
		size_t offset;
	} rows[] = {
		{ "{\"id\":1,\"id\":1}", NULL, 8 },
		{ "{\"id\":1,\"\\u0069d\":1}", NULL, 8 },
		{ "{\"a\":1,\"a\":2}", "/a", 7 },
		{ "{\"a\":1,\"a\":{\"b\":1}}", "/a/b", 7 },
		{ "{\"a\":{\"b\":1},\"a\":1}", "/a/b", 13 },
		{ "{\"a\":{},\"x\":0,\"a\":{}}", "/a/b", 14 },
		{ "{\"a\":{\"b\":1,\"b\":1}}", "/a/b", 12 },
		{ "{\"a\":{\"b\":{\"c\":1},\"b\":1}}", "/a/b/c", 18 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct scan s;

		scan(&s, rows[i].text, rows[i].path);
		assert_int_equal(s.status, WB_JSON_DUPLICATE);
		assert_int_equal(s.error.offset, rows[i].offset);
		release(&s);
	}
}

static void other_duplicates_pass(void **state)
{
	static const char *const texts[] = {
		"{\"x\":1,\"x\":2}",
		"{\"x\":{\"id\":1,\"id\":2}}",
		"{\"a\":{\"x\":1,\"x\":1,\"id\":0,\"id\":1,\"a\":0,\"a\":0}}",
		"{\"a\":[{\"b\":1,\"b\":2}]}",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		struct scan s;

		scan(&s, texts[i], "/a/b");
		assert_int_equal(s.status, WB_JSON_OK);
		release(&s);
	}
}

static void a_document_is_an_object(void **state)
{
	static const char *const texts[] = { "[]", "[{\"id\":1}]", " \"id\" ", "1", "null", "true" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		struct scan s;

		scan(&s, texts[i], NULL);
		assert_int_equal(s.status, WB_JSON_NOT_OBJECT);
		assert_int_equal(s.error.offset, texts[i][0] == ' ');
		release(&s);
	}
}

static void errors_say_where(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} rows[] = {
		{ "", 0 },
		{ "  ", 2 },
		{ "\xef\xbb\xbf{}", 0 },
		{ "nope", 1 },
		{ "[1,2", 4 },
		{ "{", 1 },
		{ "{\"a\"", 4 },
		{ "{\"a\" 1}", 5 },
		{ "{a:1}", 1 },
		{ "{\"a\":}", 5 },
		{ "{\"a\":1,}", 7 },
		{ "{\"a\":1 \"b\":2}", 7 },
		{ "{\"a\":[1,]}", 8 },
		{ "{\"a\":[1}]", 7 },
		{ "{\"a\":{]}", 6 },
		{ "{\"a\":01}", 6 },
		{ "{\"a\":-}", 6 },
		{ "{\"a\":1.}", 7 },
		{ "{\"a\":1e+}", 8 },
		{ "{\"a\":\"\\x\"}", 7 },
		{ "{\"a\":\"\\u00g0\"}", 10 },
		{ "{\"a\":\"b\n\"}", 7 },
		{ "{\"a\":\"b\xff\"}", 7 },
		{ "{\"a\":tru}", 8 },
		{ "{\"a\":\"b", 7 },
		{ "{} x", 3 },
		{ "{}{}", 2 },
		{ "{\"a\":1}\f", 7 },
		{ "{\"a\":\xc2\xa0 1}", 5 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct scan s;

		scan(&s, rows[i].text, "/a/b");
		assert_int_equal(s.status, WB_JSON_INVALID);
		assert_int_equal(s.error.offset, rows[i].offset);
		release(&s);
	}
}

static void a_failure_leaves_the_result_untouched(void **state)
{
	struct wb_json_document document, before;
	struct wb_json_value value = { WB_JSON_TRUE, WB_SLICE_LIT("kept") };
	struct wb_json_error error;

	(void)state;
	memset(&document, 0x5a, sizeof document);
	before = document;
	assert_int_equal(
		wb_json_scan_document(wb_slice_cstr("{\"id\":1} x"), NULL, &document, &error), WB_JSON_INVALID);
	assert_int_equal(wb_json_scan_document(wb_slice_cstr("[]"), NULL, &document, &error), WB_JSON_NOT_OBJECT);
	assert_memory_equal(&document, &before, sizeof document);
	assert_int_equal(wb_json_scan_value(wb_slice_cstr("1 1"), &value, &error), WB_JSON_INVALID);
	assert_value(value, WB_JSON_TRUE, "kept");
}

static void the_absent_slice_is_an_empty_text(void **state)
{
	struct wb_slice absent = { NULL, 0 };
	struct wb_json_document document;
	struct wb_json_value value;
	struct wb_json_error error;

	(void)state;
	assert_int_equal(wb_json_scan_document(absent, NULL, &document, &error), WB_JSON_INVALID);
	assert_int_equal(error.offset, 0);
	assert_int_equal(wb_json_scan_value(absent, &value, &error), WB_JSON_INVALID);
	assert_int_equal(error.offset, 0);
}

/* prefix opened n times, then closed. */
static size_t nested(char *out, const char *const open[2], const char *const close[2], unsigned n)
{
	char *at = out;

	for (unsigned i = 0; i < n; i++)
		at = stpcpy(at, open[i % 2]);
	at = stpcpy(at, "0");
	for (unsigned i = n; i-- > 0;)
		at = stpcpy(at, close[i % 2]);
	return (size_t)(at - out);
}

static void nesting_ends_at_the_limit(void **state)
{
	static const char *const open[2] = { "{\"a\":", "[" }, *const close[2] = { "}", "]" };
	static const char *const paths[2] = { NULL, "/a/a/a" };
	static const char *const objects[2] = { "{\"a\":", "{\"a\":" }, *const braces[2] = { "}", "}" };
	static char text[16 * WB_JSON_DEPTH_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t len = nested(text, i ? objects : open, i ? braces : close, WB_JSON_DEPTH_MAX);
		struct scan s;

		assert_true(is_value(wb_slice(text, len)));
		scan(&s, text, paths[i]);
		assert_int_equal(s.status, WB_JSON_OK);
		release(&s);

		len = nested(text, i ? objects : open, i ? braces : close, WB_JSON_DEPTH_MAX + 1);
		assert_false(is_value(wb_slice(text, len)));
		scan(&s, text, paths[i]);
		assert_int_equal(s.status, WB_JSON_INVALID);
		assert_int_equal(s.error.offset, i ? 5 * WB_JSON_DEPTH_MAX : 3 * WB_JSON_DEPTH_MAX);
		release(&s);
	}
}

static void a_text_cut_anywhere_is_refused(void **state)
{
	static const char text[] =
		"{\"a\" : {\"b\":[-12.5e-3 , true,false,null,\"\\u00e9\\n\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e long "
		"enough for "
		"several blocks\", {}, [] ]},\"id\":\"x\",\"numbers\":[12345678901234567890.12345678901234567890,0]}";
	const char *const paths[WB_JSON_PATHS_MAX] = { "/a/b", "/id" };

	(void)state;
	assert_true(is_value(wb_slice_cstr(text)));
	for (size_t len = 0; len < sizeof text - 1; len++) {
		struct scan s;

		assert_false(is_value(wb_slice(text, len)));
		scan_slice(&s, wb_slice(text, len), paths);
		assert_int_equal(s.status, WB_JSON_INVALID);
		release(&s);
	}
}

/* Puts bytes into a string, a run of space and between letters, at every distance from its start. */
static void assert_in_string(struct wb_slice bytes, bool valid)
{
	char text[128];

	for (size_t before = 0; before <= 40; before++) {
		for (size_t after = 0; after <= 40; after += 8) {
			size_t len = 0;

			text[len++] = '"';
			memset(text + len, 'x', before);
			len += before;
			memcpy(text + len, bytes.data, bytes.len);
			len += bytes.len;
			memset(text + len, '!', after);
			len += after;
			text[len++] = '"';
			if (is_value(wb_slice(text, len)) != valid)
				fail_msg("byte %02x… at %zu", (unsigned char)bytes.data[0], before);
		}
	}
}

static void every_byte_is_judged_at_every_place_of_a_string(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;

		assert_in_string(wb_slice(&byte, 1), c >= 0x20 && c < 0x80 && c != '"' && c != '\\');
	}
}

static void strings_are_strict_utf8(void **state)
{
	static const char *const good[] = { "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc3\xc3",
		"\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xef\xbf", "\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++)
		assert_in_string(wb_slice_cstr(good[i]), true);
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_in_string(wb_slice_cstr(bad[i]), false);
}

static void escapes_are_the_eight_and_u(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char escape[] = { '\\', (char)c };

		assert_in_string(wb_slice(escape, 2), c != 0 && strchr("\"\\/bfnrt", (int)c) != NULL);
	}
	for (unsigned c = 0; c < 256; c++) {
		char escape[] = { '\\', 'u', '0', 'F', (char)c, '9' };

		assert_in_string(wb_slice(escape, 6), c != 0 && strchr("0123456789abcdefABCDEF", (int)c) != NULL);
	}
	assert_in_string(wb_slice_cstr("\\ud800"), true);
	assert_in_string(wb_slice_cstr("\\u00e"), false);
}

static void only_four_bytes_are_space(void **state)
{
	char text[64];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool space = c != 0 && strchr(" \t\n\r", (int)c) != NULL;

		for (size_t before = 0; before <= 40; before++) {
			memset(text, ' ', sizeof text);
			text[before] = (char)c;
			text[before + 10] = '[';
			text[before + 11] = ']';
			if (is_value(wb_slice(text, before + 20)) != space)
				fail_msg("byte %02x at %zu", c, before);
		}
	}
}

static void assert_number(const char *number, bool valid)
{
	char text[160];

	for (size_t before = 0; before <= 20; before++) {
		int len = snprintf(text, sizeof text, "%*s[%s,0]", (int)before, "", number);

		assert_in_range(len, 1, sizeof text - 1);
		if (is_value(wb_slice(text, (size_t)len)) != valid || is_value(wb_slice_cstr(number)) != valid)
			fail_msg("%s", number);
	}
}

static void numbers_are_strict(void **state)
{
	static const char *const good[] = { "0", "-0", "1", "10", "-123", "0.0", "-0.10", "1e1", "1E+01", "0e-0",
		"1.5e300", "1234567890123456", "12345678901234567", "123456789012345.6", "1234567890123456.7",
		"1234567890123456.78901234567890123456789", "0.1234567890123456", "0.12345678901234567",
		"123456789012345678901234567890123456789e12345678901234567890123", "-123456789012345e1" };
	static const char *const bad[] = { "", "-", "+1", ".5", "-.5", "1.", "01", "-01", "00", "1.e1", "1e", "1e+",
		"1e-x", "1.5.5", "1e1.5", "1-1", "--1", "0x10", "1_000", "Infinity", "-Infinity", "NaN", "1e1e1", "1 2",
		"012345678901234567890", "1234567890123456.", "1234567890123456.e1", "12345678901234567890e",
		"1\xc2\xb2" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++)
		assert_number(good[i], true);
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_number(bad[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(id_and_keys_are_found_wherever_they_stand),
		cmocka_unit_test(id_may_have_any_type),
		cmocka_unit_test(names_are_compared_decoded),
		cmocka_unit_test(a_path_through_something_else_is_absent),
		cmocka_unit_test(paths_may_share_members_and_the_id),
		cmocka_unit_test(a_path_of_the_greatest_length_is_found),
		cmocka_unit_test(duplicates_of_what_says_which_item_it_is_are_refused),
		cmocka_unit_test(other_duplicates_pass),
		cmocka_unit_test(a_document_is_an_object),
		cmocka_unit_test(errors_say_where),
		cmocka_unit_test(a_failure_leaves_the_result_untouched),
		cmocka_unit_test(the_absent_slice_is_an_empty_text),
		cmocka_unit_test(nesting_ends_at_the_limit),
		cmocka_unit_test(a_text_cut_anywhere_is_refused),
		cmocka_unit_test(every_byte_is_judged_at_every_place_of_a_string),
		cmocka_unit_test(strings_are_strict_utf8),
		cmocka_unit_test(escapes_are_the_eight_and_u),
		cmocka_unit_test(only_four_bytes_are_space),
		cmocka_unit_test(numbers_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
