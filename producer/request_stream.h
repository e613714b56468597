/* A stream of writes, judged one after the other while it comes: NDJSON of any length in bounded memory (and, for
 * writebehind-publish, one JSON array).
 *
 * Nothing of the stream is copied or kept. The caller hands over a block of memory, takes the writes out of it, and puts
 * the bytes that are left, the beginning of a line, before what comes next:
 *
 *     while ((err = wb_request_stream_next(&s, &block, last, &write)) == WB_OK)
 *             …                     // write.document and most ids point into the block
 *     if (err == WB_ENOTFOUND)      // block.data, block.len: carry them over; last: the stream was good
 *     else                          // s.error
 *
 * The first bad line ends the stream. wb_request_parse reads its NDJSON with this, so that both take the same lines.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_REQUEST_STREAM_H
#define WB_PRODUCER_REQUEST_STREAM_H

#include "common/base/error.h"
#include "producer/item.h"
#include "producer/request_error.h"
#include "producer/splitter.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_request_stream {
	struct wb_splitter splitter; /* item_line: of the write that was given last */
	struct wb_item_judge judge;
	enum wb_op op;
	bool publishing;
	bool refused;
	uint64_t count; /* writes that were given: the next one's number in the job */
	struct wb_request_error error;
};

/* op says what elements or lines are: documents, or, for delete and patch, objects that name an item. job as in
 * wb_item_judge_init. publishing: writes go out before the stream was read to its end, and an error says so. A line may
 * have rules->record_bytes_max bytes. WB_ENOMEM; to be released even then. */
enum wb_err wb_request_stream_init(struct wb_request_stream *s, enum wb_split_format format,
	const struct wb_item_rules *rules, enum wb_op op, struct wb_slice job, bool publishing) WB_MUST_USE;
void wb_request_stream_release(struct wb_request_stream *s);

/* Takes the next write out of *block, which moves on behind it; last: the stream ends with this block. WB_OK: *ret is a
 * write. Its document, and every string of it without escapes, stays good as long as the block's bytes; the rest until the
 * next call. WB_ENOTFOUND: no whole line is left; the block has what the next one must begin with, at most
 * rules->record_bytes_max bytes (last: none; and there was a write in the stream). WB_EINVAL, also from then on: s->error. */
enum wb_err wb_request_stream_next(
	struct wb_request_stream *s, struct wb_slice *block, bool last, struct wb_batch_write *ret) WB_MUST_USE;

#endif
