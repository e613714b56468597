#include "sandbox/topology_routes.h"

#include "sandbox/split.h"

#include <jansson.h>
#include <stdlib.h>

#define WAIT_MAX_MS          INT64_C(600000)
#define COMPLETING_SPLIT     1007
#define COMPLETING_MIGRATION 1008
#define WRITE_FORBIDDEN      3
#define ACCOUNT_NOT_FOUND    1008

/* The body's members, and the container that they name. */
struct order {
	json_t *json;
	size_t known; /* members that were asked for and are there */
	bool bad;
	struct wb_container *container;
};

static json_t *member(struct order *o, const char *name)
{
	json_t *value = json_object_get(o->json, name);

	o->known += value != NULL;
	return value;
}

static struct wb_slice text_member(struct order *o, const char *name)
{
	json_t *value = member(o, name);

	if (!value)
		return wb_slice(NULL, 0);
	if (!json_is_string(value)) {
		o->bad = true;
		return wb_slice(NULL, 0);
	}
	return wb_slice_cstr(json_string_value(value));
}

static int64_t int_member(struct order *o, const char *name, int64_t max)
{
	json_t *value = member(o, name);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max) {
		o->bad = true;
		return 0;
	}
	return json_integer_value(value);
}

static bool complete(const struct order *o)
{
	return json_is_object(o->json) && !o->bad && o->known == json_object_size(o->json);
}

static void close_order(struct order *o)
{
	wb_container_release(&o->container);
	json_decref(o->json);
}

/* Reads the body and holds the container that it names. false: the reply is made, and the order is closed. */
static bool open_order(struct wb_exchange *x, struct order *o, struct wb_slice *ret_database, struct wb_slice *ret_name)
{
	*o = (struct order){ .json = NULL };
	if (!wb_exchange_is(x, "POST")) {
		wb_exchange_error(x, 405, 0, -1, "Only POST is known here.");
		return false;
	}
	o->json = json_loadb(x->request->body.data, x->request->body.len, JSON_REJECT_DUPLICATES, NULL);
	*ret_database = text_member(o, "database");
	*ret_name = text_member(o, "container");
	if (ret_database->data && ret_name->data)
		o->container = wb_catalog_hold(x->state->catalog, *ret_database, *ret_name);
	if (o->container)
		return true;
	wb_exchange_error(x, 404, 0, -1, "\"database\" and \"container\" must name what is there.");
	close_order(o);
	return false;
}

static void read_completion(struct wb_exchange *x, struct order *o, struct wb_split_completion *ret)
{
	int64_t wait_ms = int_member(o, "completing_ms", WAIT_MAX_MS), substatus = int_member(o, "substatus", 9999);

	ret->until_ms = wait_ms ? x->now.mono_ms + wait_ms : 0;
	ret->substatus = substatus ? (unsigned)substatus : COMPLETING_SPLIT;
	if (ret->substatus != COMPLETING_SPLIT && ret->substatus != COMPLETING_MIGRATION)
		o->bad = true;
}

static void split_route(struct wb_exchange *x)
{
	struct wb_slice database, name, range, at;
	struct wb_split_completion completion;
	struct wb_split_result result;
	struct wb_error why;
	struct order o;

	if (!open_order(x, &o, &database, &name))
		return;
	range = text_member(&o, "range");
	at = text_member(&o, "at");
	read_completion(x, &o, &completion);
	if (!complete(&o)) {
		wb_exchange_error(x, 400, 0, -1,
			"{\"database\",\"container\",\"range\",\"at\",\"completing_ms\",\"substatus\"} is known, and "
			"nothing else.");
	} else if (wb_container_split(o.container, range, at, &completion, &result, &why)) {
		wb_exchange_error(x, 400, 0, -1, why.text);
	} else {
		wb_exchange_begin(x, 200, 0);
		wb_buf_appendf(&x->reply->body, "{\"range\":\"%s\",\"children\":[\"%s\",\"%s\"],\"at\":\"%s\"}\n",
			result.gone[0], result.came[0], result.came[1], result.border);
	}
	close_order(&o);
}

static void merge_route(struct wb_exchange *x)
{
	struct wb_split_completion completion;
	struct wb_slice database, name;
	struct wb_split_result result;
	const char *a, *b;
	struct wb_error why;
	struct order o;
	json_t *ranges;

	if (!open_order(x, &o, &database, &name))
		return;
	ranges = member(&o, "ranges");
	a = json_string_value(json_array_get(ranges, 0));
	b = json_string_value(json_array_get(ranges, 1));
	read_completion(x, &o, &completion);
	if (!complete(&o) || json_array_size(ranges) != 2 || !a || !b) {
		wb_exchange_error(x, 400, 0, -1,
			"{\"database\",\"container\",\"ranges\":[\"1\",\"2\"],\"completing_ms\",\"substatus\"} is "
			"known, and nothing else.");
	} else if (wb_container_merge(o.container, wb_slice_cstr(a), wb_slice_cstr(b), &completion, &result, &why)) {
		wb_exchange_error(x, 400, 0, -1, why.text);
	} else {
		wb_exchange_begin(x, 200, 0);
		wb_buf_appendf(&x->reply->body, "{\"ranges\":[\"%s\",\"%s\"],\"child\":\"%s\"}\n", result.gone[0],
			result.gone[1], result.came[0]);
	}
	close_order(&o);
}

static void recreate_route(struct wb_exchange *x)
{
	struct wb_recreation how = { .keep_documents = false };
	struct wb_resource_result result;
	struct wb_slice database, name;
	json_t *definition, *keep;
	char *text = NULL;
	int64_t missing_ms;
	struct order o;

	if (!open_order(x, &o, &database, &name))
		return;
	definition = member(&o, "definition");
	keep = member(&o, "keep_documents");
	missing_ms = int_member(&o, "missing_ms", WAIT_MAX_MS);
	if (!complete(&o) || (keep && !json_is_boolean(keep)) || (definition && !json_is_object(definition))) {
		wb_exchange_error(x, 400, 0, -1,
			"{\"database\",\"container\",\"definition\",\"keep_documents\",\"missing_ms\"} is known, and "
			"nothing else.");
		close_order(&o);
		return;
	}
	if (definition)
		text = json_dumps(definition, JSON_COMPACT | JSON_PRESERVE_ORDER);
	how.definition = text ? wb_slice_cstr(text) : wb_slice(NULL, 0);
	how.keep_documents = json_is_true(keep);
	how.missing_until_ms = missing_ms ? x->now.mono_ms + missing_ms : 0;
	wb_exchange_begin(x, 200, 0);
	result = wb_catalog_container_recreate(x->state->catalog, database, name, &how, x->now.wall_s, &x->reply->body);
	if (result.status >= 400)
		wb_exchange_error(x, result.status, 0, -1, result.why.text);
	free(text);
	close_order(&o);
}

static void render_failover(struct wb_exchange *x)
{
	struct wb_buf *body = &x->reply->body;

	wb_exchange_begin(x, 200, 0);
	wb_buf_appendf(body, "{\"writable\":%u,\"locations\":[", atomic_load(&x->state->write_location));
	for (unsigned i = 0; i < x->state->location_count; i++)
		wb_buf_appendf(body, "%s{\"port\":%u,\"removed\":%s}", i ? "," : "", atomic_load(&x->state->ports[i]),
			atomic_load(&x->state->location_removed[i]) ? "true" : "false");
	wb_buf_append_cstr(body, "]}\n");
}

/* The location that was writable answers writes with 403/3 from now on, or everything with 403/1008. */
static void failover_route(struct wb_exchange *x)
{
	struct order o = { .json = NULL };
	unsigned from = atomic_load(&x->state->write_location), to;
	int64_t substatus;

	if (wb_exchange_is(x, "GET")) {
		render_failover(x);
		return;
	}
	o.json = json_loadb(x->request->body.data, x->request->body.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_object_get(o.json, "to"))
		o.bad = true;
	to = (unsigned)int_member(&o, "to", (int64_t)x->state->location_count - 1);
	substatus = int_member(&o, "substatus", 9999);
	if (!complete(&o) || (substatus && substatus != WRITE_FORBIDDEN && substatus != ACCOUNT_NOT_FOUND)) {
		wb_exchange_error(x, 400, 0, -1,
			"{\"to\":N,\"substatus\":3 or 1008} is wanted, N from 0 to less than cosmos.regions.");
	} else {
		atomic_store(&x->state->location_removed[to], false);
		atomic_store(&x->state->write_location, to);
		if (from != to)
			atomic_store(&x->state->location_removed[from], substatus == ACCOUNT_NOT_FOUND);
		render_failover(x);
	}
	close_order(&o);
}

bool wb_topology_route(struct wb_exchange *x, struct wb_slice what)
{
	if (wb_slice_eq_cstr(what, "split"))
		split_route(x);
	else if (wb_slice_eq_cstr(what, "merge"))
		merge_route(x);
	else if (wb_slice_eq_cstr(what, "recreate"))
		recreate_route(x);
	else if (wb_slice_eq_cstr(what, "failover"))
		failover_route(x);
	else
		return false;
	return true;
}
