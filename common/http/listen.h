/* Sockets that listen for HTTP connections. Thread-safe: no state. */
#ifndef WB_COMMON_HTTP_LISTEN_H
#define WB_COMMON_HTTP_LISTEN_H

#include "common/base/error.h"

#define WB_LISTEN_ADDRESS_SIZE 80

/* Listens on "HOST:PORT" or "[IPv6]:PORT" (port 0 picks one). A name is resolved once; the first of its addresses that
 * can be listened on is taken. Returns the descriptor (non-blocking, the caller's) and in ret_address the address with
 * the real port; -1 with a sentence in e. */
int wb_listen(const char *text, char ret_address[WB_LISTEN_ADDRESS_SIZE], struct wb_error *e) WB_MUST_USE;

#endif
