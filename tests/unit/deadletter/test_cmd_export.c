#include "deadletter/cmd_export.h"

#include "tests/unit/deadletter/letters.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static struct letters topic;

static int setup(void **state)
{
	(void)state;
	letters_start(&topic);
	letters_put_dead(&topic, 0, 1, WB_REASON_CONFLICT, "0123456789abcdef0123456789abcdef", LIT("{\"n\":1}"));
	letters_put_dead(&topic, 1, 2, WB_REASON_INVALID_JSON, "fedcba9876543210fedcba9876543210", LIT("\xff"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	letters_stop(&topic);
	return 0;
}

static void a_line_has_all_of_a_letter(void **state)
{
	struct wb_deadletter_config config = topic.config;
	FILE *out = letters_output(&topic);
	uint64_t found = 0;
	json_t *object;

	(void)state;
	config.reason = WB_REASON_INVALID_JSON;
	assert_int_equal(wb_cmd_export(&config, NULL, out, &found, NULL), WB_OK);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(found, 1);
	object = json_loads(topic.output, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "valueBase64")), "/w==");
	assert_string_equal(json_string_value(json_object_get(object, "key")), "key");
	assert_string_equal(
		json_string_value(json_object_get(object, "identity")), "fedcba9876543210fedcba9876543210/7");
	assert_true(json_array_size(json_object_get(object, "headers")) > 10);
	json_decref(object);
}

static void watching_begins_now_and_ends_when_it_is_told(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	FILE *out = letters_output(&topic);

	(void)state;
	assert_int_equal(wb_cmd_watch(&topic.config, NULL, out, &stop, NULL), WB_OK);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(topic.output_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_all_of_a_letter),
		cmocka_unit_test(watching_begins_now_and_ends_when_it_is_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
