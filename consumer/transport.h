/* HTTPS to Cosmos DB for one thread: a curl multi handle with kept connections, signing and reply headers.
 *
 * Requests are signed anew at each send (a signature is kept for a second). TLS is verified. Replies are bounded.
 * Not thread-safe but for wake: each worker, and the metadata thread, owns one.
 */
#ifndef WB_CONSUMER_TRANSPORT_H
#define WB_CONSUMER_TRANSPORT_H

#include "common/base/buf.h"
#include "common/base/log.h"
#include "consumer/options.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_REPLY_BYTES_MAX (16 * 1024 * 1024)

/* Header lines that make a POST to docs a bulk, and the beginning of the one that names its range (azure-sdk-for-js,
 * ClientContext.ts). */
#define WB_BULK_HEADERS                                                          \
	"x-ms-cosmos-is-batch-request: true", "x-ms-cosmos-batch-atomic: false", \
		"x-ms-cosmos-batch-continue-on-error: true"
#define WB_BULK_RANGE_HEADER "x-ms-documentdb-partitionkeyrangeid: "

struct wb_transport; /* opaque */

struct wb_request {
	const char *verb;               /* "POST" */
	const char *path;               /* "/dbs/D/colls/C/docs", URL-encoded */
	const char *type;               /* "docs", for the signature */
	struct wb_slice link;           /* "dbs/D/colls/C", decoded */
	const char *const *headers;     /* "name: value" lines, NULL ends the list; NULL: none */
	struct wb_slice body;           /* must stay until the reply */
};

struct wb_reply {
	int status;       /* 0: no reply; error says why */
	int substatus;
	int64_t retry_after_ms;         /* -1: not given */
	double request_charge;
	char activity_id[64];
	char etag[128];
	char continuation[1024];        /* x-ms-continuation; too long a one is cut and truncated_continuation set */
	bool truncated_continuation;
	struct wb_slice body;           /* valid during the callback */
	const char *error;              /* curl's words when status is 0; NULL else */
	bool timed_out;
};
typedef void (*wb_reply_fn)(void *arg, const struct wb_reply *reply);

struct wb_transport *wb_transport_new(
	const struct wb_cosmos_options *options, unsigned max_connections, struct wb_error *e) WB_MUST_USE;
/* Requests in flight are dropped without callback. */
void wb_transport_free(struct wb_transport **t);
/* Starts a request; fn runs once, from wb_transport_run, also for every failure. */
void wb_transport_send(struct wb_transport *t, const struct wb_request *request, wb_reply_fn fn, void *arg);
/* Does what can be done and waits up to timeout_ms for more, or until woken; runs callbacks. */
void wb_transport_run(struct wb_transport *t, int64_t timeout_ms);
/* Ends the wait of run. Any thread. */
void wb_transport_wake(struct wb_transport *t);
size_t wb_transport_in_flight(const struct wb_transport *t);

#endif
