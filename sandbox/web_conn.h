/* One connection of the sandbox's HTTP server: bytes in, a request, a reply out. Part of web.c, split by size.
 *
 * The loop that owns a connection is the only one to touch it. It never blocks; wb_web_conn_step does what can be
 * done now and says what it waits for.
 */
#ifndef WB_SANDBOX_WEB_CONN_H
#define WB_SANDBOX_WEB_CONN_H

#include "sandbox/web_reply.h"

enum wb_web_conn_state {
	WB_CONN_HEAD,    /* gathering the head */
	WB_CONN_BODY,    /* gathering the body */
	WB_CONN_DELAY,   /* the reply is ready and waits for its time */
	WB_CONN_SEND,    /* the reply goes out */
	WB_CONN_LINGER, /* refused: the rest of the request is read and thrown away, so that the answer arrives */
	WB_CONN_HUNG,    /* silent on purpose */
	WB_CONN_CLOSED,  /* to be closed by the loop */
};

/* What all connections of a server share. */
struct wb_web_shared {
	wb_web_handler handler;
	void *arg;
	int64_t max_held_bytes;
	_Atomic int64_t held_bytes;
};

struct wb_web_conn {
	int fd;
	struct wb_web_shared *shared;
	enum wb_web_conn_state state;
	bool readable, writable, reset;
	bool refused;      /* the reply is the server's own and the request was not read to its end */
	size_t drained;    /* bytes thrown away in LINGER */
	char *in;
	size_t in_len, in_cap;
	size_t head_len;   /* of the request that is read */
	size_t body_len;   /* decoded bytes, which follow the head */
	size_t raw_at;     /* first byte behind the request's bytes read so far */
	struct wb_web_request request;
	struct wb_web_chunks chunks;
	struct wb_web_reply reply;
	struct wb_buf out; /* status line, headers, and for a stream the current chunk */
	size_t sent;       /* of out and the body together */
	size_t body_send;  /* body bytes to send; fewer than there are when the reply is torn */
	bool streaming;
	int64_t due_us;      /* in DELAY */
	int64_t last_us;     /* when something happened last */
	struct wb_web_conn *next, *previous;             /* in the loop's list of all */
	struct wb_web_conn *delay_next, *delay_previous; /* in the loop's list of delayed ones */
};

struct wb_web_conn *wb_web_conn_new(int fd, struct wb_web_shared *shared);
/* Closes the socket, by a reset where the reply asked for one. */
void wb_web_conn_free(struct wb_web_conn **c);
/* Goes on until it has to wait for the socket, for a delay, or is closed. now_us: the monotonic clock. */
void wb_web_conn_step(struct wb_web_conn *c, void **scratch, int64_t now_us);

#endif
