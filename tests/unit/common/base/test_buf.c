#include "common/base/buf.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void it_grows_up_to_its_maximum_and_not_beyond(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 1000);
	assert_null(b.data);
	for (int i = 0; i < 1000; i++)
		wb_buf_append_char(&b, 'x');
	assert_int_equal(wb_buf_status(&b), WB_OK);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1001);
	wb_buf_append_char(&b, 'y');
	assert_int_equal(wb_buf_status(&b), WB_ETOOBIG);
	assert_int_equal(b.len, 1000);
	wb_buf_release(&b);
}

static void a_failure_sticks_until_clear(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 4);
	wb_buf_append_cstr(&b, "abc");
	wb_buf_append_cstr(&b, "de");
	wb_buf_append_cstr(&b, "f"); /* would fit by itself */
	assert_string_equal(b.data, "abc");
	assert_int_equal(wb_buf_status(&b), WB_ETOOBIG);
	wb_buf_clear(&b);
	assert_int_equal(wb_buf_status(&b), WB_OK);
	assert_string_equal(b.data, "");
	wb_buf_append_cstr(&b, "wxyz");
	assert_string_equal(b.data, "wxyz");
	wb_buf_release(&b);
}

static void composed_appends_are_whole_or_nothing(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 4);
	wb_buf_append_cstr(&b, "ab");
	wb_buf_append_json_string(&b, wb_slice_cstr("c"));
	assert_string_equal(b.data, "ab");
	wb_buf_release(&b);
	wb_buf_append_cstr(&b, "abc");
	wb_buf_append_i64(&b, -7);
	assert_string_equal(b.data, "abc");
	wb_buf_release(&b);
	wb_buf_append_cstr(&b, "abc");
	wb_buf_appendf(&b, "%d", 12);
	assert_string_equal(b.data, "abc");
	wb_buf_release(&b);
}

static void an_absurd_size_does_not_overflow(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, SIZE_MAX - 1);
	wb_buf_append_char(&b, 'x');
	assert_null(wb_buf_reserve(&b, SIZE_MAX));
	assert_int_equal(wb_buf_status(&b), WB_ETOOBIG);
	assert_string_equal(b.data, "x");
	wb_buf_release(&b);
}

static void numbers_at_their_limits(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 200);
	wb_buf_append_u64(&b, 0);
	wb_buf_append_char(&b, ' ');
	wb_buf_append_u64(&b, UINT64_MAX);
	wb_buf_append_char(&b, ' ');
	wb_buf_append_i64(&b, INT64_MIN);
	wb_buf_append_char(&b, ' ');
	wb_buf_append_i64(&b, INT64_MAX);
	assert_string_equal(b.data, "0 18446744073709551615 -9223372036854775808 9223372036854775807");
	wb_buf_release(&b);
}

static void formats_longer_than_what_is_free(void **state)
{
	char many[500];
	struct wb_buf b;

	(void)state;
	memset(many, 'm', sizeof many - 1);
	many[sizeof many - 1] = '\0';
	wb_buf_init(&b, 1000);
	wb_buf_appendf(&b, "<%s>%d", many, 42);
	assert_int_equal(b.len, 503);
	assert_string_equal(b.data + 499, "m>42");
	wb_buf_release(&b);
}

static void json_strings_are_escaped_and_made_utf8(void **state)
{
	static const struct {
		struct wb_slice in;
		const char *out;
	} cases[] = {
		{ WB_SLICE_LIT(""), "\"\"" }, { WB_SLICE_LIT("plain /"), "\"plain /\"" },
		{ WB_SLICE_LIT("a\"b\\c\n\r\t\b\f\x01\x1f"), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\"" },
		{ WB_SLICE_LIT("a\0b"), "\"a\\u0000b\"" },
		{ WB_SLICE_LIT("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
			"\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"" },
		{ WB_SLICE_LIT("x\xFFy"), "\"x\xEF\xBF\xBDy\"" },
		{ WB_SLICE_LIT("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },                 /* overlong */
		{ WB_SLICE_LIT("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" }, /* a surrogate */
		{ WB_SLICE_LIT("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },                 /* cut short */
	};
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 1000);
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		wb_buf_clear(&b);
		wb_buf_append_json_string(&b, cases[i].in);
		assert_string_equal(b.data, cases[i].out);
	}
	wb_buf_release(&b);
}

static void reserved_room_is_written_by_its_owner(void **state)
{
	struct wb_buf b;
	char *to;

	(void)state;
	wb_buf_init(&b, 100);
	wb_buf_append_cstr(&b, "ab");
	to = wb_buf_reserve(&b, 10);
	assert_non_null(to);
	memcpy(to, "cdefgh", 6);
	b.len += 6;
	wb_buf_truncate(&b, 4);
	assert_string_equal(b.data, "abcd");
	wb_buf_release(&b);
}

static void taken_memory_is_the_callers(void **state)
{
	struct wb_buf b;
	size_t len = 99;
	char *data;

	(void)state;
	wb_buf_init(&b, 100);
	data = wb_buf_take(&b, &len);
	assert_string_equal(data, "");
	assert_int_equal(len, 0);
	free(data);
	wb_buf_append_cstr(&b, "text");
	data = wb_buf_take(&b, &len);
	assert_string_equal(data, "text");
	assert_int_equal(len, 4);
	free(data);
	assert_int_equal(b.len, 0);
	assert_int_equal(wb_buf_slice(&b).len, 0);
	wb_buf_append_cstr(&b, "again");
	assert_string_equal(b.data, "again");
	wb_buf_release(&b);
}

static void absent_slices_append_nothing(void **state)
{
	struct wb_buf b, zeroed = { 0 };

	(void)state;
	wb_buf_init(&b, 10);
	wb_buf_append_slice(&b, wb_slice_cstr(NULL));
	assert_int_equal(b.len, 0);
	assert_int_equal(wb_buf_status(&b), WB_OK);
	wb_buf_release(&b);
	wb_buf_release(&zeroed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_up_to_its_maximum_and_not_beyond),
		cmocka_unit_test(a_failure_sticks_until_clear),
		cmocka_unit_test(composed_appends_are_whole_or_nothing),
		cmocka_unit_test(an_absurd_size_does_not_overflow),
		cmocka_unit_test(numbers_at_their_limits),
		cmocka_unit_test(formats_longer_than_what_is_free),
		cmocka_unit_test(json_strings_are_escaped_and_made_utf8),
		cmocka_unit_test(reserved_room_is_written_by_its_owner),
		cmocka_unit_test(taken_memory_is_the_callers),
		cmocka_unit_test(absent_slices_append_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
