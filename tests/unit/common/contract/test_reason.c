#include "common/contract/reason.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_vocabulary_is_the_documented_one(void **state)
{
	static const char *const words[] = {
		"invalid-json",
		"not-an-object",
		"duplicate-member",
		"missing-id",
		"invalid-id",
		"missing-partition-key",
		"invalid-partition-key",
		"partition-key-mismatch",
		"too-large",
		"bad-request",
		"not-found",
		"conflict",
		"precondition-failed",
		"partition-full",
		"unknown-container",
		"container-not-allowed",
		"unknown-operation",
		"invalid-header",
		"tombstone",
		"server-error",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(words); i++) {
		enum wb_reason reason = wb_reason_parse(wb_slice_cstr(words[i]));

		assert_int_not_equal(reason, WB_REASON_NONE);
		assert_string_equal(wb_reason_text(reason), words[i]);
	}
	assert_int_equal(WB_REASON_SERVER_ERROR, WB_ARRAY_LEN(words));
}

static void other_words_are_none(void **state)
{
	(void)state;
	assert_int_equal(wb_reason_parse(wb_slice_cstr("Conflict")), WB_REASON_NONE);
	assert_int_equal(wb_reason_parse(wb_slice_cstr("")), WB_REASON_NONE);
	assert_int_equal(wb_reason_parse(wb_slice_cstr(NULL)), WB_REASON_NONE);
	assert_string_equal(wb_reason_text(WB_REASON_NONE), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vocabulary_is_the_documented_one),
		cmocka_unit_test(other_words_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
