/* The routes of writebehind-producer (docs/HTTP.md): jobs in, jobs and the ledger out.
 *
 * Thread-safe: handlers run on any server thread.
 */
#ifndef WB_PRODUCER_API_H
#define WB_PRODUCER_API_H

#include "common/base/metrics.h"
#include "common/http/server.h"
#include "producer/job_view.h"
#include "producer/publisher.h"
#include "producer/request.h"

#include <stddef.h>

#define WB_API_ROUTES 5

struct wb_api; /* opaque */

struct wb_api_settings {
	struct wb_publisher *publisher;
	struct wb_job_view *view;
	struct wb_request_rules rules; /* its paths stay the caller's */
	size_t max_body_bytes;
	size_t max_requests;           /* being published at the same time */
	size_t batch_budget_bytes;     /* of all batches together, bodies not counted */
	struct wb_metrics *metrics;
};

struct wb_api *wb_api_new(const struct wb_api_settings *settings);
/* After the server was freed. */
void wb_api_free(struct wb_api **api);
/* Fills the routes, which name api. */
void wb_api_routes(struct wb_api *api, struct wb_http_route ret[WB_API_ROUTES]);

#endif
