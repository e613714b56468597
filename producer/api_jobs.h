/* Routes that answer what became of jobs (docs/HTTP.md): handlers whose arg is the job view.
 *
 * Thread-safe: handlers run on any server thread.
 */
#ifndef WB_PRODUCER_API_JOBS_H
#define WB_PRODUCER_API_JOBS_H

#include "common/http/server.h"
#include "producer/job_view.h"

#define WB_API_WAIT_MAX_S 60 /* of ?wait= */

/* GET /v1/jobs/{id}?wait= */
void wb_api_get_job(void *view, struct wb_http_request *r);
/* GET /v1/jobs?status=&since=&limit=&cursor= */
void wb_api_get_jobs(void *view, struct wb_http_request *r);
/* GET /v1/ledger */
void wb_api_get_ledger(void *view, struct wb_http_request *r);
/* GET /openapi.json; arg is not used. */
void wb_api_get_openapi(void *arg, struct wb_http_request *r);

#endif
