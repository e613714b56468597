#include "sandbox/web_conn.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_MIN     (16 * 1024)
#define KEEP_MAX     (1024 * 1024) /* a larger input buffer is given back after its request */
#define BODY_OUT_MAX (64 * 1024 * 1024)
#define DRAIN_MAX    (64 * 1024 * 1024)

struct wb_web_conn *wb_web_conn_new(int fd, struct wb_web_shared *shared)
{
	struct wb_web_conn *c = wb_xcalloc(1, sizeof *c);

	c->fd = fd;
	c->shared = shared;
	c->readable = c->writable = true;
	wb_buf_init(&c->reply.head, 16 * 1024);
	wb_buf_init(&c->reply.body, BODY_OUT_MAX);
	wb_buf_init(&c->out, 1024 * 1024);
	return c;
}

static void drop_producer(struct wb_web_reply *r)
{
	if (r->producer && r->producer_free)
		r->producer_free(r->producer_arg);
	r->producer = NULL;
	r->producer_free = NULL;
	r->producer_arg = NULL;
}

static void set_capacity(struct wb_web_conn *c, size_t cap)
{
	if (cap == c->in_cap)
		return;
	atomic_fetch_add(&c->shared->held_bytes, (int64_t)cap - (int64_t)c->in_cap);
	c->in = cap ? wb_xrealloc(c->in, cap) : (free(c->in), NULL);
	c->in_cap = cap;
}

void wb_web_conn_free(struct wb_web_conn **conn)
{
	struct wb_web_conn *c = *conn;

	if (!c)
		return;
	if (c->reset) {
		const struct linger now = { .l_onoff = 1, .l_linger = 0 };

		/* Without the option the close is an orderly one: nothing else can be done about it here. */
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	}
	(void)close(c->fd); /* nothing of ours is lost when closing a socket fails */
	drop_producer(&c->reply);
	set_capacity(c, 0);
	wb_buf_release(&c->reply.head);
	wb_buf_release(&c->reply.body);
	wb_buf_release(&c->out);
	free(c);
	*conn = NULL;
}

/* Makes room for at least extra bytes more. false when all connections together hold too much. */
static bool make_room(struct wb_web_conn *c, size_t extra)
{
	size_t need = c->in_len + extra, cap = c->in_cap ? c->in_cap : READ_MIN * 2;

	if (need <= c->in_cap)
		return true;
	while (cap < need)
		cap *= 2;
	if (atomic_load(&c->shared->held_bytes) + (int64_t)(cap - c->in_cap) > c->shared->max_held_bytes)
		return false;
	set_capacity(c, cap);
	return true;
}

static void begin_reply(struct wb_web_conn *c)
{
	struct wb_web_reply *r = &c->reply;

	drop_producer(r);
	r->status = 200;
	wb_buf_clear(&r->head);
	wb_buf_clear(&r->body);
	r->action = WB_WEB_SEND;
	r->delay_us = 0;
	r->close = false;
}

static void render(struct wb_web_conn *c)
{
	struct wb_web_reply *r = &c->reply;
	struct wb_buf *out = &c->out;
	bool no_body = r->status == 204 || r->status == 304 || r->status < 200;
	char date[WB_CLOCK_RFC1123_SIZE];

	if (wb_buf_status(&r->body) || wb_buf_status(&r->head)) {
		wb_buf_clear(&r->body);
		wb_buf_clear(&r->head);
		drop_producer(r);
		r->status = 500;
		wb_buf_append_cstr(
			&r->body, "{\"code\":\"500\",\"message\":\"The reply exceeds the sandbox's limit.\"}");
	}
	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	c->streaming = r->producer != NULL;
	c->body_send = no_body || c->streaming ? 0 : r->body.len;
	if (!c->request.keep_alive || r->action == WB_WEB_TRUNCATE)
		r->close = true;
	wb_buf_clear(out);
	wb_buf_append_cstr(out, "HTTP/1.1 ");
	wb_buf_append_u64(out, r->status);
	wb_buf_append_char(out, ' ');
	wb_buf_append_cstr(out, wb_web_status_text(r->status));
	wb_buf_append_cstr(out, "\r\nDate: ");
	wb_buf_append_cstr(out, date);
	wb_buf_append_cstr(out, "\r\n");
	wb_buf_append_slice(out, wb_buf_slice(&r->head));
	if (r->close)
		wb_buf_append_cstr(out, "Connection: close\r\n");
	if (c->streaming) {
		wb_buf_append_cstr(out, "Transfer-Encoding: chunked\r\n");
	} else if (!no_body) {
		wb_buf_append_cstr(out, "Content-Length: ");
		wb_buf_append_u64(out, c->body_send);
		wb_buf_append_cstr(out, "\r\n");
	}
	wb_buf_append_cstr(out, "\r\n");
	if (r->action == WB_WEB_TRUNCATE)
		c->body_send /= 2;
	c->sent = 0;
}

/* Decides what becomes of the reply that the handler filled. */
static void finish_handler(struct wb_web_conn *c, int64_t now_us)
{
	switch (c->reply.action) {
	case WB_WEB_HANG:
		c->state = WB_CONN_HUNG;
		return;
	case WB_WEB_RESET:
	case WB_WEB_SEND:
	case WB_WEB_TRUNCATE:
		break;
	}
	if (c->reply.delay_us > 0) {
		c->due_us = now_us + c->reply.delay_us;
		c->state = WB_CONN_DELAY;
		return;
	}
	c->state = WB_CONN_SEND;
}

/* An answer of the server itself, after which the connection ends: the rest of the bytes cannot be trusted. */
static void refuse(struct wb_web_conn *c, unsigned status)
{
	begin_reply(c);
	c->refused = true;
	c->request.keep_alive = false;
	c->reply.status = status;
	wb_buf_append_cstr(&c->reply.head, "Content-Type: application/json\r\n");
	wb_buf_appendf(&c->reply.body, "{\"code\":\"%u\",\"message\":\"%s\"}", status, wb_web_status_text(status));
	render(c);
	c->state = WB_CONN_SEND;
}

/* Reads what is there; false when nothing more can be had now. */
static bool fill(struct wb_web_conn *c, size_t want, int64_t now_us)
{
	ssize_t n;

	if (!c->readable)
		return false;
	if (!make_room(c, want)) {
		refuse(c, 503);
		return true;
	}
	n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
	if (n > 0) {
		/* The socket is edge-triggered: a short read took all there was, and the next bytes are a new event. */
		c->readable = (size_t)n == c->in_cap - c->in_len;
		c->in_len += (size_t)n;
		c->last_us = now_us;
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	c->readable = false;
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		c->state = WB_CONN_CLOSED;
	return false;
}

static void send_continue(struct wb_web_conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	/* The send buffer is empty between requests, so this goes out whole; if not, the client sends anyway. */
	(void)send(c->fd, text, sizeof text - 1, MSG_NOSIGNAL);
}

static bool step_head(struct wb_web_conn *c, int64_t now_us)
{
	unsigned status = 400;
	int64_t n = wb_web_head_parse(wb_slice(c->in, c->in_len), &c->request, &status);

	if (n == 0)
		return fill(c, READ_MIN, now_us);
	if (n < 0) {
		refuse(c, status);
		return true;
	}
	c->head_len = c->raw_at = (size_t)n;
	c->body_len = 0;
	c->chunks = (struct wb_web_chunks){ 0 };
	if (c->request.content_length > WB_WEB_BODY_MAX) {
		refuse(c, 413);
		return true;
	}
	if (c->request.expect_continue && c->in_len == c->head_len)
		send_continue(c);
	c->state = WB_CONN_BODY;
	return true;
}

/* The input buffer may have moved since the head was parsed. */
static void parse_again(struct wb_web_conn *c)
{
	unsigned status;
	int64_t n = (int64_t)c->head_len;

	if (c->request.method.data != c->in)
		n = wb_web_head_parse(wb_slice(c->in, c->in_len), &c->request, &status);
	assert(n == (int64_t)c->head_len); /* the same bytes were well-formed before */
	(void)n;
	c->request.body = wb_slice(c->in + c->head_len, c->body_len);
}

static bool step_body(struct wb_web_conn *c, void **scratch, int64_t now_us)
{
	bool complete;

	if (c->request.chunked) {
		size_t used = 0;
		int done = wb_web_chunks_decode(
			&c->chunks, c->in + c->raw_at, c->in_len - c->raw_at, c->in + c->head_len, &c->body_len, &used);

		c->raw_at += used;
		if (done < 0 || c->body_len > WB_WEB_BODY_MAX) {
			refuse(c, done < 0 ? 400 : 413);
			return true;
		}
		complete = done == 1;
		if (!complete) {
			/* Everything was consumed: the next bytes go right behind the decoded ones. */
			c->in_len = c->raw_at = c->head_len + c->body_len;
		}
	} else {
		c->body_len = (size_t)c->request.content_length;
		c->raw_at = c->head_len + c->body_len;
		complete = c->in_len >= c->raw_at;
	}
	if (!complete)
		return fill(c, c->request.chunked ? READ_MIN : c->raw_at - c->in_len, now_us);
	parse_again(c);
	begin_reply(c);
	c->shared->handler(c->shared->arg, scratch, &c->request, &c->reply);
	render(c);
	finish_handler(c, now_us);
	return true;
}

/* Closing a socket with unread bytes resets the connection, and the reset may overtake the refusal. */
static void linger(struct wb_web_conn *c)
{
	c->in_len = 0;
	c->drained = 0;
	c->state = shutdown(c->fd, SHUT_WR) ? WB_CONN_CLOSED : WB_CONN_LINGER;
}

static bool step_linger(struct wb_web_conn *c)
{
	ssize_t n;

	if (!c->readable)
		return false;
	n = c->in_cap ? recv(c->fd, c->in, c->in_cap, 0) : 0;
	if (n < 0 && errno == EINTR)
		return true;
	c->readable = n > 0;
	c->drained += n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) || c->drained > DRAIN_MAX)
		c->state = WB_CONN_CLOSED;
	return c->state == WB_CONN_CLOSED || n > 0;
}

/* Makes ready for the next request, whose first bytes may be here already. */
static void next_request(struct wb_web_conn *c)
{
	if (c->refused) {
		linger(c);
		return;
	}
	c->in_len -= c->raw_at;
	if (c->in_len)
		memmove(c->in, c->in + c->raw_at, c->in_len);
	c->head_len = c->raw_at = c->body_len = 0;
	c->state = c->reply.close ? WB_CONN_CLOSED : WB_CONN_HEAD;
	drop_producer(&c->reply);
	if (c->in_cap > KEEP_MAX && c->in_len <= READ_MIN)
		set_capacity(c, READ_MIN * 2);
	if (c->reply.body.cap > KEEP_MAX)
		wb_buf_release(&c->reply.body);
}

/* The next chunk of a stream, into out; the empty chunk when it has ended. */
static void next_chunk(struct wb_web_conn *c)
{
	struct wb_buf *body = &c->reply.body;
	bool more;

	wb_buf_clear(body);
	more = c->reply.producer(c->reply.producer_arg, body);
	if (wb_buf_status(body)) {
		c->state = WB_CONN_CLOSED;
		return;
	}
	wb_buf_clear(&c->out);
	if (body->len) {
		wb_buf_appendf(&c->out, "%zx\r\n", body->len);
		wb_buf_append_cstr(body, "\r\n");
	}
	c->body_send = body->len;
	c->sent = 0;
	if (!more) {
		wb_buf_append_cstr(body, "0\r\n\r\n");
		c->body_send = body->len;
		c->streaming = false;
	}
}

static bool step_send(struct wb_web_conn *c, int64_t now_us)
{
	size_t head = c->out.len, total = head + c->body_send;

	if (c->reply.action == WB_WEB_RESET) {
		c->reset = true;
		c->state = WB_CONN_CLOSED;
		return true;
	}
	while (c->sent < total) {
		struct iovec part[2];
		struct msghdr message = { .msg_iov = part };
		size_t from = c->sent > head ? c->sent - head : 0;
		ssize_t n;

		if (!c->writable)
			return false;
		if (c->sent < head)
			part[message.msg_iovlen++] = (struct iovec){ c->out.data + c->sent, head - c->sent };
		if (c->body_send > from)
			part[message.msg_iovlen++] = (struct iovec){ c->reply.body.data + from, c->body_send - from };
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->writable = false;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				c->state = WB_CONN_CLOSED;
			return c->state == WB_CONN_CLOSED;
		}
		c->sent += (size_t)n;
		c->last_us = now_us;
	}
	if (c->streaming)
		next_chunk(c);
	else
		next_request(c);
	return true;
}

void wb_web_conn_step(struct wb_web_conn *c, void **scratch, int64_t now_us)
{
	bool progress = true;

	while (progress) {
		switch (c->state) {
		case WB_CONN_HEAD:
			progress = step_head(c, now_us);
			break;
		case WB_CONN_BODY:
			progress = step_body(c, scratch, now_us);
			break;
		case WB_CONN_DELAY:
			progress = now_us >= c->due_us;
			if (progress)
				c->state = WB_CONN_SEND;
			break;
		case WB_CONN_SEND:
			progress = step_send(c, now_us);
			break;
		case WB_CONN_LINGER:
			progress = step_linger(c);
			break;
		case WB_CONN_HUNG:
		case WB_CONN_CLOSED:
			return;
		}
	}
}
