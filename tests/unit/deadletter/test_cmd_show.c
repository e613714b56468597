#include "deadletter/cmd_show.h"

#include "tests/unit/deadletter/letters.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB    "0123456789abcdef0123456789abcdef"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static struct letters topic;
static const char binary[] = "no\0json\xff\033[31m";

static int setup(void **state)
{
	(void)state;
	letters_start(&topic);
	letters_put_dead(&topic, 0, 1, WB_REASON_CONFLICT, JOB, LIT("{\"id\":\"a\",\"n\":1.50,\"list\":[1,2]}"));
	letters_put_dead(&topic, 0, 2, WB_REASON_INVALID_JSON, JOB, wb_slice(binary, sizeof binary - 1));
	letters_put_dead(&topic, 1, 3, WB_REASON_TOMBSTONE, JOB, (struct wb_slice){ NULL, 0 });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	letters_stop(&topic);
	return 0;
}

static enum wb_err show(const char *where, bool json, bool raw, struct wb_error *e)
{
	struct wb_deadletter_config config = topic.config;
	FILE *out = letters_output(&topic);
	enum wb_err err;

	config.json = json;
	config.raw = raw;
	err = wb_cmd_show(&config, where, NULL, out, e);
	assert_int_equal(fclose(out), 0);
	return err;
}

static void a_person_sees_why_where_and_what(void **state)
{
	static const char *const expected[] = { "letter 0/0: conflict", "409", "writes, partition 3, offset 42",
		"2025-10-09T08:54:20.000Z", "what \\x1b[31mhappened", JOB ", write 7", "consumer-1", "wb-job",
		"\"n\": 1.50" };

	(void)state;
	assert_int_equal(show("0/0", false, false, NULL), WB_OK);
	for (size_t i = 0; i < WB_ARRAY_LEN(expected); i++) {
		if (!strstr(topic.output, expected[i]))
			fail_msg("no %s in:\n%s", expected[i], topic.output);
	}
}

static void bytes_that_are_no_json_are_escaped(void **state)
{
	(void)state;
	assert_int_equal(show("0/1", false, false, NULL), WB_OK);
	assert_non_null(strstr(topic.output, "no\\x00json\\xff\\x1b[31m"));
	for (size_t i = 0; i < topic.output_len; i++)
		assert_true(topic.output[i] == '\n' || (unsigned char)topic.output[i] >= 0x20);
}

static void raw_is_the_original_byte_for_byte(void **state)
{
	(void)state;
	assert_int_equal(show("0/1", false, true, NULL), WB_OK);
	assert_int_equal(topic.output_len, sizeof binary - 1);
	assert_memory_equal(topic.output, binary, sizeof binary - 1);
}

static void json_loses_nothing(void **state)
{
	json_t *object;

	(void)state;
	assert_int_equal(show("0/0", true, false, NULL), WB_OK);
	object = json_loads(topic.output, 0, NULL);
	assert_non_null(object);
	assert_string_equal(
		json_string_value(json_object_get(object, "value")), "{\"id\":\"a\",\"n\":1.50,\"list\":[1,2]}");
	assert_string_equal(json_string_value(json_object_get(object, "key")), "key");
	assert_true(json_array_size(json_object_get(object, "headers")) > 10);
	json_decref(object);

	assert_int_equal(show("0/1", true, false, NULL), WB_OK);
	object = json_loads(topic.output, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "valueBase64")), "bm8AanNvbv8bWzMxbQ==");
	json_decref(object);
}

static void no_value_is_not_an_empty_one(void **state)
{
	json_t *object;

	(void)state;
	assert_int_equal(show("1/0", true, false, NULL), WB_OK);
	object = json_loads(topic.output, 0, NULL);
	assert_true(json_is_null(json_object_get(object, "value")));
	json_decref(object);
	assert_int_equal(show("1/0", false, false, NULL), WB_OK);
	assert_non_null(strstr(topic.output, "value: none"));
}

static void a_letter_that_is_not_there_is_told(void **state)
{
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(show("1/7", false, false, &e), WB_ENOTFOUND);
	assert_non_null(strstr(e.text, "1/7"));
	assert_int_equal(topic.output_len, 0);
}

static void what_names_no_letter_is_refused(void **state)
{
	static const char *const wrong[] = { "", "1", "1/", "/1" },
				 *const unknown[] = { "a/1", "1/-1", "1/1/1", "99999999999/0" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(wrong); i++) {
		struct wb_error e = { "" };

		assert_int_equal(show(wrong[i], false, false, &e), WB_EINVAL);
		assert_non_null(strstr(e.text, "PARTITION/OFFSET"));
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(unknown); i++)
		assert_int_equal(show(unknown[i], false, false, NULL), WB_ENOTFOUND);
}

/* All letters of the topic have one identity: the newest is shown, and all in the history. */
static void an_identity_names_the_newest_copy(void **state)
{
	(void)state;
	assert_int_equal(show(JOB "/7", false, false, NULL), WB_OK);
	assert_non_null(strstr(topic.output, "letter 1/0: tombstone"));
	assert_non_null(strstr(topic.output, "died as letter 0/0: conflict, 409; older copy"));
	assert_non_null(strstr(topic.output, "died as letter 1/0: tombstone; open"));
	assert_non_null(strstr(topic.output, "consumer.tombstones=delete"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_sees_why_where_and_what),
		cmocka_unit_test(bytes_that_are_no_json_are_escaped),
		cmocka_unit_test(raw_is_the_original_byte_for_byte),
		cmocka_unit_test(json_loses_nothing),
		cmocka_unit_test(no_value_is_not_an_empty_one),
		cmocka_unit_test(a_letter_that_is_not_there_is_told),
		cmocka_unit_test(what_names_no_letter_is_refused),
		cmocka_unit_test(an_identity_names_the_newest_copy),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
