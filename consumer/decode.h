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

/* What scratch must at least be allowed to hold. */
#define WB_DECODE_SCRATCH_BYTES (64 * 1024)

struct wb_decode_settings {
	struct wb_slice database, container; /* the configured default */
	const struct wb_slice *allowed;      /* container names that wb-container may name (cosmos.containers) */
	size_t allowed_count;
	size_t document_max_bytes;
	bool tombstones; /* a null value without wb-op deletes the item that the key names (consumer.tombstones) */
};

struct wb_decode_target {
	struct wb_slice database, container; /* into the headers or the settings */
};

/* Fills w's op, job, seq and traceparent from the headers and says which container it is for; meta is kept by the caller for
 * wb_decode_document and points into the headers. The default container is always allowed, another one by its name in
 * allowed; a database other than the configured one never. NONE, or INVALID_HEADER, UNKNOWN_OPERATION,
 * CONTAINER_NOT_ALLOWED or UNKNOWN_CONTAINER (there is no default) with why; job and seq are filled when they could be
 * read. */
enum wb_reason wb_decode_target(const struct wb_decode_settings *settings, const struct wb_header *headers,
	size_t count, struct wb_write *w, struct wb_record_meta *ret_meta, struct wb_decode_target *ret,
	struct wb_error *why) WB_MUST_USE;
/* Judges the value and the headers and fills document (a patch: its operations), and, in storage, id, pk_text, epk and the
 * conditions; ret_epk is where it belongs.
 *   upsert, create, replace   the document says which item; headers wb-id and wb-partition-key, where given, must agree.
 *                             A property that the document lacks is undefined and fine
 *   delete                    wb-id and wb-partition-key say which; a value is ignored
 *   patch                     likewise; the value is {"operations":[1 to 10 of them],"condition"?:"…"} or their bare array
 *   a null value without wb-op: a tombstone, with settings->tombstones a delete (w->op) of the item whose id is the key,
 *                             or wb-id where given, and whose partition key is wb-partition-key, or the id itself where
 *                             the container's path is /id
 * A condition that the service would ignore is INVALID_HEADER: wb-if-match with create, wb-if-none-match with replace,
 * delete and patch (create may have *), both of them.
 * scratch is cleared and used. NONE, or a reason with why and w unchanged; but TOO_LARGE fills w, since its item is
 * known and can be read. */
enum wb_reason wb_decode_document(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_buf *scratch, struct wb_write *w, struct wb_epk *ret_epk,
	struct wb_error *why) WB_MUST_USE;

#endif
