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

struct pair {
	pthread_rwlock_t lock;
	int a, b; /* equal whenever nobody writes */
	_Atomic int torn;
};

static void *write_pair(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < 1000; i++) {
		wb_rwlock_write(&p->lock);
		p->a++;
		p->b++;
		wb_rwlock_unlock(&p->lock);
	}
	return NULL;
}

static void *read_pair(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < 1000; i++) {
		wb_rwlock_read(&p->lock);
		if (p->a != p->b)
			p->torn++;
		wb_rwlock_unlock(&p->lock);
	}
	return NULL;
}

static void *read_once(void *arg)
{
	struct pair *p = arg;

	wb_rwlock_read(&p->lock);
	wb_rwlock_unlock(&p->lock);
	return NULL;
}

static void writers_are_alone_and_readers_are_not(void **state)
{
	struct pair p = { .a = 0 };
	pthread_t threads[4], reader;

	(void)state;
	wb_rwlock_init(&p.lock);
	wb_rwlock_read(&p.lock);
	reader = wb_thread_start("reader", read_once, &p);
	wb_thread_join(reader); /* would not come back if readers shut one another out */
	wb_rwlock_unlock(&p.lock);
	for (int i = 0; i < 4; i++)
		threads[i] = wb_thread_start("pair", i % 2 ? write_pair : read_pair, &p);
	for (int i = 0; i < 4; i++)
		wb_thread_join(threads[i]);
	assert_int_equal(p.torn, 0);
	assert_int_equal(p.a, 2000);
	assert_int_equal(p.b, 2000);
	wb_rwlock_release(&p.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_take_turns),
		cmocka_unit_test(a_deadline_in_the_past_does_not_wait),
		cmocka_unit_test(writers_are_alone_and_readers_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
