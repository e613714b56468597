/* The routes of writebehind-producer (docs/HTTP.md): jobs in, jobs and the ledger out.
 *
 * Thread-safe: handlers run on any server thread.
 */
#ifndef WB_PRODUCER_API_H
#define WB_PRODUCER_API_H

#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/http/server.h"
#include "producer/auth.h"
#include "producer/callback_rules.h"
#include "producer/cors.h"
#include "producer/job_view.h"
#include "producer/publisher.h"
#include "producer/request.h"

#include <stddef.h>
#include <stdint.h>

#define WB_API_ROUTES_MAX 20

struct wb_api; /* opaque */

struct wb_api_settings {
	struct wb_publisher *publisher;
	struct wb_job_view *view;
	struct wb_auth *auth;
	const struct wb_cors *cors;
	const struct wb_callback_rules *callbacks; /* NULL: none are taken */
	struct wb_request_rules rules;             /* its paths stay the caller's */
	const char *public_url; /* NULL, or what clients reach us by: "https://jobs.example.com/wb" */
	bool functions; /* the same routes under /api too */
	size_t validate_max_bytes; /* a body up to here is validated whole */
	uint64_t max_body_bytes; /* of one that is streamed */
	size_t max_requests, max_streams; /* being published at the same time */
	size_t batch_budget_bytes; /* of all batches together, bodies not counted */
	struct wb_log *audit_log; /* NULL: no audit lines */
	struct wb_metrics *metrics;
};

struct wb_api *wb_api_new(const struct wb_api_settings *settings);
/* After the server was freed. */
void wb_api_free(struct wb_api **api);
/* Fills the routes, which name api; returns how many. */
size_t wb_api_routes(struct wb_api *api, struct wb_http_route ret[WB_API_ROUTES_MAX]);
/* Makes another's route, which takes no body, one that needs a token with the scope read. One route at most. */
void wb_api_guard(struct wb_api *api, struct wb_http_route *route);
/* The server's common headers, with api as arg: CORS and rates. */
size_t wb_api_common_headers(void *api, const struct wb_http_request *r, char scratch[WB_HTTP_COMMON_SCRATCH],
	struct wb_http_response_header ret[WB_HTTP_COMMON_HEADERS]);

#endif
