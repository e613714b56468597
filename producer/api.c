#include "producer/api.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/http/problem.h"
#include "producer/openapi.h"
#include "producer/outgoing.h"
#include "producer/render.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON                "application/json"
#define BODY_BYTES_MAX      (1024 * 1024) /* of an answer */
#define LIST_DEFAULT        50
#define LIST_MAX            1000
#define HOST_LEN_MAX        300
#define PATH_SIZE           64
#define URL_SIZE            (HOST_LEN_MAX + PATH_SIZE + 16)
#define RETRY_AFTER_S       1
#define RETRY_AFTER_KAFKA_S 5

struct wb_api {
	struct wb_api_settings settings;
	atomic_size_t requests;    /* being published */
	atomic_size_t batch_bytes; /* of their batches */
	atomic_size_t body_bytes;
};

/* A question that waits for the view, or a job that waits for Kafka. */
struct pending {
	struct wb_api *api;
	struct wb_http_request *request;
	char job[WB_JOB_ID_SIZE];
	size_t count, batch_bytes, body_bytes;
};

/* Answers */

static void refuse(struct wb_http_request *r, unsigned status, const char *code, const char *detail)
{
	const struct wb_problem problem = {
		.status = status,
		.code = code,
		.detail = detail,
		.index = -1,
		.retry_after_s = status == 503 ? RETRY_AFTER_S : 0,
	};

	wb_problem_respond(r, &problem);
}

static void refuse_request(struct wb_http_request *r, const struct wb_request_error *error)
{
	const struct wb_problem problem = {
		.status = error->status,
		.code = error->code,
		.detail = error->detail.text,
		.index = error->index,
		.reason = error->reason == WB_REASON_NONE ? NULL : wb_reason_text(error->reason),
		.retry_after_s = error->status == 503 ? RETRY_AFTER_S : 0,
	};

	wb_problem_respond(r, &problem);
}

/* A job that can change is not to be kept by caches, and worth asking for again. */
static void respond_json(struct wb_http_request *r, struct wb_buf *body, bool ask_again)
{
	const struct wb_http_response_header headers[] = {
		{ "Cache-Control", "no-store" },
		{ ask_again ? "Retry-After" : NULL, "1" },
		{ NULL, NULL },
	};

	if (wb_buf_status(body) == WB_OK)
		wb_http_respond_buf(r, 200, JSON, body, headers);
	else
		refuse(r, 503, "overloaded", "no memory for this answer now");
	wb_buf_release(body);
}

/* Queries */

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

/* Answers 400 and returns false for an argument that is not known or stands twice. */
static bool query_good(struct wb_http_request *r, const char *const *known)
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
	refuse(r, 400, check.unknown.data ? "unknown-query-argument" : "invalid-query-argument", detail.text);
	return false;
}

static const char *const no_arguments[] = { NULL };

/* POST /v1/jobs */

static bool host_valid(struct wb_slice host)
{
	if (host.len == 0 || host.len > HOST_LEN_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!word && !strchr("-._~:[]%", c))
			return false;
	}
	return true;
}

/* path made absolute when the client said by which name it reached us, as HTTP/1.1 demands. */
static void absolute_url(const struct wb_http_request *r, const char *path, char ret[URL_SIZE])
{
	struct wb_slice host = wb_http_header(r, "Host");

	if (host_valid(host))
		(void)snprintf(ret, URL_SIZE, "http://%.*s%s", WB_SLICE_ARGS(host), path);
	else
		(void)snprintf(ret, URL_SIZE, "%s", path);
}

static void respond_accepted(struct pending *p)
{
	char path[PATH_SIZE], url[URL_SIZE];
	const struct wb_http_response_header headers[] = {
		{ "Location", path },
		{ "Operation-Location", url },
		{ "Retry-After", "1" },
		{ NULL, NULL },
	};
	struct wb_buf body;

	(void)snprintf(path, sizeof path, "/v1/jobs/%s", p->job);
	absolute_url(p->request, path, url);
	wb_buf_init(&body, BODY_BYTES_MAX);
	wb_render_accepted(p->job, p->count, url, &body);
	wb_http_respond_buf(p->request, 202, JSON, &body, headers);
	wb_buf_release(&body);
}

static void respond_unpublished(struct pending *p, enum wb_err err, const char *why)
{
	struct wb_error detail;
	const struct wb_problem problem = {
		.status = err == WB_ETOOBIG ? 413 : 503,
		.code = err == WB_ETOOBIG   ? "document-too-large"
			: err == WB_ECLOSED ? "stopping"
					    : "kafka-unavailable",
		.detail = detail.text,
		.index = -1,
		.reason = err == WB_ETOOBIG ? wb_reason_text(WB_REASON_TOO_LARGE) : NULL,
		.retry_after_s = err == WB_ETOOBIG ? 0 : RETRY_AFTER_KAFKA_S,
	};

	(void)wb_error_set(&detail, err, "not accepted: %s; some of the writes may be carried out nevertheless", why);
	wb_problem_respond(p->request, &problem);
}

static void release_pending(struct pending *p)
{
	atomic_fetch_sub(&p->api->requests, 1);
	atomic_fetch_sub(&p->api->batch_bytes, p->batch_bytes);
	atomic_fetch_sub(&p->api->body_bytes, p->body_bytes);
	free(p);
}

static void on_published(void *arg, enum wb_err err, const char *why)
{
	struct pending *p = arg;

	if (err == WB_OK)
		respond_accepted(p);
	else
		respond_unpublished(p, err, why);
	release_pending(p);
}

static bool target_argument(struct wb_http_request *r, const char *name, struct wb_slice *ret)
{
	struct wb_slice value = wb_http_query(r, name);
	struct wb_error detail;

	if (value.data && !wb_request_name_valid(value)) {
		(void)wb_error_set(&detail, WB_EINVAL,
			"?%s= must be a name: 1 to %d bytes, none of / \\ ? #, no space at the end", name,
			WB_NAME_LEN_MAX);
		refuse(r, 400, "invalid-query-argument", detail.text);
		return false;
	}
	*ret = value;
	return true;
}

/* Reads what stands outside the body; answers and returns false when it is wrong. */
static bool read_defaults(struct wb_http_request *r, enum wb_body_format *ret_format, struct wb_request_defaults *ret)
{
	static const char *const known[] = { "database", "container", "op", NULL };
	struct wb_request_error error;
	struct wb_slice op;

	if (!query_good(r, known))
		return false;
	if (!wb_request_format(wb_http_header(r, "Content-Type"), ret_format)) {
		refuse(r, 415, "unsupported-media-type",
			"Content-Type must be application/json or application/x-ndjson, in UTF-8");
		return false;
	}
	*ret = (struct wb_request_defaults){ .op = WB_OP_UPSERT };
	op = wb_http_query(r, "op");
	if (op.data && !wb_request_op(op, &ret->op, &error)) {
		refuse_request(r, &error);
		return false;
	}
	return target_argument(r, "database", &ret->database) && target_argument(r, "container", &ret->container);
}

/* Charges the limits for one more request; false, with nothing charged, when it does not fit. */
static bool charge(struct wb_api *api, const struct pending *p)
{
	if (atomic_fetch_add(&api->batch_bytes, p->batch_bytes) + p->batch_bytes <= api->settings.batch_budget_bytes) {
		atomic_fetch_add(&api->body_bytes, p->body_bytes);
		return true;
	}
	atomic_fetch_sub(&api->batch_bytes, p->batch_bytes);
	return false;
}

static void publish(struct wb_api *api, struct wb_http_request *r, struct wb_batch *batch)
{
	struct pending *p = wb_xcalloc(1, sizeof *p);

	p->api = api;
	p->request = r;
	p->count = batch->count;
	p->batch_bytes = wb_batch_bytes(batch);
	p->body_bytes = wb_http_body(r).len;
	if (p->batch_bytes > api->settings.batch_budget_bytes) {
		free(p);
		atomic_fetch_sub(&api->requests, 1);
		refuse(r, 413, "too-many-operations",
			"the writes of this request alone fill their share of memory.budget.bytes: send it in parts");
		return;
	}
	if (!charge(api, p)) {
		free(p);
		atomic_fetch_sub(&api->requests, 1);
		refuse(r, 503, "overloaded", "the requests in flight fill the memory budget (memory.budget.bytes)");
		return;
	}
	wb_job_id_new(p->job);
	wb_publisher_submit(api->settings.publisher, p->job, wb_clock_wall_ms(), batch, on_published, p);
}

static void post_jobs(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;
	struct wb_request_defaults defaults;
	struct wb_request_error error;
	enum wb_body_format format;
	struct wb_batch batch;

	if (!read_defaults(r, &format, &defaults))
		return;
	if (wb_job_view_full(api->settings.view)) {
		refuse(r, 503, "too-many-jobs", "as many jobs as jobs.max are not finished");
		return;
	}
	if (atomic_fetch_add(&api->requests, 1) >= api->settings.max_requests) {
		atomic_fetch_sub(&api->requests, 1);
		refuse(r, 503, "overloaded", "as many jobs as http.max.requests are being published");
		return;
	}
	wb_batch_init(&batch, api->settings.rules.max_operations);
	if (wb_request_parse(wb_http_body(r), format, &api->settings.rules, &defaults, &batch, &error)) {
		publish(api, r, &batch);
	} else {
		atomic_fetch_sub(&api->requests, 1);
		refuse_request(r, &error);
	}
	wb_batch_release(&batch);
}

/* Questions */

static void refuse_unread(struct wb_http_request *r, enum wb_err err)
{
	if (err == WB_ECLOSED)
		refuse(r, 503, "stopping", "the service stops");
	else if (err == WB_EFULL)
		refuse(r, 503, "overloaded", "too many questions wait for the results topic");
	else
		refuse(r, 503, "view-behind",
			"the results topic could not be read to its end in time (jobs.read.timeout.ms)");
}

static void ask(struct wb_api *api, struct wb_http_request *r, const char *job, wb_job_view_fn fn)
{
	struct pending *p = wb_xcalloc(1, sizeof *p);
	enum wb_err err;

	p->api = api;
	p->request = r;
	if (job)
		memcpy(p->job, job, WB_JOB_ID_SIZE);
	err = wb_job_view_catch_up(api->settings.view, fn, p);
	if (err == WB_OK)
		return;
	free(p);
	refuse_unread(r, err);
}

struct job_answer {
	struct wb_buf body;
	bool finished;
};

static void take_job(void *arg, const struct wb_job_info *info)
{
	struct job_answer *a = arg;

	wb_render_job(info, true, &a->body);
	a->finished = info->pending == 0;
}

/* Answers if the view knows the job. */
static bool answer_job(struct wb_api *api, struct wb_http_request *r, struct wb_slice id)
{
	struct job_answer a = { 0 };
	bool found;

	wb_buf_init(&a.body, BODY_BYTES_MAX);
	found = wb_job_view_find(api->settings.view, id, take_job, &a);
	if (found)
		respond_json(r, &a.body, !a.finished);
	return found;
}

static void on_caught_up_for_job(void *arg, enum wb_err err)
{
	struct pending *p = arg;

	if (err != WB_OK)
		refuse_unread(p->request, err);
	else if (!answer_job(p->api, p->request, wb_slice_cstr(p->job)))
		refuse(p->request, 404, "job-not-found", "there is no accepted job with this id");
	free(p);
}

static void get_job(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;
	struct wb_slice id = wb_http_param(r, "id");
	char job[WB_JOB_ID_SIZE] = "";

	if (!query_good(r, no_arguments))
		return;
	if (!wb_job_id_valid(id)) {
		refuse(r, 404, "job-not-found", "a job id has 32 hexadecimal digits in lower case");
		return;
	}
	if (answer_job(api, r, id))
		return;
	memcpy(job, id.data, WB_JOB_ID_LEN);
	ask(api, r, job, on_caught_up_for_job);
}

static void on_caught_up_for_ledger(void *arg, enum wb_err err)
{
	struct pending *p = arg;
	struct wb_job_totals totals;
	struct wb_buf body;

	if (err != WB_OK) {
		refuse_unread(p->request, err);
	} else {
		totals = wb_job_view_totals(p->api->settings.view);
		wb_buf_init(&body, BODY_BYTES_MAX);
		wb_render_ledger(&totals, &body);
		respond_json(p->request, &body, false);
	}
	free(p);
}

static void get_ledger(void *arg, struct wb_http_request *r)
{
	if (query_good(r, no_arguments))
		ask(arg, r, NULL, on_caught_up_for_ledger);
}

static void list_job(void *arg, const struct wb_job_info *info)
{
	struct wb_buf *body = arg;

	if (body->len && body->data[body->len - 1] == '}')
		wb_buf_append_char(body, ',');
	wb_render_job(info, false, body);
}

static void get_jobs(void *arg, struct wb_http_request *r)
{
	static const char *const known[] = { "limit", "status", NULL };
	struct wb_api *api = arg;
	struct wb_slice limit_text = wb_http_query(r, "limit"), status_text = wb_http_query(r, "status");
	unsigned statuses = (1U << WB_JOB_STATUSES) - 1;
	enum wb_job_status status;
	int64_t limit = LIST_DEFAULT;
	struct wb_buf body;

	if (!query_good(r, known))
		return;
	if (limit_text.data && wb_strict_int64(limit_text, 1, LIST_MAX, &limit, NULL) != WB_OK) {
		refuse(r, 400, "invalid-query-argument", "?limit= must be a number from 1 to 1000");
		return;
	}
	if (status_text.data && !wb_job_status_parse(status_text, &status)) {
		refuse(r, 400, "invalid-query-argument", "?status= must be NotStarted, Running, Succeeded or Failed");
		return;
	}
	if (status_text.data)
		statuses = 1U << status;
	wb_buf_init(&body, BODY_BYTES_MAX);
	wb_buf_append_cstr(&body, "{\"jobs\":[");
	wb_job_view_list(api->settings.view, statuses, (size_t)limit, list_job, &body);
	wb_buf_append_cstr(&body, "]}");
	respond_json(r, &body, false);
}

static void get_openapi(void *arg, struct wb_http_request *r)
{
	(void)arg; /* the document is a constant */
	if (query_good(r, no_arguments))
		wb_http_respond(r, 200, JSON, wb_openapi_json, NULL);
}

/* Life */

static double requests_value(void *arg)
{
	struct wb_api *api = arg;

	return (double)atomic_load(&api->requests);
}

static double bytes_value(void *arg)
{
	struct wb_api *api = arg;

	return (double)(atomic_load(&api->batch_bytes) + atomic_load(&api->body_bytes));
}

struct wb_api *wb_api_new(const struct wb_api_settings *settings)
{
	struct wb_api *api = wb_xcalloc(1, sizeof *api);

	api->settings = *settings;
	wb_metrics_gauge_fn(settings->metrics, "writebehind_jobs_in_flight", "Jobs that are being published", "",
		requests_value, api);
	wb_metrics_gauge_fn(settings->metrics, "writebehind_jobs_in_flight_bytes",
		"Memory of jobs that are being published: bodies and what was read from them", "", bytes_value, api);
	return api;
}

void wb_api_free(struct wb_api **api)
{
	free(*api);
	*api = NULL;
}

void wb_api_routes(struct wb_api *api, struct wb_http_route ret[WB_API_ROUTES])
{
	const struct wb_http_route routes[WB_API_ROUTES] = {
		{ .method = "POST",
			.path = "/v1/jobs",
			.handler = post_jobs,
			.arg = api,
			.max_body_bytes = api->settings.max_body_bytes },
		{ .method = "GET", .path = "/v1/jobs", .handler = get_jobs, .arg = api },
		{ .method = "GET", .path = "/v1/jobs/{id}", .handler = get_job, .arg = api },
		{ .method = "GET", .path = "/v1/ledger", .handler = get_ledger, .arg = api },
		{ .method = "GET", .path = "/openapi.json", .handler = get_openapi, .arg = api },
	};

	memcpy(ret, routes, sizeof routes);
}
