/* A transport, and a server of scripted answers for it. */
#ifndef WB_TESTS_UNIT_CONSUMER_TRANSPORT_FIXTURE_H
#define WB_TESTS_UNIT_CONSUMER_TRANSPORT_FIXTURE_H

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
static inline bool read_request(struct server *s, int fd)
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

static inline void *serve(void *arg)
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

static inline int listen_on_loopback(unsigned *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof at;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return listener;
}

/* answers ends with two NULLs. */
static inline void server_start(struct server *s, const char *const *answers)
{
	*s = (struct server){ .answers = answers };
	s->listener = listen_on_loopback(&s->port);
	s->thread = wb_thread_start("server", serve, s);
}

static inline void server_stop(struct server *s)
{
	(void)shutdown(s->listener, SHUT_RDWR);
	wb_thread_join(s->thread);
	(void)close(s->listener);
}

static inline struct wb_cosmos_options options_for(unsigned port, char endpoint[64])
{
	struct wb_cosmos_options o = { .request_timeout_ms = 20000, .connect_timeout_ms = 20000 };

	(void)snprintf(endpoint, 64, "http://127.0.0.1:%u", port);
	o.endpoint = endpoint;
	memset(o.key.bytes, 7, 64);
	o.key.len = 64;
	return o;
}

/* A transport whose account is where its options say. */
struct client {
	struct wb_cosmos_options options;
	struct wb_account account;
	struct wb_transport *t;
	char endpoint[64];
};

static inline void client_start(struct client *c, unsigned port, int64_t timeout_ms, unsigned connections)
{
	struct wb_error e = { "" };

	c->options = options_for(port, c->endpoint);
	c->options.request_timeout_ms = timeout_ms;
	wb_account_init(&c->account, c->endpoint);
	c->t = wb_transport_new(&c->options, &c->account, "tester", connections, &e);
	assert_non_null(c->t);
}

static inline void client_stop(struct client *c)
{
	wb_transport_free(&c->t);
	assert_null(c->t);
	wb_account_release(&c->account);
}

struct outcome {
	int count;
	struct wb_reply reply; /* without body */
	char body[256];
	char error[256];
};

static inline void take(void *arg, const struct wb_reply *reply)
{
	struct outcome *o = arg;

	o->count++;
	o->reply = *reply;
	(void)snprintf(o->body, sizeof o->body, "%.*s", WB_SLICE_ARGS(reply->body));
	(void)snprintf(o->error, sizeof o->error, "%s", reply->error ? reply->error : "");
}

static inline struct outcome exchange_request(struct wb_transport *t, struct wb_request request)
{
	static const char *const headers[] = { "x-extra: 1", NULL };
	struct outcome o = { 0 };
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	request.path = "/dbs/d/colls/c/docs";
	request.type = "docs";
	request.link = wb_slice_cstr("dbs/d/colls/c");
	request.headers = headers;
	wb_transport_send(t, &request, take, &o);
	assert_int_equal(wb_transport_in_flight(t), 1);
	while (o.count == 0 && wb_clock_mono_ms() < deadline_ms)
		wb_transport_run(t, 1000);
	assert_int_equal(o.count, 1);
	assert_int_equal(wb_transport_in_flight(t), 0);
	return o;
}

/* Sends one request and waits for its end. */
static inline struct outcome exchange(struct wb_transport *t, const char *verb, const char *body)
{
	return exchange_request(t, (struct wb_request){ .verb = verb, .body = wb_slice_cstr(body) });
}

#endif
