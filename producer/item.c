#include "producer/item.h"

#include "common/contract/condition.h"
#include "common/cosmos/document.h"
#include "common/cosmos/patch.h"
#include "common/cosmos/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define KEY_BYTES (WB_JSON_PATHS_MAX * WB_PK_STRING_MAX)
/* Decoded: an id, a key from the document and one beside it, a condition; a made id in quotes; then the canonical text of a
 * key, with six bytes for one at most. */
#define SCRATCH_BYTES (WB_DOCUMENT_ID_MAX + 2 * KEY_BYTES + WB_ETAG_LEN_MAX + MADE_ID_SIZE + 6 * KEY_BYTES + 64)
#define MADE_ID_SIZE  (WB_JOB_ID_LEN + 32)
/* What Kafka and our headers add to a record at most, target names of full length included. */
#define RECORD_OVERHEAD_BYTES (640 + 2 * WB_NAME_LEN_MAX)

enum wb_err wb_item_judge_init(struct wb_item_judge *j, const struct wb_item_rules *rules, struct wb_slice job)
{
	assert(job.data || !rules->generate_id);
	*j = (struct wb_item_judge){ .rules = rules, .job = job };
	wb_buf_init(&j->scratch, SCRATCH_BYTES);
	/* At once, since slices into it must stay good while more is appended. */
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

static enum wb_reason refuse(struct wb_error *why, enum wb_reason reason, const char *sentence)
{
	(void)wb_error_set(why, WB_EINVAL, "%s", sentence);
	return reason;
}

static enum wb_reason fits_record(
	const struct wb_item_judge *j, const struct wb_batch_write *write, struct wb_error *why)
{
	size_t bytes = wb_batch_value_len(write) + write->id.len * 2 + RECORD_OVERHEAD_BYTES;

	if (write->more)
		bytes += write->more->partition_key.len + write->more->if_match.len + write->more->if_none_match.len;
	if (bytes <= j->rules->record_bytes_max)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_ETOOBIG, "a record of about %zu bytes is larger than the topic takes (%zu)", bytes,
		j->rules->record_bytes_max);
	return WB_REASON_TOO_LARGE;
}

/* The key that stands beside a document, or names an item. "a" stands for ["a"], so that a container with one path needs
 * no brackets. */
static enum wb_reason read_key(
	struct wb_item_judge *j, const struct wb_json_value *value, struct wb_pk *ret, struct wb_error *why)
{
	unsigned expected = j->rules->paths.count;
	enum wb_reason reason;

	if (value->type == WB_JSON_ARRAY)
		return wb_pk_parse(value->raw, expected, &j->scratch, ret, why);
	reason = wb_pk_from_values(value, 1, &j->scratch, ret, why);
	if (reason == WB_REASON_NONE && expected > 1) {
		(void)wb_error_set(
			why, WB_EINVAL, "the partition key has 1 value, the container needs an array of %u", expected);
		return WB_REASON_INVALID_PARTITION_KEY;
	}
	return reason;
}

static void put_key(struct wb_item_judge *j, const struct wb_pk *pk, struct wb_batch_write *write)
{
	size_t start = j->scratch.len;

	wb_pk_text(pk, &j->scratch);
	assert(wb_buf_status(&j->scratch) == WB_OK);
	j->more.partition_key = wb_slice(j->scratch.data + start, j->scratch.len - start);
	write->more = &j->more;
}

static enum wb_reason read_etag(struct wb_item_judge *j, const struct wb_json_value *value, const char *member,
	struct wb_slice *ret, struct wb_error *why)
{
	if (value->type == WB_JSON_ABSENT)
		return WB_REASON_NONE;
	if (value->type == WB_JSON_STRING &&
		wb_cosmos_text_decode(value->raw, WB_ETAG_LEN_MAX, &j->scratch, ret) == WB_OK)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_EINVAL, "%s is no string of at most %d bytes", member, WB_ETAG_LEN_MAX);
	return WB_REASON_INVALID_HEADER;
}

static enum wb_reason read_conditions(
	struct wb_item_judge *j, const struct wb_item *item, struct wb_batch_write *write, struct wb_error *why)
{
	static const struct wb_condition_names names = { "\"ifMatch\"", "\"ifNoneMatch\"" };
	enum wb_reason reason;

	if (item->if_match.type == WB_JSON_ABSENT && item->if_none_match.type == WB_JSON_ABSENT)
		return WB_REASON_NONE;
	if (item->if_match.type != WB_JSON_ABSENT && item->if_none_match.type != WB_JSON_ABSENT)
		return refuse(why, WB_REASON_INVALID_HEADER,
			"\"ifMatch\" and \"ifNoneMatch\" are both given; a write has one condition at most");
	reason = read_etag(j, &item->if_match, names.if_match, &j->more.if_match, why);
	if (reason == WB_REASON_NONE)
		reason = read_etag(j, &item->if_none_match, names.if_none_match, &j->more.if_none_match, why);
	if (reason == WB_REASON_NONE &&
		wb_condition_check(item->op, j->more.if_match, j->more.if_none_match, &names, why) != WB_OK)
		reason = WB_REASON_INVALID_HEADER;
	write->more = &j->more;
	return reason;
}

static bool is_id(const struct wb_json_path *path)
{
	return path->count == 1 && wb_slice_eq_cstr(path->segments[0], "id");
}

/* Gives the document the id <job>-<seq>, which is the same for the same job, and so for a request that is repeated. */
static void make_id(struct wb_item_judge *j, uint64_t seq, struct wb_json_document *found)
{
	char text[MADE_ID_SIZE];
	int len = snprintf(text, sizeof text, "\"%.*s-%" PRIu64 "\"", WB_SLICE_ARGS(j->job), seq);
	size_t start = j->scratch.len;

	assert(len > 0 && (size_t)len < sizeof text);
	wb_buf_append(&j->scratch, text, (size_t)len);
	found->id = (struct wb_json_value){ WB_JSON_STRING, wb_slice(j->scratch.data + start, (size_t)len) };
	for (unsigned i = 0; i < j->rules->paths.count; i++) {
		if (is_id(&j->rules->paths.path[i]))
			found->keys[i] = found->id;
	}
}

static enum wb_reason check_stated_key(struct wb_item_judge *j, const struct wb_json_value *stated,
	const struct wb_pk *document, struct wb_batch_write *write, struct wb_error *why)
{
	struct wb_pk pk;
	enum wb_reason reason;

	if (stated->type == WB_JSON_ABSENT)
		return WB_REASON_NONE;
	reason = read_key(j, stated, &pk, why);
	if (reason != WB_REASON_NONE)
		return reason;
	if (j->rules->paths.count && !wb_pk_equal(&pk, document))
		return refuse(why, WB_REASON_PARTITION_KEY_MISMATCH,
			"\"partitionKey\" is not what the document has where cosmos.partition.key says");
	put_key(j, &pk, write);
	return WB_REASON_NONE;
}

static enum wb_reason check_document(struct wb_item_judge *j, const struct wb_item *item, uint64_t seq,
	struct wb_batch_write *write, struct wb_error *why)
{
	struct wb_json_document found = *item->document;
	struct wb_document document;
	enum wb_reason reason;

	if (j->rules->generate_id && found.id.type == WB_JSON_ABSENT && item->op != WB_OP_REPLACE) {
		make_id(j, seq, &found);
		write->id_made = true;
	}
	reason = wb_document_judge(&found, j->rules->paths.count, &j->scratch, &document, why);
	if (reason != WB_REASON_NONE)
		return reason;
	write->document = document.raw;
	write->id = document.id;
	if (write->id_made && wb_batch_value_len(write) > WB_DOCUMENT_SIZE_MAX) {
		(void)wb_error_set(why, WB_ETOOBIG,
			"the document has %zu bytes with the id that was made for it, at most %d are allowed",
			wb_batch_value_len(write), WB_DOCUMENT_SIZE_MAX);
		return WB_REASON_TOO_LARGE;
	}
	return check_stated_key(j, &item->partition_key, &document.pk, write, why);
}

static enum wb_reason check_id(
	struct wb_item_judge *j, const struct wb_item *item, struct wb_slice *ret, struct wb_error *why)
{
	if (item->id.type == WB_JSON_ABSENT) {
		(void)wb_error_set(why, WB_EINVAL, "a %s needs \"id\"", wb_op_text(item->op));
		return WB_REASON_MISSING_ID;
	}
	if (item->id.type != WB_JSON_STRING)
		return refuse(why, WB_REASON_INVALID_ID, "the id is not a string");
	switch (wb_cosmos_text_decode(item->id.raw, WB_DOCUMENT_ID_MAX, &j->scratch, ret)) {
	case WB_OK:
		return wb_document_id_check(*ret, why);
	case WB_ETOOBIG:
		return refuse(why, WB_REASON_INVALID_ID, "the id has more than 1023 bytes");
	default:
		return refuse(why, WB_REASON_INVALID_ID, "the id has half of a surrogate pair");
	}
}

static enum wb_reason check_patch(const struct wb_item *item, struct wb_slice *ret, struct wb_error *why)
{
	enum wb_reason reason = wb_patch_check(item->operations.raw, ret, why);

	if (reason != WB_REASON_NONE || ret->len <= WB_DOCUMENT_SIZE_MAX)
		return reason;
	(void)wb_error_set(
		why, WB_ETOOBIG, "the patch has %zu bytes, at most %d are allowed", ret->len, WB_DOCUMENT_SIZE_MAX);
	return WB_REASON_TOO_LARGE;
}

/* A delete or a patch: id and key name the item. */
static enum wb_reason check_named(
	struct wb_item_judge *j, const struct wb_item *item, struct wb_batch_write *write, struct wb_error *why)
{
	struct wb_pk pk;
	enum wb_reason reason = check_id(j, item, &write->id, why);

	if (reason != WB_REASON_NONE)
		return reason;
	if (item->partition_key.type == WB_JSON_ABSENT) {
		(void)wb_error_set(why, WB_EINVAL, "a %s needs \"partitionKey\"", wb_op_text(item->op));
		return WB_REASON_MISSING_PARTITION_KEY;
	}
	reason = read_key(j, &item->partition_key, &pk, why);
	if (reason != WB_REASON_NONE)
		return reason;
	put_key(j, &pk, write);
	return item->op == WB_OP_PATCH ? check_patch(item, &write->document, why) : WB_REASON_NONE;
}

enum wb_reason wb_item_check(struct wb_item_judge *j, const struct wb_item *item, uint64_t seq,
	struct wb_batch_write *ret, struct wb_error *why)
{
	struct wb_batch_write write = { .op = item->op };
	enum wb_reason reason;

	wb_buf_clear(&j->scratch);
	j->more = (struct wb_batch_more){ 0 };
	reason = read_conditions(j, item, &write, why);
	if (reason == WB_REASON_NONE)
		reason = item->document ? check_document(j, item, seq, &write, why) : check_named(j, item, &write, why);
	if (reason == WB_REASON_NONE)
		reason = fits_record(j, &write, why);
	if (reason == WB_REASON_NONE)
		*ret = write;
	return reason;
}

enum wb_err wb_item_keep(const struct wb_item_judge *j, const struct wb_batch_write *item, struct wb_batch *batch)
{
	struct wb_batch_write write = *item;
	enum wb_err err = wb_batch_keep_passing(batch, &j->scratch, &write.id);

	if (err == WB_OK && item->more)
		err = wb_batch_keep_more(batch, item->more, &j->scratch, &write.more);
	return err == WB_OK ? wb_batch_add(batch, &write) : err;
}
