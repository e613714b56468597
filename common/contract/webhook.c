#include "common/contract/webhook.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/strict.h"

#include <string.h>

#define SECOND           INT64_C(1000)
#define SIGNED_BYTES_MAX (1024 * 1024)

static const char prefix[] = "whsec_";

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

int64_t wb_webhook_retry_after_ms(struct wb_slice value, int64_t wall_ms)
{
	int64_t number;

	if (wb_strict_int64(value, 0, INT64_MAX / SECOND, &number, NULL) == WB_OK)
		return number * SECOND;
	if (wb_clock_parse_rfc1123(value, &number) && number > wall_ms)
		return number - wall_ms;
	return 0;
}
