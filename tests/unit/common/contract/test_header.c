#include "common/contract/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_later_header_overrides_an_earlier_one(void **state)
{
	const struct wb_header headers[] = {
		{ WB_SLICE_LIT("a"), WB_SLICE_LIT("1") },
		{ WB_SLICE_LIT("b"), WB_SLICE_LIT("2") },
		{ WB_SLICE_LIT("a"), { NULL, 0 } },
	};

	(void)state;
	assert_ptr_equal(wb_header_find(headers, 3, "a"), &headers[2]);
	assert_ptr_equal(wb_header_find(headers, 3, "b"), &headers[1]);
}

static void names_match_whole_and_by_case(void **state)
{
	const struct wb_header headers[] = { { WB_SLICE_LIT("name"), WB_SLICE_LIT("1") } };

	(void)state;
	assert_null(wb_header_find(headers, 1, "nam"));
	assert_null(wb_header_find(headers, 1, "Name"));
	assert_null(wb_header_find(NULL, 0, "name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_header_overrides_an_earlier_one),
		cmocka_unit_test(names_match_whole_and_by_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
