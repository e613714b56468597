#include "tests/unit/common/http/bodies.h"

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

/* It had stalled, and finds the bad line in what came meanwhile. */
static void a_sink_may_refuse_when_it_goes_on(void **state)
{
	char *text = make_text(30000);
	struct fixture f;
	struct answer a;
	int fd;

	(void)state;
	start(&f);
	f.refuse_at = 10;
	for (int i = 0; i < 8; i++) {
		f.leave_alone = true;
		fd = client_connect(f.address);
		if (i & 1) {
			assert_true(client_send_text(
				fd, "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n"));
			assert_true(client_send(fd, text, 30000));
			assert_true(client_send_text(fd, "\r\n"));
		} else {
			assert_true(client_send_text(fd,
				i & 2 ? "POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n"
				      : "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n"));
			assert_true(client_send(fd, text, 30000));
		}
		wait_for(&f.begun, i + 1);
		(void)poll(NULL, 0, 20); /* so that it mostly stalled; if not the test is weaker */
		pthread_mutex_lock(&f.lock);
		f.stream->allowed = 20000;
		wb_http_body_resume(f.stream->r);
		pthread_mutex_unlock(&f.lock);
		a = client_read(fd, true);
		assert_int_equal(a.status, 400);
		assert_string_equal(a.body, "bad line");
		answer_release(&a);
		assert_int_equal(close(fd), 0);
		wait_for(&f.freed, i + 1);
	}
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 0);
	free(text);
}

struct refuser {
	struct fixture *f;
	int delay;
	bool refused;
	atomic_bool stop;
};

/* Answers the stream that is under way some time after it has begun. */
static void *refuse_stream(void *arg)
{
	struct refuser *r = arg;

	for (int left = r->delay; !r->refused && !atomic_load(&r->stop);) {
		pthread_mutex_lock(&r->f->lock);
		if (r->f->stream && left-- == 0) {
			wb_http_respond(r->f->stream->r, 503, "text/plain", wb_slice_cstr("gone"), NULL);
			r->f->stream = NULL;
			r->refused = true;
		}
		pthread_mutex_unlock(&r->f->lock);
	}
	return NULL;
}

/* At any moment of a body that comes quickly; all of it has been sent, so nothing else makes the server look. */
static void a_refusal_by_another_thread_is_never_overlooked(void **state)
{
	enum { LEN = 400000 };
	char *text = make_text(LEN);
	struct fixture f;
	struct answer a;
	int fd, refused = 0;

	(void)state;
	start(&f);
	for (int i = 0; i < 300; i++) {
		struct refuser r = { .f = &f, .delay = i % 30 };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, refuse_stream, &r), 0);
		fd = client_connect(f.address);
		assert_true(client_send_text(fd, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"));
		assert_true(client_send(fd, text, LEN));
		a = client_read(fd, true);
		atomic_store(&r.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(a.status, r.refused ? 503 : 200);
		refused += r.refused;
		answer_release(&a);
		assert_int_equal(close(fd), 0);
	}
	assert_true(refused > 0);
	stop(&f);
	free(text);
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

static void what_others_may_read_otherwise_is_refused(void **state)
{
	static const struct {
		const char *fields, *status;
	} rows[] = {
		{ "Host: x\r\nTransfer-Encoding: xchunked\r\n", "501" },
		{ "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", "501" },
		{ "Host: x\r\nContent-Length : 5\r\n", "400" },
		{ "", "400" },
	};
	char request[256], answer[16];
	struct fixture f;
	int fd;

	(void)state;
	start(&f);
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		(void)snprintf(request, sizeof request, "POST /gather HTTP/1.1\r\n%s\r\n", rows[i].fields);
		fd = client_connect(f.address);
		assert_true(client_send_text(fd, request));
		assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
		assert_memory_equal(answer + 9, rows[i].status, 3);
		assert_int_equal(close(fd), 0);
	}
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
		cmocka_unit_test(a_sink_may_refuse_when_it_goes_on),
		cmocka_unit_test(a_refusal_by_another_thread_is_never_overlooked),
		cmocka_unit_test(a_body_given_away_stays_charged_until_it_is_freed),
		cmocka_unit_test(requests_may_be_sent_all_at_once),
		cmocka_unit_test(what_others_may_read_otherwise_is_refused),
		cmocka_unit_test(a_length_beside_chunks_is_ambiguous),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
