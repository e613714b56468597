/* One write of an input, judged: whether it may be published, and as what record.
 *
 * The one place that the HTTP bodies, streams and writebehind-publish share, so that all refuse the same things in the
 * same words; and what the consumer would make a dead letter for what it says is refused here (docs/CONTRACT.md).
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_ITEM_H
#define WB_PRODUCER_ITEM_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"
#include "common/contract/reason.h"
#include "producer/batch.h"

/* What a write must be, whoever brings it. */
struct wb_item_rules {
	struct wb_json_paths paths; /* cosmos.partition.key; count 0: documents' keys are not looked at */
	size_t record_bytes_max;    /* of a record in Kafka: key, value and headers */
	bool generate_id;           /* documents.generate.id: an upsert or create without id gets <job>-<seq> */
};

/* Memory for judging one after the other. */
struct wb_item_judge {
	const struct wb_item_rules *rules;
	struct wb_slice job;
	struct wb_buf scratch; /* decoded strings of the write at hand */
	struct wb_batch_more more;
};

/* What an input says of one write. Raw values, from a successful scan; ABSENT: not given. */
struct wb_item {
	enum wb_op op;
	const struct wb_json_document *document; /* of an upsert, create or replace; else NULL */
	struct wb_json_value id, partition_key;  /* of a delete or patch; partition_key may stand beside a document */
	struct wb_json_value operations;         /* of a patch */
	struct wb_json_value if_match, if_none_match;
};

/* rules must outlive the judge, and so must the job's id, which is only needed to make ids. WB_ENOMEM. */
enum wb_err wb_item_judge_init(
	struct wb_item_judge *j, const struct wb_item_rules *rules, struct wb_slice job) WB_MUST_USE;
void wb_item_judge_release(struct wb_item_judge *j);

/* Judges the write with that number in its job. item has what its operation needs, and nothing that it may not have,
 * but for conditions (wb_operation_read sees to that). *ret points into item's text or into the judge, which the next call
 * overwrites: see wb_item_keep. WB_REASON_NONE, or the reason with a sentence in why; INVALID_HEADER is a condition that
 * is none or does not go with the operation. */
enum wb_reason wb_item_check(struct wb_item_judge *j, const struct wb_item *item, uint64_t seq,
	struct wb_batch_write *ret, struct wb_error *why) WB_MUST_USE;

/* The reason that stands for a scanner's refusal. */
enum wb_reason wb_item_scan_reason(enum wb_json_status status);

/* Adds the write to the batch; what stands in the judge is copied. WB_ETOOBIG, WB_ENOMEM. */
enum wb_err wb_item_keep(
	const struct wb_item_judge *j, const struct wb_batch_write *item, struct wb_batch *batch) WB_MUST_USE;

#endif
