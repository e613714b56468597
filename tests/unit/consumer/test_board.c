#include "consumer/board.h"

#include "common/base/thread.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LONG_MS 30000

struct owner {
	struct wb_board_place *place;
	atomic_bool stop, silent;
	atomic_uint woken, answered;
	size_t held;
	pthread_t thread;
};

static void wake(void *arg)
{
	atomic_fetch_add(&((struct owner *)arg)->woken, 1);
}

static void *owner_loop(void *arg)
{
	struct owner *o = arg;

	while (!atomic_load(&o->stop)) {
		if (!atomic_load(&o->silent) && wb_board_is_asked(o->place)) {
			struct wb_snapshot *s = wb_snapshot_new();

			s->held_total = o->held;
			wb_board_answer(o->place, &s);
			assert_null(s);
			atomic_fetch_add(&o->answered, 1);
		}
		(void)poll(NULL, 0, 1);
	}
	return NULL;
}

static void start(struct owner *o, struct wb_board *b, const char *name, size_t held)
{
	*o = (struct owner){ .held = held };
	o->place = wb_board_enter(b, name, wake, o);
	o->thread = wb_thread_start(name, owner_loop, o);
}

static void end(struct owner *o)
{
	atomic_store(&o->stop, true);
	wb_thread_join(o->thread);
	wb_board_leave(&o->place);
	assert_null(o->place);
}

static void every_owner_is_asked_anew_each_time(void **state)
{
	struct wb_board *b = wb_board_new();
	struct wb_board_answer *answers;
	struct owner first, second;
	size_t count;

	(void)state;
	wb_board_ask(b, LONG_MS, &answers, &count); /* nobody is there yet: nobody is waited for */
	assert_int_equal(count, 0);
	wb_board_answers_free(&answers, count);
	start(&first, b, "first", 1);
	start(&second, b, "a name that is longer than there is room", 2);
	assert_false(wb_board_is_asked(NULL)); /* an owner without a board */
	for (size_t i = 0; i < 3; i++) {
		wb_board_ask(b, LONG_MS, &answers, &count);
		assert_int_equal(count, 2);
		assert_string_equal(answers[0].name, "first");
		assert_string_equal(answers[1].name, "a name that is ");
		assert_int_equal(answers[0].snapshot->held_total, 1);
		assert_int_equal(answers[1].snapshot->held_total, 2);
		wb_board_answers_free(&answers, count);
		assert_null(answers);
	}
	assert_int_equal(atomic_load(&first.woken), 3);
	while (atomic_load(&first.answered) < 3) /* it counts after it has answered */
		(void)poll(NULL, 0, 1);
	assert_int_equal(atomic_load(&first.answered), 3);
	end(&first);
	wb_board_ask(b, LONG_MS, &answers, &count);
	assert_int_equal(count, 1);
	wb_board_answers_free(&answers, count);
	end(&second);
	wb_board_free(&b);
	assert_null(b);
}

static void who_is_silent_is_passed_over_and_not_believed_later(void **state)
{
	struct wb_board *b = wb_board_new();
	struct wb_board_answer *answers;
	struct owner loud, silent;
	size_t count;
	bool heard;

	(void)state;
	start(&loud, b, "loud", 1);
	start(&silent, b, "silent", 2);
	atomic_store(&silent.silent, true);
	do { /* the loud one may be slow, too */
		wb_board_ask(b, 20, &answers, &count);
		assert_int_equal(count, 2);
		assert_null(answers[1].snapshot);
		heard = answers[0].snapshot != NULL;
		wb_board_answers_free(&answers, count);
	} while (!heard);
	atomic_store(&silent.silent, false); /* the late answer is of another moment than the next question */
	while (atomic_load(&silent.answered) == 0)
		(void)poll(NULL, 0, 1);
	silent.held = 3;
	wb_board_ask(b, LONG_MS, &answers, &count);
	assert_int_equal(answers[1].snapshot->held_total, 3);
	wb_board_answers_free(&answers, count);
	end(&loud);
	end(&silent);
	wb_board_free(&b);
}

static void *close_soon(void *arg)
{
	(void)poll(NULL, 0, 20);
	wb_board_close(arg);
	return NULL;
}

static void a_closed_board_waits_for_nobody(void **state)
{
	struct wb_board *b = wb_board_new();
	struct wb_board_answer *answers;
	struct owner silent;
	pthread_t closer;
	size_t count;

	(void)state;
	start(&silent, b, "silent", 2);
	atomic_store(&silent.silent, true);
	closer = wb_thread_start("closer", close_soon, b);
	wb_board_ask(b, 1000000000, &answers, &count); /* it would not end within this test */
	assert_null(answers[0].snapshot);
	wb_board_answers_free(&answers, count);
	wb_thread_join(closer);
	end(&silent);
	wb_board_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_owner_is_asked_anew_each_time),
		cmocka_unit_test(who_is_silent_is_passed_over_and_not_believed_later),
		cmocka_unit_test(a_closed_board_waits_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
