#include "deadletter/alert_options.h"

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
