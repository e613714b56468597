/* Cosmos DB's master-key authorization: HMAC-SHA256 over verb, resource type, resource link and date.
 *
 * A signature is good for about 15 minutes around its date, for every request of the same verb, type and link, so a
 * caller may keep one for a second. Source: Microsoft's SDKs (docs/CONTRACT.md); vector in the test. Pure, thread-safe.
 */
#ifndef WB_COMMON_COSMOS_SIGN_H
#define WB_COMMON_COSMOS_SIGN_H

#include "common/base/buf.h"
#include "common/base/error.h"

#define WB_COSMOS_KEY_MAX 128 /* bytes of a decoded key; Cosmos DB's have 64 */

/* A decoded account key. Wipe it with wb_cosmos_key_wipe. */
struct wb_cosmos_key {
	uint8_t bytes[WB_COSMOS_KEY_MAX];
	size_t len;
};

/* WB_EINVAL when text is no base64 or too long; the text is never in an error. */
enum wb_err wb_cosmos_key_parse(struct wb_slice base64, struct wb_cosmos_key *ret) WB_MUST_USE;
void wb_cosmos_key_wipe(struct wb_cosmos_key *key);
/* Appends the value of the authorization header, URL-encoded: type%3dmaster%26ver%3d1.0%26sig%3d…
 * verb, type and date (RFC 1123) of any case; link as in the path, decoded, without a leading slash. ret fails with WB_ETOOBIG
 * when verb, type, link and date have more than 8 KiB. */
void wb_cosmos_sign(const struct wb_cosmos_key *key, struct wb_slice verb, struct wb_slice type, struct wb_slice link,
	struct wb_slice date, struct wb_buf *ret);

#endif
