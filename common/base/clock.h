/* Time: a monotonic clock for intervals, a wall clock for people and protocols, and their texts.
 *
 * Internal times are int64_t milliseconds. Only shells read a clock; the pure core takes time as an argument.
 * Thread-safe.
 */
#ifndef WB_COMMON_BASE_CLOCK_H
#define WB_COMMON_BASE_CLOCK_H

#include "common/base/compiler.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_CLOCK_RFC3339_SIZE 25 /* "2026-01-02T03:04:05.678Z" and a zero */
#define WB_CLOCK_RFC1123_SIZE 30 /* "Thu, 27 Apr 2017 00:51:12 GMT" and a zero */

/* Milliseconds or microseconds since some start; never goes back. */
int64_t wb_clock_mono_ms(void);
int64_t wb_clock_mono_us(void);
/* Since the machine started, also while it slept: for finding out that this process was away. */
int64_t wb_clock_boot_ms(void);
/* Milliseconds since 1970-01-01 UTC. */
int64_t wb_clock_wall_ms(void);

/* RFC 3339, UTC, three decimals. Times before 1970 or after 9999 are clamped. */
void wb_clock_rfc3339(int64_t wall_ms, char ret[WB_CLOCK_RFC3339_SIZE]);
/* Reads a time of RFC 3339: "2026-01-02T03:04:05Z", with or without decimals, or with an offset such as +01:00; what is
 * beyond the millisecond is cut. False when the text is no such time, or one before 1970. */
bool wb_clock_parse_rfc3339(struct wb_slice text, int64_t *ret_wall_ms) WB_MUST_USE;
/* RFC 1123 in GMT, as HTTP and Cosmos DB's x-ms-date write it (RFC 9110 section 5.6.7). */
void wb_clock_rfc1123(int64_t wall_ms, char ret[WB_CLOCK_RFC1123_SIZE]);
/* Reads an RFC 1123 date; false when the text is no such date. */
bool wb_clock_parse_rfc1123(struct wb_slice text, int64_t *ret_wall_ms) WB_MUST_USE;

#endif
