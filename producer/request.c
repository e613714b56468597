#include "producer/request_internal.h"

#include "common/base/utf8.h"
#include "common/cosmos/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool wb_request_refuse(
	struct wb_request_error *error, unsigned status, const char *code, int64_t index, const char *format, ...)
{
	va_list args;

	*error = (struct wb_request_error){ .status = status, .code = code, .index = index };
	va_start(args, format);
	(void)vsnprintf(error->detail.text, sizeof error->detail.text, format, args); /* cut to fit */
	va_end(args);
	return false;
}

bool wb_request_refuse_item(
	struct wb_request_parser *p, int64_t index, enum wb_reason reason, const struct wb_error *why)
{
	bool large = reason == WB_REASON_TOO_LARGE;

	(void)wb_request_refuse(
		p->error, large ? 413 : 400, large ? "document-too-large" : "invalid-document", index, "%s", why->text);
	p->error->reason = reason;
	return false;
}

static bool out_of_memory(struct wb_request_error *error)
{
	return wb_request_refuse(error, 503, "overloaded", -1, "no memory for this request now");
}

bool wb_request_keep(struct wb_request_parser *p, const struct wb_batch_write *item)
{
	switch (wb_item_keep(&p->judge, item, p->batch)) {
	case WB_OK:
		return true;
	case WB_ETOOBIG:
		return wb_request_refuse(p->error, 413, "too-many-operations", -1,
			"a request may hold %zu writes (http.max.operations)", p->rules->max_operations);
	default:
		return out_of_memory(p->error);
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
	enum wb_op op;

	if (!wb_op_parse(word, &op))
		return wb_request_refuse(ret, 400, "unknown-operation", -1, "\"%.*s\" is no operation: upsert, delete",
			(int)(word.len > 40 ? 40 : word.len), word.data);
	if (op != WB_OP_UPSERT && op != WB_OP_DELETE)
		return wb_request_refuse(ret, 400, "operation-not-supported", -1,
			"the operation %s is not taken: upsert, delete", wb_op_text(op));
	*ret_op = op;
	return true;
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

static bool is_blank(struct wb_slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	}
	return true;
}

static bool parse_line(struct wb_request_parser *p, struct wb_slice line, int64_t number)
{
	struct wb_batch_write item;
	enum wb_reason reason;
	struct wb_error why;

	if (p->defaults->op == WB_OP_DELETE)
		reason = wb_item_delete_text(&p->judge, line, &item, &why);
	else
		reason = wb_item_document(&p->judge, line, &item, &why);
	if (reason != WB_REASON_NONE)
		return wb_request_refuse_item(p, number, reason, &why);
	return wb_request_keep(p, &item);
}

static bool parse_ndjson(struct wb_request_parser *p, struct wb_slice body)
{
	int64_t number = 0;

	while (body.len) {
		const char *newline = memchr(body.data, '\n', body.len);
		struct wb_slice line = { body.data, newline ? (size_t)(newline - body.data) : body.len };

		number++;
		body.data += line.len + (newline != NULL);
		body.len -= line.len + (newline != NULL);
		if (!is_blank(line) && !parse_line(p, line, number))
			return false;
	}
	return true;
}

bool wb_request_parse(struct wb_slice body, enum wb_body_format format, const struct wb_request_rules *rules,
	const struct wb_request_defaults *defaults, struct wb_batch *batch, struct wb_request_error *ret)
{
	struct wb_request_parser p = { .rules = rules, .defaults = defaults, .batch = batch, .error = ret };
	bool good;

	batch->database = defaults->database;
	batch->container = defaults->container;
	if (wb_item_judge_init(&p.judge, &rules->paths, rules->record_bytes_max) != WB_OK) {
		wb_item_judge_release(&p.judge);
		return out_of_memory(ret);
	}
	good = format == WB_BODY_NDJSON ? parse_ndjson(&p, body) : wb_request_parse_json(&p, body);
	if (good && batch->count == 0)
		good = wb_request_refuse(ret, 400, "empty-batch", -1, "the request holds no write");
	wb_item_judge_release(&p.judge);
	return good;
}
