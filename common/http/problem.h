/* RFC 9457 problem details: every error of an HTTP interface, with a stable code for programs.
 *
 * {"type":"about:blank","title":"Bad Request","status":400,"detail":"…","code":"invalid-document","index":3}
 * The code is public and never renamed; x-ms-error-code carries it too, as Azure's clients expect. Thread-safe.
 */
#ifndef WB_COMMON_HTTP_PROBLEM_H
#define WB_COMMON_HTTP_PROBLEM_H

#include "common/http/server.h"

struct wb_problem {
	unsigned status;
	const char *code;      /* "body-too-large": a literal */
	const char *detail;    /* one sentence: what, where, what is allowed */
	int64_t index;         /* of the offending document or line, -1: none */
	const char *reason;    /* word of the reason vocabulary for that document, NULL: none */
	int64_t retry_after_s; /* > 0 sends Retry-After */
	const char *allow;     /* the Allow header of a 405; NULL: none */
};

void wb_problem_respond(struct wb_http_request *r, const struct wb_problem *problem);
/* The reason phrase of a status: "Bad Request"; "Error" for one that it does not know. */
const char *wb_http_status_text(unsigned status);

#endif
