#include "sandbox/metadata.h"

#define METADATA_CHARGE 2.0
#define CREATE_CHARGE   4.95

void wb_account_route(struct wb_exchange *x)
{
	struct wb_buf *body = &x->reply->body;
	struct wb_slice host = wb_exchange_header(x, "host");
	struct wb_buf url;

	if (!wb_exchange_is(x, "GET")) {
		wb_exchange_error(x, 405, 0, -1, "The account can only be read.");
		return;
	}
	wb_buf_init(&url, WB_WEB_HEAD_MAX + 16);
	wb_buf_append_cstr(&url, "http://");
	wb_buf_append_slice(&url, host);
	wb_buf_append_char(&url, '/');
	wb_exchange_begin(x, 200, METADATA_CHARGE);
	wb_buf_append_cstr(body,
		"{\"_self\":\"\",\"id\":\"sandbox\",\"_rid\":\"sandbox.documents.azure.com\",\"media\":\"//media/\","
		"\"addresses\":\"//addresses/\",\"_dbs\":\"//dbs/\"");
	for (int i = 0; i < 2; i++) {
		wb_buf_append_cstr(body,
			i ? ",\"readableLocations\":[{\"name\":\"Sandbox\",\"databaseAccountEndpoint\":"
			  : ",\"writableLocations\":[{\"name\":\"Sandbox\",\"databaseAccountEndpoint\":");
		wb_buf_append_json_string(body, wb_buf_slice(&url));
		wb_buf_append_cstr(body, "}]");
	}
	wb_buf_append_cstr(body,
		",\"enableMultipleWriteLocations\":false,"
		"\"enablePerPartitionFailoverBehavior\":false,"
		"\"userReplicationPolicy\":{\"asyncReplication\":false,\"minReplicaSetSize\":1,"
		"\"maxReplicasetSize\":4},"
		"\"userConsistencyPolicy\":{\"defaultConsistencyLevel\":\"Session\"},"
		"\"systemReplicationPolicy\":{\"minReplicaSetSize\":1,\"maxReplicasetSize\":4},"
		"\"readPolicy\":{\"primaryReadCoefficient\":1,\"secondaryReadCoefficient\":1},"
		"\"queryEngineConfiguration\":\"{\\\"maxSqlQueryInputLength\\\":262144}\"}");
	wb_buf_release(&url);
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
		r = wb_catalog_container_read(catalog, x->segments[1], x->segments[3], body);
	else if (x->segment_count == 4 && wb_exchange_is(x, "DELETE"))
		r = wb_catalog_container_delete(catalog, x->segments[1], x->segments[3]);
	finish(x, &r);
}

void wb_pkranges_route(struct wb_exchange *x, struct wb_container *container)
{
	struct wb_slice known = wb_exchange_header(x, "if-none-match");
	char etag[WB_ETAG_SIZE];

	wb_container_ranges_etag(container, etag);
	if (known.data && wb_slice_eq_cstr(known, etag)) {
		wb_exchange_begin(x, 304, METADATA_CHARGE);
	} else {
		wb_exchange_begin(x, 200, METADATA_CHARGE);
		wb_container_render_ranges(container, &x->reply->body);
		wb_buf_appendf(&x->reply->head, "x-ms-item-count: %u\r\n", container->range_count);
	}
	wb_exchange_reply_header(x, "etag", wb_slice_cstr(etag));
}
