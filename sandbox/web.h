/* The sandbox's HTTP/1.1 server: a few event loops that can also misbehave on purpose.
 *
 * It exists beside common/http/server.h for two reasons (docs/adr/0004): an answer may be a reset, a silence or a
 * torn reply, before or after the request took effect, and it must never be what a measurement measures. A handler
 * runs on the loop's thread and fills the reply at once; a delay is waited for by the loop, not by the handler.
 * Bounded: connections, head, body, bytes held for bodies together, and time that a half request may take.
 * Thread-safe: new and free from one thread; handlers run on several.
 */
#ifndef WB_SANDBOX_WEB_H
#define WB_SANDBOX_WEB_H

#include "common/base/error.h"
#include "sandbox/web_reply.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_web_settings {
	const char *host;  /* an IPv4 address of this machine */
	uint16_t port;     /* 0 picks one */
	unsigned threads;
	unsigned max_connections;
	int64_t max_held_bytes; /* request bytes of all connections together; beyond it a request gets 503 */
	wb_web_handler handler;
	void *arg;
	void (*scratch_free)(void *scratch);
};

struct wb_web_server;

/* Listens and serves. NULL with a sentence in e. */
struct wb_web_server *wb_web_server_new(const struct wb_web_settings *settings, struct wb_error *e) WB_MUST_USE;
uint16_t wb_web_server_port(const struct wb_web_server *s);
/* Ends the loops and closes every connection. */
void wb_web_server_free(struct wb_web_server **s);

#endif
