/* What the files of the HTTP server share: server.c (its life), loop.c (a thread's event loop), connections.c (accepting,
 * time-outs, who has to go), exchange.c (a request from its first line to its end), request.c (what a handler asks),
 * respond.c (answers), body.c (bodies as they come), inner.c (requests inside of requests).
 *
 * A loop's thread alone touches its connections and requests. The exceptions are answers and resumes, which come from any
 * thread: they are marked in a request's signals, and the first mark puts the request into the loop's hand-over list. A
 * suspended connection is resumed by its loop only, so libmicrohttpd sees one thread.
 */
#ifndef WB_COMMON_HTTP_SERVER_INTERNAL_H
#define WB_COMMON_HTTP_SERVER_INTERNAL_H

#include "common/base/crypto.h"
#include "common/base/handover.h"
#include "common/base/thread.h"
#include "common/http/gunzip.h"
#include "common/http/listen.h"
#include "common/http/problem.h"
#include "common/http/route.h"
#include "common/http/server.h"
#include "common/http/tls.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>

/* How much of a refused body is read and dropped. Closing on a client that still sends makes its system throw our
 * answer away, and most clients send all before they read. */
#define WB_HTTP_DISCARD_MAX (64 * 1024 * 1024)
#define WB_HTTP_STATUS_MAX  16 /* statuses of a route that are counted one by one; the others share the last place */

struct wb_http_loop;

/* What a connection waits for, which is the list that it stands in. Each list is in the order of since_ms. */
enum wb_http_wait {
	WB_WAIT_HEADER, /* for the whole header: of the first request, or of one whose first line came */
	WB_WAIT_REQUEST, /* for the next request */
	WB_WAIT_BODY, /* for more of a body */
	WB_WAIT_SLOW_BODY, /* the same, and it came slower than allowed */
	WB_WAIT_CLIENT, /* for the client to take its answer */
	WB_WAIT_US, /* for a handler or a sink, or it was shut */
	WB_WAIT_LISTS,
};

struct wb_http_connection {
	struct wb_http_connection *before, *after; /* in the list of wait */
	struct wb_link link; /* accepted by one loop for another */
	enum wb_http_wait wait;
	int64_t since_ms;
	uint64_t received; /* bytes of the body since since_ms */
	int fd;
	bool shut; /* it will be closed in the next turn of the loop */
	bool served; /* a request of it was answered */
	struct wb_http_request *request; /* NULL: between requests */
	struct wb_tls_pair *pair; /* NULL: no TLS */
	void *session; /* of TLS */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer;
	char peer_text[INET6_ADDRSTRLEN]; /* "": not written yet */
};

struct wb_http_list {
	struct wb_http_connection *oldest, *youngest;
	size_t count;
};

/* Series of a route, looked up once. */
struct wb_http_meter {
	struct {
		unsigned status; /* 0: free */
		struct wb_counter *counter;
	} of[WB_HTTP_STATUS_MAX];
	struct wb_histogram *seconds;
};

struct wb_http_loop {
	struct wb_http_server *server;
	pthread_t thread; /* of whoever joins it */
	_Atomic pthread_t self; /* set by the thread itself before any request comes */
	struct MHD_Daemon *daemon;
	int epoll_fd; /* the daemon's, the listening socket, wake_fd */
	int wake_fd; /* an eventfd that is never read: each write is an edge */
	_Atomic bool asleep; /* whoever sets it to false writes to wake_fd */
	struct wb_handover answers; /* requests with signals */
	struct wb_handover arrivals; /* connections from other loops */
	struct wb_list ready; /* requests with signals that came from this very thread */

	_Atomic size_t connections; /* written by its thread, read by others to choose the emptiest loop */
	_Atomic size_t unfinished; /* requests from their headers to the end of sending */
	size_t connections_max;
	size_t shut; /* of connections: those that are about to be closed */
	bool listening; /* the listening socket is in epoll_fd */
	bool starved; /* no descriptors were left: it listens again after a moment */
	int64_t starved_ms; /* since when */
	bool done; /* it accepts no more */
	bool running; /* it has a thread */
	int64_t now_ms; /* at the start of a turn */
	struct wb_http_list lists[WB_WAIT_LISTS];
	struct wb_http_connection *arriving; /* while libmicrohttpd takes it */
	struct wb_http_meter *meters; /* route_count + 1, the last for requests without a route */
};

struct wb_http_server {
	struct wb_http_route *routes;
	size_t route_count;
	char address[WB_LISTEN_ADDRESS_SIZE];
	char *server_name;
	wb_http_common_headers common_headers; /* may be NULL */
	void *common_headers_arg;
	size_t body_budget;
	int64_t idle_timeout_ms, header_timeout_ms;
	struct wb_metrics *metrics;
	struct wb_gauge *connection_gauge; /* NULL without metrics */
	struct wb_log *log;
	int listen_fd;
	struct wb_http_loop *loops;
	unsigned loop_count;
	_Atomic int64_t memory_full_ms; /* when a body last found no room */
	_Atomic size_t body_bytes; /* held by all requests, and by those whom wb_http_take_body gave some */
	_Atomic size_t posting; /* other threads on their way into a loop's lists */
	_Atomic bool quiesced, stopping;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned listening; /* under lock: loops that may still accept */
	char *certificate_file, *key_file; /* NULL: no TLS */
	struct wb_tls_pair *pair; /* under lock: for new connections */
};

/* HEAD: until libmicrohttpd has all headers. BODY: until the body's end. ANSWER: a handler or a sink's end was called. */
enum wb_http_stage { WB_STAGE_HEAD, WB_STAGE_BODY, WB_STAGE_ANSWER };

/* Marks that any thread sets and the loop takes away. */
enum { WB_SIGNAL_ANSWER = 1, WB_SIGNAL_RESUME = 2 };

/* A request inside of another one, and the arguments of its query, decoded. */
struct wb_http_inside {
	struct wb_http_inner inner;
	struct wb_http_argument {
		struct wb_slice name, value;
	} *arguments;
	size_t argument_count;
	char *text; /* that they and path point into */
	char *params; /* in text: room for the parameters of the path, decoded */
};

struct wb_http_gathered {
	char *data;
	size_t len, cap; /* cap is charged */
};

struct wb_http_request {
	struct wb_http_server *server;
	struct wb_http_loop *loop;
	struct wb_http_connection *connection;
	struct MHD_Connection *mhd;
	struct wb_link link; /* while signals are set: in the loop's answers or ready */
	_Atomic unsigned signals;

	enum wb_http_stage stage;
	bool answered; /* status and response are set, and the loop knows */
	bool suspended;
	bool stalled; /* the sink takes nothing */
	bool streaming;
	bool sent; /* answered past libmicrohttpd, while the body was coming */
	bool dead; /* to be freed when its signals are seen */

	const struct wb_http_route *route; /* NULL: none */
	struct wb_slice method, path;
	struct wb_slice params[WB_ROUTE_PARAMS_MAX];
	struct wb_route_match match;
	int64_t started_us;

	struct wb_http_gathered body;
	size_t body_given; /* of body, to the sink after an overflow */
	size_t charged; /* to the server's body_bytes for body and gunzip */
	uint64_t received, decoded, discarded; /* bytes */
	struct wb_gunzip *gunzip;
	bool gzip; /* Content-Encoding says so */
	struct wb_slice piece; /* decoded, not taken yet */
	struct wb_sha256 *digest;
	struct wb_http_sink sink;
	void *sink_arg;
	void *state;
	void (*free_state)(void *state);

	struct wb_http_inside *inside; /* NULL: it is no request that came inside of this one */
	unsigned status;
	struct MHD_Response *response;
	struct wb_slice response_body; /* lives as long as response */
	char text[]; /* the URI, and the parameters decoded */
};

/* loop.c: all loops are prepared before one starts, and halted before one is released, as each looks at the others. */
void wb_http_loop_prepare(struct wb_http_loop *loop, struct wb_http_server *s, size_t connections_max);
enum wb_err wb_http_loop_start(struct wb_http_loop *loop, struct wb_error *e) WB_MUST_USE;
/* Makes it look at the server's flags. Any thread. */
void wb_http_loop_wake(struct wb_http_loop *loop);
/* After stopping was set: waits for the end of its thread. Also of one that was never started, as release. */
void wb_http_loop_halt(struct wb_http_loop *loop);
/* After all are halted, on one thread: looks at marks; tells sinks of bodies that nothing more comes, which may answer
 * requests of other loops; and frees what is left. */
void wb_http_loop_settle(struct wb_http_loop *loop);
void wb_http_loop_end_streams(struct wb_http_loop *loop);
void wb_http_loop_release(struct wb_http_loop *loop);
/* Marks the request; the loop looks at it in its next turn. Any thread. */
void wb_http_signal(struct wb_http_request *r, unsigned signal);
bool wb_http_listen_again(struct wb_http_loop *loop) WB_MUST_USE;

/* connections.c */
void wb_http_accept(struct wb_http_loop *loop);
void wb_http_take_arrivals(struct wb_http_loop *loop);
void wb_http_drop_arrivals(struct wb_http_loop *loop);
/* Moves the connection to the end of that list. */
void wb_http_wait_for(struct wb_http_loop *loop, struct wb_http_connection *c, enum wb_http_wait wait);
/* Accepts no more; afterwards the listening socket may be closed as far as this loop is concerned. */
void wb_http_stop_accepting(struct wb_http_loop *loop);
/* Shuts what has waited too long; returns the milliseconds until it wants to be called again, -1: nothing to wait for. */
int64_t wb_http_sweep(struct wb_http_loop *loop);
void wb_http_on_connection(
	void *arg, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code);

/* exchange.c */
void *wb_http_on_uri(void *arg, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result wb_http_on_request(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **context);
void wb_http_on_completed(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);
/* Looks at the marks of a request that came out of a list. */
void wb_http_settle(struct wb_http_request *r);
/* Answers for the server itself. */
void wb_http_refuse(struct wb_http_request *r, unsigned status, const char *code, const char *detail);

/* inner.c */
struct wb_slice wb_http_inner_query(const struct wb_http_inside *inside, const char *name);
void wb_http_inner_each_query(const struct wb_http_inside *inside,
	void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg);
void wb_http_inner_release(struct wb_http_inside **inside);

/* request.c */
bool wb_http_find_route(struct wb_http_request *r); /* false: it refused */
/* More than one length. */
bool wb_http_length_ambiguous(const struct wb_http_request *r);
/* Whether libmicrohttpd knows how the body is carried. */
bool wb_http_transfer_known(const struct wb_http_request *r);
/* Announced; 0 where it was not. */
uint64_t wb_http_announced(const struct wb_http_request *r);
void wb_http_count(struct wb_http_request *r);

/* respond.c */
/* Sends the answer past libmicrohttpd, which takes none while a body is coming. */
void wb_http_send_now(struct wb_http_request *r);

/* body.c */
/* Judges what the headers say of the body: refuses, calls overflow or charges the budget. */
void wb_http_body_begin(struct wb_http_request *r);
/* Returns how many bytes were taken; fewer than all when the request has stalled or was answered. */
size_t wb_http_body_take(struct wb_http_request *r, struct wb_slice data);
/* Hands on what came already; false while the sink takes nothing, and when the request was answered. */
bool wb_http_body_flush(struct wb_http_request *r);
/* The end: false when it stalled or refused. */
bool wb_http_body_end(struct wb_http_request *r);
/* Tells the sink, if there is one that waits, that nothing more comes. */
void wb_http_body_lost(struct wb_http_request *r);
/* Frees the body and what it is charged. */
void wb_http_body_forget(struct wb_http_request *r);

#endif
