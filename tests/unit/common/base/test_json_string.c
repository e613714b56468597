#include "common/base/json_scan.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_string_without_escapes_is_not_copied(void **state)
{
	struct wb_slice raw = WB_SLICE_LIT("\"plain é\""), ret, empty = WB_SLICE_LIT("\"\"");
	struct wb_buf scratch;

	(void)state;
	wb_buf_init(&scratch, 16);
	assert_int_equal(wb_json_string_decode(raw, &scratch, &ret), WB_OK);
	assert_ptr_equal(ret.data, raw.data + 1);
	assert_int_equal(ret.len, raw.len - 2);
	assert_int_equal(wb_json_string_decode(empty, &scratch, &ret), WB_OK);
	assert_int_equal(ret.len, 0);
	assert_non_null(ret.data);
	assert_int_equal(scratch.len, 0);
	wb_buf_release(&scratch);
}

static void escapes_are_decoded(void **state)
{
	static const struct {
		const char *raw;
		struct wb_slice decoded;
	} rows[] = {
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", WB_SLICE_LIT("\"\\/\b\f\n\r\t") },
		{ "\"a\\u0000b\"", WB_SLICE_LIT("a\0b") },
		{ "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
			WB_SLICE_LIT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
		{ "\"\\uD800\\uDC00\\udbff\\udfff\"", WB_SLICE_LIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
		{ "\"x\\uD834\\udd1Ey\"", WB_SLICE_LIT("x\xf0\x9d\x84\x9ey") },
		{ "\"\\u00E9\\u00e9é\"", WB_SLICE_LIT("ééé") },
		{ "\"\\ud7ff\\ue000\"", WB_SLICE_LIT("\xed\x9f\xbf\xee\x80\x80") },
		{ "\"long enough plain text before \\\\ and after it\"",
			WB_SLICE_LIT("long enough plain text before \\ and after it") },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_slice raw = wb_slice_cstr(rows[i].raw), ret;
		char *out = malloc(raw.len);
		struct wb_buf scratch;

		assert_non_null(out);
		wb_buf_init(&scratch, 64);
		wb_buf_append_cstr(&scratch, "kept");
		assert_int_equal(wb_json_string_decode(raw, &scratch, &ret), WB_OK);
		assert_true(wb_slice_eq(ret, rows[i].decoded));
		assert_ptr_equal(ret.data, scratch.data + 4);
		assert_int_equal(scratch.len, 4 + ret.len);
		assert_memory_equal(scratch.data, "kept", 4);
		assert_int_equal(wb_json_string_decode_into(raw, out), rows[i].decoded.len);
		assert_memory_equal(out, rows[i].decoded.data, rows[i].decoded.len);
		wb_buf_release(&scratch);
		free(out);
	}
}

static void lone_surrogates_have_no_utf8(void **state)
{
	static const char *const rows[] = { "\"\\ud800\"", "\"\\udbffx\"", "\"\\udc00\"", "\"\\udc00\\udc00\"",
		"\"\\ud800\\ud800\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\udfff\\ud800\"",
		"\"a\\ud800\\ue000\"" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_slice raw = wb_slice_cstr(rows[i]), ret = WB_SLICE_LIT("kept");
		char out[32];
		struct wb_buf scratch;

		wb_buf_init(&scratch, 64);
		assert_int_equal(wb_json_string_decode(raw, &scratch, &ret), WB_EINVAL);
		assert_true(wb_slice_eq_cstr(ret, "kept"));
		assert_int_equal(scratch.len, 0);
		assert_int_equal(wb_buf_status(&scratch), WB_OK);
		assert_true(wb_json_string_decode_into(raw, out) == SIZE_MAX);
		wb_buf_release(&scratch);
	}
}

static void a_full_scratch_is_an_error(void **state)
{
	struct wb_slice raw = WB_SLICE_LIT("\"ab\\u0063d\""), ret = WB_SLICE_LIT("kept");
	struct wb_buf scratch;

	(void)state;
	wb_buf_init(&scratch, 3);
	assert_int_equal(wb_json_string_decode(raw, &scratch, &ret), WB_ETOOBIG);
	assert_true(wb_slice_eq_cstr(ret, "kept"));
	wb_buf_release(&scratch);

	wb_buf_init(&scratch, 4);
	assert_int_equal(wb_json_string_decode(raw, &scratch, &ret), WB_OK);
	assert_true(wb_slice_eq_cstr(ret, "abcd"));
	wb_buf_release(&scratch);
}

static double number(const char *text)
{
	return wb_json_number(wb_slice_cstr(text));
}

static void assert_same(double a, double b)
{
	assert_memory_equal(&a, &b, sizeof a);
}

static void numbers_are_the_nearest_double(void **state)
{
	(void)state;
	assert_same(number("0"), 0.0);
	assert_same(number("-0"), -0.0);
	assert_same(number("-0.000e5"), -0.0);
	assert_same(number("0e999999999999999999999"), 0.0);
	assert_same(number("1"), 1.0);
	assert_same(number("-12.5"), -12.5);
	assert_same(number("1.0"), 1.0);
	assert_same(number("100e-2"), 1.0);
	assert_same(number("0.1"), 0.1);
	assert_same(number("0.001e+3"), 1.0);
	assert_same(number("1E2"), 100.0);
	assert_same(number("9007199254740993"), 9007199254740992.0);
	assert_same(number("9007199254740993.0000000001"), 9007199254740994.0);
	assert_same(number("123456789012345678901234567890"), 123456789012345678901234567890.0);
	assert_same(number("1.7976931348623157e308"), DBL_MAX);
	assert_same(number("2.2250738585072014e-308"), DBL_MIN);
	assert_same(number("4.9406564584124654e-324"), 0x1p-1074);
	assert_same(number("2.4703282292062327e-324"), 0.0);
	assert_same(number("2.4703282292062328e-324"), 0x1p-1074);
}

static void too_large_is_infinite_and_too_small_is_zero(void **state)
{
	(void)state;
	assert_same(number("1e309"), (double)INFINITY);
	assert_same(number("-1e309"), -(double)INFINITY);
	assert_same(number("1.7976931348623159e308"), (double)INFINITY);
	assert_same(number("1e99999999999999999999999"), (double)INFINITY);
	assert_same(number("1e-99999999999999999999999"), 0.0);
	assert_same(number("-1e-400"), -0.0);
}

/* prefix, count times digit, suffix */
static double long_number(const char *prefix, char digit, size_t count, const char *suffix)
{
	size_t len = strlen(prefix) + count + strlen(suffix);
	char *text = malloc(len + 1);
	double value;

	assert_non_null(text);
	memset(stpcpy(text, prefix), digit, count);
	strcpy(text + strlen(prefix) + count, suffix);
	value = wb_json_number(wb_slice(text, len));
	free(text);
	return value;
}

static void length_does_not_cost_exactness(void **state)
{
	(void)state;
	assert_same(long_number("1", '0', 100000, "e-100000"), 1.0);
	assert_same(long_number("0.", '0', 100000, "1e100001"), 1.0);
	assert_same(long_number("", '1', 2000, "e-2000"), 0.1111111111111111111111111111111111);
	assert_same(long_number("9007199254740993.", '0', 5000, ""), 9007199254740992.0);
	assert_same(long_number("9007199254740993.", '0', 5000, "1"), 9007199254740994.0);
	assert_same(long_number("9007199254740991.", '9', 5000, ""), 9007199254740992.0);
	assert_same(long_number("", '9', 400, ""), (double)INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_without_escapes_is_not_copied),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(lone_surrogates_have_no_utf8),
		cmocka_unit_test(a_full_scratch_is_an_error),
		cmocka_unit_test(numbers_are_the_nearest_double),
		cmocka_unit_test(too_large_is_infinite_and_too_small_is_zero),
		cmocka_unit_test(length_does_not_cost_exactness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
