#include "producer/webhook.h"

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

#define JOB "00112233445566778899aabbccddeeff"

static void the_body_is_the_job_as_get_shows_it(void **state)
{
	const struct wb_job_info info = { .id = JOB,
		.status = WB_JOB_SUCCEEDED,
		.accepted = 2,
		.written = 2,
		.request_charge = 1.5,
		.created_ms = 0,
		.completed_ms = 1500,
		.callback = WB_SLICE_LIT("https://example.com/?token=secret"),
		.callback_state = WB_CALLBACK_RETRYING,
		.callback_attempts = 3 };
	char id[WB_WEBHOOK_ID_SIZE];
	struct wb_buf out;

	(void)state;
	wb_webhook_id(info.id, id);
	assert_string_equal(id, "job_" JOB);
	wb_buf_init(&out, 10000);
	wb_webhook_body(&info, &out);
	assert_non_null(strstr(out.data,
		"{\"type\":\"job.ended\",\"timestamp\":\"1970-01-01T00:00:01.500Z\",\"data\":{\"jobId\":\"" JOB
		"\",\"status\":\"Succeeded\",\"accepted\":2,"));
	assert_null(strstr(out.data, "secret"));
	assert_null(strstr(out.data, "retrying"));
	assert_int_equal(out.data[out.len - 1], '}');
	wb_buf_release(&out);
}

static void what_answers_mean(void **state)
{
	static const int delivered[] = { 200, 201, 202, 204, 299 };
	static const int again[] = { 0, 301, 302, 307, 308, 400, 401, 404, 408, 429, 500, 502, 503, 504, 199, 300,
		999 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(delivered); i++) {
		assert_int_equal(wb_webhook_judge(delivered[i], 1), WB_WEBHOOK_DELIVERED);
		assert_int_equal(wb_webhook_judge(delivered[i], WB_WEBHOOK_ATTEMPTS_MAX), WB_WEBHOOK_DELIVERED);
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(again); i++) {
		assert_int_equal(wb_webhook_judge(again[i], 1), WB_WEBHOOK_RETRY);
		assert_int_equal(wb_webhook_judge(again[i], WB_WEBHOOK_ATTEMPTS_MAX - 1), WB_WEBHOOK_RETRY);
		assert_int_equal(wb_webhook_judge(again[i], WB_WEBHOOK_ATTEMPTS_MAX), WB_WEBHOOK_FAILED);
	}
	assert_int_equal(wb_webhook_judge(410, 1), WB_WEBHOOK_FAILED);
}

static void the_schedule_is_the_recommended_one(void **state)
{
	static const int64_t seconds[] = { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 };

	(void)state;
	assert_int_equal(wb_webhook_delay_ms(0, 0, 12345), 0);
	for (unsigned i = 0; i < WB_ARRAY_LEN(seconds); i++) {
		int64_t ms = seconds[i] * 1000;

		assert_int_equal(wb_webhook_delay_ms(i + 1, 0, 0), ms);
		for (unsigned job = 0; job < 1000; job++) {
			char id[WB_JOB_ID_SIZE];
			int64_t delay_ms;

			(void)snprintf(id, sizeof id, "%032x", job);
			delay_ms = wb_webhook_delay_ms(i + 1, 0, wb_webhook_random(id, i + 1));
			assert_in_range(delay_ms, ms, ms + ms / 10);
			assert_int_equal(delay_ms, wb_webhook_delay_ms(i + 1, 0, wb_webhook_random(id, i + 1)));
		}
	}
	assert_int_not_equal(wb_webhook_random(JOB, 1), wb_webhook_random(JOB, 2));
	/* Beyond its end, which no caller reaches. */
	assert_int_equal(wb_webhook_delay_ms(WB_WEBHOOK_ATTEMPTS_MAX + 5, 0, 0), 86400000);
}

static void retry_after_makes_it_longer_within_a_day(void **state)
{
	(void)state;
	assert_int_equal(wb_webhook_delay_ms(1, 2000, 0), 5000);
	assert_int_equal(wb_webhook_delay_ms(1, 60000, 0), 60000);
	assert_int_equal(wb_webhook_delay_ms(1, INT64_MAX, 0), 86400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_body_is_the_job_as_get_shows_it),
		cmocka_unit_test(what_answers_mean),
		cmocka_unit_test(the_schedule_is_the_recommended_one),
		cmocka_unit_test(retry_after_makes_it_longer_within_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
