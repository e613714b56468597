/* An HTTP/1.1 server: routes with handlers that may answer at once or later, from any thread.
 *
 * libmicrohttpd stays behind this header. Bodies are gathered up to a limit per route, and all bodies together up to
 * one budget (503 with Retry-After beyond it), or streamed to a sink that takes them at its own pace. A handler must
 * answer exactly once, with wb_http_respond, now or later; the connection waits without holding a thread. Bodies in
 * gzip come decoded; another Content-Encoding is 415, more than one Content-Length 400. Answers of the server itself
 * (400, 404, 405 with Allow, 413, 415, 503) are problem details, too.
 *
 * Each of its threads has an event loop with connections of its own. A connection waits at most header_timeout_ms for
 * the whole header of its first request (and of a later one from that one's first line on), and idle_timeout_ms
 * between requests or where nothing moves. At max_connections the one that is of the least use is shut to let a new
 * one in: a body slower than 500 bytes/s over 10 s; no header after a second; where more than half of them are still
 * sending, the one that is longest at a header or a slow body and never had an answer; then the longest idle one. Such
 * slow bodies also go while bodies find no room in the budget, which they fill for nothing. A connection that waits for
 * our answer is never shut.
 *
 * Memory of a connection beside its body: 5 KiB before its first whole request, 17 KiB after it (resident, measured with
 * 10,000 idle ones), in TLS 27 KiB; a gzip body 112 KiB, which the budget is charged with. A request line, or headers with
 * what they take to be kept, may have some 15 KiB (414, 431).
 * Logs a warning where the limit of open files is too low for max_connections, which is lowered then.
 * Thread-safe: wb_http_respond, wb_http_body_resume and wb_http_body_free from any thread; new and free from one.
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
struct wb_http_request; /* opaque; lives until it was answered, or its sink was told that it is lost */

/* Runs on a server thread; must not block for long. */
typedef void (*wb_http_handler)(void *arg, struct wb_http_request *request);

struct wb_http_route {
	const char *method;          /* "GET" (also serves HEAD), "POST" … */
	const char *path; /* "/v1/jobs/{id}": one {name} matches one segment, decoded; "/docs/" + "*" at the
				      * end matches the rest. An exact route wins over a pattern. */
	wb_http_handler handler; /* runs when the body was gathered; it must answer, now or later */
	void *arg; /* of all three */
	size_t max_body_bytes; /* of a gathered body, decoded; 0: no body allowed */
	wb_http_handler begin; /* NULL, or: runs when the headers are there, before the body. It may answer (the body is
				* dropped then), and may call wb_http_stream or wb_http_digest_body. */
	wb_http_handler overflow; /* NULL: 413. Else called when a body outgrows max_body_bytes, or its
				   * Content-Length says that it will: calls wb_http_stream or answers. What was
				   * gathered goes to the sink first. */
	uint64_t max_stream_bytes; /* of a streamed body, decoded; above it 413 */
};

/* The files of a certificate chain and its key, in PEM. */
struct wb_http_tls {
	const char *certificate_file; /* NULL: no TLS */
	const char *key_file;
};

struct wb_http_response_header {
	const char *name, *value; /* name NULL ends the list */
};

/* Headers that every answer to a request gets beside its own, those of the server itself included. Values may stand in
 * scratch. Returns how many. On the thread that answers. */
#define WB_HTTP_COMMON_HEADERS 8
#define WB_HTTP_COMMON_SCRATCH 512
typedef size_t (*wb_http_common_headers)(void *arg, const struct wb_http_request *r,
	char scratch[WB_HTTP_COMMON_SCRATCH], struct wb_http_response_header ret[WB_HTTP_COMMON_HEADERS]);

struct wb_http_settings {
	const char *listen; /* "127.0.0.1:8080", "[::1]:0"; port 0 picks one */
	const struct wb_http_route *routes; /* copied */
	size_t route_count;
	unsigned threads; /* server threads, at least 1 */
	unsigned max_connections;
	int64_t idle_timeout_ms; /* a connection that says nothing is closed */
	int64_t header_timeout_ms; /* see above; 0: 10 s */
	int64_t body_budget_bytes; /* of all requests together */
	struct wb_http_tls tls; /* TLS 1.2 and 1.3 */
	wb_http_common_headers common_headers; /* NULL: none */
	void *common_headers_arg;
	const char *server_name; /* "writebehind-producer/0.1.0" */
	struct wb_metrics
		*metrics; /* writebehind_http_requests_total{route,method,status}, …_request_seconds, …_connections,
			   * …_connections_shut_total{reason}; may be NULL */
	struct wb_log *log; /* may be NULL */
};

/* Listens. NULL with a sentence in e (address in use, not an address, …). */
struct wb_http_server *wb_http_server_new(const struct wb_http_settings *settings, struct wb_error *e) WB_MUST_USE;
/* The address that it listens on, with the real port: "127.0.0.1:41234". */
const char *wb_http_server_address(const struct wb_http_server *s);
/* Reads the certificate and key anew, for connections that come from now on; where they are of no use the old ones
 * stay, and e says why. WB_EUNSUPPORTED without TLS. */
enum wb_err wb_http_server_reload_tls(struct wb_http_server *s, struct wb_error *e) WB_MUST_USE;
/* Accepts no further connections and answers new requests on old ones with 503 and Connection: close. When it returns,
 * connections are refused. Not from a handler. */
void wb_http_server_quiesce(struct wb_http_server *s);
/* Requests whose headers came, and that have no answer yet or whose answer is not sent yet. */
size_t wb_http_server_pending(struct wb_http_server *s);
/* Stops; answers that are not sent yet are cut off, bodies under way are lost. Every request that a handler or the end
 * of a sink was called for must have been answered. */
void wb_http_server_free(struct wb_http_server **s);

/* Of a request, valid until it is answered. Names of headers are compared without case; absent: {NULL,0}. */
struct wb_slice wb_http_method(const struct wb_http_request *r);
struct wb_slice wb_http_path(const struct wb_http_request *r); /* as sent, without the query */
struct wb_slice wb_http_param(
	const struct wb_http_request *r, const char *name); /* {name} of the route, decoded; "*" */
struct wb_slice wb_http_query(const struct wb_http_request *r, const char *name); /* decoded; {"",0} when empty */
struct wb_slice wb_http_header(const struct wb_http_request *r, const char *name);
/* Calls fn for every field of that name, in their order: those that are lists may come as several. */
void wb_http_each_header(
	const struct wb_http_request *r, const char *name, void (*fn)(void *arg, struct wb_slice value), void *arg);
struct wb_slice wb_http_body(const struct wb_http_request *r); /* gathered, decoded; of the handler */
bool wb_http_secure(const struct wb_http_request *r); /* came by TLS */
struct wb_slice wb_http_peer(const struct wb_http_request *r); /* the client's address without port: "::1" */
/* Calls fn for every query argument; for finding unknown ones. */
void wb_http_each_query(
	const struct wb_http_request *r, void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg);
/* What the caller wants to keep with the request: free_fn (may be NULL) is called on a server thread, before the answer
 * is sent where the body was complete, else when nothing of the server looks at the request any more. Replaces what was
 * kept before, without freeing it. */
void wb_http_set_state(struct wb_http_request *r, void *state, void (*free_fn)(void *state));
void *wb_http_state(const struct wb_http_request *r);

/* Takes a streamed body. The functions run on the request's server thread, one at a time. Where another thread answers
 * while the body is coming, one more take or end may be on its way: it must not answer, too, so a lock of the caller's
 * says who does; and what arg points to lives until the request's state is freed. */
struct wb_http_sink {
	/* Returns how many bytes were taken; fewer than all: nothing more comes until wb_http_body_resume. It may
	 * answer (a refusal): the rest is dropped, and no function is called any more. */
	size_t (*take)(void *arg, struct wb_http_request *r, struct wb_slice piece);
	/* The body is complete: answers, now or later. While it has not, wb_http_body_resume has it called again. */
	void (*end)(void *arg, struct wb_http_request *r);
	/* The client is gone before the end, or the server refused the rest (too large, broken gzip): r is dead when
	 * this returns. Who answers or resumes from other threads must hold a lock that this function takes, too. */
	void (*lost)(void *arg);
};

/* Of begin or overflow: the body goes to the sink (which is copied) instead of being gathered. */
void wb_http_stream(struct wb_http_request *r, const struct wb_http_sink *sink, void *arg);
/* The sink takes again. Any thread, any time before the answer; more often than needed does no harm. */
void wb_http_body_resume(struct wb_http_request *r);
/* Of begin: computes SHA-256 over the content as sent (in gzip: still encoded). */
void wb_http_digest_body(struct wb_http_request *r);
/* Once the body is complete; false without wb_http_digest_body. */
bool wb_http_body_digest(const struct wb_http_request *r, uint8_t ret[32]) WB_MUST_USE;
/* Gives the gathered body away, and what it is charged to the budget with it: for wb_http_body_free, from any thread
 * before the server is freed. The request has an empty body after; NULL where it has already. */
char *wb_http_take_body(struct wb_http_request *r, struct wb_slice *ret) WB_MUST_USE;
void wb_http_body_free(struct wb_http_server *s, char *body, size_t len);
struct wb_http_server *wb_http_request_server(const struct wb_http_request *r);

/* A request that came inside of another one's body, as hosts of functions send them. What it points to lives until
 * release, which is called when nothing of the server looks at it any more. */
struct wb_http_inner {
	void *arg;
	struct wb_slice method, path, query, body; /* path and query as in a URL */
	struct wb_slice (*header)(void *arg, const char *name); /* as wb_http_header */
	/* Makes the body of the outer answer, JSON with status 200, of the inner one. */
	void (*answer)(void *arg, unsigned status, const char *content_type, struct wb_slice body,
		const struct wb_http_response_header *headers, struct wb_buf *ret);
	void (*release)(void *arg);
};
/* Of a handler that has not answered: routes the inner request (copied), whose handlers from then on see it in r instead
 * of the outer one, and whose answer goes out inside of the outer one's. Its body is gathered already. */
void wb_http_enter(struct wb_http_request *r, const struct wb_http_inner *inner);

/* Answers and ends the request: r must not be used after. The body is copied; headers may be NULL.
 * content_type NULL: no body. An answer before the end of the body is sent when the rest was read and dropped; where
 * that is more than 64 MiB, or a stream of unknown length, it is sent at once and the connection closed. */
void wb_http_respond(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers);
/* As respond, but takes the memory of body (a wb_buf that is empty after) instead of copying it. */
void wb_http_respond_buf(struct wb_http_request *r, unsigned status, const char *content_type, struct wb_buf *body,
	const struct wb_http_response_header *headers);

#endif
