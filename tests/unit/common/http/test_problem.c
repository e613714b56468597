#include "common/http/problem.h"

#include "tests/unit/common/http/client.h"

#include <jansson.h>

static void respond(void *arg, struct wb_http_request *r)
{
	wb_problem_respond(r, arg);
}

/* What a client gets of a problem; the caller releases it. */
static struct answer answer_of(struct wb_problem *problem)
{
	const struct wb_http_route route = { .method = "GET", .path = "/", .handler = respond, .arg = problem };
	const struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = &route,
		.route_count = 1,
		.threads = 1,
		.max_connections = 5,
		.idle_timeout_ms = 30000 };
	struct wb_error e;
	struct wb_http_server *s = wb_http_server_new(&settings, &e);
	struct answer a;

	assert_non_null(s);
	a = client_once(wb_http_server_address(s), "GET / HTTP/1.1\r\n", NULL, 0);
	wb_http_server_free(&s);
	return a;
}

static void a_problem_has_all_that_was_given(void **state)
{
	struct wb_problem problem = { .status = 400,
		.code = "invalid-document",
		.detail = "document 3: \"id\" is missing",
		.index = 3,
		.reason = "missing-id",
		.retry_after_s = 7 };
	struct answer a = answer_of(&problem);
	char header[512];
	json_t *body = json_loads(a.body, JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	assert_int_equal(a.status, 400);
	assert_string_equal(client_find_header(&a, "Content-Type", header), "application/problem+json");
	assert_string_equal(client_find_header(&a, "x-ms-error-code", header), "invalid-document");
	assert_string_equal(client_find_header(&a, "Retry-After", header), "7");
	assert_non_null(body);
	assert_string_equal(json_string_value(json_object_get(body, "type")), "about:blank");
	assert_string_equal(json_string_value(json_object_get(body, "title")), "Bad Request");
	assert_int_equal(json_integer_value(json_object_get(body, "status")), 400);
	assert_string_equal(json_string_value(json_object_get(body, "detail")), "document 3: \"id\" is missing");
	assert_string_equal(json_string_value(json_object_get(body, "code")), "invalid-document");
	assert_int_equal(json_integer_value(json_object_get(body, "index")), 3);
	assert_string_equal(json_string_value(json_object_get(body, "reason")), "missing-id");
	json_decref(body);
	answer_release(&a);
}

static void what_was_not_given_is_absent(void **state)
{
	struct wb_problem problem = { .status = 503, .code = "stopping", .detail = "d", .index = -1 };
	struct answer a = answer_of(&problem);
	json_t *body = json_loads(a.body, JSON_REJECT_DUPLICATES, NULL);
	char header[512];

	(void)state;
	assert_int_equal(a.status, 503);
	assert_null(client_find_header(&a, "Retry-After", header));
	assert_null(client_find_header(&a, "Allow", header));
	assert_non_null(body);
	assert_null(json_object_get(body, "index"));
	assert_null(json_object_get(body, "reason"));
	assert_string_equal(json_string_value(json_object_get(body, "title")), "Service Unavailable");
	json_decref(body);
	answer_release(&a);
}

static void a_405_names_what_is_allowed(void **state)
{
	struct wb_problem problem = { .status = 405,
		.code = "method-not-allowed",
		.detail = "d",
		.index = -1,
		.retry_after_s = 1,
		.allow = "GET" };
	struct answer a = answer_of(&problem);
	char header[512];

	(void)state;
	assert_string_equal(client_find_header(&a, "Allow", header), "GET");
	assert_string_equal(client_find_header(&a, "Retry-After", header), "1");
	answer_release(&a);
}

static void status_texts(void **state)
{
	(void)state;
	assert_string_equal(wb_http_status_text(202), "Accepted");
	assert_string_equal(wb_http_status_text(413), "Content Too Large");
	assert_string_equal(wb_http_status_text(299), "Error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_has_all_that_was_given),
		cmocka_unit_test(what_was_not_given_is_absent),
		cmocka_unit_test(a_405_names_what_is_allowed),
		cmocka_unit_test(status_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
