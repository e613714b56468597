#include "producer/job_order.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { JOBS = 20000 };

struct table {
	int64_t created_ms[JOBS];
	uint8_t ids[JOBS][16];
	bool in[JOBS];
	uint32_t sorted[JOBS]; /* all, from new to old */
};

static struct wb_job_place place(void *arg, uint32_t job)
{
	const struct table *t = arg;

	return (struct wb_job_place){ t->created_ms[job], t->ids[job] };
}

static struct table table;

static int newer_first(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (table.created_ms[x] != table.created_ms[y])
		return table.created_ms[x] > table.created_ms[y] ? -1 : 1;
	return -memcmp(table.ids[x], table.ids[y], 16);
}

/* Creation times that rise, with jobs of one time and stragglers. */
static void make_jobs(uint64_t seed, unsigned spread)
{
	struct wb_prng r = { .state = seed };

	memset(&table, 0, sizeof table);
	for (uint32_t i = 0; i < JOBS; i++) {
		uint64_t id[2] = { wb_prng_next(&r), i };

		memcpy(table.ids[i], id, 16);
		table.created_ms[i] = i / 10 + (int64_t)(spread ? wb_prng_next(&r) % spread : 0);
		table.sorted[i] = i;
	}
	qsort(table.sorted, JOBS, sizeof *table.sorted, newer_first);
}

/* From a place on, all that are in come, from new to old. */
static void assert_walk(const struct wb_job_order *o, size_t after)
{
	struct wb_job_place before = place(&table, table.sorted[after]);
	struct wb_job_walk w = wb_job_order_walk(o, after ? &before : NULL);
	uint32_t job;

	for (size_t i = after ? after + 1 : 0; i < JOBS; i++) {
		if (!table.in[table.sorted[i]])
			continue;
		assert_true(wb_job_walk_next(&w, &job));
		assert_int_equal(job, table.sorted[i]);
	}
	assert_false(wb_job_walk_next(&w, &job));
}

static void jobs_are_walked_from_new_to_old_whatever_came_and_went(void **state)
{
	static const unsigned spreads[] = { 0, 50, 100000 };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct wb_job_order *o = wb_job_order_new(place, &table);
		struct wb_prng r = { .state = 99 };
		size_t full;

		make_jobs(k, spreads[k]);
		assert_walk(o, 0);
		for (uint32_t i = 0; i < JOBS; i++) {
			wb_job_order_add(o, i);
			table.in[i] = true;
		}
		assert_walk(o, 0);
		assert_walk(o, 1);
		assert_walk(o, JOBS - 1);
		full = wb_job_order_memory_bytes(o);
		assert_true(full < JOBS * (spreads[k] ? 9 : 5));
		/* Most go, from anywhere; a few stay for long. */
		for (unsigned n = 0; n < 4 * JOBS; n++) {
			uint32_t i = (uint32_t)(wb_prng_next(&r) % JOBS);

			if (!table.in[i] || i % 300 == 0)
				continue;
			wb_job_order_remove(o, i);
			table.in[i] = false;
			if (n % 8000 == 0)
				assert_walk(o, n % JOBS);
		}
		for (size_t after = 0; after < JOBS; after += 777)
			assert_walk(o, after);
		assert_true(wb_job_order_memory_bytes(o) < full / 3);
		for (uint32_t i = 0; i < JOBS; i++)
			if (table.in[i])
				wb_job_order_remove(o, i);
		memset(table.in, 0, sizeof table.in);
		assert_walk(o, 0);
		wb_job_order_free(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_are_walked_from_new_to_old_whatever_came_and_went),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
