#include "consumer/top_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void nothing_but_printable_ascii_comes_out(void **state)
{
	static const struct {
		struct wb_slice text;
		const char *safe;
	} cases[] = {
		{ WB_SLICE_LIT("plain ~ text"), "plain ~ text" },
		{ WB_SLICE_LIT("\x1b[2J\x1b]0;title\x07"), "\\u{1b}[2J\\u{1b}]0;title\\u{7}" },
		{ WB_SLICE_LIT("a\nb\tc\\d\r"), "a\\nb\\tc\\\\d\\u{d}" },
		{ WB_SLICE_LIT("\x7f"), "\\u{7f}" },
		{ WB_SLICE_LIT("\xc2\x9b"), "\\u{9b}" }, /* CSI in one character */
		{ WB_SLICE_LIT("\x9b"), "\\x9b" },
		{ WB_SLICE_LIT("\xe2\x80\xae"), "\\u{202e}" }, /* right to left */
		{ WB_SLICE_LIT("\xc3\xa4\xf0\x9f\x98\x80"), "\\u{e4}\\u{1f600}" },
		{ WB_SLICE_LIT("a\0b"), "a\\u{0}b" },
		{ WB_SLICE_LIT(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_buf b;

		wb_buf_init(&b, 1000);
		wb_top_append_safe(&b, cases[i].text);
		assert_string_equal(wb_buf_slice(&b).data, cases[i].safe);
		wb_buf_release(&b);
	}
}

static void numbers_are_for_people(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 1000);
	wb_top_append_number(&b, 0);
	wb_buf_append_char(&b, ' ');
	wb_top_append_number(&b, 999.9);
	wb_buf_append_char(&b, ' ');
	wb_top_append_number(&b, 1000);
	wb_buf_append_char(&b, ' ');
	wb_top_append_number(&b, -1234567);
	wb_buf_append_char(&b, ' ');
	wb_top_append_number(&b, 1e300);
	assert_string_equal(b.data, "0 999 1,000 -1,234,567 ?");
	wb_buf_clear(&b);
	wb_top_append_bytes(&b, 1023);
	wb_buf_append_char(&b, ' ');
	wb_top_append_bytes(&b, 1536);
	wb_buf_append_char(&b, ' ');
	wb_top_append_bytes(&b, 128.0 * 1024 * 1024);
	assert_string_equal(b.data, "1023 B 1.5 KiB 128.0 MiB");
	wb_buf_clear(&b);
	for (int64_t s = -1; s < 1000000; s = s * 9 + 14) {
		wb_top_append_duration(&b, s);
		wb_buf_append_char(&b, ';');
	}
	assert_string_equal(b.data, "0s;5s;59s;9m 05s;1h 21m;12h 18m;4d 14h;");
	wb_buf_release(&b);
}

static void columns_are_aligned_and_lines_cut(void **state)
{
	static const struct wb_top_column columns[] = { { "NAME", false }, { "N", true }, { "", false } };
	struct wb_top_table t;
	struct wb_buf cell, ret;

	(void)state;
	wb_buf_init(&cell, 100);
	wb_buf_init(&ret, 1000);
	wb_top_table_init(&t, columns, WB_ARRAY_LEN(columns));
	assert_int_equal(wb_top_table_rows(&t), 0);
	wb_top_table_text(&t, "first\n");
	wb_top_table_number(&t, 1234);
	wb_buf_append_cstr(&cell, "x");
	wb_top_table_cell(&t, &cell);
	assert_int_equal(cell.len, 0);
	wb_top_table_text(&t, "b");
	wb_top_table_number(&t, 5);
	wb_top_table_text(&t, "");
	assert_int_equal(wb_top_table_rows(&t), 2);
	wb_top_table_render(&t, 10, 80, &ret);
	assert_string_equal(ret.data, "  NAME         N\n  first\\n  1,234  x\n  b            5\n");
	wb_buf_clear(&ret);
	wb_top_table_render(&t, 1, 7, &ret);
	assert_string_equal(ret.data, "  NAME\n  first\n");
	wb_top_table_release(&t);
	wb_buf_release(&cell);
	wb_buf_release(&ret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_printable_ascii_comes_out),
		cmocka_unit_test(numbers_are_for_people),
		cmocka_unit_test(columns_are_aligned_and_lines_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
