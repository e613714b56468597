#include "consumer/recorder_internal.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define AGAIN_MS         500
#define AGAIN_OWN_MAX_MS 8000 /* of what is the letter's own fault */
#define AGAIN_MAX_MS     2000 /* of what may pass for all of them at any moment */
#define LINES_PER_SECOND 10

static enum wb_dead_letter_form form_of(const struct wb_write *w)
{
	return w->letter_step == WB_LETTER_LEAST    ? WB_DEAD_LETTER_LEAST
		: w->letter_step == WB_LETTER_SHORT ? WB_DEAD_LETTER_SHORT
						    : WB_DEAD_LETTER_FULL;
}

static struct wb_dead_letter facts_of(const struct wb_recorder *r, const struct wb_write *w)
{
	const struct wb_write_failure *f = w->failure;

	return (struct wb_dead_letter){
		.form = form_of(w),
		.reason = w->reason,
		.status = f ? f->status : 0,
		.substatus = f ? f->substatus : 0,
		.message = wb_slice_cstr(f && f->message[0] ? f->message : wb_reason_text(w->reason)),
		.activity_id = wb_slice_cstr(f && f->activity_id[0] ? f->activity_id : NULL),
		.attempts = w->attempts,
		.first_at_ms = w->first_failure_ms,
		.request_charge = w->request_charge,
		.item_etag = wb_slice_cstr(f && f->item_etag[0] ? f->item_etag : "unknown"),
		.origin_topic = wb_slice_cstr(w->assignment->topic),
		.origin_partition = w->assignment->partition,
		.origin_offset = w->offset,
		.origin_timestamp_ms = w->timestamp_ms,
		.consumer = wb_slice_cstr(r->settings.client_id),
	};
}

/* The original's headers, then ours, in r->headers. Returns how many. */
static size_t letter_headers(struct wb_recorder *r, const struct wb_write *w)
{
	struct wb_dead_letter facts = facts_of(r, w);
	size_t count = w->original->header_count;

	if (count + WB_DEAD_LETTER_HEADERS_MAX > r->headers_max) {
		r->headers_max = count + WB_DEAD_LETTER_HEADERS_MAX;
		r->headers = wb_xrealloc(r->headers, r->headers_max * sizeof *r->headers);
	}
	if (count)
		memcpy(r->headers, w->original->headers, count * sizeof *r->headers);
	wb_buf_clear(&r->scratch);
	return count + wb_dead_letter_headers(&facts, &r->scratch, r->headers + count);
}

static void on_letter(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_write *w = arg;
	struct wb_recorder *r = w->owner;

	if (ack->err != WB_OK)
		wb_refusals_hear(&r->letters_refusals, ack);
	w->letter_partition = ack->err == WB_OK ? ack->partition : WB_LETTER_REFUSED;
	w->letter_offset = ack->err == WB_OK ? ack->offset : (int64_t)ack->err;
	wb_handover_put_one(&r->inbox, &w->link);
	atomic_fetch_sub(&r->on_their_way, 1);
}

static struct wb_letter_lane *lane_of(struct wb_recorder *r, const struct wb_write *w)
{
	return w->letter_step == WB_LETTER_TOGETHER ? &r->together : &r->alone;
}

void wb_recorder_wait_for_lane(struct wb_recorder *r, struct wb_write *w)
{
	w->letter_partition = -1;
	wb_list_push(&lane_of(r, w)->waiting, &w->link);
}

static enum wb_err send_letter(struct wb_recorder *r, struct wb_kafka_producer *producer, struct wb_write *w)
{
	struct wb_kafka_record record = {
		.topic = r->settings.kafka->topic_dead_letters, .partition = -1, .key = w->key, .value = w->value
	};
	enum wb_err err;

	record.header_count = letter_headers(r, w);
	record.headers = r->headers;
	w->owner = r;
	atomic_fetch_add(&r->on_their_way, 1);
	err = wb_kafka_producer_send(producer, &record, on_letter, w);
	if (err != WB_OK)
		atomic_fetch_sub(&r->on_their_way, 1);
	return err;
}

static void send_lane(struct wb_recorder *r, struct wb_letter_lane *lane, int64_t now_ms)
{
	while (lane->waiting.head && wb_valve_lets(&lane->valve, now_ms)) {
		struct wb_write *w = wb_write_of(wb_list_pop(&lane->waiting));
		enum wb_err err = send_letter(r, lane->producer, w);

		if (err == WB_EFULL || err == WB_ECLOSED) {
			wb_list_push_front(&lane->waiting, &w->link);
			return;
		}
		if (err != WB_OK)
			wb_recorder_letter_refused(r, w, err, now_ms);
		if (!wb_valve_sent(&lane->valve, now_ms))
			return;
	}
}

void wb_recorder_send_letters(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_write *w;

	while ((w = wb_delay_heap_pop_due(&r->delayed, now_ms)))
		wb_recorder_wait_for_lane(r, w);
	r->together.producer = r->letters;
	send_lane(r, &r->together, now_ms);
	if (r->alone.waiting.head)
		r->alone.producer = wb_recorder_lone_producer(r, now_ms);
	if (r->alone.producer)
		send_lane(r, &r->alone, now_ms);
}

/* Which record it is and what it was to write, for a person who has to act. */
static void tell(struct wb_recorder *r, const struct wb_write *w, enum wb_err err, int64_t now_ms)
{
	struct wb_refusals *f = &r->letters_refusals;
	char why[512], words[200];

	wb_refusals_words(f, err, words, sizeof words);
	(void)snprintf(why, sizeof why, "%s does not take the letter of %s/%d offset %lld: %s",
		r->settings.kafka->topic_dead_letters, w->assignment->topic, (int)w->assignment->partition,
		(long long)w->offset, words); /* cutting is meant */
	f->told = true;
	wb_health_set(r->settings.health, f->condition, false, why);
	if (wb_refusals_say(f, now_ms))
		wb_log_error(r->settings.log, "a dead letter is refused; its partition cannot go on",
			WB_STR("why", why), WB_STR("topic", w->assignment->topic),
			WB_INT("partition", w->assignment->partition), WB_INT("offset", w->offset),
			WB_SLICE("id", w->id), WB_SLICE("partition_key", w->pk_text),
			WB_INT("refused", atomic_load(&f->open)), WB_TRACEPARENT(w));
}

static int64_t backoff_ms(const struct wb_write *w, bool own_fault)
{
	unsigned doubled = w->letter_refusals < 8 ? w->letter_refusals - 1 : 7;

	if (!own_fault)
		return w->letter_refusals <= 4 ? AGAIN_MS : AGAIN_MAX_MS;
	return AGAIN_MS << doubled < AGAIN_OWN_MAX_MS ? AGAIN_MS << doubled : AGAIN_OWN_MAX_MS;
}

void wb_recorder_letter_refused(struct wb_recorder *r, struct wb_write *w, enum wb_err err, int64_t now_ms)
{
	bool own_fault = err == WB_ETOOBIG || err == WB_ETIMEDOUT || err == WB_EINVAL;

	wb_counter_add(r->metrics.resent, 1);
	if (err == WB_ETOOBIG && w->letter_step < WB_LETTER_LEAST) {
		w->letter_step++;
		wb_recorder_wait_for_lane(r, w);
		return;
	}
	if (!own_fault)
		wb_valve_shut(&lane_of(r, w)->valve, now_ms);
	w->letter_partition = -1;
	if (w->letter_refusals++ == 0)
		wb_gauge_set(r->metrics.refused_letters, atomic_fetch_add(&r->letters_refusals.open, 1) + 1);
	tell(r, w, err, now_ms);
	w->not_before_ms = now_ms + backoff_ms(w, own_fault);
	wb_delay_heap_push(&r->delayed, w);
}

/* Kafka takes letters again: those that waited for themselves may have been refused for the same reason. */
static void open_lane(struct wb_recorder *r, struct wb_letter_lane *lane)
{
	struct wb_write *w;

	if (!lane->valve.shut)
		return;
	lane->valve.shut = false;
	while ((w = wb_delay_heap_pop_due(&r->delayed, INT64_MAX)))
		wb_recorder_wait_for_lane(r, w);
}

void wb_recorder_letter_taken(struct wb_recorder *r, struct wb_write *w)
{
	enum wb_dead_letter_form form = form_of(w);

	open_lane(r, lane_of(r, w));
	if (form != WB_DEAD_LETTER_FULL)
		wb_counter_add(r->metrics.trimmed[form], 1);
	if (w->letter_refusals == 0)
		return;
	w->letter_refusals = 0;
	wb_gauge_set(r->metrics.refused_letters, atomic_fetch_sub(&r->letters_refusals.open, 1) - 1);
}

void wb_recorder_log_dead(struct wb_recorder *r, const struct wb_write *w, int64_t now_ms)
{
	if (now_ms - r->said_ms >= 1000) {
		r->said_ms = now_ms;
		r->said = 0;
	}
	if (r->said >= LINES_PER_SECOND) {
		r->unsaid++;
		return;
	}
	r->said++;
	wb_log_warn(r->settings.log, "dead letter", WB_STR("reason", wb_reason_text(w->reason)),
		WB_STR("topic", w->assignment->topic), WB_INT("partition", w->assignment->partition),
		WB_INT("offset", w->offset), WB_INT("status", w->failure ? w->failure->status : 0),
		WB_STR("job", w->tracked ? w->job : ""), WB_INT("letter_partition", w->letter_partition),
		WB_INT("letter_offset", w->letter_offset), WB_INT("not_logged", r->unsaid), WB_TRACEPARENT(w));
	r->unsaid = 0;
}
