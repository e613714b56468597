/* What the service says about jobs, as JSON (docs/HTTP.md, docs/openapi.json).
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_RENDER_H
#define WB_PRODUCER_RENDER_H

#include "common/base/buf.h"
#include "producer/job_table.h"

#include <stdbool.h>

/* Appends a job; its failures are left out of lists. */
void wb_render_job(const struct wb_job_info *info, bool with_failures, struct wb_buf *ret);
#define WB_ETAG_SIZE 19 /* with its quotes and a zero */
/* The entity tag of a job's representation, from its bytes: every instance that has read the same records says the same,
 * so that a client may ask another one next time. */
void wb_render_etag(struct wb_slice representation, char ret[WB_ETAG_SIZE]);
/* Whether If-None-Match names the tag: a list of tags, weak ones too, or *. An absent header names none. */
bool wb_etag_matches(struct wb_slice if_none_match, const char *etag);
/* Appends the totals of all jobs and untracked writes. */
void wb_render_ledger(const struct wb_job_totals *totals, struct wb_buf *ret);
/* Appends the body of a 202. */
void wb_render_accepted(const char *job_id, size_t count, const char *status_url, struct wb_buf *ret);

#endif
