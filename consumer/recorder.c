#include "consumer/recorder_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_BYTES_MAX (256 * 1024) /* the results topic takes 1 MB */
#define BODY_BYTES_MAX   (8 * 1024 * 1024)
#define LETTER_BYTES_MAX 5000000 /* a record of the writes topic, 3 MB, with a letter's headers */
#define QUEUE_BYTES      (16 * 1024 * 1024)
/* Long, since what Kafka has stored but not acknowledged in time would be sent twice. */
#define DELIVERY_TIMEOUT_MS 600000
#define RESEND_MS           250
#define LOOK_MS             500
#define WAIT_MS             50
#define PARTITIONS_WAIT_MS  500

static int32_t place_of(const struct wb_recorder *r, const struct wb_write *w)
{
	char name[320];
	int len;

	if (w->tracked)
		return wb_murmur2_partition(wb_slice(w->job, WB_JOB_ID_LEN), r->partitions);
	len = snprintf(name, sizeof name, "%s/%d", w->assignment->topic, (int)w->assignment->partition);
	assert(len > 0 && (size_t)len < sizeof name); /* a topic's name has at most 249 bytes */
	return wb_murmur2_partition(wb_slice(name, (size_t)len), r->partitions);
}

static void count_outcome(struct wb_recorder *r, const struct wb_write *w)
{
	wb_counter_add(r->metrics.outcomes[w->outcome], 1);
	if (w->outcome != WB_DEAD)
		return;
	if (!r->metrics.dead[w->reason]) {
		char labels[64];

		(void)snprintf(labels, sizeof labels, "reason=\"%s\"", wb_reason_text(w->reason)); /* it fits */
		r->metrics.dead[w->reason] = wb_metrics_counter(r->settings.metrics, "writebehind_dead_total",
			"Writes that became dead letters, by reason.", labels);
	}
	wb_counter_add(r->metrics.dead[w->reason], 1);
}

static void gather_tracked(struct wb_result_batch *batch, const struct wb_write *w)
{
	struct wb_slice job = wb_slice(w->job, WB_JOB_ID_LEN);

	wb_result_batch_add_job(batch, job, w->seq, w->outcome, w->request_charge);
	if (w->outcome == WB_DEAD) {
		const struct wb_result_failure failure = { .seq = w->seq,
			.id = w->id,
			.reason = w->reason,
			.status = w->failure ? w->failure->status : 0,
			.letter_partition = w->letter_partition,
			.letter_offset = w->letter_offset };

		wb_result_batch_add_failure(batch, job, &failure);
	}
}

static void record_free(struct wb_results_record *record)
{
	wb_buf_release(&record->body);
	free(record);
}

static void on_results(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_results_record *record = arg;
	struct wb_recorder *r = record->recorder;

	if (ack->err == WB_OK) {
		for (struct wb_link *link = record->writes.head; link; link = link->next)
			wb_write_advance(wb_write_of(link), WB_WRITE_FINISHED);
		wb_handover_put(r->settings.finished, &record->writes);
		record_free(record);
	} else {
		wb_handover_put_one(&r->refused, &record->link);
	}
	atomic_fetch_sub(&r->on_their_way, 1);
}

static void send_results(struct wb_recorder *r, struct wb_results_record *record, int64_t now_ms)
{
	struct wb_kafka_record kafka = { .topic = r->settings.kafka->topic_results,
		.partition = record->partition,
		.value = wb_buf_slice(&record->body) };

	atomic_fetch_add(&r->on_their_way, 1);
	if (wb_kafka_producer_send(r->results, &kafka, on_results, record) == WB_OK) {
		wb_counter_add(r->metrics.records, 1);
		return;
	}
	atomic_fetch_sub(&r->on_their_way, 1);
	if (!r->resend.head)
		r->resend_at_ms = now_ms + RESEND_MS;
	wb_list_push(&r->resend, &record->link);
}

static void publish(struct wb_recorder *r, int32_t partition, int64_t now_ms)
{
	struct wb_gathering *g = &r->gatherings[partition];
	struct wb_results_record *record = wb_xcalloc(1, sizeof *record);

	record->recorder = r;
	record->partition = partition;
	wb_buf_init(&record->body, BODY_BYTES_MAX);
	wb_result_batch_encode(g->batch, wb_slice_cstr(r->settings.client_id), wb_clock_wall_ms(), &record->body);
	assert(wb_buf_status(&record->body) == WB_OK); /* it is published long before it is that large */
	wb_list_append(&record->writes, &g->writes);
	send_results(r, record, now_ms);
}

/* The outcome goes into the record of its partition; from here on the message is not needed. */
static void gather(struct wb_recorder *r, struct wb_write *w, int64_t now_ms)
{
	int32_t place = place_of(r, w);
	struct wb_gathering *g = &r->gatherings[place];

	if (!g->writes.head)
		g->since_ms = now_ms;
	if (w->tracked)
		gather_tracked(g->batch, w);
	else
		wb_result_batch_add_untracked(
			g->batch, wb_slice_cstr(w->assignment->topic), w->assignment->partition, w->offset, w->outcome);
	count_outcome(r, w);
	if (w->outcome == WB_DEAD)
		wb_recorder_log_dead(r, w, now_ms);
	r->settings.release_message(r->settings.message_arg, w);
	wb_write_advance(w, WB_WRITE_RECORDED);
	wb_list_push(&g->writes, &w->link);
	if (wb_result_batch_size(g->batch) >= RECORD_BYTES_MAX)
		publish(r, place, now_ms);
}

static void take_judged(struct wb_recorder *r, struct wb_write *w, int64_t now_ms)
{
	if (w->outcome == WB_DEAD && w->letter_partition == WB_LETTER_REFUSED) {
		wb_recorder_letter_refused(r, w, (enum wb_err)w->letter_offset, now_ms);
		return;
	}
	if (w->outcome == WB_DEAD && w->letter_partition < 0) {
		wb_recorder_send_letter(r, w, now_ms);
		return;
	}
	wb_recorder_letter_taken(r, w);
	if (r->partitions > 0) {
		gather(r, w, now_ms);
		return;
	}
	r->settings.detach_message(r->settings.message_arg, w);
	wb_list_push(&r->unplaced, &w->link);
}

static void publish_due(struct wb_recorder *r, int64_t now_ms)
{
	bool now = atomic_load(&r->hurry);

	for (int32_t p = 0; p < r->partitions; p++) {
		struct wb_gathering *g = &r->gatherings[p];

		if (g->writes.head && (now || now_ms - g->since_ms >= r->settings.interval_ms))
			publish(r, p, now_ms);
	}
}

static void send_again(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_list records = { 0 };
	struct wb_link *link;
	struct wb_write *w;

	while ((w = wb_delay_heap_pop_due(&r->delayed, now_ms)))
		wb_recorder_send_letter(r, w, now_ms);
	wb_handover_take(&r->refused, &records);
	if (records.head) {
		wb_counter_add(r->metrics.resent, (double)records.count);
		if (!r->resend.head)
			r->resend_at_ms = now_ms + RESEND_MS;
		wb_list_append(&r->resend, &records);
	}
	if (!r->resend.head || now_ms < r->resend_at_ms)
		return;
	wb_list_append(&records, &r->resend);
	while ((link = wb_list_pop(&records)))
		send_results(r, WB_CONTAINER_OF(link, struct wb_results_record, link), now_ms);
}

/* Results cannot be placed before the topic's partitions are known. */
static void learn_partitions(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_list unplaced = { 0 };
	struct wb_write *w;
	int32_t count;

	if (wb_kafka_producer_partitions(
		    r->results, r->settings.kafka->topic_results, PARTITIONS_WAIT_MS, &count, NULL) != WB_OK)
		return; /* asked again next time; "kafka" says what is wrong */
	r->gatherings = wb_xcalloc((size_t)count, sizeof *r->gatherings);
	for (int32_t p = 0; p < count; p++)
		r->gatherings[p].batch = wb_result_batch_new();
	r->partitions = count;
	wb_list_append(&unplaced, &r->unplaced);
	while ((w = wb_write_of(wb_list_pop(&unplaced))))
		gather(r, w, now_ms);
}

static void look_at_kafka(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_error why = { "" };
	bool up;

	if (now_ms < r->look_at_ms)
		return;
	r->look_at_ms = now_ms + LOOK_MS;
	up = wb_kafka_producer_up(r->results, &why);
	wb_health_set(r->settings.health, "kafka", up, why.text);
	if (up == r->complained) {
		r->complained = !up;
		if (up)
			wb_log_info(r->settings.log, "Kafka takes results and dead letters");
		else
			wb_log_warn(r->settings.log, "Kafka takes no results and dead letters; writes stay unfinished",
				WB_STR("why", why.text));
	}
}

/* How long nothing has to be done unless something comes. */
static int64_t pause_ms(const struct wb_recorder *r, int64_t now_ms)
{
	int64_t at_ms = now_ms + WAIT_MS;

	for (int32_t p = 0; p < r->partitions; p++) {
		const struct wb_gathering *g = &r->gatherings[p];

		if (g->writes.head && g->since_ms + r->settings.interval_ms < at_ms)
			at_ms = g->since_ms + r->settings.interval_ms;
	}
	if (wb_delay_heap_next_ms(&r->delayed) < at_ms)
		at_ms = wb_delay_heap_next_ms(&r->delayed);
	return at_ms > now_ms ? at_ms - now_ms : 0;
}

static bool has_work(const struct wb_recorder *r)
{
	bool gathered = false;

	for (int32_t p = 0; p < r->partitions; p++)
		gathered = gathered || r->gatherings[p].writes.head;
	return gathered || r->unplaced.head || r->delayed.count || r->resend.head || atomic_load(&r->on_their_way) > 0;
}

static void *recorder_loop(void *arg)
{
	struct wb_recorder *r = arg;

	for (;;) {
		struct wb_list in = { 0 };
		struct wb_write *w;
		int64_t now_ms = wb_clock_mono_ms();

		wb_handover_wait(&r->inbox, &in, pause_ms(r, now_ms));
		now_ms = wb_clock_mono_ms();
		if (!in.head && atomic_load(&r->stop) && (!has_work(r) || now_ms >= r->stop_deadline_ms))
			return NULL;
		if (r->partitions == 0)
			learn_partitions(r, now_ms);
		while ((w = wb_write_of(wb_list_pop(&in))))
			take_judged(r, w, now_ms);
		send_again(r, now_ms);
		publish_due(r, now_ms);
		look_at_kafka(r, now_ms);
	}
}

static void make_metrics(struct wb_recorder *r)
{
	struct wb_metrics *m = r->settings.metrics;

	for (int i = 0; i <= WB_DEAD; i++) {
		char labels[64];

		(void)snprintf(
			labels, sizeof labels, "outcome=\"%s\"", wb_outcome_text((enum wb_outcome)i)); /* they fit */
		r->metrics.outcomes[i] = wb_metrics_counter(m, "writebehind_outcomes_total",
			"What became of writes; a repeated delivery counts again.", labels);
	}
	r->metrics.records = wb_metrics_counter(
		m, "writebehind_results_records_total", "Records sent to the results topic.", "");
	r->metrics.resent = wb_metrics_counter(m, "writebehind_results_resent_total",
		"Results records and dead letters that Kafka did not take the first time.", "");
}

static bool make_producers(struct wb_recorder *r, struct wb_error *e)
{
	struct wb_kafka_producer_settings settings = { .client_id = r->settings.client_id,
		.linger_ms = 1,
		.delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
		.queue_bytes = QUEUE_BYTES };

	r->results = wb_kafka_producer_new(r->settings.kafka, &settings, r->settings.log, e);
	if (!r->results)
		return false;
	settings.compression = "zstd";
	settings.message_max_bytes = LETTER_BYTES_MAX;
	r->letters = wb_kafka_producer_new(r->settings.kafka, &settings, r->settings.log, e);
	return r->letters != NULL;
}

static void release(struct wb_recorder *r)
{
	wb_kafka_producer_free(&r->letters, 0);
	wb_kafka_producer_free(&r->results, 0);
	wb_handover_release(&r->inbox);
	wb_handover_release(&r->refused);
	for (int32_t p = 0; p < r->partitions; p++)
		wb_result_batch_free(&r->gatherings[p].batch);
	free(r->gatherings);
	wb_delay_heap_release(&r->delayed);
	wb_buf_release(&r->scratch);
	free(r->headers);
	free(r);
}

struct wb_recorder *wb_recorder_new(const struct wb_recorder_settings *settings, struct wb_error *e)
{
	struct wb_recorder *r = wb_xcalloc(1, sizeof *r);

	r->settings = *settings;
	r->refusal_said_ms = INT64_MIN / 2;
	wb_handover_init(&r->inbox, NULL, NULL);
	wb_handover_init(&r->refused, NULL, NULL);
	wb_buf_init(&r->scratch, 16 * 1024);
	if (!make_producers(r, e)) {
		release(r);
		return NULL;
	}
	make_metrics(r);
	wb_health_set(settings->health, "kafka", false, "no broker has answered yet");
	r->thread = wb_thread_start("recorder", recorder_loop, r);
	return r;
}

void wb_recorder_judged(struct wb_recorder *r, struct wb_list *batch)
{
	wb_handover_put(&r->inbox, batch);
}

void wb_recorder_hurry(struct wb_recorder *r, bool hurry)
{
	atomic_store(&r->hurry, hurry);
}

/* What was not acknowledged in time goes back as it is: it will be delivered again. */
static void give_up_all(struct wb_recorder *r)
{
	struct wb_list left = { 0 }, records = { 0 };
	struct wb_link *link;

	wb_handover_take(&r->inbox, &left);
	wb_list_append(&left, &r->unplaced);
	while (r->delayed.count > 0)
		wb_list_push(&left, &wb_delay_heap_pop_due(&r->delayed, INT64_MAX)->link);
	for (int32_t p = 0; p < r->partitions; p++)
		wb_list_append(&left, &r->gatherings[p].writes);
	wb_handover_take(&r->refused, &records);
	wb_list_append(&records, &r->resend);
	while ((link = wb_list_pop(&records))) {
		struct wb_results_record *record = WB_CONTAINER_OF(link, struct wb_results_record, link);

		wb_list_append(&left, &record->writes);
		record_free(record);
	}
	wb_handover_put(r->settings.finished, &left);
}

void wb_recorder_free(struct wb_recorder **r, int64_t timeout_ms)
{
	struct wb_recorder *old = *r;

	if (!old)
		return;
	wb_recorder_hurry(old, true);
	old->stop_deadline_ms = wb_clock_mono_ms() + timeout_ms;
	atomic_store(&old->stop, true);
	wb_thread_join(old->thread);
	wb_kafka_producer_free(&old->letters, 0);
	wb_kafka_producer_free(&old->results, 0);
	give_up_all(old);
	release(old);
	*r = NULL;
}
