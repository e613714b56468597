/* Who waits for a change of which job: found by the job, so that a change of one costs nothing for those who wait for
 * others.
 *
 * Not thread-safe: one owner at a time (the job view's lock).
 */
#ifndef WB_PRODUCER_JOB_WAITS_H
#define WB_PRODUCER_JOB_WAITS_H

#include "common/base/error.h"
#include "common/base/list.h"
#include "producer/job_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_job_wait {
	struct wb_link link;
	uint8_t id[WB_JOB_ID_BYTES];
	uint32_t version; /* that the waiting one knows */
	bool until_end;
	int64_t deadline_ms;
	void (*fn)(void *arg, enum wb_err err);
	void *arg;
	enum wb_err err; /* for fn, once it is over */
};

struct wb_job_waits; /* opaque */

struct wb_job_waits *wb_job_waits_new(void);
/* Nobody waits any more. */
void wb_job_waits_free(struct wb_job_waits **w);
/* wait: from malloc, the waits' until it is over. */
void wb_job_waits_add(struct wb_job_waits *w, struct wb_job_wait *wait);
/* Something about the job has changed. Cheap when nobody waits for it. */
void wb_job_waits_note(struct wb_job_waits *w, const uint8_t id[WB_JOB_ID_BYTES]);
/* Moves those that are over to ret, the caller's, with WB_OK: of those whose job may have been noted since the last time,
 * the ones that over says so of. */
void wb_job_waits_take_noted(struct wb_job_waits *w, bool (*over)(void *arg, const struct wb_job_wait *wait), void *arg,
	struct wb_list *ret);
/* Moves those whose time is over to ret, with WB_ETIMEDOUT. */
void wb_job_waits_take_late(struct wb_job_waits *w, int64_t now_ms, struct wb_list *ret);
/* Moves all to ret, with that error. */
void wb_job_waits_take_all(struct wb_job_waits *w, enum wb_err err, struct wb_list *ret);
size_t wb_job_waits_count(const struct wb_job_waits *w);

#endif
