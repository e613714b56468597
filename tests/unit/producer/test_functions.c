#include "producer/functions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include <cmocka.h>

#define HEADERS "\"Headers\":{\"Content-Type\":[\"application/json\"],\"Idempotency-Key\":[\"k1\",\"k2\"],\"X\":\"y\"}"

static void assert_slice(struct wb_slice slice, const char *expected)
{
	if (slice.len != strlen(expected) || memcmp(slice.data, expected, slice.len) != 0)
		fail_msg("%.*s is not %s", (int)slice.len, slice.data, expected);
}

static enum wb_err parse(const char *text, struct wb_functions_call *ret, struct wb_error *why)
{
	return wb_functions_call_parse(wb_slice_cstr(text), ret, why);
}

static void an_invocation_is_the_callers_request(void **state)
{
	struct wb_functions_call call;
	struct wb_error why;

	(void)state;
	assert_int_equal(parse("{\"Data\":{\"req\":{\"Url\":\"https://app.example:443/api/v1/jobs?op=delete&x=%2F\","
			       "\"Method\":\"POST\",\"Query\":\"{\\\"op\\\":\\\"delete\\\"}\"," HEADERS
			       ",\"Params\":{\"path\":\"v1/jobs\"},\"Body\":\"[{\\\"id\\\":\\\"\xC3\xBC\\\"}]\"}},"
			       "\"Metadata\":{\"sys\":{}}}",
				 &call, &why),
		WB_OK);
	assert_slice(call.method, "POST");
	assert_slice(call.path, "/v1/jobs");
	assert_slice(call.query, "op=delete&x=%2F");
	assert_slice(call.body, "[{\"id\":\"\xC3\xBC\"}]");
	assert_slice(wb_functions_header(&call, "content-type"), "application/json");
	assert_slice(wb_functions_header(&call, "IDEMPOTENCY-KEY"), "k1");
	assert_slice(wb_functions_header(&call, "x"), "y");
	assert_null(wb_functions_header(&call, "Authorization").data);
	wb_functions_call_release(&call);
}

static void count(void *arg, struct wb_slice name, struct wb_slice value)
{
	(void)name;
	*(size_t *)arg += value.len;
}

static void every_value_of_every_header_is_shown(void **state)
{
	struct wb_functions_call call;
	struct wb_error why;
	size_t bytes = 0;

	(void)state;
	assert_int_equal(
		parse("{\"Data\":{\"req\":{\"Url\":\"http://h/x\",\"Method\":\"GET\"," HEADERS "}}}", &call, &why),
		WB_OK);
	wb_functions_each_header(&call, count, &bytes);
	assert_int_equal(bytes, strlen("application/jsonk1k2y"));
	assert_slice(call.path, "/x");
	assert_slice(call.query, "");
	assert_slice(call.body, "");
	wb_functions_call_release(&call);
}

static void bytes_come_in_base64(void **state)
{
	static const char form[] = "{\"Data\":{\"req\":{\"Url\":\"http://h/api/v1/jobs\",\"Method\":\"POST\","
				   "\"Headers\":{\"Content-Type\":[\"%s\"]},\"Body\":\"%s\"}}}";
	struct wb_functions_call call;
	struct wb_error why;
	char text[300];

	(void)state;
	(void)snprintf(text, sizeof text, form, "Application/Octet-Stream", "AGEK");
	assert_int_equal(parse(text, &call, &why), WB_OK);
	assert_int_equal(call.body.len, 3);
	assert_memory_equal(call.body.data, "\0a\n", 3);
	wb_functions_call_release(&call);
	(void)snprintf(text, sizeof text, form, "multipart/form-data; boundary=x", "?");
	assert_int_equal(parse(text, &call, &why), WB_EINVAL);
	assert_non_null(strstr(why.text, "base64"));
	wb_functions_call_release(&call);
	(void)snprintf(text, sizeof text, form, "application/x-ndjson", "AGEK");
	assert_int_equal(parse(text, &call, &why), WB_OK);
	assert_slice(call.body, "AGEK");
	wb_functions_call_release(&call);
}

static void what_is_no_invocation_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "no JSON" },
		{ "[", "no JSON" },
		{ "[]", "Data.req" },
		{ "{\"Data\":{\"queue\":{}}}", "Data.req" },
		{ "{\"Data\":{\"req\":7}}", "Data.req" },
		{ "{\"Data\":{\"req\":{\"Url\":\"http://h/\"}}}", "Method" },
		{ "{\"Data\":{\"req\":{\"Url\":\"http://h/\",\"Method\":\"\"}}}", "Method" },
		{ "{\"Data\":{\"req\":{\"Method\":\"GET\"}}}", "Url" },
		{ "{\"Data\":{\"req\":{\"Method\":\"GET\",\"Url\":\"/api/x\"}}}", "Url" },
		{ "{\"Data\":{\"req\":{\"Method\":\"GET\",\"Url\":\"http://\"}}}", "Url" },
		{ "{\"Data\":{\"req\":{\"Method\":\"GET\",\"Url\":\"http://h\"}}}", "Url" },
		{ "{\"Data\":{\"req\":{\"Method\":\"GET\",\"Url\":\"http://h/\",\"Body\":{}}}}", "Body" },
	};
	struct wb_functions_call call;
	struct wb_error why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse(cases[i].text, &call, &why), WB_EINVAL);
		if (!strstr(why.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, why.text);
		wb_functions_call_release(&call);
	}
}

static void the_prefix_goes_where_it_is_one(void **state)
{
	(void)state;
	assert_slice(wb_functions_path(wb_slice_cstr("/api/v1/jobs")), "/v1/jobs");
	assert_slice(wb_functions_path(wb_slice_cstr("/api/")), "/");
	assert_slice(wb_functions_path(wb_slice_cstr("/api")), "/api");
	assert_slice(wb_functions_path(wb_slice_cstr("/apiary/x")), "/apiary/x");
	assert_slice(wb_functions_path(wb_slice_cstr("/v1/jobs")), "/v1/jobs");
}

static void an_answer_travels_in_outputs(void **state)
{
	const struct wb_http_response_header headers[] = { { "Retry-After", "1" }, { "X-Q", "a\"b" }, { NULL, NULL } };
	struct wb_buf out;
	json_t *all, *res;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_functions_render(202, "application/json", wb_slice_cstr("{\"success\":true}"), headers, &out);
	all = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(all);
	res = json_object_get(json_object_get(all, "Outputs"), "res");
	assert_int_equal(json_integer_value(json_object_get(res, "statusCode")), 202);
	assert_string_equal(json_string_value(json_object_get(res, "body")), "{\"success\":true}");
	res = json_object_get(res, "headers");
	assert_int_equal(json_object_size(res), 3);
	assert_string_equal(json_string_value(json_object_get(res, "Content-Type")), "application/json");
	assert_string_equal(json_string_value(json_object_get(res, "X-Q")), "a\"b");
	assert_true(json_is_array(json_object_get(all, "Logs")));
	assert_true(json_is_null(json_object_get(all, "ReturnValue")));
	json_decref(all);
	wb_buf_clear(&out);
	wb_functions_render(204, NULL, wb_slice("", 0), NULL, &out);
	assert_slice(wb_buf_slice(&out),
		"{\"Outputs\":{\"res\":{\"statusCode\":204,\"headers\":{},\"body\":\"\"}},"
		"\"Logs\":[],\"ReturnValue\":null}");
	wb_buf_clear(&out);
	wb_functions_render(200, NULL, wb_slice("", 0), headers, &out);
	all = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(all);
	json_decref(all);
	wb_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invocation_is_the_callers_request),
		cmocka_unit_test(every_value_of_every_header_is_shown),
		cmocka_unit_test(bytes_come_in_base64),
		cmocka_unit_test(what_is_no_invocation_is_refused_with_a_reason),
		cmocka_unit_test(the_prefix_goes_where_it_is_one),
		cmocka_unit_test(an_answer_travels_in_outputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
