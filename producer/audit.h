/* The audit line: one a job, in the log at info, with msg "job": who sent it, what it was, how many, and the answer.
 *
 * It holds nothing of a document, no key and no token. Lines are gathered (wb_log_later), so that one costs a request
 * some microsecond. Thread-safe.
 */
#ifndef WB_PRODUCER_AUDIT_H
#define WB_PRODUCER_AUDIT_H

#include "common/base/log.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* A request for a job that was judged and got its answer. Absent slices are left out of the line. */
struct wb_audit {
	const char *principal; /* the token's name, or "anonymous" */
	struct wb_slice peer;  /* the client's address */
	struct wb_slice job;   /* absent where the request came to no job */
	struct wb_slice database, container; /* absent: the consumers' */
	const char *op;        /* what holds for the whole request: "upsert" */
	uint64_t count;        /* of writes */
	uint64_t bytes;        /* of the body, as it came */
	unsigned status;       /* of the answer */
	bool keyed;            /* it had an Idempotency-Key */
};

/* log NULL: nothing is written, as with log.audit=false. */
void wb_audit_job(struct wb_log *log, const struct wb_audit *audit);

#endif
