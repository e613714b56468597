#include "producer/request_error.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_SHOWN_MAX 80

bool wb_request_refuse(
	struct wb_request_error *error, unsigned status, const char *code, int64_t index, const char *format, ...)
{
	va_list args;

	*error = (struct wb_request_error){ .status = status, .code = code, .index = index };
	va_start(args, format);
	(void)vsnprintf(error->detail.text, sizeof error->detail.text, format, args); /* cut to fit */
	va_end(args);
	return false;
}

bool wb_request_refuse_item(
	struct wb_request_error *error, int64_t index, enum wb_reason reason, const struct wb_error *why)
{
	/* What the consumer would call a wrong header is here a member that does not fit its operation. */
	if (reason == WB_REASON_INVALID_HEADER)
		return wb_request_refuse(error, 400, "invalid-operation", index, "%s", why->text);
	if (reason == WB_REASON_TOO_LARGE)
		(void)wb_request_refuse(error, 413, "document-too-large", index, "%s", why->text);
	else
		(void)wb_request_refuse(error, 400, "invalid-document", index, "%s", why->text);
	error->reason = reason;
	return false;
}

static int shown(struct wb_slice name)
{
	return (int)(name.len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : name.len);
}

bool wb_request_refuse_unknown(struct wb_request_error *error, int64_t index, struct wb_slice name, const char *known)
{
	return wb_request_refuse(error, 400, "unknown-member", index,
		"the member %.*s is not known here, where %s may stand", shown(name), name.data, known);
}

bool wb_request_refuse_twice(struct wb_request_error *error, int64_t index, struct wb_slice name)
{
	return wb_request_refuse(
		error, 400, "duplicate-member", index, "the member %.*s stands twice", shown(name), name.data);
}

bool wb_request_refuse_memory(struct wb_request_error *error)
{
	return wb_request_refuse(error, 503, "overloaded", -1, "no memory for this request now");
}
