/* The status of all jobs as the results topic tells it: a thread reads the topic from its first record on into a
 * job table, and answers questions.
 *
 * Any instance answers for any job, because all of them read the same topic. Before "there is no such job" is said,
 * the topic must have been read to the end that it had when the question came: wb_job_view_catch_up.
 * Thread-safe: every function but new, stop and free. A function that gets a wb_job_info runs with the view locked: it
 * must be quick, and not call the view. One that gets a wb_err, and the hook, run on the view's thread with nothing
 * locked; they may call the view.
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

/* A job with a callback has ended, after the view first caught up. Those that ended before, and that one too, come with
 * wb_job_view_each_callback as long as their callback is to be made: ask for them once wb_job_view_caught_up says so, and
 * expect some twice. info has no failures; the rest is valid during the call. */
struct wb_job_view_hook {
	void (*ended)(void *arg, const struct wb_job_info *info); /* NULL: no hook */
	void *arg;
};

struct wb_job_view_settings {
	const struct wb_kafka_options *kafka;
	const char *client_id;
	struct wb_job_limits limits;
	int64_t startup_timeout_ms;
	int64_t catch_up_timeout_ms; /* of a question */
	struct wb_job_view_hook hook;
	struct wb_metrics *metrics;
	struct wb_health *health; /* condition "view": caught up for the first time */
	struct wb_lifecycle *lifecycle; /* stopped with exit code 1 when the topic cannot be read any more */
	struct wb_log *log;
};

/* Starts reading. NULL with a sentence in e. */
struct wb_job_view *wb_job_view_new(const struct wb_job_view_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Whoever waits for a job is answered with WB_ECLOSED at once, and nobody waits from now on: a service that stops has no
 * time for that. Everything else goes on. */
void wb_job_view_end_waits(struct wb_job_view *v);
/* Ends the thread; questions that wait are answered with WB_ECLOSED, later ones not taken. */
void wb_job_view_stop(struct wb_job_view *v);
/* After stop, when nobody asks any more. */
void wb_job_view_free(struct wb_job_view **view);

/* Calls fn with the job and returns true, or returns false when it is not in the view (yet), or its details are not any
 * more. */
bool wb_job_view_find(struct wb_job_view *v, struct wb_slice id, wb_job_info_fn fn, void *arg) WB_MUST_USE;
/* As the functions of job_table.h. A list looks at 100,000 jobs at most, in parts, between which others get their turn. */
bool wb_job_view_forgotten(struct wb_job_view *v, struct wb_slice id) WB_MUST_USE;
bool wb_job_view_find_key(
	struct wb_job_view *v, const uint8_t key[WB_RESULT_KEY_SIZE], char ret_job[WB_JOB_ID_SIZE]) WB_MUST_USE;
void wb_job_view_each_callback(struct wb_job_view *v, int32_t partition, wb_job_info_fn fn, void *arg);
size_t wb_job_view_list(struct wb_job_view *v, const struct wb_job_filter *filter, struct wb_job_cursor *cursor,
	wb_job_info_fn fn, void *arg, bool *ret_more);
struct wb_job_totals wb_job_view_totals(struct wb_job_view *v);
/* Whether there are as many unfinished jobs as the limit allows. */
bool wb_job_view_full(struct wb_job_view *v);
/* Whether everything was read that the topic held when the view began. Never false again. */
bool wb_job_view_caught_up(struct wb_job_view *v);

/* Calls fn once, when everything that the topic held at the time of this call has been read (WB_OK), when the time for
 * it is over (WB_ETIMEDOUT), or at the end (WB_ECLOSED). WB_EFULL or WB_ECLOSED, and no call, when too many questions
 * wait or the view was stopped. */
typedef void (*wb_job_view_fn)(void *arg, enum wb_err err);
enum wb_err wb_job_view_catch_up(struct wb_job_view *v, wb_job_view_fn fn, void *arg) WB_MUST_USE;

#define WB_JOB_VIEW_WAITS_MAX 10000
/* Calls fn once: when the job's version is another one than `version` (until_end: when it has ended, whatever its version;
 * WB_OK), when timeout_ms are over (WB_ETIMEDOUT), or at the end (WB_ECLOSED). That may be the case already; fn is called
 * later nevertheless. The job need not be in the view yet: version 0 is that of an unknown one. WB_EINVAL for what is no
 * job id, WB_EFULL when WB_JOB_VIEW_WAITS_MAX wait, WB_ECLOSED when the view was stopped; no call then. */
enum wb_err wb_job_view_wait(struct wb_job_view *v, struct wb_slice job, uint32_t version, int64_t timeout_ms,
	bool until_end, wb_job_view_fn fn, void *arg) WB_MUST_USE;

#endif
