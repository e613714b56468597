/* What every sender of webhooks needs of Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks,
 * spec/standard-webhooks.md): secrets, signatures, and how long a receiver wants to be left alone.
 *
 * Nothing here logs, and no secret goes into an error. Pure: time is an argument. Thread-safe.
 */
#ifndef WB_COMMON_CONTRACT_WEBHOOK_H
#define WB_COMMON_CONTRACT_WEBHOOK_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

#define WB_WEBHOOK_SECRET_MIN 24 /* bytes, decoded */
#define WB_WEBHOOK_SECRET_MAX 64

struct wb_webhook_secret {
	uint8_t bytes[WB_WEBHOOK_SECRET_MAX];
	size_t len;
};

/* The present secret, and the one before it while receivers change over. */
struct wb_webhook_secrets {
	struct wb_webhook_secret secret[2];
	unsigned count;
};

/* Reads "whsec_" and base64. WB_EINVAL with a sentence that says what is allowed. */
enum wb_err wb_webhook_secret_parse(
	struct wb_slice text, struct wb_webhook_secret *ret, struct wb_error *e) WB_MUST_USE;

/* Appends the webhook-signature header's value: "v1,…" for each secret with a space between. */
void wb_webhook_sign(const struct wb_webhook_secrets *secrets, const char *id, int64_t timestamp_s,
	struct wb_slice body, struct wb_buf *ret);

/* Reads Retry-After: seconds, or a date (RFC 9110 section 10.2.3). 0 for what is neither or has passed. */
int64_t wb_webhook_retry_after_ms(struct wb_slice value, int64_t wall_ms);

#endif
