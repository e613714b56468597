/* Connections of a loop: accepting, spreading them over the loops, and who has to go. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/server_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_MAX     64 /* a turn */
#define DRAIN_MAX      4096 /* when it stops accepting: as many as may wait at the socket */
#define WINDOW_MS      10000
#define SLOW_BYTES_S   500
#define MEMORY_FULL_MS 30000 /* for so long after a body that found no room, slow ones have to go */
#define FRESH_MS       1000 /* a header that takes longer than this is no quick client's */
#define STARVED_MS     100

/* ---- what they wait for */

static void unlink_connection(struct wb_http_loop *loop, struct wb_http_connection *c)
{
	struct wb_http_list *list = &loop->lists[c->wait];

	if (c->before)
		c->before->after = c->after;
	else
		list->oldest = c->after;
	if (c->after)
		c->after->before = c->before;
	else
		list->youngest = c->before;
	list->count--;
}

static void append(struct wb_http_loop *loop, struct wb_http_connection *c, enum wb_http_wait wait)
{
	struct wb_http_list *list = &loop->lists[wait];

	c->wait = wait;
	c->since_ms = loop->now_ms;
	c->received = 0;
	c->after = NULL;
	c->before = list->youngest;
	if (list->youngest)
		list->youngest->after = c;
	else
		list->oldest = c;
	list->youngest = c;
	list->count++;
}

void wb_http_wait_for(struct wb_http_loop *loop, struct wb_http_connection *c, enum wb_http_wait wait)
{
	unlink_connection(loop, c);
	append(loop, c, c->shut ? WB_WAIT_US : wait);
}

/* ---- who has to go */

static void count_shut(const struct wb_http_server *s, const char *labels)
{
	if (s->metrics)
		wb_counter_add(wb_metrics_counter(s->metrics, "writebehind_http_connections_shut_total",
				       "HTTP connections that the server ended or refused for its limits", labels),
			1);
}

/* libmicrohttpd sees the end of the connection in its next run and closes it. */
static void shut(struct wb_http_loop *loop, struct wb_http_connection *c, const char *labels)
{
	count_shut(loop->server, labels);
	c->shut = true;
	loop->shut++;
	(void)shutdown(c->fd, SHUT_RDWR); /* fails where the client was quicker */
	wb_http_wait_for(loop, c, WB_WAIT_US);
}

static bool is_slow(const struct wb_http_loop *loop, const struct wb_http_connection *c)
{
	return (int64_t)c->received * 1000 < SLOW_BYTES_S * (loop->now_ms - c->since_ms);
}

static struct wb_http_connection *older_than(const struct wb_http_loop *loop, enum wb_http_wait wait, int64_t age_ms)
{
	struct wb_http_connection *c = loop->lists[wait].oldest;

	return c && loop->now_ms - c->since_ms >= age_ms ? c : NULL;
}

static struct wb_http_connection *slow_body(const struct wb_http_loop *loop, enum wb_http_wait wait, int64_t age_ms)
{
	struct wb_http_connection *c = loop->lists[wait].oldest;

	for (; c && loop->now_ms - c->since_ms >= age_ms; c = c->after)
		if (is_slow(loop, c))
			return c;
	return NULL;
}

/* Of those that never had an answer, the one that is longest at it; of bodies, one that has not sent in all what it has
 * to in a second, however fresh it is. */
static struct wb_http_connection *stranger_in(const struct wb_http_loop *loop, enum wb_http_wait wait)
{
	for (struct wb_http_connection *c = loop->lists[wait].oldest; c; c = c->after)
		if (!c->served && (!c->request || c->request->received < SLOW_BYTES_S || is_slow(loop, c)))
			return c;
	return NULL;
}

/* Where clients that are still sending hold more than half of the room, one of them that never had an answer has to go.
 * So in the other half clients that come back find their connections, whoever else comes. */
static struct wb_http_connection *stranger(const struct wb_http_loop *loop)
{
	struct wb_http_connection *header, *body;

	if (loop->lists[WB_WAIT_HEADER].count + loop->lists[WB_WAIT_BODY].count <= loop->connections_max / 2)
		return NULL;
	header = stranger_in(loop, WB_WAIT_HEADER);
	body = stranger_in(loop, WB_WAIT_BODY);
	if (!header || !body)
		return header ? header : body;
	return header->since_ms < body->since_ms ? header : body;
}

/* Shuts the connection that is of the least use; false where all are of use. */
static bool make_way(struct wb_http_loop *loop)
{
	struct wb_http_connection *c = slow_body(loop, WB_WAIT_SLOW_BODY, 0);

	if (!c)
		c = older_than(loop, WB_WAIT_HEADER, FRESH_MS);
	if (!c)
		c = stranger(loop);
	if (!c)
		c = older_than(loop, WB_WAIT_REQUEST, 0);
	if (!c)
		c = older_than(loop, WB_WAIT_HEADER, 0);
	if (!c)
		c = older_than(loop, WB_WAIT_CLIENT, WINDOW_MS);
	if (!c)
		c = slow_body(loop, WB_WAIT_BODY, FRESH_MS);
	if (c)
		shut(loop, c, "reason=\"made-way\"");
	return c != NULL;
}

/* A client whose end came together with its last bytes: libmicrohttpd (0.9.75) reads those, and waits for an event that
 * was already. */
static bool is_gone(const struct wb_http_connection *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Slow bodies are borne while they are in nobody's way. */
static bool are_in_the_way(const struct wb_http_loop *loop)
{
	struct wb_http_server *s = loop->server;

	return atomic_load_explicit(&s->quiesced, memory_order_relaxed) ||
		loop->now_ms - atomic_load_explicit(&s->memory_full_ms, memory_order_relaxed) < MEMORY_FULL_MS;
}

/* Bodies are judged once a window. */
static void judge_bodies(struct wb_http_loop *loop, enum wb_http_wait wait)
{
	struct wb_http_connection *c;

	while ((c = older_than(loop, wait, WINDOW_MS))) {
		if (c->received == 0 && is_gone(c))
			shut(loop, c, "reason=\"gone\"");
		else if (is_slow(loop, c) && are_in_the_way(loop))
			shut(loop, c, "reason=\"slow-body\"");
		else
			wb_http_wait_for(loop, c, is_slow(loop, c) ? WB_WAIT_SLOW_BODY : WB_WAIT_BODY);
	}
}

static void sooner(int64_t *ms, const struct wb_http_loop *loop, enum wb_http_wait wait, int64_t limit_ms)
{
	const struct wb_http_connection *c = loop->lists[wait].oldest;
	int64_t left;

	if (!c)
		return;
	left = c->since_ms + limit_ms - loop->now_ms;
	if (left < 1)
		left = 1;
	if (*ms < 0 || left < *ms)
		*ms = left;
}

int64_t wb_http_sweep(struct wb_http_loop *loop)
{
	const struct wb_http_server *s = loop->server;
	struct wb_http_connection *c;
	int64_t left = -1;

	loop->now_ms = wb_clock_mono_ms();
	while ((c = older_than(loop, WB_WAIT_HEADER, s->header_timeout_ms)))
		shut(loop, c, "reason=\"header-timeout\"");
	while ((c = older_than(loop, WB_WAIT_REQUEST, s->idle_timeout_ms)))
		shut(loop, c, "reason=\"idle-timeout\"");
	judge_bodies(loop, WB_WAIT_BODY);
	judge_bodies(loop, WB_WAIT_SLOW_BODY);
	sooner(&left, loop, WB_WAIT_HEADER, s->header_timeout_ms);
	sooner(&left, loop, WB_WAIT_REQUEST, s->idle_timeout_ms);
	sooner(&left, loop, WB_WAIT_BODY, WINDOW_MS);
	sooner(&left, loop, WB_WAIT_SLOW_BODY, WINDOW_MS);
	if (loop->starved) {
		if (loop->now_ms - loop->starved_ms >= STARVED_MS && wb_http_listen_again(loop))
			return left;
		return left < 0 || left > STARVED_MS ? STARVED_MS : left;
	}
	return left;
}

/* ---- how they come and go */

static void forget(struct wb_http_loop *loop, struct wb_http_connection *c)
{
	wb_tls_pair_release(&c->pair);
	free(c);
	atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
	if (loop->server->connection_gauge)
		wb_gauge_add(loop->server->connection_gauge, -1);
}

void wb_http_on_connection(
	void *arg, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct wb_http_loop *loop = arg;
	struct wb_http_connection *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c->shut)
			loop->shut--;
		unlink_connection(loop, c);
		forget(loop, c);
		return;
	}
	c = loop->arriving;
	loop->arriving = NULL;
	*socket_context = c;
	append(loop, c, WB_WAIT_HEADER);
	if (c->pair) {
		c->session = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
		wb_tls_use(c->session, c->pair);
	}
}

/* Without those that others have accepted for it and it has not taken yet: they have nobody's room. */
static size_t held(const struct wb_http_loop *loop)
{
	size_t count = 0;

	for (size_t i = 0; i < WB_WAIT_LISTS; i++)
		count += loop->lists[i].count;
	return count - loop->shut;
}

/* Gives the connection to this loop's daemon, where there is room or can be made. */
static void take(struct wb_http_loop *loop, struct wb_http_connection *c)
{
	struct wb_http_server *s = loop->server;
	socklen_t len = c->peer.any.sa_family == AF_INET6 ? sizeof c->peer.v6 : sizeof c->peer.v4;

	if (held(loop) >= loop->connections_max && !make_way(loop)) {
		count_shut(s, "reason=\"no-room\"");
		(void)close(c->fd); /* nothing was written to it */
		forget(loop, c);
		return;
	}
	if (s->certificate_file) {
		wb_mutex_lock(&s->lock);
		c->pair = wb_tls_pair_hold(s->pair);
		wb_mutex_unlock(&s->lock);
	}
	loop->arriving = c;
	(void)MHD_add_connection(loop->daemon, c->fd, &c->peer.any, len); /* closes it where it fails */
	if (loop->arriving) {
		count_shut(s, "reason=\"no-room\"");
		forget(loop, c);
	}
	loop->arriving = NULL;
}

void wb_http_take_arrivals(struct wb_http_loop *loop)
{
	struct wb_list list = { 0 };
	struct wb_link *link;

	if (loop->server->loop_count == 1)
		return;
	wb_handover_take(&loop->arrivals, &list);
	while ((link = wb_list_pop(&list)))
		take(loop, WB_CONTAINER_OF(link, struct wb_http_connection, link));
}

void wb_http_drop_arrivals(struct wb_http_loop *loop)
{
	struct wb_list list = { 0 };
	struct wb_link *link;

	wb_handover_take(&loop->arrivals, &list);
	while ((link = wb_list_pop(&list))) {
		struct wb_http_connection *c = WB_CONTAINER_OF(link, struct wb_http_connection, link);

		(void)close(c->fd); /* nothing was written to it */
		forget(loop, c);
	}
}

/* The loop with the fewest connections; this one where others have as few. */
static struct wb_http_loop *emptiest(struct wb_http_loop *own)
{
	struct wb_http_server *s = own->server;
	struct wb_http_loop *best = own;
	size_t fewest = atomic_load_explicit(&own->connections, memory_order_relaxed);

	for (unsigned i = 0; i < s->loop_count; i++) {
		size_t count = atomic_load_explicit(&s->loops[i].connections, memory_order_relaxed);

		if (count < fewest) {
			fewest = count;
			best = &s->loops[i];
		}
	}
	return best;
}

/* Accepts one; false with errno where there is none now. */
static bool accept_one(struct wb_http_loop *own)
{
	struct wb_http_server *s = own->server;
	struct wb_http_connection *c, accepted = { .fd = -1 };
	socklen_t len = sizeof accepted.peer;
	struct wb_http_loop *loop;
	int one = 1;

	accepted.fd = accept4(s->listen_fd, &accepted.peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (accepted.fd < 0)
		return errno == EINTR || errno == ECONNABORTED;
	c = wb_xmalloc(sizeof *c);
	*c = accepted;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* without it answers come later */
	loop = emptiest(own);
	atomic_fetch_add_explicit(&loop->connections, 1, memory_order_relaxed);
	if (s->connection_gauge)
		wb_gauge_add(s->connection_gauge, 1);
	if (loop == own)
		take(own, c);
	else
		wb_handover_put_one(&loop->arrivals, &c->link);
	return true;
}

static void stop_listening(struct wb_http_loop *loop)
{
	if (loop->listening)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->server->listen_fd, NULL); /* it is in there */
	loop->listening = false;
}

void wb_http_accept(struct wb_http_loop *loop)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		if (accept_one(loop))
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* No descriptors, whatever the limit of connections says: the socket would stay ready. */
			(void)make_way(loop);
			stop_listening(loop);
			loop->starved = true;
			loop->starved_ms = loop->now_ms;
		}
		return;
	}
}

/* Whoever has connected gets an answer, if only that this instance is stopping. */
void wb_http_stop_accepting(struct wb_http_loop *loop)
{
	for (int i = 0; i < DRAIN_MAX && accept_one(loop); i++) {
	}
	stop_listening(loop);
	loop->starved = false;
}
