/* The options of alerts: alert.* and smtp.*. Filled once at start, read-only after; so thread-safe. */
#ifndef WB_DEADLETTER_ALERT_OPTIONS_H
#define WB_DEADLETTER_ALERT_OPTIONS_H

#include "common/base/options.h"
#include "deadletter/alert_hook.h"
#include "deadletter/hook.h"
#include "deadletter/mail.h"
#include "deadletter/smtp.h"

enum { WB_ALERT_STARTTLS_REQUIRED, WB_ALERT_STARTTLS_NEVER };

struct wb_alert_options {
	char *name;    /* alert.name */
	char *mail_from, *mail_to;          /* alert.mail.*; NULL: no mail */
	char *smtp_url;                     /* smtp.url */
	int smtp_starttls;                  /* smtp.starttls */
	char *smtp_user, *smtp_password;    /* smtp.user, smtp.password */
	char *smtp_ca_file;                 /* smtp.ca.file */
	int64_t smtp_timeout_ms;            /* smtp.timeout.ms */
	char *hook_url;                     /* alert.webhook.url; NULL: none */
	int hook_format;                    /* alert.webhook.format: enum wb_alert_hook_format */
	char *hook_secret, *hook_previous;  /* alert.webhook.secret, alert.webhook.secret.previous */
	char *hook_ca_file;                 /* alert.webhook.ca.file */
	int64_t hook_timeout_ms;            /* alert.webhook.timeout.ms */
};

#define WB_ALERT_OPTION_ROWS 15
extern const struct wb_option wb_alert_option_rows[WB_ALERT_OPTION_ROWS];

/* Where mails go. *ret_wanted: false where none are configured. The settings point into options. WB_EINVAL with a sentence
 * for what is missing or cannot work. */
enum wb_err wb_alert_options_mail(const struct wb_alert_options *options, struct wb_mail_addresses *ret_addresses,
	struct wb_smtp_settings *ret_smtp, bool *ret_wanted, struct wb_error *e) WB_MUST_USE;
/* The same for the webhook. The settings have secrets: the caller wipes them. */
enum wb_err wb_alert_options_hook(const struct wb_alert_options *options, struct wb_hook_settings *ret,
	bool *ret_wanted, struct wb_error *e) WB_MUST_USE;

#endif
