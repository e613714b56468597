#include "deadletter/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NOW    (INT64_C(500000) * WB_HOUR_MS + 1000)
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static void add(struct wb_tally *t, int64_t died_ms, enum wb_reason reason, struct wb_slice container)
{
	const struct wb_index_letter letter = { .died_ms = died_ms, .reason = reason, .container = container };

	wb_tally_add(t, &letter);
}

static void letters_are_counted_by_reason_container_and_hour(void **state)
{
	struct wb_tally t;

	(void)state;
	wb_tally_init(&t, NOW);
	add(&t, NOW, WB_REASON_CONFLICT, LIT("a/b"));
	add(&t, NOW - 2000, WB_REASON_CONFLICT, (struct wb_slice){ NULL, 0 });
	add(&t, NOW - 2 * WB_HOUR_MS, WB_REASON_NONE, (struct wb_slice){ NULL, 0 });
	add(&t, NOW - 100 * WB_HOUR_MS, WB_REASON_TOO_LARGE, LIT("a/b"));
	add(&t, NOW + 100 * WB_HOUR_MS, WB_REASON_TOO_LARGE, LIT("a/b"));
	wb_tally_sort(&t);
	assert_int_equal(t.total, 5);
	assert_int_equal(t.of_reason[WB_REASON_CONFLICT], 2);
	assert_int_equal(t.of_reason[WB_REASON_NONE], 1);
	assert_int_equal(t.of_hour[WB_TALLY_HOURS - 1], 2);
	assert_int_equal(t.of_hour[WB_TALLY_HOURS - 2], 1);
	assert_int_equal(t.of_hour[WB_TALLY_HOURS - 3], 1);
	assert_int_equal(t.earlier, 1);
	assert_int_equal(t.oldest_ms, NOW - 100 * WB_HOUR_MS);
	assert_int_equal(t.container_count, 2);
	assert_string_equal(t.containers[0].name, "a/b");
	assert_int_equal(t.containers[0].count, 3);
	assert_null(t.containers[1].name);
	wb_tally_release(&t);
}

static void containers_are_bounded(void **state)
{
	struct wb_tally t;

	(void)state;
	wb_tally_init(&t, NOW);
	for (int i = 0; i < WB_TALLY_CONTAINERS + 7; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "c/%d", i);
		add(&t, NOW, WB_REASON_CONFLICT, wb_slice_cstr(name));
	}
	assert_int_equal(t.container_count, WB_TALLY_CONTAINERS);
	assert_int_equal(t.other_containers, 7);
	wb_tally_release(&t);
}

static void a_sparkline_has_a_block_for_each_number(void **state)
{
	const uint64_t numbers[] = { 0, 1, 50, 100 };
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 1000);
	wb_tally_sparkline(numbers, WB_ARRAY_LEN(numbers), &b);
	assert_string_equal(b.data, " \xe2\x96\x81\xe2\x96\x84\xe2\x96\x88");
	wb_buf_clear(&b);
	wb_tally_sparkline(numbers, 1, &b);
	assert_string_equal(b.data, " ");
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_are_counted_by_reason_container_and_hour),
		cmocka_unit_test(containers_are_bounded),
		cmocka_unit_test(a_sparkline_has_a_block_for_each_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
