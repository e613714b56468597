#include "deadletter/mail.h"

#include "common/base/crypto.h"
#include "deadletter/alert_text.h"
#include "deadletter/text.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define DOCUMENT_CHARS_MAX 4000
#define LOCAL_PART_MAX     64
#define BOUNDARY_SIZE      40

static bool address_char(char c)
{
	/* RFC 5322's atext and the dot; a domain's letters are among them. */
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

static enum wb_err parse_address(struct wb_slice text, char ret[WB_MAIL_ADDRESS_SIZE], struct wb_error *e)
{
	const char *at = memchr(text.data ? text.data : "", '@', text.len);
	size_t local = at ? (size_t)(at - text.data) : 0;
	bool ok = at && local > 0 && local <= LOCAL_PART_MAX && text.len < WB_MAIL_ADDRESS_SIZE && local + 1 < text.len;
	char shown[80];

	for (size_t i = 0; i < text.len && ok; i++)
		ok = i == local || address_char(text.data[i]);
	if (!ok) {
		struct wb_buf safe;

		wb_buf_init(&safe, 1024);
		(void)wb_text_line(&safe, text, 60);
		(void)snprintf(shown, sizeof shown, "%.*s", WB_SLICE_ARGS(wb_buf_slice(&safe)));
		wb_buf_release(&safe);
		return wb_error_set(e, WB_EINVAL,
			"\"%s\" is no address such as ops@example.org (ASCII, without a name or brackets)", shown);
	}
	memcpy(ret, text.data, text.len);
	ret[text.len] = '\0';
	return WB_OK;
}

static struct wb_slice trimmed(struct wb_slice text)
{
	while (text.len && *text.data == ' ')
		text = wb_slice(text.data + 1, text.len - 1);
	while (text.len && text.data[text.len - 1] == ' ')
		text.len--;
	return text;
}

enum wb_err wb_mail_addresses_parse(
	struct wb_slice from, struct wb_slice to, struct wb_mail_addresses *ret, struct wb_error *e)
{
	struct wb_mail_addresses addresses = { .count = 0 };
	enum wb_err err = parse_address(trimmed(from), addresses.from, e);

	for (size_t at = 0; err == WB_OK && at <= to.len;) {
		const char *comma = to.len ? memchr(to.data + at, ',', to.len - at) : NULL;
		size_t end = comma ? (size_t)(comma - to.data) : to.len;

		if (addresses.count == WB_MAIL_RECIPIENTS_MAX)
			return wb_error_set(e, WB_EINVAL, "more than %d addresses", WB_MAIL_RECIPIENTS_MAX);
		err = parse_address(
			trimmed(wb_slice(to.data ? to.data + at : "", end - at)), addresses.to[addresses.count++], e);
		at = end + 1;
	}
	if (err == WB_OK)
		*ret = addresses;
	return err;
}

static void put_html(struct wb_buf *ret, struct wb_slice safe)
{
	for (size_t i = 0; i < safe.len; i++) {
		switch (safe.data[i]) {
		case '<':
			wb_buf_append_cstr(ret, "&lt;");
			break;
		case '>':
			wb_buf_append_cstr(ret, "&gt;");
			break;
		case '&':
			wb_buf_append_cstr(ret, "&amp;");
			break;
		case '"':
			wb_buf_append_cstr(ret, "&quot;");
			break;
		case '\'':
			wb_buf_append_cstr(ret, "&#39;");
			break;
		default:
			wb_buf_append_char(ret, safe.data[i]);
		}
	}
}

static const struct wb_mail_document *find_document(const struct wb_mail *mail, const struct wb_alert_example *example)
{
	for (size_t i = 0; i < mail->document_count; i++)
		if (mail->documents[i].partition == example->partition && mail->documents[i].offset == example->offset)
			return &mail->documents[i];
	return NULL;
}

/* What both parts are made of: pieces of one line in a scratch buffer. */
struct part {
	const struct wb_mail *mail;
	const struct wb_alert *alert;
	struct wb_buf *out, body, line;
};

static struct wb_slice example_line(struct part *p, const struct wb_alert_example *example)
{
	wb_buf_clear(&p->line);
	wb_alert_example_line(example, &p->line);
	return wb_buf_slice(&p->line);
}

static struct wb_slice document_line(struct part *p, const struct wb_mail_document *document)
{
	wb_buf_clear(&p->line);
	(void)wb_text_line(&p->line, document->bytes, DOCUMENT_CHARS_MAX);
	return wb_buf_slice(&p->line);
}

static void text_reasons(struct part *p)
{
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &p->alert->reason[i];

		if (count->all == 0)
			continue;
		wb_buf_appendf(p->out, "\n%s: %llu new, %llu in all%s\n", wb_alert_reason_text(i),
			(unsigned long long)count->fresh, (unsigned long long)count->all,
			count->fresh == count->all ? " (a new reason)" : "");
		for (unsigned k = 0; k < count->examples; k++) {
			const struct wb_mail_document *document = find_document(p->mail, &count->example[k]);

			wb_buf_append_cstr(p->out, "  ");
			wb_buf_append_slice(p->out, example_line(p, &count->example[k]));
			wb_buf_append_char(p->out, '\n');
			if (!document)
				continue;
			wb_buf_append_cstr(p->out, "    document: ");
			wb_buf_append_slice(p->out, document_line(p, document));
			wb_buf_append_char(p->out, '\n');
		}
	}
}

static bool next_command(struct part *p, unsigned i)
{
	wb_buf_clear(&p->line);
	return i < WB_ALERT_COMMANDS_MAX && wb_alert_command(p->alert, i, &p->line);
}

static void text_part(struct part *p)
{
	wb_alert_title(p->alert, p->out);
	wb_buf_append_cstr(p->out, "\n\n");
	wb_alert_lead(p->alert, p->out);
	wb_buf_append_char(p->out, '\n');
	if (wb_alert_is_letters(p->alert->kind))
		text_reasons(p);
	for (unsigned i = 0; next_command(p, i); i++) {
		wb_buf_append_cstr(p->out, i ? "\n  " : "\nTo look, and to act:\n  ");
		wb_buf_append_slice(p->out, wb_buf_slice(&p->line));
	}
	wb_buf_append_cstr(p->out, "\n\n-- \nWritebehind, alert ");
	(void)wb_text_line(p->out, wb_slice_cstr(p->alert->id), WB_ALERT_ID_SIZE);
	wb_buf_append_char(p->out, '\n');
}

static void html_example(struct part *p, const struct wb_alert_example *example)
{
	const struct wb_mail_document *document = find_document(p->mail, example);

	wb_buf_append_cstr(p->out, "<tr><td colspan=\"3\" style=\"padding:2px 8px 6px 24px;font-size:13px\">");
	put_html(p->out, example_line(p, example));
	if (document) {
		wb_buf_append_cstr(p->out, "<br><code>");
		put_html(p->out, document_line(p, document));
		wb_buf_append_cstr(p->out, "</code>");
	}
	wb_buf_append_cstr(p->out, "</td></tr>\n");
}

static void html_reasons(struct part *p)
{
	wb_buf_append_cstr(p->out,
		"<table style=\"border-collapse:collapse\">\n<tr><th align=\"left\" style=\"padding:4px "
		"8px\">Reason</th>"
		"<th align=\"right\" style=\"padding:4px 8px\">New</th><th align=\"right\" style=\"padding:4px "
		"8px\">In all"
		"</th></tr>\n");
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &p->alert->reason[i];

		if (count->all == 0)
			continue;
		wb_buf_appendf(p->out,
			"<tr style=\"border-top:1px solid #ccc\"><td style=\"padding:4px 8px\"><b>%s</b></td>"
			"<td align=\"right\" style=\"padding:4px 8px\">%llu</td>"
			"<td align=\"right\" style=\"padding:4px 8px\">%llu</td></tr>\n",
			wb_alert_reason_text(i), (unsigned long long)count->fresh, (unsigned long long)count->all);
		for (unsigned k = 0; k < count->examples; k++)
			html_example(p, &count->example[k]);
	}
	wb_buf_append_cstr(p->out, "</table>\n");
}

static void html_part(struct part *p)
{
	wb_buf_append_cstr(
		p->out, "<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif;font-size:14px\">\n<h3>");
	wb_buf_clear(&p->line);
	wb_alert_title(p->alert, &p->line);
	put_html(p->out, wb_buf_slice(&p->line));
	wb_buf_append_cstr(p->out, "</h3>\n<p>");
	wb_buf_clear(&p->line);
	wb_alert_lead(p->alert, &p->line);
	put_html(p->out, wb_buf_slice(&p->line));
	wb_buf_append_cstr(p->out, "</p>\n");
	if (wb_alert_is_letters(p->alert->kind))
		html_reasons(p);
	for (unsigned i = 0; next_command(p, i); i++) {
		wb_buf_append_cstr(p->out, i ? "\n" : "<p>To look, and to act:</p>\n<pre>");
		put_html(p->out, wb_buf_slice(&p->line));
	}
	wb_buf_append_cstr(p->out, "</pre>\n<p style=\"color:#777;font-size:12px\">Writebehind, alert ");
	wb_buf_clear(&p->line);
	(void)wb_text_line(&p->line, wb_slice_cstr(p->alert->id), SIZE_MAX);
	put_html(p->out, wb_buf_slice(&p->line));
	wb_buf_append_cstr(p->out, "</p>\n</body></html>\n");
}

static void put_part(
	struct part *p, const char *boundary, const char *type, void (*write)(struct part *p), struct wb_buf *ret)
{
	wb_buf_clear(&p->body);
	write(p);
	wb_buf_appendf(ret,
		"--%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		boundary, type);
	wb_mail_quoted_printable(wb_buf_slice(&p->body), ret);
	wb_buf_append_cstr(ret, "\r\n");
	if (wb_buf_status(&p->body) != WB_OK)
		ret->err = wb_buf_status(&p->body);
}

/* RFC 5322 section 3.3, in UTC. */
static void put_date(int64_t wall_ms, struct wb_buf *ret)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(wall_ms > 0 ? wall_ms / 1000 : 0);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof tm);
	wb_buf_appendf(ret, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d +0000\r\n", &days[3 * tm.tm_wday], tm.tm_mday,
		&months[3 * tm.tm_mon], 1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Ids are ours; restored from the state topic they may be anything. */
static void put_id(struct wb_buf *ret, const char *id)
{
	for (; *id; id++)
		wb_buf_append_char(ret, isalnum((unsigned char)*id) || *id == '-' || *id == '.' ? *id : '_');
}

static void put_headers(
	const struct wb_mail *mail, const struct wb_alert *alert, const char *boundary, struct wb_buf *ret)
{
	const char *domain = strchr(mail->addresses->from, '@');
	struct wb_buf text;

	wb_buf_init(&text, 4096);
	put_date(alert->at_ms, ret);
	wb_buf_appendf(ret, "From: <%s>\r\nTo: ", mail->addresses->from);
	for (unsigned i = 0; i < mail->addresses->count; i++)
		wb_buf_appendf(ret, "%s<%s>", i ? ",\r\n " : "", mail->addresses->to[i]);
	wb_buf_append_cstr(ret, "\r\n");
	wb_buf_appendf(&text, "[%s] ", mail->name);
	wb_alert_title(alert, &text);
	wb_mail_header("Subject", wb_buf_slice(&text), ret);
	wb_buf_append_cstr(ret, "Message-ID: <");
	put_id(ret, alert->id);
	wb_buf_appendf(ret, "%s>\r\n", domain ? domain : "@localhost");
	if (alert->serial > 0) {
		wb_buf_clear(&text);
		wb_buf_append_char(&text, '<');
		put_id(&text, alert->incident);
		wb_buf_appendf(&text, ".0%s>", domain ? domain : "@localhost");
		wb_buf_appendf(ret, "In-Reply-To: %s\r\nReferences: %s\r\n", text.data, text.data);
	}
	wb_buf_appendf(ret,
		"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nX-Writebehind-Alert: %s\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n",
		wb_alert_kind_text(alert->kind), boundary);
	wb_buf_release(&text);
}

void wb_mail_compose(const struct wb_mail *mail, const struct wb_alert *alert, struct wb_buf *ret)
{
	struct part p = { .mail = mail, .alert = alert };
	char boundary[BOUNDARY_SIZE] = "=_wb_"; /* quoted-printable never has "=_" */
	uint8_t digest[WB_SHA256_SIZE];

	wb_crypto_sha256(wb_slice_cstr(alert->id), digest);
	wb_hex_encode(digest, 12, boundary + 5);
	wb_buf_init(&p.line, 16 * DOCUMENT_CHARS_MAX);
	wb_buf_init(&p.body, WB_MAIL_BYTES_MAX);
	p.out = &p.body;
	put_headers(mail, alert, boundary, ret);
	put_part(&p, boundary, "text/plain", text_part, ret);
	put_part(&p, boundary, "text/html", html_part, ret);
	wb_buf_appendf(ret, "--%s--\r\n", boundary);
	wb_buf_release(&p.line);
	wb_buf_release(&p.body);
}
