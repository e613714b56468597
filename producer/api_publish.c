/* POST /v1/jobs, from its headers to its answer. */
#include "producer/api_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/problem.h"
#include "producer/answer.h"
#include "producer/audit.h"
#include "producer/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_BYTES_MAX      (1024 * 1024) /* of an answer */
#define RETRY_AFTER_S       1
#define RETRY_AFTER_KAFKA_S 5
#define WAIT_MAX_S          60
#define STATUS_CLIENT_GONE  499 /* in the audit line: nobody was there to be answered, as nginx has it */

/* Memory of a job's documents, until Kafka has told about all of its records. */
struct held_body {
	struct wb_api *api;
	struct wb_http_server *server;
	char *bytes;
	size_t len, batch_bytes;
};

static void release_body(void *arg)
{
	struct held_body *h = arg;

	atomic_fetch_sub(&h->api->batch_bytes, h->batch_bytes);
	atomic_fetch_sub(&h->api->body_bytes, h->len);
	if (h->bytes)
		wb_http_body_free(h->server, h->bytes, h->len);
	free(h);
}

/* It is not being published any more. */
static void leave_in_flight(struct wb_publication *p)
{
	if (p->in_flight)
		atomic_fetch_sub(&p->api->requests, 1);
	p->in_flight = false;
}

static void free_publication(void *arg)
{
	struct wb_publication *p = arg;

	if (p->body)
		wb_http_body_free(p->server, p->body, p->body_len);
	leave_in_flight(p);
	wb_identity_release(&p->access.identity);
	wb_stream_intake_free(&p->stream);
	wb_batch_release(&p->batch);
	free(p);
}

/* Answers */

static void audit(const struct wb_publication *p, unsigned status)
{
	const char *job = p->duplicate.job;
	const struct wb_audit line = {
		.principal = p->access.identity ? wb_identity_principal(p->access.identity) : "",
		.peer = wb_http_peer(p->request),
		.job = *job ? wb_slice_cstr(job) : (struct wb_slice){ NULL, 0 },
		.database = p->defaults.database,
		.container = p->defaults.container,
		.op = wb_op_text(p->defaults.op),
		.count = p->count,
		.bytes = p->bytes,
		.status = status,
		.keyed = p->keyed,
	};

	wb_audit_job(p->api->settings.audit_log, &line);
}

static void respond_problem(struct wb_publication *p, const struct wb_problem *problem)
{
	audit(p, problem->status);
	wb_problem_respond(p->request, problem);
}

static void respond_failed(struct wb_publication *p, enum wb_err err, const char *why)
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
	respond_problem(p, &problem);
}

static void respond_refused(struct wb_publication *p, const struct wb_request_error *error)
{
	const struct wb_problem problem = {
		.status = error->status,
		.code = error->code,
		.detail = error->detail.text,
		.index = error->index,
		.reason = error->reason == WB_REASON_NONE ? NULL : wb_reason_text(error->reason),
		.retry_after_s = error->status == 503 ? RETRY_AFTER_S : 0,
	};

	respond_problem(p, &problem);
}

static void respond_202(struct wb_publication *p)
{
	struct wb_slice asked = wb_http_path(p->request);
	bool under_api = asked.len > 5 && memcmp(asked.data, "/api/", 5) == 0;
	char path[WB_API_PATH_SIZE], url[WB_API_URL_SIZE];
	struct wb_http_response_header headers[5] = {
		{ "Location", path },
		{ "Operation-Location", url },
		{ "Retry-After", "1" },
	};
	struct wb_buf body;

	if (p->prefer.respond_async)
		headers[3] = (struct wb_http_response_header){ "Preference-Applied", "respond-async" };
	(void)snprintf(path, sizeof path, "%s/v1/jobs/%s", under_api ? "/api" : "", p->duplicate.job);
	wb_api_absolute_url(p->api, p->request, path, url);
	wb_buf_init(&body, BODY_BYTES_MAX);
	wb_render_accepted(p->duplicate.job, p->count, url, &body);
	audit(p, 202);
	wb_http_respond_buf(p->request, 202, WB_ANSWER_JSON, &body, headers);
	wb_buf_release(&body);
}

static void take_ended(void *arg, const struct wb_job_info *info)
{
	if (info->pending == 0)
		wb_render_job(info, true, arg);
}

static void on_waited(void *arg, enum wb_err err)
{
	struct wb_publication *p = arg;
	struct wb_buf body;

	(void)err; /* whether the job has ended is what counts */
	wb_buf_init(&body, BODY_BYTES_MAX);
	if (wb_job_view_find(p->api->settings.view, wb_slice_cstr(p->duplicate.job), take_ended, &body) && body.len) {
		audit(p, 200);
		wb_answer_json(p->request, &body, NULL, false);
		return;
	}
	wb_buf_release(&body);
	respond_202(p);
}

/* Where the client prefers that, the job's end is waited for. */
static void respond_accepted(struct wb_publication *p)
{
	int64_t wait_s = p->prefer.wait ? p->prefer.wait_s : 0;

	leave_in_flight(p);
	if (wait_s > WAIT_MAX_S)
		wait_s = WAIT_MAX_S;
	if (wait_s == 0 ||
		wb_job_view_wait(p->api->settings.view, wb_slice_cstr(p->duplicate.job), 0, wait_s * 1000, true,
			on_waited, p) != WB_OK)
		respond_202(p);
}

static void respond(struct wb_publication *p, const struct wb_publication_end *end)
{
	switch (end->kind) {
	case WB_END_ACCEPTED:
		respond_accepted(p);
		break;
	case WB_END_FAILED:
		respond_failed(p, end->err, end->why);
		break;
	case WB_END_REFUSED:
		respond_refused(p, end->error);
		break;
	}
}

/* Those that repeat a publication get the same answer. */
static void end_repeats(struct wb_publication *p, const struct wb_publication_end *end)
{
	struct wb_list repeats = { 0 };
	struct wb_link *link;

	if (p->claimed)
		repeats = wb_duplicates_end(p->api->duplicates, &p->duplicate);
	p->claimed = false;
	while ((link = wb_list_pop(&repeats)) != NULL) {
		struct wb_publication *repeat = WB_CONTAINER_OF(link, struct wb_publication, duplicate.link);

		repeat->count = p->count;
		respond(repeat, end);
	}
}

void wb_publication_end(struct wb_publication *p, const struct wb_publication_end *end)
{
	/* What a stream was refused for may be what its repeat does not have: only the digest of its body was promised. */
	const struct wb_publication_end again = { .kind = WB_END_FAILED,
		.err = WB_EIO,
		.why = "the request that this one repeats was refused in its midst" };

	end_repeats(p, p->stream && end->kind == WB_END_REFUSED ? &again : end);
	respond(p, end);
}

void wb_publication_lost(struct wb_publication *p)
{
	const struct wb_publication_end end = {
		.kind = WB_END_FAILED, .err = WB_EIO, .why = "the request that this one repeats was cut off"
	};

	if (p->count > 0)
		audit(p, STATUS_CLIENT_GONE);
	end_repeats(p, &end);
	wb_duplicates_leave(p->api->duplicates, &p->duplicate);
}

void wb_publication_refused(struct wb_publication *p, const struct wb_request_error *error)
{
	wb_publication_end(p, &(struct wb_publication_end){ .kind = WB_END_REFUSED, .error = error });
}

void wb_publication_refuse(struct wb_publication *p, unsigned status, const char *code, const char *detail)
{
	struct wb_request_error error;

	(void)wb_request_refuse(&error, status, code, -1, "%s", detail);
	wb_publication_refused(p, &error);
}

void wb_publication_done(void *publication, enum wb_err err, const char *why)
{
	const struct wb_publication_end end = {
		.kind = err == WB_OK ? WB_END_ACCEPTED : WB_END_FAILED, .err = err, .why = why
	};

	wb_publication_end(publication, &end);
}

/* What stands outside the body */

static bool target_argument(struct wb_publication *p, const char *name, struct wb_slice *ret)
{
	struct wb_slice value = wb_http_query(p->request, name);
	struct wb_error detail;

	if (value.data && !wb_request_name_valid(value)) {
		(void)wb_error_set(&detail, WB_EINVAL,
			"?%s= must be a name: 1 to %d bytes, none of / \\ ? #, no space at the end", name,
			WB_NAME_LEN_MAX);
		wb_publication_refuse(p, 400, "invalid-query-argument", detail.text);
		return false;
	}
	*ret = value;
	return true;
}

static bool read_query(struct wb_publication *p)
{
	static const char *const known[] = { "database", "container", "op", "callback", NULL };
	struct wb_http_request *r = p->request;
	struct wb_request_error error;
	struct wb_slice op;

	if (!wb_answer_query_good(r, known))
		return false;
	p->defaults.op = WB_OP_UPSERT;
	op = wb_http_query(r, "op");
	if (op.data && !wb_request_op(op, &p->defaults.op, &error)) {
		wb_publication_refused(p, &error);
		return false;
	}
	p->callback = wb_http_query(r, "callback");
	return target_argument(p, "database", &p->defaults.database) &&
		target_argument(p, "container", &p->defaults.container);
}

static void add_preference(void *arg, struct wb_slice field)
{
	wb_prefer_add(arg, field);
}

static void count_field(void *arg, struct wb_slice field)
{
	(void)field;
	++*(unsigned *)arg;
}

static bool read_headers(struct wb_publication *p)
{
	struct wb_http_request *r = p->request;
	struct wb_slice key = wb_http_header(r, "Idempotency-Key"), digest = wb_http_header(r, "Content-Digest");
	enum wb_err err = WB_OK;
	unsigned keys = 0;
	struct wb_error why;

	if (!wb_request_format(wb_http_header(r, "Content-Type"), &p->format)) {
		wb_publication_refuse(p, 415, "unsupported-media-type",
			"Content-Type must be application/json or application/x-ndjson, in UTF-8");
		return false;
	}
	wb_http_each_header(r, "Prefer", add_preference, &p->prefer);
	wb_http_each_header(r, "Idempotency-Key", count_field, &keys);
	p->keyed = keys > 0;
	if (keys > 1) {
		wb_publication_refuse(p, 400, "invalid-idempotency-key", "there is more than one Idempotency-Key");
		return false;
	}
	if (p->keyed && wb_idempotency_key_parse(key, &p->key, &why) != WB_OK) {
		wb_publication_refuse(p, 400, "invalid-idempotency-key", why.text);
		return false;
	}
	if (digest.data)
		err = wb_content_digest_parse(digest, p->digest, &why);
	p->promised = digest.data && err == WB_OK;
	if (err == WB_EINVAL)
		wb_publication_refuse(p, 400, "invalid-content-digest", why.text);
	return err != WB_EINVAL;
}

bool wb_publication_digest_holds(const struct wb_publication *p)
{
	uint8_t sha256[WB_SHA256_SIZE];

	return !p->promised ||
		(wb_http_body_digest(p->request, sha256) && memcmp(sha256, p->digest, sizeof sha256) == 0);
}

static void refuse_more(struct wb_publication *p)
{
	wb_publication_refuse(p, 503, "overloaded", "as many jobs as http.max.requests are being published");
}

static bool has_room(struct wb_publication *p)
{
	struct wb_api *api = p->api;

	if (wb_job_view_full(api->settings.view)) {
		wb_publication_refuse(p, 503, "too-many-jobs", "as many jobs as jobs.max are not finished");
		return false;
	}
	if (atomic_load(&api->requests) >= api->settings.max_requests) {
		refuse_more(p);
		return false;
	}
	return true;
}

bool wb_publication_enter(struct wb_publication *p)
{
	struct wb_api *api = p->api;

	p->in_flight = atomic_fetch_add(&api->requests, 1) < api->settings.max_requests;
	if (p->in_flight)
		return true;
	atomic_fetch_sub(&api->requests, 1);
	refuse_more(p);
	return false;
}

bool wb_publication_allowed(struct wb_publication *p, struct wb_slice database, struct wb_slice container)
{
	struct wb_auth_refusal refusal;
	struct wb_error why;
	enum wb_err err = WB_OK;

	if (!wb_identity_may_publish(p->access.identity, database, container, &refusal)) {
		audit(p, refusal.status);
		wb_api_refuse_access(p->request, &p->access, &refusal);
		return false;
	}
	if (p->callback.data)
		err = wb_callback_rules_check(p->api->settings.callbacks, p->callback, &why);
	if (err == WB_OK)
		return true;
	wb_publication_refuse(p, 400, err == WB_EUNSUPPORTED ? "callback-not-allowed" : "invalid-callback", why.text);
	return false;
}

void wb_api_publish_begin(void *arg, struct wb_http_request *r)
{
	struct wb_publication *p = wb_xcalloc(1, sizeof *p);
	struct wb_api *api = arg;

	p->api = api;
	p->request = r;
	p->server = wb_http_request_server(r);
	wb_batch_init(&p->batch, api->settings.rules.max_operations);
	wb_http_set_state(r, p, free_publication);
	if (!wb_api_admit(api, r, WB_SCOPE_PUBLISH, &p->access) || !read_query(p) || !read_headers(p) || !has_room(p))
		return;
	if (p->keyed || p->promised)
		wb_http_digest_body(r);
}

/* Keys */

void wb_publication_identify(struct wb_publication *p, const uint8_t body_sha256[WB_SHA256_SIZE])
{
	struct wb_http_request *r = p->request;
	struct wb_job_key_request request = {
		.principal = wb_slice_cstr(wb_identity_principal(p->access.identity)),
		.key = wb_slice(p->key.text, p->key.len),
		.database = p->defaults.database,
		.container = p->defaults.container,
		.op = wb_slice_cstr(wb_op_text(p->defaults.op)),
		.callback = p->callback,
		.content_type = wb_http_header(r, "Content-Type"),
		.content_encoding = wb_http_header(r, "Content-Encoding"),
	};

	if (!p->keyed) {
		wb_publisher_new_id(p->api->settings.publisher, p->duplicate.job);
	} else {
		memcpy(request.body_sha256, body_sha256, sizeof request.body_sha256);
		wb_job_key_id(&request, p->duplicate.job);
		wb_job_key_digest(request.principal, request.key, p->duplicate.key);
	}
	p->defaults.job = wb_slice_cstr(p->duplicate.job);
}

static void refuse_reuse(struct wb_publication *p)
{
	wb_publication_refuse(p, 422, "idempotency-key-reused",
		"this Idempotency-Key has come with another request: another body, target or operation");
}

static void refuse_unread(struct wb_publication *p, enum wb_err err)
{
	if (err == WB_ECLOSED)
		wb_publication_refuse(p, 503, "stopping", "the service stops");
	else if (err == WB_EFULL)
		wb_publication_refuse(p, 503, "overloaded", "too many questions wait for the results topic");
	else
		wb_publication_refuse(p, 503, "view-behind",
			"whether this key is known could not be told: the results topic was not read to its end in "
			"time (jobs.read.timeout.ms)");
}

bool wb_publication_claim(struct wb_publication *p, wb_job_view_fn fn)
{
	enum wb_err err;

	switch (wb_duplicates_claim(p->api->duplicates, &p->duplicate)) {
	case WB_CLAIM_REPEAT:
		return false;
	case WB_CLAIM_OTHER:
		refuse_reuse(p);
		return false;
	case WB_CLAIM_FIRST:
		break;
	}
	p->claimed = true;
	err = wb_job_view_catch_up(p->api->settings.view, fn, p);
	if (err != WB_OK)
		refuse_unread(p, err);
	return err == WB_OK;
}

static void take_count(void *arg, const struct wb_job_info *info)
{
	*(uint64_t *)arg = info->accepted;
}

bool wb_publication_fresh(struct wb_publication *p, enum wb_err err)
{
	struct wb_job_view *view = p->api->settings.view;
	char job[WB_JOB_ID_SIZE];

	if (err != WB_OK) {
		refuse_unread(p, err);
		return false;
	}
	if (!wb_job_view_find_key(view, p->duplicate.key, job))
		return true;
	if (strcmp(job, p->duplicate.job) != 0) {
		refuse_reuse(p);
		return false;
	}
	/* Where its details are forgotten, what was counted now is the same. */
	(void)!wb_job_view_find(view, wb_slice_cstr(job), take_count, &p->count);
	wb_publication_done(p, WB_OK, NULL);
	return false;
}

/* A gathered body */

void wb_publication_job(
	const struct wb_publication *p, struct wb_slice database, struct wb_slice container, struct wb_publish_job *ret)
{
	*ret = (struct wb_publish_job){
		.at_ms = wb_clock_wall_ms(),
		.database = database,
		.container = container,
		.callback = p->callback,
		.key = p->keyed ? p->duplicate.key : NULL,
	};
	memcpy(ret->id, p->duplicate.job, sizeof ret->id);
}

/* Charges the limit for the batch; false, with nothing charged and an answer, when it does not fit. */
static bool charge_batch(struct wb_publication *p, size_t bytes)
{
	struct wb_api *api = p->api;
	size_t budget = api->settings.batch_budget_bytes;

	if (bytes > budget) {
		wb_publication_refuse(p, 413, "too-many-operations",
			"the writes of this request alone fill their share of memory.budget.bytes: send it in parts");
		return false;
	}
	if (atomic_fetch_add(&api->batch_bytes, bytes) + bytes <= budget)
		return true;
	atomic_fetch_sub(&api->batch_bytes, bytes);
	wb_publication_refuse(
		p, 503, "overloaded", "the requests in flight fill the memory budget (memory.budget.bytes)");
	return false;
}

static bool take_rate(struct wb_publication *p)
{
	struct wb_auth_refusal refusal;

	if (wb_identity_take_documents(p->access.identity, p->count, wb_api_now(), &refusal))
		return true;
	audit(p, refusal.status);
	wb_api_refuse_access(p->request, &p->access, &refusal);
	return false;
}

/* p may be answered before this returns. here: on this thread. */
static void publish(struct wb_publication *p, bool here)
{
	struct wb_publisher *publisher = p->api->settings.publisher;
	size_t batch_bytes = wb_batch_bytes(&p->batch);
	struct wb_publish_memory memory = { .release = release_body };
	struct wb_publish_job job;
	struct held_body *held;

	if (!charge_batch(p, batch_bytes))
		return;
	held = wb_xcalloc(1, sizeof *held);
	held->api = p->api;
	held->server = p->server;
	held->bytes = p->body;
	held->len = p->body_len;
	p->body = NULL;
	held->batch_bytes = batch_bytes;
	atomic_fetch_add(&p->api->body_bytes, held->len);
	memory.arg = held;
	wb_publication_job(p, p->batch.database, p->batch.container, &job);
	wb_publisher_submit(publisher, &job, &p->batch, memory, here, wb_publication_done, p);
}

/* On the view's thread, which has other things to do than to send. */
static void on_caught_up(void *arg, enum wb_err err)
{
	struct wb_publication *p = arg;

	if (wb_publication_fresh(p, err))
		publish(p, false);
}

void wb_api_publish(void *arg, struct wb_http_request *r)
{
	struct wb_publication *p = wb_http_state(r);
	struct wb_api *api = arg;
	struct wb_request_error error;
	uint8_t sha256[WB_SHA256_SIZE] = { 0 };
	struct wb_slice body;

	if (!wb_publication_enter(p))
		return;
	/* Before it is parsed, as it may move. */
	p->body = wb_http_take_body(r, &body);
	if (!p->body)
		body = wb_slice("", 0);
	p->body_len = body.len;
	p->bytes = body.len;
	if (!wb_publication_digest_holds(p)) {
		wb_publication_refuse(
			p, 400, "content-digest-mismatch", "the body is not the one that Content-Digest tells of");
		return;
	}
	if (p->keyed && !wb_http_body_digest(r, sha256)) {
		wb_publication_refuse(p, 503, "overloaded", "no digest of this body now");
		return;
	}
	wb_publication_identify(p, sha256);
	if (!wb_request_parse(body, p->format, &api->settings.rules, &p->defaults, &p->batch, &error)) {
		wb_publication_refused(p, &error);
		return;
	}
	p->count = p->batch.count;
	if (p->batch.callback.data)
		p->callback = p->batch.callback;
	if (!wb_publication_allowed(p, p->batch.database, p->batch.container) || !take_rate(p))
		return;
	if (!p->keyed)
		publish(p, true);
	else
		(void)!wb_publication_claim(p, on_caught_up); /* all else has its answer */
}
