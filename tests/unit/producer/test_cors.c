#include "producer/cors.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void parse_good(const char *text, struct wb_cors *ret)
{
	struct wb_error e = { "" };

	if (wb_cors_parse(text, ret, &e) != WB_OK)
		fail_msg("%s", e.text);
}

static const char *value_of(const struct wb_http_response_header *headers, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(headers[i].name, name) == 0)
			return headers[i].value;
	return NULL;
}

static void it_is_off_unless_something_is_listed(void **state)
{
	static const char *const offs[] = { NULL, "" };
	struct wb_http_response_header headers[WB_CORS_PREFLIGHT_HEADERS];
	struct wb_cors_origin origin;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct wb_cors c;

		parse_good(offs[i], &c);
		assert_int_equal(wb_cors_headers(&c, wb_slice_cstr("https://a.example"), &origin, headers), 0);
		assert_int_equal(
			wb_cors_preflight_headers(&c, wb_slice_cstr("https://a.example"), "GET", &origin, headers), 0);
		wb_cors_release(&c);
	}
}

static void a_listed_origin_is_named_and_no_other(void **state)
{
	static const char *const others[] = { "https://b.example", "http://a.example", "https://a.example:8443",
		"https://a.example.evil.example", "https://A.example", "null", "" };
	struct wb_http_response_header headers[WB_CORS_HEADERS];
	struct wb_cors_origin origin;
	struct wb_cors c;
	size_t n;

	(void)state;
	parse_good("https://a.example,http://localhost:3000,http://[::1]:8080", &c);
	n = wb_cors_headers(&c, wb_slice_cstr("https://a.example"), &origin, headers);
	assert_int_equal(n, 3);
	assert_string_equal(value_of(headers, n, "Access-Control-Allow-Origin"), "https://a.example");
	assert_string_equal(value_of(headers, n, "Vary"), "Origin");
	assert_non_null(strstr(value_of(headers, n, "Access-Control-Expose-Headers"), "Operation-Location"));
	assert_null(value_of(headers, n, "Access-Control-Allow-Credentials"));
	n = wb_cors_headers(&c, wb_slice_cstr("http://[::1]:8080"), &origin, headers);
	assert_string_equal(value_of(headers, n, "Access-Control-Allow-Origin"), "http://[::1]:8080");
	for (size_t i = 0; i < WB_ARRAY_LEN(others); i++) {
		n = wb_cors_headers(&c, wb_slice_cstr(others[i]), &origin, headers);
		assert_int_equal(n, 1);
		assert_string_equal(headers[0].name, "Vary");
	}
	assert_int_equal(wb_cors_headers(&c, wb_slice(NULL, 0), &origin, headers), 1);
	wb_cors_release(&c);
	wb_cors_release(&c);
}

static void a_star_is_every_origin(void **state)
{
	struct wb_http_response_header headers[WB_CORS_HEADERS];
	struct wb_cors_origin origin;
	struct wb_cors c;
	size_t n;

	(void)state;
	parse_good("*", &c);
	n = wb_cors_headers(&c, wb_slice_cstr("null"), &origin, headers);
	assert_int_equal(n, 2);
	assert_string_equal(value_of(headers, n, "Access-Control-Allow-Origin"), "*");
	assert_int_equal(wb_cors_headers(&c, wb_slice(NULL, 0), &origin, headers), 0);
	wb_cors_release(&c);
}

static void a_preflight_is_told_what_may_be_sent(void **state)
{
	static const char *const names[] = { "Authorization", "Content-Type", "Idempotency-Key", "Prefer",
		"Content-Digest", "If-None-Match", "traceparent", "x-api-key" };
	struct wb_http_response_header headers[WB_CORS_PREFLIGHT_HEADERS];
	struct wb_cors_origin origin;
	struct wb_cors c;
	size_t n;

	(void)state;
	parse_good("https://a.example", &c);
	n = wb_cors_preflight_headers(&c, wb_slice_cstr("https://a.example"), "GET, POST", &origin, headers);
	assert_int_equal(n, WB_CORS_PREFLIGHT_HEADERS);
	assert_string_equal(value_of(headers, n, "Access-Control-Allow-Methods"), "GET, POST");
	assert_string_equal(value_of(headers, n, "Access-Control-Max-Age"), "7200");
	for (size_t i = 0; i < WB_ARRAY_LEN(names); i++)
		assert_non_null(strstr(value_of(headers, n, "Access-Control-Allow-Headers"), names[i]));
	n = wb_cors_preflight_headers(&c, wb_slice_cstr("https://b.example"), "GET, POST", &origin, headers);
	assert_int_equal(n, 1);
	wb_cors_release(&c);
}

static void what_no_browser_sends_is_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "a.example",
			"http.cors.origins: a.example: must begin with https:// or http:// and then name a host" },
		{ "https://", "http.cors.origins: https://: must begin with https:// or http:// and then name a host" },
		{ "null", "http.cors.origins: null: must begin with https:// or http:// and then name a host" },
		{ "https://a.example/",
			"http.cors.origins: https://a.example/: must be a scheme, a host in lower case and perhaps a "
			"port, "
			"without anything behind them" },
		{ "https://A.example",
			"http.cors.origins: https://A.example: must be a scheme, a host in lower case and perhaps a "
			"port, "
			"without anything behind them" },
		{ "https://*.example",
			"http.cors.origins: https://*.example: must be a scheme, a host in lower case and perhaps a "
			"port, "
			"without anything behind them" },
		{ "https://a.example:443",
			"http.cors.origins: https://a.example:443: leave the port out: browsers do where it is the "
			"scheme's own" },
		{ "https://a.example:0", "http.cors.origins: https://a.example:0: has no valid port" },
		{ "https://a.example,",
			"http.cors.origins: : must begin with https:// or http:// and then name a host" },
		{ "*,https://a.example",
			"http.cors.origins: *: must begin with https:// or http:// and then name a host" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_cors c = { 0 };
		struct wb_error e = { "" };

		assert_int_equal(wb_cors_parse(rows[i].text, &c, &e), WB_EINVAL);
		assert_string_equal(e.text, rows[i].sentence);
		assert_null(c.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_off_unless_something_is_listed),
		cmocka_unit_test(a_listed_origin_is_named_and_no_other),
		cmocka_unit_test(a_star_is_every_origin),
		cmocka_unit_test(a_preflight_is_told_what_may_be_sent),
		cmocka_unit_test(what_no_browser_sends_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
