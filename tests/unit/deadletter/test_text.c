#include "deadletter/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static size_t chars;

static const char *shown(const char *data, size_t len, size_t max)
{
	static struct wb_buf b;

	if (!b.max)
		wb_buf_init(&b, 65536);
	wb_buf_clear(&b);
	chars = wb_text_line(&b, wb_slice(data, len), max);
	return b.data ? b.data : "";
}

static void plain_text_stays(void **state)
{
	(void)state;
	assert_string_equal(shown("Ελλάδα 🚚 ok", strlen("Ελλάδα 🚚 ok"), 100), "Ελλάδα 🚚 ok");
	assert_int_equal(chars, 11);
	assert_string_equal(shown("", 0, 100), "");
	assert_int_equal(chars, 0);
}

static void nothing_reaches_the_terminal_raw(void **state)
{
	(void)state;
	assert_string_equal(shown("\033[2Ja\r\n\tb\0c\x7f", 12, 100), "\\x1b[2Ja\\x0d\\n\\tb\\x00c\\x7f");
	/* C1's CSI, as UTF-8; a right-to-left override; a byte that is not UTF-8; an overlong slash. */
	assert_string_equal(shown("\xc2\x9b", 2, 100), "\\u{009b}");
	assert_string_equal(shown("\xe2\x80\xae", 3, 100), "\\u{202e}");
	assert_string_equal(shown("\xff\xc0\xaf", 3, 100), "\\xff\\xc0\\xaf");
}

static void long_text_is_cut_to_the_width(void **state)
{
	(void)state;
	assert_string_equal(shown("abcdef", 6, 6), "abcdef");
	assert_string_equal(shown("abcdefg", 7, 6), "abcde…");
	assert_int_equal(chars, 6);
	assert_string_equal(shown("ab\x01", 3, 4), "ab…");
	assert_int_equal(chars, 3);
	assert_string_equal(shown("ééééé", 10, 3), "éé…");
}

static const char *pretty(const char *json)
{
	static struct wb_buf b;

	if (!b.max)
		wb_buf_init(&b, 65536);
	wb_buf_clear(&b);
	wb_text_json(&b, wb_slice_cstr(json), 2);
	return b.data;
}

static void json_is_laid_out_and_keeps_its_spelling(void **state)
{
	(void)state;
	assert_string_equal(pretty("{\"a\":1.0,\"b\":[1e5,{}],\"c\":{\"d\":\"x:,{}\\\"\"} }"),
		"  {\n"
		"    \"a\": 1.0,\n"
		"    \"b\": [\n"
		"      1e5,\n"
		"      {}\n"
		"    ],\n"
		"    \"c\": {\n"
		"      \"d\": \"x:,{}\\\"\"\n"
		"    }\n"
		"  }");
	assert_string_equal(pretty("\"a\xc2\x9b\""), "  \"a\\u{009b}\"");
	assert_string_equal(pretty(" [ ] "), "  []");
}

static void utf8_is_told_from_other_bytes(void **state)
{
	(void)state;
	assert_true(wb_text_is_utf8(wb_slice_cstr("")));
	assert_true(wb_text_is_utf8(wb_slice_cstr("naïve")));
	assert_false(wb_text_is_utf8(wb_slice("\xff", 1)));
	assert_false(wb_text_is_utf8(wb_slice("a\xc3", 2)));
}

static void json_keeps_its_meaning_when_it_is_made_safe(void **state)
{
	static const char csi[] = "{\"a\":\"\xc2\x9b"
				  "2J \x7f \xe2\x80\xae \xc3\xa9\"}";
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 1024);
	wb_text_json_line(&b, wb_slice_cstr(csi));
	assert_string_equal(b.data, "{\"a\":\"\\u009b2J \\u007f \\u202e \xc3\xa9\"}");
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(nothing_reaches_the_terminal_raw),
		cmocka_unit_test(long_text_is_cut_to_the_width),
		cmocka_unit_test(json_is_laid_out_and_keeps_its_spelling),
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(json_keeps_its_meaning_when_it_is_made_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
