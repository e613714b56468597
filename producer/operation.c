#include "producer/operation.h"

enum member { OP, DOCUMENT, ID, PARTITION_KEY, OPERATIONS, IF_MATCH, IF_NONE_MATCH, MEMBERS };

static const char *const names[MEMBERS] = {
	[OP] = "op",
	[DOCUMENT] = "document",
	[ID] = "id",
	[PARTITION_KEY] = "partitionKey",
	[OPERATIONS] = "operations",
	[IF_MATCH] = "ifMatch",
	[IF_NONE_MATCH] = "ifNoneMatch",
};
#define UNNAMED_MEMBERS "id, partitionKey, operations, ifMatch and ifNoneMatch"
#define NAMED_MEMBERS   "op, document, " UNNAMED_MEMBERS
#define OPS             "upsert, create, replace, delete, patch"

/* The members that were met; a document's value is raw only. */
struct operation {
	struct wb_json_value value[MEMBERS];
	struct wb_json_document document;
};

bool wb_operation_refuse_json(
	const struct wb_operation_place *at, enum wb_json_status status, const struct wb_json_error *where)
{
	struct wb_error why;

	(void)wb_error_set(&why, WB_EINVAL, "%s at byte %zu of %s", where->text, where->offset, at->bytes_of);
	return wb_request_refuse_item(at->error, at->index, wb_item_scan_reason(status), &why);
}

static bool refuse_read(const struct wb_operation_place *at, const struct wb_json_reader *r)
{
	return wb_operation_refuse_json(at, r->status, &r->error);
}

static bool judge(const struct wb_operation_place *at, const struct wb_item *item, struct wb_batch_write *ret)
{
	struct wb_error why;
	enum wb_reason reason = wb_item_check(at->judge, item, at->seq, ret, &why);

	return reason == WB_REASON_NONE || wb_request_refuse_item(at->error, at->index, reason, &why);
}

bool wb_operation_found(
	const struct wb_operation_place *at, const struct wb_json_document *found, struct wb_batch_write *ret)
{
	const struct wb_item item = { .op = at->op, .document = found };

	return judge(at, &item, ret);
}

bool wb_operation_document(const struct wb_operation_place *at, struct wb_json_reader *r, struct wb_batch_write *ret)
{
	struct wb_json_document found;

	if (wb_json_reader_document(r, &at->judge->rules->paths, &found) != WB_JSON_OK)
		return refuse_read(at, r);
	return wb_operation_found(at, &found, ret);
}

static enum member member_of(const struct wb_operation_place *at, struct wb_slice name)
{
	for (int i = at->named ? OP : ID; i < MEMBERS; i++) {
		if (wb_json_name_is(name, names[i]))
			return (enum member)i;
	}
	return MEMBERS;
}

static bool read_member(
	const struct wb_operation_place *at, struct wb_json_reader *r, struct wb_slice name, struct operation *o)
{
	enum member member = member_of(at, name);

	if (member == MEMBERS)
		return wb_request_refuse_unknown(
			at->error, at->index, name, at->named ? NAMED_MEMBERS : UNNAMED_MEMBERS);
	if (o->value[member].type != WB_JSON_ABSENT)
		return wb_request_refuse_twice(at->error, at->index, name);
	if (member != DOCUMENT)
		return wb_json_reader_skip(r, &o->value[member]) == WB_JSON_OK || refuse_read(at, r);
	if (wb_json_reader_document(r, &at->judge->rules->paths, &o->document) != WB_JSON_OK)
		return refuse_read(at, r);
	o->value[member] = (struct wb_json_value){ WB_JSON_OBJECT, o->document.raw };
	return true;
}

static bool read_op(const struct wb_operation_place *at, const struct wb_json_value *value, enum wb_op *ret)
{
	*ret = at->op;
	if (value->type == WB_JSON_ABSENT)
		return true;
	for (enum wb_op op = WB_OP_UPSERT; value->type == WB_JSON_STRING && op <= WB_OP_PATCH; op++) {
		if (wb_json_name_is(value->raw, wb_op_text(op))) {
			*ret = op;
			return true;
		}
	}
	return wb_request_refuse(
		at->error, 400, "unknown-operation", at->index, "\"op\" must be one of the strings " OPS);
}

/* Whether the operation has the members that it needs, but for id and partition key, which have reasons of their own, and
 * none that it must not have. */
static bool members_fit(const struct wb_operation_place *at, enum wb_op op, const struct operation *o)
{
	static const struct {
		unsigned needed, refused; /* a bit a member */
	} rules[] = {
		[WB_OP_UPSERT] = { 1U << DOCUMENT, 1U << ID | 1U << OPERATIONS },
		[WB_OP_CREATE] = { 1U << DOCUMENT, 1U << ID | 1U << OPERATIONS },
		[WB_OP_REPLACE] = { 1U << DOCUMENT, 1U << ID | 1U << OPERATIONS },
		[WB_OP_DELETE] = { 0, 1U << DOCUMENT | 1U << OPERATIONS },
		[WB_OP_PATCH] = { 1U << OPERATIONS, 1U << DOCUMENT },
	};

	for (int i = 0; i < MEMBERS; i++) {
		bool present = o->value[i].type != WB_JSON_ABSENT;

		if (!present && rules[op].needed >> i & 1)
			return wb_request_refuse(at->error, 400, "invalid-operation", at->index,
				"the operation %s needs \"%s\"", wb_op_text(op), names[i]);
		if (present && rules[op].refused >> i & 1)
			return wb_request_refuse(at->error, 400, "invalid-operation", at->index,
				"the operation %s takes no \"%s\"%s", wb_op_text(op), names[i],
				i == ID ? ": its document has the id" : "");
	}
	return true;
}

static bool judge_operation(const struct wb_operation_place *at, const struct operation *o, struct wb_batch_write *ret)
{
	struct wb_item item = {
		.document = o->value[DOCUMENT].type == WB_JSON_ABSENT ? NULL : &o->document,
		.id = o->value[ID],
		.partition_key = o->value[PARTITION_KEY],
		.operations = o->value[OPERATIONS],
		.if_match = o->value[IF_MATCH],
		.if_none_match = o->value[IF_NONE_MATCH],
	};

	return read_op(at, &o->value[OP], &item.op) && members_fit(at, item.op, o) && judge(at, &item, ret);
}

static bool refuse_no_object(const struct wb_operation_place *at)
{
	struct wb_error why;

	if (at->named)
		return wb_request_refuse(at->error, 400, "invalid-operation", at->index, "an operation is an object");
	(void)wb_error_set(
		&why, WB_EINVAL, "a %s is an object with " UNNAMED_MEMBERS " as members", wb_op_text(at->op));
	return wb_request_refuse_item(at->error, at->index, WB_REASON_NOT_AN_OBJECT, &why);
}

bool wb_operation_read(const struct wb_operation_place *at, struct wb_json_reader *r, struct wb_batch_write *ret)
{
	struct operation o = { 0 };
	struct wb_slice name;
	int more;

	if (wb_json_reader_peek(r) != WB_JSON_OBJECT)
		/* What is no JSON at all is told as such. */
		return wb_json_reader_skip(r, NULL) == WB_JSON_OK ? refuse_no_object(at) : refuse_read(at, r);
	if (wb_json_reader_enter(r) != '{')
		return refuse_read(at, r);
	while ((more = wb_json_reader_next(r, &name)) == 1) {
		if (!read_member(at, r, name, &o))
			return false;
	}
	return more == 0 ? judge_operation(at, &o, ret) : refuse_read(at, r);
}
