#include "deadletter/alert_hook.h"

#include "common/base/clock.h"
#include "deadletter/alert_text.h"
#include "deadletter/text.h"

#define LINE_CHARS_MAX    400
#define TITLE_CHARS_MAX   140 /* Slack takes 150 in a header */
#define TEAMS_REASONS_MAX 8
#define SCRATCH_BYTES     (64u * 1024)

struct body {
	const struct wb_alert *alert;
	const char *name;
	struct wb_buf *out, text, safe;
};

/* A new text of one piece. */
static struct wb_buf *begin(struct body *b)
{
	wb_buf_clear(&b->text);
	return &b->text;
}

static void put_safe(struct body *b, size_t max_chars)
{
	wb_buf_clear(&b->safe);
	(void)wb_text_line(&b->safe, wb_buf_slice(&b->text), max_chars);
	wb_buf_append_json_string(b->out, wb_buf_slice(&b->safe));
}

static void put_title(struct body *b)
{
	wb_buf_appendf(begin(b), "[%s] ", b->name);
	wb_alert_title(b->alert, &b->text);
}

static bool next_command(struct body *b, unsigned i)
{
	return i < WB_ALERT_COMMANDS_MAX && wb_alert_command(b->alert, i, begin(b));
}

static void generic(struct body *b)
{
	char at[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(b->alert->at_ms, at);
	wb_buf_appendf(b->out, "{\"type\":\"alert.%s\",\"timestamp\":\"%s\",\"data\":{\"installation\":",
		wb_alert_kind_text(b->alert->kind), at);
	wb_buf_append_cstr(begin(b), b->name);
	put_safe(b, LINE_CHARS_MAX);
	wb_buf_append_cstr(b->out, ",\"title\":");
	wb_alert_title(b->alert, begin(b));
	put_safe(b, LINE_CHARS_MAX);
	wb_buf_append_cstr(b->out, ",\"text\":");
	wb_alert_lead(b->alert, begin(b));
	put_safe(b, LINE_CHARS_MAX);
	wb_buf_append_cstr(b->out, ",\"commands\":[");
	for (unsigned i = 0; next_command(b, i); i++) {
		wb_buf_append_cstr(b->out, i ? "," : "");
		put_safe(b, LINE_CHARS_MAX);
	}
	wb_buf_append_cstr(b->out, "],\"alert\":");
	wb_alert_json(b->alert, begin(b));
	wb_text_json_line(b->out, wb_buf_slice(&b->text));
	wb_buf_append_cstr(b->out, "}}");
}

/* Slack reads <…> as links and mentions everywhere; its own rule is to write these three as entities. */
static void put_slack(struct body *b, size_t max_chars)
{
	struct wb_buf *text = &b->text;

	wb_buf_clear(&b->safe);
	(void)wb_text_line(&b->safe, wb_buf_slice(text), max_chars);
	wb_buf_clear(text);
	for (size_t i = 0; i < b->safe.len; i++) {
		char c = b->safe.data[i];

		if (c == '&' || c == '<' || c == '>')
			wb_buf_append_cstr(text, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
		else
			wb_buf_append_char(text, c);
	}
	wb_buf_append_json_string(b->out, wb_buf_slice(text));
}

static void slack_block(struct body *b, const char *type, size_t max_chars)
{
	wb_buf_appendf(b->out, "%s{\"type\":\"%s\",\"text\":{\"type\":\"plain_text\",\"emoji\":false,\"text\":",
		b->out->data[b->out->len - 1] == '[' ? "" : ",", type);
	put_slack(b, max_chars);
	wb_buf_append_cstr(b->out, "}}");
}

static void slack(struct body *b)
{
	wb_buf_append_cstr(b->out, "{\"mrkdwn\":false,\"text\":");
	put_title(b);
	put_slack(b, TITLE_CHARS_MAX);
	wb_buf_append_cstr(b->out, ",\"blocks\":[");
	put_title(b);
	slack_block(b, "header", TITLE_CHARS_MAX);
	wb_alert_lead(b->alert, begin(b));
	slack_block(b, "section", LINE_CHARS_MAX);
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &b->alert->reason[i];

		if (count->all == 0)
			continue;
		wb_buf_appendf(begin(b), "%s: %llu new, %llu in all", wb_alert_reason_text(i),
			(unsigned long long)count->fresh, (unsigned long long)count->all);
		if (count->examples) {
			wb_buf_append_cstr(&b->text, ". First: ");
			wb_alert_example_line(&count->example[0], &b->text);
		}
		slack_block(b, "section", LINE_CHARS_MAX);
	}
	for (unsigned i = 0; next_command(b, i); i++)
		slack_block(b, "section", LINE_CHARS_MAX);
	wb_buf_append_cstr(b->out, "]}");
}

/* A text run is no Markdown, as a text block is. */
static void teams_text(struct body *b, const char *style)
{
	wb_buf_appendf(b->out, "%s{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\"%s,\"text\":",
		b->out->data[b->out->len - 1] == '[' ? "" : ",", style);
	put_safe(b, LINE_CHARS_MAX);
	wb_buf_append_cstr(b->out, "}]}");
}

static void teams(struct body *b)
{
	unsigned reasons = 0;

	wb_buf_append_cstr(b->out,
		"{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\","
		"\"contentUrl\":null,\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\","
		"\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"body\":[");
	put_title(b);
	teams_text(b, ",\"size\":\"Medium\",\"weight\":\"Bolder\"");
	wb_alert_lead(b->alert, begin(b));
	teams_text(b, "");
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &b->alert->reason[i];

		if (count->all == 0)
			continue;
		wb_buf_appendf(begin(b), "%s: %llu new, %llu in all", wb_alert_reason_text(i),
			(unsigned long long)count->fresh, (unsigned long long)count->all);
		teams_text(b, ",\"weight\":\"Bolder\"");
		if (count->examples && reasons++ < TEAMS_REASONS_MAX) {
			wb_alert_example_line(&count->example[0], begin(b));
			teams_text(b, "");
		}
	}
	for (unsigned i = 0; next_command(b, i); i++)
		teams_text(b, ",\"fontType\":\"Monospace\"");
	wb_buf_append_cstr(b->out, "]}}]}");
}

void wb_alert_hook_body(
	enum wb_alert_hook_format format, const char *name, const struct wb_alert *alert, struct wb_buf *ret)
{
	struct body b = { .alert = alert, .name = name, .out = ret };

	wb_buf_init(&b.text, 16 * SCRATCH_BYTES);
	wb_buf_init(&b.safe, SCRATCH_BYTES);
	if (format == WB_ALERT_HOOK_SLACK)
		slack(&b);
	else if (format == WB_ALERT_HOOK_TEAMS)
		teams(&b);
	else
		generic(&b);
	if (wb_buf_status(&b.text) != WB_OK)
		ret->err = wb_buf_status(&b.text);
	wb_buf_release(&b.text);
	wb_buf_release(&b.safe);
}
