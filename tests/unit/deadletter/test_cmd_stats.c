#include "deadletter/cmd_stats.h"

#include "tests/unit/deadletter/letters.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
#define NOW    (INT64_C(1760000000000) + 3 * 60000)

static struct letters topic;

static int setup(void **state)
{
	(void)state;
	letters_start(&topic);
	letters_put_dead(&topic, 0, 1, WB_REASON_CONFLICT, "0123456789abcdef0123456789abcdef", LIT("{}"));
	letters_put_dead(&topic, 1, 2, WB_REASON_CONFLICT, "fedcba9876543210fedcba9876543210", LIT("{}"));
	letters_put(&topic, 1, 3, NULL, 0, LIT("a stranger's"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	letters_stop(&topic);
	return 0;
}

static uint64_t stats(struct wb_deadletter_config config)
{
	FILE *out = letters_output(&topic);
	struct wb_error e = { "" };
	uint64_t found = 0;

	assert_int_equal(wb_cmd_stats(&config, NOW, NULL, out, &found, &e), WB_OK);
	assert_int_equal(fclose(out), 0);
	return found;
}

static void a_person_sees_counts(void **state)
{
	(void)state;
	assert_int_equal(stats(topic.config), 3);
	assert_non_null(strstr(topic.output, "3 open letters\n"));
	assert_non_null(strstr(topic.output, "conflict"));
	assert_non_null(strstr(topic.output, "67%"));
	assert_non_null(strstr(topic.output, "(not ours)"));
	assert_non_null(strstr(topic.output, "the consumers' default"));
}

static void json_has_the_same(void **state)
{
	struct wb_deadletter_config config = topic.config;
	json_t *object;

	(void)state;
	config.json = true;
	assert_int_equal(stats(config), 3);
	object = json_loads(topic.output, 0, NULL);
	assert_non_null(object);
	assert_int_equal(json_integer_value(json_object_get(object, "total")), 3);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "reasons"), "conflict")), 2);
	assert_int_equal(json_array_size(json_object_get(object, "hours")), 48);
	json_decref(object);
}

static void filters_choose(void **state)
{
	struct wb_deadletter_config config = topic.config;

	(void)state;
	config.reason = WB_REASON_CONFLICT;
	assert_int_equal(stats(config), 2);
	config.state = "parked";
	assert_int_equal(stats(config), 0);
	assert_string_equal(topic.output, "0 parked letters\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_sees_counts),
		cmocka_unit_test(json_has_the_same),
		cmocka_unit_test(filters_choose),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
