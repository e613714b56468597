#include "producer/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include <cmocka.h>

static void what_is_served_is_the_file_in_docs(void **state)
{
	FILE *file = fopen("docs/openapi.json", "r");
	static char text[1 << 20];
	size_t len;

	(void)state;
	assert_non_null(file); /* tests run in the root of the checkout */
	len = fread(text, 1, sizeof text, file);
	assert_int_equal(fclose(file), 0);
	if (len != wb_openapi_json.len || memcmp(text, wb_openapi_json.data, len) != 0)
		fail_msg("run producer/openapi.sh: docs/openapi.json has changed");
}

static void it_is_an_openapi_document(void **state)
{
	json_t *doc = json_loadb(wb_openapi_json.data, wb_openapi_json.len, JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	assert_non_null(json_object_get(json_object_get(doc, "paths"), "/v1/jobs"));
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_served_is_the_file_in_docs),
		cmocka_unit_test(it_is_an_openapi_document),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
