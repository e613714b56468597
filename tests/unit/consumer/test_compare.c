#include "consumer/compare.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void documents_are_compared_by_value(void **state)
{
	const struct {
		const char *sent, *stored;
		bool equal;
	} rows[] = {
		{ "{}", "{}", true },
		{ "{\"id\":\"1\",\"a\":[1,{\"b\":null}]}", " { \"a\" : [ 1 , {\"b\":null} ], \"id\" : \"\\u0031\" } ",
			true },
		{ "{\"n\":1}", "{\"n\":1.0}", true },
		{ "{\"n\":100}", "{\"n\":1e2}", true },
		{ "{\"n\":0}", "{\"n\":-0.0}", true },
		{ "{\"n\":9007199254740993}", "{\"n\":9007199254740992}", true },
		{ "{\"n\":12345678901234567890123}", "{\"n\":1.2345678901234567890123e22}", true },
		{ "{\"n\":0.1}", "{\"n\":0.10000000000000000555}", true },
		{ "{\"a\":1,\"a\":2}", "{\"a\":2}", true },
		{ "{\"a\":1,\"a\":2}", "{\"a\":1}", false },
		{ "{\"s\":\"\\u0000\"}", "{\"s\":\"\\u0000\"}", true },
		{ "{\"s\":\"\\u0000\"}", "{\"s\":\"\"}", false },
		{ "{\"n\":1}", "{\"n\":\"1\"}", false },
		{ "{\"n\":1}", "{\"n\":true}", false },
		{ "{\"n\":1}", "{\"n\":2}", false },
		{ "{\"n\":null}", "{}", false },
		{ "{}", "{\"ttl\":5}", false },
		{ "{\"a\":[1,2]}", "{\"a\":[2,1]}", false },
		{ "{\"a\":{\"b\":{\"c\":[]}}}", "{\"a\":{\"b\":{\"c\":{}}}}", false },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_slice sent = wb_slice_cstr(rows[i].sent), stored = wb_slice_cstr(rows[i].stored);

		if (wb_compare_documents(sent, stored) != rows[i].equal ||
			wb_compare_documents(stored, sent) != rows[i].equal)
			fail_msg("%s and %s", rows[i].sent, rows[i].stored);
	}
}

static void what_the_service_adds_does_not_count(void **state)
{
	const char stored[] =
		"{\"id\":\"1\",\"_rid\":\"r\",\"_self\":\"s\",\"_etag\":\"\\\"e\\\"\",\"_attachments\":\"a/\","
		"\"_ts\":1700000000,\"n\":{\"_ts\":1}}";

	(void)state;
	assert_true(wb_compare_documents(wb_slice_cstr("{\"id\":\"1\",\"n\":{\"_ts\":1}}"), wb_slice_cstr(stored)));
	/* Sent as it was once read. */
	assert_true(wb_compare_documents(
		wb_slice_cstr("{\"id\":\"1\",\"_etag\":\"old\",\"_ts\":1,\"n\":{\"_ts\":1}}"), wb_slice_cstr(stored)));
	/* Deeper members of those names are the document's own. */
	assert_false(wb_compare_documents(wb_slice_cstr("{\"id\":\"1\",\"n\":{}}"), wb_slice_cstr(stored)));
}

static void what_is_no_object_equals_nothing(void **state)
{
	const char *const texts[] = { "", "null", "[]", "\"a\"", "{", "{}x", "not JSON", "{\"n\":1e999}" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		assert_false(wb_compare_documents(wb_slice_cstr(texts[i]), wb_slice_cstr(texts[i])));
		assert_false(wb_compare_documents(wb_slice_cstr("{}"), wb_slice_cstr(texts[i])));
	}
	assert_false(wb_compare_documents((struct wb_slice){ 0 }, (struct wb_slice){ 0 }));
}

/* In memory of its own size, so that a sanitizer sees one byte too far. */
static void nothing_beyond_the_text_is_read(void **state)
{
	const char text[] = "{\"id\":\"1\",\"n\":12}";

	(void)state;
	for (size_t len = 0; len < sizeof text; len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(
			wb_compare_documents(wb_slice(copy, len), wb_slice_cstr(text)), len == sizeof text - 1);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_compared_by_value),
		cmocka_unit_test(what_the_service_adds_does_not_count),
		cmocka_unit_test(what_is_no_object_equals_nothing),
		cmocka_unit_test(nothing_beyond_the_text_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
