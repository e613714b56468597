/* What a handler says: the reply to a request, honest or misbehaving on purpose, and who makes it.
 *
 * Filled by a handler on the loop's thread; owned by the connection. Not thread-safe.
 */
#ifndef WB_SANDBOX_WEB_REPLY_H
#define WB_SANDBOX_WEB_REPLY_H

#include "common/base/buf.h"
#include "sandbox/web_message.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_WEB_BODY_MAX (4 * 1024 * 1024)

enum wb_web_action {
	WB_WEB_SEND,     /* an honest reply */
	WB_WEB_RESET,    /* a TCP reset instead of a reply */
	WB_WEB_HANG,     /* nothing, until the client gives up */
	WB_WEB_TRUNCATE, /* half of the body, then the end of the connection */
};

/* Produces a long body piece by piece: appends to buf; false when that was the last piece. */
typedef bool (*wb_web_producer)(void *arg, struct wb_buf *buf);

/* Cleared before every request; its buffers are kept and reused. */
struct wb_web_reply {
	unsigned status;
	struct wb_buf head; /* further header lines, each with its CRLF */
	struct wb_buf body;
	enum wb_web_action action;
	int64_t delay_us;
	bool close;
	wb_web_producer producer; /* NULL: the body is all there is */
	void (*producer_free)(void *arg);
	void *producer_arg;
};

/* scratch is a place for the loop's own working memory: NULL at the first call on a thread, freed by scratch_free. */
typedef void (*wb_web_handler)(
	void *arg, void **scratch, const struct wb_web_request *request, struct wb_web_reply *reply);

/* The reason phrase of a status; "Status" for one that it does not know. */
const char *wb_web_status_text(unsigned status);

#endif
