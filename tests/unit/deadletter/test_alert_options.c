#include "deadletter/alert_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char from[] = "a@example.org", to[] = "b@example.org,c@example.org", url[] = "smtp://mail", user[] = "u",
	    password[] = "hidden", hook[] = "https://hooks.example.org/hidden",
	    secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", bad[] = "hidden";

static void mails_need_a_server_and_a_sender(void **state)
{
	struct wb_alert_options o = { .smtp_timeout_ms = 1000 };
	struct wb_mail_addresses addresses;
	struct wb_smtp_settings smtp;
	struct wb_error e;
	bool wanted = true;

	(void)state;
	assert_int_equal(wb_alert_options_mail(&o, &addresses, &smtp, &wanted, &e), WB_OK);
	assert_false(wanted);
	o.mail_to = to;
	assert_int_equal(wb_alert_options_mail(&o, &addresses, &smtp, &wanted, &e), WB_EINVAL);
	o.mail_from = from;
	assert_int_equal(wb_alert_options_mail(&o, &addresses, &smtp, &wanted, &e), WB_EINVAL);
	o.smtp_url = url;
	o.smtp_user = user;
	o.smtp_password = password;
	assert_int_equal(wb_alert_options_mail(&o, &addresses, &smtp, &wanted, &e), WB_OK);
	assert_true(wanted);
	assert_int_equal(addresses.count, 2);
	assert_true(smtp.starttls);
	o.smtp_starttls = WB_ALERT_STARTTLS_NEVER;
	assert_int_equal(wb_alert_options_mail(&o, &addresses, &smtp, &wanted, &e), WB_EINVAL);
	assert_null(strstr(e.text, "hidden"));
}

static void webhooks_are_signed_unless_the_format_is_anothers(void **state)
{
	struct wb_alert_options o = { .hook_timeout_ms = 1000 };
	struct wb_hook_settings settings;
	struct wb_error e;
	bool wanted = true;

	(void)state;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_OK);
	assert_false(wanted);
	o.hook_url = hook;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_EINVAL);
	assert_null(strstr(e.text, "hidden"));
	o.hook_format = WB_ALERT_HOOK_SLACK;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_OK);
	assert_int_equal(settings.secrets.count, 0);
	o.hook_previous = secret;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_EINVAL);
	o.hook_secret = secret;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_OK);
	assert_int_equal(settings.secrets.count, 2);
	o.hook_secret = bad;
	assert_int_equal(wb_alert_options_hook(&o, &settings, &wanted, &e), WB_EINVAL);
	assert_null(strstr(e.text, "hidden"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_need_a_server_and_a_sender),
		cmocka_unit_test(webhooks_are_signed_unless_the_format_is_anothers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
