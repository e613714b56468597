#include "producer/request_internal.h"

#include <string.h>

/* The members of the envelope that were met. */
struct envelope {
	bool database, container, writes;
};

/* One element of "operations". */
struct operation {
	bool has_op, has_document;
	struct wb_json_value op, id, key;
	struct wb_batch_write document; /* judged as soon as it is met; strings in the judge's scratch */
};

static bool refuse_json(struct wb_request_parser *p, const struct wb_json_reader *r, int64_t index)
{
	if (index < 0)
		return wb_request_refuse(p->error, 400, "invalid-json", -1, "%s at byte %zu of the body", r->error.text,
			r->error.offset);
	(void)wb_request_refuse(
		p->error, 400, "invalid-document", index, "%s at byte %zu of the body", r->error.text, r->error.offset);
	p->error->reason = wb_item_scan_reason(r->status);
	return false;
}

static bool refuse_member(struct wb_request_parser *p, struct wb_slice name, int64_t index, bool twice)
{
	return wb_request_refuse(p->error, 400, twice ? "duplicate-member" : "unknown-member", index,
		"the member %.*s %s", (int)(name.len > 80 ? 80 : name.len), name.data,
		twice ? "stands twice" : "is not known here");
}

/* Judges the document that is next in the text. */
static bool read_document(
	struct wb_request_parser *p, struct wb_json_reader *r, int64_t index, struct wb_batch_write *ret)
{
	struct wb_json_document found;
	enum wb_reason reason;
	struct wb_error why;

	if (wb_json_reader_document(r, p->judge.paths, &found) != WB_JSON_OK)
		return refuse_json(p, r, index);
	reason = wb_item_found(&p->judge, &found, ret, &why);
	return reason == WB_REASON_NONE || wb_request_refuse_item(p, index, reason, &why);
}

/* Judges the {"id":…,"partitionKey":…} that is next in the text. */
static bool read_delete(
	struct wb_request_parser *p, struct wb_json_reader *r, int64_t index, struct wb_batch_write *ret)
{
	struct wb_json_value object;
	enum wb_reason reason;
	struct wb_error why;

	if (wb_json_reader_skip(r, &object) != WB_JSON_OK)
		return refuse_json(p, r, index);
	reason = wb_item_delete_text(&p->judge, object.raw, ret, &why);
	return reason == WB_REASON_NONE || wb_request_refuse_item(p, index, reason, &why);
}

/* A bare array, or the value of "documents". */
static bool read_documents(struct wb_request_parser *p, struct wb_json_reader *r)
{
	struct wb_batch_write item;
	int64_t index = 0;
	int more;

	if (wb_json_reader_enter(r) != '[')
		return r->status != WB_JSON_OK
			? refuse_json(p, r, -1)
			: wb_request_refuse(p->error, 400, "invalid-request", -1, "\"documents\" must be an array");
	while ((more = wb_json_reader_next(r, NULL)) == 1) {
		bool good = p->defaults->op == WB_OP_DELETE ? read_delete(p, r, index, &item)
							    : read_document(p, r, index, &item);

		if (!good || !wb_request_keep(p, &item))
			return false;
		index++;
	}
	return more == 0 || refuse_json(p, r, -1);
}

static bool operation_member(
	struct wb_request_parser *p, struct wb_json_reader *r, int64_t index, struct wb_slice name, struct operation *o)
{
	struct wb_json_value *value = NULL;

	if (wb_json_name_is(name, "document")) {
		if (o->has_document)
			return refuse_member(p, name, index, true);
		o->has_document = true;
		return read_document(p, r, index, &o->document);
	}
	if (wb_json_name_is(name, "op"))
		value = &o->op;
	else if (wb_json_name_is(name, "id"))
		value = &o->id;
	else if (wb_json_name_is(name, "partitionKey"))
		value = &o->key;
	else
		return refuse_member(p, name, index, false);
	if (value->type != WB_JSON_ABSENT)
		return refuse_member(p, name, index, true);
	return wb_json_reader_skip(r, value) == WB_JSON_OK || refuse_json(p, r, index);
}

static bool operation_word(struct wb_request_parser *p, const struct operation *o, int64_t index, enum wb_op *ret)
{
	struct wb_slice word = o->op.raw;

	if (o->op.type == WB_JSON_ABSENT) {
		*ret = p->defaults->op;
		return true;
	}
	if (o->op.type != WB_JSON_STRING)
		return wb_request_refuse(p->error, 400, "unknown-operation", index, "\"op\" must be a string");
	/* An operation's word has no character that needs an escape. */
	word.data++;
	word.len -= 2;
	if (wb_request_op(word, ret, p->error))
		return true;
	p->error->index = index;
	return false;
}

static bool finish_operation(struct wb_request_parser *p, struct operation *o, int64_t index)
{
	struct wb_batch_write item;
	enum wb_reason reason;
	struct wb_error why;
	enum wb_op op;

	if (!operation_word(p, o, index, &op))
		return false;
	if (op == WB_OP_UPSERT) {
		if (!o->has_document)
			return wb_request_refuse(
				p->error, 400, "invalid-operation", index, "an upsert needs \"document\"");
		if (o->id.type != WB_JSON_ABSENT || o->key.type != WB_JSON_ABSENT)
			return wb_request_refuse(p->error, 400, "invalid-operation", index,
				"an upsert takes id and partition key from its document: \"id\" and \"partitionKey\" "
				"are for deletes");
		return wb_request_keep(p, &o->document);
	}
	if (o->has_document)
		return wb_request_refuse(p->error, 400, "invalid-operation", index,
			"a delete has \"id\" and \"partitionKey\", no \"document\"");
	reason = wb_item_delete(&p->judge, &o->id, &o->key, &item, &why);
	if (reason != WB_REASON_NONE)
		return wb_request_refuse_item(p, index, reason, &why);
	return wb_request_keep(p, &item);
}

static bool read_operation(struct wb_request_parser *p, struct wb_json_reader *r, int64_t index)
{
	struct operation o = { 0 };
	struct wb_slice name;
	int more;

	if (wb_json_reader_enter(r) != '{')
		return r->status != WB_JSON_OK
			? refuse_json(p, r, index)
			: wb_request_refuse(p->error, 400, "invalid-operation", index, "an operation is an object");
	while ((more = wb_json_reader_next(r, &name)) == 1) {
		if (!operation_member(p, r, index, name, &o))
			return false;
	}
	return more == 0 ? finish_operation(p, &o, index) : refuse_json(p, r, index);
}

static bool read_operations(struct wb_request_parser *p, struct wb_json_reader *r)
{
	int64_t index = 0;
	int more;

	if (wb_json_reader_enter(r) != '[')
		return r->status != WB_JSON_OK
			? refuse_json(p, r, -1)
			: wb_request_refuse(p->error, 400, "invalid-request", -1, "\"operations\" must be an array");
	while ((more = wb_json_reader_next(r, NULL)) == 1) {
		if (!read_operation(p, r, index++))
			return false;
	}
	return more == 0 || refuse_json(p, r, -1);
}

static bool read_target(struct wb_request_parser *p, struct wb_json_reader *r, const char *member, struct wb_slice *ret)
{
	struct wb_slice decoded, kept;
	struct wb_json_value value;

	if (wb_json_reader_skip(r, &value) != WB_JSON_OK)
		return refuse_json(p, r, -1);
	wb_buf_clear(&p->judge.scratch);
	if (value.type != WB_JSON_STRING || value.raw.len > 6 * WB_NAME_LEN_MAX + 2 ||
		wb_json_string_decode(value.raw, &p->judge.scratch, &decoded) != WB_OK ||
		!wb_request_name_valid(decoded))
		return wb_request_refuse(p->error, 400, "invalid-request", -1,
			"\"%s\" must be a name: 1 to %d bytes, none of / \\ ? #, no space at the end", member,
			WB_NAME_LEN_MAX);
	if (wb_batch_keep(p->batch, decoded, &kept) != WB_OK)
		return wb_request_refuse(p->error, 503, "overloaded", -1, "no memory for this request now");
	*ret = kept;
	return true;
}

static bool envelope_member(
	struct wb_request_parser *p, struct wb_json_reader *r, struct wb_slice name, struct envelope *seen)
{
	bool documents = wb_json_name_is(name, "documents");
	bool *met;

	if (documents || wb_json_name_is(name, "operations")) {
		if (seen->writes)
			return wb_request_refuse(p->error, 400, "invalid-request", -1,
				"only one of \"operations\" and \"documents\" may stand in a request, once");
		seen->writes = true;
		return documents ? read_documents(p, r) : read_operations(p, r);
	}
	met = wb_json_name_is(name, "database")      ? &seen->database
		: wb_json_name_is(name, "container") ? &seen->container
						     : NULL;
	if (!met || *met)
		return refuse_member(p, name, -1, met != NULL);
	*met = true;
	return met == &seen->database ? read_target(p, r, "database", &p->batch->database)
				      : read_target(p, r, "container", &p->batch->container);
}

static bool read_envelope(struct wb_request_parser *p, struct wb_json_reader *r)
{
	struct envelope seen = { 0 };
	struct wb_slice name;
	int more;

	if (wb_json_reader_enter(r) != '{')
		return refuse_json(p, r, -1);
	while ((more = wb_json_reader_next(r, &name)) == 1) {
		if (!envelope_member(p, r, name, &seen))
			return false;
	}
	if (more != 0)
		return refuse_json(p, r, -1);
	return seen.writes ||
		wb_request_refuse(p->error, 400, "invalid-request", -1,
			"the object has neither \"operations\" nor \"documents\"");
}

bool wb_request_parse_json(struct wb_request_parser *p, struct wb_slice body)
{
	struct wb_json_reader r;
	enum wb_json_type type;

	wb_json_reader_init(&r, body);
	type = wb_json_reader_peek(&r);
	if (type == WB_JSON_ARRAY) {
		if (!read_documents(p, &r))
			return false;
	} else if (type == WB_JSON_OBJECT) {
		if (!read_envelope(p, &r))
			return false;
	} else if (wb_json_reader_skip(&r, NULL) != WB_JSON_OK) {
		return refuse_json(p, &r, -1);
	}
	if (wb_json_reader_end(&r) != WB_JSON_OK)
		return refuse_json(p, &r, -1);
	return type == WB_JSON_ARRAY || type == WB_JSON_OBJECT ||
		wb_request_refuse(
			p->error, 400, "invalid-request", -1, "the body must be an array of documents or an object");
}
