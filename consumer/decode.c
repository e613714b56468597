#include "consumer/decode.h"

#include "common/base/mem.h"
#include "common/cosmos/document.h"

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
	struct wb_slice document; /* absent for a delete */
	struct wb_slice id;
	struct wb_pk pk;
};

static bool same_key(const struct wb_pk *a, const struct wb_pk *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct wb_pk_component *x = &a->component[i], *y = &b->component[i];

		if (x->type != y->type || (x->type == WB_PK_NUMBER && x->number != y->number) ||
			(x->type == WB_PK_STRING && !wb_slice_eq(x->string, y->string)))
			return false;
	}
	return true;
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
	if (!reason && !same_key(&stated, &item->pk))
		return refuse(why, WB_REASON_PARTITION_KEY_MISMATCH,
			"header wb-partition-key is not the document's partition key");
	return reason;
}

static enum wb_reason read_upsert(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_slice value, struct wb_buf *scratch, struct item *ret,
	struct wb_error *why)
{
	struct wb_document document;
	enum wb_reason reason;

	if (!value.data) {
		if (!meta->op_given)
			return refuse(why, WB_REASON_TOMBSTONE, "the record has no value: a tombstone");
		return refuse(why, WB_REASON_INVALID_JSON, "the record has no value");
	}
	reason = wb_document_check(value, &definition->paths, scratch, &document, why);
	if (reason)
		return reason;
	if (document.raw.len > settings->document_max_bytes) {
		(void)wb_error_set(why, WB_ETOOBIG, "the document has %zu bytes, at most %zu are allowed",
			document.raw.len, settings->document_max_bytes);
		return WB_REASON_TOO_LARGE;
	}
	*ret = (struct item){ .document = document.raw, .id = document.id, .pk = document.pk };
	return check_stated_item(meta, definition, scratch, ret, why);
}

static enum wb_reason read_delete(const struct wb_record_meta *meta, const struct wb_pk_definition *definition,
	struct wb_buf *scratch, struct item *ret, struct wb_error *why)
{
	enum wb_reason reason;

	if (!meta->id.data)
		return refuse(why, WB_REASON_MISSING_ID, "a delete needs the header wb-id");
	if (!meta->partition_key.data)
		return refuse(why, WB_REASON_MISSING_PARTITION_KEY, "a delete needs the header wb-partition-key");
	reason = wb_document_id_check(meta->id, why);
	if (!reason)
		reason = wb_pk_parse(meta->partition_key, definition->paths.count, scratch, &ret->pk, why);
	ret->id = meta->id;
	return reason;
}

/* Canonical key and id go into one piece of memory of the write's own, so that they outlive the message. */
static void take_over(const struct item *item, struct wb_buf *scratch, struct wb_write *w)
{
	size_t before = scratch->len, len;

	wb_pk_text(&item->pk, scratch);
	assert(wb_buf_status(scratch) == WB_OK);
	len = scratch->len - before;
	free(w->storage);
	w->storage = wb_xmalloc(len + item->id.len);
	memcpy(w->storage, scratch->data + before, len);
	memcpy(w->storage + len, item->id.data, item->id.len);
	w->pk_text = wb_slice(w->storage, len);
	w->id = wb_slice(w->storage + len, item->id.len);
	w->document = item->document;
}

enum wb_reason wb_decode_document(const struct wb_decode_settings *settings, const struct wb_record_meta *meta,
	const struct wb_pk_definition *definition, struct wb_buf *scratch, struct wb_write *w, struct wb_epk *ret_epk,
	struct wb_error *why)
{
	struct item item = { .id = { 0 } };
	enum wb_reason reason;
	char *room;

	wb_buf_clear(scratch);
	/* Reserved at once, since slices into scratch must stay good while more is appended. */
	room = wb_buf_reserve(scratch, 2 * STRING_BYTES + TEXT_BYTES);
	assert(room);
	(void)room; /* only asserted */
	if (meta->op != WB_OP_UPSERT && meta->op != WB_OP_DELETE) {
		(void)wb_error_set(why, WB_EUNSUPPORTED, "operation %s is not carried out", wb_op_text(meta->op));
		return WB_REASON_UNKNOWN_OPERATION;
	}
	if (meta->if_match.data || meta->if_none_match.data)
		return refuse(why, WB_REASON_UNKNOWN_OPERATION, "conditional writes are not carried out");
	if (meta->op == WB_OP_UPSERT)
		reason = read_upsert(settings, meta, definition, w->value, scratch, &item, why);
	else
		reason = read_delete(meta, definition, scratch, &item, why);
	if (reason)
		return reason;
	wb_pk_hash(definition->kind, &item.pk, ret_epk);
	take_over(&item, scratch, w);
	return WB_REASON_NONE;
}
