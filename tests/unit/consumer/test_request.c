#include "consumer/request.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "consumer/bulk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The two facts of a container that a request needs, in place of the metadata's. */
struct wb_container {
	const char *docs_path, *link;
};

static const struct wb_container orders = { "/dbs/my%20db/colls/orders/docs", "dbs/my db/colls/orders" };

struct wb_slice wb_container_link(const struct wb_container *c)
{
	return wb_slice_cstr(c->link);
}

const char *wb_container_docs_path(const struct wb_container *c)
{
	return c->docs_path;
}

/* A server that answers every request alike and keeps what it was sent. */
struct fixture {
	int listener;
	pthread_t thread;
	pthread_mutex_t lock; /* of seen, which belongs to the server until the reply and to the test after it */
	char seen[256 * 1024];
	char endpoint[64];
	struct wb_account account;
	struct wb_cosmos_options options;
	struct wb_transport *transport;
	bool replied;
};

/* Reads one request with its body; false when the client went away. */
static bool read_request(int fd, char *text, size_t size)
{
	for (size_t len = 0;;) {
		ssize_t n = read(fd, text + len, size - 1 - len);
		char *end, *length;

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strstr(text, "Content-Length: ");
		if (end && (!length || (size_t)(text + len - (end + 4)) >= strtoul(length + 16, NULL, 10)))
			return true;
	}
}

static void pass_on(struct fixture *f, const char *text)
{
	assert_int_equal(pthread_mutex_lock(&f->lock), 0);
	strcpy(f->seen, text);
	assert_int_equal(pthread_mutex_unlock(&f->lock), 0);
}

static void *serve(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	struct fixture *f = arg;
	char *text = wb_xmalloc(sizeof f->seen);
	int fd;

	while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
		while (read_request(fd, text, sizeof f->seen)) {
			pass_on(f, text);
			if (write(fd, answer, sizeof answer - 1) != (ssize_t)sizeof answer - 1)
				break;
		}
		(void)close(fd);
	}
	free(text);
	return NULL;
}

static int set_up(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	struct fixture *f = wb_xcalloc(1, sizeof *f);

	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
	f->thread = wb_thread_start("server", serve, f);
	(void)snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%u", ntohs(at.sin_port));
	f->options = (struct wb_cosmos_options){
		.request_timeout_ms = 20000, .connect_timeout_ms = 20000, .endpoint = f->endpoint
	};
	memset(f->options.key.bytes, 7, 64);
	f->options.key.len = 64;
	wb_account_init(&f->account, f->endpoint);
	f->transport = wb_transport_new(&f->options, &f->account, "test", 2, NULL);
	assert_non_null(f->transport);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	wb_transport_free(&f->transport);
	wb_account_release(&f->account);
	(void)shutdown(f->listener, SHUT_RDWR);
	wb_thread_join(f->thread);
	(void)close(f->listener);
	assert_int_equal(pthread_mutex_destroy(&f->lock), 0);
	free(f);
	return 0;
}

static void take(void *arg, const struct wb_reply *reply)
{
	struct wb_batch *batch = arg;
	struct fixture *f = batch->sender;

	assert_int_equal(reply->status, 200);
	f->replied = true;
}

/* Sends the batch and waits for its reply; what the server saw is in f->seen then. */
static void send_batch(struct fixture *f, struct wb_batch *batch)
{
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	f->replied = false;
	pass_on(f, "");
	batch->sender = f;
	wb_request_send(f->transport, batch, take);
	while (!f->replied && wb_clock_mono_ms() < deadline_ms)
		wb_transport_run(f->transport, 1000);
	assert_true(f->replied);
	assert_int_equal(pthread_mutex_lock(&f->lock), 0);
	assert_int_equal(pthread_mutex_unlock(&f->lock), 0);
}

static void send_point(struct fixture *f, struct wb_write *w)
{
	struct wb_batch batch = { .point = true };

	w->container = &orders;
	wb_list_push(&batch.writes, &w->link);
	send_batch(f, &batch);
}

static void assert_line(const struct fixture *f, const char *line)
{
	char whole[256];

	(void)snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
	if (!strstr(f->seen, whole))
		fail_msg("no '%s' in:\n%s", line, f->seen);
}

static void assert_none(const struct fixture *f, const char *name)
{
	char begin[256];

	(void)snprintf(begin, sizeof begin, "\r\n%s:", name);
	if (strcasestr(f->seen, begin))
		fail_msg("'%s' in:\n%s", name, f->seen);
}

static void assert_begins(const struct fixture *f, const char *request_line)
{
	if (strncmp(f->seen, request_line, strlen(request_line)) != 0)
		fail_msg("no '%s' in:\n%s", request_line, f->seen);
}

static void assert_body(const struct fixture *f, const char *body)
{
	assert_string_equal(strstr(f->seen, "\r\n\r\n") + 4, body);
}

static void a_bulk_names_its_range(void **state)
{
	struct wb_range *range = wb_xcalloc(1, sizeof *range);
	struct wb_batch batch = { .range = range };
	struct wb_write w = { .pk_text = wb_slice_cstr("[1]"), .document = wb_slice_cstr("{\"id\":\"a\"}") };
	struct fixture *f = *state;

	range->container = &orders;
	memset(range->id, '7', sizeof range->id - 1);
	wb_list_push(&batch.writes, &w.link);
	wb_bulk_init(&batch.body, 4096);
	wb_bulk_write(&batch.body, &batch.writes);
	send_batch(f, &batch);
	assert_begins(f, "POST /dbs/my%20db/colls/orders/docs HTTP/1.1\r\n");
	assert_line(f, "x-ms-cosmos-is-batch-request: true");
	assert_line(f, "x-ms-cosmos-batch-atomic: false");
	assert_line(f, "x-ms-cosmos-batch-continue-on-error: true");
	assert_line(f,
		"x-ms-documentdb-partitionkeyrangeid: 777777777777777777777777777777777777777777777777777777777777777");
	assert_line(f, "Content-Type: application/json");
	assert_none(f, "x-ms-documentdb-partitionkey");
	assert_none(f, "x-ms-documentdb-is-upsert");
	assert_body(f,
		"[{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"a\"},"
		"\"minimalReturnPreference\":true}]");
	wb_bulk_release(&batch.body);
	free(range);
}

static void an_upsert_is_a_post_that_says_so(void **state)
{
	struct wb_write w = { .op = WB_OP_UPSERT,
		.pk_text = wb_slice_cstr("[\"\\u00e4\"]"),
		.document = wb_slice_cstr("{ \"id\":\"a\" }") };
	struct fixture *f = *state;

	send_point(f, &w);
	assert_begins(f, "POST /dbs/my%20db/colls/orders/docs HTTP/1.1\r\n");
	assert_line(f, "x-ms-documentdb-is-upsert: true");
	assert_line(f, "x-ms-documentdb-partitionkey: [\"\\u00e4\"]");
	assert_line(f, "Prefer: return=minimal");
	assert_line(f, "Content-Type: application/json");
	assert_none(f, "x-ms-cosmos-is-batch-request");
	assert_none(f, "If-Match");
	assert_none(f, "If-None-Match");
	assert_body(f, "{ \"id\":\"a\" }");
}

static void a_create_is_a_post_alone(void **state)
{
	struct wb_write create = {
		.op = WB_OP_CREATE, .pk_text = wb_slice_cstr("[1]"), .document = wb_slice_cstr("{}")
	};
	struct wb_write upsert = create;
	struct fixture *f = *state;

	send_point(f, &create);
	assert_begins(f, "POST /dbs/my%20db/colls/orders/docs HTTP/1.1\r\n");
	assert_none(f, "x-ms-documentdb-is-upsert");
	assert_line(f, "x-ms-documentdb-partitionkey: [1]");
	/* What an upsert with * asks for is a create. */
	upsert.op = WB_OP_UPSERT;
	upsert.if_none_match = wb_slice_cstr("*");
	upsert.conditional = true;
	upsert.link = (struct wb_link){ 0 };
	send_point(f, &upsert);
	assert_none(f, "x-ms-documentdb-is-upsert");
	assert_none(f, "If-None-Match");
}

static void an_operation_on_an_item_names_it_in_the_path(void **state)
{
	const struct {
		enum wb_op op;
		const char *line;
	} rows[] = {
		{ WB_OP_REPLACE, "PUT /dbs/my%20db/colls/orders/docs/a%20b%C3%A4%2B HTTP/1.1\r\n" },
		{ WB_OP_DELETE, "DELETE /dbs/my%20db/colls/orders/docs/a%20b%C3%A4%2B HTTP/1.1\r\n" },
		{ WB_OP_PATCH, "PATCH /dbs/my%20db/colls/orders/docs/a%20b%C3%A4%2B HTTP/1.1\r\n" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_write w = { .op = rows[i].op,
			.id = wb_slice_cstr("a b\xc3\xa4+"),
			.pk_text = wb_slice_cstr("[\"t\",7]"),
			.if_match = wb_slice_cstr("\"0000-1\""),
			.conditional = true };

		if (w.op != WB_OP_DELETE)
			w.document = wb_slice_cstr("{\"operations\":[]}");
		send_point(f, &w);
		assert_begins(f, rows[i].line);
		assert_line(f, "x-ms-documentdb-partitionkey: [\"t\",7]");
		assert_line(f, "If-Match: \"0000-1\"");
		assert_none(f, "x-ms-documentdb-is-upsert");
		assert_body(f, w.document.data ? w.document.data : "");
	}
}

static void a_patch_has_a_type_of_its_own(void **state)
{
	struct wb_write w = { .op = WB_OP_PATCH,
		.id = wb_slice_cstr("a"),
		.pk_text = wb_slice_cstr("[1]"),
		.document = wb_slice_cstr("[{\"op\":\"remove\",\"path\":\"/x\"}]") };
	struct fixture *f = *state;

	send_point(f, &w);
	assert_line(f, "Content-Type: application/json_patch+json");
	assert_null(strstr(f->seen, "Content-Type: application/json\r\n"));
	assert_body(f, "[{\"op\":\"remove\",\"path\":\"/x\"}]");
}

static void conditions_of_an_upsert_are_headers(void **state)
{
	struct wb_write w = { .op = WB_OP_UPSERT,
		.pk_text = wb_slice_cstr("[1]"),
		.document = wb_slice_cstr("{}"),
		.if_none_match = wb_slice_cstr("\"0000-2\""),
		.conditional = true };
	struct fixture *f = *state;

	send_point(f, &w);
	assert_line(f, "If-None-Match: \"0000-2\"");
	assert_line(f, "x-ms-documentdb-is-upsert: true");
	assert_none(f, "If-Match");
}

static void a_reading_is_bare_whatever_the_write(void **state)
{
	struct fixture *f = *state;

	for (int op = WB_OP_UPSERT; op <= WB_OP_PATCH; op++) {
		char token[] = "0:-1#7";
		struct wb_write_failure failure = { .session_token = token };
		struct wb_write w = { .op = (enum wb_op)op,
			.step = WB_STEP_READ,
			.failure = op == WB_OP_CREATE ? &failure : NULL,
			.id = wb_slice_cstr("a"),
			.pk_text = wb_slice_cstr("[{}]"),
			.document = wb_slice_cstr("{}"),
			.if_match = wb_slice_cstr("\"1\""),
			.conditional = true };

		if (op == WB_OP_UPSERT) {
			w.if_none_match = wb_slice_cstr("*");
			w.if_match = (struct wb_slice){ 0 };
		}
		send_point(f, &w);
		assert_begins(f, "GET /dbs/my%20db/colls/orders/docs/a HTTP/1.1\r\n");
		assert_line(f, "x-ms-documentdb-partitionkey: [{}]");
		assert_none(f, "If-Match");
		assert_none(f, "If-None-Match");
		assert_none(f, "Prefer");
		assert_none(f, "Content-Type");
		if (w.failure)
			assert_line(f, "x-ms-session-token: 0:-1#7");
		else
			assert_none(f, "x-ms-session-token");
		assert_body(f, "");
	}
}

/* As long as decoding lets them be. */
static void the_longest_key_and_id_fit(void **state)
{
	static char pk[37 * 1024], id[1024];
	struct wb_write w = { .op = WB_OP_DELETE };
	struct fixture *f = *state;

	memset(pk, 'k', sizeof pk - 1);
	memset(id, '\xe9', sizeof id - 1);
	w.pk_text = wb_slice_cstr(pk);
	w.id = wb_slice_cstr(id);
	send_point(f, &w);
	assert_begins(f, "DELETE /dbs/my%20db/colls/orders/docs/%E9%E9");
	assert_non_null(strstr(f->seen, pk));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_bulk_names_its_range),
		WITH_FIXTURE(an_upsert_is_a_post_that_says_so),
		WITH_FIXTURE(a_create_is_a_post_alone),
		WITH_FIXTURE(an_operation_on_an_item_names_it_in_the_path),
		WITH_FIXTURE(a_patch_has_a_type_of_its_own),
		WITH_FIXTURE(conditions_of_an_upsert_are_headers),
		WITH_FIXTURE(a_reading_is_bare_whatever_the_write),
		WITH_FIXTURE(the_longest_key_and_id_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
