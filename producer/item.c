#include "producer/item.h"

#include "common/cosmos/document.h"
#include "common/cosmos/partition_key.h"

/* Decoded strings of one item, and the canonical text of a key (six bytes for one at most). */
#define SCRATCH_BYTES (7 * WB_DOCUMENT_ID_MAX + 8 * WB_JSON_PATHS_MAX * WB_PK_STRING_MAX + 1024)
/* What Kafka and our headers add to a record at most, target names of full length included. */
#define RECORD_OVERHEAD_BYTES (512 + 2 * WB_NAME_LEN_MAX)

enum wb_err wb_item_judge_init(struct wb_item_judge *j, const struct wb_json_paths *paths, size_t record_bytes_max)
{
	*j = (struct wb_item_judge){ .paths = paths, .record_bytes_max = record_bytes_max };
	wb_buf_init(&j->scratch, SCRATCH_BYTES);
	return wb_buf_reserve(&j->scratch, SCRATCH_BYTES) ? WB_OK : WB_ENOMEM;
}

void wb_item_judge_release(struct wb_item_judge *j)
{
	wb_buf_release(&j->scratch);
}

enum wb_reason wb_item_scan_reason(enum wb_json_status status)
{
	switch (status) {
	case WB_JSON_OK:
		return WB_REASON_NONE;
	case WB_JSON_INVALID:
		return WB_REASON_INVALID_JSON;
	case WB_JSON_NOT_OBJECT:
		return WB_REASON_NOT_AN_OBJECT;
	case WB_JSON_DUPLICATE:
		return WB_REASON_DUPLICATE_MEMBER;
	}
	return WB_REASON_INVALID_JSON;
}

static enum wb_reason fits_record(
	const struct wb_item_judge *j, const struct wb_batch_write *item, struct wb_error *why)
{
	size_t bytes = item->document.len + item->id.len * 2 + item->partition_key.len + RECORD_OVERHEAD_BYTES;

	if (bytes <= j->record_bytes_max)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_ETOOBIG, "a record of about %zu bytes is larger than the topic takes (%zu)", bytes,
		j->record_bytes_max);
	return WB_REASON_TOO_LARGE;
}

static enum wb_reason upsert_of(const struct wb_item_judge *j, const struct wb_document *document,
	struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_batch_write item = { .document = document->raw, .id = document->id, .op = WB_OP_UPSERT };
	enum wb_reason reason = fits_record(j, &item, why);

	if (reason == WB_REASON_NONE)
		*ret = item;
	return reason;
}

enum wb_reason wb_item_document(
	struct wb_item_judge *j, struct wb_slice text, struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_document document;
	enum wb_reason reason;

	wb_buf_clear(&j->scratch);
	reason = wb_document_check(text, j->paths, &j->scratch, &document, why);
	return reason == WB_REASON_NONE ? upsert_of(j, &document, ret, why) : reason;
}

enum wb_reason wb_item_found(
	struct wb_item_judge *j, const struct wb_json_document *found, struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_document document;
	enum wb_reason reason;

	wb_buf_clear(&j->scratch);
	reason = wb_document_judge(found, j->paths->count, &j->scratch, &document, why);
	return reason == WB_REASON_NONE ? upsert_of(j, &document, ret, why) : reason;
}

/* "a" stands for ["a"], so that a container with one path needs no brackets. */
static enum wb_reason canonical_key(
	struct wb_item_judge *j, const struct wb_json_value *value, struct wb_slice *ret, struct wb_error *why)
{
	struct wb_pk pk = { .count = 1 };
	enum wb_reason reason;
	size_t start;

	if (value->type == WB_JSON_ARRAY)
		reason = wb_pk_parse(value->raw, j->paths->count, &j->scratch, &pk, why);
	else
		reason = wb_pk_from_values(value, 1, &j->scratch, &pk, why);
	if (reason != WB_REASON_NONE)
		return reason;
	if (j->paths->count > pk.count) {
		(void)wb_error_set(why, WB_EINVAL, "the partition key has %u components, the container %u", pk.count,
			j->paths->count);
		return WB_REASON_INVALID_PARTITION_KEY;
	}
	start = j->scratch.len;
	wb_pk_text(&pk, &j->scratch);
	if (wb_buf_status(&j->scratch) != WB_OK) {
		(void)wb_error_set(why, WB_ETOOBIG, "the partition key is too long");
		return WB_REASON_INVALID_PARTITION_KEY;
	}
	*ret = wb_slice(j->scratch.data + start, j->scratch.len - start);
	return WB_REASON_NONE;
}

enum wb_reason wb_item_delete(struct wb_item_judge *j, const struct wb_json_value *id,
	const struct wb_json_value *partition_key, struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_batch_write item = { .op = WB_OP_DELETE };
	enum wb_reason reason;

	wb_buf_clear(&j->scratch);
	if (id->type == WB_JSON_ABSENT) {
		(void)wb_error_set(why, WB_EINVAL, "a delete needs \"id\"");
		return WB_REASON_MISSING_ID;
	}
	if (id->type != WB_JSON_STRING) {
		(void)wb_error_set(why, WB_EINVAL, "the id is not a string");
		return WB_REASON_INVALID_ID;
	}
	if (id->raw.len > 6 * WB_DOCUMENT_ID_MAX + 2 ||
		wb_json_string_decode(id->raw, &j->scratch, &item.id) != WB_OK) {
		(void)wb_error_set(why, WB_EINVAL, "the id is too long or has half of a surrogate pair");
		return WB_REASON_INVALID_ID;
	}
	reason = wb_document_id_check(item.id, why);
	if (reason != WB_REASON_NONE)
		return reason;
	if (partition_key->type == WB_JSON_ABSENT) {
		(void)wb_error_set(why, WB_EINVAL, "a delete needs \"partitionKey\"");
		return WB_REASON_MISSING_PARTITION_KEY;
	}
	reason = canonical_key(j, partition_key, &item.partition_key, why);
	if (reason == WB_REASON_NONE)
		reason = fits_record(j, &item, why);
	if (reason == WB_REASON_NONE)
		*ret = item;
	return reason;
}

enum wb_reason wb_item_delete_text(
	struct wb_item_judge *j, struct wb_slice text, struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_json_value id = { 0 }, key = { 0 }, *value;
	struct wb_json_reader r;
	struct wb_slice name;
	bool unknown = false, twice = false;

	wb_json_reader_init(&r, text);
	if (wb_json_reader_enter(&r) != '{' && r.status == WB_JSON_OK) {
		(void)wb_error_set(why, WB_EINVAL, "a delete is an object with \"id\" and \"partitionKey\"");
		return WB_REASON_NOT_AN_OBJECT;
	}
	while (wb_json_reader_next(&r, &name) == 1) {
		value = wb_json_name_is(name, "id") ? &id : wb_json_name_is(name, "partitionKey") ? &key : NULL;
		unknown |= !value;
		twice |= value && value->type != WB_JSON_ABSENT;
		if (wb_json_reader_skip(&r, value) != WB_JSON_OK)
			break;
	}
	if (wb_json_reader_end(&r) != WB_JSON_OK) {
		(void)wb_error_set(why, WB_EINVAL, "%s at byte %zu", r.error.text, r.error.offset);
		return WB_REASON_INVALID_JSON;
	}
	if (unknown || twice) {
		(void)wb_error_set(
			why, WB_EINVAL, "a delete has \"id\" and \"partitionKey\", each once, and nothing else");
		return twice ? WB_REASON_DUPLICATE_MEMBER : WB_REASON_BAD_REQUEST;
	}
	return wb_item_delete(j, &id, &key, ret, why);
}

static enum wb_err keep_slice(const struct wb_buf *scratch, struct wb_batch *batch, struct wb_slice *slice)
{
	bool in_scratch = slice->data >= scratch->data && slice->data < scratch->data + scratch->cap;

	return slice->data && in_scratch ? wb_batch_keep(batch, *slice, slice) : WB_OK;
}

enum wb_err wb_item_keep(const struct wb_item_judge *j, const struct wb_batch_write *item, struct wb_batch *batch)
{
	struct wb_batch_write write = *item;
	enum wb_err err = keep_slice(&j->scratch, batch, &write.id);

	if (err == WB_OK)
		err = keep_slice(&j->scratch, batch, &write.partition_key);
	return err == WB_OK ? wb_batch_add(batch, &write) : err;
}
