#include "common/base/clock.h"
#include "common/http/server.h"

#include "tests/unit/common/http/client.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { HELD_MAX = 64 };

struct fixture {
	struct wb_http_server *server;
	struct wb_metrics *metrics;
	char address[64];
	pthread_mutex_t lock;
	struct wb_http_request *held[HELD_MAX]; /* under lock */
	atomic_size_t held_count;
};

static void echo(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 200, "text/plain", wb_http_body(r), NULL);
}

static void hold(void *arg, struct wb_http_request *r)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->held[atomic_load(&f->held_count)] = r;
	atomic_fetch_add(&f->held_count, 1);
	pthread_mutex_unlock(&f->lock);
}

static size_t answer_held(struct fixture *f)
{
	size_t count;

	pthread_mutex_lock(&f->lock);
	count = atomic_load(&f->held_count);
	for (size_t i = 0; i < count; i++)
		wb_http_respond(f->held[i], 200, "text/plain", wb_slice_cstr("held"), NULL);
	atomic_store(&f->held_count, 0);
	pthread_mutex_unlock(&f->lock);
	return count;
}

static void wait_for_held(struct fixture *f, size_t count)
{
	while (atomic_load(&f->held_count) < count)
		(void)poll(NULL, 0, 1); /* only waits */
}

static void start(struct fixture *f, unsigned threads, unsigned connections, int64_t header_ms, int64_t idle_ms)
{
	const struct wb_http_route routes[] = {
		{ .method = "GET", .path = "/echo", .handler = echo, .arg = f },
		{ .method = "POST", .path = "/echo", .handler = echo, .arg = f, .max_body_bytes = 1 << 20 },
		{ .method = "GET", .path = "/hold", .handler = hold, .arg = f },
	};
	struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = threads,
		.max_connections = connections,
		.header_timeout_ms = header_ms,
		.idle_timeout_ms = idle_ms,
		.body_budget_bytes = 8 << 20 };
	struct wb_error e = { "" };

	memset(f, 0, sizeof *f);
	assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
	settings.metrics = f->metrics = wb_metrics_new();
	f->server = wb_http_server_new(&settings, &e);
	assert_string_equal(e.text, "");
	(void)snprintf(f->address, sizeof f->address, "%s", wb_http_server_address(f->server));
}

static void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	wb_metrics_free(&f->metrics);
	assert_int_equal(pthread_mutex_destroy(&f->lock), 0);
}

static double shut(const struct fixture *f, const char *reason)
{
	char labels[64];

	(void)snprintf(labels, sizeof labels, "reason=\"%s\"", reason);
	return wb_counter_value(wb_metrics_counter(f->metrics, "writebehind_http_connections_shut_total", "", labels));
}

/* Whether the other side has ended the connection, without waiting longer than that. */
static bool has_ended(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, wait_ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void assert_echoes(int fd)
{
	struct answer a = client_talk(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_int_equal(a.status, 200);
	answer_release(&a);
}

static const char *const slow_starts[] = { "", "GET /ec",
	"GET /echo HTTP/1.1\r\nX: ", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx" };

/* Neither one that keeps its connection nor new ones, without a pause in which slow ones could be told from quick ones. */
static void check_slow_ones(size_t first_start)
{
	enum { SLOW = 1000, ROOM = 100 };
	int slow[SLOW], kept;
	struct fixture f;
	struct answer a;

	start(&f, 2, ROOM, 60000, 60000);
	kept = client_connect(f.address);
	assert_echoes(kept);
	for (size_t i = 0; i < SLOW; i++) {
		size_t start = first_start + i % (WB_ARRAY_LEN(slow_starts) - first_start);

		slow[i] = client_connect(f.address);
		(void)client_send_text(slow[i], slow_starts[start]); /* it may be shut already */
		if (i % 100 == 99) {
			(void)poll(NULL, 0, 10); /* what came within a millisecond is not slow yet */
			assert_echoes(kept);
			a = client_once(f.address, "GET /echo HTTP/1.1\r\n", NULL, 0);
			assert_int_equal(a.status, 200);
			answer_release(&a);
		}
	}
	assert_true(shut(&f, "made-way") > 0);
	for (size_t i = 0; i < SLOW; i++)
		assert_int_equal(close(slow[i]), 0);
	assert_int_equal(close(kept), 0);
	stop(&f);
}

/* Promise: slow ones do not stop a fast one. */
static void many_slow_connections_do_not_stop_a_fast_one(void **state)
{
	(void)state;
	check_slow_ones(0);
}

static void many_slow_bodies_do_not_stop_a_fast_one(void **state)
{
	(void)state;
	check_slow_ones(WB_ARRAY_LEN(slow_starts) - 1);
}

/* Newcomers do not push one another out while most of the room is held by those who come back now and then. */
static void new_ones_have_half_of_the_room(void **state)
{
	int idle[8], late[4];
	struct fixture f;

	(void)state;
	start(&f, 1, 8, 60000, 60000);
	for (size_t i = 0; i < 8; i++) {
		idle[i] = client_connect(f.address);
		assert_echoes(idle[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		late[i] = client_connect(f.address);
		(void)poll(NULL, 0, 10); /* it is accepted */
	}
	for (size_t i = 0; i < 4; i++) {
		assert_echoes(late[i]);
		assert_int_equal(close(late[i]), 0);
	}
	assert_echoes(idle[7]);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(close(idle[i]), 0);
	stop(&f);
}

/* The one that has been idle for longest goes; those that wait for us stay. */
static void the_longest_idle_one_makes_way(void **state)
{
	int waiting, idle[3], late;
	struct fixture f;
	struct answer a;

	(void)state;
	start(&f, 1, 4, 60000, 60000);
	waiting = client_connect(f.address);
	assert_true(client_send_text(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	wait_for_held(&f, 1);
	for (size_t i = 0; i < 3; i++) {
		idle[i] = client_connect(f.address);
		assert_echoes(idle[i]);
		(void)poll(NULL, 0, 5);
	}
	assert_echoes(idle[0]);
	late = client_connect(f.address);
	assert_echoes(late);
	assert_true(has_ended(idle[1], 5000));
	assert_false(has_ended(idle[0], 0));
	assert_false(has_ended(idle[2], 0));
	assert_true(shut(&f, "made-way") == 1);
	(void)answer_held(&f);
	a = client_read(waiting, true);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(close(idle[i]), 0);
	assert_int_equal(close(late), 0);
	assert_int_equal(close(waiting), 0);
	stop(&f);
}

static void where_all_wait_for_us_a_new_one_is_refused(void **state)
{
	int waiting[4], late;
	struct fixture f;

	(void)state;
	start(&f, 1, 4, 60000, 60000);
	for (size_t i = 0; i < 4; i++) {
		waiting[i] = client_connect(f.address);
		assert_true(client_send_text(waiting[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
		wait_for_held(&f, i + 1);
	}
	late = client_connect(f.address);
	assert_true(has_ended(late, 5000));
	assert_int_equal(close(late), 0);
	assert_true(shut(&f, "no-room") == 1);
	(void)answer_held(&f);
	for (size_t i = 0; i < 4; i++) {
		struct answer a = client_read(waiting[i], true);

		assert_int_equal(a.status, 200);
		answer_release(&a);
	}
	late = client_connect(f.address);
	assert_echoes(late);
	assert_int_equal(close(late), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(close(waiting[i]), 0);
	stop(&f);
}

/* Byte by byte: something always comes, but never the whole header. */
static void a_header_has_its_time(void **state)
{
	static const char text[] =
		"GET /echo HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	int64_t begun_ms;
	struct fixture f;
	int silent, dripping, idle;

	(void)state;
	start(&f, 1, 10, 400, 60000);
	idle = client_connect(f.address);
	assert_echoes(idle);
	begun_ms = wb_clock_mono_ms();
	silent = client_connect(f.address);
	dripping = client_connect(f.address);
	for (size_t i = 0; !has_ended(dripping, 20); i++) {
		assert_true(i < sizeof text - 1);
		(void)client_send(dripping, text + i, 1);
	}
	assert_true(wb_clock_mono_ms() - begun_ms >= 390);
	assert_true(has_ended(silent, 5000));
	assert_true(shut(&f, "header-timeout") == 2);
	/* One between two requests may be silent for longer, but not within a header. */
	assert_echoes(idle);
	assert_true(client_send_text(idle, "GET /echo HTTP/1.1\r\nX:"));
	assert_true(has_ended(idle, 5000));
	assert_true(shut(&f, "header-timeout") == 3);
	assert_int_equal(close(silent), 0);
	assert_int_equal(close(dripping), 0);
	assert_int_equal(close(idle), 0);
	stop(&f);
}

static void an_idle_connection_ends(void **state)
{
	int64_t begun_ms;
	struct fixture f;
	struct answer a;
	int idle, body, waiting;

	(void)state;
	start(&f, 1, 10, 60000, 1000);
	idle = client_connect(f.address);
	body = client_connect(f.address);
	waiting = client_connect(f.address);
	assert_true(client_send_text(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_true(client_send_text(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"));
	assert_echoes(idle);
	begun_ms = wb_clock_mono_ms();
	assert_true(has_ended(idle, 10000));
	assert_true(wb_clock_mono_ms() - begun_ms >= 900);
	assert_true(has_ended(body, 10000));
	/* Waiting for us is not being idle. */
	(void)answer_held(&f);
	a = client_read(waiting, true);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	assert_int_equal(close(idle), 0);
	assert_int_equal(close(body), 0);
	assert_int_equal(close(waiting), 0);
	stop(&f);
}

static void what_is_under_way_when_it_stops_is_finished(void **state)
{
	struct fixture f;
	struct answer a;
	char header[512];
	int held, body, queued;

	(void)state;
	start(&f, 2, 10, 60000, 60000);
	held = client_connect(f.address);
	assert_true(client_send_text(held, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
	wait_for_held(&f, 1);
	body = client_connect(f.address);
	assert_true(client_send_text(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"));
	while (wb_http_server_pending(f.server) < 2)
		(void)poll(NULL, 0, 1); /* only waits */
	queued = client_connect(f.address);
	wb_http_server_quiesce(f.server);
	assert_int_equal(client_try_connect(f.address), -1);
	assert_int_equal(wb_http_server_pending(f.server), 2);
	a = client_talk(body, "67890");
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "1234567890");
	assert_string_equal(client_find_header(&a, "Connection", header), "close");
	answer_release(&a);
	/* One that had connected, but not asked, is told. */
	a = client_talk(queued, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(a.status, 503);
	answer_release(&a);
	(void)answer_held(&f);
	a = client_read(held, true);
	assert_int_equal(a.status, 200);
	answer_release(&a);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(close(held), 0);
	assert_int_equal(close(body), 0);
	assert_int_equal(close(queued), 0);
	stop(&f);
}

static int status_of(const struct fixture *f, const char *before, size_t fill, const char *after)
{
	char *text = calloc(1, fill + 200);
	int fd = client_connect(f->address), status;
	size_t used = strlen(before);
	struct answer a;

	assert_non_null(text);
	memcpy(text, before, used);
	memset(text + used, 'x', fill);
	(void)snprintf(text + used + fill, 200, "%s", after);
	(void)client_send_text(fd, text); /* it may be refused on the way */
	a = client_read(fd, true);
	status = a.status;
	answer_release(&a);
	assert_int_equal(close(fd), 0);
	free(text);
	return status;
}

static void request_lines_and_headers_have_a_limit(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 1, 10, 60000, 60000);
	assert_int_equal(status_of(&f, "GET /echo?q=", 8000, " HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_int_equal(status_of(&f, "GET /echo HTTP/1.1\r\nHost: x\r\nX: ", 8000, "\r\n\r\n"), 200);
	assert_int_equal(status_of(&f, "GET /echo?q=", 40000, " HTTP/1.1\r\nHost: x\r\n\r\n"), 414);
	assert_int_equal(status_of(&f, "GET /echo HTTP/1.1\r\nHost: x\r\nX: ", 40000, "\r\n\r\n"), 431);
	stop(&f);
}

struct chatter {
	const struct fixture *f;
	size_t requests;
};

static void *chat(void *arg)
{
	const struct chatter *c = arg;
	int fd = client_connect(c->f->address);

	for (size_t i = 0; i < c->requests; i++) {
		struct answer a = client_talk(
			fd, i % 2 ? "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");

		if (a.status != 200)
			abort(); /* not the test's thread: a failed assertion could not be caught */
		answer_release(&a);
	}
	(void)close(fd); /* nothing is lost with it */
	return NULL;
}

/* Several loops, answers from their own threads and from this one. */
static void connections_are_spread_over_the_threads(void **state)
{
	enum { CLIENTS = 12, REQUESTS = 60 };
	pthread_t clients[CLIENTS];
	struct chatter c = { .requests = REQUESTS };
	struct fixture f;
	size_t answered = 0;

	(void)state;
	start(&f, 3, 30, 60000, 60000);
	c.f = &f;
	for (size_t i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i], NULL, chat, &c), 0);
	while (answered < CLIENTS * REQUESTS / 2) {
		answered += answer_held(&f);
		(void)sched_yield();
	}
	for (size_t i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_join(clients[i], NULL), 0);
	stop(&f);
}

/* In a process of its own, as a hard limit cannot be raised again. */
static void a_limit_of_files_that_is_too_low_is_told(void **state)
{
	const struct wb_http_settings model = {
		.listen = "127.0.0.1:0", .threads = 1, .max_connections = 5000, .idle_timeout_ms = 1000
	};
	int told[2], status;
	char text[2000] = "";
	pid_t child;

	(void)state;
	assert_int_equal(pipe(told), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct wb_http_settings settings = model;
		const struct rlimit raised = { .rlim_cur = 1000, .rlim_max = 8000 };
		const struct rlimit low = { .rlim_cur = 1000, .rlim_max = 2000 };
		struct wb_http_server *s;
		struct rlimit now;
		struct wb_error e;

		settings.log = wb_log_new("test", told[1], WB_LOG_INFO, WB_LOG_LOGFMT);
		if (setrlimit(RLIMIT_NOFILE, &raised) != 0 || !(s = wb_http_server_new(&settings, &e)))
			_exit(1);
		wb_http_server_free(&s);
		if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur < 5000)
			_exit(2);
		if (write(told[1], "|", 1) != 1 || setrlimit(RLIMIT_NOFILE, &low) != 0 ||
			!(s = wb_http_server_new(&settings, &e)))
			_exit(3);
		wb_http_server_free(&s);
		_exit(0);
	}
	assert_int_equal(close(told[1]), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(read(told[0], text, sizeof text - 1) > 0);
	assert_int_equal(text[0], '|');
	assert_non_null(strstr(text, "limit of open files"));
	assert_non_null(strstr(text, "wanted=5000 possible=1488"));
	assert_int_equal(close(told[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_slow_connections_do_not_stop_a_fast_one),
		cmocka_unit_test(many_slow_bodies_do_not_stop_a_fast_one),
		cmocka_unit_test(new_ones_have_half_of_the_room),
		cmocka_unit_test(the_longest_idle_one_makes_way),
		cmocka_unit_test(where_all_wait_for_us_a_new_one_is_refused),
		cmocka_unit_test(a_header_has_its_time),
		cmocka_unit_test(an_idle_connection_ends),
		cmocka_unit_test(what_is_under_way_when_it_stops_is_finished),
		cmocka_unit_test(request_lines_and_headers_have_a_limit),
		cmocka_unit_test(connections_are_spread_over_the_threads),
		cmocka_unit_test(a_limit_of_files_that_is_too_low_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
