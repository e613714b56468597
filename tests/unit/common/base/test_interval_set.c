#include "common/base/interval_set.h"

#include "common/base/prng.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_ranges(const struct wb_interval_set *s, const struct wb_interval *expected, size_t count)
{
	assert_int_equal(s->count, count);
	for (size_t i = 0; i < count; i++) {
		assert_true(s->ranges[i].first == expected[i].first);
		assert_true(s->ranges[i].last == expected[i].last);
	}
}

static void zeroed_memory_is_the_empty_set(void **state)
{
	struct wb_interval_set s = { 0 };

	(void)state;
	assert_false(wb_interval_set_has(&s, 0));
	assert_true(wb_interval_set_total(&s) == 0);
	wb_interval_set_release(&s);
}

static void numbers_in_order_stay_one_range(void **state)
{
	struct wb_interval_set s = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(wb_interval_set_add(&s, i, i) == 1);
	assert_ranges(&s, (const struct wb_interval[]){ { 0, 999 } }, 1);
	assert_true(wb_interval_set_add(&s, 5, 5) == 0);
	wb_interval_set_release(&s);
}

static void touching_ranges_become_one(void **state)
{
	struct wb_interval_set s = { 0 };

	(void)state;
	assert_true(wb_interval_set_add(&s, 10, 19) == 10);
	assert_true(wb_interval_set_add(&s, 30, 39) == 10);
	assert_true(wb_interval_set_add(&s, 50, 59) == 10);
	assert_ranges(&s, (const struct wb_interval[]){ { 10, 19 }, { 30, 39 }, { 50, 59 } }, 3);
	assert_true(wb_interval_set_add(&s, 20, 29) == 10);
	assert_ranges(&s, (const struct wb_interval[]){ { 10, 39 }, { 50, 59 } }, 2);
	assert_true(wb_interval_set_add(&s, 5, 100) == 96 - 40);
	assert_ranges(&s, (const struct wb_interval[]){ { 5, 100 } }, 1);
	wb_interval_set_release(&s);
}

static void a_part_of_a_range_can_be_counted(void **state)
{
	struct wb_interval_set s = { 0 };

	(void)state;
	(void)wb_interval_set_add(&s, 10, 19);
	(void)wb_interval_set_add(&s, 30, 39);
	assert_true(wb_interval_set_count_in(&s, 0, 100) == 20);
	assert_true(wb_interval_set_count_in(&s, 15, 34) == 10);
	assert_true(wb_interval_set_count_in(&s, 20, 29) == 0);
	assert_true(wb_interval_set_count_in(&s, 19, 30) == 2);
	assert_true(wb_interval_set_count_in(&s, 40, 50) == 0);
	wb_interval_set_clear(&s);
	assert_true(wb_interval_set_total(&s) == 0);
	wb_interval_set_release(&s);
}

static void both_ends_of_the_numbers(void **state)
{
	struct wb_interval_set s = { 0 };

	(void)state;
	assert_true(wb_interval_set_add(&s, UINT64_MAX, UINT64_MAX) == 1);
	assert_true(wb_interval_set_add(&s, 0, 0) == 1);
	assert_int_equal(s.count, 2);
	assert_true(wb_interval_set_add(&s, UINT64_MAX - 1, UINT64_MAX) == 1);
	assert_true(wb_interval_set_has(&s, UINT64_MAX));
	assert_true(wb_interval_set_has(&s, 0));
	assert_false(wb_interval_set_has(&s, 1));
	assert_true(wb_interval_set_total(&s) == 3);
	wb_interval_set_release(&s);
}

enum { UNIVERSE = 300 };

/* The same operations on a plain array of flags must agree, whatever their order. */
static void it_agrees_with_an_array_of_flags(void **state)
{
	struct wb_prng random = { 1 };

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct wb_interval_set s = { 0 };
		bool flags[UNIVERSE] = { false };

		for (int step = 0; step < 60; step++) {
			uint64_t first = wb_prng_next(&random) % UNIVERSE;
			uint64_t last = first + wb_prng_next(&random) % 12, added = 0, inside = 0;

			last = last < UNIVERSE ? last : UNIVERSE - 1;
			for (uint64_t i = first; i <= last; i++) {
				added += !flags[i];
				flags[i] = true;
			}
			assert_true(wb_interval_set_add(&s, first, last) == added);
			for (size_t i = 1; i < s.count; i++)
				assert_true(s.ranges[i].first > s.ranges[i - 1].last + 1);
			first = wb_prng_next(&random) % UNIVERSE;
			for (uint64_t i = first; i < UNIVERSE; i++) {
				assert_int_equal(wb_interval_set_has(&s, i), flags[i]);
				inside += flags[i];
			}
			assert_true(wb_interval_set_count_in(&s, first, UNIVERSE) == inside);
		}
		wb_interval_set_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroed_memory_is_the_empty_set),
		cmocka_unit_test(numbers_in_order_stay_one_range),
		cmocka_unit_test(touching_ranges_become_one),
		cmocka_unit_test(a_part_of_a_range_can_be_counted),
		cmocka_unit_test(both_ends_of_the_numbers),
		cmocka_unit_test(it_agrees_with_an_array_of_flags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
