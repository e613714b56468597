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

enum wb_strict_kind { WB_STRICT_NUMBER, WB_STRICT_BYTES, WB_STRICT_DURATION };

#define WB_STRICT_VALUE_SIZE 24 /* an int64_t with its unit and a zero */
#define WB_STRICT_RANGE_SIZE 64

/* A value as people write it, in the largest unit that divides it: "128MiB", "15min", "42"; the functions below read
 * it back as the same value. */
void wb_strict_value_text(enum wb_strict_kind kind, int64_t value, char ret[WB_STRICT_VALUE_SIZE]);
/* "1KiB to 1GiB"; "5s or more" where max is INT64_MAX; "any" where min is INT64_MIN too. */
void wb_strict_range_text(enum wb_strict_kind kind, int64_t min, int64_t max, char ret[WB_STRICT_RANGE_SIZE]);

/* Decimal digits, '-' allowed. */
enum wb_err wb_strict_int64(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e) WB_MUST_USE;
/* Bytes: a number with an optional unit B, KB, MB, GB (10^3) or KiB, MiB, GiB (2^10); "128MiB", "1000". */
enum wb_err wb_strict_bytes(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e) WB_MUST_USE;
/* Milliseconds: a number with an optional unit ms, s, min, h, d; no unit is ms. "15min", "500". */
enum wb_err wb_strict_duration_ms(
	struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e) WB_MUST_USE;
/* "true" or "false". */
enum wb_err wb_strict_bool(struct wb_slice s, bool *ret, struct wb_error *e) WB_MUST_USE;

#endif
