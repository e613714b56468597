#include "sandbox/metadata.h"

#define METADATA_CHARGE 2.0
#define CREATE_CHARGE   4.95

/* {"name":"Sandbox 2","databaseAccountEndpoint":"http://host:port/"}: the host is the one that the client found us by. The
 * location that it asked is told back as it was written, for a port may be mapped. */
static void append_location(struct wb_exchange *x, unsigned location, struct wb_buf *ret)
{
	struct wb_slice host = wb_exchange_header(x, "host");
	const char *colon = memrchr(host.data, ':', host.len);
	struct wb_buf url;

	wb_buf_init(&url, WB_WEB_HEAD_MAX + 32);
	wb_buf_append_cstr(&url, "http://");
	if (location == x->location) {
		wb_buf_append_slice(&url, host);
	} else {
		wb_buf_append(&url, host.data, colon ? (size_t)(colon - host.data) : host.len);
		wb_buf_appendf(&url, ":%u", atomic_load(&x->state->ports[location]));
	}
	wb_buf_append_char(&url, '/');
	if (location)
		wb_buf_appendf(ret, "{\"name\":\"Sandbox %u\",\"databaseAccountEndpoint\":", location + 1);
	else
		wb_buf_append_cstr(ret, "{\"name\":\"Sandbox\",\"databaseAccountEndpoint\":");
	wb_buf_append_json_string(ret, wb_buf_slice(&url));
	wb_buf_append_char(ret, '}');
	wb_buf_release(&url);
}

void wb_account_route(struct wb_exchange *x)
{
	struct wb_buf *body = &x->reply->body;
	unsigned write = atomic_load(&x->state->write_location);

	if (!wb_exchange_is(x, "GET")) {
		wb_exchange_error(x, 405, 0, -1, "The account can only be read.");
		return;
	}
	wb_exchange_begin(x, 200, METADATA_CHARGE);
	wb_buf_append_cstr(body,
		"{\"_self\":\"\",\"id\":\"sandbox\",\"_rid\":\"sandbox.documents.azure.com\",\"media\":\"//media/\","
		"\"addresses\":\"//addresses/\",\"_dbs\":\"//dbs/\",\"writableLocations\":[");
	append_location(x, write, body);
	wb_buf_append_cstr(body, "],\"readableLocations\":[");
	append_location(x, write, body);
	for (unsigned i = 0; i < x->state->location_count; i++) {
		if (i == write || atomic_load(&x->state->location_removed[i]))
			continue;
		wb_buf_append_char(body, ',');
		append_location(x, i, body);
	}
	wb_buf_append_cstr(body,
		"],\"enableMultipleWriteLocations\":false,"
		"\"enablePerPartitionFailoverBehavior\":false,"
		"\"userReplicationPolicy\":{\"asyncReplication\":false,\"minReplicaSetSize\":1,"
		"\"maxReplicasetSize\":4},"
		"\"userConsistencyPolicy\":{\"defaultConsistencyLevel\":\"Session\"},"
		"\"systemReplicationPolicy\":{\"minReplicaSetSize\":1,\"maxReplicasetSize\":4},"
		"\"readPolicy\":{\"primaryReadCoefficient\":1,\"secondaryReadCoefficient\":1},"
		"\"queryEngineConfiguration\":\"{\\\"maxSqlQueryInputLength\\\":262144}\"}");
}

static void finish(struct wb_exchange *x, const struct wb_resource_result *r)
{
	if (r->status >= 400) {
		wb_exchange_error(x, r->status, 0, -1, r->why.text);
		return;
	}
	wb_exchange_head(x, r->status, r->status == 201 ? CREATE_CHARGE : METADATA_CHARGE);
	if (r->etag[0])
		wb_exchange_reply_header(x, "etag", wb_slice_cstr(r->etag));
}

static void finish_list(struct wb_exchange *x, const struct wb_resource_result *r, size_t count)
{
	finish(x, r);
	if (r->status < 400)
		wb_buf_appendf(&x->reply->head, "x-ms-item-count: %zu\r\n", count);
}

/* The clients list by a query when they are given one, and the only one that makes sense selects everything. */
static bool is_list(const struct wb_exchange *x)
{
	return wb_exchange_is(x, "GET") ||
		(wb_exchange_is(x, "POST") && wb_exchange_flag(x, "x-ms-documentdb-isquery"));
}

void wb_databases_route(struct wb_exchange *x)
{
	struct wb_catalog *catalog = x->state->catalog;
	struct wb_buf *body = &x->reply->body;
	struct wb_resource_result r = { .status = 405 };
	size_t count = 0;

	(void)wb_error_set(&r.why, WB_EUNSUPPORTED, "The sandbox creates, reads, lists and deletes databases.");
	wb_buf_clear(body);
	if (x->segment_count == 1 && is_list(x)) {
		r = wb_catalog_database_list(catalog, &count, body);
		finish_list(x, &r, count);
		return;
	}
	if (x->segment_count == 1 && wb_exchange_is(x, "POST"))
		r = wb_catalog_database_create(catalog, x->request->body, x->now.wall_s, body);
	else if (x->segment_count == 2 && wb_exchange_is(x, "GET"))
		r = wb_catalog_database_read(catalog, x->segments[1], body);
	else if (x->segment_count == 2 && wb_exchange_is(x, "DELETE"))
		r = wb_catalog_database_delete(catalog, x->segments[1]);
	finish(x, &r);
}

void wb_containers_route(struct wb_exchange *x)
{
	struct wb_catalog *catalog = x->state->catalog;
	struct wb_buf *body = &x->reply->body;
	struct wb_resource_result r = { .status = 405 };
	size_t count = 0;

	(void)wb_error_set(&r.why, WB_EUNSUPPORTED, "The sandbox creates, reads, lists and deletes containers.");
	wb_buf_clear(body);
	if (x->segment_count == 3 && is_list(x)) {
		r = wb_catalog_container_list(catalog, x->segments[1], &count, body);
		finish_list(x, &r, count);
		return;
	}
	if (x->segment_count == 3 && wb_exchange_is(x, "POST"))
		r = wb_catalog_container_create(catalog, x->segments[1], x->request->body, x->now.wall_s, body);
	else if (x->segment_count == 4 && wb_exchange_is(x, "GET"))
		r = wb_catalog_container_read(catalog, x->segments[1], x->segments[3], x->now.mono_ms, body);
	else if (x->segment_count == 4 && wb_exchange_is(x, "DELETE"))
		r = wb_catalog_container_delete(catalog, x->segments[1], x->segments[3]);
	finish(x, &r);
}

/* With A-IM the clients want what is new since their etag: the ranges that came since then, whose parents tell which
 * are gone. */
void wb_pkranges_route(struct wb_exchange *x, struct wb_container *container)
{
	struct wb_slice known = wb_exchange_header(x, "if-none-match");
	uint64_t since = 0;
	char etag[WB_ETAG_SIZE];

	wb_container_ranges_etag(container, etag);
	if (known.data && wb_slice_eq_cstr(known, etag)) {
		wb_exchange_begin(x, 304, METADATA_CHARGE);
	} else {
		unsigned count;

		if (known.data && wb_exchange_header(x, "a-im").len)
			since = wb_container_ranges_since(container, known);
		wb_exchange_begin(x, 200, METADATA_CHARGE);
		count = wb_container_render_ranges(container, since, &x->reply->body);
		wb_buf_appendf(&x->reply->head, "x-ms-item-count: %u\r\n", count);
	}
	wb_exchange_reply_header(x, "etag", wb_slice_cstr(etag));
}
