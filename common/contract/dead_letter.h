/* A dead letter: the original record, byte for byte, plus headers that say why, when and where it died.
 *
 * The same facts are written in two dialects: wb-error-… and wb-origin-…, and Kafka Connect's __connect.errors.… so
 * that existing tools read them. Pure; slices point into the letter's headers.
 */
#ifndef WB_COMMON_CONTRACT_DEAD_LETTER_H
#define WB_COMMON_CONTRACT_DEAD_LETTER_H

#include "common/base/buf.h"
#include "common/contract/header.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_DEAD_LETTER_HEADERS_MAX   24
#define WB_DEAD_LETTER_MESSAGE_MAX   1024 /* bytes of the server's words that are kept */
#define WB_DEAD_LETTER_MESSAGE_SHORT 80 /* in the short form */

/* How much is said, for a dead-letter topic that does not take all of it. The original's headers are not ours to cut. */
enum wb_dead_letter_form {
	WB_DEAD_LETTER_FULL,
	WB_DEAD_LETTER_SHORT, /* without Kafka Connect's dialect, and with a short message */
	WB_DEAD_LETTER_LEAST, /* reason, origin and etag: what a replay needs */
};

struct wb_dead_letter {
	enum wb_dead_letter_form form; /* what is written; reading leaves it WB_DEAD_LETTER_FULL */
	enum wb_reason reason;
	int status, substatus; /* Cosmos DB's, 0 when it was never asked */
	struct wb_slice message; /* a sentence; cut at its maximum on a UTF-8 boundary */
	struct wb_slice activity_id; /* absent when there is none */
	int64_t attempts; /* requests that carried the write */
	int64_t first_at_ms; /* wall time of the first failure */
	double request_charge; /* request units of all attempts */
	struct wb_slice item_etag; /* etag, "absent" or "unknown" */
	struct wb_slice origin_topic;
	int32_t origin_partition;
	int64_t origin_offset;
	int64_t origin_timestamp_ms; /* -1: none */
	struct wb_slice consumer; /* who wrote the letter: client id */
};

/* Writes our headers, as many as letter->form says. Their values live in scratch, which must stay as it is while ret is used (its maximum should be
 * at least 8 KiB). Returns how many, 0 when scratch was too small. */
size_t wb_dead_letter_headers(
	const struct wb_dead_letter *letter, struct wb_buf *scratch, struct wb_header ret[WB_DEAD_LETTER_HEADERS_MAX]);
/* Reads a letter's headers; false when it has no wb-error-reason. Values that are missing or malformed stay
 * zero (origin_timestamp_ms: -1). */
bool wb_dead_letter_parse(const struct wb_header *headers, size_t count, struct wb_dead_letter *ret);
/* Whether the header is one that wb_dead_letter_headers adds (the others are the original's). */
bool wb_dead_letter_is_ours(struct wb_slice name);
/* "full", "short", "least"; a literal. */
const char *wb_dead_letter_form_text(enum wb_dead_letter_form form);

#endif
