/* Decoding the short strings that name an item, into memory that never moves.
 *
 * Pure, thread-safe.
 */
#ifndef WB_COMMON_COSMOS_TEXT_H
#define WB_COMMON_COSMOS_TEXT_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stddef.h>

#define WB_COSMOS_TEXT_MAX 2048 /* the longest limit that max_bytes may be */

/* Decodes a raw JSON string (with quotes, from a successful scan). Without escapes *ret points into raw; else at most
 * max_bytes are appended to scratch, which moves unless the caller reserved them. WB_EINVAL for a lone surrogate,
 * WB_ETOOBIG when it has more than max_bytes or scratch is full. */
enum wb_err wb_cosmos_text_decode(
	struct wb_slice raw, size_t max_bytes, struct wb_buf *scratch, struct wb_slice *ret) WB_MUST_USE;

#endif
