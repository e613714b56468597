#include "common/base/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void paths_are_split_and_decoded(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
		const char *segments[3];
	} rows[] = {
		{ "/pk", 1, { "pk" } },
		{ "/a/b/c", 3, { "a", "b", "c" } },
		{ "/pk/", 1, { "pk" } },
		{ "/\"quoted name\"/b", 2, { "quoted name", "b" } },
		{ "/'a/b'/\"c/d\"", 2, { "a/b", "c/d" } },
		{ "/\"say \\\"hi\\\"\"", 1, { "say \"hi\"" } },
		{ "/\"back\\\\slash\\n\"", 1, { "back\\slash\\n" } },
		{ "/\"\"", 1, { "" } },
		{ "/a\"b", 1, { "a\"b" } },
		{ "/é", 1, { "é" } },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_json_paths paths = { .count = 0 };

		assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr(rows[i].text), NULL), WB_OK);
		assert_int_equal(paths.count, 1);
		assert_int_equal(paths.path[0].count, rows[i].count);
		for (unsigned s = 0; s < rows[i].count; s++)
			assert_true(wb_slice_eq_cstr(paths.path[0].segments[s], rows[i].segments[s]));
		wb_json_paths_release(&paths);
		assert_int_equal(paths.count, 0);
	}
}

static void other_text_is_refused(void **state)
{
	static const char *const rows[] = { "", "/", "pk", "a/b", "//", "/a//b", "/a//", "/\"a", "/\"a\"b", "/\"a\\\"",
		"/'a\"", "/\xff" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_json_paths paths = { .count = 0 };
		struct wb_error e = { "" };

		assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr(rows[i]), &e), WB_EINVAL);
		assert_true(e.text[0] != '\0');
		assert_int_equal(paths.count, 0);
	}
}

static void there_are_at_most_three_paths(void **state)
{
	struct wb_json_paths paths = { .count = 0 };

	(void)state;
	for (unsigned i = 0; i < WB_JSON_PATHS_MAX; i++)
		assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr("/a"), NULL), WB_OK);
	assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr("/a"), NULL), WB_EINVAL);
	assert_int_equal(paths.count, WB_JSON_PATHS_MAX);
	wb_json_paths_release(&paths);
}

static void a_path_has_at_most_sixteen_segments(void **state)
{
	struct wb_json_paths paths = { .count = 0 };

	(void)state;
	assert_int_equal(
		wb_json_paths_add(&paths, wb_slice_cstr("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), NULL), WB_OK);
	assert_int_equal(paths.path[0].count, WB_JSON_PATH_SEGMENTS_MAX);
	assert_int_equal(wb_json_paths_add(&paths, wb_slice_cstr("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), NULL),
		WB_EINVAL);
	wb_json_paths_release(&paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_split_and_decoded),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(there_are_at_most_three_paths),
		cmocka_unit_test(a_path_has_at_most_sixteen_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
