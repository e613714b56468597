#include "sandbox/control.h"

#include "common/base/mem.h"
#include "common/base/thread.h"
#include "sandbox/feed.h"
#include "sandbox/journal_route.h"
#include "sandbox/topology_routes.h"

#include <jansson.h>
#include <stdlib.h>

#define LIMIT_MAX INT64_C(1000000000)

/* The sums over a container's ranges. */
struct totals {
	size_t documents;
	int64_t bytes;
	double charged;
	struct wb_status_counts counts;
};

static void add_count(struct wb_status_counts *to, unsigned operation, uint16_t status, uint64_t count)
{
	unsigned i = 0;

	while (i < WB_STATUS_KINDS - 1 && to->status[i] != status && to->status[i] != 0)
		i++;
	to->status[i] = status;
	to->count[operation][i] += count;
}

static void add_range(struct totals *t, struct wb_range *r, uint32_t now_s)
{
	wb_mutex_lock(&r->lock);
	wb_store_expire(&r->store, now_s);
	t->documents += r->store.count;
	t->bytes += r->store.body_bytes;
	t->charged += r->charged;
	for (unsigned op = 0; op < WB_OPERATION_DOCUMENT_COUNT; op++)
		for (unsigned i = 0; i < WB_STATUS_KINDS; i++)
			if (r->counts.count[op][i])
				add_count(&t->counts, op, r->counts.status[i], r->counts.count[op][i]);
	wb_mutex_unlock(&r->lock);
}

static void append_operations(const struct wb_status_counts *counts, struct wb_buf *ret)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		WB_OPERATION_LIST(X)
#undef X
	};
	bool first_operation = true;

	wb_buf_append_char(ret, '{');
	for (unsigned op = 0; op < WB_OPERATION_DOCUMENT_COUNT; op++) {
		bool first = true;

		for (unsigned i = 0; i < WB_STATUS_KINDS; i++) {
			if (!counts->count[op][i])
				continue;
			if (first)
				wb_buf_appendf(ret, "%s\"%s\":{", first_operation ? "" : ",", names[op]);
			wb_buf_appendf(ret, "%s\"%u\":%llu", first ? "" : ",", counts->status[i],
				(unsigned long long)counts->count[op][i]);
			first = first_operation = false;
		}
		if (!first)
			wb_buf_append_char(ret, '}');
	}
	wb_buf_append_char(ret, '}');
}

struct stats_walk {
	struct wb_buf *ret;
	bool first;
	uint32_t now_s; /* wall clock */
};

static void append_container(void *arg, struct wb_container *c)
{
	struct stats_walk *walk = arg;
	struct totals *t = wb_xcalloc(1, sizeof *t);
	struct wb_buf *ret = walk->ret;
	unsigned range_count;

	wb_container_enter(c);
	for (unsigned i = 0; i < c->range_count; i++)
		add_range(t, c->ranges[i], walk->now_s);
	for (unsigned i = 0; i < c->retired_count; i++)
		add_range(t, c->retired[i], walk->now_s);
	range_count = c->range_count;
	wb_container_leave(c);
	wb_buf_append_cstr(ret, walk->first ? "{\"database\":" : ",{\"database\":");
	wb_buf_append_json_string(ret, wb_slice_cstr(c->database_name));
	wb_buf_append_cstr(ret, ",\"container\":");
	wb_buf_append_json_string(ret, wb_slice_cstr(c->name));
	wb_buf_appendf(ret, ",\"documents\":%zu,\"document_bytes\":%lld,\"ranges\":%u", t->documents,
		(long long)t->bytes, range_count);
	wb_buf_appendf(ret, ",\"requests\":%llu,\"bulk_requests\":%llu,\"request_bytes\":%llu,\"gone_requests\":%llu",
		(unsigned long long)atomic_load(&c->requests), (unsigned long long)atomic_load(&c->bulk_requests),
		(unsigned long long)atomic_load(&c->request_bytes), (unsigned long long)atomic_load(&c->gone_requests));
	wb_buf_append_cstr(ret, ",\"request_units\":");
	wb_request_units_append(ret, t->charged);
	wb_buf_append_cstr(ret, ",\"operations\":");
	append_operations(&t->counts, ret);
	wb_buf_append_char(ret, '}');
	walk->first = false;
	free(t);
}

static void stats_route(struct wb_exchange *x, const struct wb_control *control)
{
	struct wb_buf *body = &x->reply->body;
	struct stats_walk walk = { .ret = body, .first = true, .now_s = x->now.wall_s };

	wb_exchange_begin(x, 200, 0);
	wb_buf_appendf(body, "{\"store_bytes\":%lld,\"bulk\":%s,\"range_ru\":%lld",
		(long long)atomic_load(&x->state->budget.used_bytes),
		atomic_load(&x->state->bulk_enabled) ? "true" : "false",
		(long long)atomic_load(&x->state->range_limit));
	if (control->more_stats)
		control->more_stats(control->arg, body);
	wb_buf_append_cstr(body, ",\"containers\":[");
	wb_catalog_each(x->state->catalog, append_container, &walk);
	wb_buf_append_cstr(body, "]}\n");
}

static void faults_route(struct wb_exchange *x)
{
	struct wb_error why;

	if (wb_exchange_is(x, "DELETE")) {
		wb_faults_clear(x->state->faults);
	} else if (wb_exchange_is(x, "POST")) {
		if (wb_faults_add(x->state->faults, x->request->body, &why)) {
			wb_exchange_error(x, 400, 0, -1, why.text);
			return;
		}
	} else if (!wb_exchange_is(x, "GET")) {
		wb_exchange_error(x, 405, 0, -1, "Fault rules are listed, added (POST) and cleared (DELETE).");
		return;
	}
	wb_exchange_begin(x, 200, 0);
	wb_faults_render(x->state->faults, &x->reply->body);
	wb_buf_append_char(&x->reply->body, '\n');
}

static void documents_route(struct wb_exchange *x)
{
	struct wb_slice database = wb_exchange_decode(x, wb_web_query(x->request, "database"));
	struct wb_slice name = wb_exchange_decode(x, wb_web_query(x->request, "container"));
	struct wb_container *container = NULL;

	if (database.data && name.data)
		container = wb_catalog_hold(x->state->catalog, database, name);
	if (!container) {
		wb_exchange_error(x, 404, 0, -1, "There is no such container: ?database=D&container=C names one.");
		return;
	}
	wb_exchange_begin(x, 200, 0);
	x->reply->producer_arg = wb_document_stream_new(container);
	x->reply->producer = wb_document_stream_next;
	x->reply->producer_free = wb_document_stream_free;
}

/* Reads {"name": value} with nothing else in it. The reference is the caller's; NULL when it is something else. */
static json_t *read_setting(struct wb_exchange *x, const char *name)
{
	json_t *json = json_loadb(x->request->body.data, x->request->body.len, 0, NULL);
	json_t *value = json_object_size(json) == 1 ? json_object_get(json, name) : NULL;

	json_incref(value);
	json_decref(json);
	return value;
}

static void bulk_switch_route(struct wb_exchange *x)
{
	if (wb_exchange_is(x, "POST")) {
		json_t *value = read_setting(x, "enabled");

		if (!json_is_boolean(value)) {
			json_decref(value);
			wb_exchange_error(x, 400, 0, -1, "{\"enabled\":true} or {\"enabled\":false} is wanted.");
			return;
		}
		atomic_store(&x->state->bulk_enabled, json_is_true(value));
		json_decref(value);
	}
	wb_exchange_begin(x, 200, 0);
	wb_buf_appendf(&x->reply->body, "{\"enabled\":%s}\n", atomic_load(&x->state->bulk_enabled) ? "true" : "false");
}

static void throughput_route(struct wb_exchange *x)
{
	if (wb_exchange_is(x, "POST")) {
		json_t *value = read_setting(x, "range_ru");
		int64_t limit = json_is_integer(value) ? json_integer_value(value) : -1;

		json_decref(value);
		if (limit < 0 || limit > LIMIT_MAX) {
			wb_exchange_error(x, 400, 0, -1, "{\"range_ru\":N} is wanted, N from 0 (no limit) to 10^9.");
			return;
		}
		atomic_store(&x->state->range_limit, limit);
	}
	wb_exchange_begin(x, 200, 0);
	wb_buf_appendf(&x->reply->body, "{\"range_ru\":%lld}\n", (long long)atomic_load(&x->state->range_limit));
}

void wb_control_route(struct wb_exchange *x, const struct wb_control *control)
{
	struct wb_slice what = x->segment_count == 2 ? x->segments[1] : wb_slice("", 0);

	if (wb_slice_eq_cstr(what, "stats"))
		stats_route(x, control);
	else if (wb_slice_eq_cstr(what, "faults"))
		faults_route(x);
	else if (wb_slice_eq_cstr(what, "documents"))
		documents_route(x);
	else if (wb_slice_eq_cstr(what, "bulk"))
		bulk_switch_route(x);
	else if (wb_slice_eq_cstr(what, "throughput"))
		throughput_route(x);
	else if (wb_slice_eq_cstr(what, "journal"))
		wb_journal_route(x);
	else if (!wb_topology_route(x, what))
		wb_exchange_error(x, 404, 0, -1,
			"/_sandbox has stats, faults, documents, journal, bulk, throughput, split, merge, recreate and "
			"failover.");
}
