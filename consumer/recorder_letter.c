#include "consumer/recorder_internal.h"

#include "common/base/mem.h"
#include "common/contract/dead_letter.h"

#include <stdio.h>
#include <stdlib.h>

#define AGAIN_MS         500
#define FULL_MS          50
#define LINES_PER_SECOND 10
#define SAY_AGAIN_MS     60000

static struct wb_dead_letter facts_of(const struct wb_recorder *r, const struct wb_write *w)
{
	const struct wb_write_failure *f = w->failure;

	return (struct wb_dead_letter){
		.reason = w->reason,
		.status = f ? f->status : 0,
		.substatus = f ? f->substatus : 0,
		.message = wb_slice_cstr(f && f->message[0] ? f->message : wb_reason_text(w->reason)),
		.activity_id = wb_slice_cstr(f && f->activity_id[0] ? f->activity_id : NULL),
		.attempts = w->attempts,
		.first_at_ms = w->first_failure_ms,
		.request_charge = w->request_charge,
		.item_etag = wb_slice_cstr("unknown"),
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
	void *arg = r->settings.message_arg;
	size_t count = r->settings.message_headers(arg, w, r->headers, r->headers_max);

	if (count + WB_DEAD_LETTER_HEADERS_MAX > r->headers_max) {
		r->headers_max = count + WB_DEAD_LETTER_HEADERS_MAX;
		r->headers = wb_xrealloc(r->headers, r->headers_max * sizeof *r->headers);
		count = r->settings.message_headers(arg, w, r->headers, r->headers_max);
	}
	wb_buf_clear(&r->scratch);
	return count + wb_dead_letter_headers(&facts, &r->scratch, r->headers + count);
}

static void on_letter(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_write *w = arg;
	struct wb_recorder *r = w->owner;

	w->letter_partition = ack->err == WB_OK ? ack->partition : WB_LETTER_REFUSED;
	w->letter_offset = ack->err == WB_OK ? ack->offset : (int64_t)ack->err;
	wb_handover_put_one(&r->inbox, &w->link);
	atomic_fetch_sub(&r->on_their_way, 1);
}

void wb_recorder_send_letter(struct wb_recorder *r, struct wb_write *w, int64_t now_ms)
{
	struct wb_kafka_record record = { .topic = r->settings.kafka->topic_dead_letters, .partition = -1 };
	enum wb_err err;

	/* It waits for its acknowledgement, or for its next try, as long as Kafka takes. */
	r->settings.detach_message(r->settings.message_arg, w);
	record.key = w->key;
	record.value = w->value;
	record.header_count = letter_headers(r, w);
	record.headers = r->headers;
	w->letter_partition = -1;
	w->owner = r;
	atomic_fetch_add(&r->on_their_way, 1);
	err = wb_kafka_producer_send(r->letters, &record, on_letter, w);
	if (err == WB_OK)
		return;
	atomic_fetch_sub(&r->on_their_way, 1);
	if (err != WB_EFULL) {
		wb_recorder_letter_refused(r, w, err, now_ms);
		return;
	}
	w->not_before_ms = now_ms + FULL_MS;
	wb_delay_heap_push(&r->delayed, w);
}

void wb_recorder_letter_refused(struct wb_recorder *r, struct wb_write *w, enum wb_err err, int64_t now_ms)
{
	char why[512];

	r->refused_letters += !w->letter_refused;
	w->letter_refused = true;
	w->letter_partition = -1;
	w->not_before_ms = now_ms + AGAIN_MS;
	wb_counter_add(r->metrics.resent, 1);
	(void)snprintf(why, sizeof why, "%s does not take the letter of %s/%d offset %lld: %s",
		r->settings.kafka->topic_dead_letters, w->assignment->topic, (int)w->assignment->partition,
		(long long)w->offset, wb_err_text(err)); /* cutting is meant */
	wb_health_set(r->settings.health, "letters", false, why);
	if (now_ms - r->refusal_said_ms >= SAY_AGAIN_MS) {
		r->refusal_said_ms = now_ms;
		wb_log_error(r->settings.log, "a dead letter is refused; its partition cannot go on",
			WB_STR("why", why), WB_INT("refused", r->refused_letters));
	}
	wb_delay_heap_push(&r->delayed, w);
}

void wb_recorder_letter_taken(struct wb_recorder *r, struct wb_write *w)
{
	if (!w->letter_refused)
		return;
	w->letter_refused = false;
	if (--r->refused_letters == 0)
		wb_health_set(r->settings.health, "letters", true, "");
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
		WB_INT("letter_offset", w->letter_offset), WB_INT("not_logged", r->unsaid));
	r->unsaid = 0;
}
