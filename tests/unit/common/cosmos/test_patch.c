#include "common/cosmos/patch.h"

#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OP "{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}"

static enum wb_reason check(const char *text, struct wb_slice *ret, struct wb_error *why)
{
	*ret = (struct wb_slice){ 0 };
	why->text[0] = '\0';
	return wb_patch_check(wb_slice_cstr(text), ret, why);
}

static void both_forms_are_taken_without_the_space_around(void **state)
{
	const char *const rows[] = {
		"[" OP "]",
		"{\"operations\":[" OP "," OP "]}",
		"{ \"condition\" : \"from c where c.n < 3\" , \"operations\" : [ " OP " ] }",
		"{\"oper\\u0061tions\":[{\"from\":\"/a\",\"\\u0070ath\":\"/b\",\"op\":\"mov\\u0065\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_slice patch;
		struct wb_error why;
		char text[256] = " \r\n";

		strcat(strcat(text, rows[i]), "\t ");
		if (check(text, &patch, &why))
			fail_msg("%s: %s", rows[i], why.text);
		assert_true(wb_slice_eq_cstr(patch, rows[i]));
		assert_ptr_equal(patch.data, text + 3);
	}
}

static void every_operation_of_the_service_is_known(void **state)
{
	const char *const ops[] = { "add", "set", "replace", "remove", "incr", "move" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(ops); i++) {
		struct wb_slice patch;
		struct wb_error why;
		char text[100] = "[{\"path\":\"/a\",\"op\":\"";

		strcat(strcat(text, ops[i]), "\"}]");
		assert_int_equal(check(text, &patch, &why), WB_REASON_NONE);
	}
}

static void what_is_no_patch_has_its_reason(void **state)
{
	const struct {
		const char *text;
		enum wb_reason reason;
		const char *says;
	} rows[] = {
		{ "", WB_REASON_INVALID_JSON, "byte 0" },
		{ "[" OP, WB_REASON_INVALID_JSON, "not valid JSON" },
		{ "[" OP "] x", WB_REASON_INVALID_JSON, "not valid JSON" },
		{ "7", WB_REASON_NOT_AN_OBJECT, "neither an object nor an array" },
		{ "null", WB_REASON_NOT_AN_OBJECT, "neither" },
		{ "[]", WB_REASON_BAD_REQUEST, "1 to 10" },
		{ "{}", WB_REASON_BAD_REQUEST, "no \"operations\"" },
		{ "{\"operations\":[]}", WB_REASON_BAD_REQUEST, "1 to 10" },
		{ "{\"operations\":{}}", WB_REASON_BAD_REQUEST, "no array" },
		{ "{\"condition\":\"c\"}", WB_REASON_BAD_REQUEST, "no \"operations\"" },
		{ "{\"operations\":[" OP "],\"condition\":1}", WB_REASON_BAD_REQUEST, "no string" },
		{ "{\"operations\":[" OP "],\"operations\":[" OP "]}", WB_REASON_BAD_REQUEST, "twice" },
		{ "{\"operations\":[" OP "],\"id\":\"x\"}", WB_REASON_BAD_REQUEST, "another member" },
		{ "[" OP ",5]", WB_REASON_BAD_REQUEST, "operation 1 of the patch is no object" },
		{ "[{\"path\":\"/a\"}]", WB_REASON_BAD_REQUEST, "no \"op\" that is one of add" },
		{ "[{\"op\":\"test\",\"path\":\"/a\"}]", WB_REASON_BAD_REQUEST, "no \"op\"" },
		{ "[{\"op\":1,\"path\":\"/a\"}]", WB_REASON_BAD_REQUEST, "no \"op\"" },
		{ "[{\"op\":\"SET\",\"path\":\"/a\"}]", WB_REASON_BAD_REQUEST, "no \"op\"" },
		{ "[{\"op\":\"set\"}]", WB_REASON_BAD_REQUEST, "no \"path\"" },
		{ "[{\"op\":\"set\",\"path\":[]}]", WB_REASON_BAD_REQUEST, "no \"path\"" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_slice patch;
		struct wb_error why;
		enum wb_reason reason = check(rows[i].text, &patch, &why);

		if (reason != rows[i].reason || !strstr(why.text, rows[i].says))
			fail_msg("%s: '%s' (%s)", rows[i].text, wb_reason_text(reason), why.text);
		assert_null(patch.data);
	}
}

static void ten_operations_and_no_more(void **state)
{
	(void)state;
	for (unsigned count = 9; count <= 12; count++) {
		struct wb_slice patch;
		struct wb_error why;
		struct wb_buf text;

		wb_buf_init(&text, 4096);
		for (unsigned i = 0; i < count; i++)
			wb_buf_appendf(&text, "%c" OP, i ? ',' : '[');
		wb_buf_append_char(&text, ']');
		assert_int_equal(check(text.data, &patch, &why), count <= 10 ? WB_REASON_NONE : WB_REASON_BAD_REQUEST);
		if (count > 10)
			assert_non_null(strstr(why.text, "more than 10 operations"));
		wb_buf_release(&text);
	}
}

/* In memory of its own size, so that a sanitizer sees one byte too far. */
static void a_patch_cut_short_anywhere_is_refused(void **state)
{
	const char text[] =
		"{\"operations\":[{\"op\":\"s\\u0065t\",\"path\":\"/a\",\"value\":[1,{}]}],\"condition\":\"x\"}";

	(void)state;
	for (size_t len = 0; len < sizeof text - 1; len++) {
		char *copy = malloc(len ? len : 1);
		struct wb_slice patch;

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(wb_patch_check(wb_slice(copy, len), &patch, NULL), WB_REASON_INVALID_JSON);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_are_taken_without_the_space_around),
		cmocka_unit_test(every_operation_of_the_service_is_known),
		cmocka_unit_test(what_is_no_patch_has_its_reason),
		cmocka_unit_test(ten_operations_and_no_more),
		cmocka_unit_test(a_patch_cut_short_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
