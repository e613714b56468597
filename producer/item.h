/* One item of an input, judged: a document to upsert, or {"id":…,"partitionKey":…} to delete.
 *
 * The one place that the HTTP bodies and writebehind-publish share, so that both refuse the same things in the same
 * words. Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_ITEM_H
#define WB_PRODUCER_ITEM_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"
#include "common/contract/reason.h"
#include "producer/batch.h"

/* What an item must be, and memory for judging one after the other. */
struct wb_item_judge {
	const struct wb_json_paths *paths; /* count 0: partition keys are not looked at */
	size_t record_bytes_max;           /* of a record in Kafka: key, value and headers */
	struct wb_buf scratch;             /* decoded strings of the item at hand */
};

/* paths must outlive the judge. WB_ENOMEM. */
enum wb_err wb_item_judge_init(
	struct wb_item_judge *j, const struct wb_json_paths *paths, size_t record_bytes_max) WB_MUST_USE;
void wb_item_judge_release(struct wb_item_judge *j);

/* Each of these judges one item. Strings of *ret point into the text or into the judge's scratch, which the next call
 * overwrites: see wb_item_keep. WB_REASON_NONE, or the reason with a sentence in why. */

/* The text is one document. */
enum wb_reason wb_item_document(
	struct wb_item_judge *j, struct wb_slice text, struct wb_batch_write *ret, struct wb_error *why) WB_MUST_USE;
/* The same for a document that a reader has found already. */
enum wb_reason wb_item_found(struct wb_item_judge *j, const struct wb_json_document *found, struct wb_batch_write *ret,
	struct wb_error *why) WB_MUST_USE;
/* A delete: id must be a string, partition_key a scalar or an array of scalars (absent: missing). */
enum wb_reason wb_item_delete(struct wb_item_judge *j, const struct wb_json_value *id,
	const struct wb_json_value *partition_key, struct wb_batch_write *ret, struct wb_error *why) WB_MUST_USE;
/* The text is one object {"id":…,"partitionKey":…} and nothing else. */
enum wb_reason wb_item_delete_text(
	struct wb_item_judge *j, struct wb_slice text, struct wb_batch_write *ret, struct wb_error *why) WB_MUST_USE;

/* The reason that stands for a scanner's refusal. */
enum wb_reason wb_item_scan_reason(enum wb_json_status status);

/* Adds the item to the batch; strings that stand in the judge's scratch are copied. WB_ETOOBIG, WB_ENOMEM. */
enum wb_err wb_item_keep(
	const struct wb_item_judge *j, const struct wb_batch_write *item, struct wb_batch *batch) WB_MUST_USE;

#endif
