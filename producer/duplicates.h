/* Requests with an Idempotency-Key that are being published by this instance, so that a repeat which comes while the
 * first is in flight waits for its end instead of publishing again.
 *
 * Bounded by the requests that are in flight. Thread-safe: every function but new and free.
 */
#ifndef WB_PRODUCER_DUPLICATES_H
#define WB_PRODUCER_DUPLICATES_H

#include "common/base/compiler.h"
#include "common/base/list.h"
#include "common/contract/record.h"
#include "common/contract/result.h"

struct wb_duplicates; /* opaque */

/* One request, its caller's memory. */
struct wb_duplicate {
	struct wb_link link; /* to the one behind it; the caller's once it came out of wb_duplicates_end */
	uint8_t key[WB_RESULT_KEY_SIZE];
	char job[WB_JOB_ID_SIZE];
	struct wb_duplicate *next_in_bucket;
	struct wb_list repeats;
};

enum wb_claim {
	WB_CLAIM_FIRST,  /* it is this one's to publish, until wb_duplicates_end */
	WB_CLAIM_REPEAT, /* it waits: the first one's wb_duplicates_end gives it out */
	WB_CLAIM_OTHER,  /* the key is in flight with another job: another body, or another target */
};

struct wb_duplicates *wb_duplicates_new(void);
void wb_duplicates_free(struct wb_duplicates **d);
/* key and job are set. */
enum wb_claim wb_duplicates_claim(struct wb_duplicates *d, struct wb_duplicate *one) WB_MUST_USE;
/* One that waits will not be there any more. Harmless for one that does not. */
void wb_duplicates_leave(struct wb_duplicates *d, struct wb_duplicate *one);
/* The first one has come to its end: the repeats that waited for it, as links of struct wb_duplicate. */
struct wb_list wb_duplicates_end(struct wb_duplicates *d, struct wb_duplicate *first);

#endif
