/* Follows one job through the results topic to its end: writebehind-publish --wait.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_FOLLOW_H
#define WB_PRODUCER_FOLLOW_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/kafka/options.h"
#include "producer/job_table.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_follow; /* opaque */

/* Begins to read where the job can have its first result: call it before the job's first record is sent. job is
 * copied. NULL with a sentence in e. */
struct wb_follow *wb_follow_new(const struct wb_kafka_options *kafka, const char *client_id, const char *job,
	int64_t now_wall_ms, int64_t timeout_ms, struct wb_log *log, struct wb_error *e) WB_MUST_USE;
void wb_follow_free(struct wb_follow **f);
/* Reads on for up to timeout_ms and fills *ret with the job as it stands (all zero before its accepted record; valid
 * until the next call). *ret_ended: nothing is pending any more. WB_EFATAL with a sentence when the topic cannot be
 * read. */
enum wb_err wb_follow_step(struct wb_follow *f, int64_t timeout_ms, struct wb_job_info *ret, bool *ret_ended,
	struct wb_error *e) WB_MUST_USE;

#endif
