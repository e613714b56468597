#include "deadletter/cmd_test_alert.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/json_scan.h"
#include "common/base/mem.h"
#include "deadletter/alert.h"

#include <stdlib.h>

#define FILE_BYTES_MAX (4u << 20)

static void make_test(struct wb_alert *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->kind = WB_ALERT_TEST;
	ret->at_ms = ret->since_ms = wb_clock_wall_ms();
	(void)snprintf(ret->incident, sizeof ret->incident, "test-%lld", (long long)ret->at_ms); /* fit */
	(void)snprintf(ret->id, sizeof ret->id, "test-%lld.0", (long long)ret->at_ms);
}

static enum wb_err read_alert(const char *file, struct wb_alert *ret, struct wb_error *e)
{
	FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
	struct wb_json_reader reader;
	struct wb_buf text;
	size_t n = 0;
	char *to;
	bool ok;

	if (!in)
		return wb_error_set(e, WB_EINVAL, "%s cannot be read", file);
	wb_buf_init(&text, FILE_BYTES_MAX);
	while ((to = wb_buf_reserve(&text, 4096)) && (n = fread(to, 1, 4096, in)) > 0) {
		text.len += n;
		wb_buf_truncate(&text, text.len);
	}
	ok = !ferror(in);
	if (in != stdin && fclose(in) != 0)
		ok = false;
	wb_json_reader_init(&reader, wb_buf_slice(&text));
	ok = ok && wb_buf_status(&text) == WB_OK && wb_alert_read(&reader, ret) &&
		wb_json_reader_end(&reader) == WB_JSON_OK;
	wb_buf_release(&text);
	return ok ? WB_OK : wb_error_set(e, WB_EINVAL, "%s is no alert as JSON", file);
}

static enum wb_err send_mail(const struct wb_deadletter_config *config, const struct wb_alert *alert, FILE *out,
	bool *ret_wanted, struct wb_error *e)
{
	static const char *const verdicts[] = { "accepted", "refused for good", "try again" };
	struct wb_mail_addresses addresses;
	struct wb_smtp_settings smtp;
	struct wb_smtp_outcome outcome;
	const char *to[WB_MAIL_RECIPIENTS_MAX];
	struct wb_mail mail = { .addresses = &addresses, .name = config->alert.name };
	struct wb_buf message;
	enum wb_err err = wb_alert_options_mail(&config->alert, &addresses, &smtp, ret_wanted, e);

	if (err != WB_OK || !*ret_wanted)
		return err;
	wb_buf_init(&message, WB_MAIL_BYTES_MAX);
	wb_mail_compose(&mail, alert, &message);
	err = wb_buf_status(&message);
	if (err != WB_OK) {
		err = wb_error_set(e, err, "the mail is larger than %u bytes", WB_MAIL_BYTES_MAX);
	} else if (config->print) {
		(void)fwrite(message.data, 1, message.len, out);
	} else {
		for (unsigned i = 0; i < addresses.count; i++)
			to[i] = addresses.to[i];
		wb_smtp_send(&smtp, addresses.from, to, addresses.count, wb_buf_slice(&message), &outcome);
		(void)fprintf(out, "mail: %s: %s\n", verdicts[outcome.verdict], outcome.text);
		if (outcome.verdict != WB_SMTP_ACCEPTED)
			err = wb_error_set(e, WB_EIO, "the mail server did not take the alert");
	}
	wb_buf_release(&message);
	return err;
}

static enum wb_err call_hook(const struct wb_deadletter_config *config, const struct wb_alert *alert, FILE *out,
	bool *ret_wanted, struct wb_error *e)
{
	struct wb_hook_settings hook;
	struct wb_hook_outcome outcome;
	struct wb_buf body;
	enum wb_err err = wb_alert_options_hook(&config->alert, &hook, ret_wanted, e);

	if (err != WB_OK || !*ret_wanted)
		return err;
	wb_buf_init(&body, WB_ALERT_HOOK_BYTES_MAX);
	wb_alert_hook_body((enum wb_alert_hook_format)config->alert.hook_format, config->alert.name, alert, &body);
	err = wb_buf_status(&body);
	if (err != WB_OK) {
		err = wb_error_set(e, err, "the webhook's body is larger than %u bytes", WB_ALERT_HOOK_BYTES_MAX);
	} else if (config->print) {
		(void)fprintf(out, "%s\n", body.data);
	} else {
		wb_hook_post(&hook, alert->id, wb_clock_wall_ms(), wb_buf_slice(&body), &outcome);
		(void)fprintf(out, "webhook: %s: %s\n", outcome.accepted ? "accepted" : "try again", outcome.text);
		if (!outcome.accepted)
			err = wb_error_set(e, WB_EIO, "the webhook did not take the alert");
	}
	wb_buf_release(&body);
	wb_crypto_wipe(&hook, sizeof hook);
	return err;
}

enum wb_err wb_cmd_test_alert(
	const struct wb_deadletter_config *config, const char *file, FILE *out, struct wb_error *e)
{
	struct wb_alert *alert = wb_xcalloc(1, sizeof *alert);
	enum wb_err err = WB_OK;
	bool mail = false, hook = false;

	if (file)
		err = read_alert(file, alert, e);
	else
		make_test(alert);
	if (err == WB_OK)
		err = send_mail(config, alert, out, &mail, e);
	/* A channel that fails does not keep the alert from the other. */
	if (err == WB_OK || err == WB_EIO) {
		enum wb_err other = call_hook(config, alert, out, &hook, e);

		err = err == WB_OK ? other : err;
	}
	if (err == WB_OK && !mail && !hook)
		err = wb_error_set(e, WB_EINVAL, "no alerts are configured: set alert.mail.to or alert.webhook.url");
	free(alert);
	return err;
}
