#include "common/base/health.h"

#include <jansson.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Renders, parses and returns the conditions; the caller drops *ret_page. */
static json_t *conditions(struct wb_health *h, json_t **ret_page, bool ready)
{
	struct wb_buf text;

	wb_buf_init(&text, 4096);
	wb_health_render(h, &text);
	assert_int_equal(wb_buf_status(&text), WB_OK);
	*ret_page = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
	wb_buf_release(&text);
	assert_non_null(*ret_page);
	assert_int_equal(json_is_true(json_object_get(*ret_page, "ready")), ready);
	return json_object_get(*ret_page, "conditions");
}

static const char *text_of(const json_t *conditions, size_t index, const char *key)
{
	return json_string_value(json_object_get(json_array_get(conditions, index), key));
}

static void ready_means_that_all_is_well(void **state)
{
	struct wb_health *h = wb_health_new();

	(void)state;
	assert_true(wb_health_ready(h));
	wb_health_set(h, "kafka", false, "not connected yet");
	wb_health_set(h, "cosmos", true, NULL);
	assert_false(wb_health_ready(h));
	assert_false(wb_health_ok(h, "kafka"));
	assert_true(wb_health_ok(h, "cosmos"));
	assert_true(wb_health_ok(h, "never heard of"));
	wb_health_set(h, "kafka", true, NULL);
	assert_true(wb_health_ok(h, "kafka"));
	assert_true(wb_health_ready(h));
	wb_health_free(&h);
	assert_null(h);
	wb_health_free(&h);
}

static void the_page_names_what_is_wrong(void **state)
{
	struct wb_health *h = wb_health_new();
	json_t *page, *list;

	(void)state;
	wb_health_set(h, "kafka", true, "said although all is well");
	wb_health_set(h, "cosmos", false, "answers \"503\"");
	list = conditions(h, &page, false);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(list, 0, "name"), "kafka");
	assert_null(text_of(list, 0, "why"));
	assert_string_equal(text_of(list, 1, "name"), "cosmos");
	assert_string_equal(text_of(list, 1, "why"), "answers \"503\"");
	assert_int_equal(strlen(text_of(list, 1, "since")), strlen("2026-01-02T03:04:05.678Z"));
	json_decref(page);
	wb_health_free(&h);
}

static void since_is_the_last_change_not_the_last_report(void **state)
{
	struct wb_health *h = wb_health_new();
	json_t *first, *later, *list;
	char since[40];

	(void)state;
	wb_health_set(h, "kafka", false, "one reason");
	list = conditions(h, &first, false);
	(void)strncpy(since, text_of(list, 0, "since"), sizeof since - 1);
	since[sizeof since - 1] = '\0';
	json_decref(first);
	for (int i = 0; i < 20000; i++)
		wb_health_set(h, "kafka", false, "another reason");
	list = conditions(h, &later, false);
	assert_string_equal(text_of(list, 0, "since"), since);
	assert_string_equal(text_of(list, 0, "why"), "another reason");
	json_decref(later);
	wb_health_free(&h);
}

static void a_long_reason_is_cut(void **state)
{
	struct wb_health *h = wb_health_new();
	char longer[1000];
	json_t *page, *list;

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	wb_health_set(h, "kafka", false, longer);
	list = conditions(h, &page, false);
	assert_int_equal(strlen(text_of(list, 0, "why")), 200);
	json_decref(page);
	wb_health_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_means_that_all_is_well),
		cmocka_unit_test(the_page_names_what_is_wrong),
		cmocka_unit_test(since_is_the_last_change_not_the_last_report),
		cmocka_unit_test(a_long_reason_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
