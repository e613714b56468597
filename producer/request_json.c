#include "common/cosmos/text.h"
#include "producer/operation.h"
#include "producer/request_internal.h"

#define ENVELOPE_MEMBERS "operations or documents, database and container"

/* The members of the envelope that were met. */
struct envelope {
	bool database, container, callback, writes;
};

static bool refuse_json(struct wb_request_parser *p, const struct wb_json_reader *r)
{
	return wb_request_refuse(
		p->error, 400, "invalid-json", -1, "%s at byte %zu of the body", r->error.text, r->error.offset);
}

static bool read_write(struct wb_request_parser *p, struct wb_json_reader *r, bool operations)
{
	const struct wb_operation_place at = {
		.judge = &p->judge,
		.op = p->defaults->op,
		.named = operations,
		.index = (int64_t)p->batch->count,
		.seq = p->batch->count,
		.bytes_of = "the body",
		.error = p->error,
	};
	bool document = !operations && at.op != WB_OP_DELETE && at.op != WB_OP_PATCH;
	struct wb_batch_write write;

	if (document ? !wb_operation_document(&at, r, &write) : !wb_operation_read(&at, r, &write))
		return false;
	return wb_request_keep(p, &p->judge, &write);
}

/* The value of "operations" or "documents", or a bare array. */
static bool read_writes(struct wb_request_parser *p, struct wb_json_reader *r, bool operations)
{
	int more;

	if (wb_json_reader_enter(r) != '[')
		return r->status != WB_JSON_OK
			? refuse_json(p, r)
			: wb_request_refuse(p->error, 400, "invalid-request", -1, "\"%s\" must be an array",
				  operations ? "operations" : "documents");
	while ((more = wb_json_reader_next(r, NULL)) == 1) {
		if (!read_write(p, r, operations))
			return false;
	}
	return more == 0 || refuse_json(p, r);
}

static bool read_target(struct wb_request_parser *p, struct wb_json_reader *r, const char *member, struct wb_slice *ret)
{
	struct wb_slice decoded, kept;
	struct wb_json_value value;

	if (wb_json_reader_skip(r, &value) != WB_JSON_OK)
		return refuse_json(p, r);
	wb_buf_clear(&p->judge.scratch);
	if (value.type != WB_JSON_STRING ||
		wb_cosmos_text_decode(value.raw, WB_NAME_LEN_MAX, &p->judge.scratch, &decoded) != WB_OK ||
		!wb_request_name_valid(decoded))
		return wb_request_refuse(p->error, 400, "invalid-request", -1,
			"\"%s\" must be a name: 1 to %d bytes, none of / \\ ? #, no space at the end", member,
			WB_NAME_LEN_MAX);
	if (wb_batch_keep(p->batch, decoded, &kept) != WB_OK)
		return wb_request_refuse_memory(p->error);
	*ret = kept;
	return true;
}

/* Only its shape: what it may name is the callbacks' to judge. */
static bool read_callback(struct wb_request_parser *p, struct wb_json_reader *r)
{
	struct wb_json_value value;
	struct wb_slice decoded;

	if (wb_json_reader_skip(r, &value) != WB_JSON_OK)
		return refuse_json(p, r);
	wb_buf_clear(&p->judge.scratch);
	if (value.type != WB_JSON_STRING ||
		wb_cosmos_text_decode(value.raw, WB_CALLBACK_LEN_MAX, &p->judge.scratch, &decoded) != WB_OK ||
		decoded.len == 0)
		return wb_request_refuse(p->error, 400, "invalid-request", -1,
			"\"callback\" must be a URL of at most %d bytes", WB_CALLBACK_LEN_MAX);
	if (wb_batch_keep(p->batch, decoded, &p->batch->callback) != WB_OK)
		return wb_request_refuse_memory(p->error);
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
		return read_writes(p, r, !documents);
	}
	met = wb_json_name_is(name, "database")                            ? &seen->database
		: wb_json_name_is(name, "container")                       ? &seen->container
		: p->rules->callbacks && wb_json_name_is(name, "callback") ? &seen->callback
									   : NULL;
	if (!met)
		return wb_request_refuse_unknown(
			p->error, -1, name, p->rules->callbacks ? ENVELOPE_MEMBERS ", and callback" : ENVELOPE_MEMBERS);
	if (*met)
		return wb_request_refuse_twice(p->error, -1, name);
	*met = true;
	if (met == &seen->callback)
		return read_callback(p, r);
	return met == &seen->database ? read_target(p, r, "database", &p->batch->database)
				      : read_target(p, r, "container", &p->batch->container);
}

static bool read_envelope(struct wb_request_parser *p, struct wb_json_reader *r)
{
	struct envelope seen = { 0 };
	struct wb_slice name;
	int more;

	if (wb_json_reader_enter(r) != '{')
		return refuse_json(p, r);
	while ((more = wb_json_reader_next(r, &name)) == 1) {
		if (!envelope_member(p, r, name, &seen))
			return false;
	}
	if (more != 0)
		return refuse_json(p, r);
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
		if (!read_writes(p, &r, false))
			return false;
	} else if (type == WB_JSON_OBJECT) {
		if (!read_envelope(p, &r))
			return false;
	} else if (wb_json_reader_skip(&r, NULL) != WB_JSON_OK) {
		return refuse_json(p, &r);
	}
	if (wb_json_reader_end(&r) != WB_JSON_OK)
		return refuse_json(p, &r);
	return type == WB_JSON_ARRAY || type == WB_JSON_OBJECT ||
		wb_request_refuse(
			p->error, 400, "invalid-request", -1, "the body must be an array of documents or an object");
}
