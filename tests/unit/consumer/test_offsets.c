#include "consumer/offsets.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void nothing_was_delivered_yet(void **state)
{
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	assert_int_equal(wb_offsets_position(o), -1);
	assert_int_equal(wb_offsets_gap(o), 0);
	assert_int_equal(wb_offsets_pending(o), 0);
	assert_false(wb_offsets_finished(o, 0));
	wb_offsets_free(&o);
	assert_null(o);
	wb_offsets_free(&o);
}

static void the_position_is_the_first_unfinished(void **state)
{
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	for (int64_t i = 10; i < 15; i++)
		wb_offsets_delivered(o, i);
	assert_int_equal(wb_offsets_position(o), 10);
	assert_true(wb_offsets_finished(o, 12));
	assert_true(wb_offsets_finished(o, 11));
	assert_int_equal(wb_offsets_position(o), 10);
	assert_int_equal(wb_offsets_gap(o), 5);
	assert_int_equal(wb_offsets_pending(o), 3);
	assert_true(wb_offsets_finished(o, 10));
	assert_int_equal(wb_offsets_position(o), 13);
	assert_int_equal(wb_offsets_gap(o), 2);
	assert_true(wb_offsets_finished(o, 14));
	assert_true(wb_offsets_finished(o, 13));
	assert_int_equal(wb_offsets_position(o), 15);
	assert_int_equal(wb_offsets_gap(o), 0);
	wb_offsets_free(&o);
}

static void holes_are_stepped_over(void **state)
{
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	wb_offsets_delivered(o, 5);
	wb_offsets_delivered(o, 100);
	wb_offsets_delivered(o, INT64_C(1) << 60);
	assert_false(wb_offsets_finished(o, 6));
	assert_false(wb_offsets_finished(o, 101));
	assert_true(wb_offsets_finished(o, 5));
	assert_int_equal(wb_offsets_position(o), 100);
	assert_true(wb_offsets_finished(o, INT64_C(1) << 60));
	assert_int_equal(wb_offsets_position(o), 100);
	assert_true(wb_offsets_finished(o, 100));
	assert_int_equal(wb_offsets_position(o), (INT64_C(1) << 60) + 1);
	wb_offsets_free(&o);
}

static void a_repeat_is_told(void **state)
{
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	wb_offsets_delivered(o, 0);
	wb_offsets_delivered(o, 1);
	assert_true(wb_offsets_finished(o, 1));
	assert_false(wb_offsets_finished(o, 1));
	assert_true(wb_offsets_finished(o, 0));
	assert_false(wb_offsets_finished(o, 0));
	assert_false(wb_offsets_finished(o, 2));
	assert_false(wb_offsets_finished(o, -1));
	assert_int_equal(wb_offsets_pending(o), 0);
	wb_offsets_free(&o);
}

static void the_position_goes_behind_what_is_skipped(void **state)
{
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	wb_offsets_skipped(o, 7);
	assert_int_equal(wb_offsets_position(o), 7);
	assert_int_equal(wb_offsets_next(o), 7);
	wb_offsets_delivered(o, 9);
	wb_offsets_skipped(o, 20);
	assert_int_equal(wb_offsets_position(o), 9); /* it is not finished */
	assert_int_equal(wb_offsets_next(o), 20);
	assert_int_equal(wb_offsets_gap(o), 1);
	assert_false(wb_offsets_finished(o, 15)); /* never delivered */
	assert_true(wb_offsets_finished(o, 9));
	assert_int_equal(wb_offsets_position(o), 20);
	assert_false(wb_offsets_finished(o, 15));
	wb_offsets_skipped(o, 12);
	assert_int_equal(wb_offsets_position(o), 20);
	wb_offsets_delivered(o, 20);
	assert_int_equal(wb_offsets_next(o), 21);
	wb_offsets_free(&o);
}

static bool delivery_survives(int64_t first, int64_t second)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		struct wb_offsets *o = wb_offsets_new();
		int quiet = open("/dev/null", O_WRONLY);

		if (quiet >= 0)
			(void)dup2(quiet, STDERR_FILENO); /* the message is expected; seeing it would only be noise */
		wb_offsets_delivered(o, first);
		wb_offsets_delivered(o, second);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void a_delivery_that_does_not_ascend_is_a_bug(void **state)
{
	(void)state;
	assert_true(delivery_survives(7, 8));
	assert_false(delivery_survives(7, 7));
	assert_false(delivery_survives(7, 6));
	assert_false(delivery_survives(7, INT64_MAX));
	assert_false(delivery_survives(-1, 0));
}

/* The naive model: an array of delivered offsets with flags, looked at from the start each time. */
#define MODEL_MAX 48
struct model {
	int64_t offset[MODEL_MAX];
	bool done[MODEL_MAX];
	size_t count;
};

static size_t model_first_unfinished(const struct model *m)
{
	size_t i = 0;

	while (i < m->count && m->done[i])
		i++;
	return i;
}

static void check_against_model(const struct wb_offsets *o, const struct model *m)
{
	size_t first = model_first_unfinished(m), pending = 0;

	for (size_t i = 0; i < m->count; i++)
		pending += !m->done[i];
	assert_int_equal(wb_offsets_pending(o), pending);
	assert_int_equal(wb_offsets_gap(o), m->count - first);
	if (m->count == 0)
		assert_int_equal(wb_offsets_position(o), -1);
	else if (first < m->count)
		assert_int_equal(wb_offsets_position(o), m->offset[first]);
	else
		assert_int_equal(wb_offsets_position(o), m->offset[m->count - 1] + 1);
}

static void one_random_order(uint64_t seed)
{
	struct wb_prng random = { .state = seed };
	struct wb_offsets *o = wb_offsets_new();
	struct model m = { .count = 0 };
	size_t unfinished = 0, records = 1 + wb_prng_next(&random) % MODEL_MAX;
	bool holes = wb_prng_next(&random) % 2;
	int64_t next = (int64_t)(wb_prng_next(&random) % 1000);

	while (m.count < records || unfinished > 0) {
		size_t pick;

		if (m.count < records && (unfinished == 0 || wb_prng_next(&random) % 2)) {
			wb_offsets_delivered(o, next);
			m.done[m.count] = false;
			m.offset[m.count++] = next;
			next += 1 + (holes ? (int64_t)(wb_prng_next(&random) % 4) : 0);
			unfinished++;
			continue;
		}
		pick = wb_prng_next(&random) % m.count;
		assert_int_equal(wb_offsets_finished(o, m.offset[pick]), !m.done[pick]);
		unfinished -= !m.done[pick];
		m.done[pick] = true;
		check_against_model(o, &m);
	}
	wb_offsets_free(&o);
}

static void a_hundred_thousand_random_orders_agree_with_the_naive_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100000; seed++)
		one_random_order(seed);
}

static void a_long_gap_grows_and_wraps(void **state)
{
	enum { GAP = 1000, RECORDS = 100000 };
	struct wb_offsets *o = wb_offsets_new();

	(void)state;
	for (int64_t i = 0; i < RECORDS; i++) {
		wb_offsets_delivered(o, i * 3);
		if (i >= GAP)
			assert_true(wb_offsets_finished(o, (i - GAP) * 3));
		assert_int_equal(wb_offsets_gap(o), i < GAP ? i + 1 : GAP);
	}
	for (int64_t i = RECORDS - 1; i >= RECORDS - GAP; i--) {
		assert_int_equal(wb_offsets_position(o), (RECORDS - GAP) * 3);
		assert_true(wb_offsets_finished(o, i * 3));
	}
	assert_int_equal(wb_offsets_position(o), (RECORDS - 1) * 3 + 1);
	wb_offsets_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_was_delivered_yet),
		cmocka_unit_test(the_position_is_the_first_unfinished),
		cmocka_unit_test(holes_are_stepped_over),
		cmocka_unit_test(a_repeat_is_told),
		cmocka_unit_test(the_position_goes_behind_what_is_skipped),
		cmocka_unit_test(a_delivery_that_does_not_ascend_is_a_bug),
		cmocka_unit_test(a_hundred_thousand_random_orders_agree_with_the_naive_model),
		cmocka_unit_test(a_long_gap_grows_and_wraps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
