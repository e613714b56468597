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

static void free_stream(void *state)
{
	struct stream *s = state;

	wb_buf_release(&s->got);
	atomic_fetch_add(&s->f->freed, 1);
	free(s);
}

static size_t take(void *arg, struct wb_http_request *r, struct wb_slice piece)
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
	if (f->refuse_at && s->got.len >= f->refuse_at) {
		pthread_mutex_lock(&f->lock);
		f->stream = NULL;
		pthread_mutex_unlock(&f->lock);
		wb_http_respond(r, 400, "text/plain", wb_slice_cstr("bad line"), NULL);
	}
	return taken;
}

static void forget(struct stream *s)
{
	pthread_mutex_lock(&s->f->lock);
	s->f->stream = NULL;
	pthread_mutex_unlock(&s->f->lock);
}

static void end(void *arg, struct wb_http_request *r)
{
	struct stream *s = arg;
	uint8_t digest[32] = { 0 };
	char hex[65];
	const struct wb_http_response_header headers[] = { { "X-Digest", hex }, { NULL, NULL } };

	atomic_fetch_add(&s->f->ended, 1);
	forget(s);
	assert_int_equal(wb_http_body_digest(r, digest), s->f->digest);
	wb_hex_encode(digest, sizeof digest, hex);
	wb_http_respond(r, 200, "text/plain", wb_buf_slice(&s->got), headers);
}

static void lost(void *arg)
{
	struct stream *s = arg;

	forget(s);
	atomic_fetch_add(&s->f->lost, 1);
}

static const struct wb_http_sink sink = { take, end, lost };

static void stream(struct fixture *f, struct wb_http_request *r)
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

static void begin(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->begun, 1);
	assert_int_equal(wb_http_body(r).len, 0);
	if (f->digest)
		wb_http_digest_body(r);
	if (f->refuse_in_begin)
		wb_http_respond(r, 401, "text/plain", wb_slice_cstr("who are you?"), NULL);
}

static void begin_stream(void *arg, struct wb_http_request *r)
{
	begin(arg, r);
	if (!((struct fixture *)arg)->refuse_in_begin)
		stream(arg, r);
}

static void overflow(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->overflown, 1);
	if (f->refuse_at == 1)
		wb_http_respond(r, 413, "text/plain", wb_slice_cstr("too much"), NULL);
	else
		stream(f, r);
}

static void echo(void *arg, struct wb_http_request *r)
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

static void keep(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;
	struct wb_slice body;

	f->kept = wb_http_take_body(r, &body);
	f->kept_len = body.len;
	assert_ptr_equal(wb_http_request_server(r), f->server);
	assert_int_equal(wb_http_body(r).len, 0);
	wb_http_respond(r, 200, NULL, wb_slice(NULL, 0), NULL);
}

static void start(struct fixture *f)
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

static void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	assert_int_equal(pthread_mutex_destroy(&f->lock), 0);
}

static void wait_for(atomic_int *count, int value)
{
	while (atomic_load(count) < value)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(atomic_load(count), value);
}

static char *make_text(size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 7 + i / 251 + i / 65521) % 26);
	text[len] = '\0';
	return text;
}

/* For free(). */
static char *zip(const char *text, size_t len, size_t *ret_len)
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

static void *send_body(void *arg)
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

static void post(struct sender *s, const char *path, const char *headers)
{
	char head[512], length[64] = "Transfer-Encoding: chunked\r\n";

	if (!s->chunked)
		(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", s->len);
	(void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n", path, headers, length);
	assert_true(client_send_text(s->fd, head));
	assert_int_equal(pthread_create(&s->thread, NULL, send_body, s), 0);
}

/* Lets the stream that is under way take so much at a time, until it has ended. */
static void feed(struct fixture *f, size_t step)
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

static void assert_echo(const struct answer *a, const char *text, size_t len)
{
	assert_int_equal(a->status, 200);
	assert_int_equal(a->body_len, len);
	assert_memory_equal(a->body, text, len);
}

/* One body in a form, to a path, with a sink that takes step bytes at a time (0: all). Twice on one connection. */
static void round_trip(const char *path, size_t len, bool gzip, bool chunked, size_t step)
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

static void bodies_of_every_form_come_whole(void **state)
{
	static const char *const paths[] = { "/gather", "/stream", "/both" };

	(void)state;
	for (size_t path = 0; path < WB_ARRAY_LEN(paths); path++) {
		for (int form = 0; form < 4; form++) {
			round_trip(paths[path], 300000, form & 1, form & 2, 0);
			round_trip(paths[path], 500, form & 1, form & 2, 0);
		}
	}
	round_trip("/stream", 8 << 20, false, false, 0);
	round_trip("/stream", 8 << 20, true, true, 0);
}

static void a_sink_that_takes_a_little_at_a_time_misses_nothing(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		round_trip("/stream", 100000, form & 1, form & 2, 313);
		round_trip("/both", 100000, form & 1, form & 2, 499);
	}
	round_trip("/stream", 8 << 20, false, false, 50000);
	round_trip("/stream", 8 << 20, true, false, 50000);
}

/* What the sink does not take stays with the client. */
static void back_pressure_reaches_the_client(void **state)
{
	size_t len = 16 << 20, sent = 0;
	char *text = make_text(len);
	struct pollfd writable = { .events = POLLOUT };
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f);
	f.leave_alone = true;
	fd = writable.fd = client_connect(f.address);
	assert_true(client_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n"));
	while (poll(&writable, 1, 300) > 0) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_true(sent < 14 << 20); /* what the two systems buffer */
	f.leave_alone = false;
	pthread_mutex_lock(&f.lock);
	wb_http_body_resume(f.stream->r);
	pthread_mutex_unlock(&f.lock);
	assert_true(client_send(fd, text + sent, len - sent));
	a = client_read(fd, true);
	assert_echo(&a, text, len);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	free(text);
}

static void a_client_gone_in_the_middle_of_its_stream_is_told_once(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	start(&f);
	for (int stalled = 0; stalled < 2; stalled++) {
		f.leave_alone = stalled;
		fd = client_connect(f.address);
		assert_true(client_send_text(
			fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabcdefg"));
		wait_for(&f.begun, stalled + 1);
		(void)poll(NULL, 0, 20); /* mostly the piece is there then; if not the test is weaker */
		assert_int_equal(close(fd), 0);
		if (stalled) {
			/* Nobody looks at a connection that waits for us. */
			(void)poll(NULL, 0, 20);
			assert_int_equal(atomic_load(&f.lost), 1);
			pthread_mutex_lock(&f.lock);
			wb_http_body_resume(f.stream->r);
			f.leave_alone = false;
			pthread_mutex_unlock(&f.lock);
		}
		wait_for(&f.lost, stalled + 1);
	}
	wait_for(&f.freed, 2);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(atomic_load(&f.ended), 0);
	stop(&f);
}

static void a_server_that_ends_loses_its_streams(void **state)
{
	struct fixture f;
	int moving, stalled;

	(void)state;
	start(&f);
	moving = client_connect(f.address);
	assert_true(client_send_text(moving, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
	wait_for(&f.begun, 1);
	f.leave_alone = true;
	stalled = client_connect(f.address);
	assert_true(client_send_text(stalled, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
	wait_for(&f.begun, 2);
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 2);
	assert_int_equal(atomic_load(&f.freed), 2);
	assert_int_equal(close(moving), 0);
	assert_int_equal(close(stalled), 0);
}

/* Refused by begin: 100 Continue is not sent, a body that comes nevertheless is dropped. */
static void begin_may_refuse_before_the_body(void **state)
{
	static const char *const paths[] = { "/gather", "/stream", "/both" };
	struct fixture f;
	struct answer a;
	char head[200];
	int fd;

	(void)state;
	start(&f);
	f.refuse_in_begin = true;
	for (size_t i = 0; i < WB_ARRAY_LEN(paths); i++) {
		fd = client_connect(f.address);
		(void)snprintf(head, sizeof head,
			"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n", paths[i]);
		a = client_talk(fd, head);
		assert_int_equal(a.status, 401);
		answer_release(&a);
		assert_int_equal(close(fd), 0);
		fd = client_connect(f.address);
		for (int again = 0; again < 2; again++) {
			(void)snprintf(head, sizeof head,
				"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", paths[i]);
			a = client_talk(fd, head);
			assert_int_equal(a.status, 401);
			assert_string_equal(a.body, "who are you?");
			answer_release(&a);
		}
		assert_int_equal(close(fd), 0);
	}
	f.refuse_in_begin = false;
	fd = client_connect(f.address);
	a = client_talk(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	assert_int_equal(a.status, 100);
	answer_release(&a);
	a = client_talk(fd, "ok");
	assert_echo(&a, "ok", 2);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

static void a_gathered_body_that_outgrows_its_limit_may_be_streamed(void **state)
{
	char *text = make_text(5000);
	struct fixture f;
	struct answer a;

	(void)state;
	start(&f);
	a = client_once(f.address, "POST /both HTTP/1.1\r\n", text, GATHERED_MAX);
	assert_echo(&a, text, GATHERED_MAX);
	answer_release(&a);
	assert_int_equal(atomic_load(&f.overflown), 0);
	a = client_once(f.address, "POST /both HTTP/1.1\r\n", text, GATHERED_MAX + 1);
	assert_echo(&a, text, GATHERED_MAX + 1);
	answer_release(&a);
	assert_int_equal(atomic_load(&f.overflown), 1);
	assert_int_equal(atomic_load(&f.ended), 1);
	f.refuse_at = 1;
	a = client_once(f.address, "POST /both HTTP/1.1\r\n", text, 5000);
	assert_int_equal(a.status, 413);
	assert_string_equal(a.body, "too much");
	answer_release(&a);
	a = client_once(f.address, "POST /small HTTP/1.1\r\n", text, 5000);
	assert_int_equal(a.status, 413);
	assert_non_null(strstr(a.body, "body-too-large"));
	answer_release(&a);
	stop(&f);
	free(text);
}

static void a_stream_has_a_limit_too(void **state)
{
	struct sender s = { .len = STREAM_MAX + 1 };
	char *text = make_text(STREAM_MAX + 1);
	struct fixture f;
	struct answer a;

	(void)state;
	start(&f);
	s.body = text;
	for (int chunked = 0; chunked < 2; chunked++) {
		s.chunked = chunked;
		s.fd = client_connect(f.address);
		post(&s, "/stream", "");
		a = client_read(s.fd, true);
		assert_int_equal(a.status, 413);
		assert_non_null(strstr(a.body, "body-too-large"));
		answer_release(&a);
		assert_int_equal(pthread_join(s.thread, NULL), 0);
		assert_int_equal(close(s.fd), 0);
		assert_int_equal(atomic_load(&f.lost), chunked + 1);
	}
	stop(&f);
	free(text);
}

static void a_sink_may_refuse_in_the_middle(void **state)
{
	char *text = make_text(100000);
	struct fixture f;
	struct answer a;
	char header[512];
	int fd;

	(void)state;
	start(&f);
	f.refuse_at = 10;
	/* Little is left: it is dropped, and the connection goes on. */
	fd = client_connect(f.address);
	for (int i = 0; i < 2; i++) {
		assert_true(client_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
		assert_true(client_send(fd, text, 100000));
		a = client_read(fd, true);
		assert_int_equal(a.status, 400);
		assert_string_equal(a.body, "bad line");
		answer_release(&a);
	}
	assert_int_equal(close(fd), 0);
	/* Much is left: it is sent at once. */
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, "POST /huge HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000000\r\n\r\n"));
	assert_true(client_send(fd, text, 100000));
	a = client_read(fd, true);
	assert_int_equal(a.status, 400);
	assert_string_equal(a.body, "bad line");
	assert_string_equal(client_find_header(&a, "Connection", header), "close");
	assert_string_equal(client_find_header(&a, "Content-Type", header), "text/plain");
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 0);
	assert_int_equal(atomic_load(&f.freed), 3);
	free(text);
}

/* Nobody knows how much comes, and the client reads nothing before it has sent all. */
static void an_endless_body_ends_with_an_answer(void **state)
{
	static const char head[] = "POST /huge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	size_t piece = 1 << 20, sent = 0;
	char *text = make_text(piece);
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f);
	f.refuse_at = 10;
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, head));
	while (sent < (size_t)1 << 30 && client_send_text(fd, "100000\r\n") && client_send(fd, text, piece) &&
		client_send_text(fd, "\r\n"))
		sent += piece;
	assert_true(sent >= (size_t)64 << 20);
	assert_true(sent < (size_t)200 << 20);
	a = client_read(fd, true);
	assert_int_equal(a.status, 400);
	assert_string_equal(a.body, "bad line");
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	free(text);
}

/* Kafka is gone, say, while the client pauses. */
static void another_thread_may_refuse_a_stream(void **state)
{
	static const char *const lengths[] = { "900000000000", "10" };
	struct wb_http_request *r = NULL;
	struct fixture f;
	struct answer a;
	char head[200];
	int fd;

	(void)state;
	start(&f);
	for (int i = 0; i < 4; i++) {
		f.leave_alone = i & 1;
		fd = client_connect(f.address);
		(void)snprintf(head, sizeof head, "POST /huge HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\nabc",
			lengths[i / 2]);
		assert_true(client_send_text(fd, head));
		wait_for(&f.begun, i + 1);
		(void)poll(NULL, 0, 20); /* so that the piece was mostly seen; if not the test is weaker */
		pthread_mutex_lock(&f.lock);
		r = f.stream->r;
		f.stream = NULL;
		wb_http_body_resume(r);
		wb_http_respond(r, 503, "text/plain", wb_slice_cstr("gone"), NULL);
		pthread_mutex_unlock(&f.lock);
		if (i / 2)
			assert_true(client_send_text(fd, "defghij"));
		a = client_read(fd, true);
		assert_int_equal(a.status, 503);
		assert_string_equal(a.body, "gone");
		answer_release(&a);
		assert_int_equal(close(fd), 0);
		wait_for(&f.freed, i + 1);
	}
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 0);
}

static void a_body_given_away_stays_charged_until_it_is_freed(void **state)
{
	size_t len = 1 << 20;
	char *text = make_text(len), *kept[8];
	struct fixture f;
	struct answer a;
	int count = 0;

	(void)state;
	start(&f);
	for (; count < 8; count++) {
		a = client_once(f.address, "POST /take HTTP/1.1\r\n", text, len);
		answer_release(&a);
		if (a.status != 200)
			break;
		assert_int_equal(f.kept_len, len);
		assert_memory_equal(f.kept, text, len);
		kept[count] = f.kept;
	}
	assert_int_equal(count, BUDGET / len);
	assert_int_equal(a.status, 503);
	while (count > 0)
		wb_http_body_free(f.server, kept[--count], len);
	a = client_once(f.address, "POST /take HTTP/1.1\r\n", text, len);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	wb_http_body_free(f.server, f.kept, f.kept_len);
	a = client_once(f.address, "POST /take HTTP/1.1\r\n", "", 0);
	assert_int_equal(a.status, 200);
	assert_null(f.kept);
	answer_release(&a);
	stop(&f);
	free(text);
}

static void assert_gzip(const struct fixture *f, const char *path, const char *data, size_t len, int status)
{
	char head[200];
	struct answer a;

	(void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nContent-Encoding: gzip\r\n", path);
	a = client_once(f->address, head, data, len);
	assert_int_equal(a.status, status);
	if (status == 400)
		assert_non_null(strstr(a.body, "invalid-encoding"));
	answer_release(&a);
}

static void damaged_gzip_is_refused(void **state)
{
	static const char *const paths[] = { "/gather", "/stream", "/both" };
	char *text = make_text(5000), *zipped;
	struct fixture f;
	size_t len;

	(void)state;
	start(&f);
	zipped = zip(text, 5000, &len);
	for (size_t i = 0; i < WB_ARRAY_LEN(paths); i++) {
		assert_gzip(&f, paths[i], text, 500, 400); /* none at all */
		assert_gzip(&f, paths[i], zipped, len - 1, 400);
		assert_gzip(&f, paths[i], zipped, 5, 400);
		zipped[len - 6] ^= 1; /* its checksum */
		assert_gzip(&f, paths[i], zipped, len, 400);
		zipped[len - 6] ^= 1;
		zipped[len / 2] ^= 0x55;
		assert_gzip(&f, paths[i], zipped, len, 400);
		zipped[len / 2] ^= 0x55;
		assert_gzip(&f, paths[i], zipped, len, 200);
		assert_gzip(&f, paths[i], zipped, 0, 200);
	}
	stop(&f);
	assert_int_equal(atomic_load(&f.freed), atomic_load(&f.ended) + atomic_load(&f.lost));
	free(zipped);
	free(text);
}

/* 64 MiB in 64 KiB. */
static void a_bomb_is_stopped_by_the_limits(void **state)
{
	size_t len, text_len = 64 << 20;
	char *text = calloc(1, text_len), *zipped;
	struct fixture f;

	(void)state;
	assert_non_null(text);
	start(&f);
	zipped = zip(text, text_len, &len);
	assert_true(len < 100000);
	assert_gzip(&f, "/gather", zipped, len, 413);
	assert_gzip(&f, "/stream", zipped, len, 413);
	assert_gzip(&f, "/both", zipped, len, 413);
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 2);
	free(zipped);
	free(text);
}

static void decoders_are_charged_to_the_budget(void **state)
{
	struct fixture f;
	struct answer a;
	char *text = make_text(100), *zipped;
	int fds[BUDGET / (100 * 1024)];
	int refused = 0;
	size_t len;

	(void)state;
	start(&f);
	zipped = zip(text, 100, &len);
	for (size_t i = 0; i < WB_ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f.address);
		assert_true(client_send_text(fds[i],
			"POST /gather HTTP/1.1\r\nHost: x\r\nContent-Encoding: x-gzip\r\nContent-Length: "
		        "10000\r\n\r\n"));
		assert_true(client_send(fds[i], zipped, len - 1));
		(void)poll(NULL, 0, 2); /* one after the other */
	}
	a = client_once(f.address, "POST /gather HTTP/1.1\r\nContent-Encoding: gzip\r\n", zipped, len);
	refused = a.status == 503;
	answer_release(&a);
	assert_true(refused);
	for (size_t i = 0; i < WB_ARRAY_LEN(fds); i++)
		assert_int_equal(close(fds[i]), 0);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_gzip(&f, "/gather", zipped, len, 200);
	stop(&f);
	free(zipped);
	free(text);
}

static void requests_may_be_sent_all_at_once(void **state)
{
	static const char *const all = "POST /gather HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
				       "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
				       "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"
				       "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxxx"
				       "POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfour";
	struct fixture f;
	struct answer a;
	char header[512];
	int fd;

	(void)state;
	start(&f);
	fd = client_connect(f.address);
	a = client_talk(fd, all);
	assert_echo(&a, "one", 3);
	assert_string_equal(client_find_header(&a, "X-Peer", header), "127.0.0.1");
	answer_release(&a);
	a = client_read(fd, true);
	assert_echo(&a, "two", 3);
	answer_release(&a);
	a = client_read(fd, true);
	assert_int_equal(a.status, 404);
	answer_release(&a);
	a = client_read(fd, true);
	assert_echo(&a, "four", 4);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

static void a_length_beside_chunks_is_ambiguous(void **state)
{
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f);
	fd = client_connect(f.address);
	a = client_talk(fd,
		"POST /gather HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\n");
	assert_int_equal(a.status, 400);
	assert_non_null(strstr(a.body, "ambiguous-length"));
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_of_every_form_come_whole),
		cmocka_unit_test(a_sink_that_takes_a_little_at_a_time_misses_nothing),
		cmocka_unit_test(back_pressure_reaches_the_client),
		cmocka_unit_test(a_client_gone_in_the_middle_of_its_stream_is_told_once),
		cmocka_unit_test(a_server_that_ends_loses_its_streams),
		cmocka_unit_test(begin_may_refuse_before_the_body),
		cmocka_unit_test(a_gathered_body_that_outgrows_its_limit_may_be_streamed),
		cmocka_unit_test(a_stream_has_a_limit_too),
		cmocka_unit_test(a_sink_may_refuse_in_the_middle),
		cmocka_unit_test(an_endless_body_ends_with_an_answer),
		cmocka_unit_test(another_thread_may_refuse_a_stream),
		cmocka_unit_test(a_body_given_away_stays_charged_until_it_is_freed),
		cmocka_unit_test(damaged_gzip_is_refused),
		cmocka_unit_test(a_bomb_is_stopped_by_the_limits),
		cmocka_unit_test(decoders_are_charged_to_the_budget),
		cmocka_unit_test(requests_may_be_sent_all_at_once),
		cmocka_unit_test(a_length_beside_chunks_is_ambiguous),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
