#include "common/http/problem.h"

#include <stdio.h>

static const struct {
	unsigned status;
	const char *text;
} texts[] = {
	{ 200, "OK" },
	{ 202, "Accepted" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
};

const char *wb_http_status_text(unsigned status)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

void wb_problem_respond(struct wb_http_request *r, const struct wb_problem *problem)
{
	char retry_after[24];
	struct wb_http_response_header headers[4] = { { "x-ms-error-code", problem->code } };
	struct wb_buf body;
	size_t n = 1;

	(void)snprintf(retry_after, sizeof retry_after, "%lld", (long long)problem->retry_after_s);
	if (problem->retry_after_s > 0)
		headers[n++] = (struct wb_http_response_header){ "Retry-After", retry_after };
	if (problem->allow)
		headers[n++] = (struct wb_http_response_header){ "Allow", problem->allow };
	wb_buf_init(&body, 64 * 1024);
	wb_buf_append_cstr(&body, "{\"type\":\"about:blank\",\"title\":");
	wb_buf_append_json_string(&body, wb_slice_cstr(wb_http_status_text(problem->status)));
	wb_buf_appendf(&body, ",\"status\":%u,\"detail\":", problem->status);
	wb_buf_append_json_string(&body, wb_slice_cstr(problem->detail ? problem->detail : ""));
	wb_buf_append_cstr(&body, ",\"code\":");
	wb_buf_append_json_string(&body, wb_slice_cstr(problem->code));
	if (problem->index >= 0) {
		wb_buf_append_cstr(&body, ",\"index\":");
		wb_buf_append_i64(&body, problem->index);
	}
	if (problem->reason) {
		wb_buf_append_cstr(&body, ",\"reason\":");
		wb_buf_append_json_string(&body, wb_slice_cstr(problem->reason));
	}
	wb_buf_append_char(&body, '}');
	wb_http_respond_buf(r, problem->status, "application/problem+json", &body, headers);
}
