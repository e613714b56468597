#include "producer/webhook.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/prng.h"
#include "common/base/strict.h"
#include "producer/render.h"

#include <stdio.h>
#include <string.h>

#define SECOND           INT64_C(1000)
#define MINUTE           (60 * SECOND)
#define HOUR             (60 * MINUTE)
#define RETRY_AFTER_MAX  (24 * HOUR)
#define SIGNED_BYTES_MAX (1024 * 1024)

static const char prefix[] = "whsec_";

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

enum wb_err wb_webhook_secret_parse(struct wb_slice text, struct wb_webhook_secret *ret, struct wb_error *e)
{
	const size_t skip = sizeof prefix - 1;
	struct wb_buf bytes;
	enum wb_err err = WB_EINVAL;

	wb_buf_init(&bytes, 4 * (WB_WEBHOOK_SECRET_MAX + 1));
	/* Taken at once, so that nothing of the secret is left behind in memory that grew. */
	if (text.len > skip && memcmp(text.data, prefix, skip) == 0 && wb_buf_reserve(&bytes, bytes.max))
		err = wb_base64_decode(wb_slice(text.data + skip, text.len - skip), &bytes);
	if (err != WB_OK || bytes.len < WB_WEBHOOK_SECRET_MIN || bytes.len > WB_WEBHOOK_SECRET_MAX) {
		err = wb_error_set(e, WB_EINVAL, "the secret (not shown) is not %s and the base64 of %d to %d bytes",
			prefix, WB_WEBHOOK_SECRET_MIN, WB_WEBHOOK_SECRET_MAX);
	} else {
		memcpy(ret->bytes, bytes.data, bytes.len);
		ret->len = bytes.len;
	}
	if (bytes.data)
		wb_crypto_wipe(bytes.data, bytes.cap);
	wb_buf_release(&bytes);
	return err;
}

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

void wb_webhook_sign(const struct wb_webhook_secrets *secrets, const char *id, int64_t timestamp_s,
	struct wb_slice body, struct wb_buf *ret)
{
	uint8_t mac[WB_SHA256_SIZE];
	struct wb_buf text;

	wb_buf_init(&text, SIGNED_BYTES_MAX);
	wb_buf_appendf(&text, "%s.%lld.", id, (long long)timestamp_s);
	wb_buf_append_slice(&text, body);
	/* A signature over less than the body would be worse than none, which every receiver refuses. */
	for (unsigned i = 0; i < secrets->count && wb_buf_status(&text) == WB_OK; i++) {
		const struct wb_webhook_secret *secret = &secrets->secret[i];

		wb_crypto_hmac_sha256(wb_slice((const char *)secret->bytes, secret->len), wb_buf_slice(&text), mac);
		wb_buf_append_cstr(ret, i ? " v1," : "v1,");
		wb_base64_encode(wb_slice((const char *)mac, sizeof mac), ret);
	}
	wb_buf_release(&text);
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

int64_t wb_webhook_retry_after_ms(struct wb_slice value, int64_t wall_ms)
{
	int64_t number;

	if (wb_strict_int64(value, 0, INT64_MAX / SECOND, &number, NULL) == WB_OK)
		return number * SECOND;
	if (wb_clock_parse_rfc1123(value, &number) && number > wall_ms)
		return number - wall_ms;
	return 0;
}
