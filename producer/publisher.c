#include "producer/publisher.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "producer/outgoing.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_MS           5     /* while the producer's queue is full */
#define DEADLINE_MS        50 /* how late a deadline may be noticed */
#define WHY_SIZE           256
#define ACCEPTED_BYTES_MAX 4096

/* A job on its way. Three hold it: its owner until it is done, the acknowledgements of its records, and the one of
 * its accepted record. */
struct flight {
	struct wb_publisher *publisher;
	char job[WB_JOB_ID_SIZE];
	struct wb_batch batch;
	struct wb_outgoing_target target;
	struct wb_buf accepted;    /* the record, encoded at submission */
	wb_publish_done_fn done_fn;
	void *done_arg;
	int64_t start_us, deadline_ms;
	size_t count, bytes;

	size_t next; /* first record that was not sent; belongs to the one that sends, as does all_sent */
	bool all_sent; /* or given up: unsettled counts only what is under way */
	atomic_size_t unsettled; /* records that were not acknowledged, plus one while not all are sent */
	atomic_int refs;
	atomic_int failed; /* enum wb_err of the first failure */
	char why[WHY_SIZE]; /* of the first failure: written once, before it settles */

	/* Under the publisher's lock. */
	bool sending, stalled, accepting, done;
	TAILQ_ENTRY(flight) active_link, stalled_link;
};
TAILQ_HEAD(flights, flight);

struct wb_publisher {
	struct wb_publisher_settings settings;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct flights active; /* in the order of their deadlines */
	struct flights stalled; /* waiting for room in the producer's queue, first come first served */
	size_t active_count;
	bool stopping;
	struct wb_counter *jobs, *records, *bytes;
	struct wb_histogram *seconds;
};

static void unref(struct flight *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	wb_buf_release(&f->accepted);
	free(f);
}

/* Ends the job for its submitter; only the first call does. */
static void finish(struct flight *f, enum wb_err err, const char *why)
{
	struct wb_publisher *p = f->publisher;
	bool first;

	wb_mutex_lock(&p->lock);
	first = !f->done;
	f->done = true;
	if (first) {
		TAILQ_REMOVE(&p->active, f, active_link);
		p->active_count--;
	}
	if (first && f->stalled) {
		TAILQ_REMOVE(&p->stalled, f, stalled_link);
		f->stalled = false;
	}
	wb_mutex_unlock(&p->lock);
	if (!first)
		return;
	if (err == WB_OK) {
		wb_counter_add(p->jobs, 1);
		wb_counter_add(p->records, (double)f->count);
		wb_counter_add(p->bytes, (double)f->bytes);
		wb_histogram_observe(p->seconds, (double)(wb_clock_mono_us() - f->start_us) / 1e6);
	}
	wb_batch_release(&f->batch);
	f->done_fn(f->done_arg, err, why);
	unref(f);
}

static void note_failure(struct flight *f, enum wb_err err, const char *why)
{
	int expected = WB_OK;

	if (err == WB_OK || !atomic_compare_exchange_strong(&f->failed, &expected, (int)err))
		return;
	(void)snprintf(f->why, sizeof f->why, "%s", why ? why : wb_err_text(err)); /* cut to fit */
}

/* Queues the flight for the publisher's thread, unless it is done. */
static void stall(struct flight *f)
{
	struct wb_publisher *p = f->publisher;

	wb_mutex_lock(&p->lock);
	if (!f->done && !f->stalled) {
		f->stalled = true;
		TAILQ_INSERT_TAIL(&p->stalled, f, stalled_link);
		wb_cond_signal(&p->wake);
	}
	wb_mutex_unlock(&p->lock);
}

static void on_accepted_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct flight *f = arg;

	finish(f, ack->err, ack->text);
	unref(f);
}

/* Returns false when the producer's queue is full. */
static bool send_accepted(struct flight *f)
{
	const struct wb_publisher_settings *s = &f->publisher->settings;
	enum wb_err err;

	atomic_fetch_add(&f->refs, 1);
	err = wb_outgoing_accepted(s->kafka, s->topic_results, s->results_partitions, f->target.job,
		wb_buf_slice(&f->accepted), on_accepted_ack, f);
	if (err == WB_OK)
		return true;
	if (err != WB_EFULL)
		finish(f, err, wb_err_text(err));
	unref(f);
	return err != WB_EFULL;
}

/* All records are settled: the accepted record follows, unless the job failed or ran out of time. */
static void conclude(struct flight *f)
{
	struct wb_publisher *p = f->publisher;
	enum wb_err failed = (enum wb_err)atomic_load(&f->failed);
	bool go_on;

	if (failed != WB_OK) {
		finish(f, failed, f->why);
		return;
	}
	wb_mutex_lock(&p->lock);
	go_on = !f->done;
	f->accepting = go_on;
	wb_mutex_unlock(&p->lock);
	if (go_on && !send_accepted(f))
		stall(f);
}

static void settle(struct flight *f, size_t n)
{
	if (atomic_fetch_sub(&f->unsettled, n) != n)
		return;
	conclude(f);
	unref(f);
}

/* Nothing more of the flight is sent: what was not, is settled. */
static void settle_rest(struct flight *f)
{
	if (f->all_sent)
		return;
	f->all_sent = true;
	settle(f, f->count - f->next + 1);
}

static void on_record_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct flight *f = arg;

	note_failure(f, ack->err, ack->text);
	settle(f, 1);
}

/* Sends on; returns false when the producer's queue is full. Only one thread at a time may be in here. */
static bool send_records(struct flight *f)
{
	const struct wb_publisher_settings *s = &f->publisher->settings;
	enum wb_err err = WB_OK;

	while (f->next < f->count && atomic_load_explicit(&f->failed, memory_order_relaxed) == WB_OK) {
		err = wb_outgoing_write(s->kafka, &f->target, f->next, &f->batch.writes[f->next], on_record_ack, f);
		if (err != WB_OK)
			break;
		f->next++;
	}
	if (err == WB_EFULL)
		return false;
	note_failure(f, err, NULL);
	settle_rest(f);
	return true;
}

/* Takes up the oldest stalled flight; false when there is still no room. Called and left with the lock held. */
static bool resume_stalled(struct wb_publisher *p)
{
	struct flight *f = TAILQ_FIRST(&p->stalled);
	bool accepting = f->accepting, through;

	TAILQ_REMOVE(&p->stalled, f, stalled_link);
	f->stalled = false;
	f->sending = true;
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_unlock(&p->lock);
	through = accepting ? send_accepted(f) : send_records(f);
	wb_mutex_lock(&p->lock);
	f->sending = false;
	if (!through && !f->done) {
		f->stalled = true;
		TAILQ_INSERT_HEAD(&p->stalled, f, stalled_link);
	}
	wb_mutex_unlock(&p->lock);
	unref(f);
	wb_mutex_lock(&p->lock);
	return through;
}

/* Ends the oldest flight that is out of time, or any one when all is to end; false when there is none. A flight that
 * is being sent is let be: its records are still needed. Called and left with the lock held. */
static bool expire_one(struct wb_publisher *p, int64_t now_ms, bool all)
{
	struct flight *f;

	TAILQ_FOREACH(f, &p->active, active_link) {
		if (!f->sending || (!all && f->deadline_ms > now_ms))
			break;
	}
	if (!f || f->sending || (!all && f->deadline_ms > now_ms))
		return false;
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_unlock(&p->lock);
	if (all)
		finish(f, WB_ECLOSED, "the service stops");
	else
		finish(f, WB_ETIMEDOUT, "Kafka did not acknowledge in time");
	settle_rest(f);
	unref(f);
	wb_mutex_lock(&p->lock);
	return true;
}

static void *run(void *arg)
{
	struct wb_publisher *p = arg;

	wb_mutex_lock(&p->lock);
	while (!p->stopping) {
		bool room = true;

		while (room && !TAILQ_EMPTY(&p->stalled) && !p->stopping)
			room = resume_stalled(p);
		while (expire_one(p, wb_clock_mono_ms(), false))
			;
		if (p->stopping)
			break;
		if (TAILQ_EMPTY(&p->active))
			wb_cond_wait(&p->wake, &p->lock);
		else if (TAILQ_EMPTY(&p->stalled) || !room)
			(void)wb_cond_wait_until(
				&p->wake, &p->lock, wb_clock_mono_ms() + (room ? DEADLINE_MS : RETRY_MS));
	}
	wb_mutex_unlock(&p->lock);
	return NULL;
}

static const double seconds_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };

struct wb_publisher *wb_publisher_new(const struct wb_publisher_settings *settings)
{
	struct wb_publisher *p = wb_xcalloc(1, sizeof *p);
	struct wb_metrics *m = settings->metrics;

	p->settings = *settings;
	TAILQ_INIT(&p->active);
	TAILQ_INIT(&p->stalled);
	p->jobs = wb_metrics_counter(m, "writebehind_jobs_accepted_total", "Jobs that were accepted", "");
	p->records = wb_metrics_counter(
		m, "writebehind_records_published_total", "Records of accepted jobs that Kafka acknowledged", "");
	p->bytes = wb_metrics_counter(
		m, "writebehind_records_published_bytes_total", "Bytes of the documents of accepted jobs", "");
	p->seconds = wb_metrics_histogram(m, "writebehind_publish_seconds",
		"From a job's submission to the acknowledgement of its accepted record", "", seconds_bounds,
		WB_ARRAY_LEN(seconds_bounds));
	wb_mutex_init(&p->lock);
	wb_cond_init(&p->wake);
	p->thread = wb_thread_start("publisher", run, p);
	return p;
}

void wb_publisher_stop(struct wb_publisher *p)
{
	wb_mutex_lock(&p->lock);
	p->stopping = true;
	wb_cond_signal(&p->wake);
	wb_mutex_unlock(&p->lock);
	wb_thread_join(p->thread);
	wb_mutex_lock(&p->lock);
	/* What is being sent this moment is ended as soon as its sender, who never waits, lets go of it. */
	while (!TAILQ_EMPTY(&p->active)) {
		if (expire_one(p, 0, true))
			continue;
		(void)wb_cond_wait_until(&p->wake, &p->lock, wb_clock_mono_ms() + RETRY_MS);
	}
	wb_mutex_unlock(&p->lock);
}

void wb_publisher_free(struct wb_publisher **publisher)
{
	struct wb_publisher *p = *publisher;

	*publisher = NULL;
	if (!p)
		return;
	wb_cond_release(&p->wake);
	wb_mutex_release(&p->lock);
	free(p);
}

static struct flight *flight_new(struct wb_publisher *p, const char *job, int64_t now_wall_ms, struct wb_batch *batch)
{
	struct flight *f = wb_xcalloc(1, sizeof *f);

	f->publisher = p;
	memcpy(f->job, job, WB_JOB_ID_SIZE);
	f->batch = *batch;
	wb_batch_init(batch, batch->max);
	f->count = f->batch.count;
	for (size_t i = 0; i < f->count; i++)
		f->bytes += f->batch.writes[i].document.len;
	f->target = (struct wb_outgoing_target){
		.topic = p->settings.topic_writes,
		.job = wb_slice(f->job, WB_JOB_ID_LEN),
		.database = f->batch.database,
		.container = f->batch.container,
	};
	wb_buf_init(&f->accepted, ACCEPTED_BYTES_MAX);
	wb_outgoing_accepted_encode(&f->target, f->count, now_wall_ms, &f->accepted);
	f->start_us = wb_clock_mono_us();
	f->deadline_ms = f->start_us / 1000 + p->settings.timeout_ms;
	atomic_init(&f->unsettled, f->count + 1);
	atomic_init(&f->refs, 2);
	atomic_init(&f->failed, WB_OK);
	return f;
}

void wb_publisher_submit(struct wb_publisher *p, const char job[WB_JOB_ID_SIZE], int64_t now_wall_ms,
	struct wb_batch *batch, wb_publish_done_fn done, void *arg)
{
	struct flight *f = flight_new(p, job, now_wall_ms, batch);
	bool wait;

	f->done_fn = done;
	f->done_arg = arg;
	if (wb_buf_status(&f->accepted) != WB_OK)
		note_failure(f, WB_ENOMEM, NULL);
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_lock(&p->lock);
	if (p->stopping)
		note_failure(f, WB_ECLOSED, "the service stops");
	TAILQ_INSERT_TAIL(&p->active, f, active_link);
	if (p->active_count++ == 0)
		wb_cond_signal(&p->wake);
	/* Who comes while others wait for room waits behind them. */
	wait = !p->stopping && !TAILQ_EMPTY(&p->stalled);
	f->sending = !wait;
	f->stalled = wait;
	if (wait)
		TAILQ_INSERT_TAIL(&p->stalled, f, stalled_link);
	wb_mutex_unlock(&p->lock);
	if (!wait) {
		bool through = send_records(f);

		wb_mutex_lock(&p->lock);
		f->sending = false;
		wb_mutex_unlock(&p->lock);
		if (!through)
			stall(f);
	}
	unref(f);
}

size_t wb_publisher_in_flight(struct wb_publisher *p)
{
	size_t count;

	wb_mutex_lock(&p->lock);
	count = p->active_count;
	wb_mutex_unlock(&p->lock);
	return count;
}
