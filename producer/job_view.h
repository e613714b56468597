/* The status of all jobs as the results topic tells it: a thread reads the topic from its first record on into a
 * job table, and answers questions.
 *
 * Any instance answers for any job, because all of them read the same topic. Before "there is no such job" is said,
 * the topic must have been read to the end that it had when the question came: wb_job_view_catch_up.
 * Thread-safe: every function but new, stop and free.
 */
#ifndef WB_PRODUCER_JOB_VIEW_H
#define WB_PRODUCER_JOB_VIEW_H

#include "common/base/error.h"
#include "common/base/health.h"
#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/kafka/options.h"
#include "producer/job_table.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_job_view; /* opaque */

struct wb_job_view_settings {
	const struct wb_kafka_options *kafka;
	const char *client_id;
	struct wb_job_limits limits;
	int64_t startup_timeout_ms;
	int64_t catch_up_timeout_ms; /* of a question */
	struct wb_metrics *metrics;
	struct wb_health *health;       /* condition "view": caught up for the first time */
	struct wb_lifecycle *lifecycle; /* stopped with exit code 1 when the topic cannot be read any more */
	struct wb_log *log;
};

/* Starts reading. NULL with a sentence in e. */
struct wb_job_view *wb_job_view_new(const struct wb_job_view_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Ends the thread; questions that wait are answered with WB_ECLOSED, later ones not taken. */
void wb_job_view_stop(struct wb_job_view *v);
/* After stop, when nobody asks any more. */
void wb_job_view_free(struct wb_job_view **view);

typedef void (*wb_job_info_fn)(void *arg, const struct wb_job_info *info);
/* Calls fn with the job and returns true, or returns false when it is not in the view (yet). fn must be quick. */
bool wb_job_view_find(struct wb_job_view *v, struct wb_slice id, wb_job_info_fn fn, void *arg) WB_MUST_USE;
/* As wb_job_table_list. */
void wb_job_view_list(struct wb_job_view *v, unsigned statuses, size_t limit, wb_job_info_fn fn, void *arg);
struct wb_job_totals wb_job_view_totals(struct wb_job_view *v);
/* Whether there are as many unfinished jobs as the limit allows. */
bool wb_job_view_full(struct wb_job_view *v);

/* Calls fn once, on the view's thread, when everything that the topic held at the time of this call has been read
 * (WB_OK), when the time for it is over (WB_ETIMEDOUT), or at the end (WB_ECLOSED). WB_EFULL or WB_ECLOSED, and
 * no call, when too many questions wait or the view was stopped. */
typedef void (*wb_job_view_fn)(void *arg, enum wb_err err);
enum wb_err wb_job_view_catch_up(struct wb_job_view *v, wb_job_view_fn fn, void *arg) WB_MUST_USE;

#endif
