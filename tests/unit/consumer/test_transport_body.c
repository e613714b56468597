#include "transport_fixture.h"

/* A text that is given out in pieces. */
struct text {
	const char *whole, *at;
	int rewound;
};

static size_t read_text(void *arg, char *to, size_t room)
{
	struct text *x = arg;
	size_t left = strlen(x->at), n = left < room ? left : room;

	memcpy(to, x->at, n);
	x->at += n;
	return n;
}

static void rewind_text(void *arg)
{
	struct text *x = arg;

	x->at = x->whole;
	x->rewound++;
}

static struct outcome exchange_text(struct wb_transport *t, struct text *x)
{
	struct wb_body_reader reader = {
		.bytes = strlen(x->whole), .read = read_text, .rewind = rewind_text, .arg = x
	};

	x->at = x->whole;
	return exchange_request(t, (struct wb_request){ .verb = "POST", .reader = &reader });
}

/* Among others with a body in one piece, and with none. */
static void a_body_can_be_read_while_it_is_sent(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n", NULL, NULL };
	struct text text = { .whole = "{\"from\":\"a reader\"}" };
	struct client c;
	struct server s;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 1);
	assert_int_equal(exchange(c.t, "POST", "[1]").reply.status, 200);
	assert_int_equal(exchange_text(c.t, &text).reply.status, 201);
	assert_int_equal(exchange(c.t, "GET", NULL).reply.status, 202);
	assert_int_equal(exchange(c.t, "POST", "[2]").reply.status, 203);
	client_stop(&c);
	server_stop(&s);
	assert_int_equal(text.rewound, 0);
	assert_non_null(strstr(s.seen, "\r\nContent-Length: 19\r\n"));
	assert_non_null(strstr(s.seen, "\r\n\r\n[1]POST "));
	assert_non_null(strstr(s.seen, "\r\n\r\n{\"from\":\"a reader\"}GET "));
	assert_non_null(strstr(s.seen, "\r\n\r\n[2]"));
	assert_non_null(strstr(s.seen, "\r\nContent-Type: application/json\r\n"));
}

static void it_is_read_again_when_its_connection_turns_out_to_be_closed(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL,
		"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n", NULL, NULL };
	struct text text = { .whole = "{\"from\":\"a reader\"}" };
	struct client c;
	struct server s;
	char *again;

	(void)state;
	server_start(&s, answers);
	client_start(&c, s.port, 20000, 1);
	assert_int_equal(exchange(c.t, "POST", "[1]").reply.status, 200);
	assert_int_equal(exchange_text(c.t, &text).reply.status, 201);
	client_stop(&c);
	server_stop(&s);
	assert_int_equal(text.rewound, 1);
	assert_int_equal(atomic_load(&s.connections), 2);
	again = strstr(s.seen, text.whole);
	assert_non_null(again);
	assert_non_null(strstr(again + 1, text.whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_can_be_read_while_it_is_sent),
		cmocka_unit_test(it_is_read_again_when_its_connection_turns_out_to_be_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
