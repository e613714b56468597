/* Strict reading of values that people write: the whole text must be the value, in range, or it is an error.
 *
 * No surrounding space, no sign where none belongs, no octal, no silent clamp. Pure, thread-safe.
 * Every function returns WB_OK, or WB_EINVAL with *ret untouched; e (may be NULL) says what is allowed.
 */
#ifndef WB_COMMON_BASE_STRICT_H
#define WB_COMMON_BASE_STRICT_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits, '-' allowed. */
enum wb_err wb_strict_int64(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e) WB_MUST_USE;
/* Bytes: a number with an optional unit B, KB, MB, GB (10^3) or KiB, MiB, GiB (2^10); "128MiB", "1000". */
enum wb_err wb_strict_bytes(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e) WB_MUST_USE;
/* Milliseconds: a number with an optional unit ms, s, min, h, d; no unit is ms. "15min", "500". */
enum wb_err wb_strict_duration_ms(struct wb_slice s, int64_t min, int64_t max, int64_t *ret,
				  struct wb_error *e) WB_MUST_USE;
/* "true" or "false". */
enum wb_err wb_strict_bool(struct wb_slice s, bool *ret, struct wb_error *e) WB_MUST_USE;

#endif
