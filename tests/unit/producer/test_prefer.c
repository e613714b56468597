#include "producer/prefer.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void what_is_known_is_read_and_the_rest_ignored(void **state)
{
	static const struct {
		const char *field;
		bool async, wait;
		int64_t wait_s;
	} rows[] = {
		{ "", false, false, 0 },
		{ "respond-async", true, false, 0 },
		{ "Respond-Async", true, false, 0 },
		{ "wait=10", false, true, 10 },
		{ "WAIT = \"10\"", false, true, 10 },
		{ "respond-async, wait=10", true, true, 10 },
		{ "wait=0,respond-async", true, true, 0 },
		{ "respond-async; foo=\"a, wait=3\", wait=5;x", true, true, 5 },
		{ "respond-async=\"\"", true, false, 0 },
		{ "priority=5, handling=lenient, return=minimal", false, false, 0 },
		{ "wait=1, wait=2", false, true, 1 },
		{ "wait=x, wait=2", false, false, 0 },
		{ "wait", false, false, 0 },
		{ "wait=", false, false, 0 },
		{ "wait=-1", false, false, 0 },
		{ "wait=1.5", false, false, 0 },
		{ "wait=99999999999999999999999999", false, true, WB_PREFER_WAIT_MAX },
		{ ",,; ;=,\"", false, false, 0 },
		{ "respond-async-too", false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_prefer p = { 0 };

		wb_prefer_add(&p, wb_slice_cstr(rows[i].field));
		if (p.respond_async != rows[i].async || p.wait != rows[i].wait || p.wait_s != rows[i].wait_s)
			fail_msg("%s: %d %d %lld", rows[i].field, p.respond_async, p.wait, (long long)p.wait_s);
	}
}

static void several_fields_are_one_list(void **state)
{
	struct wb_prefer p = { 0 };

	(void)state;
	wb_prefer_add(&p, wb_slice_cstr("wait=7"));
	wb_prefer_add(&p, wb_slice_cstr("respond-async, wait=9"));
	wb_prefer_add(&p, wb_slice_cstr(NULL));
	assert_true(p.respond_async);
	assert_int_equal(p.wait_s, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_is_read_and_the_rest_ignored),
		cmocka_unit_test(several_fields_are_one_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
