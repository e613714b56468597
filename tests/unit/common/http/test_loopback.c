#include "common/http/loopback.h"

#include <stddef.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void only_this_machine_reaches_loopback(void **state)
{
	static const struct {
		const char *listen;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1:8080", true },
		{ "127.0.0.1:0", true },
		{ "127.255.3.4:80", true },
		{ "127.1:80", true },
		{ "[::1]:8080", true },
		{ "[::ffff:127.0.0.1]:8080", true },
		{ "localhost:8080", true },
		{ "0.0.0.0:8080", false },
		{ "0:8080", false },
		{ "[::]:8080", false },
		{ "[::ffff:0.0.0.0]:8080", false },
		{ "[::ffff:10.0.0.1]:8080", false },
		{ "10.127.0.1:8080", false },
		{ "128.0.0.1:8080", false },
		{ "126.255.255.255:8080", false },
		{ "192.168.1.1:8080", false },
		{ "169.254.1.1:8080", false },
		{ "[fe80::1]:8080", false },
		{ "[2001:db8::1]:8080", false },
	};
	struct wb_error e = { "" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		bool loopback = !rows[i].loopback;

		if (wb_listen_is_loopback(rows[i].listen, &loopback, &e) != WB_OK)
			fail_msg("%s: %s", rows[i].listen, e.text);
		if (loopback != rows[i].loopback)
			fail_msg("%s: %d", rows[i].listen, loopback);
	}
}

static void what_is_no_address_is_an_error(void **state)
{
	static const char *const texts[] = { "", "8080", ":8080", "::1:8080", "[::1:8080", "[::1]",
		"no.such.host.invalid:80" };
	struct wb_error e;
	bool loopback;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		e.text[0] = '\0';
		assert_int_equal(wb_listen_is_loopback(texts[i], &loopback, &e), WB_EINVAL);
		assert_true(e.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_this_machine_reaches_loopback),
		cmocka_unit_test(what_is_no_address_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
