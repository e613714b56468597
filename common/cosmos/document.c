#include "common/cosmos/document.h"

#include "common/cosmos/text.h"

_Static_assert(WB_DOCUMENT_ID_MAX <= WB_COSMOS_TEXT_MAX, "an id can be decoded");

static enum wb_reason refuse_id(struct wb_error *why, const char *what)
{
	(void)wb_error_set(why, WB_EINVAL, "the id %s", what);
	return WB_REASON_INVALID_ID;
}

enum wb_reason wb_document_id_check(struct wb_slice id, struct wb_error *why)
{
	if (id.len == 0)
		return refuse_id(why, "is empty");
	if (id.len > WB_DOCUMENT_ID_MAX)
		return refuse_id(why, "has more than 1023 bytes");
	for (size_t i = 0; i < id.len; i++) {
		unsigned char c = (unsigned char)id.data[i];

		if (c < 0x20 || c == 0x7f)
			return refuse_id(why, "contains a control character");
		if (c == '/' || c == '\\' || c == '?' || c == '#')
			return refuse_id(why, "contains one of / \\ ? #, which no id may");
	}
	if (id.data[id.len - 1] == ' ')
		return refuse_id(why, "ends with a space");
	return WB_REASON_NONE;
}

static enum wb_reason judge_id(
	const struct wb_json_value *value, struct wb_buf *scratch, struct wb_slice *ret, struct wb_error *why)
{
	struct wb_slice id;

	if (value->type == WB_JSON_ABSENT) {
		(void)wb_error_set(why, WB_EINVAL, "the document has no id");
		return WB_REASON_MISSING_ID;
	}
	if (value->type != WB_JSON_STRING)
		return refuse_id(why, "is not a string");
	switch (wb_cosmos_text_decode(value->raw, WB_DOCUMENT_ID_MAX, scratch, &id)) {
	case WB_OK:
		*ret = id;
		return wb_document_id_check(id, why);
	case WB_ETOOBIG:
		return refuse_id(why, "has more than 1023 bytes");
	default:
		return refuse_id(why, "has half of a surrogate pair");
	}
}

enum wb_reason wb_document_judge(const struct wb_json_document *found, unsigned path_count, struct wb_buf *scratch,
	struct wb_document *ret, struct wb_error *why)
{
	struct wb_document document = { .raw = found->raw, .id_raw = found->id.raw };
	enum wb_reason reason;

	reason = judge_id(&found->id, scratch, &document.id, why);
	if (!reason)
		reason = wb_pk_from_values(found->keys, path_count, scratch, &document.pk, why);
	if (reason)
		return reason;
	*ret = document;
	if (found->raw.len <= WB_DOCUMENT_SIZE_MAX)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_ETOOBIG, "the document has %zu bytes, at most %d are allowed", found->raw.len,
		WB_DOCUMENT_SIZE_MAX);
	return WB_REASON_TOO_LARGE;
}

enum wb_reason wb_document_check(struct wb_slice text, const struct wb_json_paths *paths, struct wb_buf *scratch,
	struct wb_document *ret, struct wb_error *why)
{
	struct wb_json_document found;
	struct wb_json_error where;

	switch (wb_json_scan_document(text, paths, &found, &where)) {
	case WB_JSON_OK:
		return wb_document_judge(&found, paths ? paths->count : 0, scratch, ret, why);
	case WB_JSON_NOT_OBJECT:
		(void)wb_error_set(why, WB_EINVAL, "the document is not an object");
		return WB_REASON_NOT_AN_OBJECT;
	case WB_JSON_DUPLICATE:
		(void)wb_error_set(why, WB_EINVAL, "%s, at byte %zu", where.text, where.offset);
		return WB_REASON_DUPLICATE_MEMBER;
	case WB_JSON_INVALID:
		break;
	}
	(void)wb_error_set(why, WB_EINVAL, "not valid JSON: %s at byte %zu", where.text, where.offset);
	return WB_REASON_INVALID_JSON;
}
