/* From a request's body to its writes: the three JSON shapes and NDJSON, validated whole in one pass.
 *
 * Nothing is copied but decoded strings with escapes; a batch's slices point into the body. What is refused carries
 * the index of the write (for NDJSON the line, from 1), a word of the reason vocabulary and a sentence. Bodies that are
 * published while they come: request_stream.h. Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_REQUEST_H
#define WB_PRODUCER_REQUEST_H

#include "producer/batch.h"
#include "producer/item.h"
#include "producer/request_error.h"

#include <stddef.h>
#include <stdint.h>

#define WB_CALLBACK_LEN_MAX 2048

enum wb_body_format { WB_BODY_JSON, WB_BODY_NDJSON };

struct wb_request_rules {
	struct wb_item_rules item;
	size_t max_operations;
	bool callbacks; /* the object may have "callback": a string, whose URL is not looked at here */
};

/* What is said outside the body, and holds where the body says nothing. */
struct wb_request_defaults {
	enum wb_op op;
	struct wb_slice database, container;
	struct wb_slice
		job; /* the job's id, for ids that are made of it; outlives the batch. Absent only without generate_id */
};

/* Reads "application/json" and "application/x-ndjson", with charset=utf-8 at most; false for anything else. */
bool wb_request_format(struct wb_slice content_type, enum wb_body_format *ret) WB_MUST_USE;

/* Reads ?op=. False, with *ret filled, for a word that is no operation. */
bool wb_request_op(struct wb_slice word, enum wb_op *ret_op, struct wb_request_error *ret) WB_MUST_USE;

/* Whether a name can be a database's or a container's: 1 to 255 bytes of UTF-8, none of / \ ? #, no control bytes,
 * no space at the end (the rules of Cosmos DB's resource names). */
bool wb_request_name_valid(struct wb_slice name) WB_MUST_USE;

/* Fills batch (empty, from wb_batch_init with max_operations). True when every write may be published; else *ret says
 * why, and batch is to be released as it is. */
bool wb_request_parse(struct wb_slice body, enum wb_body_format format, const struct wb_request_rules *rules,
	const struct wb_request_defaults *defaults, struct wb_batch *batch, struct wb_request_error *ret) WB_MUST_USE;

#endif
