/* Posts an alert's body to a webhook (HTTPS by libcurl), signed as Standard Webhooks has it where there is a secret.
 *
 * TLS is verified, redirects are not followed, proxies, cookies and netrc are not used, and a call ends within its time
 * whatever the other side does. The URL is a secret: those of Slack and Teams are all that one needs to write there. Nothing
 * here logs, and neither URL nor secret goes into an error.
 * Thread-safe: nothing is shared between calls.
 */
#ifndef WB_DEADLETTER_HOOK_H
#define WB_DEADLETTER_HOOK_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/webhook.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_hook_settings {
	const char *url;      /* https://… */
	struct wb_webhook_secrets secrets; /* none: not signed */
	const char *ca_file;  /* PEM, instead of the system's authorities; NULL: those */
	int64_t timeout_ms;
	bool (*stopped)(void *arg); /* asked once a second or so: true ends the call; NULL: never */
	void *arg;
};

struct wb_hook_outcome {
	bool accepted;          /* 2xx */
	int status;             /* 0: no answer */
	int64_t retry_after_ms; /* 0: not said */
	char text[300];         /* one safe line */
};

/* WB_EINVAL with a sentence for what cannot work. */
enum wb_err wb_hook_check(const struct wb_hook_settings *settings, struct wb_error *e) WB_MUST_USE;

/* id: the webhook-id, the same whenever the same body is sent; now_ms: wall clock. */
void wb_hook_post(const struct wb_hook_settings *settings, const char *id, int64_t now_ms, struct wb_slice body,
	struct wb_hook_outcome *ret);

#endif
