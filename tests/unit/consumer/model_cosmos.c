#include "model.h"

#include "common/base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* What a whole request can meet. */
enum {
	REQUEST_THROTTLED, /* 429 */
	REQUEST_503,
	REQUEST_500, /* applied or not */
	REQUEST_449,
	REQUEST_408, /* applied or not */
	REQUEST_MOVED, /* 403/3 */
	REQUEST_401,
	REQUEST_403,
	REQUEST_404, /* the container is said to be missing */
	REQUEST_REDIRECT,
	REQUEST_GARBAGE, /* applied */
	REQUEST_SHORT, /* applied; the array has an element less */
	REQUEST_RESET_BEFORE,
	REQUEST_RESET_AFTER,
	REQUEST_RESET_MIDWAY, /* after some of the operations */
	REQUEST_HANG, /* never applied */
	REQUEST_KINDS,
};

/* What one operation can meet. */
static const struct {
	int status, substatus;
	bool may_be_applied;
} operation_faults[] = {
	{ 429, 3200, false },
	{ 429, 0, false },
	{ 503, 0, false },
	{ 500, 0, true },
	{ 449, 0, false },
	{ 408, 0, true },
	{ 403, 3, false },
	{ 403, 0, false },
	{ 410, 1002, false },
	{ 424, 0, false },
	{ 413, 3402, false },
	{ 404, 1003, false },
	{ 400, 1001, false },
};

void model_etag_text(int etag, char ret[static 24])
{
	(void)snprintf(ret, 24, "\"e-%d\"", etag); /* it fits */
}

void model_request_free(struct model_request *request)
{
	wb_buf_release(&request->body);
	free(request);
}

static struct model_item *item_of(struct model_world *world, int record)
{
	return &world->item[world->record[record].item];
}

/* The order of an item's changes: within a life, never an older one after a newer one. */
static void changed(struct model_world *world, int record, unsigned life, int etag)
{
	struct model_item *item = item_of(world, record);

	for (size_t i = item->changes; i > 0 && item->journal[i - 1].life == life; i--)
		MODEL_CHECK(world, world->record[item->journal[i - 1].record].offset <= world->record[record].offset,
			"order: record %d was applied after record %d, life %u", record, item->journal[i - 1].record,
			life);
	for (size_t i = 0; i < item->changes; i++)
		MODEL_CHECK(world, item->journal[i].life <= life, "order: life %u applied record %d after life %u",
			life, record, item->journal[i].life);
	if (item->changes == item->capacity) {
		item->capacity = item->capacity ? 2 * item->capacity : 16;
		item->journal = wb_xrealloc(item->journal, item->capacity * sizeof *item->journal);
	}
	item->journal[item->changes++] = (struct model_change){ record, life, etag };
	item->etag = etag;
	model_note(world, "applied: record, item, life, etag", record, world->record[record].item, life, etag);
}

/* What came before it of its partition key has an outcome in this world. */
static bool those_before_have_ended(const struct model_world *world, int record)
{
	const struct model_record *r = &world->record[record];

	for (int i = 0; i < record; i++) {
		const struct model_record *before = &world->record[i];

		if (before->partition == r->partition && world->item[before->item].key == world->item[r->item].key &&
			!before->seen_judged)
			return false;
	}
	return true;
}

static int flaw_status(const struct model_world *world, int record, int *ret_substatus)
{
	switch (world->record[record].flaw) {
	case MODEL_BAD:
	case MODEL_BAD_REQUEST:
		return 400;
	case MODEL_BIG:
		return 413;
	case MODEL_FULL:
		*ret_substatus = 1014;
		return 403;
	case MODEL_UNIQUE:
		return 409;
	case MODEL_UNIQUE_ONCE:
		return those_before_have_ended(world, record) ? 0 : 409;
	case MODEL_FAILING:
	case MODEL_CHOKING:
		return model_faults(world) ? 500 : 0;
	default:
		return 0;
	}
}

/* The service's own rules, for an operation on an item. */
static int execute(struct model_world *world, int record, unsigned life)
{
	const struct model_record *r = &world->record[record];
	struct model_item *item = &world->item[r->item];
	bool exists = item->base != MODEL_NONE;

	if (!exists && (r->op == WB_OP_REPLACE || r->op == WB_OP_DELETE || r->op == WB_OP_PATCH))
		return 404;
	if (r->if_match != MODEL_NONE && (!exists || item->etag != r->if_match))
		return 412;
	if (exists && (r->op == WB_OP_CREATE || r->if_none))
		return 409;
	if (r->op == WB_OP_DELETE) {
		item->base = item->patch = MODEL_NONE;
		changed(world, record, life, MODEL_NONE);
		return 204;
	}
	if (r->op == WB_OP_PATCH) {
		item->patch = record;
	} else {
		item->base = record;
		item->patch = MODEL_NONE;
	}
	changed(world, record, life, record);
	return exists ? 200 : 201;
}

/* Only so many faults meet one record, so that only a flawed one can run out of patience. */
static bool may_fault(struct model_world *world, int record)
{
	struct model_record *r = &world->record[record];

	if (r->faults >= world->plan.faults_max)
		return false;
	r->faults++;
	return true;
}

struct result {
	int status, substatus;
	int64_t retry_after_ms;
	int etag;
};

static struct result operate(struct model_world *world, int record, unsigned life)
{
	struct result result = { .retry_after_ms = -1, .etag = MODEL_NONE };
	size_t kind = model_random(world, WB_ARRAY_LEN(operation_faults));

	result.status = flaw_status(world, record, &result.substatus);
	if (result.status)
		return result;
	if (model_faults(world) && (world->plan.operation_kinds >> kind & 1) &&
		model_chance(world, world->plan.operation_fault) && may_fault(world, record)) {
		result.status = operation_faults[kind].status;
		result.substatus = operation_faults[kind].substatus;
		if (result.status == 429 || result.status == 503)
			result.retry_after_ms = (int64_t)model_random(world, 300) - 50;
		if (operation_faults[kind].may_be_applied && model_chance(world, 300)) {
			(void)execute(world, record, life);
			world->record[record].ambiguous++;
		}
		return result;
	}
	result.status = execute(world, record, life);
	result.etag = item_of(world, record)->etag;
	return result;
}

static void set_etag(struct wb_reply *reply, int etag)
{
	char text[24];

	if (etag == MODEL_NONE)
		return;
	model_etag_text(etag, text);
	(void)snprintf(reply->etag, sizeof reply->etag, "%s", text); /* it fits */
}

static void set_activity(struct wb_reply *reply)
{
	(void)snprintf(reply->activity_id, sizeof reply->activity_id, "a"); /* it fits */
}

static void point_reply(struct model_request *request, const struct result *result)
{
	set_activity(&request->reply);
	request->reply.status = result->status;
	request->reply.substatus = result->substatus;
	request->reply.retry_after_ms = result->retry_after_ms;
	request->reply.request_charge = 1;
	if (result->status < 400)
		set_etag(&request->reply, result->etag);
	else
		wb_buf_append_cstr(&request->body, "{\"message\":\"no\"}");
}

static void add_result(struct wb_buf *body, const struct result *result)
{
	wb_buf_append_cstr(body, body->len > 1 ? ",{\"statusCode\":" : "{\"statusCode\":");
	wb_buf_append_i64(body, result->status);
	if (result->substatus) {
		wb_buf_append_cstr(body, ",\"subStatusCode\":");
		wb_buf_append_i64(body, result->substatus);
	}
	if (result->retry_after_ms >= 0) {
		wb_buf_append_cstr(body, ",\"retryAfterMilliseconds\":");
		wb_buf_append_i64(body, result->retry_after_ms);
	}
	if (result->status < 400 && result->etag != MODEL_NONE) {
		wb_buf_append_cstr(body, ",\"eTag\":\"\\\"e-");
		wb_buf_append_i64(body, result->etag);
		wb_buf_append_cstr(body, "\\\"\"");
	}
	wb_buf_append_cstr(body, ",\"requestCharge\":1.5}");
}

/* Carries out the operations, at most count of them. */
static void carry_out(struct model_world *world, struct model_request *request, int count)
{
	struct result result;

	if (request->range == MODEL_NONE) {
		if (count > 0) {
			result = operate(world, request->record[0], request->life[0]);
			point_reply(request, &result);
		}
		return;
	}
	wb_buf_append_char(&request->body, '[');
	for (int i = 0; i < count; i++) {
		result = operate(world, request->record[i], request->life[i]);
		add_result(&request->body, &result);
	}
	wb_buf_append_char(&request->body, ']');
	request->reply.status = 200 + 7 * (int)model_random(world, 2);
	request->reply.request_charge = 1.5 * count;
}

static void read_item(struct model_world *world, struct model_request *request)
{
	const struct model_item *item = item_of(world, request->record[0]);

	set_activity(&request->reply);
	request->reply.status = item->base == MODEL_NONE ? 404 : 200;
	if (item->base == MODEL_NONE)
		return;
	wb_buf_appendf(&request->body,
		"{\"n\":%d,\"v\":%d,\"_ts\":17,\"pk\":\"p%d\",\"id\":\"%s\",\"_etag\":\"\\\"e-%d\\\"\"}", item->patch,
		item->base, item->key, item->id, item->etag);
	set_etag(&request->reply, item->etag);
}

static void fail_whole(struct model_request *request, int status, int substatus, int64_t retry_after_ms)
{
	wb_buf_clear(&request->body);
	wb_buf_append_cstr(&request->body, "{\"code\":\"No\",\"message\":\"the whole request\"}");
	request->reply = (struct wb_reply){
		.status = status, .substatus = substatus, .retry_after_ms = retry_after_ms
	};
	set_activity(&request->reply);
}

static void no_reply(struct model_request *request, const char *error, bool timed_out)
{
	wb_buf_clear(&request->body);
	request->reply = (struct wb_reply){ .retry_after_ms = -1, .error = error, .timed_out = timed_out };
}

/* The operations take effect, at most count of them, and nobody will be told. */
static void carry_out_unheard(struct model_world *world, struct model_request *request, int count)
{
	if (request->read)
		return;
	for (int i = 0; i < count; i++)
		world->record[request->record[i]].ambiguous++;
	carry_out(world, request, count);
}

/* Returns how much longer than others the reply takes. */
static int64_t meet(struct model_world *world, struct model_request *request, int kind)
{
	static const struct {
		int status, substatus;
	} plain[] = {
		[REQUEST_THROTTLED] = { 429, 3200 },
		[REQUEST_503] = { 503, 0 },
		[REQUEST_500] = { 500, 0 },
		[REQUEST_449] = { 449, 0 },
		[REQUEST_408] = { 408, 0 },
		[REQUEST_MOVED] = { 403, 3 },
		[REQUEST_401] = { 401, 0 },
		[REQUEST_403] = { 403, 0 },
		[REQUEST_404] = { 404, 1003 },
		[REQUEST_REDIRECT] = { 307, 0 },
	};
	int count = request->count;

	switch (kind) {
	case REQUEST_500:
	case REQUEST_408:
		if (model_chance(world, 300))
			carry_out_unheard(world, request, count);
		break;
	case REQUEST_GARBAGE:
	case REQUEST_SHORT:
		carry_out_unheard(world, request, kind == REQUEST_SHORT ? count - 1 : count);
		if (request->range == MODEL_NONE || kind == REQUEST_GARBAGE)
			fail_whole(request, request->range == MODEL_NONE ? 502 : 200, 0, -1);
		return 0;
	case REQUEST_RESET_AFTER:
	case REQUEST_RESET_MIDWAY:
		carry_out_unheard(world, request,
			kind == REQUEST_RESET_AFTER ? count : (int)model_random(world, (uint64_t)count + 1));
		no_reply(request, "connection reset", false);
		return 0;
	case REQUEST_RESET_BEFORE:
		no_reply(request, "connection refused", false);
		return 0;
	case REQUEST_HANG:
		no_reply(request, "timed out", true);
		return MODEL_REQUEST_TIMEOUT_MS;
	default:
		break;
	}
	fail_whole(request, plain[kind].status, plain[kind].substatus,
		kind == REQUEST_THROTTLED || kind == REQUEST_503 ? (int64_t)model_random(world, 400) - 100 : -1);
	return 0;
}

static bool all_may_fault(struct model_world *world, const struct model_request *request)
{
	for (int i = 0; i < request->count; i++) {
		if (world->record[request->record[i]].faults >= world->plan.faults_max)
			return false;
	}
	for (int i = 0; i < request->count; i++)
		world->record[request->record[i]].faults++;
	return true;
}

/* A kind of fault, or KINDS. */
static int choose_fault(struct model_world *world, const struct model_request *request)
{
	int kind = (int)model_random(world, REQUEST_KINDS);

	if (world->now_ms < world->outage_until_ms)
		return world->outage_kind;
	if (!model_faults(world) || !(world->plan.request_kinds >> kind & 1))
		return REQUEST_KINDS;
	if (!model_chance(world, world->plan.request_fault) || !all_may_fault(world, request))
		return REQUEST_KINDS;
	return kind;
}

/* What makes a whole request fail whoever travels with it. */
static int poisoned(const struct model_world *world, const struct model_request *request)
{
	int substatus = 0;

	for (int i = 0; i < request->count && !request->read; i++) {
		enum model_flaw flaw = world->record[request->record[i]].flaw;

		if (flaw == MODEL_BAD_REQUEST || flaw == MODEL_BIG || flaw == MODEL_CHOKING)
			return flaw_status(world, request->record[i], &substatus);
	}
	return 0;
}

/* Whose role lacks the permission to read. What is compared is left out: its outcome would depend on it. */
static bool may_not_read(struct model_world *world, struct model_record *r)
{
	bool lost = r->flaw == MODEL_BAD || r->flaw == MODEL_BAD_REQUEST || r->flaw == MODEL_BIG ||
		r->flaw == MODEL_CONDEMNED || r->flaw == MODEL_FULL;

	if (!world->plan.no_reading || !lost || !model_faults(world))
		return false;
	r->refused_readings++;
	return true;
}

/* The request has arrived. Returns how much later the reply leaves. */
static int64_t arrive(struct model_world *world, struct model_request *request)
{
	const struct model_range *range = request->range == MODEL_NONE ? NULL : &world->range[request->range];
	int kind = choose_fault(world, request);

	request->applied = true;
	if (kind != REQUEST_KINDS) {
		model_note(world, "fault: kind, first record, operations", kind, request->record[0], request->count, 0);
		return meet(world, request, kind);
	}
	if (range && range->state != MODEL_RANGE_LIVE) {
		fail_whole(
			request, 410, range->state == MODEL_RANGE_GONE ? 1002 : 1007 + (int)model_random(world, 2), -1);
	} else if (request->read && may_not_read(world, &world->record[request->record[0]])) {
		fail_whole(request, 403, 0, -1);
	} else if (request->read) {
		read_item(world, request);
	} else if (poisoned(world, request)) {
		fail_whole(request, poisoned(world, request), 0, -1);
	} else {
		carry_out(world, request, request->count);
	}
	return 0;
}

static void reply(struct model_world *world, void *arg)
{
	struct model_request *request = arg;

	if (world->over || !request->engine) {
		model_request_free(request);
		return;
	}
	request->reply.body = wb_buf_slice(&request->body);
	model_replied(world, request);
	model_request_free(request);
}

static void process(struct model_world *world, void *arg)
{
	struct model_request *request = arg;
	int64_t late_ms;

	if (world->over || !request->engine) {
		model_request_free(request);
		return;
	}
	late_ms = arrive(world, request);
	model_at(world, late_ms + (int64_t)model_random(world, (uint64_t)world->plan.latency_ms),
		request->engine->consumer, reply, request);
}

void model_cosmos_cut(struct model_world *world, struct model_request *request)
{
	if (!request->applied && model_chance(world, 500))
		(void)arrive(world, request); /* nobody waits for the reply */
	for (int i = 0; i < request->count; i++)
		world->record[request->record[i]].ambiguous++;
	request->engine = NULL;
}

static void check_member(struct model_world *world, json_t *op, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(op, name));

	MODEL_CHECK(world, text ? expected && strcmp(text, expected) == 0 : !expected, "body: %s is %s instead of %s",
		name, text ? text : "absent", expected ? expected : "absent");
}

static void check_operation(struct model_world *world, json_t *op, int record)
{
	static const char *const types[] = { [WB_OP_UPSERT] = "Upsert",
		[WB_OP_CREATE] = "Create",
		[WB_OP_REPLACE] = "Replace",
		[WB_OP_DELETE] = "Delete",
		[WB_OP_PATCH] = "Patch" };
	const struct model_record *r = &world->record[record];
	const struct model_item *item = &world->item[r->item];
	bool by_id = r->op == WB_OP_DELETE || r->op == WB_OP_PATCH || r->op == WB_OP_REPLACE;
	const char *type = json_string_value(json_object_get(op, "operationType"));
	json_t *body = json_object_get(op, "resourceBody");
	char etag[24];

	/* An upsert that must not find its item may go out as a create. */
	if (!(r->if_none && type && strcmp(type, "Create") == 0))
		check_member(world, op, "operationType", types[r->op]);
	check_member(world, op, "partitionKey", world->key[item->key].text);
	if (by_id)
		check_member(world, op, "id", item->id);
	model_etag_text(r->if_match, etag);
	check_member(world, op, "ifMatch", r->if_match == MODEL_NONE ? NULL : etag);
	if (r->if_none && strcmp(type, "Create") != 0)
		check_member(world, op, "ifNoneMatch", "*");
	if (r->op == WB_OP_DELETE)
		return;
	if (r->op == WB_OP_PATCH)
		body = json_object_get(json_array_get(json_object_get(body, "operations"), 0), "value");
	else
		body = json_object_get(body, "v");
	MODEL_CHECK(world, json_integer_value(body) == record && body, "body: not the document of record %d", record);
}

static void check_bulk(struct model_world *world, const struct model_request *request, struct wb_bulk_body *body)
{
	json_error_t e;
	char *text = wb_xmalloc(body->bytes + 1);
	size_t len = wb_bulk_read(body, text, body->bytes + 1);
	json_t *all = json_loadb(text, len, 0, &e);

	MODEL_CHECK(world, len == body->bytes, "body: %zu bytes where %zu are announced", len, body->bytes);
	MODEL_CHECK(world, all && json_array_size(all) == (size_t)request->count, "body: not an array of %d operations",
		request->count);
	for (int i = 0; i < request->count; i++)
		check_operation(world, json_array_get(all, (size_t)i), request->record[i]);
	json_decref(all);
	free(text);
}

static int range_index(const struct model_consumer *c, const struct wb_range *range)
{
	for (int i = 0; i < c->world->ranges; i++) {
		if (c->view[i] == range)
			return i;
	}
	return MODEL_NONE;
}

static void check_write(struct model_world *world, struct model_engine *e, const struct wb_write *w, int range)
{
	struct model_delivery *d = model_delivery_of(w);
	struct model_item *item = item_of(world, d->record);
	uint64_t place = world->key[item->key].place;

	MODEL_CHECK(world, w->state == WB_WRITE_IN_FLIGHT, "sent: record %d is %s", d->record,
		wb_write_state_text(w->state));
	MODEL_CHECK(world, !w->assignment->ended, "sent: record %d of an assignment that ended", d->record);
	MODEL_CHECK(world, world->owner[d->assignment->partition] == d->assignment,
		"sent: record %d of a partition that is somebody else's", d->record);
	MODEL_CHECK(world, item->flying[e->consumer->index] == 0,
		"sent: record %d while another of its item is in flight", d->record);
	MODEL_CHECK(world, place >= world->range[range].min && place < world->range[range].max,
		"sent: record %d to range %s, where it is not", d->record, world->range[range].id);
	MODEL_CHECK(world, w->not_before_ms <= world->now_ms, "sent: record %d before its time", d->record);
	MODEL_CHECK(world,
		w->document.len == strlen(world->record[d->record].document) &&
			(w->document.len == 0 ||
				memcmp(w->document.data, world->record[d->record].document, w->document.len) == 0),
		"sent: the document of record %d is spoiled", d->record);
	item->flying[e->consumer->index]++;
	if (w->step == WB_STEP_READ)
		return;
	MODEL_CHECK(world, world->record[d->record].flaw != MODEL_CONDEMNED, "sent: record %d, which was condemned",
		d->record);
	if (item->last_life != d->assignment->life && w->offset < item->sent_offset)
		item->replayed = true;
	item->last_life = d->assignment->life;
	item->sent_offset = w->offset > item->sent_offset ? w->offset : item->sent_offset;
}

void model_cosmos_send(void *engine, struct wb_batch *batch)
{
	struct model_engine *e = engine;
	struct model_world *world = e->consumer->world;
	struct model_request *request = wb_xcalloc(1, sizeof *request);
	int range = range_index(e->consumer, batch->range);

	MODEL_CHECK(world, e->serving, "sent: not while it is served");
	MODEL_CHECK(world, range != MODEL_NONE && !batch->range->gone, "sent: to a range that is gone");
	MODEL_CHECK(
		world, batch->writes.count > 0 && batch->writes.count <= 100, "sent: %zu writes", batch->writes.count);
	MODEL_CHECK(world, batch->range->bulk || batch->point, "sent: a bulk where there is none");
	wb_buf_init(&request->body, 64 * 1024);
	request->engine = e;
	request->batch = batch;
	request->reply.retry_after_ms = -1;
	request->range = batch->point ? MODEL_NONE : range;
	for (struct wb_link *link = batch->writes.head; link; link = link->next) {
		struct wb_write *w = wb_write_of(link);

		check_write(world, e, w, range);
		request->read = w->step == WB_STEP_READ;
		MODEL_CHECK(world, !request->read || batch->point, "sent: a reading in a bulk");
		request->life[request->count] = model_delivery_of(w)->assignment->life;
		request->record[request->count++] = model_delivery_of(w)->record;
	}
	MODEL_CHECK(world, !batch->point || request->count == 1, "sent: a point write of %d", request->count);
	if (!batch->point)
		check_bulk(world, request, &batch->body);
	batch->sender = request;
	request->next = e->requests;
	e->requests = request;
	world->requests++;
	world->operations += (uint64_t)request->count;
	model_note(world,
		request->read ? "read: record, range, consumer" : "sent: first record, range, consumer, operations",
		request->record[0], range, e->consumer->index, request->count);
	/* The service works on while who asked is frozen. */
	model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.latency_ms), NULL, process, request);
}

/* The parts of a split, or the whole of a merge, take over from the ranges that are completing. */
static void complete(struct model_world *world, void *arg)
{
	int first = (int)((struct model_range *)arg - world->range), last = first;
	struct model_range *old = arg;

	if (world->over)
		return;
	for (int i = 0; i < world->ranges; i++) {
		if (world->range[i].state == MODEL_RANGE_COMPLETING && world->range[i].min == old->max)
			last = i;
	}
	for (int part = 0; part < (last == first ? 2 : 1); part++) {
		struct model_range *new = &world->range[world->ranges];
		uint64_t middle = last == first
			? old->min + (old->max - old->min) / 1000 * (1 + model_random(world, 998))
			: world->range[last].max;

		*new = (struct model_range){ .min = part ? new[-1].max : old->min, .max = part ? old->max : middle };
		(void)snprintf(new->id, sizeof new->id, "%d", world->ranges); /* it fits */
		world->ranges++;
	}
	world->range[first].state = world->range[last].state = MODEL_RANGE_GONE;
	model_note(world, "ranges: first gone, last gone, ranges so far", first, last, world->ranges, 0);
}

static void reshape(struct model_world *world, void *arg)
{
	int i = (int)model_random(world, (uint64_t)world->ranges);
	bool busy = false, merge = model_chance(world, 400);

	(void)arg;
	if (world->over || !model_faults(world) || world->ranges + 2 > MODEL_RANGES_MAX)
		return;
	for (int j = 0; j < world->ranges; j++)
		busy = busy || world->range[j].state == MODEL_RANGE_COMPLETING;
	if (!busy && world->range[i].state == MODEL_RANGE_LIVE) {
		world->range[i].state = MODEL_RANGE_COMPLETING;
		for (int j = 0; j < world->ranges && merge; j++) {
			if (world->range[j].state == MODEL_RANGE_LIVE && world->range[j].min == world->range[i].max) {
				world->range[j].state = MODEL_RANGE_COMPLETING;
				break;
			}
		}
		model_at(world, (int64_t)model_random(world, 1500), NULL, complete, &world->range[i]);
	}
	model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms / 4 + 1), NULL, reshape, NULL);
}

/* Everything fails in one way for a while. */
static void outage(struct model_world *world, void *arg)
{
	static const int kinds[] = { REQUEST_RESET_BEFORE, REQUEST_THROTTLED, REQUEST_503, REQUEST_408, REQUEST_401,
		REQUEST_403, REQUEST_HANG, REQUEST_404, REQUEST_MOVED };
	int64_t for_ms = (int64_t)model_random(
		world, (uint64_t)world->plan.arrivals_ms / (model_chance(world, 700) ? 4 : 1) + 1);

	(void)arg;
	if (world->over || !model_faults(world))
		return;
	world->outage_kind = kinds[model_random(world, WB_ARRAY_LEN(kinds))];
	world->outage_until_ms = world->now_ms + for_ms;
	model_note(world, "outage: kind, for", world->outage_kind, for_ms, 0, 0);
	model_at(world, for_ms + (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms), NULL, outage, NULL);
}

void model_cosmos_start(struct model_world *world)
{
	int count = 1 + (int)model_random(world, 4);
	uint64_t end = UINT64_C(1) << 62;

	for (int i = 0; i < count; i++) {
		struct model_range *range = &world->range[i];

		range->min = end / (uint64_t)count * (uint64_t)i;
		range->max = i == count - 1 ? end : end / (uint64_t)count * (uint64_t)(i + 1);
		(void)snprintf(range->id, sizeof range->id, "%d", i); /* it fits */
	}
	world->ranges = count;
	if (model_chance(world, 500))
		model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms), NULL, reshape, NULL);
	world->plan.outages = model_chance(world, 250);
	if (world->plan.outages)
		model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms), NULL, outage, NULL);
}
