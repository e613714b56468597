#include "sandbox/web.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "sandbox/web_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SWEEP_US        (5 * INT64_C(1000000))
#define HALF_REQUEST_US (60 * INT64_C(1000000))  /* a request that does not come on is given up */
#define IDLE_US         (600 * INT64_C(1000000)) /* a kept connection that says nothing is closed */
#define HUNG_US         (600 * INT64_C(1000000))
#define LINGER_US       (2 * INT64_C(1000000))
#define EVENTS_MAX      64

struct loop {
	struct wb_web_server *server;
	pthread_t thread;
	int epoll, wake, timer;
	struct wb_web_conn *all;                     /* owned */
	struct wb_web_conn *delayed, *delayed_last;  /* sorted by due time */
	_Atomic unsigned count;
	void *scratch;
	int64_t swept_us;
	pthread_mutex_t lock;         /* guards incoming */
	struct wb_web_conn *incoming; /* accepted for this loop by another */
};

struct wb_web_server {
	struct wb_web_settings settings;
	struct wb_web_shared shared;
	int listener;
	uint16_t port;
	_Atomic bool stopping;
	_Atomic unsigned connections;
	struct loop *loops;
};

static void delayed_remove(struct loop *l, struct wb_web_conn *c)
{
	if (c->delay_previous)
		c->delay_previous->delay_next = c->delay_next;
	else if (l->delayed == c)
		l->delayed = c->delay_next;
	else
		return;
	if (c->delay_next)
		c->delay_next->delay_previous = c->delay_previous;
	else
		l->delayed_last = c->delay_previous;
	c->delay_next = c->delay_previous = NULL;
}

/* Inserts from the end, where a constant delay belongs. */
static void delayed_insert(struct loop *l, struct wb_web_conn *c)
{
	struct wb_web_conn *before = l->delayed_last;

	while (before && before->due_us > c->due_us)
		before = before->delay_previous;
	c->delay_previous = before;
	c->delay_next = before ? before->delay_next : l->delayed;
	if (c->delay_next)
		c->delay_next->delay_previous = c;
	else
		l->delayed_last = c;
	if (before)
		before->delay_next = c;
	else
		l->delayed = c;
}

static void arm_timer(struct loop *l)
{
	struct itimerspec when = { 0 };
	int64_t us = l->delayed ? l->delayed->due_us : 0;
	int rc;

	when.it_value.tv_sec = us / 1000000;
	when.it_value.tv_nsec = us % 1000000 * 1000;
	rc = timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &when, NULL);
	assert(rc == 0);
	(void)rc;
}

static void drop(struct loop *l, struct wb_web_conn *c)
{
	delayed_remove(l, c);
	if (c->previous)
		c->previous->next = c->next;
	else
		l->all = c->next;
	if (c->next)
		c->next->previous = c->previous;
	atomic_fetch_sub(&l->count, 1);
	atomic_fetch_sub(&l->server->connections, 1);
	wb_web_conn_free(&c);
}

static void step(struct loop *l, struct wb_web_conn *c)
{
	bool was_delayed = c->state == WB_CONN_DELAY;

	wb_web_conn_step(c, &l->scratch, wb_clock_mono_us());
	if (was_delayed)
		delayed_remove(l, c);
	if (c->state == WB_CONN_DELAY) {
		delayed_insert(l, c);
		if (l->delayed == c)
			arm_timer(l);
	}
	if (c->state == WB_CONN_CLOSED)
		drop(l, c);
}

static void take_incoming(struct loop *l)
{
	struct wb_web_conn *c;

	wb_mutex_lock(&l->lock);
	c = l->incoming;
	l->incoming = NULL;
	wb_mutex_unlock(&l->lock);
	while (c) {
		struct wb_web_conn *next = c->next;
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

		c->previous = NULL;
		c->next = l->all;
		if (l->all)
			l->all->previous = c;
		l->all = c;
		c->last_us = wb_clock_mono_us();
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event))
			drop(l, c);
		c = next;
	}
}

static void hand_over(struct wb_web_server *s, int fd)
{
	struct loop *least = &s->loops[0];
	struct wb_web_conn *c = wb_web_conn_new(fd, &s->shared);
	const uint64_t one = 1;

	for (unsigned i = 1; i < s->settings.threads; i++)
		if (atomic_load(&s->loops[i].count) < atomic_load(&least->count))
			least = &s->loops[i];
	atomic_fetch_add(&least->count, 1);
	wb_mutex_lock(&least->lock);
	c->next = least->incoming;
	least->incoming = c;
	wb_mutex_unlock(&least->lock);
	/* An eventfd write of 1 fails only when the counter is full, and then the loop is woken already. */
	(void)!write(least->wake, &one, sizeof one);
}

static void accept_all(struct wb_web_server *s)
{
	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		const int on = 1;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return;
		if (atomic_fetch_add(&s->connections, 1) >= s->settings.max_connections) {
			atomic_fetch_sub(&s->connections, 1);
			(void)close(fd);
			continue;
		}
		/* Only costs time when it is refused. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		hand_over(s, fd);
	}
}

static void sweep(struct loop *l, int64_t now_us)
{
	for (struct wb_web_conn *c = l->all, *next; c; c = next) {
		bool half = c->state == WB_CONN_BODY || c->state == WB_CONN_SEND || c->in_len > 0;
		int64_t limit_us = half ? HALF_REQUEST_US : IDLE_US;

		if (c->state == WB_CONN_HUNG)
			limit_us = HUNG_US;
		else if (c->state == WB_CONN_LINGER)
			limit_us = LINGER_US;

		next = c->next;
		if (c->state != WB_CONN_DELAY && now_us - c->last_us > limit_us)
			drop(l, c);
	}
	l->swept_us = now_us;
}

static void expire_delayed(struct loop *l)
{
	int64_t now_us = wb_clock_mono_us();
	uint64_t expirations;

	(void)!read(l->timer, &expirations, sizeof expirations); /* only clears the readiness */
	while (l->delayed && l->delayed->due_us <= now_us)
		step(l, l->delayed);
	if (l->delayed)
		arm_timer(l);
}

static void handle_event(struct loop *l, const struct epoll_event *event)
{
	struct wb_web_conn *c = event->data.ptr;
	uint64_t wakes;

	if ((void *)c == &l->server->listener) {
		accept_all(l->server);
	} else if ((void *)c == &l->wake) {
		(void)!read(l->wake, &wakes, sizeof wakes); /* only clears the readiness */
		take_incoming(l);
	} else if ((void *)c == &l->timer) {
		expire_delayed(l);
	} else {
		if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			c->readable = true;
		if (event->events & EPOLLOUT)
			c->writable = true;
		if (c->state == WB_CONN_HUNG && (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			c->state = WB_CONN_CLOSED;
		step(l, c);
	}
}

static void *run_loop(void *arg)
{
	struct loop *l = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load(&l->server->stopping)) {
		int n = epoll_wait(l->epoll, events, EVENTS_MAX, 1000);
		int64_t now_us;

		/* A connection is stepped, and so freed, at most by its own event: the timer's event, which may free
		 * others, is handled last. */
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr != &l->timer)
				handle_event(l, &events[i]);
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == &l->timer)
				handle_event(l, &events[i]);
		now_us = wb_clock_mono_us();
		if (now_us - l->swept_us > SWEEP_US)
			sweep(l, now_us);
	}
	return NULL;
}

static bool watch(int epoll, int fd, void *ptr)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = ptr };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool loop_init(struct loop *l, struct wb_web_server *s)
{
	l->server = s;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	l->swept_us = wb_clock_mono_us();
	wb_mutex_init(&l->lock);
	return l->epoll >= 0 && l->wake >= 0 && l->timer >= 0 && watch(l->epoll, l->wake, &l->wake) &&
		watch(l->epoll, l->timer, &l->timer);
}

static void loop_release(struct loop *l, struct wb_web_server *s)
{
	take_incoming(l);
	while (l->all)
		drop(l, l->all);
	if (l->scratch && s->settings.scratch_free)
		s->settings.scratch_free(l->scratch);
	if (l->epoll >= 0)
		(void)close(l->epoll); /* an epoll set holds no data that could be lost */
	if (l->wake >= 0)
		(void)close(l->wake);
	if (l->timer >= 0)
		(void)close(l->timer);
	wb_mutex_release(&l->lock);
}

static enum wb_err listen_on(struct wb_web_server *s, struct wb_error *e)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(s->settings.port) };
	socklen_t len = sizeof address;
	const int on = 1;

	if (inet_pton(AF_INET, s->settings.host, &address.sin_addr) != 1)
		return wb_error_set(e, WB_EINVAL, "%s is no IPv4 address", s->settings.host);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listener < 0 || setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
		bind(s->listener, (const struct sockaddr *)&address, sizeof address) || listen(s->listener, 1024) ||
		getsockname(s->listener, (struct sockaddr *)&address, &len))
		return wb_error_set(
			e, WB_EIO, "cannot listen on %s:%u: %s", s->settings.host, s->settings.port, strerror(errno));
	s->port = ntohs(address.sin_port);
	return WB_OK;
}

struct wb_web_server *wb_web_server_new(const struct wb_web_settings *settings, struct wb_error *e)
{
	struct wb_web_server *s = wb_xcalloc(1, sizeof *s);
	bool ok = true;

	assert(settings->threads > 0);
	s->settings = *settings;
	s->shared.handler = settings->handler;
	s->shared.arg = settings->arg;
	s->shared.max_held_bytes = settings->max_held_bytes;
	s->listener = -1;
	s->loops = wb_xcalloc(settings->threads, sizeof *s->loops);
	for (unsigned i = 0; i < settings->threads; i++)
		ok = loop_init(&s->loops[i], s) && ok;
	if (!ok)
		(void)wb_error_set(e, WB_EIO, "cannot make an event loop: %s", strerror(errno));
	if (ok)
		ok = listen_on(s, e) == WB_OK && watch(s->loops[0].epoll, s->listener, &s->listener);
	if (!ok) {
		atomic_store(&s->stopping, true);
		wb_web_server_free(&s);
		return NULL;
	}
	for (unsigned i = 0; i < settings->threads; i++)
		s->loops[i].thread = wb_thread_start("web", run_loop, &s->loops[i]);
	return s;
}

uint16_t wb_web_server_port(const struct wb_web_server *s)
{
	return s->port;
}

void wb_web_server_free(struct wb_web_server **server)
{
	struct wb_web_server *s = *server;
	const uint64_t one = 1;

	if (!s)
		return;
	if (!atomic_exchange(&s->stopping, true)) {
		for (unsigned i = 0; i < s->settings.threads; i++)
			(void)!write(s->loops[i].wake, &one, sizeof one); /* full means woken already */
		for (unsigned i = 0; i < s->settings.threads; i++)
			wb_thread_join(s->loops[i].thread);
	}
	for (unsigned i = 0; i < s->settings.threads; i++)
		loop_release(&s->loops[i], s);
	if (s->listener >= 0)
		(void)close(s->listener); /* nothing to lose in a listener */
	free(s->loops);
	free(s);
	*server = NULL;
}
