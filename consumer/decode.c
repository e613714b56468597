#include "consumer/decode.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/contract/condition.h"
#include "common/cosmos/document.h"
#include "common/cosmos/patch.h"

#include <assert.h>
#include <stdlib.h>

/* Decoded strings: an id and a key, once from the document and once more from the headers; then canonical text, which
 * has up to six bytes for one of a string. */
#define STRING_BYTES (WB_DOCUMENT_ID_MAX + WB_JSON_PATHS_MAX * WB_PK_STRING_MAX)
#define TEXT_BYTES   (6 * WB_JSON_PATHS_MAX * WB_PK_STRING_MAX + 64)

_Static_assert(2 * STRING_BYTES + TEXT_BYTES <= WB_DECODE_SCRATCH_BYTES, "scratch holds what decoding needs");

static enum wb_reason refuse(struct wb_error *why, enum wb_reason reason, const char *sentence)
{
	(void)wb_error_set(why, WB_EINVAL, "%s", sentence);
	return reason;
}

static bool is_allowed(const struct wb_decode_settings *settings, struct wb_slice container)
{
	if (wb_slice_eq(container, settings->container))
		return true;
	for (size_t i = 0; i < settings->allowed_count; i++) {
		if (wb_slice_eq(container, settings->allowed[i]))
			return true;
	}
	return false;
}

/* A later version may have more behind what version 00 has. Its digits are judged where it is shown, which is seldom. */
static void take_traceparent(struct wb_slice text, struct wb_write *w)
{
	bool later = text.len > WB_TRACEPARENT_LEN && text.data[WB_TRACEPARENT_LEN] == '-' &&
		memcmp(text.data, "00", 2) != 0;

	w->traceparent[0] = '\0';
	if (text.len != WB_TRACEPARENT_LEN && !later)
		return;
	memcpy(w->traceparent, text.data, WB_TRACEPARENT_LEN);
	w->traceparent[WB_TRACEPARENT_LEN] = '\0';
}

enum wb_reason wb_decode_target(const struct wb_decode_settings *settings, const struct wb_header *headers,
	size_t count, struct wb_write *w, struct wb_record_meta *ret_meta, struct wb_decode_target *ret,
	struct wb_error *why)
{
	struct wb_decode_target target = { settings->database, settings->container };
	enum wb_reason reason = wb_record_parse(headers, count, ret_meta, why);

	w->op = ret_meta->op;
	w->tracked = ret_meta->job.data != NULL;
	w->seq = ret_meta->seq;
	if (w->tracked) {
		assert(ret_meta->job.len == WB_JOB_ID_LEN);
		memcpy(w->job, ret_meta->job.data, WB_JOB_ID_LEN);
		w->job[WB_JOB_ID_LEN] = '\0';
	}
	take_traceparent(ret_meta->traceparent, w);
	if (reason)
		return reason;
	if (ret_meta->database.data && !wb_slice_eq(ret_meta->database, settings->database)) {
		(void)wb_error_set(
			why, WB_EINVAL, "writes to database %.*s are not allowed", WB_SLICE_ARGS(ret_meta->database));
		return WB_REASON_CONTAINER_NOT_ALLOWED;
	}
	if (ret_meta->container.data) {
		if (!is_allowed(settings, ret_meta->container)) {
			(void)wb_error_set(why, WB_EINVAL, "writes to container %.*s are not allowed",
				WB_SLICE_ARGS(ret_meta->container));
			return WB_REASON_CONTAINER_NOT_ALLOWED;
		}
		target.container = ret_meta->container;
	}
	if (target.container.len == 0)
		return refuse(why, WB_REASON_UNKNOWN_CONTAINER, "no header names a container and there is no default");
	*ret = target;
	return WB_REASON_NONE;
}

/* What a record says of its item, before it is taken over into the write. */
struct item {
	enum wb_op op;
	struct wb_slice document; /* absent for a delete */
	struct wb_slice id;
	struct wb_pk pk;
};

static enum wb_reason check_conditions(enum wb_op op, const struct wb_record_meta *meta, struct wb_error *why)
{
	static const struct wb_condition_names names = { "header " WB_HEADER_IF_MATCH,
		"header " WB_HEADER_IF_NONE_MATCH };

	return wb_condition_check(op, meta->if_match, meta->if_none_match, &names, why) == WB_OK
		? WB_REASON_NONE
		: WB_REASON_INVALID_HEADER;
}

static enum wb_reason check_stated_item(const struct wb_record_meta *meta, const struct wb_pk_definition *definition,
	struct wb_buf *scratch, const struct item *item, struct wb_error *why)
{
	struct wb_pk stated;
	enum wb_reason reason;

	if (meta->id.data && !wb_slice_eq(meta->id, item->id))
		return refuse(why, WB_REASON_INVALID_HEADER, "header wb-id is not the document's id");
	if (!meta->partition_key.data)
		return WB_REASON_NONE;
	reason = wb_pk_parse(meta->partition_key, definition->paths.count, scratch, &stated, why);
	if (!reason && !wb_pk_equal(&stated, &item->pk))
		return refuse(why, WB_REASON_PARTITION_KEY_MISMATCH,
			"header wb-partition-key is not the document's partition key");
	return reason;
}

static enum wb_reason check_size(size_t len, size_t max, const char *what, struct wb_error *why)
{
	if (len <= max)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_ETOOBIG, "the %s has %zu bytes, at most %zu are allowed", what, len, max);
	return WB_REASON_TOO_LARGE;
}

/* upsert, create, replace. TOO_LARGE fills *ret, too. */
static enum wb_reason read_document(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_slice value, struct wb_buf *scratch, struct item *ret,
	struct wb_error *why)
{
	struct wb_document document;
	enum wb_reason reason, stated;

	if (!value.data)
		return refuse(why, WB_REASON_INVALID_JSON, "the record has no value");
	reason = wb_document_check(value, &definition->paths, scratch, &document, why);
	if (reason && reason != WB_REASON_TOO_LARGE)
		return reason;
	ret->document = document.raw;
	ret->id = document.id;
	ret->pk = document.pk;
	stated = check_stated_item(meta, definition, scratch, ret, why);
	if (stated)
		return stated;
	return reason ? reason : check_size(document.raw.len, settings->document_max_bytes, "document", why);
}

/* Which item headers name, for what has no document. */
static enum wb_reason read_stated_item(const struct wb_record_meta *meta, const struct wb_pk_definition *definition,
	struct wb_buf *scratch, struct item *ret, struct wb_error *why)
{
	enum wb_reason reason;

	if (!meta->id.data) {
		(void)wb_error_set(why, WB_EINVAL, "a %s needs the header wb-id", wb_op_text(ret->op));
		return WB_REASON_MISSING_ID;
	}
	if (!meta->partition_key.data) {
		(void)wb_error_set(why, WB_EINVAL, "a %s needs the header wb-partition-key", wb_op_text(ret->op));
		return WB_REASON_MISSING_PARTITION_KEY;
	}
	reason = wb_document_id_check(meta->id, why);
	if (!reason)
		reason = wb_pk_parse(meta->partition_key, definition->paths.count, scratch, &ret->pk, why);
	ret->id = meta->id;
	return reason;
}

static enum wb_reason read_patch(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_slice value, struct wb_buf *scratch, struct item *ret,
	struct wb_error *why)
{
	enum wb_reason reason = read_stated_item(meta, definition, scratch, ret, why);

	if (!reason && !value.data)
		return refuse(why, WB_REASON_INVALID_JSON, "the record has no value; a patch needs its operations");
	if (!reason)
		reason = wb_patch_check(value, &ret->document, why);
	return reason ? reason : check_size(ret->document.len, settings->document_max_bytes, "patch", why);
}

static bool is_utf8(struct wb_slice s)
{
	for (size_t at = 0, len; at < s.len; at += len) {
		len = wb_utf8_char_len(s.data + at, s.len - at);
		if (len == 0)
			return false;
	}
	return true;
}

static bool is_path_id(const struct wb_json_paths *paths)
{
	return paths->count == 1 && paths->path[0].count == 1 && wb_slice_eq_cstr(paths->path[0].segments[0], "id");
}

/* The key is the id, unless wb-id says it. */
static enum wb_reason read_tombstone(const struct wb_record_meta *meta, const struct wb_pk_definition *definition,
	struct wb_slice key, struct wb_buf *scratch, struct item *ret, struct wb_error *why)
{
	enum wb_reason reason;

	ret->id = meta->id.data ? meta->id : key;
	if (!ret->id.data)
		return refuse(why, WB_REASON_MISSING_ID,
			"the tombstone has neither a key nor the header wb-id, which would say what to delete");
	if (!is_utf8(ret->id))
		return refuse(why, WB_REASON_INVALID_ID, "the tombstone's key, the id to delete, is not UTF-8");
	reason = wb_document_id_check(ret->id, why);
	if (reason)
		return reason;
	if (meta->partition_key.data)
		return wb_pk_parse(meta->partition_key, definition->paths.count, scratch, &ret->pk, why);
	if (!is_path_id(&definition->paths))
		return refuse(why, WB_REASON_MISSING_PARTITION_KEY,
			"a tombstone needs the header wb-partition-key, as the container's partition key is not /id");
	ret->pk = (struct wb_pk){ .component = { { .type = WB_PK_STRING, .string = ret->id } }, .count = 1 };
	return WB_REASON_NONE;
}

static struct wb_slice put(char **at, struct wb_slice bytes)
{
	struct wb_slice copy = { 0 };

	if (!bytes.data)
		return copy;
	if (bytes.len)
		memcpy(*at, bytes.data, bytes.len);
	copy = wb_slice(*at, bytes.len);
	*at += bytes.len;
	return copy;
}

/* Whatever says which item, and on which conditions, goes into one piece of memory of the write's own, so that it
 * outlives the message. */
static void take_over(const struct item *item, const struct wb_record_meta *meta, const struct wb_epk *epk,
	struct wb_buf *scratch, struct wb_write *w)
{
	struct wb_slice epk_bytes = wb_slice((const char *)epk->bytes, epk->len), pk_text;
	size_t before = scratch->len;
	char *at;

	wb_pk_text(&item->pk, scratch);
	assert(wb_buf_status(scratch) == WB_OK);
	pk_text = wb_slice(scratch->data + before, scratch->len - before);
	at = wb_write_make_storage(
		w, pk_text.len + item->id.len + epk_bytes.len + meta->if_match.len + meta->if_none_match.len);
	w->op = item->op;
	w->pk_text = put(&at, pk_text);
	w->id = put(&at, item->id);
	w->epk = put(&at, epk_bytes);
	w->if_match = put(&at, meta->if_match);
	w->if_none_match = put(&at, meta->if_none_match);
	w->conditional = w->if_match.data || w->if_none_match.data;
	w->is_replay = meta->replay_of.data != NULL;
	w->document = item->document;
}

enum wb_reason wb_decode_document(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_buf *scratch, struct wb_write *w, struct wb_epk *ret_epk,
	struct wb_error *why)
{
	bool tombstone = !w->value.data && !meta->op_given;
	struct item item = { .op = tombstone ? WB_OP_DELETE : meta->op };
	enum wb_reason reason;
	char *room;

	wb_buf_clear(scratch);
	/* Reserved at once, since slices into scratch must stay good while more is appended. */
	room = wb_buf_reserve(scratch, 2 * STRING_BYTES + TEXT_BYTES);
	assert(room);
	(void)room; /* only asserted */
	if (tombstone && !settings->tombstones)
		return refuse(why, WB_REASON_TOMBSTONE,
			"the record has no value: a tombstone, which only consumer.tombstones=delete carries out");
	reason = check_conditions(item.op, meta, why);
	if (reason)
		return reason;
	if (tombstone)
		reason = read_tombstone(meta, definition, w->key, scratch, &item, why);
	else if (item.op == WB_OP_DELETE)
		reason = read_stated_item(meta, definition, scratch, &item, why);
	else if (item.op == WB_OP_PATCH)
		reason = read_patch(settings, meta, definition, w->value, scratch, &item, why);
	else
		reason = read_document(settings, meta, definition, w->value, scratch, &item, why);
	if (reason && reason != WB_REASON_TOO_LARGE)
		return reason;
	wb_pk_hash(definition->kind, &item.pk, ret_epk);
	take_over(&item, meta, ret_epk, scratch, w);
	return reason;
}
