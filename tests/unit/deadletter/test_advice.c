#include "deadletter/advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void every_reason_has_words_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= WB_REASON_SERVER_ERROR; i++) {
		const char *meaning = wb_advice_meaning((enum wb_reason)i),
			   *mending = wb_advice_mending((enum wb_reason)i);

		assert_non_null(meaning);
		assert_non_null(mending);
		assert_int_equal(meaning[strlen(meaning) - 1], '.');
		assert_int_equal(mending[strlen(mending) - 1], '.');
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(meaning, wb_advice_meaning((enum wb_reason)k));
	}
}

static void what_is_unknown_is_anothers(void **state)
{
	(void)state;
	assert_string_equal(wb_advice_meaning((enum wb_reason)999), wb_advice_meaning(WB_REASON_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_words_of_its_own),
		cmocka_unit_test(what_is_unknown_is_anothers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
