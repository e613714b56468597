#include "common/base/lifecycle.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void a_program_starts_runs_drains_and_stops(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new();

	(void)state;
	assert_int_equal(wb_lifecycle_state(l), WB_STARTING);
	wb_lifecycle_running(l);
	assert_int_equal(wb_lifecycle_state(l), WB_RUNNING);
	assert_int_equal(wb_lifecycle_wait(l, 0), WB_RUNNING);
	wb_lifecycle_stop(l, 0, "enough");
	assert_int_equal(wb_lifecycle_wait(l, -1), WB_DRAINING);
	wb_lifecycle_running(l);
	assert_int_equal(wb_lifecycle_state(l), WB_DRAINING);
	wb_lifecycle_stopped(l);
	assert_int_equal(wb_lifecycle_wait(l, -1), WB_STOPPED);
	wb_lifecycle_free(&l);
	assert_null(l);
	wb_lifecycle_free(&l);
}

static void the_first_reason_and_code_stay(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new();
	atomic_int calls = 0;
	struct wb_error why;

	(void)state;
	wb_lifecycle_on_stop(l, count, &calls);
	wb_lifecycle_stop(l, 3, "topic is gone");
	wb_lifecycle_stop(l, 4, "and something else");
	assert_int_equal(wb_lifecycle_exit_code(l), 3);
	wb_lifecycle_reason(l, &why);
	assert_string_equal(why.text, "topic is gone");
	assert_int_equal(atomic_load(&calls), 1);
	wb_lifecycle_running(l);
	assert_int_equal(wb_lifecycle_state(l), WB_DRAINING);
	wb_lifecycle_free(&l);
}

static void a_stop_before_the_callback_is_not_missed(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new();
	atomic_int calls = 0;

	(void)state;
	wb_lifecycle_stop(l, 0, "early");
	wb_lifecycle_on_stop(l, count, &calls);
	assert_int_equal(atomic_load(&calls), 1);
	wb_lifecycle_free(&l);
}

static void a_signal_starts_the_drain(void **state)
{
	static const struct {
		int number;
		const char *name;
	} signals[] = { { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct wb_lifecycle *l = wb_lifecycle_new();
		struct wb_error why;

		wb_lifecycle_running(l);
		assert_int_equal(kill(getpid(), signals[i].number), 0);
		assert_int_equal(wb_lifecycle_wait(l, -1), WB_DRAINING);
		assert_int_equal(wb_lifecycle_exit_code(l), 0);
		wb_lifecycle_reason(l, &why);
		assert_string_equal(why.text, signals[i].name);
		wb_lifecycle_free(&l);
	}
}

/* The child drains for ever; only a signal can end it. */
static void child_main(int ready)
{
	struct wb_lifecycle *l = wb_lifecycle_new();

	if (write(ready, "s", 1) != 1 || wb_lifecycle_wait(l, -1) != WB_DRAINING || write(ready, "d", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause(); /* returns only when a handler ran, and there is none */
}

static void a_second_signal_ends_at_once(void **state)
{
	char byte;
	int fds[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		child_main(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'd');
	assert_int_equal(kill(child, SIGINT), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

static void a_closed_pipe_is_an_error_not_the_end(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(close(fds[1]), 0);
	wb_lifecycle_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while no other thread was ever there to lose in the fork. */
		cmocka_unit_test(a_second_signal_ends_at_once),
		cmocka_unit_test(a_program_starts_runs_drains_and_stops),
		cmocka_unit_test(the_first_reason_and_code_stay),
		cmocka_unit_test(a_stop_before_the_callback_is_not_missed),
		cmocka_unit_test(a_signal_starts_the_drain),
		cmocka_unit_test(a_closed_pipe_is_an_error_not_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
