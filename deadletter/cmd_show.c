#include "deadletter/cmd_show.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/json_scan.h"
#include "common/base/strict.h"
#include "deadletter/text.h"

#include <inttypes.h>

#define PAGE_MAX     (256u * 1024 * 1024) /* a 4 MB letter, escaped at its worst, and more */
#define LABEL_CHARS  14
#define HEADER_CHARS 24

struct search {
	int64_t partition, offset;
	const struct wb_deadletter_config *config;
	struct wb_buf page;
	bool found;
};

static void line(struct wb_buf *b, const char *label, struct wb_slice value)
{
	if (!value.data)
		return;
	wb_buf_appendf(b, "  %-*s", LABEL_CHARS, label);
	(void)wb_text_line(b, value, SIZE_MAX);
	wb_buf_append_char(b, '\n');
}

static void facts(struct wb_buf *b, const struct wb_letter *letter)
{
	const struct wb_dead_letter *why = &letter->why;
	char text[512], time[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(letter->record->timestamp_ms, time);
	line(b, "died", wb_slice_cstr(time));
	line(b, "message", why->message);
	if (why->status) {
		(void)snprintf(text, sizeof text, "%d, substatus %d", why->status, why->substatus);
		line(b, "status", wb_slice_cstr(text));
	}
	line(b, "activity id", why->activity_id);
	(void)snprintf(text, sizeof text, "%" PRId64 ", %.2f request units", why->attempts, why->request_charge);
	line(b, "attempts", wb_slice_cstr(text));
	if (why->first_at_ms > 0) {
		wb_clock_rfc3339(why->first_at_ms, time);
		line(b, "first failed", wb_slice_cstr(time));
	}
	line(b, "operation", wb_slice_cstr(wb_op_text(letter->meta.op)));
	line(b, "id", letter->id);
	line(b, "item was", why->item_etag);
	if (letter->meta.job.data) {
		(void)snprintf(
			text, sizeof text, "%.*s, write %" PRIu64, WB_SLICE_ARGS(letter->meta.job), letter->meta.seq);
		line(b, "job", wb_slice_cstr(text));
	}
	if (why->origin_topic.data) {
		wb_clock_rfc3339(why->origin_timestamp_ms, time);
		(void)snprintf(text, sizeof text, "%.*s, partition %d, offset %" PRId64 "%s%s",
			WB_SLICE_ARGS(why->origin_topic), (int)why->origin_partition, why->origin_offset,
			why->origin_timestamp_ms >= 0 ? ", " : "", why->origin_timestamp_ms >= 0 ? time : "");
		line(b, "origin", wb_slice_cstr(text));
	}
	line(b, "consumer", why->consumer);
}

static void original_headers(struct wb_buf *b, const struct wb_kafka_record *record)
{
	bool any = false;

	for (size_t i = 0; i < record->header_count; i++) {
		const struct wb_header *h = &record->headers[i];
		size_t chars;

		if (wb_dead_letter_is_ours(h->name))
			continue;
		if (!any)
			wb_buf_append_cstr(b, "\nheaders of the original\n");
		any = true;
		wb_buf_append_cstr(b, "  ");
		chars = wb_text_line(b, h->name, SIZE_MAX);
		wb_text_pad(b, chars < HEADER_CHARS ? HEADER_CHARS - chars : 1);
		if (h->value.data)
			(void)wb_text_line(b, h->value, SIZE_MAX);
		else
			wb_buf_append_cstr(b, "(null)");
		wb_buf_append_char(b, '\n');
	}
}

static void bytes(struct wb_buf *b, const char *title, struct wb_slice value)
{
	struct wb_json_value unused;
	struct wb_json_error why;

	if (!value.data) {
		wb_buf_appendf(b, "\n%s: none\n", title);
		return;
	}
	wb_buf_appendf(b, "\n%s, %zu bytes\n", title, value.len);
	if (wb_json_scan_value(value, &unused, &why) == WB_JSON_OK) {
		wb_text_json(b, value, 2);
	} else {
		wb_buf_append_cstr(b, "  ");
		(void)wb_text_line(b, value, SIZE_MAX);
	}
	wb_buf_append_char(b, '\n');
}

static void for_a_person(struct wb_buf *b, const struct wb_letter *letter)
{
	wb_buf_appendf(b, "letter %d/%" PRId64 ": %s\n", (int)letter->record->partition, letter->record->offset,
		letter->why.reason ? wb_reason_text(letter->why.reason) : "not written by writebehind-consumer");
	facts(b, letter);
	original_headers(b, letter->record);
	bytes(b, "key", letter->record->key);
	bytes(b, "value", letter->record->value);
}

/* Text where it is UTF-8, else base64 under another name: nothing is lost. */
static void json_bytes(struct wb_buf *b, const char *name, struct wb_slice value)
{
	bool text = !value.data || wb_text_is_utf8(value);

	wb_buf_appendf(b, "\"%s%s\":", name, text ? "" : "Base64");
	if (!value.data) {
		wb_buf_append_cstr(b, "null");
	} else if (text) {
		wb_buf_append_json_string(b, value);
	} else {
		wb_buf_append_char(b, '"');
		wb_base64_encode(value, b);
		wb_buf_append_char(b, '"');
	}
}

static void as_json(struct wb_buf *b, const struct wb_letter *letter)
{
	wb_buf_append_char(b, '{');
	wb_letter_json(letter, b);
	wb_buf_append_cstr(b, ",\"headers\":[");
	for (size_t i = 0; i < letter->record->header_count; i++) {
		wb_buf_append_cstr(b, i ? ",{\"name\":" : "{\"name\":");
		wb_buf_append_json_string(b, letter->record->headers[i].name);
		wb_buf_append_char(b, ',');
		json_bytes(b, "value", letter->record->headers[i].value);
		wb_buf_append_char(b, '}');
	}
	wb_buf_append_cstr(b, "],");
	json_bytes(b, "key", letter->record->key);
	wb_buf_append_char(b, ',');
	json_bytes(b, "value", letter->record->value);
	wb_buf_append_cstr(b, "}\n");
}

static void as_safe_json(struct wb_buf *page, const struct wb_letter *letter)
{
	struct wb_buf json;

	wb_buf_init(&json, PAGE_MAX);
	as_json(&json, letter);
	wb_text_json_line(page, wb_buf_slice(&json));
	if (wb_buf_status(&json))
		page->err = wb_buf_status(&json);
	wb_buf_release(&json);
}

static bool on_letter(void *arg, const struct wb_letter *letter)
{
	struct search *s = arg;

	if (letter->record->partition != s->partition || letter->record->offset != s->offset)
		return true;
	s->found = true;
	if (s->config->raw)
		wb_buf_append_slice(&s->page, letter->record->value);
	else if (s->config->json)
		as_safe_json(&s->page, letter);
	else
		for_a_person(&s->page, letter);
	return false;
}

static enum wb_err parse_where(const char *where, struct search *s, struct wb_error *e)
{
	const char *slash = strchr(where, '/');

	if (!slash ||
		wb_strict_int64(wb_slice(where, (size_t)(slash - where)), 0, INT32_MAX, &s->partition, NULL) != WB_OK ||
		wb_strict_int64(wb_slice_cstr(slash + 1), 0, INT64_MAX, &s->offset, NULL) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "%s: a letter is named PARTITION/OFFSET, as ls shows it", where);
	return WB_OK;
}

enum wb_err wb_cmd_show(
	const struct wb_deadletter_config *config, const char *where, struct wb_log *log, FILE *out, struct wb_error *e)
{
	struct search s = { .config = config };
	enum wb_err err = parse_where(where, &s, e);

	if (err != WB_OK)
		return err;
	wb_buf_init(&s.page, PAGE_MAX);
	err = wb_letters_read(config, 0, on_letter, &s, log, e);
	if (err == WB_OK && !s.found)
		err = wb_error_set(
			e, WB_ENOTFOUND, "there is no letter %s in %s", where, config->kafka.topic_dead_letters);
	if (err == WB_OK)
		err = wb_buf_status(&s.page);
	if (err == WB_OK && s.page.len && fwrite(s.page.data, 1, s.page.len, out) != s.page.len)
		err = wb_error_set(e, WB_EIO, "cannot write the output");
	wb_buf_release(&s.page);
	return err;
}
