#include "sandbox/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char document[] = "{\"id\":\"a\",\"n\":3,\"s\":\"it's \\\"so\\\"\",\"t\":true,\"f\":false,\"z\":null,"
			       "\"o\":{\"p\":{\"q\":-1.5e1}},\"l\":[1,{\"m\":\"x\"}],\"a b\":\"\\u00e9\",\"\":1}";

static bool holds(const char *text)
{
	struct wb_error why = { "" };
	bool ret = false;

	if (wb_condition_judge(wb_slice_cstr(text), wb_slice_cstr(document), &ret, &why))
		fail_msg("%s: %s", text, why.text);
	return ret;
}

static void check_all(const char *const *texts, size_t count, bool expected)
{
	for (size_t i = 0; i < count; i++)
		if (holds(texts[i]) != expected)
			fail_msg("%s", texts[i]);
}

static void what_is_true_holds(void **state)
{
	static const char *const texts[] = {
		"FROM c WHERE c.n = 3",
		"from c where c.n=3.0",
		"FROM c WHERE 3 = c.n",
		"FROM products p WHERE p.n >= 3 AND p.n <= 3",
		"FROM products AS p WHERE p.n != 4 and p.n <> 4",
		"FROM c WHERE c.o.p.q = -15",
		"FROM c WHERE c[\"o\"]['p'].q < 0",
		"FROM c WHERE c.l[0] = 1 AND c.l[1].m = 'x'",
		"FROM c WHERE c['a b'] = 'é' AND c[\"a b\"] = \"\\u00e9\"",
		"FROM c WHERE c.s = 'it\\'s \"so\"'",
		"FROM c WHERE c.s = \"it's \\\"so\\\"\"",
		"FROM c WHERE c.t",
		"FROM c WHERE c.t = true AND c.f = FALSE AND c.z = null",
		"FROM c WHERE NOT c.f",
		"FROM c WHERE NOT (c.n = 1 OR c.n = 2)",
		"FROM c WHERE c.n = 1 OR c.n = 3 AND c.t",
		"FROM c WHERE IS_DEFINED(c.n) AND NOT is_defined(c.absent)",
		"FROM c WHERE IS_NULL(c.z) AND IS_STRING(c.s) AND IS_NUMBER(c.n) AND IS_BOOL(c.f)",
		"FROM c WHERE IS_ARRAY(c.l) AND IS_OBJECT(c.o)",
		"from c where (c.TotalDue = 0 OR NOT IS_DEFINED(c.TotalDue))",
		"FROM c WHERE 'abc' < 'abd' AND 'ab' < 'abc' AND false < true",
		" \n FROM c\tWHERE ( ( c.n>2 ) ) ",
	};

	(void)state;
	check_all(texts, sizeof texts / sizeof *texts, true);
}

static void what_is_false_or_undefined_does_not(void **state)
{
	static const char *const texts[] = {
		"FROM c WHERE c.n = 4",
		"FROM c WHERE c.n = '3'",
		"FROM c WHERE c.n != '3'",
		"FROM c WHERE c.absent = 1",
		"FROM c WHERE c.absent != 1",
		"FROM c WHERE NOT (c.absent = 1)",
		"FROM c WHERE c.absent = c.absent",
		"FROM c WHERE c.absent = undefined",
		"FROM c WHERE c.absent",
		"FROM c WHERE c.n",
		"FROM c WHERE c.n.m.o = 1",
		"FROM c WHERE c.o = c.o",
		"FROM c WHERE c.l[2] = 1",
		"FROM c WHERE c.z = 0",
		"FROM c WHERE c.n = 3 AND c.absent = 1",
		"FROM c WHERE c.n = 4 OR c.absent = 1",
		"FROM c WHERE c.N = 3",
	};

	(void)state;
	check_all(texts, sizeof texts / sizeof *texts, false);
}

static void what_cannot_be_read_is_told(void **state)
{
	static const char *const texts[] = {
		"",
		"c.n = 3",
		"SELECT * FROM c WHERE c.n = 3",
		"FROM c",
		"FROM WHERE c.n = 3",
		"FROM c WHERE",
		"FROM c WHERE c.n =",
		"FROM c WHERE c.n == 3",
		"FROM c WHERE d.n = 3",
		"FROM c WHERE c. = 3",
		"FROM c WHERE (c.n = 3",
		"FROM c WHERE c.n = 3)",
		"FROM c WHERE c.n = 'x",
		"FROM c WHERE c.n = 'x\\",
		"FROM c WHERE c.n = 3 AND",
		"FROM c WHERE c.n = 3 XOR c.n = 3",
		"FROM c WHERE c.l[0 = 1",
		"FROM c WHERE IS_DEFINED c.n",
		"FROM c WHERE LOWER(c.s) = 'x'",
		"FROM c WHERE c.n = 3x",
		"FROM c WHERE c.n = -",
	};
	bool ret;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct wb_error why = { "" };

		if (!wb_condition_judge(wb_slice_cstr(texts[i]), wb_slice_cstr("{}"), &ret, &why))
			fail_msg("%s", texts[i]);
		assert_true(why.text[0] != '\0');
	}
}

static void nesting_is_bounded(void **state)
{
	struct wb_error why = { "" };
	char text[5000];
	size_t len;
	bool ret;

	(void)state;
	len = (size_t)snprintf(text, sizeof text, "FROM c WHERE ");
	memset(text + len, '(', 4000);
	text[len + 4000] = '\0';
	assert_int_equal(wb_condition_judge(wb_slice_cstr(text), wb_slice_cstr("{}"), &ret, &why), WB_EINVAL);
	assert_non_null(strstr(why.text, "deep"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_true_holds),
		cmocka_unit_test(what_is_false_or_undefined_does_not),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(nesting_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
