#include "consumer/original.h"

#include "common/base/compiler.h"
#include "common/base/thread.h"

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

static struct wb_original *copy_of(struct wb_originals *all, struct wb_slice value)
{
	struct wb_slice key = wb_slice(NULL, 0);

	return wb_original_new(all, &key, &value, NULL, 0);
}

/* Of a block of so many bytes, none of which is read. */
static struct wb_original *block_of(struct wb_originals *all, size_t size)
{
	char *value = calloc(1, size);
	struct wb_original *o;

	assert_non_null(value);
	o = copy_of(all, wb_slice(value, size - sizeof(struct wb_original)));
	free(value);
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

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	o = wb_original_new(&all, &key, &value, headers, WB_ARRAY_LEN(headers));
	memset(text, 'x', sizeof text);
	assert_true(wb_slice_eq_cstr(key, "key"));
	assert_true(wb_slice_eq_cstr(value, "value"));
	assert_int_equal(o->header_count, 3);
	assert_true(wb_slice_eq_cstr(o->headers[0].name, "name"));
	assert_true(wb_slice_eq_cstr(o->headers[0].value, "key"));
	assert_null(o->headers[1].value.data);
	assert_int_equal(o->headers[2].name.len, 0);
	assert_non_null(o->headers[2].value.data); /* empty, which is not absent */
	wb_original_let_go(&o);
	assert_null(o);
	wb_original_let_go(&o);
	wb_originals_release(&all);
}

static void absent_is_not_empty(void **state)
{
	struct wb_slice key = wb_slice(NULL, 0), value = wb_slice("", 0);
	struct wb_originals all;
	struct wb_original *o;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	o = wb_original_new(&all, &key, &value, NULL, 0);
	assert_null(key.data);
	assert_non_null(value.data);
	assert_int_equal(value.len, 0);
	wb_original_let_go(&o);
	wb_originals_release(&all);
}

static void what_is_held_is_what_is_allocated_until_it_is_collected(void **state)
{
	const size_t sizes[] = { sizeof(struct wb_original), STEP, STEP + 1, LARGE, LARGE + 1, 2000000 };
	const size_t held[] = { STEP, STEP, 2 * STEP, LARGE, LARGE + 1, 2000000 };
	struct wb_originals all;

	(void)state;
	wb_originals_init(&all, SPARE_MAX);
	for (size_t i = 0; i < WB_ARRAY_LEN(sizes); i++) {
		struct wb_original *o = block_of(&all, sizes[i]);

		assert_int_equal(all.held_bytes, held[i]);
		wb_original_let_go(&o);
		assert_int_equal(all.held_bytes, held[i]);
		wb_originals_collect(&all);
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

	(void)state;
	assert_non_null(o);
	wb_originals_init(&all, SPARE_MAX);
	for (size_t size = 8; size > 0; size -= 4) {
		for (size_t i = 0; i < COUNT; i++)
			o[i] = block_of(&all, size * STEP);
		for (size_t i = 0; i < COUNT; i++)
			wb_original_let_go(&o[i]);
		wb_originals_collect(&all);
		assert_true(all.spare_bytes <= SPARE_MAX);
	}
#ifndef WB_ADDRESS_SANITIZER
	assert_true(all.spare_bytes > SPARE_MAX / 4 * 3);
	assert_non_null(all.spare[3]);
	o[0] = all.spare[3];
	o[1] = block_of(&all, 4 * STEP);
	assert_ptr_equal(o[0], o[1]);
	wb_original_let_go(&o[1]);
#endif
	wb_originals_release(&all);
	free(o);
}

#define THREADS 4
#define EACH    2000

static void *let_all_go(void *arg)
{
	struct wb_original **mine = arg;

	for (size_t i = 0; i < EACH; i++)
		wb_original_let_go(&mine[i]);
	return NULL;
}

static void any_thread_lets_go_while_others_are_made(void **state)
{
	struct wb_original **o = calloc((size_t)THREADS * EACH, sizeof *o);
	struct wb_originals all;
	pthread_t threads[THREADS];

	(void)state;
	assert_non_null(o);
	wb_originals_init(&all, SPARE_MAX);
	for (size_t i = 0; i < (size_t)THREADS * EACH; i++)
		o[i] = block_of(&all, 2 * STEP);
	for (size_t i = 0; i < THREADS; i++)
		threads[i] = wb_thread_start("lets-go", let_all_go, o + i * EACH);
	for (size_t i = 0; i < EACH; i++) {
		struct wb_original *mine = block_of(&all, STEP);

		wb_originals_collect(&all);
		wb_original_let_go(&mine);
	}
	for (size_t i = 0; i < THREADS; i++)
		wb_thread_join(threads[i]);
	wb_originals_release(&all); /* asserts that all came back */
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_copied_byte_for_byte),
		cmocka_unit_test(absent_is_not_empty),
		cmocka_unit_test(what_is_held_is_what_is_allocated_until_it_is_collected),
		cmocka_unit_test(blocks_serve_again_and_sizes_that_are_not_asked_for_give_way),
		cmocka_unit_test(any_thread_lets_go_while_others_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
