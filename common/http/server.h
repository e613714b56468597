/* An HTTP/1.1 server: routes with handlers that may answer at once or later, from any thread.
 *
 * libmicrohttpd stays behind this header. Bodies are gathered up to a limit per route, and all bodies together up to
 * one budget (503 with Retry-After beyond it). A handler gets the whole request and must answer it exactly once,
 * with wb_http_respond, now or later; the connection waits without holding a thread. A Content-Encoding other than
 * identity is 415, more than one Content-Length 400.
 * Answers of the server itself (400, 404, 405 with Allow, 413, 415, 503) are problem details too.
 * Thread-safe: wb_http_respond from any thread; new and free from one.
 */
#ifndef WB_COMMON_HTTP_SERVER_H
#define WB_COMMON_HTTP_SERVER_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_http_server;  /* opaque */
struct wb_http_request; /* opaque; lives until it was answered */

/* Runs on a server thread; must not block for long. */
typedef void (*wb_http_handler)(void *arg, struct wb_http_request *request);

struct wb_http_route {
	const char *method;          /* "GET" (also serves HEAD), "POST" … */
	const char *path; /* "/v1/jobs/{id}": one {name} matches one segment, decoded; "/docs/" + "*" at the
				      * end matches the rest. An exact route wins over a pattern. */
	wb_http_handler handler;
	void *arg;
	size_t max_body_bytes; /* 0: no body allowed */
};

struct wb_http_settings {
	const char *listen; /* "127.0.0.1:8080", "[::1]:0"; port 0 picks one */
	const struct wb_http_route *routes; /* copied */
	size_t route_count;
	unsigned threads; /* server threads, at least 1 */
	unsigned max_connections;
	int64_t idle_timeout_ms; /* a connection that says nothing is closed */
	int64_t body_budget_bytes; /* of all requests together */
	const char *server_name; /* "writebehind-producer/0.1.0" */
	struct wb_metrics
		*metrics; /* writebehind_http_requests_total{route,method,status}, …_request_seconds; may be NULL */
	struct wb_log *log;
};

/* Listens. NULL with a sentence in e (address in use, not an address, …). */
struct wb_http_server *wb_http_server_new(const struct wb_http_settings *settings, struct wb_error *e) WB_MUST_USE;
/* The address that it listens on, with the real port: "127.0.0.1:41234". */
const char *wb_http_server_address(const struct wb_http_server *s);
/* Accepts no further connections and answers new requests on old ones with 503 and Connection: close. */
void wb_http_server_quiesce(struct wb_http_server *s);
/* Requests that have no answer yet, or whose answer is not sent yet. */
size_t wb_http_server_pending(struct wb_http_server *s);
/* Stops; answers that are not sent yet are cut off. Every request must have been answered. */
void wb_http_server_free(struct wb_http_server **s);

/* Of a request, valid until it is answered. Names of headers are compared without case; absent: {NULL,0}. */
struct wb_slice wb_http_method(const struct wb_http_request *r);
struct wb_slice wb_http_path(const struct wb_http_request *r); /* as sent, without the query */
struct wb_slice wb_http_param(
	const struct wb_http_request *r, const char *name); /* {name} of the route, decoded; "*" */
struct wb_slice wb_http_query(const struct wb_http_request *r, const char *name); /* decoded; {"",0} when empty */
struct wb_slice wb_http_header(const struct wb_http_request *r, const char *name);
struct wb_slice wb_http_body(const struct wb_http_request *r);
/* Calls fn for every query argument; for finding unknown ones. */
void wb_http_each_query(
	const struct wb_http_request *r, void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg);

struct wb_http_response_header {
	const char *name, *value; /* name NULL ends the list */
};
/* Answers and ends the request: r must not be used after. The body is copied; headers may be NULL.
 * content_type NULL: no body. */
void wb_http_respond(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers);
/* As respond, but takes the memory of body (a wb_buf that is empty after) instead of copying it. */
void wb_http_respond_buf(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_buf *body,
	const struct wb_http_response_header *headers);

#endif
