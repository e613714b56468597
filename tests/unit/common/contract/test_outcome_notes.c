#include "common/contract/outcome_notes.h"

#include "common/base/compiler.h"
#include "common/base/prng.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_ranges(
	const struct wb_outcome_notes *n, enum wb_outcome outcome, const uint64_t *expected, size_t numbers)
{
	size_t at = 0;
	uint64_t first, last;

	for (size_t i = 0; i < numbers; i += 2) {
		assert_true(wb_outcome_notes_next(n, outcome, &at, &first, &last));
		assert_true(first == expected[i] && last == expected[i + 1]);
	}
	assert_false(wb_outcome_notes_next(n, outcome, &at, &first, &last));
}

static void without_notes_there_are_no_ranges(void **state)
{
	struct wb_outcome_notes n = { 0 };

	(void)state;
	wb_outcome_notes_sort(&n);
	assert_ranges(&n, WB_WRITTEN, NULL, 0);
	wb_outcome_notes_release(&n);
}

static void neighbours_with_the_same_outcome_are_one_range(void **state)
{
	static const uint64_t written[] = { 0, 2, 4, 4, 9, 9 }, dead[] = { 3, 3 }, superseded[] = { 7, 8 };
	struct wb_outcome_notes n = { 0 };

	(void)state;
	wb_outcome_notes_add(&n, WB_WRITTEN, 9);
	wb_outcome_notes_add(&n, WB_WRITTEN, 1);
	wb_outcome_notes_add(&n, WB_SUPERSEDED, 8);
	wb_outcome_notes_add(&n, WB_WRITTEN, 0);
	wb_outcome_notes_add(&n, WB_DEAD, 3);
	wb_outcome_notes_add(&n, WB_WRITTEN, 4);
	wb_outcome_notes_add(&n, WB_WRITTEN, 2);
	wb_outcome_notes_add(&n, WB_SUPERSEDED, 7);
	wb_outcome_notes_sort(&n);
	assert_ranges(&n, WB_WRITTEN, written, WB_ARRAY_LEN(written));
	assert_ranges(&n, WB_DEAD, dead, WB_ARRAY_LEN(dead));
	assert_ranges(&n, WB_SUPERSEDED, superseded, WB_ARRAY_LEN(superseded));
	wb_outcome_notes_release(&n);
}

static void the_first_outcome_of_a_number_counts(void **state)
{
	static const uint64_t dead[] = { 5, 5 }, written[] = { 4, 4, 6, 6 };
	struct wb_outcome_notes n = { 0 };

	(void)state;
	wb_outcome_notes_add(&n, WB_WRITTEN, 6);
	wb_outcome_notes_add(&n, WB_DEAD, 5);
	wb_outcome_notes_add(&n, WB_WRITTEN, 5);
	wb_outcome_notes_add(&n, WB_WRITTEN, 4);
	wb_outcome_notes_add(&n, WB_WRITTEN, 4);
	wb_outcome_notes_add(&n, WB_DEAD, 6);
	wb_outcome_notes_sort(&n);
	assert_ranges(&n, WB_WRITTEN, written, WB_ARRAY_LEN(written));
	assert_ranges(&n, WB_DEAD, dead, WB_ARRAY_LEN(dead));
	assert_ranges(&n, WB_SUPERSEDED, NULL, 0);
	wb_outcome_notes_release(&n);
}

static void the_largest_numbers_stand_beside_the_smallest(void **state)
{
	static const uint64_t written[] = { 0, 1, WB_OUTCOME_NUMBER_MAX - 1, WB_OUTCOME_NUMBER_MAX };
	struct wb_outcome_notes n = { 0 };

	(void)state;
	wb_outcome_notes_add(&n, WB_WRITTEN, WB_OUTCOME_NUMBER_MAX);
	wb_outcome_notes_add(&n, WB_WRITTEN, 1);
	wb_outcome_notes_add(&n, WB_WRITTEN, WB_OUTCOME_NUMBER_MAX - 1);
	wb_outcome_notes_add(&n, WB_WRITTEN, 0);
	wb_outcome_notes_sort(&n);
	assert_ranges(&n, WB_WRITTEN, written, WB_ARRAY_LEN(written));
	wb_outcome_notes_release(&n);
}

/* What the ranges say is read into a table, and so is what was noted, in its order. */
static void ranges_say_what_a_table_says(void **state)
{
	enum { NUMBERS = 3000, NONE = 9 };
	const uint64_t base = 70000000001;
	struct wb_prng random = { .state = 42 };

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct wb_outcome_notes n = { 0 };
		unsigned char noted[NUMBERS], told[NUMBERS];
		uint64_t span = 1 + wb_prng_next(&random) % NUMBERS, count = wb_prng_next(&random) % 5000;

		memset(noted, NONE, sizeof noted);
		memset(told, NONE, sizeof told);
		for (uint64_t i = 0; i < count; i++) {
			uint64_t number = wb_prng_next(&random) % span;
			enum wb_outcome outcome = (enum wb_outcome)(wb_prng_next(&random) % 3);

			wb_outcome_notes_add(&n, outcome, base + number);
			if (noted[number] == NONE)
				noted[number] = (unsigned char)outcome;
		}
		wb_outcome_notes_sort(&n);
		for (int o = 0; o <= WB_DEAD; o++) {
			size_t at = 0;
			uint64_t first, last;

			while (wb_outcome_notes_next(&n, (enum wb_outcome)o, &at, &first, &last)) {
				for (uint64_t k = first; k <= last; k++) {
					assert_int_equal(told[k - base], NONE);
					told[k - base] = (unsigned char)o;
				}
			}
		}
		assert_memory_equal(told, noted, sizeof told);
		wb_outcome_notes_release(&n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_notes_there_are_no_ranges),
		cmocka_unit_test(neighbours_with_the_same_outcome_are_one_range),
		cmocka_unit_test(the_first_outcome_of_a_number_counts),
		cmocka_unit_test(the_largest_numbers_stand_beside_the_smallest),
		cmocka_unit_test(ranges_say_what_a_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
