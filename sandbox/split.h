/* Splits and merges of a container's partition key ranges, and documents that move to another container.
 *
 * New ranges get new ids; documents keep their etags, times and numbers; what the old ranges counted stays with them.
 * The caller holds no lock of the container: these take the structure's for writing, so that no request is under way.
 * Thread-safe.
 */
#ifndef WB_SANDBOX_SPLIT_H
#define WB_SANDBOX_SPLIT_H

#include "sandbox/container.h"

/* Until when the ranges that are gone and those that came answer 410 with the substatus; 0: not at all. */
struct wb_split_completion {
	int64_t until_ms; /* monotonic */
	unsigned substatus;
};

struct wb_split_result {
	char gone[2][12];  /* ids; of a split the first alone */
	char came[2][12];  /* of a merge the first alone */
	char border[2 * WB_EPK_SIZE_MAX + 1]; /* of a split */
};

/* Splits the range with this id, or with {NULL, 0} the one that has the most documents. at: where, in hex, or {NULL, 0}:
 * in the middle of its documents' keys, or of the range when it has none to speak of. WB_EINVAL with a sentence: no
 * such range, a key outside of it, a container that was deleted; WB_EFULL: too many ranges. */
enum wb_err wb_container_split(struct wb_container *c, struct wb_slice range, struct wb_slice at,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e) WB_MUST_USE;
/* Merges two neighbours, named in any order. Errors as above. */
enum wb_err wb_container_merge(struct wb_container *c, struct wb_slice a, struct wb_slice b,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e) WB_MUST_USE;
/* Moves all documents to a container that nobody knows yet, whose partition key is the same and whose ranges have higher
 * numbers. from's structure must be held for writing. */
void wb_container_move_documents(struct wb_container *from, struct wb_container *to);

#endif
