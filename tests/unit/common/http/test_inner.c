/* Requests inside of requests: what handlers see of them, and how their answers go out. */
#include "common/http/server.h"

#include "tests/unit/common/http/client.h"

static const char *inner_path, *inner_query, *inner_method;
static int released;
static char seen[512];

static struct wb_slice inner_header(void *arg, const char *name)
{
	(void)arg;
	return strcasecmp(name, "X-Inner") == 0 ? wb_slice_cstr("yes") : (struct wb_slice){ NULL, 0 };
}

static void inner_answer(void *arg, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers, struct wb_buf *ret)
{
	(void)arg;
	wb_buf_appendf(ret, "%u|%s|%s|%.*s", status, content_type ? content_type : "none",
		headers && headers->name ? headers->name : "-", WB_SLICE_ARGS(body));
}

static void inner_release(void *arg)
{
	(void)arg;
	released++;
}

static void enter(void *arg, struct wb_http_request *r)
{
	const struct wb_http_inner inner = {
		.method = wb_slice_cstr(inner_method),
		.path = wb_slice_cstr(inner_path),
		.query = wb_slice_cstr(inner_query),
		.body = wb_http_body(r),
		.header = inner_header,
		.answer = inner_answer,
		.release = inner_release,
	};

	(void)arg;
	wb_http_enter(r, &inner);
}

static void note(void *arg, struct wb_slice name, struct wb_slice value)
{
	size_t used = strlen(arg);

	(void)snprintf(
		(char *)arg + used, sizeof seen - used, "[%.*s=%.*s]", WB_SLICE_ARGS(name), WB_SLICE_ARGS(value));
}

static void echo(void *arg, struct wb_http_request *r)
{
	const struct wb_http_response_header headers[] = { { "X-Answer", "1" }, { NULL, NULL } };
	struct wb_slice id = wb_http_param(r, "id"), header = wb_http_header(r, "x-inner"), body;
	struct wb_http_server *server = wb_http_request_server(r);
	uint8_t digest[32];
	char *taken;

	(void)arg;
	wb_http_digest_body(r);
	assert_true(wb_http_body_digest(r, digest));
	(void)snprintf(seen, sizeof seen, "%.*s %.*s id=%.*s inner=%.*s outer=%d ", WB_SLICE_ARGS(wb_http_method(r)),
		WB_SLICE_ARGS(wb_http_path(r)), WB_SLICE_ARGS(id), WB_SLICE_ARGS(header),
		wb_http_header(r, "Content-Length").data != NULL);
	wb_http_each_query(r, note, seen);
	taken = wb_http_take_body(r, &body);
	wb_http_respond(r, 201, "text/plain", body, headers);
	wb_http_body_free(server, taken, body.len);
}

static void refuse(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 403, "text/plain", wb_slice_cstr("no"), NULL);
}

static struct answer ask(const char *method, const char *path, const char *query, const char *body)
{
	const struct wb_http_route routes[] = {
		{ .method = "POST", .path = "/outer", .handler = enter, .max_body_bytes = 1000 },
		{ .method = "POST", .path = "/things/{id}", .handler = echo, .max_body_bytes = 10 },
		{ .method = "POST", .path = "/closed", .handler = echo, .begin = refuse, .max_body_bytes = 10 },
	};
	const struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = 1,
		.max_connections = 5,
		.idle_timeout_ms = 30000,
		.body_budget_bytes = 10000 };
	struct wb_http_server *server;
	struct answer answer;
	struct wb_error e;
	char text[256];
	int fd;

	inner_method = method;
	inner_path = path;
	inner_query = query;
	released = 0;
	seen[0] = '\0';
	server = wb_http_server_new(&settings, &e);
	assert_non_null(server);
	fd = client_connect(wb_http_server_address(server));
	(void)snprintf(text, sizeof text, "POST /outer HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	assert_true(client_send_text(fd, text));
	answer = client_read(fd, true);
	(void)close(fd);
	wb_http_server_free(&server);
	assert_int_equal(released, 1);
	assert_int_equal(answer.status, 200);
	return answer;
}

static void handlers_see_the_inner_request_and_its_answer_goes_out_inside(void **state)
{
	struct answer a = ask("POST", "/things/a%20b", "q=1+2&r=%2B&&s=%zz&t", "body");

	(void)state;
	assert_string_equal(seen, "POST /things/a%20b id=a b inner=yes outer=0 [q=1 2][r=+][s=%zz][t=]");
	assert_string_equal(a.body, "201|text/plain|X-Answer|body");
	assert_non_null(strstr(a.head, "Content-Type: application/json"));
	answer_release(&a);
}

static void refusals_travel_inside_too(void **state)
{
	struct answer a = ask("POST", "/nowhere", "", "");

	(void)state;
	assert_int_equal(strncmp(a.body, "404|application/problem+json", 28), 0);
	answer_release(&a);
	a = ask("GET", "/things/1", "", "");
	assert_int_equal(strncmp(a.body, "405|", 4), 0);
	answer_release(&a);
	a = ask("POST", "/things/%zz", "", "");
	assert_int_equal(strncmp(a.body, "400|", 4), 0);
	answer_release(&a);
	a = ask("POST", "/things/1", "", "eleven bytes");
	assert_int_equal(strncmp(a.body, "413|", 4), 0);
	answer_release(&a);
	a = ask("POST", "/closed", "", "");
	assert_string_equal(a.body, "403|text/plain|-|no");
	answer_release(&a);
}

static void a_path_longer_than_the_outer_one_is_decoded(void **state)
{
	char path[2000] = "/things/";
	struct answer a;

	(void)state;
	for (size_t i = strlen(path); i + 4 < sizeof path; i += 3)
		memcpy(path + i, "%41", 4);
	a = ask("POST", path, "", "");
	assert_int_equal(strncmp(a.body, "201|", 4), 0);
	answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handlers_see_the_inner_request_and_its_answer_goes_out_inside),
		cmocka_unit_test(refusals_travel_inside_too),
		cmocka_unit_test(a_path_longer_than_the_outer_one_is_decoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
