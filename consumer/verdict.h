/* What a reply means for a write: the one place that turns HTTP and Cosmos DB statuses into what happens next.
 *
 * An outage is not poison: only what can never succeed is dead, and only when the operation alone was judged so.
 * Table and reasons: docs/GUARANTEES.md; facts: Microsoft's SDKs' retry policies. Pure, thread-safe.
 */
#ifndef WB_CONSUMER_VERDICT_H
#define WB_CONSUMER_VERDICT_H

#include "common/contract/reason.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stdint.h>

enum wb_verdict_kind {
	WB_VERDICT_DONE,       /* written */
	WB_VERDICT_RETRY,      /* this operation again, after a backoff of its own; counts towards its patience */
	WB_VERDICT_THROTTLED,  /* this operation again, and the range waits (429); never counts towards patience */
	WB_VERDICT_REFRESH,    /* routing is stale (410, 400/1001, 404/1003 …): refresh it, then again; never counts */
	WB_VERDICT_TOPOLOGY,   /* the account moved (403/3, 403/1008): read it again, then again; never counts */
	WB_VERDICT_OUTAGE,     /* the whole request failed for no fault of an operation: the range waits, then again */
	WB_VERDICT_SPLIT,      /* the whole request failed and one operation may be the cause: halves, then alone */
	WB_VERDICT_DEAD,       /* never: reason says why */
};

struct wb_verdict {
	enum wb_verdict_kind kind;
	enum wb_reason reason;     /* for DEAD */
	int64_t retry_after_ms;    /* what the server asked for, 0 when it did not */
};

struct wb_reply_status {
	int status;                /* 0: no HTTP reply (network, TLS, time-out, malformed) */
	int substatus;
	int64_t retry_after_ms;    /* -1: not given */
};

/* One operation of a bulk whose reply was well-formed, or a point write. alone: a point write or a bulk of one, whose
 * whole-request statuses 401, 403, 408 and 5xx are the service's, not the operation's. */
struct wb_verdict wb_verdict_operation(enum wb_op op, const struct wb_reply_status *reply);
/* A whole request that failed (not 200 or 207, or malformed), with that many operations in it. failures: how often in
 * a row this same request failed so before. */
struct wb_verdict wb_verdict_request(const struct wb_reply_status *reply, unsigned operations, unsigned failures);

#endif
