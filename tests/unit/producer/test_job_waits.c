#include "producer/job_waits.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void add(struct wb_job_waits *w, uint8_t job, uint32_t version, int64_t deadline_ms)
{
	struct wb_job_wait *wait = wb_xcalloc(1, sizeof *wait);

	wait->id[3] = job;
	wait->version = version;
	wait->deadline_ms = deadline_ms;
	wb_job_waits_add(w, wait);
}

static void note(struct wb_job_waits *w, uint8_t job)
{
	uint8_t id[WB_JOB_ID_BYTES] = { 0 };

	id[3] = job;
	wb_job_waits_note(w, id);
}

/* Whether the waiting one knows an older version than that. */
static bool over(void *arg, const struct wb_job_wait *wait)
{
	return wait->version < *(const uint32_t *)arg;
}

static void assert_taken(struct wb_list *l, size_t count, enum wb_err err)
{
	struct wb_link *link;

	assert_int_equal(l->count, count);
	while ((link = wb_list_pop(l)) != NULL) {
		struct wb_job_wait *wait = WB_CONTAINER_OF(link, struct wb_job_wait, link);

		assert_int_equal(wait->err, err);
		free(wait);
	}
}

static void those_of_a_noted_job_are_looked_at(void **state)
{
	struct wb_job_waits *w = wb_job_waits_new();
	struct wb_list taken = { 0 };
	uint32_t version = 5;

	(void)state;
	note(w, 1);
	add(w, 1, 4, 1000);
	add(w, 1, 5, 1000);
	add(w, 2, 1, 1000);
	wb_job_waits_take_noted(w, over, &version, &taken);
	assert_taken(&taken, 0, WB_OK);
	note(w, 1);
	note(w, 1);
	note(w, 3);
	wb_job_waits_take_noted(w, over, &version, &taken);
	assert_taken(&taken, 1, WB_OK);
	assert_int_equal(wb_job_waits_count(w), 2);
	wb_job_waits_take_noted(w, over, &version, &taken);
	assert_taken(&taken, 0, WB_OK);
	wb_job_waits_take_all(w, WB_ECLOSED, &taken);
	assert_taken(&taken, 2, WB_ECLOSED);
	assert_int_equal(wb_job_waits_count(w), 0);
	wb_job_waits_free(&w);
	assert_null(w);
}

static void each_waits_until_its_time(void **state)
{
	struct wb_job_waits *w = wb_job_waits_new();
	struct wb_list taken = { 0 };

	(void)state;
	add(w, 1, 1, 3000);
	add(w, 2, 1, 1000);
	add(w, 1, 1, 2000);
	for (int64_t now_ms = 0; now_ms <= 3000; now_ms += 500) {
		wb_job_waits_take_late(w, now_ms, &taken);
		assert_taken(&taken, now_ms && now_ms % 1000 == 0, WB_ETIMEDOUT);
	}
	wb_job_waits_take_late(w, 100000, &taken);
	assert_taken(&taken, 0, WB_ETIMEDOUT);
	wb_job_waits_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_of_a_noted_job_are_looked_at),
		cmocka_unit_test(each_waits_until_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
