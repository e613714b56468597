#include "producer/publisher_internal.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/contract/result.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS           5     /* while the producer's queue is full */
#define DEADLINE_MS        50    /* how late a deadline may be noticed */
#define ACCEPTED_BYTES_MAX 16384 /* names and callback with every byte escaped */
#define IDS_A_PARTITION    256   /* ids that tend to one partition of the results topic, one after the other */
#define ID_TRIES           64    /* for the partition wanted: beyond so many, any will do */

/* Gives the documents' memory back: nobody looks at it any more. */
static void release_memory(struct wb_flight *f)
{
	wb_batch_release(&f->batch);
	if (f->memory.release)
		f->memory.release(f->memory.arg);
	f->memory.release = NULL;
}

void wb_flight_unref(struct wb_flight *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	release_memory(f);
	if (f->stream)
		wb_mutex_release(&f->room_lock);
	free(f->names);
	free(f);
}

static void no_longer_loose(struct wb_flight *f)
{
	if (atomic_exchange(&f->loose, false))
		atomic_fetch_sub(&f->lane->loose, 1);
}

void wb_flight_let_loose(struct wb_flight *f)
{
	atomic_fetch_add(&f->lane->loose, 1);
	atomic_store(&f->loose, true);
	/* The last record may have been settled before anybody could see the mark. */
	if (atomic_load(&f->unsettled) == 0)
		no_longer_loose(f);
}

struct wb_publish_lane *wb_publish_lane_of(struct wb_publish_lane *own, struct wb_publish_lane *other)
{
	return atomic_load(&other->loose) > 0 ? other : own;
}

/* Ends the job for its submitter; only the first call does. */
static void finish(struct wb_flight *f, enum wb_err err, const char *why)
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
	if (atomic_load(&f->unsettled) > 0)
		wb_flight_let_loose(f);
	if (err == WB_OK) {
		wb_counter_add(p->jobs_accepted, 1);
		wb_counter_add(p->records, (double)f->count);
		wb_counter_add(p->bytes, (double)f->bytes);
		wb_histogram_observe(p->seconds, (double)(wb_clock_mono_us() - f->start_us) / 1e6);
	}
	f->done_fn(f->done_arg, err, why);
	wb_flight_unref(f);
}

void wb_flight_note_failure(struct wb_flight *f, enum wb_err err, const char *why)
{
	if (err == WB_OK || atomic_exchange(&f->failing, true))
		return;
	(void)snprintf(f->why, sizeof f->why, "%s", why ? why : wb_err_text(err)); /* cut to fit */
	atomic_store(&f->failed, (int)err);
}

void wb_flight_stall(struct wb_flight *f)
{
	struct wb_publisher *p = f->publisher;

	wb_mutex_lock(&p->lock);
	if (!f->done && !f->stalled) {
		f->stalled = true;
		f->stalled_ms = wb_clock_mono_ms();
		TAILQ_INSERT_TAIL(&p->stalled, f, stalled_link);
		wb_cond_signal(&p->wake);
	}
	wb_mutex_unlock(&p->lock);
}

static void on_accepted_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_flight *f = arg;

	finish(f, ack->err, ack->text);
	wb_flight_unref(f);
}

static enum wb_err produce_accepted(struct wb_flight *f)
{
	const struct wb_publisher_settings *s = &f->publisher->settings;
	struct wb_result_accepted accepted = {
		.job = f->target.job,
		.count = f->count,
		.at_ms = f->at_ms,
		.database = f->target.database,
		.container = f->target.container,
		.has_key = f->keyed,
		.callback = f->callback,
	};
	struct wb_buf record;
	enum wb_err err;

	memcpy(accepted.key, f->key, sizeof accepted.key);
	wb_buf_init(&record, ACCEPTED_BYTES_MAX);
	wb_result_accepted_encode(&accepted, &record);
	err = wb_buf_status(&record);
	if (err == WB_OK)
		err = wb_outgoing_accepted(s->kafka, s->topic_results, s->results_partitions, f->target.job,
			wb_buf_slice(&record), on_accepted_ack, f);
	wb_buf_release(&record);
	return err;
}

/* Returns false when the producer's queue is full. */
static bool send_accepted(struct wb_flight *f)
{
	enum wb_err err;

	atomic_fetch_add(&f->refs, 1);
	err = produce_accepted(f);
	if (err == WB_OK)
		return true;
	if (err != WB_EFULL)
		finish(f, err, wb_err_text(err));
	wb_flight_unref(f);
	return err != WB_EFULL;
}

/* All records are settled: the accepted record follows, unless the job failed or ran out of time. */
static void conclude(struct wb_flight *f)
{
	struct wb_publisher *p = f->publisher;
	enum wb_err failed = (enum wb_err)atomic_load(&f->failed);
	bool go_on, through;

	if (failed != WB_OK) {
		finish(f, failed, f->why);
		return;
	}
	wb_mutex_lock(&p->lock);
	go_on = !f->done && !p->stopping;
	f->accepting = go_on;
	f->sending = go_on;
	wb_mutex_unlock(&p->lock);
	if (!go_on)
		return;
	through = send_accepted(f);
	wb_mutex_lock(&p->lock);
	f->sending = false;
	wb_mutex_unlock(&p->lock);
	if (!through)
		wb_flight_stall(f);
}

void wb_flight_settle(struct wb_flight *f, size_t n)
{
	if (atomic_fetch_sub(&f->unsettled, n) != n)
		return;
	no_longer_loose(f);
	release_memory(f);
	conclude(f);
	wb_flight_unref(f);
}

/* Nothing more of the flight is sent: what was not, is settled. */
static void settle_rest(struct wb_flight *f)
{
	if (f->all_sent)
		return;
	f->all_sent = true;
	wb_flight_settle(f, f->count - f->next + 1);
}

static void on_record_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_flight *f = arg;

	wb_flight_note_failure(f, ack->err, ack->text);
	wb_flight_settle(f, 1);
}

/* Sends on; returns false when the producer's queue is full. Only one thread at a time may be in here. */
static bool send_records(struct wb_flight *f)
{
	enum wb_err err = WB_OK;

	while (f->next < f->count && atomic_load_explicit(&f->failed, memory_order_relaxed) == WB_OK) {
		err = wb_outgoing_write(
			f->lane->kafka, &f->target, f->next, &f->batch.writes[f->next], on_record_ack, f);
		if (err != WB_OK)
			break;
		f->next++;
	}
	if (err == WB_EFULL)
		return false;
	wb_flight_note_failure(f, err, NULL);
	settle_rest(f);
	return true;
}

/* Takes up the oldest stalled flight; false when there is still no room. Called and left with the lock held. A stream's
 * owner is told, a little later than it stalled, and stalls again if it was for nothing. */
static bool resume_stalled(struct wb_publisher *p)
{
	struct wb_flight *f = TAILQ_FIRST(&p->stalled);
	bool accepting = f->accepting, through = true;

	if (f->stream && !accepting && wb_clock_mono_ms() - f->stalled_ms < RETRY_MS)
		return false;
	TAILQ_REMOVE(&p->stalled, f, stalled_link);
	f->stalled = false;
	f->sending = true;
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_unlock(&p->lock);
	if (accepting)
		through = send_accepted(f);
	else if (f->stream)
		wb_flight_tell_room(f);
	else
		through = send_records(f);
	wb_mutex_lock(&p->lock);
	f->sending = false;
	if (!through && !f->done) {
		f->stalled = true;
		TAILQ_INSERT_HEAD(&p->stalled, f, stalled_link);
	}
	wb_mutex_unlock(&p->lock);
	wb_flight_unref(f);
	wb_mutex_lock(&p->lock);
	return through;
}

/* Ends the oldest flight that is out of time, or any one when all is to end; false when there is none. A flight that
 * is being sent is let be: its records are still needed. Called and left with the lock held. */
static bool expire_one(struct wb_publisher *p, int64_t now_ms, bool all)
{
	struct wb_flight *f;

	TAILQ_FOREACH(f, &p->active, active_link) {
		if (!f->sending || (!all && f->deadline_ms > now_ms))
			break;
	}
	if (!f || f->sending || (!all && f->deadline_ms > now_ms))
		return false;
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_unlock(&p->lock);
	if (all)
		finish(f, WB_ECLOSED, WB_FLIGHT_STOPPING);
	else
		finish(f, WB_ETIMEDOUT, "Kafka did not acknowledge in time");
	settle_rest(f);
	wb_flight_unref(f);
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
		/* Also with nothing to do: being woken for each job that comes alone would cost more. */
		if (TAILQ_EMPTY(&p->stalled) || !room)
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
	p->jobs.kafka = settings->kafka;
	p->streams.kafka = settings->stream_kafka;
	TAILQ_INIT(&p->active);
	TAILQ_INIT(&p->stalled);
	TAILQ_INIT(&p->open);
	p->jobs_accepted = wb_metrics_counter(m, "writebehind_jobs_accepted_total", "Jobs that were accepted", "");
	p->records = wb_metrics_counter(
		m, "writebehind_records_published_total", "Records of accepted jobs that Kafka acknowledged", "");
	p->bytes = wb_metrics_counter(
		m, "writebehind_records_published_bytes_total", "Bytes of the documents of accepted jobs", "");
	p->seconds = wb_metrics_histogram(m, "writebehind_publish_seconds",
		"From a job's submission to the acknowledgement of its accepted record", "", seconds_bounds,
		WB_ARRAY_LEN(seconds_bounds));
	wb_mutex_init(&p->lock);
	wb_mutex_init(&p->random_lock);
	wb_cond_init(&p->wake);
	p->thread = wb_thread_start("publisher", run, p);
	return p;
}

void wb_publisher_stop(struct wb_publisher *p)
{
	struct wb_flight *f;

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
	/* Their owners hear of it, now or with the next write, and abort them. */
	TAILQ_FOREACH(f, &p->open, active_link) {
		wb_flight_note_failure(f, WB_ECLOSED, WB_FLIGHT_STOPPING);
		wb_flight_tell_room(f);
	}
	wb_mutex_unlock(&p->lock);
	while (atomic_load(&p->senders) > 0)
		(void)sched_yield();
}

void wb_publisher_free(struct wb_publisher **publisher)
{
	struct wb_publisher *p = *publisher;

	*publisher = NULL;
	if (!p)
		return;
	wb_cond_release(&p->wake);
	wb_mutex_release(&p->random_lock);
	wb_mutex_release(&p->lock);
	free(p);
}

static void copy_names(struct wb_flight *f, const struct wb_publish_job *job)
{
	const struct wb_slice from[] = { job->database, job->container, job->callback };
	struct wb_slice *const to[] = { &f->target.database, &f->target.container, &f->callback };
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < WB_ARRAY_LEN(from); i++)
		bytes += from[i].len;
	if (bytes == 0)
		return;
	at = f->names = wb_xmalloc(bytes);
	for (size_t i = 0; i < WB_ARRAY_LEN(from); i++) {
		if (!from[i].data)
			continue;
		memcpy(at, from[i].data, from[i].len);
		*to[i] = wb_slice(at, from[i].len);
		at += from[i].len;
	}
}

struct wb_flight *wb_flight_new(struct wb_publisher *p, const struct wb_publish_job *job)
{
	struct wb_flight *f = wb_xcalloc(1, sizeof *f);

	f->publisher = p;
	memcpy(f->job, job->id, WB_JOB_ID_SIZE);
	f->at_ms = job->at_ms;
	f->keyed = job->key != NULL;
	if (job->key)
		memcpy(f->key, job->key, sizeof f->key);
	f->target.topic = p->settings.topic_writes;
	f->target.job = wb_slice(f->job, WB_JOB_ID_LEN);
	copy_names(f, job);
	f->start_us = wb_clock_mono_us();
	atomic_init(&f->refs, 2); /* of whoever waits for its end, and of its records */
	atomic_init(&f->failed, WB_OK);
	return f;
}

bool wb_flight_activate(struct wb_flight *f)
{
	struct wb_publisher *p = f->publisher;

	if (p->stopping)
		wb_flight_note_failure(f, WB_ECLOSED, WB_FLIGHT_STOPPING);
	f->deadline_ms = wb_clock_mono_ms() + p->settings.timeout_ms;
	TAILQ_INSERT_TAIL(&p->active, f, active_link);
	p->active_count++;
	/* Who comes while others wait for room waits behind them. */
	return !p->stopping && !TAILQ_EMPTY(&p->stalled);
}

void wb_publisher_submit(struct wb_publisher *p, const struct wb_publish_job *job, struct wb_batch *batch,
	struct wb_publish_memory memory, bool here, wb_publish_done_fn done, void *arg)
{
	struct wb_flight *f = wb_flight_new(p, job);
	bool wait, through = false;

	f->lane = wb_publish_lane_of(&p->jobs, &p->streams);
	f->batch = *batch;
	wb_batch_init(batch, batch->max);
	f->memory = memory;
	f->target.values_stay = memory.release != NULL;
	f->count = f->batch.count;
	for (size_t i = 0; i < f->count; i++)
		f->bytes += f->batch.writes[i].document.len;
	f->done_fn = done;
	f->done_arg = arg;
	atomic_init(&f->unsettled, f->count + 1);
	atomic_fetch_add(&f->refs, 1);
	wb_mutex_lock(&p->lock);
	wait = wb_flight_activate(f) || (!here && !p->stopping);
	f->sending = !wait;
	f->stalled = wait;
	if (wait) {
		TAILQ_INSERT_TAIL(&p->stalled, f, stalled_link);
		wb_cond_signal(&p->wake);
	}
	wb_mutex_unlock(&p->lock);
	if (!wait) {
		through = send_records(f);
		wb_mutex_lock(&p->lock);
		f->sending = false;
		wb_mutex_unlock(&p->lock);
		if (!through)
			wb_flight_stall(f);
	}
	wb_flight_unref(f);
}

size_t wb_publisher_in_flight(struct wb_publisher *p)
{
	size_t count;

	wb_mutex_lock(&p->lock);
	count = p->active_count;
	wb_mutex_unlock(&p->lock);
	return count;
}

/* len divides what is asked for together. */
static void take_random(struct wb_publisher *p, uint8_t *ret, size_t len)
{
	uint8_t *from;

	wb_mutex_lock(&p->random_lock);
	if (p->random_left == 0) {
		wb_crypto_random(p->random, sizeof p->random);
		p->random_left = sizeof p->random;
	}
	from = p->random + sizeof p->random - p->random_left;
	memcpy(ret, from, len);
	wb_crypto_wipe(from, len); /* an id is a secret between the job's owner and who may read it */
	p->random_left -= len;
	wb_mutex_unlock(&p->random_lock);
}

void wb_publisher_new_id(struct wb_publisher *p, char ret[WB_JOB_ID_SIZE])
{
	int32_t partitions = p->settings.results_partitions, wanted;
	uint8_t bytes[WB_JOB_ID_LEN / 2];
	uint32_t tail;

	wanted = (int32_t)(atomic_fetch_add(&p->ids, 1) / IDS_A_PARTITION % (uint32_t)partitions);
	take_random(p, bytes, sizeof bytes);
	memcpy(&tail, bytes, sizeof tail);
	for (int i = 0; i < ID_TRIES; i++) {
		memcpy(bytes, &tail, sizeof tail);
		wb_hex_encode(bytes, sizeof bytes, ret);
		if (wb_murmur2_partition(wb_slice(ret, WB_JOB_ID_LEN), partitions) == wanted)
			break;
		tail++;
	}
}
