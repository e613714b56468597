#include "producer/webhook.h"

#include "common/base/clock.h"
#include "common/base/prng.h"
#include "producer/render.h"

#include <stdio.h>

#define SECOND          INT64_C(1000)
#define MINUTE          (60 * SECOND)
#define HOUR            (60 * MINUTE)
#define RETRY_AFTER_MAX (24 * HOUR)

/* From each attempt to the next: "Retry schedule" of the specification's "Deliverability and reliability". */
static const int64_t delays_ms[] = {
	0,
	5 * SECOND,
	5 * MINUTE,
	30 * MINUTE,
	2 * HOUR,
	5 * HOUR,
	10 * HOUR,
	14 * HOUR,
	20 * HOUR,
	24 * HOUR,
};
_Static_assert(WB_ARRAY_LEN(delays_ms) == WB_WEBHOOK_ATTEMPTS_MAX, "each attempt has its delay");

void wb_webhook_id(const char *job, char ret[WB_WEBHOOK_ID_SIZE])
{
	(void)snprintf(ret, WB_WEBHOOK_ID_SIZE, "job_%.*s", WB_JOB_ID_LEN, job); /* has room for both */
}

void wb_webhook_body(const struct wb_job_info *info, struct wb_buf *ret)
{
	struct wb_job_info job = *info;
	char at[WB_CLOCK_RFC3339_SIZE];

	/* Every attempt has the same body, so it cannot tell of the attempts. */
	job.callback = wb_slice(NULL, 0);
	job.callback_state = WB_CALLBACK_NONE;
	wb_clock_rfc3339(job.completed_ms, at);
	wb_buf_appendf(ret, "{\"type\":\"job.ended\",\"timestamp\":\"%s\",\"data\":", at);
	wb_render_job(&job, true, ret);
	wb_buf_append_char(ret, '}');
}

enum wb_webhook_verdict wb_webhook_judge(int status, unsigned attempt)
{
	if (status >= 200 && status < 300)
		return WB_WEBHOOK_DELIVERED;
	return status == 410 || attempt >= WB_WEBHOOK_ATTEMPTS_MAX ? WB_WEBHOOK_FAILED : WB_WEBHOOK_RETRY;
}

int64_t wb_webhook_delay_ms(unsigned attempts, int64_t retry_after_ms, uint64_t random)
{
	int64_t delay_ms;

	if (attempts == 0)
		return 0;
	delay_ms = delays_ms[attempts < WB_WEBHOOK_ATTEMPTS_MAX ? attempts : WB_WEBHOOK_ATTEMPTS_MAX - 1];
	delay_ms += (int64_t)(random % (uint64_t)(delay_ms / 10 + 1));
	if (retry_after_ms > RETRY_AFTER_MAX)
		retry_after_ms = RETRY_AFTER_MAX;
	return delay_ms > retry_after_ms ? delay_ms : retry_after_ms;
}

uint64_t wb_webhook_random(const char *job, unsigned attempts)
{
	struct wb_prng prng = { attempts };

	for (size_t i = 0; i < WB_JOB_ID_LEN && job[i]; i++) {
		prng.state ^= (unsigned char)job[i];
		prng.state = wb_prng_next(&prng);
	}
	return prng.state;
}
