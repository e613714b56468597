/* One thread of the server: its connections' events, and what other threads hand it. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/server_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* For the request line, the headers and those of the answer. libmicrohttpd zeroes all of it after each request, which at
 * 32 KiB was a fifth of what the server spends on a small one. Half of it is the piece that a body comes in. */
#define CONNECTION_MEMORY (16 * 1024)
/* Beyond connections_max: those that were shut and are not closed yet. */
#define CONNECTIONS_SLACK 128
/* Turns without looking at the listening socket while libmicrohttpd has more to do at once. */
#define BUSY_TURNS_MAX 16
#define EVENTS_MAX     4

enum { EVENT_DAEMON = 1, EVENT_WAKE, EVENT_LISTEN };

static void check(bool ok, const char *call)
{
	if (ok)
		return;
	perror(call);
	abort();
}

/* ---- from other threads */

void wb_http_loop_wake(struct wb_http_loop *loop)
{
	if (atomic_exchange(&loop->asleep, false))
		check(eventfd_write(loop->wake_fd, 1) == 0, "eventfd_write");
}

static void wake(void *arg)
{
	wb_http_loop_wake(arg);
}

void wb_http_signal(struct wb_http_request *r, unsigned signal)
{
	struct wb_http_loop *loop = r->loop;
	struct wb_http_server *s = r->server;

	if (pthread_equal(pthread_self(), loop->self)) {
		if (signal == WB_SIGNAL_ANSWER && !r->suspended)
			r->answered = true; /* whoever called the handler looks at it */
		else if (atomic_fetch_or(&r->signals, signal) == 0)
			wb_list_push(&loop->ready, &r->link);
		return;
	}
	atomic_fetch_add(&s->posting, 1);
	if (atomic_fetch_or(&r->signals, signal) == 0)
		wb_handover_put_one(&loop->answers, &r->link);
	atomic_fetch_sub(&s->posting, 1);
}

static void settle_all(struct wb_http_loop *loop)
{
	struct wb_list list = { 0 };
	struct wb_link *link;

	wb_handover_take(&loop->answers, &list);
	wb_list_append(&list, &loop->ready);
	while ((link = wb_list_pop(&list)))
		wb_http_settle(WB_CONTAINER_OF(link, struct wb_http_request, link));
}

/* ---- the thread */

static void look_at_flags(struct wb_http_loop *loop)
{
	struct wb_http_server *s = loop->server;

	if (loop->done || !atomic_load(&s->quiesced))
		return;
	wb_http_stop_accepting(loop);
	loop->done = true;
	wb_mutex_lock(&s->lock);
	s->listening--;
	wb_cond_broadcast(&s->changed);
	wb_mutex_unlock(&s->lock);
}

/* How long the thread may sleep: 0 where there is more to do, -1 for ever. */
static int time_left(struct wb_http_loop *loop, int64_t sweep_ms)
{
	MHD_UNSIGNED_LONG_LONG daemon_ms;
	int64_t left = sweep_ms;

	if (loop->ready.head)
		return 0;
	if (MHD_get_timeout(loop->daemon, &daemon_ms) == MHD_YES && (left < 0 || daemon_ms < (uint64_t)left))
		left = daemon_ms < 3600000 ? (int64_t)daemon_ms : 3600000;
	return (int)left;
}

/* Whatever is put into a list from now on wakes the thread; what was put in before is seen here. */
static bool may_sleep(struct wb_http_loop *loop)
{
	struct wb_http_server *s = loop->server;
	struct wb_list list = { 0 };

	atomic_store(&loop->asleep, true);
	wb_handover_take(&loop->answers, &list);
	if (list.head) {
		wb_list_append(&loop->ready, &list);
		return false;
	}
	wb_http_take_arrivals(loop);
	return !atomic_load(&s->stopping) && loop->done == atomic_load(&s->quiesced);
}

static void wait_for_events(struct wb_http_loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	if (timeout_ms != 0 && !may_sleep(loop))
		timeout_ms = 0;
	n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
	atomic_store(&loop->asleep, false);
	check(n >= 0 || errno == EINTR, "epoll_wait");
	loop->now_ms = wb_clock_mono_ms();
	for (int i = 0; i < n; i++)
		if (events[i].data.u32 == EVENT_LISTEN)
			wb_http_accept(loop);
}

static void *run(void *arg)
{
	struct wb_http_loop *loop = arg;
	unsigned busy = 0;

	loop->self = pthread_self();
	loop->now_ms = wb_clock_mono_ms();
	while (!atomic_load(&loop->server->stopping)) {
		int64_t sweep_ms;
		int timeout_ms;

		look_at_flags(loop);
		wb_http_take_arrivals(loop);
		settle_all(loop);
		(void)MHD_run(loop->daemon); /* fails for daemons of another mode only */
		sweep_ms = wb_http_sweep(loop);
		timeout_ms = time_left(loop, sweep_ms);
		if (timeout_ms == 0 && ++busy < BUSY_TURNS_MAX)
			continue;
		busy = 0;
		wait_for_events(loop, timeout_ms);
	}
	return NULL;
}

/* ---- its life */

static struct MHD_Daemon *start_daemon(struct wb_http_loop *loop)
{
	struct wb_http_server *s = loop->server;
	bool tls = s->certificate_file != NULL;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)(loop->connections_max + CONNECTIONS_SLACK), NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((s->idle_timeout_ms + 999) / 1000), NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1,
			NULL }, /* "Content-Length : 5" is no header that others may see, either */
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)wb_http_on_uri, loop },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)wb_http_on_completed, loop },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)wb_http_on_connection, loop },
		{ tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0, (void *)(uintptr_t)WB_TLS_PRIORITIES },
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, wb_tls_no_certificate() },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;

	return MHD_start_daemon(flags | (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, wb_http_on_request, loop,
		MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static bool watch(struct wb_http_loop *loop, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = { .events = events, .data.u32 = what };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* One of the threads that sleep is woken for a new connection, not all. */
bool wb_http_listen_again(struct wb_http_loop *loop)
{
	loop->starved = false;
	loop->listening = watch(loop, loop->server->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, EVENT_LISTEN);
	return loop->listening;
}

void wb_http_loop_prepare(struct wb_http_loop *loop, struct wb_http_server *s, size_t connections_max)
{
	loop->server = s;
	loop->connections_max = connections_max;
	loop->epoll_fd = loop->wake_fd = -1;
	loop->meters = wb_xcalloc(s->route_count + 1, sizeof *loop->meters);
	wb_handover_init(&loop->answers, wake, loop);
	wb_handover_init(&loop->arrivals, wake, loop);
}

enum wb_err wb_http_loop_start(struct wb_http_loop *loop, struct wb_error *e)
{
	const union MHD_DaemonInfo *info;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->wake_fd < 0)
		return wb_error_set(e, WB_EIO, "cannot start the HTTP server: %s", strerror(errno));
	loop->daemon = start_daemon(loop);
	if (!loop->daemon)
		return wb_error_set(e, WB_EIO, "cannot start the HTTP server: libmicrohttpd refuses its options");
	info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || !watch(loop, info->epoll_fd, EPOLLIN, EVENT_DAEMON) ||
		!watch(loop, loop->wake_fd, EPOLLIN | EPOLLET, EVENT_WAKE) || !wb_http_listen_again(loop))
		return wb_error_set(e, WB_EIO, "cannot start the HTTP server: %s", strerror(errno));
	loop->thread = wb_thread_start("http", run, loop);
	loop->running = true;
	return WB_OK;
}

void wb_http_loop_halt(struct wb_http_loop *loop)
{
	if (!loop->running)
		return;
	wb_http_loop_wake(loop);
	wb_thread_join(loop->thread);
}

/* libmicrohttpd must have no suspended connection when it is stopped. */
static void resume_all(struct wb_http_loop *loop)
{
	for (struct wb_http_connection *c = loop->lists[WB_WAIT_US].oldest; c; c = c->after) {
		struct wb_http_request *r = c->request;

		if (!r || !r->suspended)
			continue;
		if (r->stage == WB_STAGE_ANSWER && !r->answered) {
			fprintf(stderr, "an HTTP server was freed before a request was answered\n");
			abort();
		}
		r->suspended = false;
		MHD_resume_connection(r->mhd);
	}
}

void wb_http_loop_end_streams(struct wb_http_loop *loop)
{
	for (size_t i = 0; i < WB_WAIT_LISTS; i++) {
		for (struct wb_http_connection *c = loop->lists[i].oldest; c; c = c->after) {
			if (c->request && c->request->stage == WB_STAGE_BODY && !c->request->answered)
				wb_http_body_lost(c->request);
		}
	}
}

void wb_http_loop_settle(struct wb_http_loop *loop)
{
	loop->self = pthread_self(); /* what is left runs here */
	settle_all(loop);
}

void wb_http_loop_release(struct wb_http_loop *loop)
{
	wb_http_drop_arrivals(loop);
	settle_all(loop);
	resume_all(loop);
	if (loop->daemon)
		MHD_stop_daemon(loop->daemon);
	while (atomic_load(&loop->server->posting) > 0)
		(void)sched_yield();
	settle_all(loop); /* of requests that ended with a mark on its way */
	wb_handover_release(&loop->answers);
	wb_handover_release(&loop->arrivals);
	if (loop->epoll_fd >= 0)
		(void)close(loop->epoll_fd); /* carries no data, as the next */
	if (loop->wake_fd >= 0)
		(void)close(loop->wake_fd);
	free(loop->meters);
}
