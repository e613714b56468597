#include "sandbox/document_routes.h"

#include "common/base/thread.h"
#include "sandbox/member.h"

#include <stdio.h>

static void fault_reply(struct wb_exchange *x, const struct wb_fault *fault)
{
	wb_exchange_error(x, fault->status, fault->substatus, fault->retry_after_ms,
		fault->message[0] ? fault->message : "A fault that the sandbox was asked for.");
	if (fault->location[0])
		wb_exchange_reply_header(x, "Location", wb_slice_cstr(fault->location));
}

static void garbage_reply(struct wb_exchange *x, unsigned status)
{
	wb_exchange_begin(x, status ? status : 200, 0);
	wb_buf_append_cstr(&x->reply->body, "<html><body><h1>502 Bad Gateway</h1></body></html>\n\x01\xff[{");
}

/* Takes the last element of the reply's array away, or adds its last one again. Other bodies stay. */
static void resize_array(struct wb_exchange *x, bool longer)
{
	struct wb_buf *body = &x->reply->body;
	struct wb_member first, last;
	char index[24];
	struct wb_buf copy;

	wb_member_find(wb_buf_slice(body), wb_slice_cstr("0"), &first);
	if (first.container != WB_JSON_ARRAY || first.count == 0)
		return;
	(void)snprintf(index, sizeof index, "%zu", first.count - 1); /* fits: 20 digits */
	wb_member_find(wb_buf_slice(body), wb_slice_cstr(index), &last);
	if (!longer) {
		wb_buf_truncate(body, (size_t)((last.previous_end ? last.previous_end : last.begin) - body->data));
		wb_buf_append_char(body, ']');
		return;
	}
	wb_buf_init(&copy, last.value.raw.len);
	wb_buf_append_slice(&copy, last.value.raw);
	wb_buf_truncate(body, (size_t)(last.close - body->data));
	wb_buf_append_char(body, ',');
	wb_buf_append_slice(body, wb_buf_slice(&copy));
	wb_buf_append_char(body, ']');
	wb_buf_release(&copy);
}

static bool takes_effect(const struct wb_fault *fault)
{
	switch (fault->action) {
	case WB_FAULT_STATUS:
	case WB_FAULT_RESET_BEFORE:
	case WB_FAULT_HANG:
		return fault->applied;
	default:
		return true;
	}
}

void wb_with_faults(struct wb_exchange *x, const struct wb_fault_target *targets, size_t count,
	void (*run)(struct wb_exchange *x, void *arg), void *arg)
{
	struct wb_fault fault = wb_faults_request(x->state->faults, targets, count);

	x->reply->delay_us = fault.delay_us;
	if (takes_effect(&fault))
		run(x, arg);
	switch (fault.action) {
	case WB_FAULT_NONE:
		break;
	case WB_FAULT_STATUS:
		fault_reply(x, &fault);
		break;
	case WB_FAULT_RESET_BEFORE:
	case WB_FAULT_RESET_AFTER:
		x->reply->action = WB_WEB_RESET;
		break;
	case WB_FAULT_HANG:
		x->reply->action = WB_WEB_HANG;
		break;
	case WB_FAULT_TRUNCATE:
		x->reply->action = WB_WEB_TRUNCATE;
		break;
	case WB_FAULT_GARBAGE:
		garbage_reply(x, fault.status);
		break;
	case WB_FAULT_SHORT_ARRAY:
	case WB_FAULT_LONG_ARRAY:
		resize_array(x, fault.action == WB_FAULT_LONG_ARRAY);
		break;
	}
}

/* What a point request says, read before faults look at it. */
struct point {
	struct wb_container *container;
	struct wb_document_request request;
	struct wb_json_document found;
	struct wb_patch patch;
	struct wb_pk key;
	bool minimal;
};

static bool read_body(struct wb_exchange *x, struct point *p)
{
	struct wb_json_error where;
	struct wb_error why;

	switch (wb_json_scan_document(x->request->body, &p->container->key.paths, &p->found, &where)) {
	case WB_JSON_OK:
		p->request.found = &p->found;
		return true;
	case WB_JSON_NOT_OBJECT:
		wb_exchange_error(x, 400, 0, -1, "The document must be a JSON object.");
		return false;
	default:
		(void)wb_error_set(
			&why, WB_EINVAL, "The request payload is invalid: %s, at byte %zu.", where.text, where.offset);
		wb_exchange_error(x, 400, 0, -1, why.text);
		return false;
	}
}

static bool read_point(struct wb_exchange *x, struct point *p)
{
	enum wb_operation operation = p->request.operation;
	struct wb_slice key = wb_exchange_header(x, "x-ms-documentdb-partitionkey");
	struct wb_error why;

	if (wb_document_scratch_clear(&x->scratch->strings)) {
		wb_exchange_error(x, 503, 0, -1, "The sandbox is out of memory.");
		return false;
	}
	if (!key.data) {
		wb_exchange_error(x, 400, 0, -1, "PartitionKey value must be supplied for this operation.");
		return false;
	}
	if (wb_pk_parse(key, 0, &x->scratch->strings, &p->key, &why)) {
		wb_exchange_error(x, 400, 0, -1, why.text);
		return false;
	}
	p->request.stated = &p->key;
	if (x->segment_count == 6)
		p->request.id = x->segments[5];
	p->request.journal = wb_exchange_journal(x);
	p->request.client = wb_exchange_header(x, "user-agent");
	p->request.if_match = wb_exchange_header(x, "if-match");
	p->request.if_none_match = wb_exchange_header(x, "if-none-match");
	p->minimal = wb_slice_eq_cstr(wb_exchange_header(x, "prefer"), "return=minimal");
	if (operation == WB_OPERATION_PATCH) {
		p->request.patch = &p->patch;
		if (!wb_patch_parse(x->request->body, &x->scratch->strings, &p->patch, &why))
			return true;
		wb_exchange_error(x, 400, 0, -1, why.text);
		return false;
	}
	return operation == WB_OPERATION_READ || operation == WB_OPERATION_DELETE || read_body(x, p);
}

static void run_point(struct wb_exchange *x, void *arg)
{
	struct point *p = arg;
	struct wb_document_result result;
	bool silent = p->minimal && p->request.operation != WB_OPERATION_READ;

	wb_buf_clear(&x->reply->body);
	wb_document_apply(p->container, &p->request, (double)atomic_load(&x->state->range_limit), x->now,
		&x->scratch->strings, silent ? NULL : &x->reply->body, &result);
	if (result.status >= 400) {
		wb_exchange_error(x, result.status, result.substatus, result.retry_after_ms, result.why.text);
	} else {
		wb_exchange_head(x, result.status, result.charge);
		if (result.etag[0])
			wb_exchange_reply_header(x, "etag", wb_slice_cstr(result.etag));
	}
	if (result.range)
		wb_exchange_range_headers(x, result.range, result.session_number);
}

static struct wb_slice id_for_fault(struct wb_exchange *x, const struct point *p)
{
	struct wb_slice id = p->request.id;

	if (!id.data && p->request.found && p->found.id.type == WB_JSON_STRING &&
		wb_json_string_decode(p->found.id.raw, &x->scratch->strings, &id))
		id = wb_slice(NULL, 0);
	return id;
}

void wb_document_route(struct wb_exchange *x, struct wb_container *container, enum wb_operation operation)
{
	struct point p = { .container = container, .request = { .operation = operation } };
	struct wb_fault_target target = { .operation = operation,
		.container = wb_slice_cstr(container->name),
		.client = wb_exchange_header(x, "user-agent") };
	struct wb_range *range;
	struct wb_fault fault;
	struct wb_epk epk;

	if (!read_point(x, &p))
		return;
	if (!wb_faults_any(x->state->faults)) {
		run_point(x, &p);
		return;
	}
	wb_pk_hash(container->key.kind, &p.key, &epk);
	range = wb_container_range_of(container, &epk);
	target.range = wb_slice_cstr(range->id);
	target.id = id_for_fault(x, &p);
	fault = wb_faults_operation(x->state->faults, &target);
	if (fault.action == WB_FAULT_NONE) {
		wb_with_faults(x, &target, 1, run_point, &p);
		return;
	}
	if (fault.applied)
		run_point(x, &p);
	else
		wb_document_count_fault(range, operation, fault.status);
	fault_reply(x, &fault);
}

static void run_bulk(struct wb_exchange *x, void *arg)
{
	const struct wb_bulk_run *run = arg;
	uint64_t session_number;
	unsigned status;
	double charge;

	wb_buf_clear(&x->reply->body);
	status = wb_bulk_apply(&x->scratch->bulk, run, &x->reply->body, &charge);
	wb_exchange_head(x, status, charge);
	wb_mutex_lock(&run->range->lock);
	session_number = wb_store_session_number(&run->range->store);
	wb_mutex_unlock(&run->range->lock);
	wb_exchange_range_headers(x, run->range, session_number);
}

/* A bulk request names its range. false: the reply is made. */
static struct wb_range *find_range(struct wb_exchange *x, struct wb_container *container)
{
	struct wb_slice id = wb_exchange_header(x, "x-ms-documentdb-partitionkeyrangeid");
	struct wb_range *range = id.data ? wb_container_range_by_id(container, id) : NULL;

	if (!id.data)
		wb_exchange_error(x, 400, 0, -1, "A bulk request must name its partition key range.");
	else if (!range)
		wb_exchange_error(x, 410, WB_SUBSTATUS_RANGE_GONE, -1, "The requested partition key range is gone.");
	return range;
}

void wb_bulk_route(struct wb_exchange *x, struct wb_container *container)
{
	struct wb_bulk_run run = { .container = container, .scratch = &x->scratch->strings, .now = x->now };
	struct wb_error why;
	unsigned status;

	if (!atomic_load(&x->state->bulk_enabled)) {
		wb_exchange_error(x, 400, 0, -1, "Batch requests are not supported.");
		return;
	}
	if (wb_exchange_flag(x, "x-ms-cosmos-batch-atomic")) {
		wb_exchange_error(x, 400, 0, -1, "The sandbox does not support transactional batches.");
		return;
	}
	run.range = find_range(x, container);
	if (!run.range)
		return;
	atomic_fetch_add(&container->bulk_requests, 1);
	status = wb_bulk_parse(x->request->body, &container->key.paths, &x->scratch->bulk, &why);
	if (status) {
		wb_exchange_error(x, status, 0, -1, why.text);
		return;
	}
	run.journal = wb_exchange_journal(x);
	run.client = wb_exchange_header(x, "user-agent");
	run.range_limit = (double)atomic_load(&x->state->range_limit);
	if (!wb_faults_any(x->state->faults)) {
		run_bulk(x, &run);
		return;
	}
	wb_bulk_targets(&x->scratch->bulk, container, run.range, &x->scratch->ids, x->scratch->targets);
	for (size_t i = 0; i < x->scratch->bulk.count; i++)
		x->scratch->targets[i].client = run.client;
	run.faults = x->state->faults;
	run.targets = x->scratch->targets;
	wb_with_faults(x, x->scratch->targets, x->scratch->bulk.count, run_bulk, &run);
}
