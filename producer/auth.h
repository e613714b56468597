/* Who sends a request and what they may do: bearer tokens and API keys with scopes, names and rates.
 *
 * A request is admitted once, when its headers are there and before anything of its body is read; that gives an
 * identity, which is asked for the rest and released when the request has its answer. Without a tokens file everyone
 * is "anonymous" and may do everything.
 *
 * Rates are token buckets of requests and of documents: each holds burstSeconds' worth. A request waits for one
 * request's worth, and a publishing one until no documents are owed; its documents are counted when they are known,
 * and may make a debt, since a batch larger than the bucket would otherwise never pass. So the rate holds on average,
 * and at any time by one batch.
 *
 * A reload replaces all tokens at once; requests in flight go on as what they were admitted as. A token of the same
 * name goes on with its buckets, so that neither a reload nor a new secret gives away a fresh burst.
 * Times are arguments, but for those of a reload. No error, header or metric shows a token. Thread-safe.
 */
#ifndef WB_PRODUCER_AUTH_H
#define WB_PRODUCER_AUTH_H

#include "common/base/error.h"
#include "common/base/metrics.h"
#include "common/base/slice.h"
#include "common/http/server.h"
#include "producer/tokens.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_auth;     /* opaque */
struct wb_identity; /* opaque: who sent one request; one owner at a time */

/* Both of them wall and monotonic, of wb_clock_wall_ms and wb_clock_mono_ms. */
struct wb_auth_time {
	int64_t wall_ms, mono_ms;
};

/* What a request shows, as wb_http_header gives it. */
struct wb_credentials {
	struct wb_slice authorization; /* "Bearer wb_…"; other schemes are not looked at */
	struct wb_slice api_key;       /* x-api-key: the same tokens */
};

/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), "" for who has no rate. */
struct wb_rate_texts {
	char limit[160], policy[160];
};

struct wb_auth_refusal {
	unsigned status;        /* 400, 401, 403 or 429 */
	const char *code;       /* of the problem: a literal, public */
	struct wb_error detail;
	int64_t retry_after_s;  /* > 0 with 429 */
	char authenticate[200]; /* WWW-Authenticate (RFC 6750), "" for none */
	struct wb_rate_texts rate;
};

/* tokens_file NULL: everyone is anonymous. metrics may be NULL. NULL with a sentence for a bad file. */
struct wb_auth *wb_auth_new(const char *tokens_file, struct wb_metrics *metrics, struct wb_error *e) WB_MUST_USE;
/* Every identity must have been released. */
void wb_auth_free(struct wb_auth **a);
/* Reads the file again; on failure everything stays as it was. Without a file: WB_OK. */
enum wb_err wb_auth_reload(struct wb_auth *a, struct wb_error *e) WB_MUST_USE;
/* How many tokens are in force. */
size_t wb_auth_count(struct wb_auth *a);

/* The identity of a request that may go on; NULL with *ret filled for one that may not. */
struct wb_identity *wb_auth_admit(struct wb_auth *a, const struct wb_credentials *shown, enum wb_scope scope,
	struct wb_auth_time now, struct wb_auth_refusal *ret) WB_MUST_USE;
void wb_identity_release(struct wb_identity **i);
/* The name of the token, or "anonymous". Lives as long as the identity. */
const char *wb_identity_principal(const struct wb_identity *i);

/* Whether jobs may be published to that target; the absent slice is the consumers' own, which needs "*" or "". Fills
 * *ret when not. */
bool wb_identity_may_publish(const struct wb_identity *i, struct wb_slice database, struct wb_slice container,
	struct wb_auth_refusal *ret) WB_MUST_USE;
/* Whether jobs of every target may be seen together, as the list and the ledger show them: with "*" for databases and
 * containers. A single job is for who knows its id. Fills *ret when not. */
bool wb_identity_may_list(const struct wb_identity *i, struct wb_auth_refusal *ret) WB_MUST_USE;

/* Counts documents that are about to be published. False, with *ret filled and nothing counted, when another request
 * made a debt meanwhile. */
bool wb_identity_take_documents(
	struct wb_identity *i, uint64_t count, struct wb_auth_time now, struct wb_auth_refusal *ret) WB_MUST_USE;
/* Counts documents of a stream, which was admitted and goes on whatever is owed. */
void wb_identity_owe_documents(struct wb_identity *i, uint64_t count, struct wb_auth_time now);
void wb_identity_rate_texts(const struct wb_identity *i, struct wb_auth_time now, struct wb_rate_texts *ret);

/* Response headers. ret has room for WB_RATE_HEADERS; what is filled in points into the texts. Returns how many. */
#define WB_RATE_HEADERS 2
size_t wb_rate_headers(const struct wb_rate_texts *texts, struct wb_http_response_header ret[WB_RATE_HEADERS]);

#endif
