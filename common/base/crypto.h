/* Digests, signatures, randomness and their texts. OpenSSL stays behind this header.
 *
 * Secrets are never logged or put into errors here. Thread-safe, but for objects the caller shares.
 */
#ifndef WB_COMMON_BASE_CRYPTO_H
#define WB_COMMON_BASE_CRYPTO_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_SHA256_SIZE 32

void wb_crypto_sha256(struct wb_slice data, uint8_t ret[WB_SHA256_SIZE]);
/* The same digest of what comes piece by piece. One owner; free takes NULL. Aborts only if OpenSSL itself fails. */
struct wb_sha256;
struct wb_sha256 *wb_sha256_new(void);
void wb_sha256_add(struct wb_sha256 *d, struct wb_slice piece);
/* The digest of what came so far; more may come after. */
void wb_sha256_value(const struct wb_sha256 *d, uint8_t ret[WB_SHA256_SIZE]);
void wb_sha256_free(struct wb_sha256 **d);
/* HMAC-SHA256 (RFC 2104). Aborts only if OpenSSL itself fails. */
void wb_crypto_hmac_sha256(struct wb_slice key, struct wb_slice data, uint8_t ret[WB_SHA256_SIZE]);
/* Unpredictable bytes; aborts when the system has none. */
void wb_crypto_random(void *ret, size_t len);
/* Compares in a time that does not depend on where they differ. Lengths are not secret. */
bool wb_crypto_equal(struct wb_slice a, struct wb_slice b);
/* Overwrites memory so that the compiler cannot leave it out. */
void wb_crypto_wipe(void *data, size_t len);

/* RFC 4648 section 4, with padding. Decoding is strict: WB_EINVAL for anything else. */
void wb_base64_encode(struct wb_slice data, struct wb_buf *ret);
enum wb_err wb_base64_decode(struct wb_slice text, struct wb_buf *ret) WB_MUST_USE;
/* Lower case; ret has 2 * len + 1 bytes. */
void wb_hex_encode(const uint8_t *data, size_t len, char *ret);

#endif
