#include "common/base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(int err, const char *call)
{
	if (err == 0)
		return;
	(void)fprintf(stderr, "writebehind: %s: %s\n", call, strerror(err)); /* nothing left to do if it fails */
	abort();
}

void wb_mutex_init(pthread_mutex_t *m)
{
	must(pthread_mutex_init(m, NULL), "pthread_mutex_init");
}

void wb_mutex_release(pthread_mutex_t *m)
{
	must(pthread_mutex_destroy(m), "pthread_mutex_destroy");
}

void wb_mutex_lock(pthread_mutex_t *m)
{
	must(pthread_mutex_lock(m), "pthread_mutex_lock");
}

bool wb_mutex_trylock(pthread_mutex_t *m)
{
	int err = pthread_mutex_trylock(m);

	if (err != EBUSY)
		must(err, "pthread_mutex_trylock");
	return err == 0;
}

void wb_mutex_unlock(pthread_mutex_t *m)
{
	must(pthread_mutex_unlock(m), "pthread_mutex_unlock");
}

void wb_rwlock_init(pthread_rwlock_t *l)
{
	pthread_rwlockattr_t attr;

	must(pthread_rwlockattr_init(&attr), "pthread_rwlockattr_init");
#ifdef __GLIBC__
	/* glibc's default lets readers that overlap keep a writer out for ever; others do not. */
	must(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP),
		"pthread_rwlockattr_setkind_np");
#endif
	must(pthread_rwlock_init(l, &attr), "pthread_rwlock_init");
	must(pthread_rwlockattr_destroy(&attr), "pthread_rwlockattr_destroy");
}

void wb_rwlock_release(pthread_rwlock_t *l)
{
	must(pthread_rwlock_destroy(l), "pthread_rwlock_destroy");
}

void wb_rwlock_read(pthread_rwlock_t *l)
{
	must(pthread_rwlock_rdlock(l), "pthread_rwlock_rdlock");
}

void wb_rwlock_write(pthread_rwlock_t *l)
{
	must(pthread_rwlock_wrlock(l), "pthread_rwlock_wrlock");
}

void wb_rwlock_unlock(pthread_rwlock_t *l)
{
	must(pthread_rwlock_unlock(l), "pthread_rwlock_unlock");
}

void wb_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr), "pthread_condattr_init");
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "pthread_condattr_setclock");
	must(pthread_cond_init(c, &attr), "pthread_cond_init");
	must(pthread_condattr_destroy(&attr), "pthread_condattr_destroy");
}

void wb_cond_release(pthread_cond_t *c)
{
	must(pthread_cond_destroy(c), "pthread_cond_destroy");
}

void wb_cond_signal(pthread_cond_t *c)
{
	must(pthread_cond_signal(c), "pthread_cond_signal");
}

void wb_cond_broadcast(pthread_cond_t *c)
{
	must(pthread_cond_broadcast(c), "pthread_cond_broadcast");
}

void wb_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	must(pthread_cond_wait(c, m), "pthread_cond_wait");
}

bool wb_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_ms)
{
	struct timespec at = { .tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000 };
	int err = pthread_cond_timedwait(c, m, &at);

	if (err == ETIMEDOUT)
		return false;
	must(err, "pthread_cond_timedwait");
	return true;
}

pthread_t wb_thread_start(const char *name, void *(*run)(void *arg), void *arg)
{
	char shown[16];
	pthread_t thread;

	must(pthread_create(&thread, NULL, run, arg), "pthread_create");
	(void)snprintf(shown, sizeof shown, "%s", name); /* cutting is meant */
	(void)pthread_setname_np(thread, shown);         /* only for people; the thread may have ended */
	return thread;
}

void wb_thread_join(pthread_t thread)
{
	must(pthread_join(thread, NULL), "pthread_join");
}
