/* Who repeats which request: the Idempotency-Key header, the digest that a job's key is known by, and the job id that
 * the same request gets from every instance, also after a restart.
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_JOB_KEY_H
#define WB_PRODUCER_JOB_KEY_H

#include "common/base/crypto.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/record.h"

#include <stdint.h>

#define WB_IDEMPOTENCY_KEY_LEN_MAX 255
#define WB_JOB_KEY_SIZE            16

struct wb_idempotency_key {
	size_t len;
	char text[WB_IDEMPOTENCY_KEY_LEN_MAX + 1]; /* ends with a zero byte, too */
};

/* Reads the header: 1 to 255 visible ASCII characters as they are, or, when it begins with a quote, a string of RFC 8941
 * (draft-ietf-httpapi-idempotency-key-header), which may hold spaces; a and "a" are the same key. WB_EINVAL with a
 * sentence. */
enum wb_err wb_idempotency_key_parse(
	struct wb_slice header, struct wb_idempotency_key *ret, struct wb_error *why) WB_MUST_USE;

/* What makes two requests the same. Absent and empty differ. */
struct wb_job_key_request {
	struct wb_slice principal; /* who asks */
	struct wb_slice key;
	/* From the query, as decoded: defaults for the body. */
	struct wb_slice database, container, op, callback;
	struct wb_slice content_type, content_encoding;
	uint8_t body_sha256[WB_SHA256_SIZE]; /* of the content as sent */
};

/* The job's id: the first 16 bytes of SHA-256 over all of it, in a canonical form that no two requests share. */
void wb_job_key_id(const struct wb_job_key_request *request, char ret[WB_JOB_ID_SIZE]);
/* What the accepted record carries: the first 16 bytes of SHA-256 over principal and key. */
void wb_job_key_digest(struct wb_slice principal, struct wb_slice key, uint8_t ret[WB_JOB_KEY_SIZE]);

#endif
