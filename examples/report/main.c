/* An Azure Functions custom handler: executeReport reads its input, reads the database, generates the report, hands
 * the write to Writebehind and returns {"success": true} at once.
 *
 * The Functions host starts this program, tells it a port in FUNCTIONS_CUSTOMHANDLER_PORT, and posts each invocation
 * to /executeReport as {"Data":{"req":{…}},"Metadata":{…}}; the answer carries the HTTP response in Outputs.res
 * (learn.microsoft.com, "Azure Functions custom handlers").
 */
#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "common/base/strict.h"
#include "common/base/version.h"
#include "common/http/server.h"
#include "examples/report/client.h"
#include "examples/report/previous.h"
#include "examples/report/report.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_BYTES_MAX (64 * 1024 * 1024)
#define INVOCATIONS_MAX 8

struct handler {
	const char *input_dir;
	const char *producer_url;
	struct previous_source database;
	struct wb_log *log;
	_Atomic int running;
};

struct invocation {
	struct handler *handler;
	struct wb_http_request *request;
};

static const char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

/* Posts the batch; ret_job gets the job id. 202 means that Kafka holds every write. */
static enum wb_err submit(const struct handler *h, struct wb_slice batch, char ret_job[64], struct wb_error *e)
{
	const char *headers[] = { "content-type: application/json", NULL };
	char url[1024];
	struct client_request request = { .verb = "POST", .url = url, .headers = headers, .body = batch };
	struct client_reply reply = { 0 };
	json_t *answer;
	enum wb_err err;

	if (snprintf(url, sizeof url, "%s/v1/jobs", h->producer_url) >= (int)sizeof url)
		return wb_error_set(e, WB_EINVAL, "WRITEBEHIND_URL is too long");
	wb_buf_init(&reply.body, 1024 * 1024);
	err = client_exchange(&request, &reply, e);
	answer = json_loadb(reply.body.data ? reply.body.data : "", reply.body.len, 0, NULL);
	if (err == WB_OK && reply.status != 202)
		err = wb_error_set(e, WB_EIO, "the batch was not accepted: status %ld, %s", reply.status,
			json_is_string(json_object_get(answer, "detail"))
				? json_string_value(json_object_get(answer, "detail"))
				: "no detail");
	if (err == WB_OK)
		(void)snprintf(ret_job, 64, "%s", json_string_value(json_object_get(answer, "jobId")));
	json_decref(answer);
	wb_buf_release(&reply.body);
	return err;
}

/* The recipe: input, database, report, background write. */
static enum wb_err execute_report(
	const struct handler *h, char ret_job[64], struct report_summary *ret, struct wb_error *e)
{
	struct registry_list input = { 0 };
	struct wb_buf batch;
	json_t *previous = NULL;
	enum wb_err err;

	wb_buf_init(&batch, BATCH_BYTES_MAX);
	err = registry_list_read(h->input_dir, &input, e);
	if (err == WB_OK)
		err = previous_read(&h->database, &previous, e);
	if (err == WB_OK)
		err = report_build(&input, previous, &batch, ret, e);
	if (err == WB_OK)
		err = submit(h, wb_buf_slice(&batch), ret_job, e);
	json_decref(previous);
	registry_list_release(&input);
	wb_buf_release(&batch);
	return err;
}

/* The answer that the Functions host turns into the caller's HTTP response. */
static void answer(struct wb_http_request *request, int status, json_t *body, const char *log_line)
{
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *all = json_pack("{s:{s:{s:i,s:{s:s},s:s}},s:[s],s:n}", "Outputs", "res", "statusCode", status,
		"headers", "content-type", "application/json", "body", text ? text : "{}", "Logs", log_line,
		"ReturnValue");
	char *payload = all ? json_dumps(all, JSON_COMPACT) : NULL;

	/* The host itself wants 200; the function's own status travels inside. */
	wb_http_respond(
		request, payload ? 200 : 500, "application/json", wb_slice_cstr(payload ? payload : "{}"), NULL);
	free(payload);
	free(text);
	json_decref(all);
	json_decref(body);
}

static void *invoke(void *arg)
{
	struct invocation *i = arg;
	struct handler *h = i->handler;
	struct report_summary summary;
	struct wb_error why;
	char job[64] = "", line[256];

	if (execute_report(h, job, &summary, &why) == WB_OK) {
		(void)snprintf(line, sizeof line, "report %zu: %zu added, %zu changed, %zu unchanged; job %s",
			summary.run, summary.added, summary.changed, summary.unchanged, job);
		wb_log_info(h->log, "report handed over", WB_STR("job", job), WB_INT("run", summary.run),
			WB_INT("added", summary.added), WB_INT("changed", summary.changed),
			WB_INT("unchanged", summary.unchanged));
		answer(i->request, 200, json_pack("{s:b,s:s}", "success", 1, "jobId", job), line);
	} else {
		wb_log_error(h->log, "report failed", WB_STR("error", why.text));
		answer(i->request, 500, json_pack("{s:b,s:s}", "success", 0, "error", why.text), why.text);
	}
	free(i);
	atomic_fetch_sub(&h->running, 1);
	return NULL;
}

/* An invocation takes seconds, so it gets a thread of its own; there are never more than INVOCATIONS_MAX. */
static void on_invocation(void *arg, struct wb_http_request *request)
{
	struct handler *h = arg;
	struct invocation *i = malloc(sizeof *i);
	pthread_attr_t detached;
	pthread_t thread;
	bool started = false;

	if (i && atomic_fetch_add(&h->running, 1) < INVOCATIONS_MAX) {
		*i = (struct invocation){ h, request };
		(void)pthread_attr_init(&detached);
		(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
		started = pthread_create(&thread, &detached, invoke, i) == 0;
		(void)pthread_attr_destroy(&detached);
	}
	if (started)
		return;
	if (i)
		atomic_fetch_sub(&h->running, 1);
	free(i);
	answer(request, 503, json_pack("{s:b,s:s}", "success", 0, "error", "too many reports at once"), "refused");
}

static enum wb_err configure(struct handler *h, char listen[64], struct wb_error *e)
{
	const char *port = setting("FUNCTIONS_CUSTOMHANDLER_PORT", "7071");
	int64_t number;

	h->input_dir = setting("REPORT_INPUT_DIR", "/usr/share/iso-codes/json");
	h->producer_url = setting("WRITEBEHIND_URL", "http://127.0.0.1:8080");
	h->database.endpoint = setting("COSMOS_ENDPOINT", "http://127.0.0.1:8091");
	h->database.database = setting("COSMOS_DATABASE", "writebehind");
	h->database.container = setting("COSMOS_CONTAINER", "documents");
	if (wb_cosmos_key_parse(wb_slice_cstr(setting("COSMOS_KEY", "")), &h->database.key) != WB_OK ||
		h->database.key.len == 0)
		return wb_error_set(e, WB_EINVAL, "COSMOS_KEY: not an account key (base64)");
	if (wb_strict_int64(wb_slice_cstr(port), 0, 65535, &number, NULL) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "FUNCTIONS_CUSTOMHANDLER_PORT=%s: not a port", port);
	(void)snprintf(listen, 64, "127.0.0.1:%d", (int)number);
	return WB_OK;
}

int main(void)
{
	struct handler h = { .log = wb_log_new("report-handler", 2, WB_LOG_INFO, WB_LOG_LOGFMT) };
	struct wb_lifecycle *lifecycle = wb_lifecycle_new();
	struct wb_http_route routes[] = {
		{ .method = "POST",
			.path = "/executeReport",
			.handler = on_invocation,
			.arg = &h,
			.max_body_bytes = 1024 * 1024 },
	};
	char listen[64] = "";
	struct wb_http_settings settings = { .listen = listen,
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = 1,
		.max_connections = 64,
		.idle_timeout_ms = 180000,
		.body_budget_bytes = 16 * 1024 * 1024,
		.server_name = "report-handler/" WB_VERSION,
		.log = h.log };
	struct wb_http_server *server = NULL;
	struct wb_error e = { "" };
	int code = 1;

	if (client_init() == WB_OK && configure(&h, listen, &e) == WB_OK)
		server = wb_http_server_new(&settings, &e);
	if (server) {
		wb_log_info(h.log, "listening", WB_STR("address", wb_http_server_address(server)));
		wb_lifecycle_running(lifecycle);
		(void)wb_lifecycle_wait(lifecycle, -1);
		wb_http_server_quiesce(server);
		while (atomic_load(&h.running) > 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		wb_http_server_free(&server);
		code = 0;
	} else {
		wb_log_error(h.log, "cannot start", WB_STR("error", e.text));
	}
	wb_cosmos_key_wipe(&h.database.key);
	wb_lifecycle_free(&lifecycle);
	wb_log_free(&h.log);
	return code;
}
