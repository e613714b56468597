#include "deadletter/hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void only_https_and_nothing_of_the_url_is_told(void **state)
{
	static const char *const bad[] = { "", "https://", "http://hidden.example", "https://hidden.example/a b",
		"https://hidden.example/\r\nx: y", "https://hidden.example/\xc3\xa9" };
	struct wb_hook_settings s = { .url = NULL };
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(wb_hook_check(&s, &e), WB_EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		s.url = bad[i];
		assert_int_equal(wb_hook_check(&s, &e), WB_EINVAL);
		assert_null(strstr(e.text, "hidden"));
	}
	s.url = "https://hooks.example.org/services/T0/B0";
	assert_int_equal(wb_hook_check(&s, &e), WB_OK);
	s.ca_file = "/nowhere";
	assert_int_equal(wb_hook_check(&s, &e), WB_EINVAL);
}

static void a_host_that_is_not_there_is_asked_again(void **state)
{
	const struct wb_hook_settings settings = { .url = "https://127.0.0.1:1/hidden", .timeout_ms = 2000 };
	struct wb_hook_outcome outcome;

	(void)state;
	wb_hook_post(&settings, "id", 1764000000000, wb_slice_cstr("{}"), &outcome);
	assert_false(outcome.accepted);
	assert_int_equal(outcome.status, 0);
	assert_true(outcome.text[0]);
	assert_null(strstr(outcome.text, "hidden"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_https_and_nothing_of_the_url_is_told),
		cmocka_unit_test(a_host_that_is_not_there_is_asked_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
