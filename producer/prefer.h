/* The Prefer header (RFC 7240): what the client would like, of which we know respond-async and wait=SECONDS.
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_PREFER_H
#define WB_PRODUCER_PREFER_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_prefer {
	bool respond_async;
	bool wait;      /* as wait_s says */
	int64_t wait_s; /* 0 to WB_PREFER_WAIT_MAX */
	bool wait_met;  /* a wait stood there, good or not: later ones do not count */
};

#define WB_PREFER_WAIT_MAX INT64_C(86400) /* more is taken as this */

/* Adds one field of the header to *p, which starts zeroed; fields come in their order. Of a preference that stands twice the
 * first counts; what is not known, or not understood, is ignored (sections 2 and 4.3). */
void wb_prefer_add(struct wb_prefer *p, struct wb_slice field);

#endif
