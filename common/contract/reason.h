/* Why a write is dead: the fixed vocabulary of the wb-error-reason header and of a job's failures.
 *
 * Words are public: they are never renamed. Pure.
 */
#ifndef WB_COMMON_CONTRACT_REASON_H
#define WB_COMMON_CONTRACT_REASON_H

#include "common/base/slice.h"

#define WB_REASON_LIST(X)                                             \
	X(WB_REASON_NONE, "")                                         \
	X(WB_REASON_INVALID_JSON, "invalid-json")                     \
	X(WB_REASON_NOT_AN_OBJECT, "not-an-object")                   \
	X(WB_REASON_DUPLICATE_MEMBER, "duplicate-member")             \
	X(WB_REASON_MISSING_ID, "missing-id")                         \
	X(WB_REASON_INVALID_ID, "invalid-id")                         \
	X(WB_REASON_MISSING_PARTITION_KEY, "missing-partition-key")   \
	X(WB_REASON_INVALID_PARTITION_KEY, "invalid-partition-key")   \
	X(WB_REASON_PARTITION_KEY_MISMATCH, "partition-key-mismatch") \
	X(WB_REASON_TOO_LARGE, "too-large")                           \
	X(WB_REASON_BAD_REQUEST, "bad-request")                       \
	X(WB_REASON_NOT_FOUND, "not-found")                           \
	X(WB_REASON_CONFLICT, "conflict")                             \
	X(WB_REASON_PRECONDITION_FAILED, "precondition-failed")       \
	X(WB_REASON_PARTITION_FULL, "partition-full")                 \
	X(WB_REASON_UNKNOWN_CONTAINER, "unknown-container")           \
	X(WB_REASON_CONTAINER_NOT_ALLOWED, "container-not-allowed")   \
	X(WB_REASON_UNKNOWN_OPERATION, "unknown-operation")           \
	X(WB_REASON_INVALID_HEADER, "invalid-header")                 \
	X(WB_REASON_TOMBSTONE, "tombstone")                           \
	X(WB_REASON_SERVER_ERROR, "server-error")

enum wb_reason {
#define X(symbol, text) symbol,
	WB_REASON_LIST(X)
#undef X
};

/* The word: a literal, "" for NONE. */
const char *wb_reason_text(enum wb_reason reason);
/* NONE for a word that is not in the vocabulary. */
enum wb_reason wb_reason_parse(struct wb_slice text);

#endif
