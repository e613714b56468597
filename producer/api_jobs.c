#include "producer/api_jobs.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "producer/answer.h"
#include "producer/openapi.h"
#include "producer/render.h"

#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_MAX ((size_t)8 << 20) /* of an answer: a page of jobs with long callback URLs */
#define LIST_DEFAULT   50
#define LIST_MAX       1000

static const char *const no_arguments[] = { NULL };

/* A question that waits for the view, or for its job. */
struct asked {
	struct wb_job_view *view;
	struct wb_http_request *request;
	char job[WB_JOB_ID_SIZE];
	int64_t wait_until_ms; /* 0: no wait */
};

static void refuse_unread(struct wb_http_request *r, enum wb_err err)
{
	if (err == WB_ECLOSED)
		wb_answer_refuse(r, 503, "stopping", "the service stops");
	else if (err == WB_EFULL)
		wb_answer_refuse(r, 503, "overloaded", "too many questions wait for the results topic");
	else
		wb_answer_refuse(r, 503, "view-behind",
			"the results topic could not be read to its end in time (jobs.read.timeout.ms)");
}

static void ask(struct wb_job_view *view, struct wb_http_request *r, const struct asked *question, wb_job_view_fn fn)
{
	struct asked *q = wb_xcalloc(1, sizeof *q);
	enum wb_err err;

	*q = *question;
	q->view = view;
	q->request = r;
	err = wb_job_view_catch_up(view, fn, q);
	if (err == WB_OK)
		return;
	free(q);
	refuse_unread(r, err);
}

/* One job */

struct job_answer {
	struct wb_buf body;
	char etag[WB_ETAG_SIZE];
	uint32_t version;
	bool ended, unchanged; /* unchanged: the client has this state already */
};

static void take_job(void *arg, const struct wb_job_info *info)
{
	struct job_answer *a = arg;

	wb_render_job(info, true, &a->body);
	a->version = info->version;
	a->ended = info->pending == 0;
}

/* False when the view does not know the job, or not its details. The body is to be released. */
static bool look_up(struct wb_job_view *view, struct wb_http_request *r, struct wb_slice id, struct job_answer *ret)
{
	*ret = (struct job_answer){ .ended = false };
	wb_buf_init(&ret->body, BODY_BYTES_MAX);
	if (!wb_job_view_find(view, id, take_job, ret))
		return false;
	wb_render_etag(wb_buf_slice(&ret->body), ret->etag);
	ret->unchanged = wb_etag_matches(wb_http_header(r, "If-None-Match"), ret->etag);
	return true;
}

static void answer_job(struct wb_http_request *r, struct job_answer *a)
{
	const struct wb_http_response_header headers[] = {
		{ "Cache-Control", "no-store" },
		{ "ETag", a->etag },
		{ a->ended ? NULL : "Retry-After", "1" },
		{ NULL, NULL },
	};

	if (a->unchanged) {
		wb_http_respond(r, 304, NULL, (struct wb_slice){ NULL, 0 }, headers);
		wb_buf_release(&a->body);
		return;
	}
	wb_answer_json(r, &a->body, a->etag, !a->ended);
}

static void on_waited(void *arg, enum wb_err err);

/* Waits for news of the job that was found: its end, or, for a client that says what it has, any change of that. Answers
 * when it cannot wait. */
static void wait_for_job(struct asked *q, struct job_answer *a)
{
	int64_t left_ms = q->wait_until_ms - wb_clock_mono_ms();
	enum wb_err err = wb_job_view_wait(
		q->view, wb_slice_cstr(q->job), a->version, left_ms > 0 ? left_ms : 0, !a->unchanged, on_waited, q);

	if (err != WB_OK) {
		answer_job(q->request, a);
		free(q);
		return;
	}
	wb_buf_release(&a->body);
}

/* Answers with the job as it stands, or lets the request wait. False when the view has no such job with its details. */
static bool answer_or_wait(struct wb_job_view *view, struct wb_http_request *r, const struct asked *question)
{
	bool conditional = wb_http_header(r, "If-None-Match").data != NULL;
	struct job_answer a;
	struct asked *q;

	if (!look_up(view, r, wb_slice_cstr(question->job), &a)) {
		wb_buf_release(&a.body);
		return false;
	}
	/* A client that has another state than this one gets this one at once. */
	if (a.ended || question->wait_until_ms <= wb_clock_mono_ms() || (conditional && !a.unchanged)) {
		answer_job(r, &a);
		return true;
	}
	q = wb_xcalloc(1, sizeof *q);
	*q = *question;
	q->view = view;
	q->request = r;
	wait_for_job(q, &a);
	return true;
}

static void answer_unknown(struct wb_job_view *view, struct wb_http_request *r, const char *job)
{
	if (wb_job_view_forgotten(view, wb_slice_cstr(job)))
		wb_answer_refuse(r, 410, "job-details-forgotten",
			"this job was accepted and has ended; there are more than jobs.max of those, and its details "
			"are "
			"not kept any more");
	else
		wb_answer_refuse(r, 404, "job-not-found", "there is no accepted job with this id");
}

/* The job has news, or the time is over; both are answered with the job as it stands. */
static void on_waited(void *arg, enum wb_err err)
{
	struct asked *q = arg;
	struct job_answer a;

	(void)err;
	if (look_up(q->view, q->request, wb_slice_cstr(q->job), &a)) {
		answer_job(q->request, &a);
	} else {
		wb_buf_release(&a.body);
		answer_unknown(q->view, q->request, q->job);
	}
	free(q);
}

static void on_caught_up_for_job(void *arg, enum wb_err err)
{
	struct asked *q = arg;

	if (err != WB_OK)
		refuse_unread(q->request, err);
	else if (!answer_or_wait(q->view, q->request, q))
		answer_unknown(q->view, q->request, q->job);
	free(q);
}

/* Answers 400 and returns false for what is no number of seconds that may be waited. */
static bool read_wait(struct wb_http_request *r, int64_t *ret_until_ms)
{
	struct wb_slice text = wb_http_query(r, "wait");
	int64_t wait_s = 0;

	if (text.data && wb_strict_int64(text, 0, WB_API_WAIT_MAX_S, &wait_s, NULL) != WB_OK) {
		wb_answer_refuse(r, 400, "invalid-query-argument", "?wait= must be a number of seconds from 0 to 60");
		return false;
	}
	*ret_until_ms = wait_s ? wb_clock_mono_ms() + wait_s * 1000 : 0;
	return true;
}

void wb_api_get_job(void *arg, struct wb_http_request *r)
{
	static const char *const known[] = { "wait", NULL };
	struct wb_job_view *view = arg;
	struct wb_slice id = wb_http_param(r, "id");
	struct asked question = { .view = view, .request = r };

	if (!wb_answer_query_good(r, known) || !read_wait(r, &question.wait_until_ms))
		return;
	if (!wb_job_id_valid(id)) {
		wb_answer_refuse(r, 404, "job-not-found", "a job id has 32 hexadecimal digits in lower case");
		return;
	}
	memcpy(question.job, id.data, WB_JOB_ID_LEN);
	if (answer_or_wait(view, r, &question))
		return;
	if (wb_job_view_forgotten(view, id))
		answer_unknown(view, r, question.job);
	else
		ask(view, r, &question, on_caught_up_for_job);
}

/* The ledger */

static void on_caught_up_for_ledger(void *arg, enum wb_err err)
{
	struct asked *q = arg;
	struct wb_job_totals totals;
	struct wb_buf body;

	if (err != WB_OK) {
		refuse_unread(q->request, err);
	} else {
		totals = wb_job_view_totals(q->view);
		wb_buf_init(&body, BODY_BYTES_MAX);
		wb_render_ledger(&totals, &body);
		wb_answer_json(q->request, &body, NULL, false);
	}
	free(q);
}

void wb_api_get_ledger(void *view, struct wb_http_request *r)
{
	const struct asked question = { .wait_until_ms = 0 };

	if (wb_answer_query_good(r, no_arguments))
		ask(view, r, &question, on_caught_up_for_ledger);
}

/* Lists */

static void list_job(void *arg, const struct wb_job_info *info)
{
	struct wb_buf *body = arg;

	if (body->len && body->data[body->len - 1] == '}')
		wb_buf_append_char(body, ',');
	wb_render_job(info, false, body);
}

static bool refuse_argument(struct wb_http_request *r, const char *detail)
{
	wb_answer_refuse(r, 400, "invalid-query-argument", detail);
	return false;
}

/* Answers 400 and returns false for an argument that is malformed. */
static bool read_filter(struct wb_http_request *r, struct wb_job_filter *ret, struct wb_job_cursor *ret_cursor)
{
	struct wb_slice limit = wb_http_query(r, "limit"), status = wb_http_query(r, "status");
	struct wb_slice since = wb_http_query(r, "since"), cursor = wb_http_query(r, "cursor");
	enum wb_job_status wanted;
	int64_t count = LIST_DEFAULT;

	*ret = (struct wb_job_filter){ .statuses = (1U << WB_JOB_STATUSES) - 1 };
	*ret_cursor = (struct wb_job_cursor){ .set = false };
	if (limit.data && wb_strict_int64(limit, 1, LIST_MAX, &count, NULL) != WB_OK)
		return refuse_argument(r, "?limit= must be a number from 1 to 1000");
	ret->limit = (size_t)count;
	if (status.data && !wb_job_status_parse(status, &wanted))
		return refuse_argument(r, "?status= must be NotStarted, Running, Succeeded or Failed");
	if (status.data)
		ret->statuses = 1U << wanted;
	if (since.data && !wb_clock_parse_rfc3339(since, &ret->since_ms))
		return refuse_argument(r,
			"?since= must be a time such as 2026-01-02T03:04:05Z (RFC 3339; a + in a "
			"query is written %2B)");
	if (cursor.data && !wb_job_cursor_read(cursor, ret_cursor))
		return refuse_argument(r, "?cursor= must be the nextCursor of an earlier answer");
	return true;
}

void wb_api_get_jobs(void *view, struct wb_http_request *r)
{
	static const char *const known[] = { "limit", "status", "since", "cursor", NULL };
	char next[WB_JOB_CURSOR_SIZE];
	struct wb_job_filter filter;
	struct wb_job_cursor cursor;
	struct wb_buf body;
	bool more;

	if (!wb_answer_query_good(r, known) || !read_filter(r, &filter, &cursor))
		return;
	wb_buf_init(&body, BODY_BYTES_MAX);
	wb_buf_append_cstr(&body, "{\"jobs\":[");
	(void)wb_job_view_list(view, &filter, &cursor, list_job, &body, &more);
	wb_buf_append_cstr(&body, "],\"nextCursor\":");
	if (more) {
		wb_job_cursor_text(&cursor, next);
		wb_buf_append_json_string(&body, wb_slice_cstr(next));
	} else {
		wb_buf_append_cstr(&body, "null");
	}
	wb_buf_append_char(&body, '}');
	wb_answer_json(r, &body, NULL, false);
}

void wb_api_get_openapi(void *arg, struct wb_http_request *r)
{
	(void)arg; /* the document is a constant */
	if (wb_answer_query_good(r, no_arguments))
		wb_http_respond(r, 200, WB_ANSWER_JSON, wb_openapi_json, NULL);
}
