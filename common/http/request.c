/* What a handler asks of a request, its route, and how it is counted. */
#include "common/base/clock.h"
#include "common/http/server_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

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
	if (r->inside)
		return r->inside->inner.body;
	return wb_slice(r->body.data ? r->body.data : "", r->body.len);
}

struct wb_slice wb_http_param(const struct wb_http_request *r, const char *name)
{
	for (unsigned i = 0; i < r->match.count; i++)
		if (wb_slice_eq_cstr(r->match.name[i], name))
			return r->params[i];
	return (struct wb_slice){ NULL, 0 };
}

static struct wb_slice look_up(const struct wb_http_request *r, enum MHD_ValueKind kind, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(r->mhd, kind, name, strlen(name), &value, &len) == MHD_NO)
		return (struct wb_slice){ NULL, 0 };
	return value ? wb_slice(value, len) : wb_slice("", 0);
}

struct wb_slice wb_http_query(const struct wb_http_request *r, const char *name)
{
	return r->inside ? wb_http_inner_query(r->inside, name) : look_up(r, MHD_GET_ARGUMENT_KIND, name);
}

struct wb_slice wb_http_header(const struct wb_http_request *r, const char *name)
{
	return r->inside ? r->inside->inner.header(r->inside->inner.arg, name) : look_up(r, MHD_HEADER_KIND, name);
}

bool wb_http_secure(const struct wb_http_request *r)
{
	return r->connection->pair != NULL;
}

struct wb_slice wb_http_peer(const struct wb_http_request *r)
{
	struct wb_http_connection *c = r->connection;
	const void *address = &c->peer.v4.sin_addr;
	int family = c->peer.any.sa_family;

	if (c->peer_text[0] == '\0') {
		if (family == AF_INET6) {
			address = &c->peer.v6.sin6_addr;
			if (IN6_IS_ADDR_V4MAPPED(&c->peer.v6.sin6_addr)) {
				address = &c->peer.v6.sin6_addr.s6_addr[12];
				family = AF_INET;
			}
		}
		if (!inet_ntop(family, address, c->peer_text, sizeof c->peer_text))
			(void)snprintf(c->peer_text, sizeof c->peer_text, "unknown"); /* fits */
	}
	return wb_slice_cstr(c->peer_text);
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

	if (r->inside)
		wb_http_inner_each_query(r->inside, fn, arg);
	else
		(void)MHD_get_connection_values_n(r->mhd, MHD_GET_ARGUMENT_KIND, visit_query, &visit);
}

struct header_visit {
	const char *name;
	void (*fn)(void *arg, struct wb_slice value);
	void *arg;
};

static enum MHD_Result visit_header(
	void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value, size_t value_len)
{
	struct header_visit *visit = arg;

	(void)kind;
	(void)name_len;
	if (strcasecmp(name, visit->name) == 0)
		visit->fn(visit->arg, value ? wb_slice(value, value_len) : wb_slice("", 0));
	return MHD_YES;
}

void wb_http_each_header(
	const struct wb_http_request *r, const char *name, void (*fn)(void *arg, struct wb_slice value), void *arg)
{
	struct header_visit visit = { name, fn, arg };
	struct wb_slice first = wb_http_header(r, name);

	if (!first.data)
		return;
	if (r->inside)
		fn(arg, first); /* several are joined there */
	else
		(void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, visit_header, &visit);
}

void wb_http_set_state(struct wb_http_request *r, void *state, void (*free_fn)(void *state))
{
	r->state = state;
	r->free_state = free_fn;
}

void *wb_http_state(const struct wb_http_request *r)
{
	return r->state;
}

struct wb_http_server *wb_http_request_server(const struct wb_http_request *r)
{
	return r->server;
}

/* ---- the route */

static bool method_fits(const struct wb_http_route *route, struct wb_slice method)
{
	return wb_slice_eq_cstr(method, route->method) ||
		(wb_slice_eq_cstr(method, "HEAD") && strcmp(route->method, "GET") == 0);
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

static void refuse_method(struct wb_http_request *r)
{
	char allow[128] = "";

	list_methods(r, allow, sizeof allow);
	wb_problem_respond(r,
		&(struct wb_problem){ .status = 405,
			.code = "method-not-allowed",
			.detail = "this path does not take that method; Allow names those that it takes",
			.index = -1,
			.allow = allow });
}

static bool decode_params(struct wb_http_request *r)
{
	/* Room for as many bytes as the URI has. */
	char *at = r->inside ? r->inside->params : r->text + strlen(r->text) + 1;

	for (unsigned i = 0; i < r->match.count; i++) {
		long len = wb_route_decode(r->match.value[i], at);

		if (len < 0)
			return false;
		r->params[i] = wb_slice(at, (size_t)len);
		at += len;
	}
	return true;
}

/* An exact route wins over a pattern, so those are tried first. */
bool wb_http_find_route(struct wb_http_request *r)
{
	const struct wb_http_server *s = r->server;
	bool path_known = false;

	for (int exact = 1; exact >= 0; exact--) {
		for (size_t i = 0; i < s->route_count && !r->route; i++) {
			const struct wb_http_route *route = &s->routes[i];

			if (exact != (strpbrk(route->path, "{*") == NULL) ||
				!wb_route_match(wb_slice_cstr(route->path), r->path, &r->match))
				continue;
			path_known = true;
			if (method_fits(route, r->method))
				r->route = route;
		}
	}
	if (!r->route && path_known)
		refuse_method(r);
	else if (!r->route)
		wb_http_refuse(r, 404, "no-such-path", "there is nothing at this path");
	else if (!decode_params(r))
		wb_http_refuse(r, 400, "malformed-path", "the path has a malformed percent escape");
	return !r->answered;
}

/* ---- its length */

static enum MHD_Result count_length(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)arg += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	/* A space before the colon (RFC 9112, section 5.1), which others may not take for a part of the name. */
	*(unsigned *)arg += name[strcspn(name, " \t")] ? 2 : 0;
	return MHD_YES;
}

/* Two lengths, or one beside chunks: where the request ends is a matter of opinion, and somebody before us may have
 * another one (RFC 9112, section 6.3). libmicrohttpd takes the first, or the chunks. */
bool wb_http_length_ambiguous(const struct wb_http_request *r)
{
	unsigned count = 0;

	(void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, count_length, &count);
	return count > 1 || (count > 0 && wb_http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING).data);
}

bool wb_http_transfer_known(const struct wb_http_request *r)
{
	struct wb_slice encoding = wb_http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);

	return !encoding.data || (encoding.len == 7 && strncasecmp(encoding.data, "chunked", 7) == 0);
}

/* libmicrohttpd has checked that it is a number. */
uint64_t wb_http_announced(const struct wb_http_request *r)
{
	struct wb_slice length = wb_http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length.data ? strtoull(length.data, NULL, 10) : 0;
}

/* ---- metrics */

static struct wb_counter *find_counter(struct wb_http_request *r, struct wb_http_meter *meter)
{
	char labels[256];
	size_t i = 0;

	while (i + 1 < WB_HTTP_STATUS_MAX && meter->of[i].status && meter->of[i].status != r->status)
		i++;
	if (meter->of[i].status == r->status)
		return meter->of[i].counter;
	(void)snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\",status=\"%u\"",
		r->route ? r->route->path : "none", r->route ? r->route->method : "other", r->status);
	meter->of[i].status = r->status;
	meter->of[i].counter = wb_metrics_counter(
		r->server->metrics, "writebehind_http_requests_total", "HTTP requests answered", labels);
	return meter->of[i].counter;
}

static struct wb_histogram *find_histogram(struct wb_http_request *r, struct wb_http_meter *meter)
{
	static const double bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };
	char labels[256];

	if (meter->seconds)
		return meter->seconds;
	(void)snprintf(labels, sizeof labels, "route=\"%s\"", r->route ? r->route->path : "none");
	meter->seconds = wb_metrics_histogram(r->server->metrics, "writebehind_http_request_seconds",
		"Time from a request's first line to the end of its answer", labels, bounds, WB_ARRAY_LEN(bounds));
	return meter->seconds;
}

void wb_http_count(struct wb_http_request *r)
{
	struct wb_http_server *s = r->server;
	size_t route = r->route ? (size_t)(r->route - s->routes) : s->route_count;
	struct wb_http_meter *meter = &r->loop->meters[route];

	if (!s->metrics || !r->answered)
		return;
	wb_counter_add(find_counter(r, meter), 1);
	wb_histogram_observe(find_histogram(r, meter), (double)(wb_clock_mono_us() - r->started_us) / 1e6);
}
