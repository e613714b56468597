/* Partial updates of a document: a list of at most ten operations, applied to its text.
 *
 * Everything that an operation does not name stays byte for byte. What each operation does is as in "Partial document
 * update in Azure Cosmos DB" (learn.microsoft.com): add inserts into arrays where set replaces; replace and remove need
 * something to be there; incr creates what is missing; move takes a value from elsewhere; no operation makes more than
 * the last step of its path. Paths are JSON pointers (RFC 6901). Pure, thread-safe.
 */
#ifndef WB_SANDBOX_PATCH_H
#define WB_SANDBOX_PATCH_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"

#define WB_PATCH_STEPS_MAX 10

enum wb_patch_kind {
	WB_PATCH_ADD,
	WB_PATCH_SET,
	WB_PATCH_REPLACE,
	WB_PATCH_REMOVE,
	WB_PATCH_INCR,
	WB_PATCH_MOVE,
};

struct wb_patch_step {
	enum wb_patch_kind kind;
	struct wb_slice path, from; /* decoded; from: of a move */
	struct wb_json_value value; /* ABSENT for remove and move */
};

struct wb_patch {
	struct wb_patch_step step[WB_PATCH_STEPS_MAX];
	unsigned count;
	struct wb_slice condition; /* decoded; {NULL, 0}: none */
};

/* Reads {"operations":[…],"condition":"…"}, or the array alone as JavaScript's client may send it. Decoded strings go to
 * scratch, all of whose memory is reserved; slices look into both. WB_EINVAL with a sentence. */
enum wb_err wb_patch_parse(
	struct wb_slice text, struct wb_buf *scratch, struct wb_patch *ret, struct wb_error *why) WB_MUST_USE;
/* Whether it keeps away from the id, the partition key (NULL: none) and the system properties: WB_EINVAL if not. */
enum wb_err wb_patch_judge(
	const struct wb_patch *p, const struct wb_json_paths *keys, struct wb_error *why) WB_MUST_USE;
/* Appends the patched document to ret, which is empty and bounds its size. WB_EINVAL with a sentence, WB_ETOOBIG or
 * WB_ENOMEM; then ret is of no use. */
enum wb_err wb_patch_apply(
	const struct wb_patch *p, struct wb_slice document, struct wb_buf *ret, struct wb_error *why) WB_MUST_USE;

#endif
