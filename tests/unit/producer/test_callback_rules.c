#include "producer/callback_rules.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct wb_callback_rules *rules_of(const char *hosts, bool allow_private)
{
	struct wb_error e = { "" };
	struct wb_callback_rules *rules = wb_callback_rules_new(hosts, allow_private, &e);

	assert_string_equal(e.text, "");
	assert_non_null(rules);
	return rules;
}

static enum wb_err check(const char *hosts, const char *url, struct wb_error *why)
{
	struct wb_callback_rules *rules = rules_of(hosts, false);
	enum wb_err err = wb_callback_rules_check(rules, wb_slice_cstr(url), why);

	wb_callback_rules_free(&rules);
	assert_null(rules);
	return err;
}

static void hosts_of_the_list(void **state)
{
	static const char hosts[] = "example.com, *.Example.org,api.test:8443,*.b.test:444,[2a00:1450:4001::1],8.8.8.8";
	static const struct {
		const char *url;
		enum wb_err err;
	} cases[] = {
		{ "https://example.com", WB_OK },
		{ "https://example.com/", WB_OK },
		{ "https://example.com/a/b?c=d&e=%20", WB_OK },
		{ "https://EXAMPLE.com:443/hook", WB_OK },
		{ "HTTPS://example.com?x", WB_OK },
		{ "https://example.com:8443/", WB_EUNSUPPORTED },
		{ "https://www.example.com/", WB_EUNSUPPORTED },
		{ "https://example.com.evil.test/", WB_EUNSUPPORTED },
		{ "https://notexample.com/", WB_EUNSUPPORTED },
		{ "https://example.com./", WB_EINVAL },
		{ "https://a.example.org/", WB_OK },
		{ "https://a.b.example.org/", WB_OK },
		{ "https://example.org/", WB_EUNSUPPORTED },
		{ "https://.example.org/", WB_EINVAL },
		{ "https://evilexample.org/", WB_EUNSUPPORTED },
		{ "https://api.test:8443/x", WB_OK },
		{ "https://api.test/x", WB_EUNSUPPORTED },
		{ "https://api.test:443/x", WB_EUNSUPPORTED },
		{ "https://c.b.test:444/x", WB_OK },
		{ "https://c.b.test/x", WB_EUNSUPPORTED },
		{ "https://[2a00:1450:4001::1]/x", WB_OK },
		{ "https://8.8.8.8/x", WB_OK },
		{ "https://8.8.4.4/x", WB_EUNSUPPORTED },
		{ "https://*.example.org/", WB_EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_error why = { "" };
		enum wb_err err = check(hosts, cases[i].url, &why);

		if (err != cases[i].err)
			print_message("%s: %s\n", cases[i].url, why.text);
		assert_int_equal(err, cases[i].err);
		assert_int_equal(err == WB_OK, why.text[0] == '\0');
	}
	assert_int_equal(wb_callback_rules_check(NULL, wb_slice_cstr("https://example.com"), NULL), WB_EUNSUPPORTED);
}

static void what_is_no_url_that_is_called(void **state)
{
	static const struct {
		const char *url, *says;
	} cases[] = {
		{ "", "https://" },
		{ "https", "https://" },
		{ "http://example.com/", "https://" },
		{ "ftp://example.com/", "https://" },
		{ "//example.com/", "https://" },
		{ "https:/example.com/", "https://" },
		{ "https://", "host or port" },
		{ "https:///x", "host or port" },
		{ "https://user@example.com/", "user" },
		{ "https://user:pass@example.com/", "user" },
		{ "https://example.com@evil.test/", "user" },
		{ "https://example.com#@evil.test/", "fragment" },
		{ "https://example.com/#a", "fragment" },
		{ "https://example.com:0/", "host or port" },
		{ "https://example.com:65536/", "host or port" },
		{ "https://example.com:000443/", "host or port" },
		{ "https://example.com:/", "host or port" },
		{ "https://example.com:44 3/", "percent-encoded" },
		{ "https://example.com:+443/", "host or port" },
		{ "https://exam%70le.com/", "host or port" },
		{ "https://ex\xc3\xa4mple.com/", "percent-encoded" },
		{ "https://example.com/\xc3\xa4", "percent-encoded" },
		{ "https://example.com\\@evil.test/", "percent-encoded" },
		{ "https://example.com/a b", "percent-encoded" },
		{ "https://example.com/\r\nX: y", "percent-encoded" },
		{ "https://[::1/", "host or port" },
		{ "https://[::1]x/", "host or port" },
		{ "https://[zz]/", "host or port" },
		{ "https://[fe80::1%25eth0]/", "host or port" },
		{ "https://a..example.com/", "host or port" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_error why = { "" };

		assert_int_equal(check("example.com", cases[i].url, &why), WB_EINVAL);
		if (!strstr(why.text, cases[i].says))
			print_message("%s: %s\n", cases[i].url, why.text);
		assert_non_null(strstr(why.text, cases[i].says));
	}
}

static void a_url_has_2048_bytes_at_most(void **state)
{
	char url[WB_CALLBACK_URL_MAX + 2] = "https://example.com/";
	struct wb_error why;

	(void)state;
	memset(url + strlen(url), 'a', sizeof url - strlen(url) - 1);
	url[sizeof url - 1] = '\0';
	assert_int_equal(check("example.com", url, &why), WB_EINVAL);
	assert_non_null(strstr(why.text, "2048"));
	url[WB_CALLBACK_URL_MAX] = '\0';
	assert_int_equal(check("example.com", url, NULL), WB_OK);
}

static void a_zero_byte_is_no_url_text(void **state)
{
	struct wb_callback_rules *rules = rules_of("example.com", false);

	(void)state;
	assert_int_equal(wb_callback_rules_check(rules, wb_slice("https://example.com/\0", 21), NULL), WB_EINVAL);
	wb_callback_rules_free(&rules);
}

static void lists_that_are_none(void **state)
{
	static const char *const bad[] = { "", ",", "a,,b", "*", "*.", "a*.test", "https://a.test", "a.test/",
		"a.test:x", "a.test:", "*.*.test", "a b", "[::1", "a.test:70000" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++) {
		struct wb_error e = { "" };

		assert_null(wb_callback_rules_new(bad[i], false, &e));
		assert_non_null(strstr(e.text, "callback.hosts"));
	}
}

static const char *judge(const char *address, bool allow_private)
{
	struct wb_callback_rules *rules = rules_of("a.test", allow_private);
	uint8_t bytes[16];
	const char *what;

	if (inet_pton(AF_INET, address, bytes) == 1) {
		what = wb_callback_rules_refuse(rules, bytes, 4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, bytes), 1);
		what = wb_callback_rules_refuse(rules, bytes, 16);
	}
	wb_callback_rules_free(&rules);
	return what;
}

static void addresses_that_are_not_called(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1",
		"100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
		"203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1",
		"::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1",
		"febf::1", "fec0::1", "ff02::1", "4000::1", "5f00::1", "e000::1" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++) {
		if (!judge(bad[i], false))
			print_message("%s is let through\n", bad[i]);
		assert_non_null(judge(bad[i], false));
		assert_null(judge(bad[i], true));
	}
	assert_string_equal(judge("169.254.169.254", false), "link-local");
	assert_string_equal(judge("::ffff:10.0.0.1", false), "private");
	assert_string_equal(judge("2002:7f00:1::1", false), "loopback");
	assert_string_equal(judge("255.255.255.255", false), "broadcast");
}

static void addresses_of_the_internet(void **state)
{
	static const char *const good[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255",
		"100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.1", "172.15.255.255",
		"172.32.0.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.1", "223.255.255.255",
		"2a00:1450:4001:80b::200e", "2606:4700::1111", "2001:200::1", "2002:808:808::1", "64:ff9b::8.8.8.8",
		"::ffff:8.8.8.8" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++) {
		if (judge(good[i], false))
			print_message("%s is refused\n", good[i]);
		assert_null(judge(good[i], false));
	}
}

static void an_unknown_family_is_refused_even_so(void **state)
{
	struct wb_callback_rules *rules = rules_of("a.test", true);

	(void)state;
	assert_non_null(wb_callback_rules_refuse(rules, (const uint8_t *)"", 0));
	wb_callback_rules_free(&rules);
}

static void an_address_as_host_is_judged_at_once(void **state)
{
	static const char hosts[] = "127.0.0.1,169.254.169.254,[::1],[::ffff:127.0.0.1]";
	static const char *const urls[] = { "https://127.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/",
		"https://[::ffff:127.0.0.1]/" };
	struct wb_callback_rules *rules = rules_of(hosts, true);

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(urls); i++) {
		struct wb_error why = { "" };

		assert_int_equal(check(hosts, urls[i], &why), WB_EINVAL);
		assert_non_null(strstr(why.text, "address"));
		assert_int_equal(wb_callback_rules_check(rules, wb_slice_cstr(urls[i]), NULL), WB_OK);
	}
	wb_callback_rules_free(&rules);
}

static void the_host_for_people(void **state)
{
	char host[WB_CALLBACK_HOST_MAX];

	(void)state;
	wb_callback_host(wb_slice_cstr("https://Example.COM/secret?token=x"), host);
	assert_string_equal(host, "example.com");
	wb_callback_host(wb_slice_cstr("https://example.com:443/"), host);
	assert_string_equal(host, "example.com");
	wb_callback_host(wb_slice_cstr("https://example.com:8443?token=x"), host);
	assert_string_equal(host, "example.com:8443");
	wb_callback_host(wb_slice_cstr("https://[2001:db8::1]:1/"), host);
	assert_string_equal(host, "[2001:db8::1]:1");
	wb_callback_host(wb_slice_cstr("https://user:secret@example.com/"), host);
	assert_string_equal(host, "");
	wb_callback_host(wb_slice_cstr("nonsense"), host);
	assert_string_equal(host, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_of_the_list),
		cmocka_unit_test(what_is_no_url_that_is_called),
		cmocka_unit_test(a_url_has_2048_bytes_at_most),
		cmocka_unit_test(a_zero_byte_is_no_url_text),
		cmocka_unit_test(lists_that_are_none),
		cmocka_unit_test(addresses_that_are_not_called),
		cmocka_unit_test(addresses_of_the_internet),
		cmocka_unit_test(an_unknown_family_is_refused_even_so),
		cmocka_unit_test(an_address_as_host_is_judged_at_once),
		cmocka_unit_test(the_host_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
