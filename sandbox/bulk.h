/* Bulk bodies: many operations of one partition key range in one request, each judged alone.
 *
 * A body is read whole before anything is applied: what is no array of well-formed operations is refused whole. An
 * operation whose document alone is bad (no object, its id or partition key twice) is judged alone.
 * Limits as the service's: 100 operations, 2 MB of documents. A reply has one element per operation, in their order;
 * 200 when all succeeded, 207 when any did not. A failed operation has no resourceBody (the Java client takes a string
 * there for a broken reply).
 * Thread-safe as wb_document_apply; a struct wb_bulk has one owner.
 */
#ifndef WB_SANDBOX_BULK_H
#define WB_SANDBOX_BULK_H

#include "common/base/json_scan.h"
#include "sandbox/documents.h"
#include "sandbox/faults.h"

#define WB_BULK_OPERATIONS_MAX 100
#define WB_BULK_BYTES_MAX      (2 * 1024 * 1024)
#define WB_BULK_REPLY_MAX      (4 * 1024 * 1024) /* beyond it a Read gets 413/3402 */

/* Slices look into the body. Strings are raw: with quotes and escapes; {NULL, 0} when absent. */
struct wb_bulk_operation {
	enum wb_operation operation;
	struct wb_slice id, key, if_match, if_none_match;
	struct wb_json_document found; /* raw is {NULL, 0} without a resourceBody */
	bool broken;                   /* the resourceBody is JSON, but no document: only raw is known of it */
	bool minimal;
};

struct wb_bulk {
	struct wb_bulk_operation operations[WB_BULK_OPERATIONS_MAX];
	size_t count;
};

/* Reads a body. 0, or the status of the refusal (400, 413) with why. paths: of the container's partition key. */
unsigned wb_bulk_parse(
	struct wb_slice body, const struct wb_json_paths *paths, struct wb_bulk *ret, struct wb_error *why) WB_MUST_USE;

/* Fills targets (one per operation) for faults; ids needs room for decoded ids and is cleared first. */
void wb_bulk_targets(const struct wb_bulk *bulk, struct wb_container *container, const struct wb_range *range,
	struct wb_buf *ids, struct wb_fault_target *targets);

struct wb_bulk_run {
	struct wb_container *container;
	struct wb_range *range;
	double range_limit;
	struct wb_document_now now;
	struct wb_faults *faults;               /* NULL: none apply */
	const struct wb_fault_target *targets;  /* when faults is set */
	struct wb_buf *scratch;
	struct wb_journal *journal;             /* NULL: off */
	struct wb_slice client;                 /* for the journal */
};

/* Applies all operations and appends the reply's array to body. Returns the status of the reply; *ret_charge is the
 * sum of the charges. */
unsigned wb_bulk_apply(
	const struct wb_bulk *bulk, const struct wb_bulk_run *run, struct wb_buf *body, double *ret_charge);

#endif
