/* A record of the writes topic: which headers mean what (docs/CONTRACT.md).
 *
 * Value: the document's bytes (patch: the operations; delete: empty). Key: the document's id, or any other key that
 * all writes to one item share. Pure; owns nothing: slices point into the record's memory or the caller's scratch.
 */
#ifndef WB_COMMON_CONTRACT_RECORD_H
#define WB_COMMON_CONTRACT_RECORD_H

#include "common/base/error.h"
#include "common/contract/header.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_JOB_ID_LEN   32 /* lower-case hex of 16 bytes */
#define WB_JOB_ID_SIZE  (WB_JOB_ID_LEN + 1)
#define WB_NAME_LEN_MAX 255 /* database and container names in Cosmos DB */
#define WB_ETAG_LEN_MAX 1024
#define WB_SEQ_MAX \
	((INT64_C(1) << 53) - 1) /* numbers up to here are exact in every JSON reader (RFC 8259, section 6) */

#define WB_HEADER_JOB           "wb-job"
#define WB_HEADER_SEQ           "wb-seq"
#define WB_HEADER_OP            "wb-op"
#define WB_HEADER_DATABASE      "wb-database"
#define WB_HEADER_CONTAINER     "wb-container"
#define WB_HEADER_ID            "wb-id"
#define WB_HEADER_PARTITION_KEY "wb-partition-key"
#define WB_HEADER_IF_MATCH      "wb-if-match"
#define WB_HEADER_IF_NONE_MATCH "wb-if-none-match"
#define WB_HEADER_REPLAY_OF     "wb-replay-of"
#define WB_HEADER_TRACEPARENT   "traceparent"
#define WB_RECORD_HEADERS_MAX   11
#define WB_TRACEPARENT_LEN      55 /* of version 00: W3C Trace Context, section 3.2 */

enum wb_op { WB_OP_UPSERT, WB_OP_CREATE, WB_OP_REPLACE, WB_OP_DELETE, WB_OP_PATCH };

/* "upsert" …; a literal. */
const char *wb_op_text(enum wb_op op);
bool wb_op_parse(struct wb_slice text, enum wb_op *ret) WB_MUST_USE;

struct wb_record_meta {
	struct wb_slice job; /* absent: an untracked write */
	uint64_t seq;        /* index in the job, from 0, at most WB_SEQ_MAX; meaningful with a job */
	enum wb_op op;
	bool op_given; /* wb-op was present: an empty value is then no tombstone */
	struct wb_slice database, container, id, partition_key; /* absent when not given */
	struct wb_slice if_match, if_none_match, replay_of, traceparent;
};

/* Reads the headers of a record. Unknown headers are ignored. WB_REASON_NONE, or UNKNOWN_OPERATION / INVALID_HEADER
 * with a sentence in why; *ret is then filled as far as it could be read (job and seq first, both or neither), for the
 * dead letter. */
enum wb_reason wb_record_parse(
	const struct wb_header *headers, size_t count, struct wb_record_meta *ret, struct wb_error *why) WB_MUST_USE;
/* Only the job and the number, as wb_record_parse reads them, for who looks at millions; false: an untracked write. */
bool wb_record_job(
	const struct wb_header *headers, size_t count, struct wb_slice *ret_job, uint64_t *ret_seq) WB_MUST_USE;
/* Writes the headers of a record: those that are set, wb-op only when it is not upsert. seq_text holds the digits of
 * wb-seq while ret is used. Returns how many. */
size_t wb_record_headers(
	const struct wb_record_meta *meta, char seq_text[24], struct wb_header ret[WB_RECORD_HEADERS_MAX]);

/* 32 lower-case hex digits? */
bool wb_job_id_valid(struct wb_slice text);

/* Whether it is a traceparent of version 00, or begins like one of a later version: WB_TRACEPARENT_LEN bytes of lower-case
 * hex digits and dashes, with neither id all zeros. */
bool wb_traceparent_valid(struct wb_slice text);

/* Java's murmur2 as Kafka's DefaultPartitioner uses it, and the partition it gives among n
 * (org.apache.kafka.common.utils.Utils). Vectors: docs in the test. */
uint32_t wb_murmur2(struct wb_slice key);
int32_t wb_murmur2_partition(struct wb_slice key, int32_t partitions);

#endif
