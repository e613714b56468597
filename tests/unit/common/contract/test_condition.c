#include "common/contract/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct wb_condition_names names = { "\"ifMatch\"", "\"ifNoneMatch\"" };

static enum wb_err check(enum wb_op op, const char *match, const char *none, struct wb_error *why)
{
	return wb_condition_check(op, wb_slice_cstr(match), wb_slice_cstr(none), &names, why);
}

static void what_goes_with_which_operation(void **state)
{
	static const struct {
		enum wb_op op;
		bool match, none, none_star;
	} rows[] = {
		{ WB_OP_UPSERT, true, true, true },
		{ WB_OP_CREATE, false, false, true },
		{ WB_OP_REPLACE, true, false, false },
		{ WB_OP_DELETE, true, false, false },
		{ WB_OP_PATCH, true, false, false },
	};
	struct wb_error why;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		assert_int_equal(check(rows[i].op, NULL, NULL, &why), WB_OK);
		assert_int_equal(check(rows[i].op, "\"e\"", NULL, &why) == WB_OK, rows[i].match);
		assert_int_equal(check(rows[i].op, "*", NULL, &why) == WB_OK, rows[i].match);
		assert_int_equal(check(rows[i].op, NULL, "\"e\"", &why) == WB_OK, rows[i].none);
		assert_int_equal(check(rows[i].op, NULL, "*", &why) == WB_OK, rows[i].none_star);
		assert_int_equal(check(rows[i].op, "*", "*", &why), WB_EINVAL);
		assert_non_null(strstr(why.text, "\"ifMatch\" and \"ifNoneMatch\" are both given"));
	}
}

static void an_etag_is_printable_ascii_of_some_length(void **state)
{
	char longest[WB_ETAG_LEN_MAX + 2];
	struct wb_error why;

	(void)state;
	memset(longest, 'e', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(check(WB_OP_UPSERT, longest, NULL, &why), WB_EINVAL);
	longest[WB_ETAG_LEN_MAX] = '\0';
	assert_int_equal(check(WB_OP_UPSERT, longest, NULL, &why), WB_OK);
	assert_int_equal(check(WB_OP_UPSERT, "", NULL, &why), WB_EINVAL);
	assert_int_equal(check(WB_OP_UPSERT, NULL, "", &why), WB_EINVAL);
	assert_int_equal(check(WB_OP_UPSERT, "a b", NULL, &why), WB_EINVAL);
	assert_int_equal(check(WB_OP_UPSERT, "a\x7f", NULL, &why), WB_EINVAL);
	assert_int_equal(check(WB_OP_UPSERT, "\xc3\xa9", NULL, &why), WB_EINVAL);
	assert_non_null(strstr(why.text, "\"ifMatch\" is neither"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_with_which_operation),
		cmocka_unit_test(an_etag_is_printable_ascii_of_some_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
