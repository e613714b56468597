#include "deadletter/alert.h"

#include "common/base/clock.h"
#include "common/base/json_scan.h"
#include "common/base/strict.h"
#include "common/base/utf8.h"

#include <string.h>

#define STRING_BYTES_MAX 4096

static const char *const kind_words[] = {
#define X(symbol, word, over) word,
	WB_ALERT_KIND_LIST(X)
#undef X
};
static const bool kind_over[] = {
#define X(symbol, word, over) over,
	WB_ALERT_KIND_LIST(X)
#undef X
};
static const char not_ours[] = "not-ours";

const char *wb_alert_kind_text(enum wb_alert_kind kind)
{
	return kind_words[kind];
}

bool wb_alert_is_over(enum wb_alert_kind kind)
{
	return kind_over[kind];
}

bool wb_alert_is_letters(enum wb_alert_kind kind)
{
	return kind <= WB_ALERT_RECOVERED;
}

const char *wb_alert_reason_text(unsigned reason)
{
	return reason == WB_REASON_NONE ? not_ours : wb_reason_text((enum wb_reason)reason);
}

void wb_alert_copy_text(char *ret, size_t size, struct wb_slice text)
{
	size_t len = 0;

	while (len < text.len) {
		size_t n = wb_utf8_char_len(text.data + len, text.len - len);

		n = n ? n : 1;
		if (len + n >= size || text.data[len] == '\0')
			break;
		len += n;
	}
	if (len)
		memcpy(ret, text.data, len);
	ret[len] = '\0';
}

static void put_name(struct wb_buf *b, const char *name)
{
	if (b->len && b->data[b->len - 1] != '{')
		wb_buf_append_char(b, ',');
	wb_buf_appendf(b, "\"%s\":", name);
}

static void put_text(struct wb_buf *b, const char *name, const char *text)
{
	if (!text[0])
		return;
	put_name(b, name);
	wb_buf_append_json_string(b, wb_slice_cstr(text));
}

static void put_number(struct wb_buf *b, const char *name, int64_t number)
{
	put_name(b, name);
	wb_buf_append_i64(b, number);
}

static void put_time(struct wb_buf *b, const char *name, int64_t wall_ms)
{
	char text[WB_CLOCK_RFC3339_SIZE];

	if (wall_ms <= 0)
		return;
	wb_clock_rfc3339(wall_ms, text);
	put_text(b, name, text);
}

static void put_example(struct wb_buf *b, const struct wb_alert_example *example)
{
	wb_buf_append_char(b, '{');
	put_name(b, "letter");
	wb_buf_appendf(b, "\"%d/%lld\"", (int)example->partition, (long long)example->offset);
	put_time(b, "diedAt", example->died_ms);
	put_text(b, "identity", example->identity);
	put_text(b, "container", example->container);
	put_text(b, "id", example->id);
	put_text(b, "message", example->message);
	wb_buf_append_char(b, '}');
}

static void put_reasons(struct wb_buf *b, const struct wb_alert *alert)
{
	bool first = true;

	put_name(b, "reasons");
	wb_buf_append_char(b, '[');
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		const struct wb_alert_count *count = &alert->reason[i];

		if (count->all == 0)
			continue;
		wb_buf_append_cstr(b, first ? "{" : ",{");
		first = false;
		put_text(b, "reason", wb_alert_reason_text(i));
		put_number(b, "new", (int64_t)count->fresh);
		put_number(b, "total", (int64_t)count->all);
		put_name(b, "examples");
		wb_buf_append_char(b, '[');
		for (unsigned k = 0; k < count->examples; k++) {
			if (k)
				wb_buf_append_char(b, ',');
			put_example(b, &count->example[k]);
		}
		wb_buf_append_cstr(b, "]}");
	}
	wb_buf_append_char(b, ']');
}

static void put_letters(struct wb_buf *b, const struct wb_alert *alert)
{
	put_number(b, "newLetters", (int64_t)alert->fresh);
	put_number(b, "totalLetters", (int64_t)alert->all);
	if (alert->in_window) {
		put_number(b, "lettersInWindow", (int64_t)alert->in_window);
		put_number(b, "windowMs", alert->window_ms);
	}
	put_time(b, "firstDiedAt", alert->first_ms);
	put_time(b, "lastDiedAt", alert->last_ms);
	put_reasons(b, alert);
}

static void put_group(struct wb_buf *b, const struct wb_alert *alert)
{
	put_text(b, "group", alert->group);
	put_number(b, "lag", alert->lag);
	put_number(b, "lagBefore", alert->lag_before);
	put_time(b, "movedAt", alert->moved_ms);
	put_number(b, "oldestAgeMs", alert->oldest_age_ms);
	put_number(b, "retentionMs", alert->retention_ms);
}

void wb_alert_json(const struct wb_alert *alert, struct wb_buf *ret)
{
	wb_buf_append_char(ret, '{');
	put_text(ret, "id", alert->id);
	put_text(ret, "incident", alert->incident);
	put_number(ret, "serial", alert->serial);
	put_text(ret, "kind", wb_alert_kind_text(alert->kind));
	put_time(ret, "at", alert->at_ms);
	put_time(ret, "since", alert->since_ms);
	if (wb_alert_is_letters(alert->kind)) {
		put_letters(ret, alert);
	} else if (alert->kind == WB_ALERT_EXPIRY) {
		put_number(ret, "expiringLetters", (int64_t)alert->expiring);
		put_time(ret, "expiresAt", alert->expires_ms);
	} else if (alert->kind != WB_ALERT_TEST) {
		put_group(ret, alert);
	}
	wb_buf_append_char(ret, '}');
}

/* Where a member goes. */
struct field {
	const char *name;
	enum { TEXT, COUNT, TIME } type;
	void *to; /* char[size]; int64_t */
	size_t size;
};

static bool get_value(struct wb_json_reader *r, const struct field *field)
{
	struct wb_json_value value;
	struct wb_slice text = { NULL, 0 };
	struct wb_buf scratch;
	int64_t number = 0;
	bool ok;

	if (wb_json_reader_skip(r, &value) != WB_JSON_OK)
		return false;
	if (field->type == COUNT) {
		ok = value.type == WB_JSON_NUMBER && wb_strict_int64(value.raw, 0, INT64_MAX, &number, NULL) == WB_OK;
		if (ok)
			memcpy(field->to, &number, sizeof number);
		return ok;
	}
	wb_buf_init(&scratch, STRING_BYTES_MAX);
	ok = value.type == WB_JSON_STRING && wb_json_string_decode(value.raw, &scratch, &text) == WB_OK;
	if (ok && field->type == TEXT)
		wb_alert_copy_text(field->to, field->size, text);
	if (ok && field->type == TIME && (ok = wb_clock_parse_rfc3339(text, &number)))
		memcpy(field->to, &number, sizeof number);
	wb_buf_release(&scratch);
	return ok;
}

/* The next value by the field of this name; what is not known is skipped. */
static bool get_field(struct wb_json_reader *r, struct wb_slice name, const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (wb_json_name_is(name, fields[i].name))
			return get_value(r, &fields[i]);
	return wb_json_reader_skip(r, NULL) == WB_JSON_OK;
}

static bool parse_place(const char *text, struct wb_alert_example *ret)
{
	const char *slash = strchr(text, '/');
	int64_t partition;

	if (!slash ||
		wb_strict_int64(wb_slice(text, (size_t)(slash - text)), 0, INT32_MAX, &partition, NULL) != WB_OK ||
		wb_strict_int64(wb_slice_cstr(slash + 1), 0, INT64_MAX, &ret->offset, NULL) != WB_OK)
		return false;
	ret->partition = (int32_t)partition;
	return true;
}

static bool get_example(struct wb_json_reader *r, struct wb_alert_example *ret)
{
	char place[WB_ALERT_ID_SIZE] = "";
	const struct field fields[] = {
		{ "letter", TEXT, place, sizeof place },
		{ "diedAt", TIME, &ret->died_ms, 0 },
		{ "identity", TEXT, ret->identity, sizeof ret->identity },
		{ "container", TEXT, ret->container, sizeof ret->container },
		{ "id", TEXT, ret->id, sizeof ret->id },
		{ "message", TEXT, ret->message, sizeof ret->message },
	};
	struct wb_slice name;
	int more = 0;

	if (wb_json_reader_enter(r) != '{')
		return false;
	while ((more = wb_json_reader_next(r, &name)) == 1)
		if (!get_field(r, name, fields, WB_ARRAY_LEN(fields)))
			return false;
	return more == 0 && parse_place(place, ret);
}

static bool get_examples(struct wb_json_reader *r, struct wb_alert_count *count)
{
	int more;

	if (wb_json_reader_enter(r) != '[')
		return false;
	while ((more = wb_json_reader_next(r, NULL)) == 1) {
		if (count->examples == WB_ALERT_EXAMPLES) {
			if (wb_json_reader_skip(r, NULL) != WB_JSON_OK)
				return false;
		} else if (!get_example(r, &count->example[count->examples++])) {
			return false;
		}
	}
	return more == 0;
}

static bool get_reason(struct wb_json_reader *r, struct wb_alert *ret)
{
	struct wb_alert_count count;
	char word[WB_ALERT_ID_SIZE] = "";
	const struct field fields[] = {
		{ "reason", TEXT, word, sizeof word },
		{ "new", COUNT, &count.fresh, 0 },
		{ "total", COUNT, &count.all, 0 },
	};
	struct wb_slice name;
	enum wb_reason reason;
	int more = 0;

	memset(&count, 0, sizeof count);
	if (wb_json_reader_enter(r) != '{')
		return false;
	while ((more = wb_json_reader_next(r, &name)) == 1)
		if (wb_json_name_is(name, "examples") ? !get_examples(r, &count)
						      : !get_field(r, name, fields, WB_ARRAY_LEN(fields)))
			return false;
	if (more != 0)
		return false;
	reason = wb_reason_parse(wb_slice_cstr(word));
	if (reason != WB_REASON_NONE || strcmp(word, not_ours) == 0)
		ret->reason[reason] = count;
	return true;
}

static bool get_reasons(struct wb_json_reader *r, struct wb_alert *ret)
{
	int more;

	if (wb_json_reader_enter(r) != '[')
		return false;
	while ((more = wb_json_reader_next(r, NULL)) == 1)
		if (!get_reason(r, ret))
			return false;
	return more == 0;
}

static bool parse_kind(const char *word, enum wb_alert_kind *ret)
{
	for (unsigned i = 0; i < WB_ARRAY_LEN(kind_words); i++) {
		if (strcmp(kind_words[i], word) == 0) {
			*ret = (enum wb_alert_kind)i;
			return true;
		}
	}
	return false;
}

bool wb_alert_read(struct wb_json_reader *r, struct wb_alert *ret)
{
	char kind[WB_ALERT_ID_SIZE] = "";
	int64_t serial = 0;
	const struct field fields[] = {
		{ "id", TEXT, ret->id, sizeof ret->id },
		{ "incident", TEXT, ret->incident, sizeof ret->incident },
		{ "serial", COUNT, &serial, 0 },
		{ "kind", TEXT, kind, sizeof kind },
		{ "at", TIME, &ret->at_ms, 0 },
		{ "since", TIME, &ret->since_ms, 0 },
		{ "newLetters", COUNT, &ret->fresh, 0 },
		{ "totalLetters", COUNT, &ret->all, 0 },
		{ "lettersInWindow", COUNT, &ret->in_window, 0 },
		{ "windowMs", COUNT, &ret->window_ms, 0 },
		{ "firstDiedAt", TIME, &ret->first_ms, 0 },
		{ "lastDiedAt", TIME, &ret->last_ms, 0 },
		{ "group", TEXT, ret->group, sizeof ret->group },
		{ "lag", COUNT, &ret->lag, 0 },
		{ "lagBefore", COUNT, &ret->lag_before, 0 },
		{ "movedAt", TIME, &ret->moved_ms, 0 },
		{ "oldestAgeMs", COUNT, &ret->oldest_age_ms, 0 },
		{ "retentionMs", COUNT, &ret->retention_ms, 0 },
		{ "expiringLetters", COUNT, &ret->expiring, 0 },
		{ "expiresAt", TIME, &ret->expires_ms, 0 },
	};
	struct wb_slice name;
	int more = 0;

	memset(ret, 0, sizeof *ret);
	if (wb_json_reader_enter(r) != '{')
		return false;
	while ((more = wb_json_reader_next(r, &name)) == 1)
		if (wb_json_name_is(name, "reasons") ? !get_reasons(r, ret)
						     : !get_field(r, name, fields, WB_ARRAY_LEN(fields)))
			return false;
	ret->serial = (unsigned)serial;
	return more == 0 && parse_kind(kind, &ret->kind);
}
