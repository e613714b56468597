#include "common/base/lifecycle.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct wb_lifecycle {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_int state; /* written under lock, read without */

	/* Under lock. */
	int exit_code;
	struct wb_error reason;
	void (*on_stop)(void *arg);
	void *on_stop_arg;
	void (*on_kill)(void *arg);
	void *on_kill_arg;
	void (*on_reload)(void *arg);
	void *on_reload_arg;
	bool reload_asked; /* before on_reload was set */

	pthread_mutex_t reloading; /* held during a reload, so that there is one at a time; taken before lock */

	/* Set once in new. */
	int signals;
	int quit;
	pthread_t thread;
};

static void check(bool ok, const char *call)
{
	if (ok)
		return;
	perror(call);
	abort();
}

static void reload(struct wb_lifecycle *l)
{
	void (*fn)(void *arg) = NULL;
	void *arg = NULL;

	wb_mutex_lock(&l->reloading);
	wb_mutex_lock(&l->lock);
	if (wb_lifecycle_state(l) < WB_DRAINING) {
		fn = l->on_reload;
		arg = l->on_reload_arg;
		l->reload_asked = !fn;
	}
	wb_mutex_unlock(&l->lock);
	if (fn)
		fn(arg);
	wb_mutex_unlock(&l->reloading);
}

static void kill_now(struct wb_lifecycle *l, int number)
{
	void (*fn)(void *arg);
	void *arg;

	wb_mutex_lock(&l->lock);
	fn = l->on_kill;
	arg = l->on_kill_arg;
	wb_mutex_unlock(&l->lock);
	if (fn)
		fn(arg);
	_exit(128 + number);
}

static void take_signal(struct wb_lifecycle *l, int *seen)
{
	struct signalfd_siginfo info;
	int number;

	if (read(l->signals, &info, sizeof info) != sizeof info)
		return; /* someone else's wait took it */
	number = (int)info.ssi_signo;
	if (number == SIGHUP) {
		reload(l);
		return;
	}
	if (++*seen > 1)
		kill_now(l, number);
	wb_lifecycle_stop(l, 0, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void *signal_loop(void *arg)
{
	struct wb_lifecycle *l = arg;
	struct pollfd fds[] = { { .fd = l->signals, .events = POLLIN }, { .fd = l->quit, .events = POLLIN } };
	int seen = 0;

	while (!fds[1].revents) {
		int n = poll(fds, 2, -1);

		check(n >= 0 || errno == EINTR, "poll");
		if (n > 0 && fds[0].revents)
			take_signal(l, &seen);
	}
	return NULL;
}

static struct wb_lifecycle *new_lifecycle(bool reloadable)
{
	struct wb_lifecycle *l = wb_xcalloc(1, sizeof *l);
	sigset_t set;

	wb_mutex_init(&l->lock);
	wb_mutex_init(&l->reloading);
	wb_cond_init(&l->changed);
	atomic_init(&l->state, WB_STARTING);
	check(sigemptyset(&set) == 0 && sigaddset(&set, SIGTERM) == 0 && sigaddset(&set, SIGINT) == 0, "sigaddset");
	check(!reloadable || sigaddset(&set, SIGHUP) == 0, "sigaddset");
	check(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0, "pthread_sigmask");
	check(signal(SIGPIPE, SIG_IGN) != SIG_ERR, "signal");
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	check(l->signals >= 0, "signalfd");
	l->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(l->quit >= 0, "eventfd");
	l->thread = wb_thread_start("signals", signal_loop, l);
	return l;
}

struct wb_lifecycle *wb_lifecycle_new(void)
{
	return new_lifecycle(false);
}

struct wb_lifecycle *wb_lifecycle_new_reloadable(void)
{
	return new_lifecycle(true);
}

void wb_lifecycle_free(struct wb_lifecycle **l)
{
	struct wb_lifecycle *old = *l;

	if (!old)
		return;
	check(eventfd_write(old->quit, 1) == 0, "eventfd_write");
	wb_thread_join(old->thread);
	check(close(old->quit) == 0 && close(old->signals) == 0, "close");
	wb_cond_release(&old->changed);
	wb_mutex_release(&old->reloading);
	wb_mutex_release(&old->lock);
	free(old);
	*l = NULL;
}

enum wb_lifecycle_state wb_lifecycle_state(const struct wb_lifecycle *l)
{
	return (enum wb_lifecycle_state)atomic_load(&l->state);
}

/* The lock is held. */
static void enter(struct wb_lifecycle *l, enum wb_lifecycle_state state)
{
	atomic_store(&l->state, state);
	wb_cond_broadcast(&l->changed);
}

void wb_lifecycle_running(struct wb_lifecycle *l)
{
	wb_mutex_lock(&l->lock);
	if (wb_lifecycle_state(l) == WB_STARTING)
		enter(l, WB_RUNNING);
	wb_mutex_unlock(&l->lock);
}

void wb_lifecycle_stop(struct wb_lifecycle *l, int exit_code, const char *reason)
{
	void (*fn)(void *arg) = NULL;
	void *arg = NULL;

	wb_mutex_lock(&l->lock);
	if (wb_lifecycle_state(l) < WB_DRAINING) {
		l->exit_code = exit_code;
		(void)snprintf(l->reason.text, sizeof l->reason.text, "%s", reason); /* cutting is meant */
		fn = l->on_stop;
		arg = l->on_stop_arg;
		enter(l, WB_DRAINING);
	}
	wb_mutex_unlock(&l->lock);
	if (fn)
		fn(arg);
}

void wb_lifecycle_stopped(struct wb_lifecycle *l)
{
	wb_mutex_lock(&l->lock);
	enter(l, WB_STOPPED);
	wb_mutex_unlock(&l->lock);
}

enum wb_lifecycle_state wb_lifecycle_wait(struct wb_lifecycle *l, int64_t timeout_ms)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	enum wb_lifecycle_state state;

	wb_mutex_lock(&l->lock);
	while ((state = wb_lifecycle_state(l)) < WB_DRAINING) {
		if (timeout_ms < 0)
			wb_cond_wait(&l->changed, &l->lock);
		else if (!wb_cond_wait_until(&l->changed, &l->lock, deadline_ms))
			break;
	}
	state = wb_lifecycle_state(l);
	wb_mutex_unlock(&l->lock);
	return state;
}

/* Reading is const to callers; the lock is not. */
static struct wb_lifecycle *locked(const struct wb_lifecycle *l)
{
	struct wb_lifecycle *mutable = (struct wb_lifecycle *)l;

	wb_mutex_lock(&mutable->lock);
	return mutable;
}

int wb_lifecycle_exit_code(const struct wb_lifecycle *l)
{
	struct wb_lifecycle *held = locked(l);
	int code = held->exit_code;

	wb_mutex_unlock(&held->lock);
	return code;
}

void wb_lifecycle_reason(const struct wb_lifecycle *l, struct wb_error *ret)
{
	struct wb_lifecycle *held = locked(l);

	*ret = held->reason;
	wb_mutex_unlock(&held->lock);
}

void wb_lifecycle_on_stop(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg)
{
	bool late;

	wb_mutex_lock(&l->lock);
	late = wb_lifecycle_state(l) >= WB_DRAINING;
	l->on_stop = fn;
	l->on_stop_arg = arg;
	wb_mutex_unlock(&l->lock);
	if (late)
		fn(arg);
}

void wb_lifecycle_on_reload(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg)
{
	bool asked;

	wb_mutex_lock(&l->reloading);
	wb_mutex_lock(&l->lock);
	l->on_reload = fn;
	l->on_reload_arg = arg;
	asked = fn && l->reload_asked;
	wb_mutex_unlock(&l->lock);
	wb_mutex_unlock(&l->reloading);
	if (asked)
		reload(l);
}

void wb_lifecycle_on_kill(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg)
{
	wb_mutex_lock(&l->lock);
	l->on_kill = fn;
	l->on_kill_arg = arg;
	wb_mutex_unlock(&l->lock);
}
