/* The four admin routes of every long-running program: /livez, /readyz, /metrics, /version.
 *
 * livez: 200 as long as the process answers. readyz: 200 or 503 with the conditions as JSON (what is wrong, since
 * when); 503 while draining. Thread-safe.
 */
#ifndef WB_COMMON_HTTP_ADMIN_H
#define WB_COMMON_HTTP_ADMIN_H

#include "common/base/health.h"
#include "common/base/lifecycle.h"
#include "common/base/metrics.h"
#include "common/http/server.h"

#define WB_ADMIN_ROUTES 4

struct wb_admin {
	const char *program;             /* for /version: {"program":"…","version":"…"} */
	struct wb_health *health;
	struct wb_lifecycle *lifecycle;  /* may be NULL */
	struct wb_metrics *metrics;
};

/* Fills four routes that serve admin, which must outlive the server, and adds readiness to its metrics. */
void wb_admin_routes(struct wb_admin *admin, struct wb_http_route ret[WB_ADMIN_ROUTES]);
/* Adds process metrics (start time, resident bytes, CPU seconds, open files, build info) to the registry. */
void wb_admin_process_metrics(struct wb_metrics *metrics, const char *program);

#endif
