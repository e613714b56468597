/* One object that says a write: {"op":…,"document":…}, {"op":"delete","id":…,"partitionKey":…}, …
 *
 * An element of "operations", or, without "op" and "document", an element or line where the default operation is delete
 * or patch. Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_OPERATION_H
#define WB_PRODUCER_OPERATION_H

#include "common/base/json_scan.h"
#include "producer/item.h"
#include "producer/request_error.h"

/* Where an object stands and what holds there. */
struct wb_operation_place {
	struct wb_item_judge *judge;
	enum wb_op op;        /* where the object names none */
	bool named;           /* it may name its operation and have a document */
	int64_t index;        /* for the error: of the write, or the line */
	uint64_t seq;         /* the write's number in its job */
	const char *bytes_of; /* for the error: what the reader's offsets count from, such as "the body" */
	struct wb_request_error *error;
};

/* Judges the object that is next in the reader. *ret as wb_item_check has it; false with the error filled. */
bool wb_operation_read(const struct wb_operation_place *at, struct wb_json_reader *r, struct wb_batch_write *ret);
/* The same for a document that is next there, and for one that was scanned already. */
bool wb_operation_document(const struct wb_operation_place *at, struct wb_json_reader *r, struct wb_batch_write *ret);
bool wb_operation_found(
	const struct wb_operation_place *at, const struct wb_json_document *found, struct wb_batch_write *ret);

/* Refuses what the scanner refused: a write for a reason of the vocabulary. */
bool wb_operation_refuse_json(
	const struct wb_operation_place *at, enum wb_json_status status, const struct wb_json_error *where);

#endif
