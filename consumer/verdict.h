/* What a reply means for a write: the one place that turns HTTP and Cosmos DB statuses into what happens next.
 *
 * An outage is not poison: only what can never succeed is dead, and only when the operation alone was judged so.
 * Table and reasons: docs/GUARANTEES.md and docs/adr/0005; facts: Microsoft's SDKs' retry policies. Pure, thread-safe.
 *
 * Three questions, three functions: an operation inside a well-formed reply of a bulk; a bulk that failed as a whole;
 * a point write, whose one status can be either's.
 */
#ifndef WB_CONSUMER_VERDICT_H
#define WB_CONSUMER_VERDICT_H

#include "common/contract/reason.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stdint.h>

enum wb_verdict_kind {
	WB_VERDICT_DONE,      /* written */
	WB_VERDICT_RETRY,     /* this operation again, after a backoff of its own */
	WB_VERDICT_THROTTLED, /* this operation again, and the range waits (429) */
	WB_VERDICT_REFRESH, /* routing is stale (410, 400/1001, 404/1003 …): refresh it, then again after a backoff */
	WB_VERDICT_TOPOLOGY, /* the account moved (403/3, 403/1008): read it again, then again after a backoff */
	WB_VERDICT_OUTAGE, /* the whole request failed for no fault of an operation: the range waits, then again */
	WB_VERDICT_SPLIT, /* the whole request failed and one operation may be the cause: halves, then alone */
	WB_VERDICT_DEAD, /* never: reason says why */
	WB_VERDICT_COMPARE, /* never, unless the stored item already is what the write wanted: reason says why */
};

/* A request that failed so often in a row for a reason that is most likely the service's is split all the same. */
#define WB_VERDICT_SPLIT_AFTER 3
/* No server is believed that asks for a longer wait. */
#define WB_VERDICT_RETRY_AFTER_MAX_MS (10 * 60 * 1000)

struct wb_verdict {
	enum wb_verdict_kind kind;
	/* For DEAD and COMPARE; else what an operation dies of that keeps failing so for cosmos.operation.retry.max.ms by itself. */
	enum wb_reason reason;
	int64_t retry_after_ms; /* what the server asked for, 0 when it did not */
	bool counts; /* towards that time; for what is never an operation's fault it does not */
	bool outage; /* the request failed as a whole, for the service's sake: wb_throttle_failed, not replied */
};

/* What a verdict depends on beside the reply. */
struct wb_verdict_write {
	enum wb_op op;
	bool is_create; /* wb_write_is_create: an upsert with If-None-Match: * is one */
};

struct wb_reply_status {
	int status; /* 0: no HTTP reply (network, TLS, time-out) */
	int substatus;
	int64_t retry_after_ms; /* -1: not given */
	bool foreign; /* without an activity id, which Cosmos DB gives to all that it says: something in between spoke */
};

/* One operation of a bulk whose reply was well-formed. */
struct wb_verdict wb_verdict_operation(const struct wb_verdict_write *write, const struct wb_reply_status *reply);
/* A whole bulk that failed: not 2xx, or 2xx with a malformed body. operations: how many it carried, > 0; first: the first
 * of them. failures: how often in a row this same request failed before. With one operation, what would be SPLIT is a
 * verdict on it. */
struct wb_verdict wb_verdict_request(const struct wb_verdict_write *first, const struct wb_reply_status *reply,
	unsigned operations, unsigned failures);
/* A point write. failures: how often in a row it failed before. */
struct wb_verdict wb_verdict_point(
	const struct wb_verdict_write *write, const struct wb_reply_status *reply, unsigned failures);
/* The reading of a condemned write's item: DONE when it was read; DEAD with NOT_FOUND when it does not exist, with another
 * reason when it cannot be read; else RETRY, THROTTLED, REFRESH, TOPOLOGY or OUTAGE as above. */
struct wb_verdict wb_verdict_read(const struct wb_reply_status *reply, unsigned failures);

#endif
