#include "sandbox/web_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Parses a head from memory that ends right behind it, so that a sanitizer sees a read too far. */
static int64_t parse(const char *text, struct wb_web_request *r, unsigned *status)
{
	static char *copy;
	size_t len = strlen(text);

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	*status = 0;
	return wb_web_head_parse(wb_slice(copy, len), r, status);
}

static void a_head_is_taken_apart(void **state)
{
	struct wb_web_request r;
	unsigned status;
	const char *head = "POST /dbs/a%20b/colls?x=1&yy=2&y=%33 HTTP/1.1\r\nHost: h\r\nX-A:  b c \t\r\n"
			   "content-LENGTH: 12\r\nExpect: 100-continue\r\n\r\n";

	(void)state;
	assert_int_equal(parse(head, &r, &status), strlen(head));
	assert_true(wb_slice_eq_cstr(r.method, "POST"));
	assert_true(wb_slice_eq_cstr(r.path, "/dbs/a%20b/colls"));
	assert_true(wb_slice_eq_cstr(wb_web_header(&r, "x-a"), "b c"));
	assert_null(wb_web_header(&r, "x-").data);
	assert_int_equal(r.content_length, 12);
	assert_true(r.keep_alive && r.expect_continue && !r.chunked);
	assert_true(wb_slice_eq_cstr(wb_web_query(&r, "y"), "%33"));
	assert_true(wb_slice_eq_cstr(wb_web_query(&r, "x"), "1"));
	assert_null(wb_web_query(&r, "z").data);
}

static void half_a_head_waits_for_more(void **state)
{
	const char *head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	struct wb_web_request r;
	unsigned status;
	char part[64];

	(void)state;
	for (size_t n = 0; n < strlen(head); n++) {
		(void)snprintf(part, sizeof part, "%.*s", (int)n, head);
		assert_int_equal(parse(part, &r, &status), 0);
	}
	assert_int_equal(parse(head, &r, &status), strlen(head));
}

static void bad_heads_are_refused(void **state)
{
	static const struct {
		const char *head;
		unsigned status;
	} cases[] = {
		{ "\r\n\r\n", 400 },
		{ "GET\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\n\r\n", 505 },
		{ "GET x HTTP/1.1\r\n\r\n", 400 },
		{ "G T / HTTP/1.1\r\n\r\n", 400 },
		{ "GET /\x01 HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\n\r\n", 505 },
		{ "GET / HTTP/1.2\r\n\r\n", 505 },
		{ "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nName : v\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n folded: v\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n: v\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\na: v\rw\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\na: v\nb: w\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	};
	struct wb_web_request r;
	unsigned status;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (parse(cases[i].head, &r, &status) != -1 || status != cases[i].status)
			fail_msg("%s: %u", cases[i].head, status);
	}
}

static void a_head_has_a_largest_size_and_a_most_of_headers(void **state)
{
	static char head[WB_WEB_HEAD_MAX + 100];
	struct wb_web_request r;
	unsigned status;
	int at = sprintf(head, "GET / HTTP/1.1\r\n");

	(void)state;
	for (int i = 0; i <= WB_WEB_HEADERS_MAX; i++)
		at += sprintf(head + at, "a: b\r\n");
	(void)sprintf(head + at, "\r\n");
	assert_int_equal(parse(head, &r, &status), -1);
	assert_int_equal(status, 431);
	memset(head, 'a', sizeof head - 1);
	assert_int_equal(parse(head, &r, &status), -1);
	assert_int_equal(status, 431);
}

static void connection_and_version_decide_about_keeping(void **state)
{
	struct wb_web_request r;
	unsigned status;

	(void)state;
	assert_true(parse("GET / HTTP/1.0\r\n\r\n", &r, &status) > 0);
	assert_false(r.keep_alive);
	assert_true(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &r, &status) > 0);
	assert_true(r.keep_alive);
	assert_true(parse("GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n", &r, &status) > 0);
	assert_false(r.keep_alive);
}

/* Decodes text in pieces of step bytes, in place. Returns the last verdict, with the body in body. */
static int decode(const char *text, size_t step, char *body, size_t *body_len)
{
	struct wb_web_chunks c = { 0 };
	size_t len = strlen(text), at = 0;
	int done = 0;

	*body_len = 0;
	while (at < len && done == 0) {
		size_t used = 0, n = len - at < step ? len - at : step;

		memcpy(body + *body_len, text + at, n);
		done = wb_web_chunks_decode(&c, body + *body_len, n, body, body_len, &used);
		at += used;
	}
	return done;
}

static void chunks_are_joined_however_they_come(void **state)
{
	const char *text = "5\r\nhello\r\n6;ext=\"x\"\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
	char body[256];
	size_t len;

	(void)state;
	for (size_t step = 1; step <= strlen(text); step++) {
		assert_int_equal(decode(text, step, body, &len), 1);
		assert_int_equal(len, 11);
		assert_memory_equal(body, "hello world", 11);
	}
}

static void bad_chunks_are_refused(void **state)
{
	static const char *const bad[] = { "\r\n", "x\r\n", "fffffffff\r\n", "1\r\nab", "-1\r\n" };
	char body[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(decode(bad[i], 1, body, &len), -1);
}

static void chunk_extensions_and_trailers_are_bounded(void **state)
{
	static char text[8192], body[16384];
	size_t len;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[0] = '1';
	text[1] = ';';
	assert_int_equal(decode(text, 100, body, &len), -1);
	memcpy(text, "0\r\n", 3);
	assert_int_equal(decode(text, 100, body, &len), -1);
}

static void percent_escapes_are_decoded(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(wb_web_percent_decode(wb_slice_cstr("a%20b%C3%a9"), out), 5);
	assert_memory_equal(out, "a b\xc3\xa9", 5);
	assert_int_equal(wb_web_percent_decode(wb_slice_cstr("%"), out), SIZE_MAX);
	assert_int_equal(wb_web_percent_decode(wb_slice_cstr("%4"), out), SIZE_MAX);
	assert_int_equal(wb_web_percent_decode(wb_slice_cstr("%zz"), out), SIZE_MAX);
	assert_int_equal(wb_web_percent_decode(wb_slice_cstr("%00"), out), SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(half_a_head_waits_for_more),
		cmocka_unit_test(bad_heads_are_refused),
		cmocka_unit_test(a_head_has_a_largest_size_and_a_most_of_headers),
		cmocka_unit_test(connection_and_version_decide_about_keeping),
		cmocka_unit_test(chunks_are_joined_however_they_come),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(chunk_extensions_and_trailers_are_bounded),
		cmocka_unit_test(percent_escapes_are_decoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
