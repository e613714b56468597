#include "common/base/strict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "42", 42 },
		{ "-42", -42 },
		{ "010", 10 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "--1", "1k",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999999999999999" };
	int64_t value;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++) {
		assert_int_equal(
			wb_strict_int64(wb_slice_cstr(good[i].text), INT64_MIN, INT64_MAX, &value, NULL), WB_OK);
		assert_true(value == good[i].value);
	}
	value = 77;
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_int_equal(wb_strict_int64(wb_slice_cstr(bad[i]), INT64_MIN, INT64_MAX, &value, NULL), WB_EINVAL);
	assert_int_equal(value, 77);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "1000", 1000 },
		{ "1000B", 1000 },
		{ "3KB", 3000 },
		{ "3KiB", 3072 },
		{ "128MiB", INT64_C(128) << 20 },
		{ "2MB", 2000000 },
		{ "5GB", INT64_C(5000000000) },
		{ "5GiB", INT64_C(5) << 30 },
	};
	static const char *const bad[] = { "", "MiB", "12x", "1.5MiB", "1 MiB", "1mib", "1M", "-1", "-1MiB",
		"9000000000GiB", "1MiBMiB" };
	int64_t value;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++) {
		assert_int_equal(wb_strict_bytes(wb_slice_cstr(good[i].text), 0, INT64_MAX, &value, NULL), WB_OK);
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_int_equal(wb_strict_bytes(wb_slice_cstr(bad[i]), INT64_MIN, INT64_MAX, &value, NULL), WB_EINVAL);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "500", 500 },
		{ "500ms", 500 },
		{ "2s", 2000 },
		{ "15min", 900000 },
		{ "3h", 10800000 },
		{ "7d", 604800000 },
	};
	static const char *const bad[] = { "", "s", "1m", "1 s", "1.5s", "-1s", "1S", "99999999999999999d" };
	int64_t value;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++) {
		assert_int_equal(wb_strict_duration_ms(wb_slice_cstr(good[i].text), 0, INT64_MAX, &value, NULL), WB_OK);
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_int_equal(wb_strict_duration_ms(wb_slice_cstr(bad[i]), 0, INT64_MAX, &value, NULL), WB_EINVAL);
}

static void truth_values(void **state)
{
	bool value = false;

	(void)state;
	assert_int_equal(wb_strict_bool(wb_slice_cstr("true"), &value, NULL), WB_OK);
	assert_true(value);
	assert_int_equal(wb_strict_bool(wb_slice_cstr("yes"), &value, NULL), WB_EINVAL);
	assert_int_equal(wb_strict_bool(wb_slice_cstr("True"), &value, NULL), WB_EINVAL);
	assert_int_equal(wb_strict_bool(wb_slice_cstr(""), &value, NULL), WB_EINVAL);
	assert_true(value);
	assert_int_equal(wb_strict_bool(wb_slice_cstr("false"), &value, NULL), WB_OK);
	assert_false(value);
}

static void the_range_counts_both_ends_in(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_int_equal(wb_strict_int64(wb_slice_cstr("1"), 1, 3, &value, NULL), WB_OK);
	assert_int_equal(wb_strict_int64(wb_slice_cstr("3"), 1, 3, &value, NULL), WB_OK);
	assert_int_equal(wb_strict_int64(wb_slice_cstr("0"), 1, 3, &value, NULL), WB_EINVAL);
	assert_int_equal(wb_strict_int64(wb_slice_cstr("4"), 1, 3, &value, NULL), WB_EINVAL);
	assert_int_equal(value, 3);
}

static void an_error_says_what_is_allowed(void **state)
{
	struct wb_error e;
	int64_t value;
	bool truth;

	(void)state;
	assert_int_equal(wb_strict_bytes(wb_slice_cstr("12x"), 1024, 1 << 30, &value, &e), WB_EINVAL);
	assert_string_equal(e.text, "not a size; allowed are 1KiB to 1GiB");
	assert_int_equal(wb_strict_bytes(wb_slice_cstr("12"), 1024, 1 << 30, &value, &e), WB_EINVAL);
	assert_string_equal(e.text, "out of range; allowed are 1KiB to 1GiB");
	assert_int_equal(wb_strict_duration_ms(wb_slice_cstr("x"), 100, 90000, &value, &e), WB_EINVAL);
	assert_string_equal(e.text, "not a duration; allowed are 100ms to 90s");
	assert_int_equal(wb_strict_int64(wb_slice_cstr("0"), 1, INT64_MAX, &value, &e), WB_EINVAL);
	assert_string_equal(e.text, "out of range; allowed are 1 or more");
	assert_int_equal(wb_strict_bool(wb_slice_cstr("1"), &truth, &e), WB_EINVAL);
	assert_string_equal(e.text, "not a truth value; allowed are true and false");
}

static void value_texts_are_read_back_as_the_same_value(void **state)
{
	static const int64_t values[] = { 0, 1, 999, 1000, 1024, 1025, 60000, 86400000, 604800000, 16777216, 3000000,
		INT64_MAX };
	char text[WB_STRICT_VALUE_SIZE];
	int64_t value;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(values); i++) {
		wb_strict_value_text(WB_STRICT_BYTES, values[i], text);
		assert_int_equal(wb_strict_bytes(wb_slice_cstr(text), 0, INT64_MAX, &value, NULL), WB_OK);
		assert_true(value == values[i]);
		wb_strict_value_text(WB_STRICT_DURATION, values[i], text);
		assert_int_equal(wb_strict_duration_ms(wb_slice_cstr(text), 0, INT64_MAX, &value, NULL), WB_OK);
		assert_true(value == values[i]);
	}
	wb_strict_value_text(WB_STRICT_DURATION, 604800000, text);
	assert_string_equal(text, "7d");
}

static void range_texts(void **state)
{
	char text[WB_STRICT_RANGE_SIZE];

	(void)state;
	wb_strict_range_text(WB_STRICT_NUMBER, INT64_MIN, INT64_MAX, text);
	assert_string_equal(text, "any");
	wb_strict_range_text(WB_STRICT_NUMBER, INT64_MIN, 5, text);
	assert_string_equal(text, "5 or less");
	wb_strict_range_text(WB_STRICT_BYTES, 0, 3000000, text);
	assert_string_equal(text, "0 to 3MB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(truth_values),
		cmocka_unit_test(the_range_counts_both_ends_in),
		cmocka_unit_test(an_error_says_what_is_allowed),
		cmocka_unit_test(value_texts_are_read_back_as_the_same_value),
		cmocka_unit_test(range_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
