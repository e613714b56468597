/* Bodies and replies of Cosmos DB's requests: the JSON bulk of one partition key range, and the single point write.
 *
 * A bulk is a JSON array of operations; the document is sent byte for byte, straight from its write, and partitionKey is
 * a string that holds the serialised array. The reply is an array in the order of the request (docs/CONTRACT.md names the
 * sources).
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_CONSUMER_BULK_H
#define WB_CONSUMER_BULK_H

#include "common/base/buf.h"
#include "consumer/write.h"

#define WB_BULK_OPERATIONS_MAX 100
/* What Microsoft's SDKs cap a bulk body at; one operation that is larger goes alone. */
#define WB_BULK_BYTES_MAX 220201

/* What a write adds to a body at most. The sum over a body's writes bounds the body, its brackets and commas included. */
size_t wb_bulk_operation_size(const struct wb_write *w);

/* A body: all of it but the documents, which stand in memory once and are taken from there as it is read. So the writes may
 * not go while it is read. */
struct wb_bulk_body {
	struct wb_buf frames;
	uint32_t cuts[WB_BULK_OPERATIONS_MAX]; /* where in frames each write's document belongs */
	size_t count; /* of writes */
	size_t bytes; /* of the whole */
	size_t frame_at, document_at; /* read so far of frames, and of the document that comes next */
	size_t next; /* whose document that is */
	struct wb_link *write; /* the same */
};

/* max_bytes: of frames. */
void wb_bulk_init(struct wb_bulk_body *body, size_t max_bytes);
void wb_bulk_release(struct wb_bulk_body *body);
/* All of these writes, at most WB_BULK_OPERATIONS_MAX, which are then read in their order: every operation, with its
 * conditions. When frames do not fit, wb_buf_status of them tells so. */
void wb_bulk_write(struct wb_bulk_body *body, const struct wb_list *writes);
/* To be read from its beginning; writes: those it was made for. */
void wb_bulk_rewind(struct wb_bulk_body *body, const struct wb_list *writes);
/* The next bytes of it, at most room; 0 at its end. */
size_t wb_bulk_read(struct wb_bulk_body *body, char *to, size_t room);
/* A bulk of one Read of an id that no document has: the probe whether a server can do bulk. */
void wb_bulk_probe(struct wb_buf *body, struct wb_slice id, struct wb_slice pk_text);

struct wb_operation_reply {
	int status, substatus; /* substatus 0: none given */
	double request_charge; /* never negative, finite */
	int64_t retry_after_ms; /* -1: not given */
	struct wb_slice etag; /* raw JSON string, into the body; absent when there is none */
	struct wb_slice message; /* raw JSON of resourceBody on a failed operation; absent when there is none */
};
/* Reads a reply of exactly expected operations. WB_EINVAL when it is no such array (not JSON, cut short, wrong length,
 * an element without statusCode, a member that we read with a wrong type): then the request's fate is unknown, and
 * ret's contents are too. Unknown members are skipped; of one that is repeated the last counts. */
enum wb_err wb_bulk_reply_parse(
	struct wb_slice body, struct wb_operation_reply *ret, size_t expected, struct wb_error *e) WB_MUST_USE;

#endif
