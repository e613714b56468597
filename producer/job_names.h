/* The names of jobs whose details were forgotten: id, digest of the idempotency key, and when the job ended.
 *
 * They come in the order in which they are forgotten and go in the same order, so they stand in a queue of chunks: 44
 * bytes each, and 2 to 4 for finding them by id and by key.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_JOB_NAMES_H
#define WB_PRODUCER_JOB_NAMES_H

#include "common/contract/result.h"
#include "producer/job_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_job_names; /* opaque */

struct wb_job_names *wb_job_names_new(void);
void wb_job_names_free(struct wb_job_names **n);
/* key: NULL for a job without. The id is not in there yet. */
void wb_job_names_add(struct wb_job_names *n, const uint8_t id[WB_JOB_ID_BYTES], const uint8_t *key, int64_t ended_ms);
/* Takes away those that ended before that, oldest first; one that ended later holds back those behind it. */
void wb_job_names_expire(struct wb_job_names *n, int64_t before_ms);
bool wb_job_names_has(const struct wb_job_names *n, const uint8_t id[WB_JOB_ID_BYTES]);
/* The id of the job with that key, of several the one that was forgotten first; NULL: none. Valid until the next change. */
const uint8_t *wb_job_names_by_key(const struct wb_job_names *n, const uint8_t key[WB_RESULT_KEY_SIZE]);
size_t wb_job_names_count(const struct wb_job_names *n);
size_t wb_job_names_memory_bytes(const struct wb_job_names *n);

#endif
