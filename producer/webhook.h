/* The webhook that tells of a job's end, as Standard Webhooks 1.0 has it (github.com/standard-webhooks/standard-webhooks,
 * spec/standard-webhooks.md): id, body, and what an answer means for the next attempt.
 *
 * Every attempt of a job has the same webhook-id, so that a receiver can drop repeats; timestamp and signature
 * (common/contract/webhook.h) are the attempt's. Nothing here logs.
 * Pure: time and randomness are arguments. Thread-safe.
 */
#ifndef WB_PRODUCER_WEBHOOK_H
#define WB_PRODUCER_WEBHOOK_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/contract/webhook.h"
#include "producer/job_table.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_WEBHOOK_ID_SIZE      (sizeof "job_" + WB_JOB_ID_LEN)
#define WB_WEBHOOK_ATTEMPTS_MAX 10

/* "job_" and the job's id. */
void wb_webhook_id(const char *job, char ret[WB_WEBHOOK_ID_SIZE]);
/* Appends {"type":"job.ended","timestamp":…,"data":…}: the time of the end, and the job as GET shows it but for its
 * callback, which changes with every attempt. */
void wb_webhook_body(const struct wb_job_info *info, struct wb_buf *ret);
enum wb_webhook_verdict {
	WB_WEBHOOK_DELIVERED,
	WB_WEBHOOK_RETRY,
	WB_WEBHOOK_FAILED, /* for good */
};
/* status: the answer's, 0 when there was none. attempt: this one's number, from 1. Delivered by 2xx; failed for good by
 * 410 and by the last attempt; all else, redirects too, is tried again. */
enum wb_webhook_verdict wb_webhook_judge(int status, unsigned attempt);

/* How long after attempt number `attempts` the next one follows; 0 attempts: 0. The schedule that Standard Webhooks
 * recommends, made longer by up to a tenth, and by what the receiver asked for (retry_after_ms; at most 24 h; 0: nothing). */
int64_t wb_webhook_delay_ms(unsigned attempts, int64_t retry_after_ms, uint64_t random);
/* A random number for that, which is the same in every process. */
uint64_t wb_webhook_random(const char *job, unsigned attempts);

#endif
