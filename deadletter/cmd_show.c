#include "deadletter/cmd_show.h"

#include "common/base/clock.h"
#include "common/base/json_scan.h"
#include "deadletter/advice.h"
#include "deadletter/catalogue.h"
#include "deadletter/text.h"

#include <inttypes.h>

#define PAGE_MAX     (256u * 1024 * 1024) /* a 4 MB letter, escaped at its worst, and more */
#define LABEL_CHARS  14
#define HEADER_CHARS 24

struct search {
	const struct wb_deadletter_config *config;
	struct wb_catalogue *catalogue;
	struct wb_letter_place place;
	struct wb_buf page;
	bool found;
	enum wb_err err;
	struct wb_error *e;
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
	const struct wb_dead_letter *why = &letter->facts.why;
	char text[512], time[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(letter->record->timestamp_ms, time);
	line(b, "died", wb_slice_cstr(time));
	line(b, "exception", letter->facts.exception_class);
	line(b, "message", why->message);
	if (why->status) {
		(void)snprintf(text, sizeof text, "%d, substatus %d", why->status, why->substatus);
		line(b, "status", wb_slice_cstr(text));
	}
	line(b, "activity id", why->activity_id);
	(void)snprintf(text, sizeof text, "%" PRId64 ", %.2f request units", why->attempts, why->request_charge);
	if (letter->facts.dialect == WB_LETTER_OURS)
		line(b, "attempts", wb_slice_cstr(text));
	if (why->first_at_ms > 0) {
		wb_clock_rfc3339(why->first_at_ms, time);
		line(b, "first failed", wb_slice_cstr(time));
	}
	line(b, "operation", wb_slice_cstr(wb_op_text(letter->meta.op)));
	line(b, "container", letter->container.data ? letter->container : wb_slice_cstr("the consumer's default"));
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
	line(b, "written by", why->consumer);
	line(b, "identity", letter->identity);
}

static void original_headers(struct wb_buf *b, const struct wb_kafka_record *record)
{
	bool any = false;

	for (size_t i = 0; i < record->header_count; i++) {
		const struct wb_header *h = &record->headers[i];
		size_t chars;

		if (wb_letter_header_is_added(h->name))
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

static void advice(struct wb_buf *b, const struct wb_letter *letter)
{
	wb_buf_append_cstr(b, "\n");
	line(b, "means", wb_slice_cstr(wb_advice_meaning(letter->facts.why.reason)));
	line(b, "mends it", wb_slice_cstr(wb_advice_mending(letter->facts.why.reason)));
}

static bool on_copy(void *arg, const struct wb_index_letter *copy)
{
	struct search *s = arg;
	char time[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(copy->died_ms, time);
	wb_buf_appendf(&s->page, "  %s  died as letter %d/%" PRId64 ": %s", time, (int)copy->partition, copy->offset,
		copy->reason ? wb_reason_text(copy->reason) : "not ours");
	if (copy->status)
		wb_buf_appendf(&s->page, ", %d", copy->status);
	wb_buf_appendf(&s->page, "; %s\n", wb_letter_state_text(copy->state));
	return true;
}

static void state_line(struct wb_buf *b, const struct wb_state_record *r)
{
	char time[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(r->at_ms, time);
	wb_buf_appendf(b, "  %s  ", time);
	(void)wb_text_line(b, r->word, SIZE_MAX);
	if (r->attempt)
		wb_buf_appendf(b, ", attempt %" PRId64, r->attempt);
	if (r->job.data)
		wb_buf_appendf(b, ", job %.*s", WB_SLICE_ARGS(r->job));
	if (r->by.data) {
		wb_buf_append_cstr(b, ", by ");
		(void)wb_text_line(b, r->by, SIZE_MAX);
	}
	if (r->why.data) {
		wb_buf_append_cstr(b, ": ");
		(void)wb_text_line(b, r->why, SIZE_MAX);
	}
	wb_buf_append_char(b, '\n');
}

static enum wb_err history(struct search *s, const struct wb_letter *letter, struct wb_error *e)
{
	struct wb_index *index = wb_catalogue_index(s->catalogue);
	struct wb_state_record record;
	bool found = false;
	enum wb_err err;

	wb_buf_append_cstr(&s->page, "\nhistory\n");
	err = wb_index_copies(index, letter->identity, on_copy, s, e);
	if (err == WB_OK)
		err = wb_index_state(index, letter->identity, &record, &found, e);
	if (err == WB_OK && found)
		state_line(&s->page, &record);
	return err;
}

static enum wb_err for_a_person(struct search *s, const struct wb_letter *letter)
{
	struct wb_buf *b = &s->page;
	enum wb_err err;

	wb_buf_appendf(b, "letter %d/%" PRId64 ": %s\n", (int)letter->record->partition, letter->record->offset,
		letter->facts.why.reason ? wb_reason_text(letter->facts.why.reason)
					 : "not written by writebehind-consumer");
	facts(b, letter);
	advice(b, letter);
	err = history(s, letter, s->e);
	original_headers(b, letter->record);
	bytes(b, "key", letter->record->key);
	bytes(b, "value", letter->record->value);
	return err;
}

struct states {
	struct wb_buf *page;
	struct wb_letter_place place;
	enum wb_letter_state state;
	const char *between;
};

static bool on_json_copy(void *arg, const struct wb_index_letter *copy)
{
	struct states *s = arg;
	char time[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(copy->died_ms, time);
	wb_buf_appendf(s->page,
		"%s{\"letter\":\"%d/%" PRId64 "\",\"diedAt\":\"%s\",\"reason\":\"%s\",\"state\":\"%s\"}", s->between,
		(int)copy->partition, copy->offset, time, wb_reason_text(copy->reason),
		wb_letter_state_text(copy->state));
	s->between = ",";
	if (copy->partition == s->place.partition && copy->offset == s->place.offset)
		s->state = copy->state;
	return true;
}

static enum wb_err as_json(struct search *s, const struct wb_letter *letter)
{
	struct wb_index *index = wb_catalogue_index(s->catalogue);
	struct wb_state_record record;
	struct wb_buf json, copies;
	struct states states = { .page = &copies, .place = s->place, .between = "" };
	bool found = false;
	enum wb_err err;

	wb_buf_init(&json, PAGE_MAX);
	wb_buf_init(&copies, PAGE_MAX);
	err = wb_index_copies(index, letter->identity, on_json_copy, &states, s->e);
	if (err == WB_OK)
		err = wb_index_state(index, letter->identity, &record, &found, s->e);
	wb_buf_append_char(&json, '{');
	wb_letter_json(letter, wb_letter_state_text(states.state), &json);
	wb_buf_append_cstr(&json, ",\"copies\":[");
	wb_buf_append_slice(&json, wb_buf_slice(&copies));
	wb_buf_append_cstr(&json, "]");
	if (err == WB_OK && found) {
		wb_buf_append_cstr(&json, ",\"acted\":");
		wb_state_encode(&record, &json);
	}
	wb_letter_json_record(letter, &json);
	wb_buf_append_cstr(&json, "}\n");
	wb_text_json_line(&s->page, wb_buf_slice(&json));
	if (wb_buf_status(&json) != WB_OK)
		s->page.err = wb_buf_status(&json);
	wb_buf_release(&json);
	wb_buf_release(&copies);
	return err;
}

static bool on_letter(void *arg, size_t at, const struct wb_letter *letter)
{
	struct search *s = arg;

	(void)at;
	s->found = true;
	if (s->config->raw)
		wb_buf_append_slice(&s->page, letter->record->value);
	else if (s->config->json)
		s->err = as_json(s, letter);
	else
		s->err = for_a_person(s, letter);
	return false;
}

static bool find_newest(void *arg, const struct wb_index_letter *copy)
{
	struct search *s = arg;

	if (!s->found || copy->state != WB_LETTER_OLDER)
		s->place = (struct wb_letter_place){ copy->partition, copy->offset };
	s->found = true;
	return true;
}

/* PARTITION/OFFSET names a copy, an identity the newest one. */
static enum wb_err find(struct search *s, const char *where, struct wb_error *e)
{
	struct wb_slice text = wb_slice_cstr(where);
	const char *slash = strchr(where, '/');
	enum wb_err err;

	if (!slash || slash == where || slash[1] == '\0')
		return wb_error_set(e, WB_EINVAL,
			"%s: a letter is named PARTITION/OFFSET, as ls shows it, or by its identity", where);
	/* A job's id of digits alone is too long for a partition. */
	if (slash - where <= 10 && wb_state_place_parse(text, &s->place.partition, &s->place.offset))
		return WB_OK;
	err = wb_index_copies(wb_catalogue_index(s->catalogue), text, find_newest, s, e);
	if (err == WB_OK && !s->found)
		err = wb_error_set(
			e, WB_ENOTFOUND, "there is no letter %s in %s", where, s->config->kafka.topic_dead_letters);
	s->found = false;
	return err;
}

enum wb_err wb_cmd_show(
	const struct wb_deadletter_config *config, const char *where, struct wb_log *log, FILE *out, struct wb_error *e)
{
	struct search s = { .config = config, .e = e };
	enum wb_err err;

	if (!strchr(where, '/'))
		return find(&s, where, e);
	err = wb_catalogue_open(config, log, &s.catalogue, e);
	if (err != WB_OK)
		return err;
	wb_buf_init(&s.page, PAGE_MAX);
	err = find(&s, where, e);
	if (err == WB_OK)
		err = wb_catalogue_fetch(s.catalogue, &s.place, 1, on_letter, &s, e);
	if (err == WB_OK)
		err = s.err;
	if (err == WB_OK && !s.found)
		err = wb_error_set(
			e, WB_ENOTFOUND, "there is no letter %s in %s", where, config->kafka.topic_dead_letters);
	if (err == WB_OK)
		err = wb_buf_status(&s.page);
	if (err == WB_OK && s.page.len && fwrite(s.page.data, 1, s.page.len, out) != s.page.len)
		err = wb_error_set(e, WB_EIO, "cannot write the output");
	wb_buf_release(&s.page);
	wb_catalogue_free(&s.catalogue);
	return err;
}
