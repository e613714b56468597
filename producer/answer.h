/* What the handlers of the API have in common: refusals, answers in JSON, and the check of a query's arguments.
 *
 * Thread-safe.
 */
#ifndef WB_PRODUCER_ANSWER_H
#define WB_PRODUCER_ANSWER_H

#include "common/base/buf.h"
#include "common/http/server.h"

#include <stdbool.h>

#define WB_ANSWER_JSON          "application/json"
#define WB_ANSWER_RETRY_AFTER_S 1

/* Answers with a problem; a 503 has Retry-After. */
void wb_answer_refuse(struct wb_http_request *r, unsigned status, const char *code, const char *detail);
/* Answers 200 with a body that is not to be kept by caches, and releases it; 503 when there was no memory for it.
 * etag: NULL for none. ask_again: it is worth asking for again (Retry-After). */
void wb_answer_json(struct wb_http_request *r, struct wb_buf *body, const char *etag, bool ask_again);
/* Answers 400 and returns false for an argument that is not known or stands twice. known: NULL ends; 32 at most. */
bool wb_answer_query_good(struct wb_http_request *r, const char *const *known) WB_MUST_USE;

#endif
