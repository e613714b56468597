#include "common/cosmos/patch.h"

#include "common/base/json_scan.h"

#include <stdbool.h>

#define OPS "add, set, replace, remove, incr, move"

static enum wb_reason refuse(struct wb_error *why, const char *sentence)
{
	(void)wb_error_set(why, WB_EINVAL, "%s", sentence);
	return WB_REASON_BAD_REQUEST;
}

static bool is_op(const struct wb_json_value *value)
{
	static const char *const ops[] = { "add", "set", "replace", "remove", "incr", "move" };

	for (size_t i = 0; value->type == WB_JSON_STRING && i < WB_ARRAY_LEN(ops); i++) {
		if (wb_json_name_is(value->raw, ops[i]))
			return true;
	}
	return false;
}

/* The text was scanned as a whole before, so reading it cannot fail. */
static enum wb_reason check_operation(struct wb_json_reader *r, unsigned i, struct wb_error *why)
{
	bool op = false, path = false;
	struct wb_json_value value;
	struct wb_slice name;

	if (wb_json_reader_enter(r) != '{') {
		(void)wb_error_set(why, WB_EINVAL, "operation %u of the patch is no object", i);
		return WB_REASON_BAD_REQUEST;
	}
	while (wb_json_reader_next(r, &name) == 1 && wb_json_reader_skip(r, &value) == WB_JSON_OK) {
		if (wb_json_name_is(name, "op"))
			op = is_op(&value);
		else if (wb_json_name_is(name, "path"))
			path = value.type == WB_JSON_STRING;
	}
	if (op && path)
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_EINVAL, "operation %u of the patch has no %s", i,
		op ? "\"path\" that is a string" : "\"op\" that is one of " OPS);
	return WB_REASON_BAD_REQUEST;
}

static enum wb_reason check_operations(struct wb_json_reader *r, struct wb_error *why)
{
	unsigned count = 0;

	if (wb_json_reader_enter(r) != '[')
		return refuse(why, "\"operations\" of the patch is no array");
	while (wb_json_reader_next(r, NULL) == 1) {
		enum wb_reason reason;

		if (count == WB_PATCH_OPERATIONS_MAX) {
			(void)wb_error_set(
				why, WB_EINVAL, "the patch has more than %d operations", WB_PATCH_OPERATIONS_MAX);
			return WB_REASON_BAD_REQUEST;
		}
		reason = check_operation(r, count, why);
		if (reason)
			return reason;
		count++;
	}
	return count ? WB_REASON_NONE : refuse(why, "the patch has no operations; it needs 1 to 10");
}

static enum wb_reason check_members(struct wb_json_reader *r, struct wb_error *why)
{
	bool operations = false, condition = false;
	struct wb_json_value value;
	struct wb_slice name;

	while (wb_json_reader_next(r, &name) == 1) {
		bool is_operations = wb_json_name_is(name, "operations");
		bool *seen = is_operations ? &operations : &condition;
		enum wb_reason reason = WB_REASON_NONE;

		if (!is_operations && !wb_json_name_is(name, "condition"))
			return refuse(why, "the patch has another member than \"operations\" and \"condition\"");
		if (*seen)
			return refuse(why, "the patch has a member twice");
		*seen = true;
		if (is_operations)
			reason = check_operations(r, why);
		else if (wb_json_reader_skip(r, &value) || value.type != WB_JSON_STRING)
			reason = refuse(why, "\"condition\" of the patch is no string");
		if (reason)
			return reason;
	}
	return operations ? WB_REASON_NONE : refuse(why, "the patch has no \"operations\"");
}

enum wb_reason wb_patch_check(struct wb_slice value, struct wb_slice *ret, struct wb_error *why)
{
	struct wb_json_value whole;
	struct wb_json_error where;
	struct wb_json_reader r;
	enum wb_reason reason;

	if (wb_json_scan_value(value, &whole, &where)) {
		(void)wb_error_set(
			why, WB_EINVAL, "the patch is not valid JSON: %s at byte %zu", where.text, where.offset);
		return WB_REASON_INVALID_JSON;
	}
	wb_json_reader_init(&r, whole.raw);
	switch (whole.type) {
	case WB_JSON_ARRAY:
		reason = check_operations(&r, why);
		break;
	case WB_JSON_OBJECT:
		(void)wb_json_reader_enter(&r); /* it is one */
		reason = check_members(&r, why);
		break;
	default:
		(void)wb_error_set(why, WB_EINVAL, "the patch is neither an object nor an array");
		return WB_REASON_NOT_AN_OBJECT;
	}
	if (!reason)
		*ret = whole.raw;
	return reason;
}
