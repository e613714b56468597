/* Locks and conditions whose failures are bugs: every pthread call is checked, and the process aborts if one fails.
 *
 * Conditions wait on the monotonic clock, so a step of the wall clock neither shortens nor lengthens a wait.
 * Thread-safe as the pthread functions behind it are.
 */
#ifndef WB_COMMON_BASE_THREAD_H
#define WB_COMMON_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void wb_mutex_init(pthread_mutex_t *m);
void wb_mutex_release(pthread_mutex_t *m);
void wb_mutex_lock(pthread_mutex_t *m);
/* False when someone holds it. */
bool wb_mutex_trylock(pthread_mutex_t *m);
void wb_mutex_unlock(pthread_mutex_t *m);

/* Readers do not pass a writer that waits, so a reader must not read-lock again what it holds. */
void wb_rwlock_init(pthread_rwlock_t *l);
void wb_rwlock_release(pthread_rwlock_t *l);
void wb_rwlock_read(pthread_rwlock_t *l);
void wb_rwlock_write(pthread_rwlock_t *l);
void wb_rwlock_unlock(pthread_rwlock_t *l);

void wb_cond_init(pthread_cond_t *c);
void wb_cond_release(pthread_cond_t *c);
void wb_cond_signal(pthread_cond_t *c);
void wb_cond_broadcast(pthread_cond_t *c);
void wb_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
/* Waits until deadline_ms of wb_clock_mono_ms; false when it has passed. May wake without cause, as all conditions. */
bool wb_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline_ms);

/* The thread's name is seen in ps and debuggers; at most 15 bytes of it. Aborts when the system has no thread left. */
pthread_t wb_thread_start(const char *name, void *(*run)(void *arg), void *arg);
void wb_thread_join(pthread_t thread);

#endif
