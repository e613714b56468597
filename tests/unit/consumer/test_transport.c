#include "transport_fixture.h"

#include "common/base/version.h"

#include <poll.h>

static void reads_status_headers_and_body(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\nX-MS-Substatus: 3200\r\n"
					       "x-ms-retry-after-ms: 17\r\nx-ms-request-charge: 6.25\r\n"
					       "x-ms-activity-id: a-b\r\netag: \"e\"\r\nx-ms-continuation: next\r\n"
					       "x-ms-session-token: 0:-1#5\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, NULL };
	struct client c;
	struct outcome o;
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 4);
	o = exchange(c.t, "POST", "[1]");
	assert_int_equal(o.reply.status, 429);
	assert_int_equal(o.reply.substatus, 3200);
	assert_int_equal(o.reply.retry_after_ms, 17);
	assert_true(o.reply.request_charge == 6.25);
	assert_string_equal(o.reply.activity_id, "a-b");
	assert_string_equal(o.reply.etag, "\"e\"");
	assert_string_equal(o.reply.continuation, "next");
	assert_string_equal(o.reply.session_token, "0:-1#5");
	assert_string_equal(o.body, "{}");
	o = exchange(c.t, "POST", "[2]");
	assert_int_equal(o.reply.status, 200);
	/* Nothing of the reply before is left. */
	assert_int_equal(o.reply.substatus, 0);
	assert_int_equal(o.reply.retry_after_ms, -1);
	assert_string_equal(o.body, "");
	assert_int_equal(atomic_load(&s.connections), 1);
	client_stop(&c);
	server_stop(&s);
}

static void sends_what_the_service_needs(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n", NULL, NULL };
	struct client c;
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 4);
	(void)exchange(c.t, "POST", "{\"id\":\"a\"}");
	assert_int_equal(exchange(c.t, "DELETE", NULL).reply.status, 204);
	client_stop(&c);
	server_stop(&s);
	assert_memory_equal(s.seen, "POST /dbs/d/colls/c/docs HTTP/1.1\r\n", 35);
	assert_non_null(strstr(s.seen, "\r\nauthorization: type%3"));
	assert_non_null(strstr(s.seen, "\r\nx-ms-date: "));
	assert_non_null(strstr(s.seen, "\r\nx-ms-version: 2020-07-15\r\n"));
	assert_non_null(strstr(s.seen, "\r\nx-extra: 1\r\n"));
	assert_non_null(strstr(s.seen, "\r\n\r\n{\"id\":\"a\"}DELETE /dbs/d/colls/c/docs HTTP/1.1\r\n"));
	assert_non_null(strstr(s.seen, "\r\nUser-Agent: writebehind/" WB_VERSION " tester\r\n"));
	assert_null(strstr(s.seen, "Expect:"));
}

static void a_redirect_is_a_reply_and_not_followed(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", NULL, NULL
	};
	struct client c;
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 4);
	assert_int_equal(exchange(c.t, "POST", "x").reply.status, 302);
	client_stop(&c);
	server_stop(&s);
	assert_null(strstr(s.seen, "/elsewhere"));
}

static void a_reply_that_is_cut_short_is_none(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nx-ms-substatus: 5\r\n\r\nshort", NULL, NULL
	};
	struct client c;
	struct outcome o;
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 4);
	o = exchange(c.t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_int_equal(o.reply.substatus, 0);
	assert_true(o.error[0] != '\0');
	client_stop(&c);
	server_stop(&s);
}

static void nobody_listening_is_told_in_words(void **state)
{
	struct client c;
	struct outcome o;

	(void)state;
	client_start(&c, 1, 20000, 4);
	o = exchange(c.t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_false(o.reply.timed_out);
	assert_true(o.error[0] != '\0');
	client_stop(&c);
}

static void silence_ends_in_a_time_out(void **state)
{
	static const char *const answers[] = { NULL, NULL };
	struct client c;
	struct outcome o;
	struct server s;

	(void)state;
	server_start(&s, answers); /* its thread ends; the listener's queue takes the connection */
	client_start(&c, s.port, 100, 4);
	o = exchange(c.t, "POST", "x");
	assert_int_equal(o.reply.status, 0);
	assert_true(o.reply.timed_out);
	client_stop(&c);
	server_stop(&s);
}

static void what_is_in_flight_at_the_end_is_dropped(void **state)
{
	static const char *const answers[] = { NULL, NULL };
	struct wb_request request = { .verb = "GET", .path = "/", .type = "docs", .link = wb_slice_cstr("x") };
	struct client c;
	struct outcome o = { 0 };
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 4);
	wb_transport_send(c.t, &request, take, &o);
	wb_transport_run(c.t, 0);
	wb_transport_wake(c.t);
	wb_transport_run(c.t, 60000); /* woken: it does not last a minute */
	client_stop(&c);
	assert_int_equal(o.count, 0);
	server_stop(&s);
}

/* A server that takes connections and requests and never answers; it tells who hung up. */
struct silence {
	int listener;
	unsigned port;
	atomic_int open, requests;
	atomic_bool stop;
	pthread_t thread;
};

#define SILENT_MAX 8

static void *keep_silent(void *arg)
{
	struct silence *s = arg;
	struct pollfd fds[1 + SILENT_MAX] = { { .fd = s->listener, .events = POLLIN } };
	nfds_t count = 1;
	char bytes[4096];

	while (!atomic_load(&s->stop)) {
		if (poll(fds, count, 20) <= 0)
			continue;
		for (nfds_t i = 1; i < count; i++) {
			ssize_t n = fds[i].revents ? read(fds[i].fd, bytes, sizeof bytes) : -1;

			if (fds[i].revents && n > 0) {
				atomic_fetch_add(&s->requests, 1); /* the tests' are short: one read each */
			} else if (fds[i].revents) {
				(void)close(fds[i].fd);
				fds[i--] = fds[--count];
				atomic_fetch_sub(&s->open, 1);
			}
		}
		if (fds[0].revents && count <= SILENT_MAX) {
			fds[count++] = (struct pollfd){ .fd = accept(s->listener, NULL, NULL), .events = POLLIN };
			atomic_fetch_add(&s->open, 1);
		}
	}
	while (count > 1)
		(void)close(fds[--count].fd);
	return NULL;
}

static void silence_start(struct silence *s)
{
	*s = (struct silence){ .listener = -1 };
	s->listener = listen_on_loopback(&s->port);
	s->thread = wb_thread_start("silence", keep_silent, s);
}

static void silence_stop(struct silence *s)
{
	atomic_store(&s->stop, true);
	wb_thread_join(s->thread);
	(void)close(s->listener);
}

/* Lets the transport work until the server has seen so many requests on so many connections. */
static void until_seen(struct client *c, struct silence *s, int requests, int open)
{
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	while ((atomic_load(&s->requests) != requests || atomic_load(&s->open) != open) &&
		wb_clock_mono_ms() < deadline_ms)
		wb_transport_run(c->t, 20);
	assert_int_equal(atomic_load(&s->requests), requests);
	assert_int_equal(atomic_load(&s->open), open);
}

static void send_one(struct client *c, struct outcome *o)
{
	struct wb_request request = { .verb = "POST",
		.path = "/dbs/d/colls/c/docs",
		.type = "docs",
		.link = wb_slice_cstr("dbs/d/colls/c"),
		.body = wb_slice_cstr("{}") };

	wb_transport_send(c->t, &request, take, o);
}

static void what_hangs_can_be_cut_off(void **state)
{
	struct outcome o[2] = { 0 };
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 4);
	send_one(&c, &o[0]);
	send_one(&c, &o[1]);
	until_seen(&c, &s, 2, 2);
	wb_transport_cancel(c.t, NULL);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(o[i].count, 1);
		assert_int_equal(o[i].reply.status, 0);
		assert_false(o[i].reply.timed_out);
		assert_string_equal(o[i].error, "cut off");
	}
	assert_int_equal(wb_transport_in_flight(c.t), 0);
	until_seen(&c, &s, 2, 0); /* the server sees that we hung up */
	client_stop(&c);
	silence_stop(&s);
}

static bool is_marked(void *request_arg)
{
	return ((struct outcome *)request_arg)->error[0] == '!';
}

static void some_are_cut_off_and_others_go_on(void **state)
{
	struct outcome o[3] = { 0 };
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 4);
	o[1].error[0] = '!';
	for (unsigned i = 0; i < 3; i++)
		send_one(&c, &o[i]);
	until_seen(&c, &s, 3, 3);
	wb_transport_cancel(c.t, is_marked);
	assert_int_equal(o[1].count, 1);
	assert_int_equal(wb_transport_in_flight(c.t), 2);
	until_seen(&c, &s, 3, 2);
	assert_int_equal(o[0].count + o[2].count, 0);
	client_stop(&c);
	silence_stop(&s);
}

/* One that waits for a connection has none to close. */
static void what_was_not_sent_yet_can_be_cut_off(void **state)
{
	struct outcome o[2] = { 0 };
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 1);
	o[1].error[0] = '!';
	send_one(&c, &o[0]);
	until_seen(&c, &s, 1, 1);
	send_one(&c, &o[1]);
	wb_transport_perform(c.t);
	wb_transport_cancel(c.t, is_marked);
	assert_int_equal(o[1].count, 1);
	until_seen(&c, &s, 1, 1);
	wb_transport_cancel(c.t, NULL);
	assert_int_equal(o[0].count, 1);
	client_stop(&c);
	silence_stop(&s);
}

struct again {
	struct client *c;
	struct outcome second;
	int count;
};

static void send_again(void *arg, const struct wb_reply *reply)
{
	struct again *a = arg;

	(void)reply;
	a->count++;
	send_one(a->c, &a->second);
}

static void what_a_callback_sends_is_not_cut_off_with_it(void **state)
{
	struct wb_request request = { .verb = "GET", .path = "/", .type = "docs", .link = wb_slice_cstr("x") };
	struct again a = { 0 };
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 4);
	a.c = &c;
	wb_transport_send(c.t, &request, send_again, &a);
	until_seen(&c, &s, 1, 1);
	wb_transport_cancel(c.t, NULL);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.second.count, 0);
	assert_int_equal(wb_transport_in_flight(c.t), 1);
	until_seen(&c, &s, 2, 1);
	client_stop(&c);
	silence_stop(&s);
}

/* With one connection allowed, the one to the old endpoint must make room. */
static void requests_follow_the_account(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst", NULL, NULL };
	static const char *const others[] = { "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond", NULL, NULL };
	struct server before, after;
	struct client c;
	char moved[64];

	(void)state;
	server_start(&before, answers);
	server_start(&after, others);
	client_start(&c, before.port, 20000, 1);
	assert_string_equal(exchange(c.t, "POST", "x").body, "first");
	(void)snprintf(moved, sizeof moved, "http://127.0.0.1:%u/", after.port);
	assert_true(wb_account_move(&c.account, wb_slice_cstr(moved)));
	assert_string_equal(exchange(c.t, "POST", "x").body, "second");
	client_stop(&c);
	server_stop(&before);
	server_stop(&after);
}

static void verbs_and_types_go_as_they_are(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL,
		NULL };
	static const char *const typed[] = { "content-type: application/json_patch+json", NULL };
	struct wb_request request = { .verb = "PATCH",
		.path = "/x",
		.type = "docs",
		.link = wb_slice_cstr("x"),
		.headers = typed,
		.body = wb_slice_cstr("{}") };
	struct outcome o = { 0 };
	struct server s;
	struct client c;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 1);
	wb_transport_send(c.t, &request, take, &o);
	while (o.count == 0)
		wb_transport_run(c.t, 1000);
	assert_int_equal(o.reply.status, 200);
	assert_int_equal(exchange(c.t, "PUT", "{}").reply.status, 200);
	assert_int_equal(exchange(c.t, "GET", NULL).reply.status, 200);
	client_stop(&c);
	server_stop(&s);
	assert_memory_equal(s.seen, "PATCH /x HTTP/1.1\r\n", 19);
	assert_non_null(strstr(s.seen, "\r\ncontent-type: application/json_patch+json\r\n"));
	assert_non_null(strstr(s.seen, "{}PUT /dbs/d/colls/c/docs HTTP/1.1\r\n"));
	assert_non_null(strstr(s.seen, "{}GET /dbs/d/colls/c/docs HTTP/1.1\r\n"));
	assert_ptr_equal(strstr(s.seen, "Content-Type: application/json\r\n"),
		strstr(strstr(s.seen, "PUT"), "Content-Type: application/json\r\n"));
}

/* Waiting moves no byte, so what was judged before a wait is sent only after it. */
static void waiting_sends_nothing(void **state)
{
	struct outcome o = { 0 };
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 4);
	send_one(&c, &o);
	for (unsigned i = 0; i < 5; i++)
		wb_transport_wait(c.t, 10);
	assert_int_equal(atomic_load(&s.requests), 0);
	until_seen(&c, &s, 1, 1);
	client_stop(&c);
	silence_stop(&s);
}

static bool ask_guard(void *arg)
{
	int *passes = arg;

	return (*passes)-- > 0;
}

static void until_ended(struct client *c, const struct outcome *o)
{
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	while (o->count == 0 && wb_clock_mono_ms() < deadline_ms)
		wb_transport_run(c->t, 20);
	assert_int_equal(o->count, 1);
}

/* The guard is asked when there is a connection, so nothing is held back for good by what was so when it was queued. */
static void what_the_guard_refuses_is_held_back_whole(void **state)
{
	struct outcome refused = { 0 }, let_through = { 0 };
	int passes = 0;
	struct silence s;
	struct client c;

	(void)state;
	silence_start(&s);
	client_start(&c, s.port, 600000, 4);
	wb_transport_guard(c.t, ask_guard, &passes);
	send_one(&c, &refused);
	until_ended(&c, &refused);
	assert_int_equal(refused.reply.status, 0);
	assert_true(refused.reply.held_back);
	assert_false(refused.reply.timed_out);
	assert_int_equal(wb_transport_in_flight(c.t), 0);
	send_one(&c, &let_through);
	passes = 1; /* after it was queued */
	for (int i = 0; i < 1000 && atomic_load(&s.requests) == 0; i++)
		wb_transport_run(c.t, 20);
	assert_int_equal(atomic_load(&s.requests), 1); /* and not the one before */
	assert_int_equal(let_through.count, 0);
	wb_transport_cancel(c.t, NULL);
	assert_false(let_through.reply.held_back); /* something of it was sent */
	client_stop(&c);
	silence_stop(&s);
}

static void a_connection_that_is_used_again_is_guarded_too(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, NULL };
	struct outcome refused = { 0 };
	int passes = 1;
	struct server s;
	struct client c;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 1);
	wb_transport_guard(c.t, ask_guard, &passes);
	assert_int_equal(exchange(c.t, "POST", "first").reply.status, 200);
	send_one(&c, &refused);
	until_ended(&c, &refused);
	assert_true(refused.reply.held_back);
	client_stop(&c);
	server_stop(&s);
	assert_non_null(strstr(s.seen, "first"));
	assert_null(strstr(s.seen, "firstPOST")); /* nothing came after it */
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
		cmocka_unit_test(what_hangs_can_be_cut_off),
		cmocka_unit_test(some_are_cut_off_and_others_go_on),
		cmocka_unit_test(what_was_not_sent_yet_can_be_cut_off),
		cmocka_unit_test(what_a_callback_sends_is_not_cut_off_with_it),
		cmocka_unit_test(requests_follow_the_account),
		cmocka_unit_test(verbs_and_types_go_as_they_are),
		cmocka_unit_test(waiting_sends_nothing),
		cmocka_unit_test(what_the_guard_refuses_is_held_back_whole),
		cmocka_unit_test(a_connection_that_is_used_again_is_guarded_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
