/* Conditions of a write, wb-if-match and wb-if-none-match: what they may be and which operation takes which.
 *
 * The one place that judges them, for the producer (400) and for the consumer (a dead letter) alike. Pure, thread-safe.
 */
#ifndef WB_COMMON_CONTRACT_CONDITION_H
#define WB_COMMON_CONTRACT_CONDITION_H

#include "common/base/error.h"
#include "common/contract/record.h"

/* How the sentence names them: their headers, or the members of a request. */
struct wb_condition_names {
	const char *if_match, *if_none_match;
};

/* Absent conditions are good with every operation; of those that are given at most one may be, as an etag (1 to
 * WB_ETAG_LEN_MAX printable ASCII characters without spaces) or *. WB_EINVAL with a sentence. */
enum wb_err wb_condition_check(enum wb_op op, struct wb_slice if_match, struct wb_slice if_none_match,
	const struct wb_condition_names *names, struct wb_error *why) WB_MUST_USE;

#endif
