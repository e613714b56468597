/* The Content-Digest header (RFC 9530): which SHA-256 the content as sent has.
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_CONTENT_DIGEST_H
#define WB_PRODUCER_CONTENT_DIGEST_H

#include "common/base/crypto.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

/* Reads the header's fields, joined with commas: a dictionary of RFC 8941 such as sha-256=:<base64>:, with other
 * algorithms beside it, which are not looked at. WB_OK: *ret is the SHA-256 that is claimed. WB_ENOTFOUND: there is no
 * sha-256, WB_EINVAL: it is malformed; both with a sentence. header may be absent. */
enum wb_err wb_content_digest_parse(
	struct wb_slice header, uint8_t ret[WB_SHA256_SIZE], struct wb_error *why) WB_MUST_USE;

#endif
