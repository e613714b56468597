#include "consumer/request.h"

#include "consumer/metadata.h"
#include "consumer/path.h"

#include <assert.h>
#include <stdio.h>

/* A header line with a partition key: each of its bytes may have become \uXXXX. */
#define LINE_MAX (64 * 1024)
#define PATH_MAX (64 * 1024)

/* verb and headers of a point request; POST goes to the container's documents, all else to the document by its id. */
struct point {
	const char *verb;
	const char *type_line; /* of a body that is not application/json */
	struct wb_slice body;
	bool is_upsert, minimal;
};

static struct point point_of(const struct wb_write *w)
{
	struct point p = { .verb = "POST", .body = w->document, .minimal = true };

	if (w->step == WB_STEP_READ)
		return (struct point){ .verb = "GET" };
	switch (w->op) {
	case WB_OP_UPSERT:
		p.is_upsert = !wb_write_is_create(w);
		break;
	case WB_OP_CREATE:
		break;
	case WB_OP_REPLACE:
		p.verb = "PUT";
		break;
	case WB_OP_DELETE:
		return (struct point){ .verb = "DELETE" };
	case WB_OP_PATCH:
		p.verb = "PATCH";
		p.type_line = "Content-Type: application/json_patch+json";
		break;
	}
	return p;
}

static const char *line(struct wb_buf *buf, const char *name, struct wb_slice value)
{
	wb_buf_init(buf, LINE_MAX);
	wb_buf_append_cstr(buf, name);
	wb_buf_append_slice(buf, value);
	assert(wb_buf_status(buf) == WB_OK); /* decoding bounds what may come */
	return buf->data;
}

/* Where a document is: its URL-encoded path, and the link that is signed. */
static void locate(const struct wb_write *w, bool by_id, struct wb_buf *path, struct wb_buf *link)
{
	wb_buf_init(path, PATH_MAX);
	wb_buf_init(link, PATH_MAX);
	wb_buf_append_cstr(path, wb_container_docs_path(w->container));
	wb_buf_append_slice(link, wb_container_link(w->container));
	if (by_id) {
		wb_buf_append_char(path, '/');
		wb_path_append(path, w->id);
		wb_buf_append_cstr(link, "/docs/");
		wb_buf_append_slice(link, w->id);
	}
	assert(wb_buf_status(path) == WB_OK && wb_buf_status(link) == WB_OK); /* names and ids are short */
}

static void send_point(struct wb_transport *t, struct wb_batch *batch, wb_reply_fn fn)
{
	const struct wb_write *w = wb_write_of(batch->writes.head);
	const struct point p = point_of(w);
	bool by_id = strcmp(p.verb, "POST") != 0, reads = w->step == WB_STEP_READ;
	struct wb_buf path, link, key = { 0 }, match = { 0 }, none = { 0 }, session = { 0 };
	const char *headers[8];
	size_t n = 0;

	locate(w, by_id, &path, &link);
	headers[n++] = line(&key, "x-ms-documentdb-partitionkey: ", w->pk_text);
	if (p.is_upsert)
		headers[n++] = "x-ms-documentdb-is-upsert: true";
	if (p.minimal)
		headers[n++] = "Prefer: return=minimal";
	if (p.type_line)
		headers[n++] = p.type_line;
	if (w->if_match.data && !reads)
		headers[n++] = line(&match, "If-Match: ", w->if_match);
	if (w->if_none_match.data && !reads && !wb_write_is_create(w))
		headers[n++] = line(&none, "If-None-Match: ", w->if_none_match);
	if (reads && w->failure && w->failure->session_token)
		headers[n++] = line(&session, "x-ms-session-token: ", wb_slice_cstr(w->failure->session_token));
	headers[n] = NULL;
	wb_transport_send(t,
		&(struct wb_request){ .verb = p.verb,
			.path = path.data,
			.type = "docs",
			.link = wb_buf_slice(&link),
			.headers = headers,
			.body = p.body },
		fn, batch);
	wb_buf_release(&path);
	wb_buf_release(&link);
	wb_buf_release(&key);
	wb_buf_release(&match);
	wb_buf_release(&none);
	wb_buf_release(&session);
}

static size_t read_bulk(void *arg, char *to, size_t room)
{
	struct wb_batch *batch = arg;

	return wb_bulk_read(&batch->body, to, room);
}

static void rewind_bulk(void *arg)
{
	struct wb_batch *batch = arg;

	wb_bulk_rewind(&batch->body, &batch->writes);
}

static void send_bulk(struct wb_transport *t, struct wb_batch *batch, wb_reply_fn fn)
{
	const struct wb_container *container = batch->range->container;
	char range_header[sizeof WB_BULK_RANGE_HEADER + WB_RANGE_ID_SIZE];
	const char *headers[] = { WB_BULK_HEADERS, range_header, NULL };

	(void)snprintf(range_header, sizeof range_header, WB_BULK_RANGE_HEADER "%s",
		batch->range->id); /* it fits: the array is as long as both */
	wb_transport_send(t,
		&(struct wb_request){ .verb = "POST",
			.path = wb_container_docs_path(container),
			.type = "docs",
			.link = wb_container_link(container),
			.headers = headers,
			.reader = &(struct wb_body_reader){ .bytes = batch->body.bytes,
				.read = read_bulk,
				.rewind = rewind_bulk,
				.arg = batch } },
		fn, batch);
}

void wb_request_send(struct wb_transport *t, struct wb_batch *batch, wb_reply_fn fn)
{
	if (batch->point)
		send_point(t, batch, fn);
	else
		send_bulk(t, batch, fn);
}
