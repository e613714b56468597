#include "common/http/server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/http/listen.h"
#include "common/http/problem.h"
#include "common/http/route.h"

#include <microhttpd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTION_MEMORY (64 * 1024)
/* How much of a refused body is read and dropped. Closing on a client that still sends makes its system throw our
 * answer away, and most clients send all before they read. */
#define DISCARD_MAX (64 * 1024 * 1024)
/* libmicrohttpd's threads enter the listening socket into their epoll sets as they start; taken out in that moment, the
 * library ends the process (0.9.75: "Failed to remove listen FD from epoll set"). By then they have started. */
#define SETTLED_MS 200

struct wb_http_server {
	struct MHD_Daemon *daemon;
	struct wb_http_route *routes;
	size_t route_count;
	char address[WB_LISTEN_ADDRESS_SIZE];
	int64_t started_ms; /* monotonic */
	int quiesced_fd; /* where it listened before it was quiesced; else -1 */
	char *server_name;
	size_t body_budget;
	struct wb_metrics *metrics;
	struct wb_log *log;
	_Atomic size_t body_bytes; /* held by all requests */
	_Atomic size_t unfinished; /* from the handler's call to the end of sending */
	_Atomic size_t answering; /* calls of respond under way */
	_Atomic bool quiesced;
};

/* HANDLING: the handler runs, or has returned and the connection is about to be suspended. The party that comes second
 * (respond or the server's thread) sees it in the exchange and makes the connection go on. */
enum phase { PHASE_READING, PHASE_HANDLING, PHASE_SUSPENDED, PHASE_ANSWERED };

struct wb_http_request {
	struct wb_http_server *server;
	struct MHD_Connection *connection;
	char *uri; /* as sent */
	struct wb_slice path; /* into uri */
	struct wb_slice method;
	const struct wb_http_route *route; /* NULL: none */
	struct wb_slice params[WB_ROUTE_PARAMS_MAX];
	struct wb_route_match match;
	char *param_storage;
	struct wb_buf body;
	size_t charged; /* to the server's body_bytes; at least body.len */
	size_t discarded; /* bytes of the body that were dropped */
	int64_t started_us;
	_Atomic int phase;
	bool handled; /* counted in unfinished */
	struct wb_problem refusal; /* code NULL: none so far */
	char refusal_detail[100];
	struct MHD_Response *response;
	unsigned status;
};

struct wb_slice wb_http_method(const struct wb_http_request *r)
{
	return r->method;
}

struct wb_slice wb_http_path(const struct wb_http_request *r)
{
	return r->path;
}

struct wb_slice wb_http_body(const struct wb_http_request *r)
{
	return wb_buf_slice(&r->body);
}

struct wb_slice wb_http_param(const struct wb_http_request *r, const char *name)
{
	for (unsigned i = 0; i < r->match.count; i++)
		if (wb_slice_eq_cstr(r->match.name[i], name))
			return r->params[i];
	return (struct wb_slice){ NULL, 0 };
}

struct wb_slice wb_http_query(const struct wb_http_request *r, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len) ==
		MHD_NO)
		return (struct wb_slice){ NULL, 0 };
	return value ? wb_slice(value, len) : wb_slice("", 0);
}

struct wb_slice wb_http_header(const struct wb_http_request *r, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(r->connection, MHD_HEADER_KIND, name, strlen(name), &value, &len) == MHD_NO)
		return (struct wb_slice){ NULL, 0 };
	return value ? wb_slice(value, len) : wb_slice("", 0);
}

struct query_visit {
	void (*fn)(void *arg, struct wb_slice name, struct wb_slice value);
	void *arg;
};

static enum MHD_Result visit_query(
	void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value, size_t value_len)
{
	struct query_visit *visit = arg;

	(void)kind;
	visit->fn(visit->arg, wb_slice(name, name_len), value ? wb_slice(value, value_len) : wb_slice("", 0));
	return MHD_YES;
}

void wb_http_each_query(
	const struct wb_http_request *r, void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg)
{
	struct query_visit visit = { fn, arg };

	(void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, visit_query, &visit);
}

/* The party that sees the other one's mark makes the connection go on: see enum phase. */
static void answer(struct wb_http_request *r, unsigned status, struct MHD_Response *response, const char *content_type,
	const struct wb_http_response_header *headers)
{
	struct wb_http_server *s = r->server;
	struct MHD_Connection *connection = r->connection;

	atomic_fetch_add(&s->answering, 1);
	if (content_type)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (s->server_name)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, s->server_name);
	for (const struct wb_http_response_header *h = headers; h && h->name; h++)
		(void)MHD_add_response_header(response, h->name, h->value);
	if (atomic_load(&s->quiesced))
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	r->response = response;
	r->status = status;
	if (atomic_exchange(&r->phase, PHASE_ANSWERED) == PHASE_SUSPENDED)
		MHD_resume_connection(connection);
	atomic_fetch_sub(&s->answering, 1);
}

static struct MHD_Response *must(struct MHD_Response *response)
{
	if (!response) {
		fprintf(stderr, "out of memory for an HTTP response\n");
		abort();
	}
	return response;
}

void wb_http_respond(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers)
{
	struct MHD_Response *response = must(
		MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY));

	answer(r, status, response, content_type, headers);
}

void wb_http_respond_buf(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_buf *body,
	const struct wb_http_response_header *headers)
{
	size_t len;
	char *data = wb_buf_take(body, &len);

	answer(r, status, must(MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE)), content_type,
		headers);
}

/* ---- from the first line of a request to its handler */

static void *begin_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct wb_http_server *s = arg;
	struct wb_http_request *r = wb_xcalloc(1, sizeof *r);
	size_t path_len = strcspn(uri, "?");

	r->server = s;
	r->connection = connection;
	r->uri = wb_xstrdup(uri);
	r->path = wb_slice(r->uri, path_len);
	r->started_us = wb_clock_mono_us();
	r->refusal.index = -1;
	wb_buf_init(&r->body, 1);
	return r;
}

static void refuse(
	struct wb_http_request *r, unsigned status, const char *code, const char *detail, int64_t retry_after_s)
{
	r->refusal = (struct wb_problem){
		.status = status, .code = code, .detail = detail, .index = -1, .retry_after_s = retry_after_s
	};
}

static bool method_fits(const struct wb_http_route *route, struct wb_slice method)
{
	return wb_slice_eq_cstr(method, route->method) ||
		(wb_slice_eq_cstr(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

/* An exact route wins over a pattern, so those are tried first. */
static void find_route(struct wb_http_request *r)
{
	const struct wb_http_server *s = r->server;
	bool path_known = false;

	for (int exact = 1; exact >= 0; exact--) {
		for (size_t i = 0; i < s->route_count && !r->route; i++) {
			const struct wb_http_route *route = &s->routes[i];
			struct wb_slice pattern = wb_slice_cstr(route->path);

			if (exact != (strpbrk(route->path, "{*") == NULL) ||
				!wb_route_match(pattern, r->path, &r->match))
				continue;
			path_known = true;
			if (method_fits(route, r->method))
				r->route = route;
		}
	}
	if (!r->route && path_known)
		refuse(r, 405, "method-not-allowed",
			"this path does not take that method; Allow names those that it takes", 0);
	else if (!r->route)
		refuse(r, 404, "no-such-path", "there is nothing at this path", 0);
}

static void decode_params(struct wb_http_request *r)
{
	char *at;

	if (!r->route || r->match.count == 0)
		return;
	at = r->param_storage = wb_xmalloc(r->path.len + 1);
	for (unsigned i = 0; i < r->match.count; i++) {
		long len = wb_route_decode(r->match.value[i], at);

		if (len < 0) {
			refuse(r, 400, "malformed-path", "the path has a malformed percent escape", 0);
			return;
		}
		r->params[i] = wb_slice(at, (size_t)len);
		at += len;
	}
}

static void refuse_size(struct wb_http_request *r)
{
	char limit[WB_STRICT_VALUE_SIZE];

	if (r->route->max_body_bytes == 0) {
		refuse(r, 413, "body-too-large", "this path and method take no body", 0);
		return;
	}
	wb_strict_value_text(WB_STRICT_BYTES, (int64_t)r->route->max_body_bytes, limit);
	(void)snprintf(r->refusal_detail, sizeof r->refusal_detail,
		"the body is larger than the %s that this path takes", limit); /* fits */
	refuse(r, 413, "body-too-large", r->refusal_detail, 0);
}

/* Charges the budget with len bytes in all; refuses the request where that is too much. */
static void charge(struct wb_http_request *r, size_t len)
{
	struct wb_http_server *s = r->server;
	size_t more = len > r->charged ? len - r->charged : 0;

	if (more == 0)
		return;
	if (atomic_fetch_add(&s->body_bytes, more) + more > s->body_budget) {
		atomic_fetch_sub(&s->body_bytes, more);
		refuse(r, 503, "memory-full", "too much is in flight at this instance; repeat the request later", 1);
		return;
	}
	r->charged += more;
}

/* The length that the client announced; 0 where it did not. libmicrohttpd has checked that it is a number. */
static size_t announced_length(const struct wb_http_request *r)
{
	struct wb_slice length = wb_http_header(r, "Content-Length");

	return length.data ? strtoull(length.data, NULL, 10) : 0;
}

static enum MHD_Result count_length(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)arg += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	return MHD_YES;
}

/* Two lengths: where the request ends is a matter of opinion, and somebody before us may have another one (RFC 9112,
 * section 6.3). libmicrohttpd takes the first. */
static bool ambiguous(const struct wb_http_request *r)
{
	unsigned count = 0;

	(void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_length, &count);
	return count > 1;
}

static void judge_headers(struct wb_http_request *r)
{
	struct wb_slice encoding = wb_http_header(r, "Content-Encoding");
	size_t length = announced_length(r);

	if (atomic_load(&r->server->quiesced))
		refuse(r, 503, "stopping", "this instance is stopping; repeat the request", 1);
	else if (encoding.len && !(encoding.len == 8 && strncasecmp(encoding.data, "identity", 8) == 0))
		refuse(r, 415, "unsupported-encoding", "Content-Encoding must be identity", 0);
	else if (length > r->route->max_body_bytes)
		refuse_size(r);
	else
		/* All of it at once: bodies that grow side by side would fill the budget together and none be whole. */
		charge(r, length);
}

static void forget_body(struct wb_http_request *r)
{
	atomic_fetch_sub(&r->server->body_bytes, r->charged);
	r->charged = 0;
	wb_buf_release(&r->body);
}

static void take_body(struct wb_http_request *r, const char *data, size_t len)
{
	if (len > r->route->max_body_bytes - r->body.len)
		refuse_size(r);
	else
		charge(r, r->body.len + len);
	if (!r->refusal.code) {
		/* The first piece makes room for the announced length. */
		if (r->body.cap > 0 || wb_buf_reserve(&r->body, r->charged))
			wb_buf_append(&r->body, data, len);
		if (wb_buf_status(&r->body) != WB_OK)
			refuse(r, 503, "memory-full", "no memory for the body; repeat the request later", 1);
	}
	if (r->refusal.code)
		forget_body(r);
}

/* The methods that the path takes, for the Allow header. */
static void list_methods(const struct wb_http_request *r, char *ret, size_t size)
{
	struct wb_route_match unused;

	for (size_t i = 0; i < r->server->route_count; i++) {
		const struct wb_http_route *route = &r->server->routes[i];
		size_t used = strlen(ret);

		if (wb_route_match(wb_slice_cstr(route->path), r->path, &unused))
			(void)snprintf(ret + used, size - used, "%s%s%s", used ? ", " : "", route->method,
				strcmp(route->method, "GET") == 0 ? ", HEAD" : ""); /* cutting is fine */
	}
}

static void answer_refusal(struct wb_http_request *r)
{
	char allow[128] = "";

	if (r->refusal.status == 405) {
		list_methods(r, allow, sizeof allow);
		r->refusal.allow = allow;
	}
	wb_problem_respond(r, &r->refusal);
}

static enum MHD_Result queue(struct wb_http_request *r)
{
	enum MHD_Result result = MHD_queue_response(r->connection, r->status, r->response);

	MHD_destroy_response(r->response);
	r->response = NULL;
	return result;
}

/* Runs the handler. If it did not answer at once, the connection sleeps until somebody does. */
static enum MHD_Result handle(struct wb_http_request *r)
{
	int handling = PHASE_HANDLING;

	r->handled = true;
	atomic_fetch_add(&r->server->unfinished, 1);
	atomic_store(&r->phase, PHASE_HANDLING);
	if (r->refusal.code)
		answer_refusal(r);
	else
		r->route->handler(r->route->arg, r);
	if (atomic_load(&r->phase) == PHASE_ANSWERED)
		return queue(r);
	MHD_suspend_connection(r->connection);
	if (!atomic_compare_exchange_strong(&r->phase, &handling, PHASE_SUSPENDED))
		MHD_resume_connection(r->connection);
	return MHD_YES;
}

/* Judges a request by its first line and headers. */
static enum MHD_Result begin(struct wb_http_request *r, const char *method)
{
	r->method = wb_slice_cstr(method);
	if (ambiguous(r)) {
		refuse(r, 400, "ambiguous-length", "there is more than one Content-Length", 0);
		return handle(r); /* before the end of its body, so that the connection is closed */
	}
	find_route(r);
	decode_params(r);
	if (!r->refusal.code)
		judge_headers(r);
	if (!r->refusal.code) {
		r->body.max = r->route->max_body_bytes + 1;
		return MHD_YES;
	}
	/* Answered before its body is read: a client that waits for 100 Continue need not send it, and for the largest
	 * ones the client's chance to hear the answer is not worth the traffic. Others are read and dropped first. */
	if (wb_http_header(r, "Expect").data || announced_length(r) > DISCARD_MAX)
		return handle(r);
	return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **context)
{
	struct wb_http_request *r = *context;

	(void)arg;
	(void)connection;
	(void)url;
	(void)version;
	if (!r)
		return MHD_NO;
	if (atomic_load(&r->phase) == PHASE_ANSWERED)
		return queue(r);
	if (!r->method.data)
		return begin(r, method);
	if (*len == 0)
		return handle(r);
	if (r->refusal.code)
		r->discarded += *len;
	else
		take_body(r, data, *len);
	*len = 0;
	return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
}

static void count_request(const struct wb_http_request *r)
{
	static const double bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };
	const char *path = r->route ? r->route->path : "none";
	char labels[256];

	if (!r->server->metrics || !r->handled)
		return;
	(void)snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\",status=\"%u\"", path,
		r->route ? r->route->method : "other", r->status);
	wb_counter_add(wb_metrics_counter(
			       r->server->metrics, "writebehind_http_requests_total", "HTTP requests answered", labels),
		1);
	(void)snprintf(labels, sizeof labels, "route=\"%s\"", path);
	wb_histogram_observe(wb_metrics_histogram(r->server->metrics, "writebehind_http_request_seconds",
				     "Time from a request's first line to the end of its answer", labels, bounds,
				     WB_ARRAY_LEN(bounds)),
		(double)(wb_clock_mono_us() - r->started_us) / 1e6);
}

static void on_completed(
	void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
	struct wb_http_request *r = *context;

	(void)arg;
	(void)connection;
	(void)code;
	if (!r)
		return;
	*context = NULL;
	count_request(r);
	forget_body(r);
	if (r->response)
		MHD_destroy_response(r->response);
	if (r->handled)
		atomic_fetch_sub(&r->server->unfinished, 1);
	free(r->param_storage);
	free(r->uri);
	free(r);
}

/* ---- life of the server */

/* Requests that libmicrohttpd refuses itself (malformed ones) are the client's fault and of no interest in the log. */
static void drop_log(void *arg, const char *format, va_list values)
{
	(void)arg;
	(void)format;
	(void)values;
}

static struct MHD_Daemon *start_daemon(struct wb_http_server *s, const struct wb_http_settings *settings, int fd)
{
	unsigned threads = settings->threads > 1 ? settings->threads : 0; /* 0: one thread, without a pool */
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)drop_log, NULL },
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)settings->max_connections, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((settings->idle_timeout_ms + 999) / 1000), NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)begin_request, s },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s },
		{ threads ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL,
		NULL, on_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

struct wb_http_server *wb_http_server_new(const struct wb_http_settings *settings, struct wb_error *e)
{
	struct wb_http_server *s = wb_xcalloc(1, sizeof *s);
	int fd = wb_listen(settings->listen, s->address, e);

	if (fd < 0) {
		free(s);
		return NULL;
	}
	s->quiesced_fd = -1;
	s->started_ms = wb_clock_mono_ms();
	s->route_count = settings->route_count;
	s->routes = wb_xcalloc(s->route_count + 1, sizeof *s->routes);
	for (size_t i = 0; i < s->route_count; i++)
		s->routes[i] = settings->routes[i];
	s->server_name = settings->server_name ? wb_xstrdup(settings->server_name) : NULL;
	s->body_budget = (size_t)settings->body_budget_bytes;
	s->metrics = settings->metrics;
	s->log = settings->log;
	s->daemon = start_daemon(s, settings, fd);
	if (!s->daemon) {
		(void)wb_error_set(e, WB_EIO, "cannot start the HTTP server on %s", settings->listen);
		(void)close(fd);
		wb_http_server_free(&s);
	}
	return s;
}

const char *wb_http_server_address(const struct wb_http_server *s)
{
	return s->address;
}

void wb_http_server_quiesce(struct wb_http_server *s)
{
	if (atomic_exchange(&s->quiesced, true))
		return;
	while (wb_clock_mono_ms() - s->started_ms < SETTLED_MS)
		(void)usleep(1000 * SETTLED_MS / 10); /* interrupted or not, the time is looked at */
	/* The server's threads let go of the socket a little later, so it is closed when they are gone. */
	s->quiesced_fd = MHD_quiesce_daemon(s->daemon);
	if (s->quiesced_fd >= 0)
		wb_listen_refuse(s->quiesced_fd);
}

size_t wb_http_server_pending(struct wb_http_server *s)
{
	return atomic_load(&s->unfinished) + atomic_load(&s->answering);
}

void wb_http_server_free(struct wb_http_server **s)
{
	if (!*s)
		return;
	/* A client may have its answer while the thread that gave it is still on its way out of answer(). */
	while (atomic_load(&(*s)->answering) > 0)
		(void)sched_yield();
	if ((*s)->daemon)
		MHD_stop_daemon((*s)->daemon);
	if ((*s)->quiesced_fd >= 0)
		(void)close((*s)->quiesced_fd); /* carries no data */
	free((*s)->routes);
	free((*s)->server_name);
	free(*s);
	*s = NULL;
}
