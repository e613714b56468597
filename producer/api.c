#include "producer/api_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/problem.h"
#include "producer/api_jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_LEN_MAX 300

/* Access */

struct wb_auth_time wb_api_now(void)
{
	return (struct wb_auth_time){ .wall_ms = wb_clock_wall_ms(), .mono_ms = wb_clock_mono_ms() };
}

void wb_api_refuse_access(struct wb_http_request *r, struct wb_access *access, const struct wb_auth_refusal *refusal)
{
	const struct wb_problem problem = {
		.status = refusal->status,
		.code = refusal->code,
		.detail = refusal->detail.text,
		.index = -1,
		.retry_after_s = refusal->retry_after_s,
	};

	access->rate = refusal->rate;
	memcpy(access->authenticate, refusal->authenticate, sizeof access->authenticate);
	wb_problem_respond(r, &problem);
}

bool wb_api_admit(struct wb_api *api, struct wb_http_request *r, enum wb_scope scope, struct wb_access *access)
{
	const struct wb_credentials shown = {
		.authorization = wb_http_header(r, "Authorization"),
		.api_key = wb_http_header(r, "x-api-key"),
	};
	const struct wb_auth_time now = wb_api_now();
	struct wb_auth_refusal refusal;

	access->identity = wb_auth_admit(api->settings.auth, &shown, scope, now, &refusal);
	if (access->identity)
		wb_identity_rate_texts(access->identity, now, &access->rate);
	else
		wb_api_refuse_access(r, access, &refusal);
	return access->identity != NULL;
}

size_t wb_api_common_headers(void *arg, const struct wb_http_request *r, char scratch[WB_HTTP_COMMON_SCRATCH],
	struct wb_http_response_header ret[WB_HTTP_COMMON_HEADERS])
{
	_Static_assert(WB_CORS_HEADERS + WB_RATE_HEADERS + 1 <= WB_HTTP_COMMON_HEADERS, "room for both");
	_Static_assert(sizeof(struct wb_cors_origin) <= WB_HTTP_COMMON_SCRATCH, "an origin fits");
	const struct wb_access *access = wb_http_state(r);
	struct wb_cors_origin *origin = (struct wb_cors_origin *)(void *)scratch;
	const struct wb_api *api = arg;
	size_t count = 0;

	/* The answer to a preflight request has more than these, and its own. */
	if (!wb_slice_eq_cstr(wb_http_method(r), "OPTIONS"))
		count = wb_cors_headers(api->settings.cors, wb_http_header(r, "Origin"), origin, ret);
	if (!access)
		return count;
	count += wb_rate_headers(&access->rate, ret + count);
	if (access->authenticate[0])
		ret[count++] = (struct wb_http_response_header){ "WWW-Authenticate", access->authenticate };
	return count;
}

/* A script of another origin asks first, without a token, whether it may. */
static void preflight(void *arg, struct wb_http_request *r)
{
	struct wb_http_response_header headers[WB_CORS_PREFLIGHT_HEADERS + 1] = { { NULL, NULL } };
	struct wb_cors_origin origin;
	const struct wb_api *api = arg;
	size_t count;

	count = wb_cors_preflight_headers(
		api->settings.cors, wb_http_header(r, "Origin"), "GET, HEAD, POST", &origin, headers);
	headers[count] = (struct wb_http_response_header){ NULL, NULL };
	wb_http_respond(r, 204, NULL, wb_slice("", 0), headers);
}

/* URLs */

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

void wb_api_absolute_url(
	const struct wb_api *api, const struct wb_http_request *r, const char *path, char ret[WB_API_URL_SIZE])
{
	struct wb_slice host = wb_http_header(r, "Host");

	if (api->settings.public_url)
		(void)snprintf(ret, WB_API_URL_SIZE, "%s%s", api->settings.public_url, path); /* checked at the start */
	else if (host_valid(host))
		(void)snprintf(ret, WB_API_URL_SIZE, "%s://%.*s%s", wb_http_secure(r) ? "https" : "http",
			WB_SLICE_ARGS(host), path);
	else
		(void)snprintf(ret, WB_API_URL_SIZE, "%s", path);
}

/* Routes that only read */

static void free_access(void *arg)
{
	struct wb_access *access = arg;

	wb_identity_release(&access->identity);
	free(access);
}

static bool may_read(struct wb_api *api, struct wb_http_request *r)
{
	struct wb_access *access = wb_xcalloc(1, sizeof *access);

	wb_http_set_state(r, access, free_access);
	return wb_api_admit(api, r, WB_SCOPE_READ, access);
}

/* What shows the jobs of every database and container. */
static bool may_read_all(struct wb_api *api, struct wb_http_request *r)
{
	struct wb_auth_refusal refusal;
	struct wb_access *access;

	if (!may_read(api, r))
		return false;
	access = wb_http_state(r);
	if (wb_identity_may_list(access->identity, &refusal))
		return true;
	refusal.rate = access->rate;
	wb_api_refuse_access(r, access, &refusal);
	return false;
}

static void get_jobs(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;

	if (may_read_all(api, r))
		wb_api_get_jobs(api->settings.view, r);
}

static void get_job(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;

	if (may_read(api, r))
		wb_api_get_job(api->settings.view, r);
}

static void get_ledger(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;

	if (may_read_all(api, r))
		wb_api_get_ledger(api->settings.view, r);
}

static void guarded(void *arg, struct wb_http_request *r)
{
	struct wb_api *api = arg;

	if (may_read(api, r))
		api->guarded_handler(api->guarded_arg, r);
}

void wb_api_guard(struct wb_api *api, struct wb_http_route *route)
{
	api->guarded_handler = route->handler;
	api->guarded_arg = route->arg;
	route->handler = guarded;
	route->arg = api;
}

size_t wb_api_routes(struct wb_api *api, struct wb_http_route ret[WB_API_ROUTES_MAX])
{
	static const char *const paths[2][4] = {
		{ "/v1/jobs", "/v1/jobs/{id}", "/v1/ledger", "/openapi.json" },
		{ "/api/v1/jobs", "/api/v1/jobs/{id}", "/api/v1/ledger", "/api/openapi.json" },
	};
	bool cors = api->settings.cors->any || api->settings.cors->count;
	size_t count = 0;

	for (size_t i = 0; i < (api->settings.functions ? 2U : 1U); i++) {
		const char *const *path = paths[i];
		const struct wb_http_route routes[] = {
			{ "POST", path[0], wb_api_publish, api, api->settings.validate_max_bytes, wb_api_publish_begin,
				wb_api_publish_stream, api->settings.max_body_bytes },
			{ "GET", path[0], get_jobs, api, 0, NULL, NULL, 0 },
			{ "GET", path[1], get_job, api, 0, NULL, NULL, 0 },
			{ "GET", path[2], get_ledger, api, 0, NULL, NULL, 0 },
			{ "GET", path[3], wb_api_get_openapi, NULL, 0, NULL, NULL, 0 },
			{ "OPTIONS", path[0], preflight, api, 0, NULL, NULL, 0 },
			{ "OPTIONS", path[1], preflight, api, 0, NULL, NULL, 0 },
			{ "OPTIONS", path[2], preflight, api, 0, NULL, NULL, 0 },
		};
		size_t n = WB_ARRAY_LEN(routes) - (cors ? 0 : 3);

		memcpy(ret + count, routes, n * sizeof *routes);
		count += n;
	}
	if (api->settings.functions)
		ret[count++] = (struct wb_http_route){ .method = "POST",
			.path = "/{function}",
			.handler = wb_api_function,
			.max_body_bytes = api->settings.validate_max_bytes };
	return count;
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
	api->duplicates = wb_duplicates_new();
	wb_metrics_gauge_fn(settings->metrics, "writebehind_jobs_in_flight", "Jobs that are being published", "",
		requests_value, api);
	wb_metrics_gauge_fn(settings->metrics, "writebehind_jobs_in_flight_bytes",
		"Memory of jobs that are being published: bodies and what was read from them", "", bytes_value, api);
	return api;
}

void wb_api_free(struct wb_api **api)
{
	if (!*api)
		return;
	wb_duplicates_free(&(*api)->duplicates);
	free(*api);
	*api = NULL;
}
