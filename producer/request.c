#include "producer/request_internal.h"

#include "common/base/utf8.h"
#include "producer/request_stream.h"

#include <string.h>
#include <strings.h>

bool wb_request_keep(struct wb_request_parser *p, const struct wb_item_judge *judge, const struct wb_batch_write *write)
{
	switch (wb_item_keep(judge, write, p->batch)) {
	case WB_OK:
		return true;
	case WB_ETOOBIG:
		return wb_request_refuse(p->error, 413, "too-many-operations", -1,
			"a request may hold %zu writes (http.max.operations)", p->rules->max_operations);
	default:
		return wb_request_refuse_memory(p->error);
	}
}

static struct wb_slice trimmed(struct wb_slice s)
{
	while (s.len && (*s.data == ' ' || *s.data == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool same_word(struct wb_slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

/* Cuts off what stands before the next semicolon. */
static struct wb_slice next_part(struct wb_slice *rest)
{
	const char *semicolon = rest->len ? memchr(rest->data, ';', rest->len) : NULL;
	struct wb_slice part = *rest;

	if (semicolon)
		part.len = (size_t)(semicolon - rest->data);
	rest->data += part.len + (semicolon != NULL);
	rest->len -= part.len + (semicolon != NULL);
	return trimmed(part);
}

bool wb_request_format(struct wb_slice content_type, enum wb_body_format *ret)
{
	struct wb_slice rest = content_type, part;
	enum wb_body_format format;

	if (!content_type.data)
		return false;
	part = next_part(&rest);
	if (same_word(part, "application/json"))
		format = WB_BODY_JSON;
	else if (same_word(part, "application/x-ndjson") || same_word(part, "application/ndjson"))
		format = WB_BODY_NDJSON;
	else
		return false;
	while (rest.len) {
		part = next_part(&rest);
		/* JSON between systems is UTF-8 (RFC 8259 section 8.1); saying so is allowed, saying otherwise not. */
		if (part.len && !same_word(part, "charset=utf-8") && !same_word(part, "charset=\"utf-8\""))
			return false;
	}
	*ret = format;
	return true;
}

bool wb_request_op(struct wb_slice word, enum wb_op *ret_op, struct wb_request_error *ret)
{
	return wb_op_parse(word, ret_op) ||
		wb_request_refuse(ret, 400, "unknown-operation", -1,
			"\"%.*s\" is no operation: upsert, create, replace, delete, patch",
			(int)(word.len > 40 ? 40 : word.len), word.data);
}

bool wb_request_name_valid(struct wb_slice name)
{
	if (name.len == 0 || name.len > WB_NAME_LEN_MAX || name.data[name.len - 1] == ' ')
		return false;
	for (size_t i = 0, n; i < name.len; i += n) {
		unsigned char c = (unsigned char)name.data[i];

		n = wb_utf8_char_len(name.data + i, name.len - i);
		if (n == 0 || c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '?' || c == '#')
			return false;
	}
	return true;
}

static bool parse_ndjson(struct wb_request_parser *p, struct wb_slice body)
{
	struct wb_request_stream s;
	struct wb_batch_write write;
	enum wb_err err = wb_request_stream_init(
		&s, WB_SPLIT_NDJSON, &p->rules->item, p->defaults->op, p->defaults->job, false);
	bool good = err == WB_OK || wb_request_refuse_memory(p->error);

	while (good && (err = wb_request_stream_next(&s, &body, true, &write)) == WB_OK)
		good = wb_request_keep(p, &s.judge, &write);
	if (err == WB_EINVAL) {
		*p->error = s.error;
		good = false;
	}
	wb_request_stream_release(&s);
	return good;
}

static bool parse_json(struct wb_request_parser *p, struct wb_slice body)
{
	bool good;

	if (wb_item_judge_init(&p->judge, &p->rules->item, p->defaults->job) != WB_OK)
		good = wb_request_refuse_memory(p->error);
	else
		good = wb_request_parse_json(p, body);
	wb_item_judge_release(&p->judge);
	if (good && p->batch->count == 0)
		return wb_request_refuse(p->error, 400, "empty-batch", -1, "there is nothing to publish in it");
	return good;
}

bool wb_request_parse(struct wb_slice body, enum wb_body_format format, const struct wb_request_rules *rules,
	const struct wb_request_defaults *defaults, struct wb_batch *batch, struct wb_request_error *ret)
{
	struct wb_request_parser p = { .rules = rules, .defaults = defaults, .batch = batch, .error = ret };

	batch->database = defaults->database;
	batch->container = defaults->container;
	return format == WB_BODY_NDJSON ? parse_ndjson(&p, body) : parse_json(&p, body);
}
