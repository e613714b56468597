#include "deadletter/state.h"

#include "common/base/json_scan.h"
#include "common/base/strict.h"
#include "common/base/utf8.h"
#include "common/contract/record.h"

#include <inttypes.h>

static const char *const texts[] = {
#define X(symbol, text) [symbol] = text,
	WB_LETTER_STATE_LIST(X)
#undef X
};

const char *wb_letter_state_text(enum wb_letter_state state)
{
	return (size_t)state < WB_ARRAY_LEN(texts) ? texts[state] : "";
}

enum wb_letter_state wb_letter_state_parse(struct wb_slice word)
{
	for (unsigned i = 0; i < WB_LETTER_OTHER; i++) {
		if (wb_slice_eq_cstr(word, texts[i]))
			return (enum wb_letter_state)i;
	}
	return WB_LETTER_OTHER;
}

bool wb_state_is_letter(struct wb_slice key)
{
	size_t len = sizeof WB_STATE_ALERT_PREFIX - 1;

	return key.len > 0 && !(key.len >= len && memcmp(key.data, WB_STATE_ALERT_PREFIX, len) == 0);
}

static struct wb_slice cut(struct wb_slice text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t n = wb_utf8_char_len(text.data + at, text.len - at);

		n = n ? n : 1;
		if (at + n > WB_STATE_TEXT_MAX)
			break;
		at += n;
	}
	return wb_slice(text.data, at);
}

static void member(struct wb_buf *b, const char *name, struct wb_slice value)
{
	if (!value.data)
		return;
	wb_buf_appendf(b, ",\"%s\":", name);
	wb_buf_append_json_string(b, cut(value));
}

void wb_state_encode(const struct wb_state_record *r, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"state\":");
	wb_buf_append_json_string(ret, r->word.data ? r->word : wb_slice_cstr(wb_letter_state_text(r->state)));
	wb_buf_appendf(ret, ",\"at\":%" PRId64, r->at_ms);
	member(ret, "by", r->by);
	wb_buf_appendf(ret, ",\"attempt\":%" PRId64, r->attempt);
	member(ret, "job", r->job);
	wb_buf_appendf(ret, ",\"letter\":\"%" PRId32 "/%" PRId64 "\"", r->partition, r->offset);
	member(ret, "why", r->why);
	wb_buf_append_char(ret, '}');
}

bool wb_state_place_parse(struct wb_slice text, int32_t *ret_partition, int64_t *ret_offset)
{
	const char *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
	int64_t partition, offset;
	size_t before;

	if (!slash)
		return false;
	before = (size_t)(slash - text.data);
	if (wb_strict_int64(wb_slice(text.data, before), 0, INT32_MAX, &partition, NULL) != WB_OK ||
		wb_strict_int64(wb_slice(slash + 1, text.len - before - 1), 0, INT64_MAX, &offset, NULL) != WB_OK)
		return false;
	*ret_partition = (int32_t)partition;
	*ret_offset = offset;
	return true;
}

/* The text, or absent for what is no string. */
static struct wb_slice text_of(const struct wb_json_value *value, struct wb_buf *scratch)
{
	struct wb_slice text;

	if (value->type != WB_JSON_STRING || wb_json_string_decode(value->raw, scratch, &text) != WB_OK)
		return (struct wb_slice){ NULL, 0 };
	return text;
}

static int64_t number_of(const struct wb_json_value *value, int64_t max)
{
	int64_t number = 0;

	if (value->type != WB_JSON_NUMBER || wb_strict_int64(value->raw, 0, max, &number, NULL) != WB_OK)
		return 0;
	return number;
}

enum { STATE, AT, BY, ATTEMPT, JOB, LETTER, WHY, MEMBERS };

static bool read_members(struct wb_slice value, struct wb_json_value ret[MEMBERS])
{
	static const char *const names[MEMBERS] = { "state", "at", "by", "attempt", "job", "letter", "why" };
	struct wb_json_reader reader;
	struct wb_json_value one;
	struct wb_slice name;

	wb_json_reader_init(&reader, value);
	if (wb_json_reader_enter(&reader) != '{')
		return false;
	while (wb_json_reader_next(&reader, &name) == 1) {
		if (wb_json_reader_skip(&reader, &one) != WB_JSON_OK)
			return false;
		for (unsigned i = 0; i < MEMBERS; i++)
			if (wb_json_name_is(name, names[i]))
				ret[i] = one;
	}
	return wb_json_reader_end(&reader) == WB_JSON_OK;
}

bool wb_state_decode(struct wb_slice value, struct wb_buf *scratch, struct wb_state_record *ret)
{
	struct wb_json_value members[MEMBERS] = { { WB_JSON_ABSENT, { NULL, 0 } } };
	struct wb_state_record r = { .state = WB_LETTER_OTHER };

	wb_buf_clear(scratch);
	/* A decoded text is no longer than its raw form, so texts do not move when the next one is decoded. */
	if (!value.data || !wb_buf_reserve(scratch, value.len) || !read_members(value, members))
		return false;
	r.word = text_of(&members[STATE], scratch);
	if (r.word.len == 0 || !wb_state_place_parse(text_of(&members[LETTER], scratch), &r.partition, &r.offset))
		return false;
	r.state = wb_letter_state_parse(r.word);
	r.at_ms = number_of(&members[AT], INT64_MAX);
	r.by = text_of(&members[BY], scratch);
	r.attempt = number_of(&members[ATTEMPT], WB_STATE_ATTEMPT_MAX);
	r.job = text_of(&members[JOB], scratch);
	if (r.job.data && !wb_job_id_valid(r.job))
		r.job = (struct wb_slice){ NULL, 0 };
	r.why = text_of(&members[WHY], scratch);
	*ret = r;
	return true;
}

bool wb_state_is_behind(const struct wb_state_record *record, int32_t partition, int64_t offset, int64_t died_ms)
{
	return partition == record->partition ? offset > record->offset : died_ms > record->at_ms;
}
