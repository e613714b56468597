#include "common/http/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool fits(const char *pattern, const char *path)
{
	struct wb_route_match match;

	return wb_route_match(wb_slice_cstr(pattern), wb_slice_cstr(path), &match);
}

static void exact_paths(void **state)
{
	(void)state;
	assert_true(fits("/", "/"));
	assert_true(fits("/v1/jobs", "/v1/jobs"));
	assert_false(fits("/v1/jobs", "/v1/jobs/"));
	assert_false(fits("/v1/jobs", "/v1/job"));
	assert_false(fits("/v1/jobs", "/v1/jobsx"));
	assert_false(fits("/v1/jobs", "/v1"));
	assert_false(fits("/v1/jobs", "/V1/jobs"));
	assert_false(fits("/v1/jobs", ""));
	assert_false(fits("/", ""));
}

static void a_name_takes_one_segment_that_is_not_empty(void **state)
{
	struct wb_route_match match;

	(void)state;
	assert_true(wb_route_match(wb_slice_cstr("/v1/jobs/{id}"), wb_slice_cstr("/v1/jobs/a%2Fb"), &match));
	assert_int_equal(match.count, 1);
	assert_true(wb_slice_eq_cstr(match.name[0], "id"));
	assert_true(wb_slice_eq_cstr(match.value[0], "a%2Fb"));
	assert_false(fits("/v1/jobs/{id}", "/v1/jobs/"));
	assert_false(fits("/v1/jobs/{id}", "/v1/jobs"));
	assert_false(fits("/v1/jobs/{id}", "/v1/jobs/a/b"));
	assert_false(fits("/v1/jobs/{id}/x", "/v1/jobs//x"));
	assert_true(wb_route_match(wb_slice_cstr("/{a}/x/{b}"), wb_slice_cstr("/1/x/2"), &match));
	assert_int_equal(match.count, 2);
	assert_true(wb_slice_eq_cstr(match.value[1], "2"));
}

static void a_star_takes_the_rest(void **state)
{
	struct wb_route_match match;

	(void)state;
	assert_true(wb_route_match(wb_slice_cstr("/docs/*"), wb_slice_cstr("/docs/a/b.css"), &match));
	assert_int_equal(match.count, 1);
	assert_true(wb_slice_eq_cstr(match.name[0], "*"));
	assert_true(wb_slice_eq_cstr(match.value[0], "a/b.css"));
	assert_true(wb_route_match(wb_slice_cstr("/docs/*"), wb_slice_cstr("/docs/"), &match));
	assert_int_equal(match.value[0].len, 0);
	assert_false(fits("/docs/*", "/docs"));
	assert_false(fits("/docs/*", "/doc/x"));
}

static void more_values_than_there_is_room_for(void **state)
{
	(void)state;
	assert_true(fits("/{a}/{b}/{c}/{d}", "/1/2/3/4"));
	assert_false(fits("/{a}/{b}/{c}/{d}/{e}", "/1/2/3/4/5"));
}

static void decoding(void **state)
{
	static const char *const bad[] = { "%", "%4", "%4G", "a%", "%%41", "%-1" };
	char out[64];

	(void)state;
	assert_int_equal(wb_route_decode(wb_slice_cstr("a%2Fb%c3%A9+%00"), out), 7);
	assert_memory_equal(out, "a/b\xC3\xA9+\0", 7);
	assert_int_equal(wb_route_decode(wb_slice_cstr(""), out), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(wb_route_decode(wb_slice_cstr(bad[i]), out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_paths),
		cmocka_unit_test(a_name_takes_one_segment_that_is_not_empty),
		cmocka_unit_test(a_star_takes_the_rest),
		cmocka_unit_test(more_values_than_there_is_room_for),
		cmocka_unit_test(decoding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
