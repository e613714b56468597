#include "producer/sender.h"

#include "common/base/clock.h"
#include "common/contract/result.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define PAUSE_MS           2
#define ACCEPTED_BYTES_MAX 4096
#define UNANSWERED         (-1)

void wb_sender_init(struct wb_sender *s, struct wb_kafka_producer *kafka, const struct wb_outgoing_target *target,
	int64_t timeout_ms)
{
	*s = (struct wb_sender){ .kafka = kafka, .target = *target, .timeout_ms = timeout_ms };
	atomic_init(&s->accepted, UNANSWERED);
}

static void pause_a_little(const struct wb_sender *s)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000 * 1000 };

	(void)nanosleep(&pause, NULL); /* woken early is fine */
	if (s->progress)
		s->progress(s->progress_arg);
}

static void on_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_sender *s = arg;

	if (ack->err == WB_OK) {
		atomic_fetch_add(&s->acked, 1);
		return;
	}
	/* Acknowledgements come from one thread, so nobody else writes why. */
	if (atomic_load(&s->err) == WB_OK) {
		(void)snprintf(s->why, sizeof s->why, "%s", ack->text ? ack->text : wb_err_text(ack->err)); /* cut */
		atomic_store(&s->err, (int)ack->err);
	}
	atomic_fetch_add(&s->failed, 1);
}

static enum wb_err failure(const struct wb_sender *s, struct wb_error *e)
{
	enum wb_err err = (enum wb_err)atomic_load(&s->err);

	return err == WB_OK ? WB_OK : wb_error_set(e, err, "Kafka did not take a record: %s", s->why);
}

/* When nothing was acknowledged for too long; *since_ms and *acked remember the last progress. */
static bool out_of_time(const struct wb_sender *s, int64_t *since_ms, uint64_t *acked)
{
	uint64_t now_acked = atomic_load(&s->acked) + atomic_load(&s->failed);
	int64_t now_ms = wb_clock_mono_ms();

	if (now_acked != *acked) {
		*acked = now_acked;
		*since_ms = now_ms;
	}
	return now_ms - *since_ms > s->timeout_ms;
}

static enum wb_err timed_out(const struct wb_sender *s, struct wb_error *e)
{
	return wb_error_set(e, WB_ETIMEDOUT, "Kafka acknowledged nothing for %lld ms", (long long)s->timeout_ms);
}

enum wb_err wb_sender_send(struct wb_sender *s, const struct wb_batch_write *write, struct wb_error *e)
{
	int64_t since_ms = 0;
	uint64_t acked = 0;
	enum wb_err err;

	for (;;) {
		if (atomic_load_explicit(&s->err, memory_order_relaxed) != WB_OK)
			return failure(s, e);
		err = wb_outgoing_write(s->kafka, &s->target, s->sent, write, on_ack, s);
		if (err != WB_EFULL)
			break;
		if (since_ms == 0)
			since_ms = wb_clock_mono_ms();
		if (out_of_time(s, &since_ms, &acked))
			return timed_out(s, e);
		pause_a_little(s);
	}
	if (err != WB_OK)
		return wb_error_set(e, err, "Kafka did not take a record: %s", wb_err_text(err));
	s->sent++;
	return WB_OK;
}

enum wb_err wb_sender_settle(struct wb_sender *s, struct wb_error *e)
{
	int64_t since_ms = wb_clock_mono_ms();
	uint64_t acked = 0;

	while (atomic_load(&s->acked) + atomic_load(&s->failed) < s->sent) {
		/* Only hurries what lingers; the loop does the waiting. */
		(void)!wb_kafka_producer_flush(s->kafka, PAUSE_MS);
		if (out_of_time(s, &since_ms, &acked))
			return timed_out(s, e);
		pause_a_little(s);
	}
	return failure(s, e);
}

static void on_accepted_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_sender *s = arg;

	if (ack->err != WB_OK)
		(void)snprintf(s->why, sizeof s->why, "%s", ack->text ? ack->text : wb_err_text(ack->err)); /* cut */
	atomic_store(&s->accepted, (int)ack->err);
}

static enum wb_err send_accepted(
	struct wb_sender *s, const char *topic, int32_t partitions, struct wb_slice record, struct wb_error *e)
{
	int64_t deadline_ms = wb_clock_mono_ms() + s->timeout_ms;
	enum wb_err err;

	while ((err = wb_outgoing_accepted(s->kafka, topic, partitions, s->target.job, record, on_accepted_ack, s)) ==
		WB_EFULL) {
		if (wb_clock_mono_ms() > deadline_ms)
			return timed_out(s, e);
		pause_a_little(s);
	}
	if (err != WB_OK)
		return wb_error_set(e, err, "Kafka did not take the accepted record: %s", wb_err_text(err));
	while (atomic_load(&s->accepted) == UNANSWERED) {
		if (wb_clock_mono_ms() > deadline_ms)
			return timed_out(s, e);
		pause_a_little(s);
	}
	err = (enum wb_err)atomic_load(&s->accepted);
	return err == WB_OK ? WB_OK : wb_error_set(e, err, "Kafka did not take the accepted record: %s", s->why);
}

enum wb_err wb_sender_accept(
	struct wb_sender *s, const char *topic, int32_t partitions, int64_t now_wall_ms, struct wb_error *e)
{
	const struct wb_result_accepted accepted = {
		.job = s->target.job,
		.count = s->sent,
		.at_ms = now_wall_ms,
		.database = s->target.database,
		.container = s->target.container,
	};
	struct wb_buf record;
	enum wb_err err;

	wb_buf_init(&record, ACCEPTED_BYTES_MAX);
	wb_result_accepted_encode(&accepted, &record);
	err = wb_buf_status(&record);
	if (err == WB_OK)
		err = send_accepted(s, topic, partitions, wb_buf_slice(&record), e);
	else
		err = wb_error_set(e, err, "the accepted record could not be written: %s", wb_err_text(err));
	wb_buf_release(&record);
	return err;
}
