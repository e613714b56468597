/* Cross-origin requests (the Fetch standard's CORS protocol): which web pages' scripts may talk to the service.
 *
 * Off unless origins are listed. Credentials in the sense of browsers (cookies) are never allowed; a script sends its
 * token in a header like everyone. Preflight requests carry no token and must be answered without one.
 * Pure. Thread-safe: the list is read-only once it is parsed.
 */
#ifndef WB_PRODUCER_CORS_H
#define WB_PRODUCER_CORS_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/http/server.h"

#include <stdbool.h>
#include <stddef.h>

#define WB_CORS_ORIGINS_MAX 100
#define WB_CORS_ORIGIN_LEN  300 /* the longest: a host has at most 253 bytes */

struct wb_cors {
	char *text; /* the origins, each with a terminating zero */
	size_t count;
	bool any; /* "*" */
};

/* Origins with commas between them ("https://app.example.com,http://localhost:3000"), or "*"; NULL or "": off.
 * WB_EINVAL with a sentence for what no browser would ever send. To be released. */
enum wb_err wb_cors_parse(const char *text, struct wb_cors *ret, struct wb_error *e) WB_MUST_USE;
/* Zeroed memory is fine. */
void wb_cors_release(struct wb_cors *c);

/* The response headers that a request's answer carries, whatever the answer is. The value of the origin is copied into
 * origin, into which ret then points. */
#define WB_CORS_HEADERS 3
struct wb_cors_origin {
	char text[WB_CORS_ORIGIN_LEN + 1];
};
size_t wb_cors_headers(const struct wb_cors *c, struct wb_slice origin_header, struct wb_cors_origin *origin,
	struct wb_http_response_header ret[WB_CORS_HEADERS]);

/* The response headers of a preflight request's answer (204): for an OPTIONS request with Origin and
 * Access-Control-Request-Method. methods: what the path takes ("GET, POST"), a literal. None but Vary for an origin
 * that is not listed: the browser then refuses by itself. */
#define WB_CORS_PREFLIGHT_HEADERS 5
size_t wb_cors_preflight_headers(const struct wb_cors *c, struct wb_slice origin_header, const char *methods,
	struct wb_cors_origin *origin, struct wb_http_response_header ret[WB_CORS_PREFLIGHT_HEADERS]);

#endif
