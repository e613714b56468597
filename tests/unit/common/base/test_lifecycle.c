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

static void say_last_words(void *arg)
{
	if (write(*(int *)arg, "k", 1) != 1)
		_exit(1);
}

/* The child drains for ever; only a signal can end it. */
static void child_main(int ready)
{
	struct wb_lifecycle *l = wb_lifecycle_new();

	wb_lifecycle_on_kill(l, say_last_words, &ready);
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
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'k');
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

static void wait_for(atomic_int *value, int wanted)
{
	while (atomic_load(value) != wanted)
		(void)usleep(1000); /* woken early is fine */
}

static void sighup_asks_for_a_reload_and_ends_nothing(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new_reloadable();
	atomic_int calls = 0;

	(void)state;
	wb_lifecycle_on_reload(l, count, &calls);
	wb_lifecycle_running(l);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(kill(getpid(), SIGHUP), 0);
		wait_for(&calls, i);
	}
	assert_int_equal(wb_lifecycle_state(l), WB_RUNNING);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(wb_lifecycle_wait(l, -1), WB_DRAINING);
	wb_lifecycle_free(&l);
	assert_int_equal(atomic_load(&calls), 3);
}

static void a_reload_is_not_missed_before_its_callback_and_not_made_in_the_drain(void **state)
{
	struct wb_lifecycle *l = wb_lifecycle_new_reloadable();
	atomic_int early = 0, late = 0;
	sigset_t pending;

	(void)state;
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	do { /* until the thread has taken it */
		assert_int_equal(sigpending(&pending), 0);
	} while (sigismember(&pending, SIGHUP));
	(void)usleep(10000); /* either order is right; this one is the one to see */
	wb_lifecycle_on_reload(l, count, &early);
	wait_for(&early, 1);
	wb_lifecycle_stop(l, 0, "enough");
	wb_lifecycle_on_reload(l, count, &late);
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	do {
		assert_int_equal(sigpending(&pending), 0);
	} while (sigismember(&pending, SIGHUP));
	wb_lifecycle_free(&l);
	assert_int_equal(atomic_load(&late), 0);
	assert_int_equal(atomic_load(&early), 1);
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
		cmocka_unit_test(sighup_asks_for_a_reload_and_ends_nothing),
		cmocka_unit_test(a_reload_is_not_missed_before_its_callback_and_not_made_in_the_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
