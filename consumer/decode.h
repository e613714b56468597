/* From a record of the writes topic to a write: which container, which item, or why it can never be one.
 *
 * Two steps, because a container's partition key may not be known yet: target finds the container by headers and
 * allow list; document judges the bytes and finds id and partition key. Bytes are never changed.
 * Pure. Thread-safe: settings are read-only, scratch belongs to the caller.
 */
#ifndef WB_CONSUMER_DECODE_H
#define WB_CONSUMER_DECODE_H

#include "common/base/buf.h"
#include "common/contract/header.h"
#include "common/contract/reason.h"
#include "common/cosmos/partition_key.h"
#include "consumer/write.h"

struct wb_decode_settings {
	struct wb_slice database, container;      /* the configured default */
	const struct wb_slice *allowed;           /* container names that wb-container may name (cosmos.containers) */
	size_t allowed_count;
	size_t document_max_bytes;
};

struct wb_decode_target {
	struct wb_slice database, container;
};

/* Fills w's op, job, seq from the headers and says which container it is for; meta is kept by the caller for
 * wb_decode_document. NONE, or a reason with why (job and seq are filled when they could be read). */
enum wb_reason wb_decode_target(const struct wb_decode_settings *settings, const struct wb_header *headers, size_t count,
				struct wb_write *w, struct wb_record_meta *ret_meta, struct wb_decode_target *ret,
				struct wb_error *why) WB_MUST_USE;
/* Judges value (upsert) or the headers wb-id and wb-partition-key (delete) and fills document, id, pk_text and
 * storage; ret_epk is where it belongs. scratch is cleared and used. Not yet handled operations are
 * UNKNOWN_OPERATION; a null value without wb-op is TOMBSTONE. */
enum wb_reason wb_decode_document(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
				  const struct wb_pk_definition *definition, struct wb_buf *scratch, struct wb_write *w,
				  struct wb_epk *ret_epk, struct wb_error *why) WB_MUST_USE;

#endif
