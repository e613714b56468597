#include "producer/answer.h"

#include "common/base/error.h"
#include "common/http/problem.h"

void wb_answer_refuse(struct wb_http_request *r, unsigned status, const char *code, const char *detail)
{
	const struct wb_problem problem = {
		.status = status,
		.code = code,
		.detail = detail,
		.index = -1,
		.retry_after_s = status == 503 ? WB_ANSWER_RETRY_AFTER_S : 0,
	};

	wb_problem_respond(r, &problem);
}

void wb_answer_json(struct wb_http_request *r, struct wb_buf *body, const char *etag, bool ask_again)
{
	struct wb_http_response_header headers[4] = { { "Cache-Control", "no-store" } };
	size_t count = 1;

	if (etag)
		headers[count++] = (struct wb_http_response_header){ "ETag", etag };
	if (ask_again)
		headers[count++] = (struct wb_http_response_header){ "Retry-After", "1" };
	if (wb_buf_status(body) == WB_OK)
		wb_http_respond_buf(r, 200, WB_ANSWER_JSON, body, headers);
	else
		wb_answer_refuse(r, 503, "overloaded", "no memory for this answer now");
	wb_buf_release(body);
}

struct query_check {
	const char *const *known; /* NULL ends */
	unsigned seen;            /* a bit for each */
	struct wb_slice unknown, twice;
};

static void check_argument(void *arg, struct wb_slice name, struct wb_slice value)
{
	struct query_check *check = arg;

	(void)value; /* judged by the handler that knows the name */
	for (unsigned i = 0; check->known[i]; i++) {
		if (!wb_slice_eq_cstr(name, check->known[i]))
			continue;
		if (check->seen >> i & 1)
			check->twice = name;
		check->seen |= 1U << i;
		return;
	}
	check->unknown = name;
}

bool wb_answer_query_good(struct wb_http_request *r, const char *const *known)
{
	struct query_check check = { .known = known };
	struct wb_error detail;
	struct wb_slice bad;

	wb_http_each_query(r, check_argument, &check);
	bad = check.unknown.data ? check.unknown : check.twice;
	if (!bad.data)
		return true;
	(void)wb_error_set(&detail, WB_EINVAL, "the query argument %.*s %s", bad.len > 80 ? 80 : (int)bad.len, bad.data,
		check.unknown.data ? "is not known here" : "stands twice");
	wb_answer_refuse(r, 400, check.unknown.data ? "unknown-query-argument" : "invalid-query-argument", detail.text);
	return false;
}
