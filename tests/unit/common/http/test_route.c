#include "common/http/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool fits(const char *pattern, const char *path, struct wb_route_match *ret)
{
	return wb_route_match(wb_slice_cstr(pattern), wb_slice_cstr(path), ret);
}

static void exact_paths_fit_only_themselves(void **state)
{
	struct wb_route_match m;

	(void)state;
	assert_true(fits("/v1/jobs", "/v1/jobs", &m));
	assert_int_equal(m.count, 0);
	assert_false(fits("/v1/jobs", "/v1/jobs/", &m));
	assert_false(fits("/v1/jobs", "/v1/job", &m));
	assert_false(fits("/v1/jobs", "/v1/jobsx", &m));
	assert_false(fits("/v1/jobs", "/v1", &m));
	assert_false(fits("/v1/jobs", "", &m));
}

static void a_name_takes_one_segment_that_is_not_empty(void **state)
{
	struct wb_route_match m;

	(void)state;
	assert_true(fits("/v1/jobs/{id}", "/v1/jobs/a%2Fb", &m));
	assert_int_equal(m.count, 1);
	assert_true(wb_slice_eq_cstr(m.name[0], "id"));
	assert_true(wb_slice_eq_cstr(m.value[0], "a%2Fb"));
	assert_false(fits("/v1/jobs/{id}", "/v1/jobs/", &m));
	assert_false(fits("/v1/jobs/{id}", "/v1/jobs/a/b", &m));
	assert_true(fits("/dbs/{db}/colls/{coll}", "/dbs/x/colls/y", &m));
	assert_int_equal(m.count, 2);
	assert_true(wb_slice_eq_cstr(m.value[1], "y"));
}

static void a_star_takes_the_rest(void **state)
{
	struct wb_route_match m;

	(void)state;
	assert_true(fits("/docs/*", "/docs/a/b.html", &m));
	assert_true(wb_slice_eq_cstr(m.name[0], "*"));
	assert_true(wb_slice_eq_cstr(m.value[0], "a/b.html"));
	assert_true(fits("/docs/*", "/docs/", &m));
	assert_int_equal(m.value[0].len, 0);
	assert_false(fits("/docs/*", "/other/a", &m));
}

static void escapes_are_decoded_or_refused(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(wb_route_decode(wb_slice_cstr("a%2fb%20c"), out), 5);
	assert_memory_equal(out, "a/b c", 5);
	assert_int_equal(wb_route_decode(wb_slice_cstr("%"), out), -1);
	assert_int_equal(wb_route_decode(wb_slice_cstr("%4"), out), -1);
	assert_int_equal(wb_route_decode(wb_slice_cstr("%zz"), out), -1);
	assert_int_equal(wb_route_decode(wb_slice_cstr(""), out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_paths_fit_only_themselves),
		cmocka_unit_test(a_name_takes_one_segment_that_is_not_empty),
		cmocka_unit_test(a_star_takes_the_rest),
		cmocka_unit_test(escapes_are_decoded_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
