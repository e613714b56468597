#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void monotonic_time_never_goes_back(void **state)
{
	int64_t before_us = wb_clock_mono_us(), before_ms = wb_clock_mono_ms();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t us = wb_clock_mono_us(), ms = wb_clock_mono_ms();

		assert_true(us >= before_us && ms >= before_ms);
		assert_true(ms >= us / 1000); /* one clock, read one after the other */
		before_us = us;
		before_ms = ms;
	}
}

static void wall_time_is_of_this_era(void **state)
{
	(void)state;
	assert_true(wb_clock_wall_ms() > INT64_C(1700000000000));
}

static void rfc3339_texts(void **state)
{
	static const struct {
		int64_t wall_ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1493254272007, "2017-04-27T00:51:12.007Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
		{ -1, "1970-01-01T00:00:00.000Z" },
		{ INT64_MIN, "1970-01-01T00:00:00.000Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
	};
	char text[WB_CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		wb_clock_rfc3339(cases[i].wall_ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void rfc1123_text_is_the_one_of_the_signing_vector(void **state)
{
	char text[WB_CLOCK_RFC1123_SIZE];

	(void)state;
	wb_clock_rfc1123(1493254272999, text);
	assert_string_equal(text, "Thu, 27 Apr 2017 00:51:12 GMT");
}

static void rfc1123_reads_what_it_writes(void **state)
{
	char text[WB_CLOCK_RFC1123_SIZE];
	int64_t back;

	(void)state;
	for (int64_t day = 0; day < 30000; day += 37) {
		int64_t wall_ms = day * 86400000 + 45296000;

		wb_clock_rfc1123(wall_ms, text);
		assert_true(wb_clock_parse_rfc1123(wb_slice_cstr(text), &back));
		assert_int_equal(back, wall_ms);
	}
}

static void names_of_days_and_months_may_be_in_any_case(void **state)
{
	int64_t back;

	(void)state;
	assert_true(wb_clock_parse_rfc1123(wb_slice_cstr("thu, 27 apr 2017 00:51:12 gmt"), &back));
	assert_int_equal(back, 1493254272000);
}

static void rfc1123_refuses_what_is_no_such_date(void **state)
{
	static const char *const texts[] = {
		"",
		"Thu, 27 Apr 2017 00:51:12 GM",
		"Thu, 27 Apr 2017 00:51:12 GMT ",
		"Fri, 27 Apr 2017 00:51:12 GMT", /* it was a Thursday */
		"Thu, 30 Feb 2017 00:51:12 GMT",
		"Thu, 27 Apr 2017 24:51:12 GMT",
		"Thu, 27 Apr 2017 00:60:12 GMT",
		"Thu, 27 Apr 2017 00:51:60 GMT",
		"Thu, 27 Foo 2017 00:51:12 GMT",
		"Thu, 27 Apr 2017 00:51:12 UTC",
		"Thu,  7 Apr 2017 00:51:12 GMT",
		"Thu, 27-Apr-2017 00:51:12 GMT",
		"Mon, 01 Jan 1900 00:00:00 GMT",
		"2017-04-27T00:51:12.000000000",
	};
	int64_t back = 42;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++)
		assert_false(wb_clock_parse_rfc1123(wb_slice_cstr(texts[i]), &back));
	assert_int_equal(back, 42);
}

static void rfc3339_is_read_with_decimals_and_offsets(void **state)
{
	static const struct {
		const char *text;
		int64_t wall_ms;
	} times[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-02T03:04:05.678Z", 1767323045678 },
		{ "2026-01-02t03:04:05.6789z", 1767323045678 },
		{ "2026-01-02 03:04:05.6Z", 1767323045600 },
		{ "2026-01-02T04:04:05+01:00", 1767323045000 },
		{ "2026-01-01T22:34:05-04:30", 1767323045000 },
	};
	static const char *const others[] = { "", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z",
		"2026-02-30T03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:04:60Z",
		"2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05Z ",
		"2026-01-02X03:04:05Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "2026-01-02T03:04:05ZZ",
		"20x6-01-02T03:04:05Z" };
	int64_t wall_ms;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(times); i++) {
		assert_true(wb_clock_parse_rfc3339(wb_slice_cstr(times[i].text), &wall_ms));
		assert_int_equal(wall_ms, times[i].wall_ms);
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(others); i++)
		assert_false(wb_clock_parse_rfc3339(wb_slice_cstr(others[i]), &wall_ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(monotonic_time_never_goes_back),
		cmocka_unit_test(wall_time_is_of_this_era),
		cmocka_unit_test(rfc3339_texts),
		cmocka_unit_test(rfc3339_is_read_with_decimals_and_offsets),
		cmocka_unit_test(rfc1123_text_is_the_one_of_the_signing_vector),
		cmocka_unit_test(rfc1123_reads_what_it_writes),
		cmocka_unit_test(names_of_days_and_months_may_be_in_any_case),
		cmocka_unit_test(rfc1123_refuses_what_is_no_such_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
