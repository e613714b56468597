#include "deadletter/alert_options.h"

#include "common/base/crypto.h"

#define SECOND INT64_C(1000)

#define MEMBER(m) offsetof(struct wb_alert_options, m)

const struct wb_option wb_alert_option_rows[WB_ALERT_OPTION_ROWS] = {
	{ .key = "alert.name",
		.type = WB_OPT_STRING,
		.offset = MEMBER(name),
		.def = "writebehind",
		.help = "what this installation is called in alerts: stands in brackets before each subject" },
	{ .key = "alert.mail.from",
		.type = WB_OPT_STRING,
		.offset = MEMBER(mail_from),
		.help = "the sender's address, such as writebehind@example.org" },
	{ .key = "alert.mail.to",
		.type = WB_OPT_STRING,
		.offset = MEMBER(mail_to),
		.help = "who gets alerts: addresses with commas between; unset, no mails are sent" },
	{ .key = "smtp.url",
		.type = WB_OPT_STRING,
		.offset = MEMBER(smtp_url),
		.help = "the mail server: smtp://HOST:587 (STARTTLS) or smtps://HOST:465; needed with alert.mail.to" },
	{ .key = "smtp.starttls",
		.type = WB_OPT_ENUM,
		.offset = MEMBER(smtp_starttls),
		.def = "required",
		.choices = "required|never",
		.help = "with smtp://, whether the connection must become TLS; never is for a server on the same "
			"machine" },
	{ .key = "smtp.user", .type = WB_OPT_STRING, .offset = MEMBER(smtp_user), .help = "user of the mail server" },
	{ .key = "smtp.password",
		.type = WB_OPT_STRING,
		.offset = MEMBER(smtp_password),
		.secret = true,
		.help = "password of the mail server; goes over TLS only" },
	{ .key = "smtp.ca.file",
		.type = WB_OPT_STRING,
		.offset = MEMBER(smtp_ca_file),
		.help = "authorities in PEM that vouch for the mail server, instead of the system's" },
	{ .key = "smtp.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = MEMBER(smtp_timeout_ms),
		.def = "60s",
		.min = SECOND,
		.max = 3600 * SECOND,
		.help = "how long handing over a mail may take" },
	{ .key = "alert.webhook.url",
		.type = WB_OPT_STRING,
		.offset = MEMBER(hook_url),
		.secret = true,
		.help = "https://…: where alerts are posted; unset, no webhook is called" },
	{ .key = "alert.webhook.format",
		.type = WB_OPT_ENUM,
		.offset = MEMBER(hook_format),
		.def = "generic",
		.choices = WB_ALERT_HOOK_FORMATS,
		.help = "what is posted: JSON with all facts, or a message for Slack's incoming webhooks or Teams' "
			"workflows" },
	{ .key = "alert.webhook.secret",
		.type = WB_OPT_STRING,
		.offset = MEMBER(hook_secret),
		.secret = true,
		.help = "signs what is posted, as Standard Webhooks has it: whsec_ and the base64 of 24 to 64 random "
			"bytes; "
			"needed with the format generic" },
	{ .key = "alert.webhook.secret.previous",
		.type = WB_OPT_STRING,
		.offset = MEMBER(hook_previous),
		.secret = true,
		.help = "the secret before a change: both sign until the receiver knows the new one" },
	{ .key = "alert.webhook.ca.file",
		.type = WB_OPT_STRING,
		.offset = MEMBER(hook_ca_file),
		.help = "authorities in PEM that vouch for the webhook's host, instead of the system's" },
	{ .key = "alert.webhook.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = MEMBER(hook_timeout_ms),
		.def = "15s",
		.min = SECOND,
		.max = 600 * SECOND,
		.help = "how long the webhook may take to answer" },
};

enum wb_err wb_alert_options_mail(const struct wb_alert_options *o, struct wb_mail_addresses *ret_addresses,
	struct wb_smtp_settings *ret_smtp, bool *ret_wanted, struct wb_error *e)
{
	const struct wb_smtp_settings smtp = {
		.url = o->smtp_url,
		.starttls = o->smtp_starttls == WB_ALERT_STARTTLS_REQUIRED,
		.user = o->smtp_user,
		.password = o->smtp_password,
		.ca_file = o->smtp_ca_file,
		.timeout_ms = o->smtp_timeout_ms,
	};
	struct wb_mail_addresses addresses;
	struct wb_error why;

	if (!o->mail_to) {
		*ret_wanted = false;
		return WB_OK;
	}
	if (!o->mail_from)
		return wb_error_set(e, WB_EINVAL, "alert.mail.from is needed with alert.mail.to");
	if (!o->smtp_url)
		return wb_error_set(e, WB_EINVAL, "smtp.url is needed with alert.mail.to");
	if (wb_mail_addresses_parse(wb_slice_cstr(o->mail_from), wb_slice_cstr(o->mail_to), &addresses, &why) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "alert.mail.from, alert.mail.to: %s", why.text);
	if (wb_smtp_check(&smtp, e) != WB_OK)
		return WB_EINVAL;
	*ret_addresses = addresses;
	*ret_smtp = smtp;
	*ret_wanted = true;
	return WB_OK;
}

static enum wb_err add_secret(struct wb_webhook_secrets *secrets, const char *key, const char *text, struct wb_error *e)
{
	struct wb_error why;

	if (!text)
		return WB_OK;
	if (wb_webhook_secret_parse(wb_slice_cstr(text), &secrets->secret[secrets->count], &why) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "%s: %s", key, why.text);
	secrets->count++;
	return WB_OK;
}

enum wb_err wb_alert_options_hook(
	const struct wb_alert_options *o, struct wb_hook_settings *ret, bool *ret_wanted, struct wb_error *e)
{
	struct wb_hook_settings hook = {
		.url = o->hook_url, .ca_file = o->hook_ca_file, .timeout_ms = o->hook_timeout_ms
	};
	enum wb_err err = WB_OK;

	*ret_wanted = o->hook_url != NULL;
	if (!o->hook_url)
		return WB_OK;
	if (!o->hook_secret && (o->hook_previous || o->hook_format == WB_ALERT_HOOK_GENERIC))
		err = wb_error_set(e, WB_EINVAL,
			"alert.webhook.secret (or alert.webhook.secret.file) is needed with %s",
			o->hook_previous ? "alert.webhook.secret.previous"
					 : "alert.webhook.url and the format generic");
	if (err == WB_OK)
		err = add_secret(&hook.secrets, "alert.webhook.secret", o->hook_secret, e);
	if (err == WB_OK)
		err = add_secret(&hook.secrets, "alert.webhook.secret.previous", o->hook_previous, e);
	if (err == WB_OK)
		err = wb_hook_check(&hook, e);
	if (err == WB_OK)
		*ret = hook;
	wb_crypto_wipe(&hook, sizeof hook);
	return err;
}
