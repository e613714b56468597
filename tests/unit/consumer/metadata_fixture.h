/* What the tests of the metadata share: a service of one container on a real socket, and the metadata that reads it. */
#ifndef WB_TESTS_UNIT_CONSUMER_METADATA_FIXTURE_H
#define WB_TESTS_UNIT_CONSUMER_METADATA_FIXTURE_H

#include "consumer/metadata.h"

#include "common/base/clock.h"
#include "common/base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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

#define ONE_RANGE "{\"id\":\"0\",\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}"
#define TWO_RANGES                                                                          \
	"{\"id\":\"1\",\"minInclusive\":\"\",\"maxExclusive\":\"20\",\"parents\":[\"0\"]}," \
	"{\"id\":\"2\",\"minInclusive\":\"20\",\"maxExclusive\":\"FF\",\"parents\":[\"0\"]}"
#define HASH_V2     "{\"paths\":[\"/pk\"],\"kind\":\"Hash\",\"version\":2}"
#define CONNECTIONS 8

/* What a service answers, on one endpoint. All under lock; strings are literals. */
struct service {
	int listener;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	bool stop;
	const char *rid, *key, *ranges; /* rid NULL: there is no such container */
	const char *place; /* where the account is written to */
	bool bulk, away, hold; /* away: hangs up; hold: keeps the answers back */
	bool moved_away; /* documents are refused: 403/3 */
	bool strange; /* there is no container, says something else than Cosmos DB */
	unsigned absent; /* so many readings more say that there is no container */
	const char *probe_status, *probe_body; /* of a server that does no bulk, or is no Cosmos DB */
	unsigned containers, range_pages, probes, accounts; /* requests of each kind */
};

static inline void set_text(struct service *s, const char **at, const char *text)
{
	wb_mutex_lock(&s->lock);
	*at = text;
	wb_mutex_unlock(&s->lock);
}

static inline void set_flag(struct service *s, bool *at, bool value)
{
	wb_mutex_lock(&s->lock);
	*at = value;
	wb_mutex_unlock(&s->lock);
}

static inline unsigned count_of(struct service *s, const unsigned *at)
{
	unsigned count;

	wb_mutex_lock(&s->lock);
	count = *at;
	wb_mutex_unlock(&s->lock);
	return count;
}

/* Under lock. Fills body and returns the status line's end. */
static const char *answer_to(struct service *s, const char *request, char *body, size_t size)
{
	bool known = s->rid != NULL;

	body[0] = '\0';
	if (strncmp(request, "GET / ", 6) == 0) {
		s->accounts++;
		(void)snprintf(body, size, "{\"writableLocations\":[{\"databaseAccountEndpoint\":\"%s\"}]}",
			s->place ? s->place : "");
		return "200 OK\r\n";
	}
	if (strncmp(request, "GET /dbs/d/colls/c ", 19) == 0) {
		s->containers++;
		if (s->strange)
			return "404 Not Found\r\n";
		if (s->absent > 0) {
			s->absent--;
			return "404 Not Found\r\nx-ms-activity-id: a\r\nx-ms-substatus: 1003\r\n";
		}
		(void)snprintf(body, size, "{\"id\":\"c\",\"_rid\":\"%s\",\"partitionKey\":%s}", known ? s->rid : "",
			known ? s->key : "{}");
		return known ? "200 OK\r\n" : "404 Not Found\r\nx-ms-activity-id: a\r\nx-ms-substatus: 1003\r\n";
	}
	if (strstr(request, "/pkranges ")) {
		s->range_pages++;
		(void)snprintf(body, size, "{\"PartitionKeyRanges\":[%s]}", known ? s->ranges : "");
		return known ? "200 OK\r\n" : "404 Not Found\r\nx-ms-activity-id: a\r\n";
	}
	s->probes++;
	if (s->moved_away)
		return "403 Forbidden\r\nx-ms-substatus: 3\r\n";
	(void)snprintf(body, size, "%s", s->bulk ? "[{\"statusCode\":404}]" : s->probe_body);
	return s->bulk ? "200 OK\r\n" : s->probe_status;
}

/* Reads one request and answers it; false when the connection is to be closed. Requests are small: one read each. */
static inline bool serve_one(struct service *s, int fd)
{
	char request[8192], body[1024], answer[2048];
	ssize_t n = read(fd, request, sizeof request - 1);
	const char *status;
	bool away;

	if (n <= 0)
		return false;
	request[n] = '\0';
	while (!strstr(request, "\r\n\r\n") || (strstr(request, "POST ") && request[n - 1] != ']')) {
		ssize_t more = read(fd, request + n, sizeof request - 1 - (size_t)n);

		if (more <= 0)
			return false;
		request[n += more] = '\0';
	}
	wb_mutex_lock(&s->lock);
	status = answer_to(s, request, body, sizeof body);
	away = s->away;
	while (s->hold && !s->stop) {
		wb_mutex_unlock(&s->lock);
		(void)poll(NULL, 0, 5);
		wb_mutex_lock(&s->lock);
	}
	wb_mutex_unlock(&s->lock);
	if (away)
		return false;
	n = snprintf(answer, sizeof answer, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	return write(fd, answer, (size_t)n) == n;
}

static inline bool is_stopped(struct service *s)
{
	bool stop;

	wb_mutex_lock(&s->lock);
	stop = s->stop;
	wb_mutex_unlock(&s->lock);
	return stop;
}

static inline void *serve(void *arg)
{
	struct service *s = arg;
	struct pollfd fds[1 + CONNECTIONS] = { { .fd = s->listener, .events = POLLIN } };
	nfds_t count = 1;

	while (!is_stopped(s)) {
		if (poll(fds, count, 20) <= 0)
			continue;
		for (nfds_t i = 1; i < count; i++) {
			if (fds[i].revents && !serve_one(s, fds[i].fd)) {
				(void)close(fds[i].fd);
				fds[i--] = fds[--count];
			}
		}
		if (fds[0].revents && count <= CONNECTIONS)
			fds[count++] = (struct pollfd){ .fd = accept(s->listener, NULL, NULL), .events = POLLIN };
	}
	while (count > 1)
		(void)close(fds[--count].fd);
	return NULL;
}

static inline void service_start(struct service *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	*s = (struct service){ .rid = "rid1",
		.key = HASH_V2,
		.ranges = ONE_RANGE,
		.bulk = true,
		.probe_status = "400 Bad Request\r\n",
		.probe_body = "{\"code\":\"BadRequest\"}" };
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	wb_mutex_init(&s->lock);
	s->thread = wb_thread_start("service", serve, s);
}

static inline void service_stop(struct service *s)
{
	set_flag(s, &s->stop, true);
	wb_thread_join(s->thread);
	(void)close(s->listener);
	wb_mutex_release(&s->lock);
}

struct fixture {
	struct service s;
	struct wb_cosmos_options options;
	struct wb_metadata *m;
	struct wb_container *c;
	struct wb_health *health;
	struct wb_metrics *metrics;
	atomic_uint changes;
	char endpoint[64];
};

static inline void count_change(void *arg)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->changes, 1);
}

static inline void start(struct fixture *f)
{
	struct wb_metadata_settings settings = { .options = &f->options,
		.client = "tester",
		.workers = 3,
		.probe_again_ms = 500,
		.on_change = count_change,
		.arg = f };

	*f = (struct fixture){ .m = NULL };
	service_start(&f->s);
	(void)snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%u", f->s.port);
	f->options = (struct wb_cosmos_options){
		.endpoint = f->endpoint, .request_timeout_ms = 20000, .connect_timeout_ms = 20000
	};
	f->options.key.len = 64;
	settings.health = f->health = wb_health_new();
	settings.metrics = f->metrics = wb_metrics_new();
	f->m = wb_metadata_new(&settings, NULL);
	assert_non_null(f->m);
}

static inline void stop(struct fixture *f)
{
	wb_metadata_free(&f->m);
	assert_null(f->m);
	service_stop(&f->s);
	wb_health_free(&f->health);
	wb_metrics_free(&f->metrics);
}

static inline struct wb_container *ask_for(struct fixture *f)
{
	return wb_metadata_container(f->m, wb_slice_cstr("d"), wb_slice_cstr("c"));
}

#define UNTIL(condition)                                                 \
	do {                                                             \
		int64_t deadline_ms = wb_clock_mono_ms() + 30000;        \
                                                                         \
		while (!(condition) && wb_clock_mono_ms() < deadline_ms) \
			(void)poll(NULL, 0, 2);                          \
		assert_true(condition);                                  \
	} while (0)

static inline void start_known(struct fixture *f)
{
	start(f);
	f->c = ask_for(f);
	UNTIL(wb_container_state(f->c) == WB_CONTAINER_KNOWN);
}

static inline struct wb_epk key_of(uint8_t first)
{
	return (struct wb_epk){ .len = 16, .bytes = { first, 1, 2, 3 } };
}

static inline struct wb_range *route(struct wb_container *c, uint8_t first)
{
	struct wb_epk key = key_of(first);

	return wb_container_route(c, &key);
}

static inline bool health_says(struct fixture *f, const char *text)
{
	struct wb_buf page;
	bool found;

	wb_buf_init(&page, 4096);
	wb_health_render(f->health, &page);
	wb_buf_append(&page, "", 1);
	found = strstr(page.data, text) != NULL;
	wb_buf_release(&page);
	return found;
}

#endif
