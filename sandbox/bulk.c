#include "sandbox/bulk.h"

static const struct {
	struct wb_slice name;
	enum wb_operation operation;
} operation_names[] = {
	{ WB_SLICE_LIT("\"Upsert\""), WB_OPERATION_UPSERT },
	{ WB_SLICE_LIT("\"Create\""), WB_OPERATION_CREATE },
	{ WB_SLICE_LIT("\"Replace\""), WB_OPERATION_REPLACE },
	{ WB_SLICE_LIT("\"Delete\""), WB_OPERATION_DELETE },
	{ WB_SLICE_LIT("\"Read\""), WB_OPERATION_READ },
	{ WB_SLICE_LIT("\"Patch\""), WB_OPERATION_PATCH },
};

static bool find_operation(struct wb_slice raw, enum wb_operation *ret)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(operation_names); i++) {
		if (wb_slice_eq(raw, operation_names[i].name)) {
			*ret = operation_names[i].operation;
			return true;
		}
	}
	return false;
}

/* Consumes a value that must be a string. */
static bool read_string(struct wb_json_reader *r, struct wb_slice *ret)
{
	struct wb_json_value value;

	if (wb_json_reader_skip(r, &value) || value.type != WB_JSON_STRING)
		return false;
	*ret = value.raw;
	return true;
}

/* The document in one pass with its id and key; what is JSON and yet no document is taken as it is. */
static bool read_document(struct wb_json_reader *r, const struct wb_json_paths *paths, struct wb_bulk_operation *op)
{
	struct wb_json_reader before = *r;
	struct wb_json_value value;

	op->broken = false;
	switch (wb_json_reader_document(r, paths, &op->found)) {
	case WB_JSON_OK:
		return true;
	case WB_JSON_NOT_OBJECT:
	case WB_JSON_DUPLICATE:
		*r = before;
		if (wb_json_reader_skip(r, &value))
			return false;
		op->found.raw = value.raw;
		op->found.id = (struct wb_json_value){ .type = WB_JSON_ABSENT };
		op->broken = true;
		return true;
	default:
		return false;
	}
}

static bool read_member(struct wb_json_reader *r, struct wb_slice name, const struct wb_json_paths *paths,
	struct wb_bulk_operation *op, bool *has_type)
{
	struct wb_json_value value;
	struct wb_slice type;

	if (wb_json_name_is(name, "resourceBody"))
		return read_document(r, paths, op);
	if (wb_json_name_is(name, "operationType")) {
		*has_type = read_string(r, &type) && find_operation(type, &op->operation);
		return *has_type;
	}
	if (wb_json_name_is(name, "partitionKey"))
		return read_string(r, &op->key);
	if (wb_json_name_is(name, "id"))
		return read_string(r, &op->id);
	if (wb_json_name_is(name, "ifMatch"))
		return read_string(r, &op->if_match);
	if (wb_json_name_is(name, "ifNoneMatch"))
		return read_string(r, &op->if_none_match);
	if (wb_json_reader_skip(r, &value))
		return false;
	if (wb_json_name_is(name, "minimalReturnPreference"))
		op->minimal = value.type == WB_JSON_TRUE;
	return true;
}

static bool needs_body(enum wb_operation operation)
{
	return operation != WB_OPERATION_DELETE && operation != WB_OPERATION_READ;
}

static bool needs_id(enum wb_operation operation)
{
	return operation != WB_OPERATION_CREATE && operation != WB_OPERATION_UPSERT;
}

static const char *read_operation(
	struct wb_json_reader *r, const struct wb_json_paths *paths, struct wb_bulk_operation *op)
{
	bool has_type = false;
	struct wb_slice name;
	int more;

	op->id = op->key = op->if_match = op->if_none_match = op->found.raw = op->found.id.raw = wb_slice(NULL, 0);
	op->minimal = op->broken = false;
	if (wb_json_reader_enter(r) != '{')
		return "an operation must be an object";
	while ((more = wb_json_reader_next(r, &name)) == 1)
		if (!read_member(r, name, paths, op, &has_type))
			return "a member of an operation is not what it must be";
	if (more < 0)
		return "the request body is no valid JSON";
	if (!has_type || !op->key.data)
		return "operationType and partitionKey are needed";
	if (needs_body(op->operation) != (op->found.raw.data != NULL))
		return "a resourceBody is missing, or one is there that the operation does not have";
	if (needs_id(op->operation) && !op->id.data)
		return "the operation needs an id";
	return NULL;
}

static unsigned refuse(const struct wb_json_reader *r, size_t index, const char *what, struct wb_error *why)
{
	const char *text = r->status != WB_JSON_OK && r->error.text ? r->error.text : what;

	(void)wb_error_set(why, WB_EINVAL, "Operation %zu of the batch request: %s, near byte %zu.", index, text,
		r->status != WB_JSON_OK ? r->error.offset : (size_t)(r->at - r->begin));
	return 400;
}

unsigned wb_bulk_parse(
	struct wb_slice body, const struct wb_json_paths *paths, struct wb_bulk *ret, struct wb_error *why)
{
	struct wb_json_reader r;
	size_t bytes = 0;
	int more;

	ret->count = 0;
	wb_json_reader_init(&r, body);
	if (wb_json_reader_enter(&r) != '[')
		return refuse(&r, 0, "the request body must be an array of operations", why);
	while ((more = wb_json_reader_next(&r, NULL)) == 1) {
		const char *wrong;

		if (ret->count == WB_BULK_OPERATIONS_MAX) {
			(void)wb_error_set(
				why, WB_ETOOBIG, "Batch request has more operations than what is supported.");
			return 400;
		}
		wrong = read_operation(&r, paths, &ret->operations[ret->count]);
		if (wrong)
			return refuse(&r, ret->count, wrong, why);
		bytes += ret->operations[ret->count].found.raw.len;
		ret->count++;
	}
	if (more < 0 || wb_json_reader_end(&r))
		return refuse(&r, ret->count, "the request body is no valid JSON", why);
	if (ret->count == 0)
		return refuse(&r, 0, "there is no operation", why);
	if (bytes > WB_BULK_BYTES_MAX) {
		(void)wb_error_set(why, WB_ETOOBIG, "Request size is too large.");
		return 413;
	}
	return 0;
}

static struct wb_slice decode_for_fault(struct wb_slice raw, struct wb_buf *ids)
{
	struct wb_slice decoded;

	if (!raw.data || raw.len < 2 || raw.data[0] != '"' || wb_json_string_decode(raw, ids, &decoded))
		return wb_slice(NULL, 0);
	return decoded;
}

void wb_bulk_targets(const struct wb_bulk *bulk, struct wb_container *container, const struct wb_range *range,
	struct wb_buf *ids, struct wb_fault_target *targets)
{
	wb_buf_clear(ids);
	/* All that may be needed at once, so that decoded ids do not move; without it, rules on ids do not match. */
	(void)!wb_buf_reserve(ids, ids->max - 1);
	for (size_t i = 0; i < bulk->count; i++) {
		const struct wb_bulk_operation *op = &bulk->operations[i];

		targets[i] = (struct wb_fault_target){ .operation = op->operation,
			.bulk = true,
			.range = wb_slice_cstr(range->id),
			.container = wb_slice_cstr(container->name),
			.id = decode_for_fault(op->id.data ? op->id : op->found.id.raw, ids) };
	}
}

/* Decodes what one operation says of itself; false when it cannot stand. */
static bool prepare(const struct wb_bulk_operation *op, const struct wb_bulk_run *run, struct wb_pk *key,
	struct wb_patch *patch, struct wb_document_request *ret, struct wb_document_result *result)
{
	struct wb_slice text;

	*ret = (struct wb_document_request){ .operation = op->operation,
		.stated = key,
		.only = run->range,
		.journal = run->journal,
		.client = run->client };
	ret->found = op->found.raw.data ? &op->found : NULL;
	if (wb_document_scratch_clear(run->scratch) || wb_json_string_decode(op->key, run->scratch, &text) ||
		wb_pk_parse(text, 0, run->scratch, key, &result->why))
		return false;
	if (op->operation == WB_OPERATION_PATCH) {
		ret->patch = patch;
		ret->found = NULL;
		if (wb_patch_parse(op->found.raw, run->scratch, patch, &result->why))
			return false;
	} else if (op->broken) {
		return false;
	}
	if (op->id.data && wb_json_string_decode(op->id, run->scratch, &ret->id))
		return false;
	if (op->if_match.data && wb_json_string_decode(op->if_match, run->scratch, &ret->if_match))
		return false;
	return !op->if_none_match.data || !wb_json_string_decode(op->if_none_match, run->scratch, &ret->if_none_match);
}

/* "{", the numbers, and no end: a resourceBody may follow. */
static void append_result(struct wb_buf *b, const struct wb_document_result *r)
{
	wb_buf_append_cstr(b, "{\"statusCode\":");
	wb_buf_append_u64(b, r->status);
	if (r->substatus) {
		wb_buf_append_cstr(b, ",\"subStatusCode\":");
		wb_buf_append_u64(b, r->substatus);
	}
	wb_buf_append_cstr(b, ",\"requestCharge\":");
	wb_request_units_append(b, r->charge);
	if (r->etag[0]) {
		wb_buf_append_cstr(b, ",\"eTag\":\"\\\"");
		wb_buf_append(b, r->etag + 1, WB_ETAG_SIZE - 3);
		wb_buf_append_cstr(b, "\\\"\"");
	}
	if (r->retry_after_ms >= 0) {
		wb_buf_append_cstr(b, ",\"retryAfterMilliseconds\":");
		wb_buf_append_i64(b, r->retry_after_ms);
	}
}

static void fault_result(const struct wb_fault *fault, struct wb_document_result *ret)
{
	ret->status = fault->status;
	ret->substatus = fault->substatus;
	ret->retry_after_ms = fault->retry_after_ms;
	ret->charge = wb_request_units_charge(WB_OPERATION_UPSERT, fault->status, 0);
	ret->etag[0] = '\0';
}

/* The document goes behind the numbers that are known only after it was made: it is appended first, to `document`. */
static void apply_one(const struct wb_bulk *bulk, size_t i, const struct wb_bulk_run *run, struct wb_buf *document,
	struct wb_document_result *ret)
{
	const struct wb_bulk_operation *op = &bulk->operations[i];
	struct wb_fault fault = { .action = WB_FAULT_NONE };
	struct wb_document_request request;
	struct wb_patch patch;
	struct wb_pk key;

	ret->why.text[0] = ret->etag[0] = '\0';
	if (run->faults)
		fault = wb_faults_operation(run->faults, &run->targets[i]);
	if (fault.action != WB_FAULT_NONE && !fault.applied) {
		wb_document_count_fault(run->range, op->operation, fault.status);
	} else if (prepare(op, run, &key, &patch, &request, ret)) {
		wb_document_apply(run->container, &request, run->range_limit, run->now, run->scratch,
			op->minimal || fault.action != WB_FAULT_NONE ? NULL : document, ret);
	} else {
		ret->status = 400;
		ret->substatus = 0;
		ret->retry_after_ms = -1;
		ret->charge = wb_request_units_charge(op->operation, 400, 0);
		wb_document_count_fault(run->range, op->operation, 400);
	}
	if (fault.action != WB_FAULT_NONE)
		fault_result(&fault, ret);
}

/* A reply that grows too large carries no more documents: a read has then failed, to be sent again at once. */
static void drop_document(const struct wb_bulk_operation *op, struct wb_buf *document, struct wb_document_result *ret)
{
	wb_buf_clear(document);
	if (op->operation != WB_OPERATION_READ || ret->status != 200)
		return;
	ret->status = 413;
	ret->substatus = WB_SUBSTATUS_REPLY_TOO_LARGE;
	ret->etag[0] = '\0';
}

unsigned wb_bulk_apply(
	const struct wb_bulk *bulk, const struct wb_bulk_run *run, struct wb_buf *body, double *ret_charge)
{
	struct wb_document_result result;
	struct wb_buf document;
	unsigned status = 200;

	*ret_charge = 0;
	wb_buf_init(&document, WB_DOCUMENT_SIZE_MAX + 4096);
	wb_buf_append_char(body, '[');
	for (size_t i = 0; i < bulk->count; i++) {
		wb_buf_clear(&document);
		apply_one(bulk, i, run, &document, &result);
		if (body->len + document.len > WB_BULK_REPLY_MAX)
			drop_document(&bulk->operations[i], &document, &result);
		*ret_charge += result.charge;
		if (result.status >= 400)
			status = 207;
		if (i)
			wb_buf_append_char(body, ',');
		append_result(body, &result);
		if (document.len && !wb_buf_status(&document)) {
			wb_buf_append_cstr(body, ",\"resourceBody\":");
			wb_buf_append_slice(body, wb_buf_slice(&document));
		}
		wb_buf_append_char(body, '}');
	}
	wb_buf_append_char(body, ']');
	wb_buf_release(&document);
	return status;
}
