/* Linked into unit tests under ThreadSanitizer only. librdkafka locks and starts threads with C11's <threads.h>, which
 * the sanitizer of gcc 12 and clang 14 does not know: its threads would run without the sanitizer's state and crash.
 * These definitions stand before glibc's and go through pthread, which the sanitizer does know, so it also sees what
 * librdkafka's own locks order. Suppressions are in tsan.supp.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a pthread mutex fits where librdkafka keeps its own");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a pthread condition fits where librdkafka keeps its own");

#define UNSEEN __attribute__((no_sanitize("thread")))

struct beginning {
	thrd_start_t run;
	void *arg;
};

static int result(int error)
{
	return error ? thrd_error : thrd_success;
}

static pthread_mutex_t *mutex_of(mtx_t *m)
{
	return (pthread_mutex_t *)(void *)m;
}

static pthread_cond_t *cond_of(cnd_t *c)
{
	return (pthread_cond_t *)(void *)c;
}

static void *begin(void *arg)
{
	struct beginning b = *(struct beginning *)arg;

	free(arg);
	return (void *)(intptr_t)b.run(b.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
	struct beginning *b = malloc(sizeof *b);

	if (!b)
		return thrd_nomem;
	*b = (struct beginning){ run, arg };
	if (pthread_create(thread, NULL, begin, b) == 0)
		return thrd_success;
	free(b);
	return thrd_error;
}

int thrd_join(thrd_t thread, int *ret)
{
	void *value;
	int error = pthread_join(thread, &value);

	if (!error && ret)
		*ret = (int)(intptr_t)value;
	return result(error);
}

int thrd_detach(thrd_t thread)
{
	return result(pthread_detach(thread));
}

/* Initialised by value and unseen: librdkafka passes fresh objects on by atomics that the sanitizer does not see, so the
 * write of pthread_mutex_init would look like a race with the first lock. */
UNSEEN int mtx_init(mtx_t *m, int type)
{
	static const pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
	static const pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	*mutex_of(m) = type & mtx_recursive ? recursive : plain;
	return thrd_success;
}

int mtx_lock(mtx_t *m)
{
	return result(pthread_mutex_lock(mutex_of(m)));
}

int mtx_trylock(mtx_t *m)
{
	int error = pthread_mutex_trylock(mutex_of(m));

	return error == EBUSY ? thrd_busy : result(error);
}

int mtx_unlock(mtx_t *m)
{
	return result(pthread_mutex_unlock(mutex_of(m)));
}

void mtx_destroy(mtx_t *m)
{
	(void)pthread_mutex_destroy(mutex_of(m)); /* C11's returns nothing */
}

UNSEEN int cnd_init(cnd_t *c)
{
	static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

	*cond_of(c) = fresh;
	return thrd_success;
}

int cnd_signal(cnd_t *c)
{
	return result(pthread_cond_signal(cond_of(c)));
}

int cnd_broadcast(cnd_t *c)
{
	return result(pthread_cond_broadcast(cond_of(c)));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
	return result(pthread_cond_wait(cond_of(c), mutex_of(m)));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
	int error = pthread_cond_timedwait(cond_of(c), mutex_of(m), until);

	return error == ETIMEDOUT ? thrd_timedout : result(error);
}

void cnd_destroy(cnd_t *c)
{
	(void)pthread_cond_destroy(cond_of(c)); /* C11's returns nothing */
}
