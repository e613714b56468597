/* A server whose routes take bodies in every way, sinks that behave as the test says, and clients that send in the background.
 *
 * For the tests of bodies. Not thread-safe but where a comment says so.
 */
#ifndef WB_TESTS_UNIT_COMMON_HTTP_BODIES_H
#define WB_TESTS_UNIT_COMMON_HTTP_BODIES_H

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/http/server.h"

#include "tests/unit/common/http/client.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zlib.h>

enum { GATHERED_MAX = 1000, STREAM_MAX = 20 << 20, BUDGET = 4 << 20 };

/* How the sink of the next request behaves, and what the handlers saw. */
struct fixture {
	struct wb_http_server *server;
	char address[64];
	/* Of the sinks. */
	size_t allowance; /* bytes that a sink takes before it wants to be woken; 0: all */
	size_t refuse_at; /* answers 400 when so many bytes came; 0: never */
	bool digest, refuse_in_begin;
	atomic_bool leave_alone; /* the sink takes nothing by itself */
	atomic_int begun, overflown, ended, lost, freed;
	pthread_mutex_t lock;
	struct stream *stream; /* under lock: the one that is under way */
	char *kept; /* by the handler of /take */
	size_t kept_len;
};

struct stream {
	struct fixture *f;
	struct wb_http_request *r;
	struct wb_buf got;
	size_t allowed; /* under lock */
};

static inline void free_stream(void *state)
{
	struct stream *s = state;

	wb_buf_release(&s->got);
	atomic_fetch_add(&s->f->freed, 1);
	free(s);
}

/* False: another thread has answered. */
static inline bool forget(struct stream *s)
{
	bool ours;

	pthread_mutex_lock(&s->f->lock);
	ours = s->f->stream == s;
	s->f->stream = NULL;
	pthread_mutex_unlock(&s->f->lock);
	return ours;
}

static inline size_t take(void *arg, struct wb_http_request *r, struct wb_slice piece)
{
	struct stream *s = arg;
	struct fixture *f = s->f;
	size_t taken = piece.len;

	assert_true(piece.len > 0);
	assert_true(piece.len <= GATHERED_MAX + 64 * 1024);
	pthread_mutex_lock(&f->lock);
	if (f->allowance || f->leave_alone)
		taken = piece.len < s->allowed ? piece.len : s->allowed;
	s->allowed -= f->allowance || f->leave_alone ? taken : 0;
	pthread_mutex_unlock(&f->lock);
	wb_buf_append(&s->got, piece.data, taken);
	if (f->refuse_at && s->got.len >= f->refuse_at && forget(s))
		wb_http_respond(r, 400, "text/plain", wb_slice_cstr("bad line"), NULL);
	return taken;
}

static inline void end(void *arg, struct wb_http_request *r)
{
	struct stream *s = arg;
	uint8_t digest[32] = { 0 };
	char hex[65];
	const struct wb_http_response_header headers[] = { { "X-Digest", hex }, { NULL, NULL } };

	if (!forget(s))
		return;
	atomic_fetch_add(&s->f->ended, 1);
	assert_int_equal(wb_http_body_digest(r, digest), s->f->digest);
	wb_hex_encode(digest, sizeof digest, hex);
	wb_http_respond(r, 200, "text/plain", wb_buf_slice(&s->got), headers);
}

static inline void lost(void *arg)
{
	struct stream *s = arg;

	assert_true(forget(s));
	atomic_fetch_add(&s->f->lost, 1);
}

static const struct wb_http_sink sink = { take, end, lost };

static inline void stream(struct fixture *f, struct wb_http_request *r)
{
	struct stream *s = calloc(1, sizeof *s);

	assert_non_null(s);
	s->f = f;
	s->r = r;
	wb_buf_init(&s->got, 64 << 20);
	wb_http_set_state(r, s, free_stream);
	assert_ptr_equal(wb_http_state(r), s);
	pthread_mutex_lock(&f->lock);
	f->stream = s;
	pthread_mutex_unlock(&f->lock);
	wb_http_stream(r, &sink, s);
}

static inline void begin(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->begun, 1);
	assert_int_equal(wb_http_body(r).len, 0);
	if (f->digest)
		wb_http_digest_body(r);
	if (f->refuse_in_begin)
		wb_http_respond(r, 401, "text/plain", wb_slice_cstr("who are you?"), NULL);
}

static inline void begin_stream(void *arg, struct wb_http_request *r)
{
	begin(arg, r);
	if (!((struct fixture *)arg)->refuse_in_begin)
		stream(arg, r);
}

static inline void overflow(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->overflown, 1);
	if (f->refuse_at == 1)
		wb_http_respond(r, 413, "text/plain", wb_slice_cstr("too much"), NULL);
	else
		stream(f, r);
}

static inline void echo(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;
	uint8_t digest[32] = { 0 };
	char hex[65], peer[64];
	const struct wb_http_response_header headers[] = { { "X-Digest", hex }, { "X-Peer", peer }, { NULL, NULL } };

	assert_int_equal(wb_http_body_digest(r, digest), f->digest);
	wb_hex_encode(digest, sizeof digest, hex);
	(void)snprintf(peer, sizeof peer, "%.*s%s", WB_SLICE_ARGS(wb_http_peer(r)), wb_http_secure(r) ? " tls" : "");
	wb_http_respond(r, 200, "text/plain", wb_http_body(r), headers);
}

static inline void keep(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;
	struct wb_slice body;

	f->kept = wb_http_take_body(r, &body);
	f->kept_len = body.len;
	assert_ptr_equal(wb_http_request_server(r), f->server);
	assert_int_equal(wb_http_body(r).len, 0);
	wb_http_respond(r, 200, NULL, wb_slice(NULL, 0), NULL);
}

static inline void start(struct fixture *f)
{
	const struct wb_http_route routes[] = {
		{ "POST", "/gather", echo, f, 2 << 20, begin, NULL, 0 },
		{ "POST", "/small", echo, f, GATHERED_MAX, begin, NULL, 0 },
		{ "POST", "/stream", echo, f, 0, begin_stream, NULL, STREAM_MAX },
		{ "POST", "/both", echo, f, GATHERED_MAX, begin, overflow, STREAM_MAX },
		{ "POST", "/take", keep, f, 2 << 20, NULL, NULL, 0 },
		{ "POST", "/huge", echo, f, 0, begin_stream, NULL, (uint64_t)1 << 40 },
	};
	const struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = 1,
		.max_connections = 50,
		.idle_timeout_ms = 30000,
		.body_budget_bytes = BUDGET };
	struct wb_error e = { "" };

	memset(f, 0, sizeof *f);
	assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
	f->server = wb_http_server_new(&settings, &e);
	assert_string_equal(e.text, "");
	(void)snprintf(f->address, sizeof f->address, "%s", wb_http_server_address(f->server));
}

static inline void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	assert_int_equal(pthread_mutex_destroy(&f->lock), 0);
}

static inline void wait_for(atomic_int *count, int value)
{
	while (atomic_load(count) < value)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(atomic_load(count), value);
}

static inline char *make_text(size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 7 + i / 251 + i / 65521) % 26);
	text[len] = '\0';
	return text;
}

/* For free(). */
static inline char *zip(const char *text, size_t len, size_t *ret_len)
{
	size_t max = len + len / 100 + 1000;
	char *out = malloc(max);
	z_stream z = { 0 };

	assert_non_null(out);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text;
	z.avail_in = (unsigned)len;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)max;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*ret_len = z.total_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	return out;
}

/* Sends in the background, as the server may not read. */
struct sender {
	int fd;
	const char *body;
	size_t len;
	bool chunked;
	pthread_t thread;
};

static inline void *send_body(void *arg)
{
	const struct sender *s = arg;
	char size[32];

	if (!s->chunked) {
		(void)client_send(s->fd, s->body, s->len); /* the server may refuse it on the way */
		return NULL;
	}
	for (size_t at = 0, n; at < s->len; at += n) {
		n = s->len - at < 777 ? s->len - at : 777 + at % 9999;
		n = n > s->len - at ? s->len - at : n;
		(void)snprintf(size, sizeof size, "%zx\r\n", n);
		if (!client_send_text(s->fd, size) || !client_send(s->fd, s->body + at, n) ||
			!client_send_text(s->fd, "\r\n"))
			return NULL;
	}
	(void)client_send_text(s->fd, "0\r\n\r\n");
	return NULL;
}

static inline void post(struct sender *s, const char *path, const char *headers)
{
	char head[512], length[64] = "Transfer-Encoding: chunked\r\n";

	if (!s->chunked)
		(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", s->len);
	(void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n", path, headers, length);
	assert_true(client_send_text(s->fd, head));
	assert_int_equal(pthread_create(&s->thread, NULL, send_body, s), 0);
}

/* Lets the stream that is under way take so much at a time, until it has ended. */
static inline void feed(struct fixture *f, size_t step)
{
	int done = atomic_load(&f->ended) + atomic_load(&f->lost);

	while (atomic_load(&f->ended) + atomic_load(&f->lost) == done) {
		pthread_mutex_lock(&f->lock);
		if (f->stream && f->stream->allowed == 0) {
			f->stream->allowed = step;
			wb_http_body_resume(f->stream->r);
		}
		pthread_mutex_unlock(&f->lock);
		(void)sched_yield();
	}
}

static inline void assert_echo(const struct answer *a, const char *text, size_t len)
{
	assert_int_equal(a->status, 200);
	assert_int_equal(a->body_len, len);
	assert_memory_equal(a->body, text, len);
}

/* One body in a form, to a path, with a sink that takes step bytes at a time (0: all). Twice on one connection. */
static inline void round_trip(const char *path, size_t len, bool gzip, bool chunked, size_t step)
{
	char *text = make_text(len), *zipped = NULL, hex[65], header[512];
	struct sender s = { .body = text, .len = len, .chunked = chunked };
	uint8_t digest[32];
	struct fixture f;
	struct answer a;

	start(&f);
	f.digest = true;
	f.allowance = step;
	if (gzip)
		s.body = zipped = zip(text, len, &s.len);
	s.fd = client_connect(f.address);
	for (int i = 0; i < 2; i++) {
		post(&s, path, gzip ? "Content-Encoding: gzip\r\n" : "");
		if (step)
			feed(&f, step);
		a = client_read(s.fd, true);
		assert_echo(&a, text, len);
		wb_crypto_sha256(wb_slice(s.body, s.len), digest);
		wb_hex_encode(digest, sizeof digest, hex);
		assert_string_equal(client_find_header(&a, "X-Digest", header), hex);
		answer_release(&a);
		assert_int_equal(pthread_join(s.thread, NULL), 0);
	}
	assert_int_equal(close(s.fd), 0);
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 0);
	assert_int_equal(atomic_load(&f.freed), atomic_load(&f.ended));
	free(zipped);
	free(text);
}

#endif
