#include "consumer/original.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define STEP  ((size_t)WB_ORIGINAL_STEP_BYTES)
#define LARGE (WB_ORIGINAL_STEPS * STEP)
/* Fewer blocks than the tests make fit. */
#define SPARE_MAX ((size_t)1 << 20)

/* A block of so many bytes, none of which is read. */
static struct wb_original *block_of(struct wb_originals *all, size_t size, size_t *ret_bytes)
{
	size_t len = size - sizeof(struct wb_original);
	char *bytes = calloc(1, len + 1);
	struct wb_slice key = wb_slice(NULL, 0), value = wb_slice(bytes, len);
	struct wb_original *o;

	assert_non_null(bytes);
	o = wb_original_new(all, &key, &value, NULL, 0, ret_bytes);
	free(bytes);
	return o;
}

static void a_record_is_copied_byte_for_byte(void **state)
{
	char text[] = "keyvaluename";
	const struct wb_header headers[] = { { wb_slice(text + 8, 4), wb_slice(text, 3) },
		{ wb_slice(text + 8, 4), wb_slice(NULL, 0) }, { wb_slice(text + 8, 0), wb_slice(text, 0) } };
	struct wb_slice key = wb_slice(text, 3), value = wb_slice(text + 3, 5);
	struct wb_originals all;
	struct wb_original *o;
	size_t bytes;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	o = wb_original_new(&all, &key, &value, headers, WB_ARRAY_LEN(headers), &bytes);
	memset(text, 'x', sizeof text);
	assert_true(wb_slice_eq_cstr(key, "key"));
	assert_true(wb_slice_eq_cstr(value, "value"));
	assert_int_equal(o->header_count, 3);
	assert_true(wb_slice_eq_cstr(o->headers[0].name, "name"));
	assert_true(wb_slice_eq_cstr(o->headers[0].value, "key"));
	assert_null(o->headers[1].value.data);
	assert_int_equal(o->headers[2].name.len, 0);
	assert_non_null(o->headers[2].value.data); /* empty, which is not absent */
	wb_original_let_go(&all, &o, bytes);
	assert_null(o);
	wb_original_let_go(&all, &o, bytes);
	wb_originals_release(&all);
}

static void absent_is_not_empty(void **state)
{
	struct wb_slice key = wb_slice(NULL, 0), value = wb_slice("", 0);
	struct wb_originals all;
	struct wb_original *o;
	size_t bytes;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	o = wb_original_new(&all, &key, &value, NULL, 0, &bytes);
	assert_null(key.data);
	assert_non_null(value.data);
	assert_int_equal(value.len, 0);
	wb_original_let_go(&all, &o, bytes);
	wb_originals_release(&all);
}

static void what_is_held_is_what_is_allocated(void **state)
{
	const size_t sizes[] = { sizeof(struct wb_original), STEP, STEP + 1, LARGE, LARGE + 1, 2000000 };
	const size_t held[] = { STEP, STEP, 2 * STEP, LARGE, LARGE + 1, 2000000 };
	struct wb_originals all;
	size_t bytes;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	for (size_t i = 0; i < WB_ARRAY_LEN(sizes); i++) {
		struct wb_original *o = block_of(&all, sizes[i], &bytes);

		assert_int_equal(all.held_bytes, held[i]);
		assert_int_equal(bytes, held[i]);
		wb_original_let_go(&all, &o, bytes);
		assert_int_equal(all.held_bytes, 0);
	}
	wb_originals_release(&all);
}

/* With the sanitizer nothing is kept, so that it sees what is used after its end. */
static void blocks_serve_again_and_sizes_that_are_not_asked_for_give_way(void **state)
{
	enum { COUNT = 6000 };
	struct wb_original **o = calloc(COUNT, sizeof *o);
	struct wb_originals all;
	size_t bytes;

	(void)state;
	assert_non_null(o);
	wb_originals_init(&all, SPARE_MAX);
	for (size_t size = 8; size > 0; size -= 4) {
		for (size_t i = 0; i < COUNT; i++)
			o[i] = block_of(&all, size * STEP, &bytes);
		for (size_t i = 0; i < COUNT; i++)
			wb_original_let_go(&all, &o[i], bytes);
		assert_true(all.spare_bytes <= SPARE_MAX);
	}
#ifndef WB_ADDRESS_SANITIZER
	assert_true(all.spare_bytes > SPARE_MAX / 4 * 3);
	assert_true(all.spare[3].count > 0);
	o[0] = all.spare[3].block[all.spare[3].count - 1];
	o[1] = block_of(&all, 4 * STEP, &bytes);
	assert_ptr_equal(o[0], o[1]);
	wb_original_let_go(&all, &o[1], bytes);
#endif
	wb_originals_release(&all);
	free(o);
}

/* Expecting is a hint: any size will do, at any time. */
static void anything_may_be_expected(void **state)
{
	const size_t sizes[] = { 0, 1, 1000, WB_ORIGINAL_STEPS * WB_ORIGINAL_STEP_BYTES, SIZE_MAX / 2 };
	struct wb_originals all;
	struct wb_slice key = wb_slice_cstr("k"), value = wb_slice_cstr("v");
	struct wb_original *o;
	size_t bytes;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		wb_originals_expect(&all, sizes[i]);
	o = wb_original_new(&all, &key, &value, NULL, 0, &bytes);
	wb_original_let_go(&all, &o, bytes);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		wb_originals_expect(&all, sizes[i]);
	wb_originals_release(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_copied_byte_for_byte),
		cmocka_unit_test(absent_is_not_empty),
		cmocka_unit_test(what_is_held_is_what_is_allocated),
		cmocka_unit_test(blocks_serve_again_and_sizes_that_are_not_asked_for_give_way),
		cmocka_unit_test(anything_may_be_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
