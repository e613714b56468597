/* Whether the program is ready, and if not, what is wrong and since when: a handful of named conditions.
 *
 * Ready means that every condition is ok. Thread-safe: every function.
 */
#ifndef WB_COMMON_BASE_HEALTH_H
#define WB_COMMON_BASE_HEALTH_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_health;

struct wb_health *wb_health_new(void);
void wb_health_free(struct wb_health **h);
/* Sets a condition; name is a literal ("kafka", "cosmos", "view"). why (copied, cut at 200 bytes) matters when !ok.
 * The time of the last change of ok is kept. */
void wb_health_set(struct wb_health *h, const char *name, bool ok, const char *why);
bool wb_health_ready(struct wb_health *h);
/* Whether that condition is ok, or was never set. */
bool wb_health_ok(struct wb_health *h, const char *name);
/* Appends {"ready":false,"conditions":[{"name":"cosmos","ok":false,"why":"…","since":"2026-…Z"}]}. */
void wb_health_render(struct wb_health *h, struct wb_buf *ret);

#endif
