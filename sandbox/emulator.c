#include "sandbox/emulator.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "sandbox/authorize.h"
#include "sandbox/control.h"
#include "sandbox/document_routes.h"
#include "sandbox/feed.h"
#include "sandbox/metadata.h"
#include "sandbox/routing.h"
#include "sandbox/web.h"

#include <stdlib.h>
#include <strings.h>

#define MAX_CONNECTIONS 4096
#define MAX_HELD_BYTES  (1024 * INT64_C(1048576))

struct location {
	struct wb_emulator *emulator;
	unsigned index;
	struct wb_web_server *server;
};

struct wb_emulator {
	struct wb_emulator_state state;
	struct wb_cosmos_key key;
	struct wb_control control;
	struct location locations[WB_LOCATIONS_MAX];
};

static bool segment_is(const struct wb_exchange *x, unsigned i, const char *literal)
{
	return x->segment_count > i && wb_slice_eq_cstr(x->segments[i], literal);
}

static bool is_query(const struct wb_exchange *x)
{
	static const char type[] = "application/query+json";
	struct wb_slice given = wb_exchange_header(x, "content-type");

	return wb_exchange_flag(x, "x-ms-documentdb-isquery") ||
		wb_exchange_flag(x, "x-ms-cosmos-is-query-plan-request") ||
		(given.len >= sizeof type - 1 && strncasecmp(given.data, type, sizeof type - 1) == 0);
}

/* /dbs/D/colls/C/docs */
static void documents_route(struct wb_exchange *x, struct wb_container *c)
{
	if (wb_exchange_is(x, "GET"))
		wb_feed_route(x, c);
	else if (!wb_exchange_is(x, "POST"))
		wb_exchange_error(x, 405, 0, -1, "Documents are created by POST and listed by GET.");
	else if (is_query(x))
		wb_query_route(x, c);
	else if (wb_exchange_flag(x, "x-ms-cosmos-is-batch-request"))
		wb_bulk_route(x, c);
	else if (wb_exchange_flag(x, "x-ms-documentdb-is-upsert"))
		wb_document_route(x, c, WB_OPERATION_UPSERT);
	else
		wb_document_route(x, c, WB_OPERATION_CREATE);
}

/* /dbs/D/colls/C/docs/I */
static void document_route(struct wb_exchange *x, struct wb_container *c)
{
	if (wb_exchange_is(x, "GET"))
		wb_document_route(x, c, WB_OPERATION_READ);
	else if (wb_exchange_is(x, "PUT"))
		wb_document_route(x, c, WB_OPERATION_REPLACE);
	else if (wb_exchange_is(x, "PATCH"))
		wb_document_route(x, c, WB_OPERATION_PATCH);
	else if (wb_exchange_is(x, "DELETE"))
		wb_document_route(x, c, WB_OPERATION_DELETE);
	else
		wb_exchange_error(x, 405, 0, -1, "A document is read, replaced, patched and deleted here.");
}

static void run_pkranges(struct wb_exchange *x, void *arg)
{
	wb_pkranges_route(x, arg);
}

/* Holds and enters the container that the path names: once it is entered nobody deletes it. NULL: there is none. */
static struct wb_container *enter_container(struct wb_exchange *x)
{
	struct wb_container *c;

	while ((c = wb_catalog_hold(x->state->catalog, x->segments[1], x->segments[3]))) {
		wb_container_enter(c);
		if (!atomic_load(&c->deleted) && x->now.mono_ms >= c->missing_until_ms)
			return c;
		wb_container_leave(c);
		if (!atomic_load(&c->deleted)) {
			wb_container_release(&c);
			break;
		}
		wb_container_release(&c);
	}
	return NULL;
}

/* What lies below a container. */
static void container_route(struct wb_exchange *x)
{
	struct wb_container *c = enter_container(x);

	if (!c) {
		wb_exchange_error(x, 404, WB_SUBSTATUS_OWNER_MISSING, -1, "Owner resource does not exist.");
		return;
	}
	atomic_fetch_add(&c->requests, 1);
	atomic_fetch_add(&c->request_bytes, x->request->body.len);
	if (!wb_routing_admit(x, c)) {
		/* The reply is made. */
	} else if (segment_is(x, 4, "docs") && x->segment_count == 5) {
		documents_route(x, c);
	} else if (segment_is(x, 4, "docs") && x->segment_count == 6) {
		document_route(x, c);
	} else if (segment_is(x, 4, "pkranges") && x->segment_count == 5 && wb_exchange_is(x, "GET")) {
		const struct wb_fault_target target = { .operation = WB_OPERATION_PKRANGES,
			.container = wb_slice_cstr(c->name),
			.client = wb_exchange_header(x, "user-agent") };

		wb_with_faults(x, &target, 1, run_pkranges, c);
	} else {
		wb_exchange_error(x, 404, 0, -1, "The sandbox has no such resource.");
	}
	wb_container_leave(c);
	wb_container_release(&c);
}

static void run_metadata(struct wb_exchange *x, void *arg)
{
	(void)arg;
	if (x->segment_count == 0)
		wb_account_route(x);
	else if (segment_is(x, 0, "dbs") && x->segment_count <= 2)
		wb_databases_route(x);
	else if (segment_is(x, 0, "dbs") && segment_is(x, 2, "colls"))
		wb_containers_route(x);
	else
		wb_exchange_error(x, 404, 0, -1, "The sandbox has no such resource.");
}

static void route(struct wb_exchange *x)
{
	const struct wb_fault_target metadata = { .operation = WB_OPERATION_METADATA,
		.client = wb_exchange_header(x, "user-agent") };

	if (segment_is(x, 0, "dbs") && segment_is(x, 2, "colls") && x->segment_count > 4)
		container_route(x);
	else
		wb_with_faults(x, &metadata, 1, run_metadata, NULL);
}

static bool writes(const struct wb_exchange *x)
{
	return !wb_exchange_is(x, "GET") && !(wb_exchange_is(x, "POST") && is_query(x));
}

static void handle(void *arg, void **scratch, const struct wb_web_request *request, struct wb_web_reply *reply)
{
	const struct location *location = arg;
	struct wb_emulator *e = location->emulator;
	int64_t wall_ms = wb_clock_wall_ms();
	struct wb_exchange x = { .state = &e->state, .request = request, .reply = reply, .location = location->index };

	if (!*scratch)
		*scratch = wb_exchange_scratch_new();
	x.scratch = *scratch;
	x.now = (struct wb_document_now){
		.wall_s = (uint32_t)(wall_ms / 1000), .mono_ms = wb_clock_mono_ms(), .wall_ms = wall_ms
	};
	if (!wb_exchange_open(&x))
		return;
	if (segment_is(&x, 0, "_sandbox"))
		wb_control_route(&x, &e->control);
	else if (wb_authorize(&x, &e->key, wall_ms) && (x.segment_count == 0 || wb_routing_location(&x, writes(&x))))
		route(&x);
}

static void scratch_free(void *scratch)
{
	struct wb_exchange_scratch *s = scratch;

	wb_exchange_scratch_free(&s);
}

static enum wb_err prepare(
	struct wb_emulator *emulator, const struct wb_emulator_settings *settings, struct wb_error *e)
{
	struct wb_emulator_state *state = &emulator->state;

	state->location_count = settings->locations ? settings->locations : 1;
	state->budget.max_bytes = settings->store_max_bytes;
	state->catalog = wb_catalog_new(settings->ranges, &state->budget);
	state->faults = wb_faults_new((uint64_t)wb_clock_mono_us());
	state->journal = wb_journal_new(WB_JOURNAL_BYTES_MAX);
	atomic_store(&state->range_limit, settings->range_limit);
	atomic_store(&state->bulk_enabled, true);
	emulator->control = (struct wb_control){ settings->more_stats, settings->more_stats_arg };
	if (wb_cosmos_key_parse(wb_slice_cstr(settings->key), &emulator->key))
		return wb_error_set(e, WB_EINVAL, "cosmos.key is no base64 of at most %d bytes", WB_COSMOS_KEY_MAX);
	if (settings->latency_ms || settings->jitter_ms)
		wb_faults_add_latency(state->faults, settings->latency_ms, settings->jitter_ms);
	if (settings->fault_rules)
		return wb_faults_add(state->faults, wb_slice_cstr(settings->fault_rules), e);
	return WB_OK;
}

static enum wb_err listen_at(
	struct wb_emulator *emulator, unsigned index, const struct wb_emulator_settings *settings, struct wb_error *e)
{
	struct location *location = &emulator->locations[index];
	const struct wb_web_settings web = {
		.host = settings->host,
		.port = settings->port ? (uint16_t)(settings->port + index) : 0,
		.threads = settings->threads,
		.max_connections = MAX_CONNECTIONS,
		.max_held_bytes = MAX_HELD_BYTES,
		.handler = handle,
		.arg = location,
		.scratch_free = scratch_free,
	};

	*location = (struct location){ .emulator = emulator, .index = index };
	location->server = wb_web_server_new(&web, e);
	if (!location->server)
		return WB_EIO;
	atomic_store(&emulator->state.ports[index], wb_web_server_port(location->server));
	return WB_OK;
}

struct wb_emulator *wb_emulator_new(const struct wb_emulator_settings *settings, struct wb_error *e)
{
	struct wb_emulator *emulator = wb_xcalloc(1, sizeof *emulator);
	enum wb_err err = prepare(emulator, settings, e);

	/* The first serves last: by then every location's port is known. */
	for (unsigned i = emulator->state.location_count; i-- > 0 && !err;)
		err = listen_at(emulator, i, settings, e);
	if (err)
		wb_emulator_free(&emulator);
	return emulator;
}

uint16_t wb_emulator_port(const struct wb_emulator *e, unsigned location)
{
	return atomic_load(&e->state.ports[location]);
}

/* "/pk", or "/a,/b": a hierarchical key. */
static void append_key(const char *paths, struct wb_buf *ret)
{
	bool several = strchr(paths, ',') != NULL;

	wb_buf_append_cstr(ret, ",\"partitionKey\":{\"paths\":[");
	for (;;) {
		size_t len = strcspn(paths, ",");

		wb_buf_append_json_string(ret, wb_slice(paths, len));
		if (!paths[len])
			break;
		paths += len + 1;
		wb_buf_append_char(ret, ',');
	}
	wb_buf_appendf(ret, "],\"kind\":\"%s\",\"version\":2}}", several ? "MultiHash" : "Hash");
}

enum wb_err wb_emulator_create(struct wb_emulator *emulator, const char *database, const char *container,
	const char *key_paths, struct wb_error *e)
{
	uint32_t now_s = (uint32_t)(wb_clock_wall_ms() / 1000);
	struct wb_resource_result result;
	struct wb_buf text, reply;

	wb_buf_init(&text, 8192);
	wb_buf_init(&reply, 65536);
	wb_buf_append_cstr(&text, "{\"id\":");
	wb_buf_append_json_string(&text, wb_slice_cstr(database));
	wb_buf_append_char(&text, '}');
	result = wb_catalog_database_create(emulator->state.catalog, wb_buf_slice(&text), now_s, &reply);
	if (result.status == 201) {
		wb_buf_clear(&text);
		wb_buf_append_cstr(&text, "{\"id\":");
		wb_buf_append_json_string(&text, wb_slice_cstr(container));
		append_key(key_paths, &text);
		result = wb_catalog_container_create(
			emulator->state.catalog, wb_slice_cstr(database), wb_buf_slice(&text), now_s, &reply);
	}
	wb_buf_release(&text);
	wb_buf_release(&reply);
	if (result.status == 201)
		return WB_OK;
	return wb_error_set(
		e, WB_EINVAL, "cannot create container %s in database %s: %s", container, database, result.why.text);
}

void wb_emulator_free(struct wb_emulator **emulator)
{
	struct wb_emulator *e = *emulator;

	if (!e)
		return;
	for (unsigned i = 0; i < WB_LOCATIONS_MAX; i++)
		if (e->locations[i].server)
			wb_web_server_free(&e->locations[i].server);
	wb_catalog_free(&e->state.catalog);
	wb_faults_free(&e->state.faults);
	wb_journal_free(&e->state.journal);
	wb_cosmos_key_wipe(&e->key);
	free(e);
	*emulator = NULL;
}
