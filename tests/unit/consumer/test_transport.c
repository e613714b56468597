#include "consumer/transport.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that gives one scripted answer after another and keeps what it was sent; NULL closes the connection. */
struct server {
	int listener;
	unsigned port;
	const char *const *answers;
	pthread_t thread;
	atomic_int connections;
	char seen[64 * 1024];
	size_t seen_len;
};

/* Reads one request with its body into seen; false when the client went away. */
static bool read_request(struct server *s, int fd)
{
	size_t begin = s->seen_len;

	for (;;) {
		char *end, *length;
		ssize_t n = read(fd, s->seen + s->seen_len, sizeof s->seen - 1 - s->seen_len);

		if (n <= 0)
			return false;
		s->seen_len += (size_t)n;
		s->seen[s->seen_len] = '\0';
		end = strstr(s->seen + begin, "\r\n\r\n");
		length = strstr(s->seen + begin, "Content-Length: ");
		if (end && (!length || (size_t)(s->seen + s->seen_len - (end + 4)) >= strtoul(length + 16, NULL, 10)))
			return true;
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	const char *const *answer = s->answers;

	while (*answer || answer[1]) {
		int fd = accept(s->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		atomic_fetch_add(&s->connections, 1);
		while (*answer && read_request(s, fd)) {
			size_t len = strlen(*answer);

			if (write(fd, *answer, len) != (ssize_t)len)
				break;
			answer++;
		}
		if (!*answer && answer[1]) {
			(void)read_request(s, fd); /* it came, and is answered by closing */
			answer++;
		}
		(void)close(fd);
	}
	return NULL;
}

/* answers ends with two NULLs. */
static void server_start(struct server *s, const char *const *answers)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	*s = (struct server){ .answers = answers };
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	s->thread = wb_thread_start("server", serve, s);
}

static void server_stop(struct server *s)
{
	(void)shutdown(s->listener, SHUT_RDWR);
	wb_thread_join(s->thread);
	(void)close(s->listener);
}

static struct wb_cosmos_options options_for(unsigned port, char endpoint[64])
{
	struct wb_cosmos_options o = { .request_timeout_ms = 2000, .connect_timeout_ms = 1000 };

	(void)snprintf(endpoint, 64, "http://127.0.0.1:%u", port);
	o.endpoint = endpoint;
	memset(o.key.bytes, 7, 64);
	o.key.len = 64;
	return o;
}

struct outcome {
	int count;
	struct wb_reply reply; /* without body */
	char body[256];
	char error[256];
};

static void take(void *arg, const struct wb_reply *reply)
{
	struct outcome *o = arg;

	o->count++;
	o->reply = *reply;
	(void)snprintf(o->body, sizeof o->body, "%.*s", WB_SLICE_ARGS(reply->body));
	(void)snprintf(o->error, sizeof o->error, "%s", reply->error ? reply->error : "");
}

/* Sends one request and waits for its end. */
static struct outcome exchange(struct wb_transport *t, const char *verb, const char *body)
{
	static const char *const headers[] = { "x-extra: 1", NULL };
	struct wb_request request = { .verb = verb,
		.path = "/dbs/d/colls/c/docs",
		.type = "docs",
		.link = wb_slice_cstr("dbs/d/colls/c"),
		.headers = headers,
		.body = wb_slice_cstr(body) };
	struct outcome o = { 0 };
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	wb_transport_send(t, &request, take, &o);
	assert_int_equal(wb_transport_in_flight(t), 1);
	while (o.count == 0 && wb_clock_mono_ms() < deadline_ms)
		wb_transport_run(t, 1000);
	assert_int_equal(o.count, 1);
	assert_int_equal(wb_transport_in_flight(t), 0);
	return o;
}

static void reads_status_headers_and_body(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\nX-MS-Substatus: 3200\r\n"
		"x-ms-retry-after-ms: 17\r\nx-ms-request-charge: 6.25\r\n"
		"x-ms-activity-id: a-b\r\netag: \"e\"\r\nx-ms-continuation: next\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, NULL
	};
	struct wb_cosmos_options options;
	struct wb_error e = { "" };
	struct wb_transport *t;
	struct outcome o;
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers);
	options = options_for(s.port, endpoint);
	t = wb_transport_new(&options, 4, &e);
	assert_non_null(t);
	o = exchange(t, "POST", "[1]");
	assert_int_equal(o.reply.status, 429);
	assert_int_equal(o.reply.substatus, 3200);
	assert_int_equal(o.reply.retry_after_ms, 17);
	assert_true(o.reply.request_charge == 6.25);
	assert_string_equal(o.reply.activity_id, "a-b");
	assert_string_equal(o.reply.etag, "\"e\"");
	assert_string_equal(o.reply.continuation, "next");
	assert_string_equal(o.body, "{}");
	o = exchange(t, "POST", "[2]");
	assert_int_equal(o.reply.status, 200);
	/* Nothing of the reply before is left. */
	assert_int_equal(o.reply.substatus, 0);
	assert_int_equal(o.reply.retry_after_ms, -1);
	assert_string_equal(o.body, "");
	assert_int_equal(atomic_load(&s.connections), 1);
	wb_transport_free(&t);
	server_stop(&s);
}

static void sends_what_the_service_needs(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n", NULL, NULL };
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers);
	options = options_for(s.port, endpoint);
	t = wb_transport_new(&options, 4, NULL);
	(void)exchange(t, "POST", "{\"id\":\"a\"}");
	assert_int_equal(exchange(t, "DELETE", NULL).reply.status, 204);
	wb_transport_free(&t);
	server_stop(&s);
	assert_memory_equal(s.seen, "POST /dbs/d/colls/c/docs HTTP/1.1\r\n", 35);
	assert_non_null(strstr(s.seen, "\r\nauthorization: type%3"));
	assert_non_null(strstr(s.seen, "\r\nx-ms-date: "));
	assert_non_null(strstr(s.seen, "\r\nx-ms-version: 2020-07-15\r\n"));
	assert_non_null(strstr(s.seen, "\r\nx-extra: 1\r\n"));
	assert_non_null(strstr(s.seen, "\r\n\r\n{\"id\":\"a\"}DELETE /dbs/d/colls/c/docs HTTP/1.1\r\n"));
	assert_null(strstr(s.seen, "Expect:"));
}

static void a_redirect_is_a_reply_and_not_followed(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", NULL, NULL
	};
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers);
	options = options_for(s.port, endpoint);
	t = wb_transport_new(&options, 4, NULL);
	assert_int_equal(exchange(t, "POST", "x").reply.status, 302);
	wb_transport_free(&t);
	server_stop(&s);
	assert_null(strstr(s.seen, "/elsewhere"));
}

static void a_reply_that_is_cut_short_is_none(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nx-ms-substatus: 5\r\n\r\nshort", NULL, NULL
	};
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct outcome o;
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers);
	options = options_for(s.port, endpoint);
	t = wb_transport_new(&options, 4, NULL);
	o = exchange(t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_int_equal(o.reply.substatus, 0);
	assert_true(o.error[0] != '\0');
	wb_transport_free(&t);
	server_stop(&s);
}

static void nobody_listening_is_told_in_words(void **state)
{
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct outcome o;
	char endpoint[64];

	(void)state;
	options = options_for(1, endpoint);
	t = wb_transport_new(&options, 4, NULL);
	o = exchange(t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_false(o.reply.timed_out);
	assert_true(o.error[0] != '\0');
	wb_transport_free(&t);
}

static void silence_ends_in_a_time_out(void **state)
{
	static const char *const answers[] = { NULL, NULL };
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct outcome o;
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers); /* its thread ends; the listener's queue takes the connection */
	options = options_for(s.port, endpoint);
	options.request_timeout_ms = 100;
	t = wb_transport_new(&options, 4, NULL);
	o = exchange(t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_true(o.reply.timed_out);
	wb_transport_free(&t);
	server_stop(&s);
}

static void what_is_in_flight_at_the_end_is_dropped(void **state)
{
	static const char *const answers[] = { NULL, NULL };
	struct wb_request request = { .verb = "GET", .path = "/", .type = "docs", .link = wb_slice_cstr("x") };
	struct wb_cosmos_options options;
	struct wb_transport *t;
	struct outcome o = { 0 };
	struct server s;
	char endpoint[64];

	(void)state;
	server_start(&s, answers);
	options = options_for(s.port, endpoint);
	t = wb_transport_new(&options, 4, NULL);
	wb_transport_send(t, &request, take, &o);
	wb_transport_run(t, 0);
	wb_transport_wake(t);
	wb_transport_run(t, 60000); /* woken: it does not last a minute */
	wb_transport_free(&t);
	assert_null(t);
	assert_int_equal(o.count, 0);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_status_headers_and_body),
		cmocka_unit_test(sends_what_the_service_needs),
		cmocka_unit_test(a_redirect_is_a_reply_and_not_followed),
		cmocka_unit_test(a_reply_that_is_cut_short_is_none),
		cmocka_unit_test(nobody_listening_is_told_in_words),
		cmocka_unit_test(silence_ends_in_a_time_out),
		cmocka_unit_test(what_is_in_flight_at_the_end_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
