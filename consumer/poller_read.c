#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Records of one round, so that completions and the group are looked at in between. */
#define ROUND_RECORDS 2000
#define COMPLAIN_MS   60000

struct wb_target *wb_poller_target(struct wb_poller *p, struct wb_slice database, struct wb_slice name)
{
	struct wb_target *t = p->last_target;

	if (t && wb_slice_eq_cstr(name, t->name) && wb_slice_eq_cstr(database, t->database))
		return t;
	for (t = p->targets; t; t = t->next) {
		if (wb_slice_eq_cstr(name, t->name) && wb_slice_eq_cstr(database, t->database))
			break;
	}
	if (!t) {
		t = wb_xcalloc(1, sizeof *t);
		t->database = wb_xmemdup(database.data, database.len);
		t->name = wb_xmemdup(name.data, name.len);
		t->container = wb_metadata_container(p->metadata, database, name);
		t->next = p->targets;
		p->targets = t;
	}
	p->last_target = t;
	return t;
}

void wb_poller_free_targets(struct wb_poller *p)
{
	while (p->targets) {
		struct wb_target *t = p->targets;

		p->targets = t->next;
		free(t->database);
		free(t->name);
		free(t);
	}
}

/* It can never be a write: dead without having been sent. */
static void bury(struct wb_poller *p, struct wb_write *w, enum wb_reason reason, const struct wb_error *why)
{
	wb_write_note_failure(w, 0, 0, wb_slice(NULL, 0), wb_slice_cstr(why->text), wb_clock_wall_ms());
	w->outcome = WB_DEAD;
	w->reason = reason;
	wb_write_advance(w, WB_WRITE_JUDGED);
	wb_list_push(&p->dead, &w->link);
}

/* Fills p->headers; returns how many there are. */
static size_t read_headers(struct wb_poller *p, const struct wb_write *w)
{
	size_t count = wb_poller_message_headers(p, w, p->headers, p->headers_max);

	if (count > p->headers_max) {
		p->headers_max = count;
		p->headers = wb_xrealloc(p->headers, count * sizeof *p->headers);
		count = wb_poller_message_headers(p, w, p->headers, p->headers_max);
	}
	return count;
}

/* Of a known container: to the worker that owns its range, or dead. */
static void route(struct wb_poller *p, struct wb_write *w, struct wb_target *t, const struct wb_record_meta *meta)
{
	const struct wb_pk_definition *definition = wb_container_definition(t->container);
	struct wb_error why = { "" };
	struct wb_epk epk;
	enum wb_reason reason = wb_decode_document(&p->decode, meta, definition, &p->scratch, w, &epk, &why);

	if (reason != WB_REASON_NONE) {
		bury(p, w, reason, &why);
		return;
	}
	w->container = t->container;
	w->range = wb_container_route(t->container, &epk);
	wb_list_push(&p->to_worker[w->range->worker], &w->link);
}

/* count: of its headers, in p->headers. parked: it waited for its container, which is known now. */
static void decode(struct wb_poller *p, struct wb_write *w, size_t count, bool parked)
{
	struct wb_decode_target target;
	struct wb_record_meta meta;
	struct wb_error why = { "" };
	enum wb_reason reason = wb_decode_target(&p->decode, p->headers, count, w, &meta, &target, &why);
	struct wb_target *t;

	if (reason != WB_REASON_NONE) {
		bury(p, w, reason, &why);
		return;
	}
	t = wb_poller_target(p, target.database, target.container);
	/* Behind writes that are still parked it parks too, so that the order stays. */
	if (!wb_container_known(t->container) || (t->parked.head && !parked)) {
		wb_poller_detach_message(p, w);
		wb_list_push(&t->parked, &w->link);
	} else {
		route(p, w, t, &meta);
	}
}

bool wb_poller_unpark(struct wb_poller *p)
{
	bool any = false;

	for (struct wb_target *t = p->targets; t; t = t->next) {
		struct wb_list parked = t->parked;
		struct wb_write *w;

		if (!parked.head || !wb_container_known(t->container))
			continue;
		t->parked = (struct wb_list){ 0 };
		any = true;
		while ((w = wb_write_of(wb_list_pop(&parked))))
			decode(p, w, read_headers(p, w), true);
	}
	return any;
}

void wb_poller_sweep_parked(struct wb_poller *p)
{
	for (struct wb_target *t = p->targets; t; t = t->next) {
		struct wb_list parked = t->parked;
		struct wb_write *w;

		t->parked = (struct wb_list){ 0 };
		while ((w = wb_write_of(wb_list_pop(&parked)))) {
			if (atomic_load(&w->assignment->ended))
				wb_poller_drop(p, w);
			else
				wb_list_push(&t->parked, &w->link);
		}
	}
}

static struct wb_slice bytes(const void *data, size_t len)
{
	return wb_slice(data, data ? len : 0);
}

/* Memory of the first count of p->headers: in the record, and once more, as librdkafka copies what is looked at. */
static size_t headers_bytes(const struct wb_poller *p, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += 2 * (p->headers[i].name.len + p->headers[i].value.len);
	return bytes;
}

static void take_record(struct wb_poller *p, struct wb_partition *part, rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;
	struct wb_write *w = wb_write_new();
	size_t headers;

	w->message = message;
	headers = read_headers(p, w);
	part->last = message->offset;
	wb_offsets_delivered(part->offsets, message->offset);
	part->out++;
	w->assignment = &part->assignment;
	w->offset = message->offset;
	w->timestamp_ms = rd_kafka_message_timestamp(message, &type);
	if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
		w->timestamp_ms = -1;
	w->key = bytes(message->key, message->key_len);
	w->value = bytes(message->payload, message->len);
	w->held_bytes = message->key_len + message->len + headers_bytes(p, headers);
	atomic_fetch_add(&p->held_bytes, (long long)(w->held_bytes + WB_WRITE_OVERHEAD_BYTES));
	wb_counter_add(p->metrics.records, 1);
	wb_counter_add(p->metrics.bytes, (double)(message->key_len + message->len));
	decode(p, w, headers, false);
	if (wb_offsets_gap(part->offsets) >= (size_t)p->settings.options->max_offset_gap)
		wb_poller_pause(p, part);
}

/* The record to read next is gone from the log: the partition stands still, since going on would hide a loss. */
static void lost_range(struct wb_poller *p, struct wb_partition *part)
{
	int64_t low = -1, high = -1;
	int64_t next = part->last >= 0 ? part->last + 1 : part->start;
	char why[200];

	part->lost = true;
	/* When the broker does not answer at once, the end of the lost range stays unsaid. */
	if (rd_kafka_query_watermark_offsets(
		    p->rk, part->assignment.topic, part->assignment.partition, &low, &high, 1000))
		low = -1;
	(void)snprintf(why, sizeof why, "%s/%d: records from offset %lld to %lld are lost", part->assignment.topic,
		(int)part->assignment.partition, (long long)next, (long long)(low >= 0 ? low - 1 : -1)); /* cut */
	wb_health_set(p->settings.health, "retention", false, why);
	wb_log_error(p->settings.log, "records fell out of retention before they were read; the partition stands still",
		WB_STR("topic", part->assignment.topic), WB_INT("partition", part->assignment.partition),
		WB_INT("first_lost_offset", next), WB_INT("last_lost_offset", low >= 0 ? low - 1 : -1));
}

static void take_error(struct wb_poller *p, const rd_kafka_message_t *message)
{
	struct wb_partition *part = message->rkt ? wb_poller_ours(p, message->partition) : NULL;
	int64_t now_ms = wb_clock_mono_ms();

	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part) {
		if (!part->lost)
			lost_range(p, part);
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
	part = wb_poller_ours(p, message->partition);
	/* Nothing new of a revoked partition; and what was delivered once under this assignment is on its way. */
	if (!part || part->revoked || message->offset <= part->last) {
		wb_counter_add(p->metrics.redelivered, 1);
		rd_kafka_message_destroy(message);
		return;
	}
	take_record(p, part, message);
}

bool wb_poller_read(struct wb_poller *p)
{
	unsigned count = 0;

	if (p->draining)
		return false;
	while (p->more && count < ROUND_RECORDS && atomic_load(&p->held_bytes) < p->read_limit_bytes) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(p->data_queue, 0);

		if (!message) {
			p->more = false;
			break;
		}
		p->unnudged_bytes += (int64_t)(message->len + message->key_len);
		wb_poller_take_message(p, message);
		count++;
	}
	/* Full again and again while there is much to read; and perhaps full when it was last looked at. */
	if (p->unnudged_bytes >= p->queue_bytes / 2 || (!p->more && p->unnudged_bytes >= p->queue_bytes / 8))
		wb_poller_nudge(p);
	return count > 0;
}

void wb_poller_submit(struct wb_poller *p)
{
	for (int64_t i = 0; i < p->settings.options->workers; i++) {
		if (p->to_worker[i].head)
			wb_worker_submit(p->workers[i], &p->to_worker[i]);
	}
	if (p->dead.head)
		wb_recorder_judged(p->recorder, &p->dead);
}
