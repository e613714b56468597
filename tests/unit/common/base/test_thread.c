#include "common/base/thread.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int turn; /* under lock */
};

/* Takes the odd turns. */
static void *other(void *arg)
{
	struct shared *s = arg;

	wb_mutex_lock(&s->lock);
	while (s->turn < 100) {
		if (s->turn % 2 == 1) {
			s->turn++;
			wb_cond_signal(&s->changed);
		} else {
			wb_cond_wait(&s->changed, &s->lock);
		}
	}
	wb_mutex_unlock(&s->lock);
	return NULL;
}

static void threads_take_turns(void **state)
{
	struct shared s = { .turn = 0 };
	pthread_t thread;

	(void)state;
	wb_mutex_init(&s.lock);
	wb_cond_init(&s.changed);
	thread = wb_thread_start("a name that is too long", other, &s);
	wb_mutex_lock(&s.lock);
	while (s.turn < 100) {
		if (s.turn % 2 == 0) {
			s.turn++;
			wb_cond_broadcast(&s.changed);
		} else if (!wb_cond_wait_until(&s.changed, &s.lock, wb_clock_mono_ms() + 60000)) {
			fail_msg("nobody took turn %d", s.turn);
		}
	}
	wb_cond_broadcast(&s.changed);
	wb_mutex_unlock(&s.lock);
	wb_thread_join(thread);
	assert_int_equal(s.turn, 100);
	wb_cond_release(&s.changed);
	wb_mutex_release(&s.lock);
}

static void a_deadline_in_the_past_does_not_wait(void **state)
{
	struct shared s = { .turn = 0 };

	(void)state;
	wb_mutex_init(&s.lock);
	wb_cond_init(&s.changed);
	wb_mutex_lock(&s.lock);
	assert_false(wb_cond_wait_until(&s.changed, &s.lock, wb_clock_mono_ms() - 1));
	assert_false(wb_cond_wait_until(&s.changed, &s.lock, 0));
	wb_mutex_unlock(&s.lock);
	wb_cond_release(&s.changed);
	wb_mutex_release(&s.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_take_turns),
		cmocka_unit_test(a_deadline_in_the_past_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
