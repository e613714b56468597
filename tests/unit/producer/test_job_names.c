#include "producer/job_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static const uint8_t *id_of(uint64_t i)
{
	static uint8_t id[WB_JOB_ID_BYTES];

	memset(id, 7, sizeof id);
	memcpy(id, &i, sizeof i);
	return id;
}

static const uint8_t *key_of(uint64_t i)
{
	static uint8_t key[WB_RESULT_KEY_SIZE];

	memset(key, 9, sizeof key);
	memcpy(key + 8, &i, sizeof i);
	return key;
}

static bool keyed(uint64_t i)
{
	return i % 3 != 0;
}

static void add(struct wb_job_names *n, uint64_t i)
{
	wb_job_names_add(n, id_of(i), keyed(i) ? key_of(i) : NULL, (int64_t)i * 1000);
}

/* from..to-1 are there, their neighbours are not. */
static void assert_there(const struct wb_job_names *n, uint64_t from, uint64_t to)
{
	assert_int_equal(wb_job_names_count(n), to - from);
	for (uint64_t i = from > 5 ? from - 5 : 0; i < to + 5; i++) {
		bool there = i >= from && i < to;
		const uint8_t *id = wb_job_names_by_key(n, key_of(i));

		assert_int_equal(wb_job_names_has(n, id_of(i)), there);
		assert_int_equal(id != NULL, there && keyed(i));
		if (id)
			assert_memory_equal(id, id_of(i), WB_JOB_ID_BYTES);
	}
}

static void names_come_and_go_in_the_same_order(void **state)
{
	struct wb_job_names *n = wb_job_names_new();

	(void)state;
	assert_there(n, 0, 0);
	for (uint64_t i = 0; i < 10000; i++)
		add(n, i);
	assert_there(n, 0, 10000);
	wb_job_names_expire(n, 0);
	assert_there(n, 0, 10000);
	wb_job_names_expire(n, 2500 * 1000);
	assert_there(n, 2500, 10000);
	for (uint64_t i = 10000; i < 30000; i++) {
		add(n, i);
		wb_job_names_expire(n, (int64_t)(i - 7499) * 1000);
	}
	assert_there(n, 30000 - 7500, 30000);
	/* Chunks are used again: no more than for 7500 names and two that are cut. */
	assert_true(wb_job_names_memory_bytes(n) < 7500 * 48 + 3 * 1024 * 44);
	wb_job_names_expire(n, INT64_MAX);
	assert_there(n, 30000, 30000);
	assert_true(wb_job_names_memory_bytes(n) < 30000);
	add(n, 1);
	assert_there(n, 1, 2);
	wb_job_names_free(&n);
	assert_null(n);
	wb_job_names_free(&n);
}

static void of_two_with_one_key_the_first_counts(void **state)
{
	struct wb_job_names *n = wb_job_names_new();

	(void)state;
	wb_job_names_add(n, id_of(1), key_of(5), 1000);
	wb_job_names_add(n, id_of(2), key_of(5), 2000);
	assert_memory_equal(wb_job_names_by_key(n, key_of(5)), id_of(1), WB_JOB_ID_BYTES);
	wb_job_names_expire(n, 1001);
	assert_memory_equal(wb_job_names_by_key(n, key_of(5)), id_of(2), WB_JOB_ID_BYTES);
	wb_job_names_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_and_go_in_the_same_order),
		cmocka_unit_test(of_two_with_one_key_the_first_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
