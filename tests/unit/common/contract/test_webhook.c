#include "common/contract/webhook.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static struct wb_webhook_secret secret_of(const char *text)
{
	struct wb_webhook_secret secret;

	assert_int_equal(wb_webhook_secret_parse(wb_slice_cstr(text), &secret, NULL), WB_OK);
	return secret;
}

/* The vector of the specification and of all its libraries' tests. */
static void the_vector_of_standard_webhooks(void **state)
{
	struct wb_webhook_secrets secrets = { .secret = { secret_of(SECRET) }, .count = 1 };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 1000);
	wb_webhook_sign(
		&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, wb_slice_cstr("{\"test\": 2432232314}"), &out);
	assert_string_equal(out.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	wb_buf_release(&out);
}

static void two_secrets_sign_twice(void **state)
{
	struct wb_webhook_secrets secrets = {
		.secret = { secret_of("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), secret_of(SECRET) },
		.count = 2,
	};
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 1000);
	wb_webhook_sign(
		&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, wb_slice_cstr("{\"test\": 2432232314}"), &out);
	/* The first by Python's hmac. */
	assert_string_equal(out.data,
		"v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	wb_buf_release(&out);
}

static void secrets_of_24_to_64_bytes(void **state)
{
	static const char *const bad[] = {
		"",
		"whsec_",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* cut */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", /* 22 bytes */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ",
	};
	uint8_t bytes[66] = { 0 };
	struct wb_webhook_secret secret;
	struct wb_buf text;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++) {
		struct wb_error e = { "" };

		assert_int_equal(wb_webhook_secret_parse(wb_slice_cstr(bad[i]), &secret, &e), WB_EINVAL);
		assert_non_null(strstr(e.text, "24 to 64 bytes"));
		assert_null(strstr(e.text, "MfKQ"));
	}
	wb_buf_init(&text, 1000);
	for (size_t len = 23; len <= 66; len++) {
		wb_buf_clear(&text);
		wb_buf_append_cstr(&text, "whsec_");
		wb_base64_encode(wb_slice((const char *)bytes, len), &text);
		assert_int_equal(wb_webhook_secret_parse(wb_buf_slice(&text), &secret, NULL),
			len >= 24 && len <= 64 ? WB_OK : WB_EINVAL);
	}
	assert_int_equal(secret.len, 64);
	wb_buf_release(&text);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	char date[WB_CLOCK_RFC1123_SIZE];
	const int64_t now_ms = INT64_C(1760000000000);

	(void)state;
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr("120"), now_ms), 120000);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr("0"), now_ms), 0);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr("-1"), now_ms), 0);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr("soon"), now_ms), 0);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr(""), now_ms), 0);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr("99999999999999999999999"), now_ms), 0);
	wb_clock_rfc1123(now_ms + 90000, date);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr(date), now_ms), 90000);
	assert_int_equal(wb_webhook_retry_after_ms(wb_slice_cstr(date), now_ms + 100000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_of_standard_webhooks),
		cmocka_unit_test(two_secrets_sign_twice),
		cmocka_unit_test(secrets_of_24_to_64_bytes),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
