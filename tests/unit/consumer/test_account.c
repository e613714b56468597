#include "consumer/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static bool move(struct wb_account *a, const char *endpoint)
{
	return wb_account_move(a, wb_slice_cstr(endpoint));
}

static void the_configured_endpoint_counts_until_a_move(void **state)
{
	struct wb_account a;
	const char *before;

	(void)state;
	wb_account_init(&a, "https://account.example:443");
	before = wb_account_endpoint(&a);
	assert_string_equal(before, "https://account.example:443");
	assert_true(move(&a, "https://account-west.example:443/"));
	assert_string_equal(wb_account_endpoint(&a), "https://account-west.example:443");
	assert_string_equal(before, "https://account.example:443"); /* still there for who holds it */
	wb_account_release(&a);
}

static void where_we_are_is_no_move(void **state)
{
	struct wb_account a;

	(void)state;
	wb_account_init(&a, "https://a.example");
	assert_false(move(&a, "https://a.example"));
	assert_false(move(&a, "https://a.example//"));
	assert_true(move(&a, "https://b.example"));
	assert_false(move(&a, "https://b.example/"));
	assert_true(move(&a, "https://a.example"));
	assert_string_equal(wb_account_endpoint(&a), "https://a.example");
	wb_account_release(&a);
}

static void what_is_no_endpoint_is_refused(void **state)
{
	static const char *const bad[] = { "", "b.example", "http://b.example", "https://", "https:///",
		"https://b.example/path", "https://user@b.example", "https://b.example?x", "https://b.example#x",
		"https://b example", "https://b.example\r\nx: y", "https://b.exampl\xc3\xa9", "ftp://b.example" };
	struct wb_account a;

	(void)state;
	wb_account_init(&a, "https://a.example");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(move(&a, bad[i]));
	assert_string_equal(wb_account_endpoint(&a), "https://a.example");
	wb_account_release(&a);
}

static void known_ones_are_not_counted_again_and_too_many_are_refused(void **state)
{
	struct wb_account a;
	char endpoint[64];

	(void)state;
	wb_account_init(&a, "http://a:0");
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 1; i < WB_ACCOUNT_ENDPOINTS_MAX; i++) {
			(void)snprintf(endpoint, sizeof endpoint, "http://a:%u", i);
			assert_true(move(&a, endpoint));
		}
	}
	assert_false(move(&a, "http://one-too-many"));
	assert_string_equal(wb_account_endpoint(&a), endpoint);
	assert_true(move(&a, "http://a:0"));
	wb_account_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_configured_endpoint_counts_until_a_move),
		cmocka_unit_test(where_we_are_is_no_move),
		cmocka_unit_test(what_is_no_endpoint_is_refused),
		cmocka_unit_test(known_ones_are_not_counted_again_and_too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
