#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Records of one round, so that completions and the group are looked at in between. */
#define ROUND_RECORDS 2000
#define COMPLAIN_MS   60000
/* Of a record, before it is its turn; and of its headers, which follow its value. */
#define PREFETCHED_BYTES        2048
#define PREFETCHED_HEADER_BYTES 256

void wb_poller_bury(struct wb_poller *p, struct wb_write *w, enum wb_reason reason, const struct wb_error *why)
{
	wb_write_note_failure(w, 0, 0, wb_slice(NULL, 0), wb_slice_cstr(why->text), wb_clock_wall_ms());
	w->outcome = WB_DEAD;
	w->reason = reason;
	wb_write_advance(w, WB_WRITE_JUDGED);
	wb_list_push(&p->dead, &w->link);
}

/* Of a known container: to the worker that owns its item, or dead. What is too large is never sent, but its item is known,
 * so that its worker reads how the item stands in its turn. */
static void route(struct wb_poller *p, struct wb_write *w, struct wb_target *t, const struct wb_record_meta *meta)
{
	const struct wb_decode_settings *settings = &wb_poller_partition_of(w)->topic->decode;
	struct wb_error why = { "" };
	struct wb_epk epk;
	enum wb_reason reason = wb_decode_document(
		settings, meta, wb_container_definition(t->container), &p->scratch, w, &epk, &why);

	if (reason != WB_REASON_NONE && reason != WB_REASON_TOO_LARGE) {
		wb_poller_bury(p, w, reason, &why);
		return;
	}
	if (reason == WB_REASON_TOO_LARGE) {
		wb_write_note_failure(w, 0, 0, wb_slice(NULL, 0), wb_slice_cstr(why.text), wb_clock_wall_ms());
		w->step = WB_STEP_READ;
		w->reason = reason;
	}
	wb_poller_enter_target(t, w);
	w->range = wb_container_route(t->container, &epk);
	wb_list_push(&p->to_worker[wb_container_worker(t->container, &epk)], &w->link);
}

void wb_poller_decode(struct wb_poller *p, struct wb_write *w)
{
	const struct wb_decode_settings *settings = &wb_poller_partition_of(w)->topic->decode;
	struct wb_decode_target target;
	struct wb_record_meta meta;
	struct wb_error why = { "" };
	enum wb_reason reason = wb_decode_target(
		settings, w->original->headers, w->original->header_count, w, &meta, &target, &why);
	struct wb_target *t;

	if (reason != WB_REASON_NONE) {
		wb_poller_bury(p, w, reason, &why);
		return;
	}
	t = wb_poller_target(p, target.database, target.container);
	switch (wb_poller_way(p, t)) {
	case WB_WAY_SEND:
		route(p, w, t, &meta);
		break;
	case WB_WAY_PARK:
		wb_poller_park(t, w);
		break;
	case WB_WAY_BURY:
		wb_poller_bury_missing(p, w);
		break;
	}
}

static struct wb_slice bytes(const void *data, size_t len)
{
	return wb_slice(data, data ? len : 0);
}

/* Fills p->headers; returns how many there are. */
static size_t read_headers(struct wb_poller *p, const rd_kafka_message_t *message)
{
	size_t count = wb_kafka_message_headers(message, p->headers, p->headers_max);

	if (count > p->headers_max) {
		p->headers_max = count;
		p->headers = wb_xrealloc(p->headers, count * sizeof *p->headers);
		count = wb_kafka_message_headers(message, p->headers, p->headers_max);
	}
	return count;
}

static void enter_partition(struct wb_partition *part, struct wb_write *w)
{
	w->assignment = &part->assignment;
	w->read_before = part->newest;
	if (part->newest)
		part->newest->read_after = w;
	else
		part->first = w;
	part->newest = w;
	part->out++;
}

/* Takes the message over. */
static void take_record(struct wb_poller *p, struct wb_partition *part, rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	struct wb_write *w = wb_write_pool_take(&p->writes);
	size_t headers = read_headers(p, message);

	w->key = bytes(message->key, message->key_len);
	w->value = bytes(message->payload, message->len);
	w->original = wb_original_new(&p->originals, &w->key, &w->value, p->headers, headers, &w->original_bytes);
	wb_offsets_delivered(part->offsets, message->offset);
	enter_partition(part, w);
	w->offset = message->offset;
	w->read_ms = p->turn_ms;
	w->timestamp_ms = rd_kafka_message_timestamp(message, &type);
	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		w->timestamp_ms = -1;
	p->writes_out++;
	p->uncounted_records++;
	p->uncounted_bytes += (int64_t)(message->key_len + message->len);
	rd_kafka_message_destroy(message);
	wb_poller_decode(p, w);
	if (wb_offsets_gap(part->offsets) >= (size_t)p->settings.options->max_offset_gap)
		wb_poller_pause(p, part);
}

static struct wb_partition *partition_of(const struct wb_poller *p, const rd_kafka_message_t *message)
{
	return message->rkt ? wb_poller_ours(p, rd_kafka_topic_name(message->rkt), message->partition) : NULL;
}

static void take_error(struct wb_poller *p, const rd_kafka_message_t *message)
{
	struct wb_partition *part = partition_of(p, message);
	int64_t now_ms = wb_clock_mono_ms();

	/* All that can be read was delivered, so what is left before the end are holes: marks of transactions, aborted
	 * records, records that compaction took. The position goes behind them, or one day they would look lost. */
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (part && !part->revoked && !part->lost)
			wb_offsets_skipped(part->offsets, message->offset);
		return;
	}
	if (message->err == RD_KAFKA_RESP_ERR__FATAL) {
		wb_poller_note_fatal(p);
		return;
	}
	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part) {
		wb_poller_lost_range(p, part);
		return;
	}
	if (p->complained_ms && now_ms - p->complained_ms < COMPLAIN_MS)
		return;
	p->complained_ms = now_ms;
	wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("error", rd_kafka_err2name(message->err)),
		WB_STR("text", rd_kafka_message_errstr(message)),
		WB_STR("topic", message->rkt ? rd_kafka_topic_name(message->rkt) : ""),
		WB_INT("partition", message->partition));
}

void wb_poller_take_message(struct wb_poller *p, rd_kafka_message_t *message)
{
	struct wb_partition *part;

	if (message->err) {
		take_error(p, message);
		rd_kafka_message_destroy(message);
		return;
	}
	part = partition_of(p, message);
	/* Nothing new of a revoked partition; and what was delivered once under this assignment is on its way. */
	if (!part || part->revoked || message->offset < wb_offsets_next(part->offsets)) {
		wb_counter_add(p->metrics.redelivered, 1);
		rd_kafka_message_destroy(message);
		return;
	}
	take_record(p, part, message);
}

/* Another thread received it, and others had the memory that it is copied to, so this one's cache has neither: they come
 * while the message before is worked on. */
static void expect(const struct wb_poller *p, const rd_kafka_message_t *message)
{
	size_t len = message->len + PREFETCHED_HEADER_BYTES;

	if (message->payload)
		wb_prefetch(message->payload, len < PREFETCHED_BYTES ? len : PREFETCHED_BYTES);
	wb_originals_expect(&p->originals, message->len + message->key_len);
	wb_write_pool_expect(&p->writes);
}

/* The next message, as far as there is one and room for it. */
static rd_kafka_message_t *next_message(struct wb_poller *p, unsigned count)
{
	rd_kafka_message_t *message;

	if (!p->more || count >= ROUND_RECORDS || wb_poller_held_bytes(p) >= p->read_limit_bytes)
		return NULL;
	message = rd_kafka_consume_queue(p->data_queue, 0);
	if (!message) {
		p->more = false;
		return NULL;
	}
	p->unnudged_bytes += (int64_t)(message->len + message->key_len);
	expect(p, message);
	return message;
}

bool wb_poller_read(struct wb_poller *p)
{
	rd_kafka_message_t *message, *next;
	unsigned count = 0;

	if (p->draining)
		return false;
	for (message = next_message(p, 0); message; message = next) {
		next = next_message(p, ++count);
		wb_poller_take_message(p, message);
	}
	/* Full again and again while there is much to read; and perhaps full when it was last looked at. */
	if (p->unnudged_bytes >= p->queue_bytes / 2 || (!p->more && p->unnudged_bytes >= p->queue_bytes / 8))
		wb_poller_nudge(p);
	return count > 0;
}

void wb_poller_submit(struct wb_poller *p)
{
	if (p->uncounted_records > 0) {
		wb_counter_add(p->metrics.records, (double)p->uncounted_records);
		wb_counter_add(p->metrics.bytes, (double)p->uncounted_bytes);
		p->uncounted_records = p->uncounted_bytes = 0;
	}
	for (int64_t i = 0; i < p->settings.options->workers; i++) {
		if (p->to_worker[i].head)
			wb_worker_submit(p->workers[i], &p->to_worker[i]);
	}
	if (p->dead.head)
		wb_recorder_judged(p->recorder, &p->dead);
}
