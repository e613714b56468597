/* Answers: made on the thread that gives them, sent by the request's loop. */
#include "common/http/server_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define HEAD_BYTES_MAX (16 * 1024)

/* data is taken; where len is 0 it is freed at once. */
static struct MHD_Response *make_response(char *data, size_t len)
{
	struct MHD_Response *response;

	if (len == 0)
		free(data);
	response = len ? MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE)
		       : MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
	if (!response)
		wb_mem_gone();
	return response;
}

static void add_common_headers(const struct wb_http_request *r, struct MHD_Response *response)
{
	struct wb_http_response_header headers[WB_HTTP_COMMON_HEADERS];
	char scratch[WB_HTTP_COMMON_SCRATCH];
	size_t count = r->server->common_headers(r->server->common_headers_arg, r, scratch, headers);

	for (size_t i = 0; i < count; i++)
		(void)MHD_add_response_header(response, headers[i].name, headers[i].value);
}

/* The outer answer of an inner one, whose data is freed. */
static char *wrap(struct wb_http_request *r, unsigned status, const char *content_type, char *data, size_t *len,
	const struct wb_http_response_header *headers)
{
	const struct wb_http_inner *inner = &r->inside->inner;
	struct wb_buf whole;

	wb_buf_init(&whole, HEAD_BYTES_MAX + 8 * *len); /* a byte may become six */
	inner->answer(inner->arg, status, content_type, wb_slice(data, *len), headers, &whole);
	if (wb_buf_status(&whole) != WB_OK)
		wb_mem_gone();
	free(data);
	return wb_buf_take(&whole, len);
}

static void answer(struct wb_http_request *r, unsigned status, char *data, size_t len, const char *content_type,
	const struct wb_http_response_header *headers)
{
	const struct wb_http_server *s = r->server;
	struct MHD_Response *response;

	if (r->inside) {
		data = wrap(r, status, content_type, data, &len, headers);
		status = 200;
		content_type = "application/json";
		headers = NULL;
	}
	response = make_response(data, len);

	if (content_type)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (s->server_name)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, s->server_name);
	for (const struct wb_http_response_header *h = headers; h && h->name; h++)
		(void)MHD_add_response_header(response, h->name, h->value);
	if (s->common_headers)
		add_common_headers(r, response);
	if (atomic_load_explicit(&s->quiesced, memory_order_relaxed))
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	r->response = response;
	r->response_body = wb_slice(len ? data : "", len);
	r->status = status;
	wb_http_signal(r, WB_SIGNAL_ANSWER);
}

void wb_http_respond(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers)
{
	char *copy = NULL;

	if (body.len) {
		copy = malloc(body.len);
		if (!copy)
			wb_mem_gone();
		memcpy(copy, body.data, body.len);
	}
	answer(r, status, copy, body.len, content_type, headers);
}

void wb_http_respond_buf(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_buf *body,
	const struct wb_http_response_header *headers)
{
	size_t len;
	char *data = wb_buf_take(body, &len);

	answer(r, status, data, len, content_type, headers);
}

/* ---- past libmicrohttpd */

static enum MHD_Result write_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	if (strcmp(name, MHD_HTTP_HEADER_CONNECTION) != 0)
		wb_buf_appendf(arg, "%s: %s\r\n", name, value);
	return MHD_YES;
}

static bool send_all(const struct wb_http_connection *c, struct wb_slice data)
{
	if (c->session)
		return wb_tls_send(c->session, data);
	return send(c->fd, data.data, data.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)data.len;
}

/* Nothing else is being sent while a body comes, so the socket has room for an answer of this size; where it has not,
 * the client is no worse off than with a closed connection. */
void wb_http_send_now(struct wb_http_request *r)
{
	const struct wb_http_connection *c = r->connection;
	char date[WB_CLOCK_RFC1123_SIZE];
	struct wb_buf text;

	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	wb_buf_init(&text, HEAD_BYTES_MAX + r->response_body.len);
	wb_buf_appendf(&text, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %zu\r\n", r->status,
		wb_http_status_text(r->status), date, r->response_body.len);
	(void)MHD_get_response_headers(r->response, write_header, &text);
	wb_buf_append_cstr(&text, "\r\n");
	wb_buf_append_slice(&text, r->response_body);
	if (wb_buf_status(&text) == WB_OK && send_all(c, wb_buf_slice(&text))) {
		if (c->session)
			wb_tls_finish(c->session);
		else
			(void)shutdown(c->fd, SHUT_WR); /* at worst the client waits for more in vain */
	}
	wb_buf_release(&text);
	r->sent = true;
}
