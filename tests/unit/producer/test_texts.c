#include "producer/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void a_text_is_there_once_as_long_as_somebody_uses_it(void **state)
{
	struct wb_texts t = { 0 };
	uint32_t a = wb_texts_use(&t, wb_slice_cstr("a")), b = wb_texts_use(&t, wb_slice_cstr("b"));

	(void)state;
	assert_int_not_equal(a, 0);
	assert_int_not_equal(a, b);
	assert_false(wb_texts_shared(&t, a));
	assert_int_equal(wb_texts_use(&t, wb_slice_cstr("a")), a);
	assert_true(wb_texts_shared(&t, a));
	assert_int_equal(t.used, 2);
	assert_true(wb_slice_eq_cstr(wb_texts_get(&t, a), "a"));
	wb_texts_drop(&t, a);
	assert_true(wb_slice_eq_cstr(wb_texts_get(&t, a), "a"));
	wb_texts_drop(&t, a);
	assert_int_equal(t.used, 1);
	assert_int_equal(wb_texts_use(&t, wb_slice_cstr("c")), a);
	wb_texts_drop(&t, 0);
	assert_null(wb_texts_get(&t, 0).data);
	assert_false(wb_texts_shared(&t, 0));
	wb_texts_release(&t);
	assert_int_equal(wb_texts_memory_bytes(&t), 0);
}

static void many_texts_are_found_and_their_room_is_used_again(void **state)
{
	enum { TEXTS = 5000 };
	static uint32_t numbers[TEXTS];
	struct wb_texts t = { 0 };
	size_t bytes = 0;
	char text[32];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < TEXTS; i++) {
			(void)snprintf(text, sizeof text, "https://a/%u", i);
			numbers[i] = wb_texts_use(&t, wb_slice_cstr(text));
		}
		for (unsigned i = 0; i < TEXTS; i++) {
			(void)snprintf(text, sizeof text, "https://a/%u", i);
			assert_true(wb_slice_eq_cstr(wb_texts_get(&t, numbers[i]), text));
			assert_int_equal(wb_texts_use(&t, wb_slice_cstr(text)), numbers[i]);
			wb_texts_drop(&t, numbers[i]);
		}
		if (round)
			assert_int_equal(wb_texts_memory_bytes(&t), bytes);
		bytes = wb_texts_memory_bytes(&t);
		for (unsigned i = 0; i < TEXTS; i++)
			wb_texts_drop(&t, numbers[i]);
		assert_int_equal(t.used, 0);
	}
	wb_texts_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_there_once_as_long_as_somebody_uses_it),
		cmocka_unit_test(many_texts_are_found_and_their_room_is_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
