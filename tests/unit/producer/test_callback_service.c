#include "producer/callback_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static char good[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", bad[] = "whsec_MfKQ", hosts[] = "example.com",
	    no_hosts[] = "https://example.com";

static void without_hosts_there_are_no_rules(void **state)
{
	const struct wb_callback_options options = { .secret = good };
	struct wb_callback_rules *rules = (struct wb_callback_rules *)&options;
	struct wb_webhook_secrets secrets;

	(void)state;
	assert_int_equal(wb_callback_service_configure(&options, &rules, &secrets, NULL), WB_OK);
	assert_null(rules);
}

static void rules_and_secrets(void **state)
{
	const struct wb_callback_options options = { .hosts = hosts, .secret = good, .secret_previous = good };
	struct wb_callback_rules *rules;
	struct wb_webhook_secrets secrets;

	(void)state;
	assert_int_equal(wb_callback_service_configure(&options, &rules, &secrets, NULL), WB_OK);
	assert_int_equal(secrets.count, 2);
	assert_int_equal(wb_callback_rules_check(rules, wb_slice_cstr("https://example.com/"), NULL), WB_OK);
	wb_callback_rules_free(&rules);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		struct wb_callback_options options;
		const char *says;
	} cases[] = {
		{ { .hosts = no_hosts, .secret = good }, "callback.hosts: " },
		{ { .hosts = hosts, .secret = bad }, "callback.secret: " },
		{ { .hosts = hosts, .secret = good, .secret_previous = bad }, "callback.secret.previous: " },
		{ { .secret = bad }, "callback.secret: " },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_callback_rules *rules = NULL;
		struct wb_webhook_secrets secrets;
		struct wb_error e = { "" };

		assert_int_equal(wb_callback_service_configure(&cases[i].options, &rules, &secrets, &e), WB_EINVAL);
		assert_null(rules);
		assert_int_equal(strncmp(e.text, cases[i].says, strlen(cases[i].says)), 0);
		assert_null(strstr(e.text, "MfKQ"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_hosts_there_are_no_rules),
		cmocka_unit_test(rules_and_secrets),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
