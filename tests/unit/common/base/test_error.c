#include "common/base/error.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void every_code_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int a = WB_OK; a <= WB_EFATAL; a++) {
		assert_string_not_equal(wb_err_text((enum wb_err)a), "unknown error");
		for (int b = WB_OK; b < a; b++)
			assert_string_not_equal(wb_err_text((enum wb_err)a), wb_err_text((enum wb_err)b));
	}
	assert_string_equal(wb_err_text((enum wb_err)999), "unknown error");
}

static void set_returns_the_code_and_keeps_the_sentence(void **state)
{
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_error_set(&e, WB_ETOOBIG, "%d is above %d", 3, 2), WB_ETOOBIG);
	assert_string_equal(e.text, "3 is above 2");
	assert_int_equal(wb_error_set(NULL, WB_EIO, "nobody asks"), WB_EIO);
}

static void a_sentence_can_be_added_to(void **state)
{
	struct wb_error e;

	(void)state;
	(void)wb_error_set(&e, WB_EIO, "no such file");
	(void)wb_error_set(&e, WB_EIO, "cannot start: %s", e.text);
	assert_string_equal(e.text, "cannot start: no such file");
}

static void a_long_sentence_is_cut(void **state)
{
	char longer[2000];
	struct wb_error e;

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	(void)wb_error_set(&e, WB_EIO, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_text_of_its_own),
		cmocka_unit_test(set_returns_the_code_and_keeps_the_sentence),
		cmocka_unit_test(a_sentence_can_be_added_to),
		cmocka_unit_test(a_long_sentence_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
