/* Calls back: tells whoever asked for it that a job has ended, again and again until the receiver has taken it.
 *
 * What is still to be called is known from the results topic alone (job view): a callback is due when its job has ended,
 * or when the last recorded attempt is as long ago as the schedule says. Of the partitions of that topic each belongs to
 * one instance (group), and only its owner calls. Each attempt ends as a record appended to the topic, and a
 * callback is done when that record is acknowledged: so none is lost, and one whose record could not be appended is
 * repeated, with the same webhook-id.
 * Bounded: the attempts under way, what waits (callback_queue), and what the view has said and nobody looked at yet.
 * One thread does all of it (start), or a test that calls turn. Thread-safe: ended, quiesce; the others are the owner's.
 */
#ifndef WB_PRODUCER_CALLBACKS_H
#define WB_PRODUCER_CALLBACKS_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/contract/result.h"
#include "producer/callback_rules.h"
#include "producer/job_table.h"
#include "producer/webhook.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_callbacks; /* opaque */

/* A job that has ended and asked to be called. Valid during the call. */
struct wb_callback_job {
	const struct wb_job_info *info;
	int32_t partition;
	struct wb_slice url;
	enum wb_callback_state state;
	unsigned attempts;   /* that were recorded */
	int64_t last_at_ms;  /* the last one; wall clock */
};
typedef void (*wb_callback_job_fn)(void *arg, const struct wb_callback_job *job);

/* Where jobs are known: the job view. */
struct wb_callback_source {
	void *arg;
	/* Calls fn with the job, if it has ended and has a callback; false where it is not known (any more). */
	bool (*find)(void *arg, const char *job, wb_callback_job_fn fn, void *fn_arg);
	/* Calls fn with every job of the partition that has ended and whose callback is neither delivered nor failed. */
	void (*each)(void *arg, int32_t partition, wb_callback_job_fn fn, void *fn_arg);
	/* Calls fn once, on any thread, when all that the topic holds now has been read (WB_OK), or cannot be yet. An error
	 * is returned where fn will not be called. */
	enum wb_err (*catch_up)(void *arg, void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg);
};

/* Where outcomes go: the results topic. */
struct wb_callback_journal {
	void *arg;
	/* Copies the record, and calls fn once, on any thread, unless an error is returned. */
	enum wb_err (*append)(void *arg, int32_t partition, struct wb_slice record,
		void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg);
};

/* The group that says which partitions are ours: callback_owner, told on the thread of the callbacks. */
struct wb_callback_group {
	void *arg;
	enum wb_err (*serve)(void *arg, struct wb_error *e); /* NULL: nobody says so */
	void (*leave)(void *arg);
};

struct wb_callbacks_settings {
	const struct wb_callback_rules *rules;
	const struct wb_webhook_secrets *secrets;
	const char *ca_file, *user_agent;
	int64_t timeout_ms, connect_timeout_ms;
	unsigned max_in_flight;
	struct wb_callback_source source;
	struct wb_callback_journal journal;
	struct wb_metrics *metrics;
	struct wb_log *log;
	void (*fatal)(void *arg, const char *why); /* the group is gone for good */
	void *fatal_arg;
};

/* NULL with a sentence. Rules and secrets stay the caller's, as long as the callbacks live. */
struct wb_callbacks *wb_callbacks_new(const struct wb_callbacks_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Starts the thread. */
void wb_callbacks_start(struct wb_callbacks *c, const struct wb_callback_group *group);
/* No attempt starts any more; those under way have until deadline_ms (monotonic). */
void wb_callbacks_quiesce(struct wb_callbacks *c, int64_t deadline_ms);
/* After quiesce: waits for that, leaves the group and ends the thread. */
void wb_callbacks_stop(struct wb_callbacks *c);
/* When source and journal call back no more: after the journal's producer was freed and the view was stopped. */
void wb_callbacks_free(struct wb_callbacks **callbacks);

/* A job with a callback has ended: the view's hook. Quick; any thread. */
void wb_callbacks_ended(struct wb_callbacks *c, const char *job, int32_t partition);

/* What the group tells, and asks (callback_owner). */
void wb_callbacks_assigned(void *callbacks, int32_t partition);
void wb_callbacks_leaving(void *callbacks, int32_t partition);
bool wb_callbacks_idle(void *callbacks, int32_t partition);
void wb_callbacks_gone(void *callbacks, int32_t partition);

/* One round of the thread, which waits up to timeout_ms when there is nothing to do. */
void wb_callbacks_turn(struct wb_callbacks *c, int64_t timeout_ms);

#endif
