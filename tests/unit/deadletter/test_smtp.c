#include "deadletter/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum wb_err check(struct wb_smtp_settings s)
{
	struct wb_error e = { "" };
	enum wb_err err = wb_smtp_check(&s, &e);

	assert_int_equal(err == WB_OK, e.text[0] == '\0');
	assert_null(strstr(e.text, "s3cret"));
	return err;
}

static void only_what_can_work_and_keeps_the_password(void **state)
{
	static const char *const bad[] = { "", "http://h", "smtp://", "smtps://", "smtp://a:s3cret@h", "smtp://h/path",
		"smtp://h\r\n", "smtp://h:25?x", "smtp://h h", "SMTP" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(check((struct wb_smtp_settings){ .url = bad[i], .starttls = true }), WB_EINVAL);
	assert_int_equal(check((struct wb_smtp_settings){ .url = NULL }), WB_EINVAL);
	assert_int_equal(check((struct wb_smtp_settings){ .url = "smtp://mail.example.org:587" }), WB_OK);
	assert_int_equal(check((struct wb_smtp_settings){ .url = "smtps://[::1]:465" }), WB_OK);
	assert_int_equal(
		check((struct wb_smtp_settings){ .url = "smtp://h", .user = "u", .password = "s3cret" }), WB_EINVAL);
	assert_int_equal(check((struct wb_smtp_settings){
				 .url = "smtp://h", .starttls = true, .user = "u", .password = "s3cret" }),
		WB_OK);
	assert_int_equal(
		check((struct wb_smtp_settings){ .url = "smtps://h", .user = "u", .password = "s3cret" }), WB_OK);
	assert_int_equal(check((struct wb_smtp_settings){ .url = "smtps://h", .user = "u" }), WB_EINVAL);
	assert_int_equal(check((struct wb_smtp_settings){ .url = "smtps://h", .password = "s3cret" }), WB_EINVAL);
	assert_int_equal(check((struct wb_smtp_settings){ .url = "smtps://h", .ca_file = "/nowhere" }), WB_EINVAL);
}

static void a_server_that_is_not_there_is_asked_again(void **state)
{
	const struct wb_smtp_settings settings = { .url = "smtp://127.0.0.1:1", .timeout_ms = 2000 };
	const char *const to[] = { "a@example.org" };
	struct wb_smtp_outcome outcome;

	(void)state;
	wb_smtp_send(&settings, "b@example.org", to, 1, wb_slice_cstr("Subject: x\r\n\r\nx\r\n"), &outcome);
	assert_int_equal(outcome.verdict, WB_SMTP_RETRY);
	assert_int_equal(outcome.status, 0);
	assert_true(outcome.text[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_can_work_and_keeps_the_password),
		cmocka_unit_test(a_server_that_is_not_there_is_asked_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
