#include "sandbox/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct wb_buf scratch, out;
static struct wb_error why;

static int setup(void **state)
{
	(void)state;
	wb_buf_init(&scratch, 65536);
	wb_buf_init(&out, 4096);
	return wb_buf_reserve(&scratch, 65535) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	wb_buf_release(&scratch);
	wb_buf_release(&out);
	return 0;
}

/* The document after the operations; NULL when they cannot be, with the sentence in why. */
static const char *patched(const char *document, const char *operations)
{
	struct wb_patch patch;

	wb_buf_clear(&scratch);
	wb_buf_clear(&out);
	why.text[0] = '\0';
	if (wb_patch_parse(wb_slice_cstr(operations), &scratch, &patch, &why) ||
		wb_patch_apply(&patch, wb_slice_cstr(document), &out, &why))
		return NULL;
	return out.data;
}

static void each_operation_does_what_it_says(void **state)
{
	static const char *const cases[][3] = {
		{ "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":{\"x\":[]}}]",
			"{\"a\":1,\"b\":{\"x\":[]}}" },
		{ "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":2}]", "{\"a\":2}" },
		{ "{}", "[{\"op\":\"set\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}" },
		{ "{\"l\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/l/1\",\"value\":9}]", "{\"l\":[1,9,2]}" },
		{ "{\"l\":[1,2]}", "[{\"op\":\"set\",\"path\":\"/l/1\",\"value\":9}]", "{\"l\":[1,9]}" },
		{ "{\"l\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/l/2\",\"value\":9}]", "{\"l\":[1,2,9]}" },
		{ "{\"l\":[]}", "[{\"op\":\"add\",\"path\":\"/l/-\",\"value\":9}]", "{\"l\":[9]}" },
		{ "{\"a\":{\"b\":1}}", "[{\"op\":\"replace\",\"path\":\"/a/b\",\"value\":\"x\"}]",
			"{\"a\":{\"b\":\"x\"}}" },
		{ "{\"a\":1,\"b\":2,\"c\":3}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{\"b\":2,\"c\":3}" },
		{ "{\"a\":1,\"b\":2,\"c\":3}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", "{\"a\":1,\"c\":3}" },
		{ "{\"a\":1,\"b\":2,\"c\":3}", "[{\"op\":\"remove\",\"path\":\"/c\"}]", "{\"a\":1,\"b\":2}" },
		{ "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{}" },
		{ "{\"l\":[1,2,3]}", "[{\"op\":\"remove\",\"path\":\"/l/1\"}]", "{\"l\":[1,3]}" },
		{ "{\"n\":1}", "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":-3}]", "{\"n\":-2}" },
		{ "{\"n\":0.5}", "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}]", "{\"n\":1.5}" },
		{ "{}", "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":7}]", "{\"n\":7}" },
		{ "{\"n\":9223372036854775806}", "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}]",
			"{\"n\":9223372036854775807}" },
		{ "{\"a\":{\"b\":[1]},\"c\":2}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/d\"}]",
			"{\"a\":{},\"c\":2,\"d\":[1]}" },
		{ "{\"a\":1,\"c\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/c\"}]", "{\"c\":1}" },
		{ "{\"l\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/l/2\",\"path\":\"/l/0\"}]", "{\"l\":[3,1,2]}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *is = patched(cases[i][0], cases[i][1]);

		if (!is || strcmp(is, cases[i][2]) != 0)
			fail_msg("%s %s: %s (%s)", cases[i][0], cases[i][1], is ? is : "refused", why.text);
	}
}

static void operations_follow_one_another(void **state)
{
	(void)state;
	assert_string_equal(patched("{\"id\":\"x\",\"price\":455.95,\"inventory\":{\"quantity\":15},\"used\":false,"
				    "\"tags\":[\"r-series\"]}",
				    "{\"operations\":[{\"op\":\"add\",\"path\":\"/color\",\"value\":\"silver\"},"
				    "{\"op\":\"remove\",\"path\":\"/used\"},"
				    "{\"op\":\"set\",\"path\":\"/price\",\"value\":355.45},"
				    "{\"op\":\"incr\",\"path\":\"/inventory/quantity\",\"value\":10},"
				    "{\"op\":\"add\",\"path\":\"/tags/-\",\"value\":\"featured-bikes\"},"
				    "{\"op\":\"move\",\"from\":\"/color\",\"path\":\"/inventory/color\"}]}"),
		"{\"id\":\"x\",\"price\":355.45,\"inventory\":{\"quantity\":25,\"color\":\"silver\"},"
		"\"tags\":[\"r-series\",\"featured-bikes\"]}");
}

/* Numbers keep their digits, names their escapes, and space its place. */
static void what_is_not_named_stays_byte_for_byte(void **state)
{
	(void)state;
	assert_string_equal(patched("{ \"big\" : 123456789012345678901234567890.10 , \"\\u0061\" : 1e2,\n\"z\":1}",
				    "[{\"op\":\"set\",\"path\":\"/a\",\"value\":-0.10}]"),
		"{ \"big\" : 123456789012345678901234567890.10 , \"\\u0061\" : -0.10,\n\"z\":1}");
}

static void pointers_have_escapes(void **state)
{
	(void)state;
	assert_string_equal(patched("{\"a/b\":{\"~1\":1}}",
				    "[{\"op\":\"set\",\"path\":\"/a~1b/~01\",\"value\":2},"
				    "{\"op\":\"add\",\"path\":\"/a~1b/\\\"\",\"value\":3}]"),
		"{\"a/b\":{\"~1\":2,\"\\\"\":3}}");
}

static void what_cannot_be_is_told(void **state)
{
	static const char *const operations[] = {
		"{\"op\":\"replace\",\"path\":\"/x\",\"value\":1}",
		"{\"op\":\"replace\",\"path\":\"/l/3\",\"value\":1}",
		"{\"op\":\"replace\",\"path\":\"/l/-\",\"value\":1}",
		"{\"op\":\"remove\",\"path\":\"/x\"}",
		"{\"op\":\"remove\",\"path\":\"/l/3\"}",
		"{\"op\":\"remove\",\"path\":\"/l/-\"}",
		"{\"op\":\"add\",\"path\":\"/x/y\",\"value\":1}",
		"{\"op\":\"set\",\"path\":\"/n/y\",\"value\":1}",
		"{\"op\":\"add\",\"path\":\"/l/4\",\"value\":1}",
		"{\"op\":\"add\",\"path\":\"/l/01\",\"value\":1}",
		"{\"op\":\"add\",\"path\":\"/l/x\",\"value\":1}",
		"{\"op\":\"incr\",\"path\":\"/s\",\"value\":1}",
		"{\"op\":\"incr\",\"path\":\"/huge\",\"value\":1.7e308}",
		"{\"op\":\"move\",\"from\":\"/x\",\"path\":\"/n\"}",
		"{\"op\":\"move\",\"from\":\"/o\",\"path\":\"/o/in\"}",
		"{\"op\":\"move\",\"from\":\"/s\",\"path\":\"/x/y\"}",
		/* and what is no operation */
		"{\"op\":\"copy\",\"from\":\"/s\",\"path\":\"/n\"}",
		"{\"op\":\"set\",\"path\":\"n\",\"value\":1}",
		"{\"op\":\"set\",\"path\":\"\",\"value\":1}",
		"{\"op\":\"set\",\"path\":\"/a~2\",\"value\":1}",
		"{\"op\":\"set\",\"path\":\"/a\"}",
		"{\"op\":\"incr\",\"path\":\"/n\",\"value\":\"1\"}",
		"{\"op\":\"move\",\"path\":\"/n\"}",
		"{\"op\":7,\"path\":\"/n\",\"value\":1}",
		"7",
	};
	static const char document[] = "{\"n\":1,\"s\":\"t\",\"l\":[1,2,3],\"o\":{\"in\":1},\"huge\":1.7e308}";
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		(void)snprintf(text, sizeof text, "[%s]", operations[i]);
		if (patched(document, text) || !why.text[0])
			fail_msg("%s", text);
	}
}

static void a_list_has_one_to_ten_operations(void **state)
{
	static const char one[] = "{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}";
	char text[1000] = "[", document[] = "{\"n\":0}";

	(void)state;
	assert_null(patched(document, "[]"));
	assert_null(patched(document, "{}"));
	assert_null(patched(document, "[{]"));
	assert_null(patched(document, "{\"operations\":{}}"));
	for (int i = 0; i < 10; i++) {
		strcat(text, i ? "," : "");
		strcat(text, one);
	}
	strcat(text, "]");
	assert_string_equal(patched(document, text), "{\"n\":10}");
	text[strlen(text) - 1] = '\0';
	strcat(strcat(strcat(text, ","), one), "]");
	assert_null(patched(document, text));
	assert_non_null(strstr(why.text, "10"));
}

static void a_condition_is_found(void **state)
{
	struct wb_patch patch;

	(void)state;
	assert_int_equal(wb_patch_parse(wb_slice_cstr("{\"condition\":\"from c where c.a = \\\"b\\\"\",\"operations\":"
						      "[{\"op\":\"remove\",\"path\":\"/a\"}]}"),
				 &scratch, &patch, &why),
		WB_OK);
	assert_true(wb_slice_eq_cstr(patch.condition, "from c where c.a = \"b\""));
	assert_int_equal(wb_patch_parse(wb_slice_cstr("{\"condition\":7,\"operations\":"
						      "[{\"op\":\"remove\",\"path\":\"/a\"}]}"),
				 &scratch, &patch, &why),
		WB_EINVAL);
}

static enum wb_err judged(const char *operation)
{
	struct wb_json_paths keys = { 0 };
	struct wb_patch patch;
	char text[200];
	enum wb_err err;

	(void)snprintf(text, sizeof text, "[%s]", operation);
	assert_int_equal(wb_json_paths_add(&keys, wb_slice_cstr("/k/x"), NULL), WB_OK);
	assert_int_equal(wb_patch_parse(wb_slice_cstr(text), &scratch, &patch, &why), WB_OK);
	err = wb_patch_judge(&patch, &keys, &why);
	wb_json_paths_release(&keys);
	return err;
}

static void identity_and_system_properties_cannot_be_patched(void **state)
{
	(void)state;
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/id\",\"value\":1}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/_etag\",\"value\":1}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"remove\",\"path\":\"/_ts\"}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/k/x\",\"value\":1}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/k/x/y\",\"value\":1}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"move\",\"from\":\"/k/x\",\"path\":\"/y\"}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"move\",\"from\":\"/y\",\"path\":\"/id\"}"), WB_EINVAL);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/k/y\",\"value\":1}"), WB_OK);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/a/id\",\"value\":1}"), WB_OK);
	assert_int_equal(judged("{\"op\":\"set\",\"path\":\"/ttl\",\"value\":1}"), WB_OK);
}

static void a_document_that_grows_too_large_is_told(void **state)
{
	struct wb_patch patch;
	struct wb_buf small;

	(void)state;
	wb_buf_init(&small, 12);
	assert_int_equal(wb_patch_parse(wb_slice_cstr("[{\"op\":\"set\",\"path\":\"/a\",\"value\":\"0123456789\"}]"),
				 &scratch, &patch, &why),
		WB_OK);
	assert_int_equal(wb_patch_apply(&patch, wb_slice_cstr("{}"), &small, &why), WB_ETOOBIG);
	wb_buf_release(&small);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_operation_does_what_it_says),
		T(operations_follow_one_another),
		T(what_is_not_named_stays_byte_for_byte),
		T(pointers_have_escapes),
		T(what_cannot_be_is_told),
		T(a_list_has_one_to_ten_operations),
		T(a_condition_is_found),
		T(identity_and_system_properties_cannot_be_patched),
		T(a_document_that_grows_too_large_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
