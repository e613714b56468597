/* The life of a program: starting, running, draining, stopped; and what makes it pass on.
 *
 * SIGTERM and SIGINT start the drain; a second one ends the process at once with code 128 + signal. Any thread may
 * ask for the end with a reason and an exit code. A program that can read its files anew takes SIGHUP as the wish that
 * it does; in the others SIGHUP ends the process, as it does by default. Signals are blocked in every thread and taken by one, so there are
 * no signal handlers. Thread-safe: every function but init and release.
 */
#ifndef WB_COMMON_BASE_LIFECYCLE_H
#define WB_COMMON_BASE_LIFECYCLE_H

#include "common/base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum wb_lifecycle_state { WB_STARTING, WB_RUNNING, WB_DRAINING, WB_STOPPED };

struct wb_lifecycle; /* opaque */

/* Blocks the signals; call it in main before any other thread exists. SIGPIPE is ignored from then on. */
struct wb_lifecycle *wb_lifecycle_new(void);
/* The same for a program that takes SIGHUP (wb_lifecycle_on_reload). */
struct wb_lifecycle *wb_lifecycle_new_reloadable(void);
/* The signals stay blocked, so that one that comes late does not change how the program ends. */
void wb_lifecycle_free(struct wb_lifecycle **l);

enum wb_lifecycle_state wb_lifecycle_state(const struct wb_lifecycle *l);
/* STARTING to RUNNING; ignored when a stop was asked for already. */
void wb_lifecycle_running(struct wb_lifecycle *l);
/* Asks for the end: the state becomes DRAINING. The first call's code and reason stay. */
void wb_lifecycle_stop(struct wb_lifecycle *l, int exit_code, const char *reason);
/* The program has finished its drain. */
void wb_lifecycle_stopped(struct wb_lifecycle *l);
/* Waits up to timeout_ms (-1: without end) until the state is DRAINING or STOPPED; returns the state. */
enum wb_lifecycle_state wb_lifecycle_wait(struct wb_lifecycle *l, int64_t timeout_ms);
/* 0 after a signal, else what stop was given. */
int wb_lifecycle_exit_code(const struct wb_lifecycle *l);
/* "SIGTERM", or what stop was given; copied into ret. */
void wb_lifecycle_reason(const struct wb_lifecycle *l, struct wb_error *ret);
/* Called once when the drain begins, from the thread that caused it; for waking loops. Set before RUNNING;
 * where the drain has begun already, it is called at once. */
void wb_lifecycle_on_stop(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg);

/* Called for SIGHUPs from the thread of the signals, one call at a time: one that comes meanwhile makes another call.
 * Others wait for it, so it should take milliseconds. For a SIGHUP that came before it is called from here. Not called in
 * the drain. fn NULL: none from now on; what was set before is not running any more when this returns. */
void wb_lifecycle_on_reload(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg);
/* Called from the thread of the signals when a second signal is about to end the process at once: for last words that
 * take next to no time. Set before RUNNING. */
void wb_lifecycle_on_kill(struct wb_lifecycle *l, void (*fn)(void *arg), void *arg);

#endif
