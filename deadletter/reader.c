#include "deadletter/reader.h"

#include "common/base/clock.h"
#include "common/base/json_scan.h"
#include "common/kafka/topics.h"

#include <math.h>

#define POLL_RECORDS 1000
#define POLL_MS      200
#define ID_BYTES_MAX 4096

struct reading {
	wb_letter_fn fn;
	void *arg;
	bool stopped;
	struct wb_buf id; /* a decoded id with escapes */
};

/* The id that a person knows the write by: from its header, or from the document where that can be read. */
static struct wb_slice find_id(
	struct reading *r, const struct wb_kafka_record *record, const struct wb_record_meta *meta)
{
	struct wb_json_document document;
	struct wb_json_error unused;
	struct wb_slice id;

	if (meta->id.data)
		return meta->id;
	wb_buf_clear(&r->id);
	if (record->value.data && wb_json_scan_document(record->value, NULL, &document, &unused) == WB_JSON_OK &&
		document.id.type == WB_JSON_STRING && wb_json_string_decode(document.id.raw, &r->id, &id) == WB_OK)
		return id;
	return (struct wb_slice){ NULL, 0 };
}

static void on_record(void *arg, const struct wb_kafka_record *record)
{
	struct reading *r = arg;
	struct wb_letter letter = { .record = record };
	struct wb_error unused;

	if (r->stopped)
		return;
	(void)wb_dead_letter_parse(record->headers, record->header_count, &letter.why);
	/* Malformed headers may be why it died: what could be read is shown. */
	if (wb_record_parse(record->headers, record->header_count, &letter.meta, &unused) != WB_REASON_NONE)
		letter.meta.op_given = false;
	letter.id = find_id(r, record, &letter.meta);
	r->stopped = !r->fn(r->arg, &letter);
}

static enum wb_err read_to_mark(
	struct wb_kafka_reader *reader, struct reading *r, int64_t timeout_ms, struct wb_error *e)
{
	int64_t silent_since = wb_clock_mono_ms();
	enum wb_err err = wb_kafka_reader_mark(reader, timeout_ms, e);

	while (err == WB_OK && !r->stopped && !wb_kafka_reader_reached(reader, NULL)) {
		if (wb_kafka_reader_poll(reader, POLL_RECORDS, POLL_MS, on_record, r, &err, e) > 0)
			silent_since = wb_clock_mono_ms();
		else if (err == WB_OK && wb_clock_mono_ms() - silent_since > timeout_ms)
			err = wb_error_set(e, WB_ETIMEDOUT, "no letters came for %lld ms, but there are more",
				(long long)timeout_ms);
	}
	return err;
}

enum wb_err wb_letters_read(const struct wb_deadletter_config *config, int64_t since_ms, wb_letter_fn fn, void *arg,
	struct wb_log *log, struct wb_error *e)
{
	struct reading r = { .fn = fn, .arg = arg };
	const struct wb_kafka_reader_settings letters = {
		.topic = config->kafka.topic_dead_letters,
		.client_id = "writebehind-deadletter",
		.since_ms = since_ms,
		.timeout_ms = config->timeout_ms,
	};
	struct wb_kafka_reader *reader;
	/* No topic in particular: whether the options are right and brokers answer. */
	enum wb_err err = wb_topics_check(&config->kafka, 0, config->timeout_ms, log, e);

	if (err)
		return err;
	reader = wb_kafka_reader_new(&config->kafka, &letters, log, e);
	if (!reader)
		return WB_EIO;
	wb_buf_init(&r.id, ID_BYTES_MAX);
	err = read_to_mark(reader, &r, config->timeout_ms, e);
	wb_buf_release(&r.id);
	wb_kafka_reader_free(&reader);
	return err;
}

static void member_string(struct wb_buf *b, const char *name, struct wb_slice value)
{
	if (!value.data)
		return;
	wb_buf_appendf(b, ",\"%s\":", name);
	wb_buf_append_json_string(b, value);
}

static void member_time(struct wb_buf *b, const char *name, int64_t wall_ms)
{
	char text[WB_CLOCK_RFC3339_SIZE];

	if (wall_ms <= 0)
		return;
	wb_clock_rfc3339(wall_ms, text);
	wb_buf_appendf(b, ",\"%s\":\"%s\"", name, text);
}

void wb_letter_json(const struct wb_letter *letter, struct wb_buf *ret)
{
	const struct wb_dead_letter *why = &letter->why;
	const struct wb_kafka_record *record = letter->record;

	wb_buf_appendf(ret, "\"letter\":\"%d/%lld\"", (int)record->partition, (long long)record->offset);
	member_time(ret, "diedAt", record->timestamp_ms);
	member_string(ret, "reason", wb_slice_cstr(wb_reason_text(why->reason)));
	wb_buf_appendf(ret, ",\"status\":%d,\"substatus\":%d", why->status, why->substatus);
	member_string(ret, "message", why->message);
	member_string(ret, "id", letter->id);
	member_string(ret, "op", wb_slice_cstr(wb_op_text(letter->meta.op)));
	if (letter->meta.job.data) {
		member_string(ret, "jobId", letter->meta.job);
		wb_buf_append_cstr(ret, ",\"seq\":");
		wb_buf_append_u64(ret, letter->meta.seq);
	}
	if (why->origin_topic.data) {
		wb_buf_append_cstr(ret, ",\"origin\":{\"topic\":");
		wb_buf_append_json_string(ret, why->origin_topic);
		wb_buf_appendf(ret, ",\"partition\":%d,\"offset\":%lld", (int)why->origin_partition,
			(long long)why->origin_offset);
		member_time(ret, "timestamp", why->origin_timestamp_ms);
		wb_buf_append_char(ret, '}');
	}
	wb_buf_appendf(ret, ",\"attempts\":%lld,\"requestCharge\":%.2f", (long long)why->attempts,
		isfinite(why->request_charge) ? why->request_charge : 0.0);
	member_time(ret, "firstFailedAt", why->first_at_ms);
	member_string(ret, "activityId", why->activity_id);
	member_string(ret, "itemEtag", why->item_etag);
	member_string(ret, "consumer", why->consumer);
	wb_buf_appendf(ret, ",\"bytes\":%zu", record->value.len);
}
