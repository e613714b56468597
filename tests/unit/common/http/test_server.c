#include "common/http/server.h"

#include "tests/unit/common/http/client.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

/* A server whose handlers do as the test says, and what they saw. */
struct fixture {
	struct wb_http_server *server;
	struct wb_metrics *metrics;
	char address[64];
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct wb_http_request *held[8]; /* under lock: requests to answer later */
	size_t held_count;
	char seen[512]; /* by the last handler that echoes */
};

static void note_query(void *arg, struct wb_slice name, struct wb_slice value)
{
	char *seen = arg;
	size_t used = strlen(seen);

	(void)snprintf(seen + used, 512 - used, "[%.*s=%.*s]", WB_SLICE_ARGS(name), WB_SLICE_ARGS(value));
}

/* Answers with what it was given. */
static void echo(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;
	const struct wb_http_response_header headers[] = { { "X-One", "1" }, { "X-Two", "2" }, { NULL, NULL } };
	struct wb_slice id = wb_http_param(r, "id"), q = wb_http_query(r, "q"), x = wb_http_header(r, "x-test");

	(void)snprintf(f->seen, sizeof f->seen, "%.*s %.*s id=%.*s q=%.*s absent=%d x=%.*s ",
		WB_SLICE_ARGS(wb_http_method(r)), WB_SLICE_ARGS(wb_http_path(r)), (int)id.len, id.data ? id.data : "",
		(int)q.len, q.data ? q.data : "", wb_http_query(r, "nothing").data == NULL, (int)x.len,
		x.data ? x.data : "");
	wb_http_each_query(r, note_query, f->seen);
	wb_http_respond(r, 200, "text/plain", wb_http_body(r), headers);
}

static void rest(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 200, "text/plain", wb_http_param(r, "*"), NULL);
}

static void no_content(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 204, NULL, wb_slice(NULL, 0), NULL);
}

/* Answers with memory that it hands over. */
static void hand_over(void *arg, struct wb_http_request *r)
{
	struct wb_buf body;

	(void)arg;
	wb_buf_init(&body, 100);
	wb_buf_append_cstr(&body, "{\"handed\":\"over\"}");
	wb_http_respond_buf(r, 201, "application/json", &body, NULL);
}

/* Leaves the answer to the test. */
static void hold(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	assert_int_equal(pthread_mutex_lock(&f->lock), 0);
	f->held[f->held_count++] = r;
	assert_int_equal(pthread_cond_broadcast(&f->came), 0);
	assert_int_equal(pthread_mutex_unlock(&f->lock), 0);
}

static void *answer_later(void *arg)
{
	wb_http_respond(arg, 202, "text/plain", wb_slice_cstr("later"), NULL);
	return NULL;
}

/* Another thread answers, perhaps before this handler has returned. */
static void race(void *arg, struct wb_http_request *r)
{
	pthread_attr_t detached;
	pthread_t thread;

	(void)arg;
	if (pthread_attr_init(&detached) || pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) ||
		pthread_create(&thread, &detached, answer_later, r) || pthread_attr_destroy(&detached))
		abort();
}

/* Waits until count requests are held and takes the oldest. */
static struct wb_http_request *take_held(struct fixture *f, size_t count)
{
	struct wb_http_request *r;

	assert_int_equal(pthread_mutex_lock(&f->lock), 0);
	while (f->held_count < count)
		assert_int_equal(pthread_cond_wait(&f->came, &f->lock), 0);
	r = f->held[0];
	f->held_count--;
	memmove(f->held, f->held + 1, f->held_count * sizeof *f->held);
	assert_int_equal(pthread_mutex_unlock(&f->lock), 0);
	return r;
}

static void start(struct fixture *f, unsigned threads)
{
	const struct wb_http_route routes[] = {
		{ .method = "GET", .path = "/echo", .handler = echo, .arg = f },
		{ .method = "POST", .path = "/echo", .handler = echo, .arg = f, .max_body_bytes = 100000 },
		{ .method = "GET", .path = "/echo/{id}", .handler = echo, .arg = f },
		{ .method = "GET", .path = "/echo/{id}/deep", .handler = echo, .arg = f },
		{ .method = "GET", .path = "/files/*", .handler = rest, .arg = f },
		{ .method = "DELETE", .path = "/nothing", .handler = no_content, .arg = f },
		{ .method = "GET", .path = "/buffer", .handler = hand_over, .arg = f },
		{ .method = "GET", .path = "/hold", .handler = hold, .arg = f },
		{ .method = "POST", .path = "/hold", .handler = hold, .arg = f, .max_body_bytes = 100000 },
		{ .method = "GET", .path = "/race", .handler = race, .arg = f },
	};
	struct wb_http_settings settings = {
		.listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = threads,
		.max_connections = 50,
		.idle_timeout_ms = 30000,
		.body_budget_bytes = 150000,
		.server_name = "test/1",
	};
	struct wb_error e = { "" };

	memset(f, 0, sizeof *f);
	assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&f->came, NULL), 0);
	f->metrics = wb_metrics_new();
	settings.metrics = f->metrics;
	f->server = wb_http_server_new(&settings, &e);
	assert_string_equal(e.text, "");
	assert_non_null(f->server);
	(void)snprintf(f->address, sizeof f->address, "%s", wb_http_server_address(f->server));
}

static void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	assert_null(f->server);
	wb_metrics_free(&f->metrics);
	assert_int_equal(pthread_cond_destroy(&f->came), 0);
	assert_int_equal(pthread_mutex_destroy(&f->lock), 0);
}

static void assert_problem(
	const struct fixture *f, const char *head, const char *body, size_t body_len, int status, const char *code)
{
	struct answer a = client_once(f->address, head, body, body_len);
	char header[512], member[100];

	assert_int_equal(a.status, status);
	assert_string_equal(client_find_header(&a, "Content-Type", header), "application/problem+json");
	assert_string_equal(client_find_header(&a, "x-ms-error-code", header), code);
	(void)snprintf(member, sizeof member, "\"code\":\"%s\"", code);
	assert_non_null(strstr(a.body, member));
	answer_release(&a);
}

static void a_picked_port_is_told(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(strncmp(f.address, "127.0.0.1:", 10), 0);
	assert_true(atoi(f.address + 10) > 0);
	stop(&f);
}

static void what_cannot_be_listened_on_is_said(void **state)
{
	static const char *const bad[] = { "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x",
		"::1:80", "[::1:80", ":80", "192.0.2.1:8080", "no-such-host.invalid:80" };
	struct wb_http_settings settings = { .threads = 1, .max_connections = 5, .idle_timeout_ms = 1000 };
	struct fixture f;
	struct wb_error e;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++) {
		settings.listen = bad[i];
		e.text[0] = '\0';
		assert_null(wb_http_server_new(&settings, &e));
		assert_non_null(strstr(e.text, bad[i]));
	}
	start(&f, 1);
	settings.listen = f.address;
	assert_null(wb_http_server_new(&settings, &e));
	assert_non_null(strstr(e.text, "Address already in use"));
	stop(&f);
}

static void a_handler_sees_the_request(void **state)
{
	struct fixture f;
	struct answer a;
	char header[512];

	(void)state;
	start(&f, 1);
	a = client_once(f.address, "GET /echo/a%2Fb%20c?q=x%26y+z&flag&q=2 HTTP/1.1\r\nX-Test: v\r\n", NULL, 0);
	assert_int_equal(a.status, 200);
	assert_string_equal(f.seen, "GET /echo/a%2Fb%20c id=a/b c q=x&y z absent=1 x=v [q=x&y z][flag=][q=2]");
	assert_string_equal(client_find_header(&a, "Server", header), "test/1");
	assert_string_equal(client_find_header(&a, "X-One", header), "1");
	assert_string_equal(client_find_header(&a, "X-Two", header), "2");
	assert_non_null(client_find_header(&a, "Date", header));
	answer_release(&a);
	stop(&f);
}

static void bodies_come_whole(void **state)
{
	static const char *const chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
					   "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
	char *body = malloc(100000);
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < 100000; i++)
		body[i] = (char)(i * 31 >> 3);
	start(&f, 2);
	a = client_once(f.address, "POST /echo HTTP/1.1\r\n", body, 100000);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_len, 100000);
	assert_memory_equal(a.body, body, 100000);
	answer_release(&a);
	fd = client_connect(f.address);
	a = client_talk(fd, chunked);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "abcdefg");
	answer_release(&a);
	a = client_talk(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_len, 0);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	free(body);
}

static void other_forms_of_answers(void **state)
{
	struct fixture f;
	struct answer a;
	char header[512];
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	a = client_talk(fd, "HEAD /buffer HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 201);
	assert_string_equal(client_find_header(&a, "Content-Length", header), "17");
	answer_release(&a);
	a = client_talk(fd, "GET /buffer HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 201);
	assert_string_equal(a.body, "{\"handed\":\"over\"}");
	assert_string_equal(client_find_header(&a, "Content-Type", header), "application/json");
	answer_release(&a);
	a = client_talk(fd, "DELETE /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 204);
	assert_null(client_find_header(&a, "Content-Type", header));
	answer_release(&a);
	a = client_talk(fd, "GET /files/css/a%20b.css HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_string_equal(a.body, "css/a b.css");
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

static void requests_that_fit_no_route(void **state)
{
	struct fixture f;
	struct answer a;
	char header[512];

	(void)state;
	start(&f, 1);
	assert_problem(&f, "GET /nowhere HTTP/1.1\r\n", NULL, 0, 404, "no-such-path");
	assert_problem(&f, "GET /echo/ HTTP/1.1\r\n", NULL, 0, 404, "no-such-path");
	assert_problem(&f, "GET /echo/%zz HTTP/1.1\r\n", NULL, 0, 400, "malformed-path");
	assert_problem(&f, "DELETE /echo HTTP/1.1\r\n", NULL, 0, 405, "method-not-allowed");
	assert_problem(&f, "POST /echo HTTP/1.1\r\nContent-Encoding: br\r\n", "x", 1, 415, "unsupported-encoding");
	assert_problem(&f, "GET /echo HTTP/1.1\r\n", "x", 1, 413, "body-too-large");
	a = client_once(f.address, "PUT /echo HTTP/1.1\r\n", "{}", 2);
	assert_int_equal(a.status, 405);
	assert_string_equal(client_find_header(&a, "Allow", header), "GET, HEAD, POST");
	answer_release(&a);
	stop(&f);
}

/* A client that sends all before it reads must still get to read why it was refused. */
static void a_large_body_is_refused_and_the_client_hears_it(void **state)
{
	enum { LARGE = 8 << 20 };
	char *body = calloc(1, LARGE);
	struct fixture f;

	(void)state;
	assert_non_null(body);
	start(&f, 1);
	assert_problem(&f, "POST /echo HTTP/1.1\r\n", body, 100001, 413, "body-too-large");
	assert_problem(&f, "POST /echo HTTP/1.1\r\n", body, LARGE, 413, "body-too-large");
	assert_problem(&f, "POST /nowhere HTTP/1.1\r\n", body, LARGE, 404, "no-such-path");
	stop(&f);
	free(body);
}

static void a_large_body_without_a_length_is_refused_too(void **state)
{
	static const char *const head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	char chunk[10000];
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, head));
	memset(chunk, 'x', sizeof chunk);
	for (int i = 0; i < 11; i++) {
		assert_true(client_send(fd, "2710\r\n", 6));
		assert_true(client_send(fd, chunk, sizeof chunk));
		assert_true(client_send(fd, "\r\n", 2));
	}
	a = client_talk(fd, "0\r\n\r\n");
	assert_int_equal(a.status, 413);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

static void a_client_that_asks_first_need_not_send(void **state)
{
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	a = client_talk(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n");
	assert_int_equal(a.status, 413);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	fd = client_connect(f.address);
	a = client_talk(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	assert_int_equal(a.status, 100);
	answer_release(&a);
	a = client_talk(fd, "ok");
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "ok");
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
}

static void an_answer_may_come_later_from_any_thread(void **state)
{
	struct wb_http_request *r;
	struct fixture f;
	struct answer a;
	int waiting;

	(void)state;
	start(&f, 1);
	waiting = client_connect(f.address);
	assert_true(client_send_text(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	r = take_held(&f, 1);
	assert_int_equal(wb_http_server_pending(f.server), 1);
	/* The one server thread serves others meanwhile. */
	a = client_once(f.address, "GET /echo HTTP/1.1\r\n", NULL, 0);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	wb_http_respond(r, 202, "text/plain", wb_slice_cstr("later"), NULL);
	a = client_read(waiting, true);
	assert_int_equal(a.status, 202);
	assert_string_equal(a.body, "later");
	answer_release(&a);
	/* And the connection is of use again. */
	a = client_talk(waiting, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 200);
	answer_release(&a);
	assert_int_equal(close(waiting), 0);
	stop(&f);
}

static void *race_client(void *arg)
{
	const struct fixture *f = arg;
	int fd = client_connect(f->address);

	for (int i = 0; i < 300; i++) {
		struct answer a = client_talk(fd, "GET /race HTTP/1.1\r\nHost: x\r\n\r\n");

		if (a.status != 202 || strcmp(a.body, "later") != 0)
			abort(); /* not the test's thread: a failed assertion could not be caught */
		answer_release(&a);
	}
	(void)close(fd); /* nothing is lost with it */
	return NULL;
}

static void answers_race_with_the_handlers_return(void **state)
{
	pthread_t clients[4];
	struct fixture f;

	(void)state;
	start(&f, 2);
	for (size_t i = 0; i < WB_ARRAY_LEN(clients); i++)
		assert_int_equal(pthread_create(&clients[i], NULL, race_client, &f), 0);
	for (size_t i = 0; i < WB_ARRAY_LEN(clients); i++)
		assert_int_equal(pthread_join(clients[i], NULL), 0);
	stop(&f);
}

static void a_client_that_went_away_harms_nobody(void **state)
{
	struct wb_http_request *r;
	struct fixture f;
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	r = take_held(&f, 1);
	assert_int_equal(close(fd), 0);
	wb_http_respond(r, 200, "text/plain", wb_slice_cstr("nobody reads this"), NULL);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	/* One that goes in the middle of its body never becomes a request. */
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
	assert_int_equal(close(fd), 0);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(f.held_count, 0);
	stop(&f);
}

/* Promise 9: bodies of all requests together stay within the budget (150,000 here). */
static void two_lengths_are_refused_and_the_connection_ends(void **state)
{
	static const char bytes[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 30\r\n\r\n"
				    "xGET /echo HTTP/1.1\r\nHost: h\r\n\r\n";
	struct fixture f;
	char answer[4096] = "";
	size_t got = 0;
	ssize_t n;
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	assert_int_equal(write(fd, bytes, sizeof bytes - 1), sizeof bytes - 1);
	while ((n = read(fd, answer + got, sizeof answer - 1 - got)) > 0)
		got += (size_t)n;
	assert_int_equal(close(fd), 0);
	assert_non_null(strstr(answer, " 400 "));
	assert_non_null(strstr(answer, "ambiguous-length"));
	assert_null(strstr(answer, " 200 "));
	stop(&f);
}

static void all_bodies_together_stay_within_the_budget(void **state)
{
	char *body = calloc(1, 100000), header[512];
	struct wb_http_request *r;
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	assert_non_null(body);
	start(&f, 1);
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
	assert_true(client_send(fd, body, 100000));
	r = take_held(&f, 1);
	assert_int_equal(wb_http_body(r).len, 100000);
	a = client_once(f.address, "POST /echo HTTP/1.1\r\n", body, 60000);
	assert_int_equal(a.status, 503);
	assert_string_equal(client_find_header(&a, "x-ms-error-code", header), "memory-full");
	assert_true(atoi(client_find_header(&a, "Retry-After", header)) >= 1);
	answer_release(&a);
	a = client_once(f.address, "POST /echo HTTP/1.1\r\n", body, 50000);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	wb_http_respond(r, 200, "text/plain", wb_slice_cstr("done"), NULL);
	a = client_read(fd, true);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	a = client_talk(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"); /* after it the first request is over */
	answer_release(&a);
	a = client_once(f.address, "POST /echo HTTP/1.1\r\n", body, 100000);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	free(body);
}

static void mark(void *flag)
{
	atomic_store((atomic_bool *)flag, true);
}

/* Whoever has seen the beginning of its answer finds the memory that the request held free. */
static void what_a_request_holds_is_let_go_before_its_answer(void **state)
{
	enum { ANSWER = 16 << 20 }; /* more than sockets hold, so the answer is still being sent */
	char *body = calloc(1, ANSWER), first;
	atomic_bool freed = false;
	struct wb_http_request *r;
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	assert_non_null(body);
	start(&f, 1);
	fd = client_connect(f.address);
	assert_true(client_send_text(fd, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
	assert_true(client_send(fd, body, 100000));
	r = take_held(&f, 1);
	wb_http_set_state(r, &freed, mark);
	wb_http_respond(r, 200, "text/plain", wb_slice(body, ANSWER), NULL);
	assert_int_equal(recv(fd, &first, 1, 0), 1);
	assert_true(atomic_load(&freed));
	a = client_once(f.address, "POST /echo HTTP/1.1\r\n", body, 100000);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	stop(&f);
	free(body);
}

/* Promise 12: what is under way is answered, what is new goes elsewhere. */
static void a_stopping_server_answers_what_it_has(void **state)
{
	struct wb_http_request *r;
	char header[512];
	struct fixture f;
	struct answer a;
	int waiting, idle;

	(void)state;
	start(&f, 2);
	idle = client_connect(f.address);
	a = client_talk(idle, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	answer_release(&a);
	waiting = client_connect(f.address);
	assert_true(client_send_text(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	r = take_held(&f, 1);
	wb_http_server_quiesce(f.server);
	wb_http_server_quiesce(f.server);
	assert_int_equal(client_try_connect(f.address), -1);
	a = client_talk(idle, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 503);
	assert_string_equal(client_find_header(&a, "x-ms-error-code", header), "stopping");
	assert_string_equal(client_find_header(&a, "Connection", header), "close");
	answer_release(&a);
	wb_http_respond(r, 200, "text/plain", wb_slice_cstr("in time"), NULL);
	a = client_read(waiting, true);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "in time");
	assert_string_equal(client_find_header(&a, "Connection", header), "close");
	answer_release(&a);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(close(idle), 0);
	assert_int_equal(close(waiting), 0);
	stop(&f);
}

/* Its threads may not have begun yet. */
static void a_server_that_has_just_started_can_be_stopped_at_once(void **state)
{
	struct fixture f;

	(void)state;
	for (int i = 0; i < 20; i++) {
		start(&f, 4);
		if (i % 2) {
			wb_http_server_quiesce(f.server);
			assert_int_equal(client_try_connect(f.address), -1);
		}
		stop(&f);
	}
}

static void requests_are_counted_by_route(void **state)
{
	struct wb_buf page;
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f, 1);
	fd = client_connect(f.address);
	a = client_talk(fd, "GET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n");
	answer_release(&a);
	a = client_talk(fd, "GET /echo/2 HTTP/1.1\r\nHost: x\r\n\r\n");
	answer_release(&a);
	a = client_talk(fd, "GET /else HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 404);
	answer_release(&a);
	a = client_talk(fd, "BREW /else HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 404);
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	wb_buf_init(&page, 100000);
	wb_metrics_render(f.metrics, &page);
	assert_non_null(strstr(page.data,
		"\nwritebehind_http_requests_total{route=\"/echo/{id}\",method=\"GET\",status=\"200\"} 2\n"));
	assert_non_null(strstr(
		page.data, "\nwritebehind_http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 2\n"));
	assert_non_null(strstr(page.data, "\nwritebehind_http_request_seconds_count{route=\"/echo/{id}\"} 2\n"));
	assert_null(strstr(page.data, "/echo/1"));
	wb_buf_release(&page);
	stop(&f);
}

static void bytes_that_are_no_http_do_not_harm(void **state)
{
	static const char *const rude[] = { "\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02",
		"GET * HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n" };
	static const char *const refused[] = { "GET /echo HTTP/9.9\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n" };
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f, 1);
	for (size_t i = 0; i < WB_ARRAY_LEN(rude); i++) {
		fd = client_connect(f.address);
		assert_true(client_send_text(fd, rude[i]));
		assert_int_equal(close(fd), 0);
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(refused); i++) {
		fd = client_connect(f.address);
		a = client_talk(fd, refused[i]);
		assert_true(a.status == 0 || a.status >= 400); /* closed without an answer, or with one that says so */
		answer_release(&a);
		assert_int_equal(close(fd), 0);
	}
	a = client_once(f.address, "GET /echo HTTP/1.1\r\n", NULL, 0);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picked_port_is_told),
		cmocka_unit_test(what_cannot_be_listened_on_is_said),
		cmocka_unit_test(a_handler_sees_the_request),
		cmocka_unit_test(bodies_come_whole),
		cmocka_unit_test(other_forms_of_answers),
		cmocka_unit_test(requests_that_fit_no_route),
		cmocka_unit_test(a_large_body_is_refused_and_the_client_hears_it),
		cmocka_unit_test(a_large_body_without_a_length_is_refused_too),
		cmocka_unit_test(a_client_that_asks_first_need_not_send),
		cmocka_unit_test(an_answer_may_come_later_from_any_thread),
		cmocka_unit_test(answers_race_with_the_handlers_return),
		cmocka_unit_test(a_client_that_went_away_harms_nobody),
		cmocka_unit_test(two_lengths_are_refused_and_the_connection_ends),
		cmocka_unit_test(all_bodies_together_stay_within_the_budget),
		cmocka_unit_test(what_a_request_holds_is_let_go_before_its_answer),
		cmocka_unit_test(a_stopping_server_answers_what_it_has),
		cmocka_unit_test(a_server_that_has_just_started_can_be_stopped_at_once),
		cmocka_unit_test(requests_are_counted_by_route),
		cmocka_unit_test(bytes_that_are_no_http_do_not_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
