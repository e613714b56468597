#include "common/cosmos/text.h"

#include "common/base/json_scan.h"

#include <assert.h>

enum { ESCAPE_LEN = 6 }; /* \u0041: the most bytes that one decoded byte is written with */

enum wb_err wb_cosmos_text_decode(struct wb_slice raw, size_t max_bytes, struct wb_buf *scratch, struct wb_slice *ret)
{
	char decoded[ESCAPE_LEN * WB_COSMOS_TEXT_MAX + 2];
	struct wb_slice inner = wb_slice(raw.data + 1, raw.len - 2);
	size_t len, from = scratch->len;

	assert(max_bytes <= WB_COSMOS_TEXT_MAX && raw.len >= 2);
	if (!memchr(inner.data, '\\', inner.len)) {
		if (inner.len > max_bytes)
			return WB_ETOOBIG;
		*ret = inner;
		return WB_OK;
	}
	if (inner.len > ESCAPE_LEN * max_bytes)
		return WB_ETOOBIG;
	len = wb_json_string_decode_into(raw, decoded);
	if (len == SIZE_MAX)
		return WB_EINVAL;
	if (len > max_bytes)
		return WB_ETOOBIG;
	wb_buf_append(scratch, decoded, len);
	if (wb_buf_status(scratch))
		return wb_buf_status(scratch);
	*ret = wb_slice(scratch->data + from, len);
	return WB_OK;
}
