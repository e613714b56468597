/* An alert as a webhook's body: JSON with Standard Webhooks' members, a message of Slack's incoming webhooks, or an adaptive
 * card of Microsoft Teams' workflows.
 *
 * The same alert gives the same body; its id is the webhook-id. What a letter says is only ever in places where neither
 * Slack nor Teams reads markup, so that it makes no links, mentions or styles. No document's content.
 * Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_ALERT_HOOK_H
#define WB_DEADLETTER_ALERT_HOOK_H

#include "deadletter/alert.h"

#define WB_ALERT_HOOK_BYTES_MAX (1024u * 1024)

enum wb_alert_hook_format {
	WB_ALERT_HOOK_GENERIC,
	WB_ALERT_HOOK_SLACK,
	WB_ALERT_HOOK_TEAMS, /* at most 28 KB are taken there */
};
#define WB_ALERT_HOOK_FORMATS "generic|slack|teams"

/* name: of the installation, any UTF-8. ret's maximum should be WB_ALERT_HOOK_BYTES_MAX. */
void wb_alert_hook_body(
	enum wb_alert_hook_format format, const char *name, const struct wb_alert *alert, struct wb_buf *ret);

#endif
