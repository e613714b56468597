#include "consumer/topic_map.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void nothing_is_no_entry(void **state)
{
	struct wb_topic_map map = { 0 };

	(void)state;
	assert_int_equal(wb_topic_map_parse(&map, NULL, NULL), WB_OK);
	assert_int_equal(map.count, 0);
	assert_int_equal(wb_topic_map_parse(&map, "", NULL), WB_OK);
	assert_int_equal(map.count, 0);
	wb_topic_map_release(&map);
}

static void entries_are_read_in_order_without_spaces(void **state)
{
	struct wb_topic_map map = { 0 };

	(void)state;
	assert_int_equal(wb_topic_map_parse(&map, " orders.writes:orders ,users_2 : all users", NULL), WB_OK);
	assert_int_equal(map.count, 2);
	assert_string_equal(map.entries[0].topic, "orders.writes");
	assert_true(wb_slice_eq_cstr(map.entries[0].container, "orders"));
	assert_string_equal(map.entries[1].topic, "users_2");
	assert_true(wb_slice_eq_cstr(map.entries[1].container, "all users"));
	wb_topic_map_release(&map);
	assert_int_equal(map.count, 0);
	wb_topic_map_release(&map);
}

static void several_topics_may_have_one_container(void **state)
{
	struct wb_topic_map map = { 0 };

	(void)state;
	assert_int_equal(wb_topic_map_parse(&map, "a:c,b:c", NULL), WB_OK);
	assert_int_equal(map.count, 2);
	wb_topic_map_release(&map);
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{ "orders", "orders" },
		{ "a:b,", "TOPIC:CONTAINER" },
		{ ":c", "no topic's name" },
		{ "a b:c", "\"a b\"" },
		{ "a/b:c", "\"a/b\"" },
		{ "..:c", "\"..\"" },
		{ "a:", "topic a" },
		{ "a:  ", "topic a" },
		{ "a:b, a:c", "twice" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_topic_map map = { 0 };
		struct wb_error e = { "" };

		assert_int_equal(wb_topic_map_parse(&map, cases[i].text, &e), WB_EINVAL);
		if (!strstr(e.text, "topic.map") || !strstr(e.text, cases[i].named))
			fail_msg("\"%s\" does not name topic.map and %s", e.text, cases[i].named);
		wb_topic_map_release(&map);
	}
}

static void a_topics_name_has_at_most_249_bytes(void **state)
{
	struct wb_topic_map map = { 0 };
	char text[260];

	(void)state;
	for (size_t len = 249; len <= 250; len++) {
		memset(text, 'x', len);
		memcpy(text + len, ":c", 3);
		assert_int_equal(wb_topic_map_parse(&map, text, NULL), len == 249 ? WB_OK : WB_EINVAL);
	}
	wb_topic_map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_no_entry),
		cmocka_unit_test(entries_are_read_in_order_without_spaces),
		cmocka_unit_test(several_topics_may_have_one_container),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_topics_name_has_at_most_249_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
