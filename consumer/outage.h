/* Whether Cosmos DB is away for some ranges, since when and why: told to readyz at once and to the log once a minute,
 * however many requests fail.
 *
 * Shared by all workers; each range counts once. Sets the health condition "cosmos". Thread-safe: every function but
 * new and free.
 */
#ifndef WB_CONSUMER_OUTAGE_H
#define WB_CONSUMER_OUTAGE_H

#include "common/base/health.h"
#include "common/base/log.h"
#include "common/base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_outage; /* opaque */

struct wb_outage *wb_outage_new(struct wb_health *health, struct wb_metrics *metrics, struct wb_log *log);
void wb_outage_free(struct wb_outage **o);
/* A whole request of a range failed; *counted is the range's own, false at first. why is copied. now_ms: monotonic,
 * which may stand still from one call to the next. */
void wb_outage_note(struct wb_outage *o, bool *counted, const char *why, int64_t now_ms);
/* The range was served again. */
void wb_outage_over(struct wb_outage *o, bool *counted, int64_t now_ms);
/* Nothing waits for the range any more, so nobody finds out whether it is back. */
void wb_outage_forget(struct wb_outage *o, bool *counted, int64_t now_ms);
/* Cosmos DB judged a write, whatever it said of it: so the account as such is not refused. */
void wb_outage_answered(struct wb_outage *o, int64_t now_ms);
/* When it did so last; 0: never. */
int64_t wb_outage_answered_ms(const struct wb_outage *o);

#endif
