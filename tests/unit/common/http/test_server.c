/* Talks to a listening server through a plain socket, so that the bytes on the wire are what is tested. */
#include "common/http/admin.h"
#include "common/http/problem.h"
#include "common/http/server.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void on_echo(void *arg, struct wb_http_request *r)
{
	struct wb_buf body;

	(void)arg;
	wb_buf_init(&body, 1024 * 1024);
	wb_buf_append_slice(&body, wb_http_param(r, "name"));
	wb_buf_append_char(&body, '|');
	wb_buf_append_slice(&body, wb_http_query(r, "q"));
	wb_buf_append_char(&body, '|');
	wb_buf_append_slice(&body, wb_http_header(r, "X-Test"));
	wb_buf_append_char(&body, '|');
	wb_buf_append_slice(&body, wb_http_body(r));
	wb_http_respond_buf(r, 200, "text/plain", &body, NULL);
}

static void *answer_later(void *arg)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	wb_http_respond(arg, 202, "text/plain", wb_slice_cstr("later"), NULL);
	return NULL;
}

static void *answer_now(void *arg)
{
	wb_http_respond(arg, 202, "text/plain", wb_slice_cstr("race"), NULL);
	return NULL;
}

static void on_thread(void *arg, struct wb_http_request *r)
{
	void *(*fn)(void *) = arg ? answer_later : answer_now;
	pthread_attr_t detached;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&detached), 0);
	assert_int_equal(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED), 0);
	assert_int_equal(pthread_create(&thread, &detached, fn, r), 0);
	assert_int_equal(pthread_attr_destroy(&detached), 0);
}

static int yes;

static struct wb_http_server *start(size_t budget)
{
	const struct wb_http_route routes[] = {
		{ "POST", "/echo/{name}", on_echo, NULL, 1000 },
		{ "GET", "/later", on_thread, &yes, 0 },
		{ "GET", "/race", on_thread, NULL, 0 },
	};
	struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = 3,
		.threads = 2,
		.max_connections = 16,
		.idle_timeout_ms = 5000,
		.body_budget_bytes = (int64_t)budget,
		.server_name = "test/1" };
	struct wb_error e;
	struct wb_http_server *s = wb_http_server_new(&settings, &e);

	assert_non_null(s);
	return s;
}

static int dial(const struct wb_http_server *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)atoi(strchr(wb_http_server_address(s), ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	return fd;
}

/* Sends a request with "Connection: close" in it and returns all that comes back. */
static char *exchange(const struct wb_http_server *s, const char *request)
{
	static char reply[65536];
	int fd = dial(s);
	size_t len = 0;
	ssize_t n;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while (len < sizeof reply - 1 && (n = recv(fd, reply + len, sizeof reply - 1 - len, 0)) > 0)
		len += (size_t)n;
	reply[len] = '\0';
	(void)close(fd);
	return reply;
}

static void a_handler_sees_the_whole_request(void **state)
{
	struct wb_http_server *s = start(1000000);
	const char *reply = exchange(s,
		"POST /echo/a%2Fb?q=x%20y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		"x-test: v\r\nContent-Length: 5\r\n\r\nhello");

	(void)state;
	assert_non_null(strstr(reply, "HTTP/1.1 200 "));
	assert_non_null(strstr(reply, "a/b|x y|v|hello"));
	assert_non_null(strstr(reply, "Server: test/1"));
	reply = exchange(s,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_non_null(strstr(reply, "n|||abcde"));
	wb_http_server_free(&s);
	assert_null(s);
}

static void an_answer_may_come_later_from_any_thread(void **state)
{
	struct wb_http_server *s = start(1000000);

	(void)state;
	assert_non_null(strstr(exchange(s, "GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "later"));
	for (int i = 0; i < 200; i++)
		assert_non_null(
			strstr(exchange(s, "GET /race HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "race"));
	wb_http_server_free(&s);
}

static void refusals_are_problems_with_codes(void **state)
{
	struct wb_http_server *s = start(1000000);
	const char *reply = exchange(s, "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

	(void)state;
	assert_non_null(strstr(reply, "404"));
	assert_non_null(strstr(reply, "application/problem+json"));
	assert_non_null(strstr(reply, "\"code\":\"no-such-path\""));
	reply = exchange(s, "DELETE /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(reply, "405"));
	assert_non_null(strstr(reply, "Allow: GET"));
	reply = exchange(s,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
		"Content-Length: 1\r\n\r\nx");
	assert_non_null(strstr(reply, "415"));
	reply = exchange(s, "POST /echo/%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	assert_non_null(strstr(reply, "\"code\":\"malformed-path\""));
	wb_http_server_free(&s);
}

static void bodies_are_limited_alone_and_together(void **state)
{
	struct wb_http_server *s = start(100);
	char request[2048];
	const char *reply = exchange(s,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		"Content-Length: 1001\r\n\r\n");

	(void)state;
	assert_non_null(strstr(reply, "413"));
	(void)snprintf(request, sizeof request,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 200\r\n\r\n%0200d", 0);
	reply = exchange(s, request);
	assert_non_null(strstr(reply, "503"));
	assert_non_null(strstr(reply, "Retry-After: 1"));
	(void)snprintf(request, sizeof request,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 90\r\n\r\n%090d", 0);
	for (int i = 0; i < 5; i++) /* what a request held is given back */
		assert_non_null(strstr(exchange(s, request), "200"));
	wb_http_server_free(&s);
}

static void a_chunked_body_beyond_the_limit_is_refused(void **state)
{
	struct wb_http_server *s = start(1000000);
	char request[4096];
	const char *reply;

	(void)state;
	(void)snprintf(request, sizeof request,
		"POST /echo/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		"7d0\r\n%02000d\r\n0\r\n\r\n",
		0);
	reply = exchange(s, request);
	assert_non_null(strstr(reply, "413"));
	wb_http_server_free(&s);
}

static void bad_addresses_are_named(void **state)
{
	struct wb_http_settings settings = { .listen = "nonsense", .threads = 1, .max_connections = 1 };
	struct wb_error e;

	(void)state;
	assert_null(wb_http_server_new(&settings, &e));
	assert_non_null(strstr(e.text, "nonsense"));
	settings.listen = "127.0.0.1:99999999";
	assert_null(wb_http_server_new(&settings, &e));
}

static void the_admin_routes_answer(void **state)
{
	struct wb_admin admin = { .program = "test", .health = wb_health_new(), .metrics = wb_metrics_new() };
	struct wb_http_route routes[WB_ADMIN_ROUTES];
	struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ADMIN_ROUTES,
		.threads = 1,
		.max_connections = 4,
		.idle_timeout_ms = 5000,
		.metrics = admin.metrics };
	struct wb_http_server *s;
	struct wb_error e;
	const char *reply;

	(void)state;
	wb_admin_routes(&admin, routes);
	wb_admin_process_metrics(admin.metrics, "test");
	s = wb_http_server_new(&settings, &e);
	assert_non_null(s);
	assert_non_null(strstr(exchange(s, "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "200"));
	wb_health_set(admin.health, "cosmos", false, "no answer");
	reply = exchange(s, "GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(reply, "503"));
	assert_non_null(strstr(reply, "no answer"));
	wb_health_set(admin.health, "cosmos", true, NULL);
	assert_non_null(strstr(exchange(s, "GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "200"));
	reply = exchange(s, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_non_null(strstr(reply, "process_resident_memory_bytes"));
	assert_non_null(
		strstr(reply, "writebehind_http_requests_total{route=\"/readyz\",method=\"GET\",status=\"503\"} 1"));
	assert_non_null(strstr(
		exchange(s, "GET /version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "\"program\":\"test\""));
	wb_http_server_free(&s);
	wb_health_free(&admin.health);
	wb_metrics_free(&admin.metrics);
}

static void a_stopping_server_finishes_what_it_has(void **state)
{
	struct wb_http_server *s = start(1000000);
	const char *request = "GET /later HTTP/1.1\r\nHost: h\r\n\r\n";
	char reply[4096];
	int fd = dial(s);
	ssize_t n;

	(void)state;
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	while (wb_http_server_pending(s) == 0)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	wb_http_server_quiesce(s);
	n = recv(fd, reply, sizeof reply - 1, 0);
	assert_true(n > 0);
	reply[n] = '\0';
	assert_non_null(strstr(reply, "202"));
	assert_non_null(strstr(reply, "Connection: close"));
	while (wb_http_server_pending(s) > 0)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	wb_http_server_free(&s);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_sees_the_whole_request),
		cmocka_unit_test(an_answer_may_come_later_from_any_thread),
		cmocka_unit_test(refusals_are_problems_with_codes),
		cmocka_unit_test(bodies_are_limited_alone_and_together),
		cmocka_unit_test(a_chunked_body_beyond_the_limit_is_refused),
		cmocka_unit_test(bad_addresses_are_named),
		cmocka_unit_test(the_admin_routes_answer),
		cmocka_unit_test(a_stopping_server_finishes_what_it_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
