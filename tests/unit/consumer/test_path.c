#include "consumer/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *text, size_t len, const char *encoded)
{
	struct wb_buf path;

	wb_buf_init(&path, 4096);
	wb_path_append(&path, wb_slice(text, len));
	assert_string_equal(path.data ? path.data : "", encoded);
	wb_buf_release(&path);
}

static void leaves_unreserved_characters(void **state)
{
	(void)state;
	check("", 0, "");
	check("azAZ09-._~", 10, "azAZ09-._~");
}

static void encodes_everything_else(void **state)
{
	(void)state;
	check("a b%c+d&e=f:g;h,i@j", 19, "a%20b%25c%2Bd%26e%3Df%3Ag%3Bh%2Ci%40j");
	check("\xc3\xbc\xe2\x82\xac", 5, "%C3%BC%E2%82%AC");
	check("\0\x7f\"", 3, "%00%7F%22");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_unreserved_characters),
		cmocka_unit_test(encodes_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
