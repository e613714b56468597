/* Jobs in the order of their creation, for lists with a cursor: by time, and those of one time by id.
 *
 * Runs of jobs in an array of such runs: jobs come nearly in order, so runs are mostly full, and a job costs little more
 * than the 4 bytes of its number. What the order goes by stands with the jobs, which their owner looks up.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_JOB_ORDER_H
#define WB_PRODUCER_JOB_ORDER_H

#include "common/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the order goes by; id has 16 bytes. */
struct wb_job_place {
	int64_t created_ms;
	const uint8_t *id;
};

struct wb_job_order; /* opaque */

/* The place of a job that is in the order, or is about to come into it. It stays the same while the job is in. */
typedef struct wb_job_place (*wb_job_place_fn)(void *arg, uint32_t job);

struct wb_job_order *wb_job_order_new(wb_job_place_fn place, void *arg);
void wb_job_order_free(struct wb_job_order **o);
/* No two jobs have the same place. */
void wb_job_order_add(struct wb_job_order *o, uint32_t job);
void wb_job_order_remove(struct wb_job_order *o, uint32_t job);
size_t wb_job_order_memory_bytes(const struct wb_job_order *o);

/* A walk from new to old; good until the order changes. */
struct wb_job_walk {
	const struct wb_job_order *order;
	size_t run, at; /* the jobs before that one are still to come */
};
/* From the newest job that is older than that place on, or from the newest one for NULL. */
struct wb_job_walk wb_job_order_walk(const struct wb_job_order *o, const struct wb_job_place *before);
/* The next older job; false at the end. */
bool wb_job_walk_next(struct wb_job_walk *w, uint32_t *ret_job) WB_MUST_USE;

#endif
