#include "sandbox/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_query_for_everything_is_known_in_any_spelling(void **state)
{
	static const char *const good[] = { "SELECT * FROM c", "select * from root r", "SELECT  *\n FROM\tc ;",
		"Select * From c", "SELECT * FROM root AS r", "SELECT * FROM _x1" };
	static const char *const bad[] = { "", "SELECT", "SELECT * FROM", "SELECT c.id FROM c", "SELECT * FROM c WHERE",
		"SELECT * FROM c WHERE c.id='x'", "SELECT * FROM c ORDER BY c._ts", "SELECT * FROM c.items",
		"SELECT * FROM 1c", "SELECT * FROM c AS", "SELECT * FROM c d e", "SELECT VALUE COUNT(1) FROM c",
		"SELECT * FROM c JOIN" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!wb_query_selects_all(wb_slice_cstr(good[i])))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (wb_query_selects_all(wb_slice_cstr(bad[i])))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_for_everything_is_known_in_any_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
