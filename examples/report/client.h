/* One HTTP exchange over libcurl: what the example needs to read the database and to post the batch.
 *
 * Blocking, bounded in time and size. Thread-safe: every call has a handle of its own.
 */
#ifndef WB_EXAMPLES_REPORT_CLIENT_H
#define WB_EXAMPLES_REPORT_CLIENT_H

#include "common/base/buf.h"
#include "common/base/error.h"

struct client_request {
	const char *verb, *url;
	const char *const *headers; /* "name: value" lines, NULL ends the list; NULL: none */
	struct wb_slice body;       /* data NULL: none */
};
struct client_reply {
	long status;
	struct wb_buf body;         /* init'ed by the caller with its limit */
	char continuation[4096];    /* x-ms-continuation, "" when there is none */
	char retry_after_ms[24]; /* x-ms-retry-after-ms, "" when there is none */
};

/* Call once in main before any thread. */
enum wb_err client_init(void) WB_MUST_USE;
/* WB_OK for any HTTP answer; reply->body is cleared first. */
enum wb_err client_exchange(
	const struct client_request *request, struct client_reply *reply, struct wb_error *e) WB_MUST_USE;

#endif
