#include "consumer/recorder_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_BYTES_MAX   (256 * 1024) /* the results topic takes 1 MB */
#define BODY_BYTES_MAX     (8 * 1024 * 1024)
#define STUCK_MS           1000
#define PARTITIONS_WAIT_MS 500

/* Writes come in runs of one job, or of one partition: what the last one's place was is mostly the answer. */
static int32_t place_of_job(struct wb_recorder *r, const struct wb_write *w)
{
	struct wb_last_place *last = &r->last_job;

	if (memcmp(last->job, w->job, WB_JOB_ID_LEN) != 0) {
		memcpy(last->job, w->job, sizeof w->job);
		last->place = wb_murmur2_partition(wb_slice(w->job, WB_JOB_ID_LEN), r->partitions);
	}
	return last->place;
}

static int32_t place_of(struct wb_recorder *r, const struct wb_write *w)
{
	const struct wb_assignment *a = w->assignment;
	struct wb_last_place *last = &r->last_origin;
	char name[320];
	int len;

	if (w->tracked)
		return place_of_job(r, w);
	if (last->topic == a->topic && last->partition == a->partition)
		return last->place;
	len = snprintf(name, sizeof name, "%s/%d", a->topic, (int)a->partition);
	assert(len > 0 && (size_t)len < sizeof name); /* a topic's name has at most 249 bytes */
	last->topic = a->topic;
	last->partition = a->partition;
	last->place = wb_murmur2_partition(wb_slice(name, (size_t)len), r->partitions);
	return last->place;
}

void wb_recorder_count_outcomes(struct wb_recorder *r)
{
	for (int i = 0; i <= WB_DEAD; i++) {
		if (r->uncounted[i] > 0)
			wb_counter_add(r->metrics.outcomes[i], (double)r->uncounted[i]);
		r->uncounted[i] = 0;
		wb_tally_tell(&r->metrics.end_to_end[i]);
	}
}

/* The producer's clock may be ahead of ours. */
static double seconds_since(const struct wb_recorder *r, int64_t timestamp_ms)
{
	return r->wall_ms > timestamp_ms ? (double)(r->wall_ms - timestamp_ms) * 0.001 : 0;
}

static void count_outcome(struct wb_recorder *r, const struct wb_write *w)
{
	r->uncounted[w->outcome]++;
	if (w->timestamp_ms >= 0)
		wb_tally_observe(&r->metrics.end_to_end[w->outcome], seconds_since(r, w->timestamp_ms));
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

static void add_tracked(struct wb_result_batch *batch, const struct wb_write *w)
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

static void add(struct wb_result_batch *batch, const struct wb_write *w)
{
	if (w->tracked)
		add_tracked(batch, w);
	else
		wb_result_batch_add_untracked(
			batch, wb_slice_cstr(w->assignment->topic), w->assignment->partition, w->offset, w->outcome);
}

static struct wb_results_record *record_new(
	struct wb_recorder *r, int32_t partition, struct wb_result_batch *batch, struct wb_list *writes)
{
	struct wb_results_record *record = wb_xcalloc(1, sizeof *record);

	record->recorder = r;
	record->partition = partition;
	wb_buf_init(&record->body, BODY_BYTES_MAX);
	wb_result_batch_encode(batch, wb_slice_cstr(r->settings.client_id), wb_clock_wall_ms(), &record->body);
	assert(wb_buf_status(&record->body) == WB_OK); /* it is published long before it is that large */
	wb_list_append(&record->writes, writes);
	return record;
}

static void record_free(struct wb_results_record *record)
{
	if (record->refused)
		atomic_fetch_sub(&record->recorder->results_refusals.open, 1);
	wb_buf_release(&record->body);
	free(record);
}

static void on_results(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_results_record *record = arg;
	struct wb_recorder *r = record->recorder;

	if (ack->err == WB_OK) {
		wb_handover_put(r->settings.finished, &record->writes);
		record_free(record);
		atomic_store(&r->results_taken, true);
	} else {
		wb_refusals_hear(&r->results_refusals, ack);
		record->err = ack->err;
		wb_handover_put_one(&r->refused, &record->link);
	}
	atomic_fetch_sub(&r->on_their_way, 1);
}

/* Two records of half the writes each, instead of one that is too large for the topic by itself. */
static void split(struct wb_recorder *r, struct wb_results_record *record)
{
	size_t half = record->writes.count / 2;

	while (record->writes.head) {
		struct wb_result_batch *batch = wb_result_batch_new();
		struct wb_results_record *part;
		struct wb_list writes = { 0 };

		while (record->writes.head && (writes.count < half || half == 0)) {
			struct wb_write *w = wb_write_of(wb_list_pop(&record->writes));

			add(batch, w);
			wb_list_push(&writes, &w->link);
		}
		half = 0;
		part = record_new(r, record->partition, batch, &writes);
		part->alone = true;
		wb_list_push(&r->resend, &part->link);
		wb_result_batch_free(&batch);
	}
	record_free(record);
}

static void tell(struct wb_recorder *r, const struct wb_results_record *record, int64_t now_ms)
{
	struct wb_refusals *f = &r->results_refusals;
	const struct wb_write *w = wb_write_of(record->writes.head);
	char why[512], words[200];

	wb_refusals_words(f, record->err, words, sizeof words);
	(void)snprintf(why, sizeof why, "%s/%d does not take outcomes, such as that of %s/%d offset %lld: %s",
		r->settings.kafka->topic_results, (int)record->partition, w->assignment->topic,
		(int)w->assignment->partition, (long long)w->offset, words); /* cutting is meant */
	f->told = true;
	wb_health_set(r->settings.health, f->condition, false, why);
	if (wb_refusals_say(f, now_ms))
		wb_log_error(r->settings.log, "outcomes are refused; their writes stay unfinished", WB_STR("why", why),
			WB_INT("refused_records", atomic_load(&f->open)));
}

static void refuse(struct wb_recorder *r, struct wb_results_record *record, int64_t now_ms)
{
	bool too_big = record->err == WB_ETOOBIG;

	wb_counter_add(r->metrics.resent, 1);
	if (too_big && !record->alone) {
		record->alone = true;
		wb_list_push(&r->resend, &record->link);
		return;
	}
	if (too_big && record->writes.count > 1) {
		split(r, record);
		return;
	}
	if (!record->refused)
		atomic_fetch_add(&r->results_refusals.open, 1);
	record->refused = true;
	tell(r, record, now_ms);
	if (too_big || record->err == WB_EINVAL) {
		if (!r->stuck.head)
			r->stuck_until_ms = now_ms + STUCK_MS;
		wb_list_push(&r->stuck, &record->link);
		return;
	}
	if (record->err != WB_ETIMEDOUT)
		wb_valve_shut(&r->results_valve, now_ms);
	wb_list_push(&r->resend, &record->link);
}

static enum wb_err send_record(struct wb_recorder *r, struct wb_results_record *record, int64_t now_ms)
{
	struct wb_kafka_producer *producer = record->alone ? wb_recorder_lone_producer(r, now_ms) : r->results;
	struct wb_kafka_record kafka = { .topic = r->settings.kafka->topic_results,
		.partition = record->partition,
		.value = wb_buf_slice(&record->body) };
	enum wb_err err;

	if (!producer)
		return WB_EFULL;
	atomic_fetch_add(&r->on_their_way, 1);
	err = wb_kafka_producer_send(producer, &kafka, on_results, record);
	if (err == WB_OK)
		wb_counter_add(r->metrics.records, 1);
	else
		atomic_fetch_sub(&r->on_their_way, 1);
	return err;
}

/* Sends what waits, as far as Kafka takes it. */
static void send_waiting(struct wb_recorder *r, int64_t now_ms)
{
	while (r->resend.head && wb_valve_lets(&r->results_valve, now_ms)) {
		struct wb_results_record *record = WB_CONTAINER_OF(
			wb_list_pop(&r->resend), struct wb_results_record, link);
		enum wb_err err = send_record(r, record, now_ms);

		if (err == WB_EFULL || err == WB_ECLOSED) {
			wb_list_push_front(&r->resend, &record->link);
			return;
		}
		if (err != WB_OK) {
			record->err = err;
			refuse(r, record, now_ms);
		}
		if (!wb_valve_sent(&r->results_valve, now_ms))
			return;
	}
}

void wb_recorder_resend_results(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_list refused = { 0 };
	struct wb_link *link;

	if (atomic_exchange(&r->results_taken, false))
		r->results_valve.shut = false;
	wb_handover_take(&r->refused, &refused);
	while ((link = wb_list_pop(&refused)))
		refuse(r, WB_CONTAINER_OF(link, struct wb_results_record, link), now_ms);
	if (r->stuck.head && now_ms >= r->stuck_until_ms)
		wb_list_append(&r->resend, &r->stuck);
	send_waiting(r, now_ms);
	wb_refusals_look(r, &r->results_refusals);
}

static void publish(struct wb_recorder *r, int32_t partition)
{
	struct wb_gathering *g = &r->gatherings[partition];
	struct wb_results_record *record = record_new(r, partition, g->batch, &g->writes);

	wb_list_push(&r->resend, &record->link);
}

void wb_recorder_gather(struct wb_recorder *r, struct wb_write *w, int64_t now_ms)
{
	int32_t place = place_of(r, w);
	struct wb_gathering *g = &r->gatherings[place];

	if (!g->writes.head)
		g->since_ms = now_ms;
	add(g->batch, w);
	count_outcome(r, w);
	if (w->outcome == WB_DEAD)
		wb_recorder_log_dead(r, w, now_ms);
	wb_write_advance(w, WB_WRITE_RECORDED);
	wb_list_push(&g->writes, &w->link);
	if (wb_result_batch_size(g->batch) >= RECORD_BYTES_MAX)
		publish(r, place);
}

void wb_recorder_publish_due(struct wb_recorder *r, int64_t now_ms)
{
	bool now = atomic_load(&r->hurry);

	if (wb_recorder_results_held(r))
		return;
	for (int32_t p = 0; p < r->partitions; p++) {
		struct wb_gathering *g = &r->gatherings[p];

		if (g->writes.head && (now || now_ms - g->since_ms >= r->settings.interval_ms))
			publish(r, p);
	}
	send_waiting(r, now_ms);
}

void wb_recorder_learn_partitions(struct wb_recorder *r, int64_t now_ms)
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
		wb_recorder_gather(r, w, now_ms);
}

void wb_recorder_give_up_results(struct wb_recorder *r, struct wb_list *ret)
{
	struct wb_list records = { 0 };
	struct wb_link *link;

	wb_list_append(ret, &r->unplaced);
	for (int32_t p = 0; p < r->partitions; p++)
		wb_list_append(ret, &r->gatherings[p].writes);
	wb_handover_take(&r->refused, &records);
	wb_list_append(&records, &r->resend);
	wb_list_append(&records, &r->stuck);
	while ((link = wb_list_pop(&records))) {
		struct wb_results_record *record = WB_CONTAINER_OF(link, struct wb_results_record, link);

		wb_list_append(ret, &record->writes);
		record_free(record);
	}
}
