#include "deadletter/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define NOW 1000000000000

static void filters_are_read(void **state)
{
	struct wb_deadletter_config c = {
		.reason_text = "too-large", .since_text = "2h", .job = "0123456789abcdef0123456789abcdef"
	};
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_deadletter_config_finish(&c, NOW, &e), WB_OK);
	assert_int_equal(c.reason, WB_REASON_TOO_LARGE);
	assert_int_equal(c.since_ms, NOW - 2 * 3600 * 1000);
}

static void times_are_ages_or_points(void **state)
{
	struct wb_deadletter_config c = {
		.since_text = "2026-01-02T03:04:05Z", .until_text = "30min", .reason_text = "none"
	};
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_deadletter_config_finish(&c, NOW, &e), WB_OK);
	assert_int_equal(c.since_ms, INT64_C(1767323045000));
	assert_int_equal(c.until_ms, NOW - 30 * 60 * 1000);
	assert_true(c.not_ours);
}

static void bad_filters_are_named(void **state)
{
	struct wb_deadletter_config bad[] = { { .reason_text = "sad" }, { .since_text = "yesterday" }, { .job = "x" },
		{ .until_text = "2026-13-01T00:00:00Z" } };
	const char *names[] = { "--reason sad", "--since yesterday", "--job x", "--until 2026-13" };
	struct wb_error e;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(wb_deadletter_config_finish(&bad[i], NOW, &e), WB_EINVAL);
		assert_non_null(strstr(e.text, names[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_read),
		cmocka_unit_test(times_are_ages_or_points),
		cmocka_unit_test(bad_filters_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
