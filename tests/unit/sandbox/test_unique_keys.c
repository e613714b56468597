#include "sandbox/unique_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct fixture {
	struct wb_unique_keys keys;
	struct wb_unique_index index;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ 0 };
	*state = &f;
	return wb_unique_keys_add(&f.keys, true, wb_slice_cstr("/mail"), NULL) ||
		wb_unique_keys_add(&f.keys, true, wb_slice_cstr("/name/first"), NULL) ||
		wb_unique_keys_add(&f.keys, false, wb_slice_cstr("/name/last"), NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wb_unique_index_release(&f->index);
	wb_unique_keys_release(&f->keys);
	return 0;
}

static struct wb_unique_item item(const char *pk, const char *id, const char *body)
{
	return (struct wb_unique_item){ wb_slice_cstr(pk), wb_slice_cstr(id), wb_slice_cstr(body) };
}

static void add(struct fixture *f, const char *pk, const char *id, const char *body)
{
	const struct wb_unique_item i = item(pk, id, body);

	assert_false(wb_unique_index_taken(&f->index, &i));
	wb_unique_index_add(&f->index, &i);
}

static bool taken(struct fixture *f, const char *pk, const char *id, const char *body)
{
	const struct wb_unique_item i = item(pk, id, body);

	return wb_unique_index_taken(&f->index, &i);
}

static void one_value_is_for_one_item_of_a_partition_key(void **state)
{
	struct fixture *f = *state;

	wb_unique_index_init(&f->index, &f->keys);
	add(f, "[1]", "a", "{\"mail\":\"x\",\"name\":{\"first\":\"A\",\"last\":\"B\"}}");
	assert_true(taken(f, "[1]", "b", "{\"mail\":\"x\",\"name\":{\"first\":\"C\"}}"));
	assert_true(taken(f, "[1]", "b", "{\"mail\":\"\\u0078\",\"name\":{\"first\":\"C\"}}"));
	assert_true(taken(f, "[1]", "b", "{\"mail\":\"y\",\"name\":{\"last\":\"B\",\"first\":\"A\"}}"));
	assert_false(taken(f, "[1]", "b", "{\"mail\":\"X\",\"name\":{\"first\":\"A\",\"last\":\"C\"}}"));
	assert_false(taken(f, "[2]", "b", "{\"mail\":\"x\",\"name\":{\"first\":\"A\",\"last\":\"B\"}}"));
	assert_false(taken(f, "[1]", "a", "{\"mail\":\"x\",\"name\":{\"first\":\"A\",\"last\":\"B\"}}"));
}

static void what_is_missing_counts_as_null(void **state)
{
	struct fixture *f = *state;

	wb_unique_index_init(&f->index, &f->keys);
	add(f, "[1]", "a", "{}");
	assert_true(taken(f, "[1]", "b", "{\"mail\":\"x\"}"));
	assert_true(taken(f, "[1]", "b", "{\"mail\":null,\"name\":{\"first\":1}}"));
	assert_false(taken(f, "[1]", "b", "{\"mail\":1,\"name\":{\"first\":1}}"));
}

static void values_are_compared_by_type_and_value(void **state)
{
	static const char *const different[] = { "1", "\"1\"", "true", "false", "\"\"", "[1]", "{\"a\":1}", "1.5" };
	struct fixture *f = *state;
	char id[8], body[100];

	wb_unique_index_init(&f->index, &f->keys);
	for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
		(void)snprintf(id, sizeof id, "%zu", i);
		(void)snprintf(body, sizeof body, "{\"mail\":%s,\"name\":{\"first\":%zu}}", different[i], i);
		add(f, "[1]", id, body);
	}
	assert_true(taken(f, "[1]", "b", "{\"mail\":1.0e0,\"name\":{\"first\":-1}}"));
	assert_true(taken(f, "[1]", "b", "{\"mail\":15e-1,\"name\":{\"first\":-1}}"));
	assert_false(taken(f, "[1]", "b", "{\"mail\":2,\"name\":{\"first\":-1}}"));
}

/* Two values side by side are not one that is longer. */
static void values_do_not_run_together(void **state)
{
	struct fixture *f = *state;

	wb_unique_index_init(&f->index, &f->keys);
	add(f, "[1]", "a", "{\"mail\":1,\"name\":{\"first\":\"a\",\"last\":\"bc\"}}");
	assert_false(taken(f, "[1]", "b", "{\"mail\":2,\"name\":{\"first\":\"ab\",\"last\":\"c\"}}"));
}

static void what_is_dropped_is_free_again(void **state)
{
	struct fixture *f = *state;
	char id[16], body[64];

	wb_unique_index_init(&f->index, &f->keys);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(id, sizeof id, "%d", i);
		(void)snprintf(body, sizeof body, "{\"mail\":%d,\"name\":{\"last\":%d}}", i, i);
		add(f, "[1]", id, body);
	}
	assert_int_equal(f->index.count, 2000);
	for (int i = 0; i < 1000; i += 2) {
		(void)snprintf(id, sizeof id, "%d", i);
		(void)snprintf(body, sizeof body, "{\"mail\":%d,\"name\":{\"last\":%d}}", i, i);
		wb_unique_index_drop(&f->index,
			&(struct wb_unique_item){ wb_slice_cstr("[1]"), wb_slice_cstr(id), wb_slice_cstr(body) });
	}
	assert_int_equal(f->index.count, 1000);
	assert_false(taken(f, "[1]", "new", "{\"mail\":500,\"name\":{\"last\":-1}}"));
	assert_true(taken(f, "[1]", "new", "{\"mail\":501,\"name\":{\"last\":-1}}"));
}

static void a_key_that_is_taken_stays_with_whom_it_is(void **state)
{
	const struct wb_unique_item a = item("[1]", "a", "{\"mail\":1,\"name\":{\"last\":1}}");
	const struct wb_unique_item b = item("[1]", "b", "{\"mail\":1,\"name\":{\"last\":2}}");
	struct fixture *f = *state;

	wb_unique_index_init(&f->index, &f->keys);
	wb_unique_index_add(&f->index, &a);
	wb_unique_index_add(&f->index, &b);
	wb_unique_index_drop(&f->index, &b);
	assert_true(wb_unique_index_taken(&f->index, &b));
	wb_unique_index_drop(&f->index, &a);
	assert_int_equal(f->index.count, 0);
}

static void there_is_a_most_of_keys_and_paths(void **state)
{
	struct fixture *f = *state;
	struct wb_error why = { "" };

	assert_int_equal(wb_unique_keys_add(&f->keys, false, wb_slice_cstr("no path"), &why), WB_EINVAL);
	for (int i = f->keys.count; i < WB_UNIQUE_KEYS_MAX; i++)
		assert_int_equal(wb_unique_keys_add(&f->keys, true, wb_slice_cstr("/a"), &why), WB_OK);
	assert_int_equal(wb_unique_keys_add(&f->keys, true, wb_slice_cstr("/a"), &why), WB_EINVAL);
	for (int i = 1; i < WB_UNIQUE_PATHS_MAX; i++)
		assert_int_equal(wb_unique_keys_add(&f->keys, false, wb_slice_cstr("/a"), &why), WB_OK);
	assert_int_equal(wb_unique_keys_add(&f->keys, false, wb_slice_cstr("/a"), &why), WB_EINVAL);
	assert_true(why.text[0] != '\0');
}

static void without_keys_nothing_is_taken(void **state)
{
	struct fixture *f = *state;

	wb_unique_index_init(&f->index, NULL);
	add(f, "[1]", "a", "{}");
	assert_false(taken(f, "[1]", "b", "{}"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_value_is_for_one_item_of_a_partition_key),
		T(what_is_missing_counts_as_null),
		T(values_are_compared_by_type_and_value),
		T(values_do_not_run_together),
		T(what_is_dropped_is_free_again),
		T(a_key_that_is_taken_stays_with_whom_it_is),
		T(there_is_a_most_of_keys_and_paths),
		T(without_keys_nothing_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
