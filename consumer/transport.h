/* HTTPS to Cosmos DB for one thread: a curl multi handle with kept connections, signing and reply headers.
 *
 * Requests are signed anew at each send (a signature is kept for a second). TLS is verified. Replies are bounded.
 * Requests go where the account is writable now (account.h).
 * Not thread-safe but for wake: each worker, and the metadata thread, owns one.
 */
#ifndef WB_CONSUMER_TRANSPORT_H
#define WB_CONSUMER_TRANSPORT_H

#include "common/base/buf.h"
#include "common/base/log.h"
#include "consumer/account.h"
#include "consumer/options.h"
#include "consumer/reply.h"

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

/* A body that is read while it is sent, from the transport's thread. */
struct wb_body_reader {
	size_t bytes; /* of the whole */
	size_t (*read)(void *arg, char *to, size_t room); /* the next bytes, at most room; fewer only at the end */
	void (*rewind)(void *arg); /* it is sent again from its beginning, as its connection turned out to be closed */
	void *arg;
};

struct wb_request {
	const char *verb; /* "POST" */
	const char *path; /* "/dbs/D/colls/C/docs", URL-encoded */
	const char *type; /* "docs", for the signature */
	struct wb_slice link; /* "dbs/D/colls/C", decoded */
	/* "name: value" lines, NULL ends the list; NULL: none. A body is application/json unless they say otherwise. */
	const char *const *headers;
	struct wb_slice body; /* must stay until the reply */
	const struct wb_body_reader *reader; /* instead of body; NULL: none. Copied; its arg stays until the reply */
	const char *endpoint; /* NULL: where the account is writable now */
};

typedef void (*wb_reply_fn)(void *arg, const struct wb_reply *reply);

/* account: where to send to now; outlives the transport. client: who we are, for the User-Agent. */
struct wb_transport *wb_transport_new(const struct wb_cosmos_options *options, const struct wb_account *account,
	const char *client, unsigned max_connections, struct wb_error *e) WB_MUST_USE;
/* Asked at the last moment, when a request has its connection and before anything of it is sent; false ends it with status
 * 0 and held_back. May not call the transport. */
void wb_transport_guard(struct wb_transport *t, bool (*may_send)(void *arg), void *arg);
/* Requests in flight are dropped without callback. */
void wb_transport_free(struct wb_transport **t);
/* Starts a request; fn runs once, from wb_transport_perform or wb_transport_cancel, also for every failure. */
void wb_transport_send(struct wb_transport *t, const struct wb_request *request, wb_reply_fn fn, void *arg);
/* Waits up to timeout_ms for something to do, or until woken. Nothing is sent or received meanwhile. */
void wb_transport_wait(struct wb_transport *t, int64_t timeout_ms);
/* Sends and receives what is possible without waiting; runs callbacks. Returns how many: after some the owner looks what
 * there is to do before it waits. */
unsigned wb_transport_perform(struct wb_transport *t);
/* perform, wait, perform; returns after the first when a callback ran in it. */
void wb_transport_run(struct wb_transport *t, int64_t timeout_ms);
/* Ends the requests for whose arg pick says true, at once: their connections are closed, and their fn runs with status
 * 0. pick NULL: all. Not from a callback. */
void wb_transport_cancel(struct wb_transport *t, bool (*pick)(void *request_arg));
/* Ends the wait. Any thread. */
void wb_transport_wake(struct wb_transport *t);
size_t wb_transport_in_flight(const struct wb_transport *t);

#endif
