#include "deadletter/letter.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/json_scan.h"
#include "deadletter/text.h"

#include <math.h>

#define ID_BYTES_MAX   4096
#define NAME_BYTES_MAX (2 * WB_NAME_LEN_MAX + 1)

void wb_letter_reader_init(struct wb_letter_reader *r)
{
	wb_buf_init(&r->id, ID_BYTES_MAX);
	wb_buf_init(&r->container, NAME_BYTES_MAX);
}

void wb_letter_reader_release(struct wb_letter_reader *r)
{
	wb_buf_release(&r->id);
	wb_buf_release(&r->container);
}

/* The id that a person knows the write by: from its header, or from the document where that can be read. */
static struct wb_slice find_id(
	struct wb_letter_reader *r, const struct wb_kafka_record *record, const struct wb_record_meta *meta)
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

/* "database/container", "/container" or "database/"; names have no slash. */
static struct wb_slice find_container(struct wb_letter_reader *r, const struct wb_record_meta *meta)
{
	if (!meta->database.data && !meta->container.data)
		return (struct wb_slice){ NULL, 0 };
	wb_buf_clear(&r->container);
	wb_buf_append_slice(&r->container, meta->database);
	wb_buf_append_char(&r->container, '/');
	wb_buf_append_slice(&r->container, meta->container);
	return wb_buf_slice(&r->container);
}

void wb_letter_read(struct wb_letter_reader *r, const struct wb_kafka_record *record, struct wb_letter *ret)
{
	const struct wb_record_place place = { wb_slice_cstr(record->topic), record->partition, record->offset };
	struct wb_error unused;

	*ret = (struct wb_letter){ .record = record };
	wb_letter_facts_read(record->headers, record->header_count, &ret->facts);
	/* Malformed headers may be why it died: what could be read is shown. */
	if (wb_record_parse(record->headers, record->header_count, &ret->meta, &unused) != WB_REASON_NONE)
		ret->meta.op_given = false;
	ret->id = find_id(r, record, &ret->meta);
	ret->container = find_container(r, &ret->meta);
	ret->identity = wb_slice(r->identity,
		wb_letter_identity(record->headers, record->header_count, &ret->facts, &place, r->identity));
}

void wb_letter_index(const struct wb_letter *letter, struct wb_index_letter *ret)
{
	const struct wb_dead_letter *why = &letter->facts.why;

	*ret = (struct wb_index_letter){ .died_ms = letter->record->timestamp_ms,
		.partition = letter->record->partition,
		.offset = letter->record->offset,
		.identity = letter->identity,
		.reason = why->reason,
		.status = why->status,
		.container = letter->container,
		.job = letter->meta.job,
		.seq = letter->meta.seq,
		.origin_topic = why->origin_topic,
		.origin_partition = why->origin_partition,
		.origin_offset = why->origin_offset,
		.key = letter->record->key,
		.id = letter->id,
		.bytes = (int64_t)letter->record->value.len };
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

void wb_letter_json(const struct wb_letter *letter, const char *state, struct wb_buf *ret)
{
	const struct wb_dead_letter *why = &letter->facts.why;
	const struct wb_kafka_record *record = letter->record;

	wb_buf_appendf(ret, "\"letter\":\"%d/%lld\"", (int)record->partition, (long long)record->offset);
	member_string(ret, "identity", letter->identity);
	member_string(ret, "state", wb_slice_cstr(state));
	member_time(ret, "diedAt", record->timestamp_ms);
	member_string(ret, "reason", wb_slice_cstr(wb_reason_text(why->reason)));
	if (letter->facts.dialect != WB_LETTER_OURS) {
		member_string(ret, "dialect", wb_slice_cstr(wb_letter_dialect_text(letter->facts.dialect)));
		member_string(ret, "exception", letter->facts.exception_class);
	}
	wb_buf_appendf(ret, ",\"status\":%d,\"substatus\":%d", why->status, why->substatus);
	member_string(ret, "message", why->message);
	member_string(ret, "container", letter->container);
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

/* Text where it is UTF-8, else base64 under another name: nothing is lost. */
static void json_bytes(struct wb_buf *b, const char *name, struct wb_slice value)
{
	bool text = !value.data || wb_text_is_utf8(value);

	wb_buf_appendf(b, "\"%s%s\":", name, text ? "" : "Base64");
	if (!value.data) {
		wb_buf_append_cstr(b, "null");
	} else if (text) {
		wb_buf_append_json_string(b, value);
	} else {
		wb_buf_append_char(b, '"');
		wb_base64_encode(value, b);
		wb_buf_append_char(b, '"');
	}
}

void wb_letter_json_record(const struct wb_letter *letter, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, ",\"headers\":[");
	for (size_t i = 0; i < letter->record->header_count; i++) {
		wb_buf_append_cstr(ret, i ? ",{\"name\":" : "{\"name\":");
		wb_buf_append_json_string(ret, letter->record->headers[i].name);
		wb_buf_append_char(ret, ',');
		json_bytes(ret, "value", letter->record->headers[i].value);
		wb_buf_append_char(ret, '}');
	}
	wb_buf_append_cstr(ret, "],");
	json_bytes(ret, "key", letter->record->key);
	wb_buf_append_char(ret, ',');
	json_bytes(ret, "value", letter->record->value);
}
