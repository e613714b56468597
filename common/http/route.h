/* Which route a request's path belongs to, and the values in the path.
 *
 * A pattern's {name} matches one segment that is not empty; "*" as its end matches the rest, which may be empty. Paths
 * are compared segment by segment as sent, values are percent-decoded (RFC 3986 section 2.1). Pure, thread-safe.
 */
#ifndef WB_COMMON_HTTP_ROUTE_H
#define WB_COMMON_HTTP_ROUTE_H

#include "common/base/compiler.h"
#include "common/base/slice.h"

#include <stdbool.h>

#define WB_ROUTE_PARAMS_MAX 4

struct wb_route_match {
	struct wb_slice name[WB_ROUTE_PARAMS_MAX];  /* into the pattern; "*" for the rest */
	struct wb_slice value[WB_ROUTE_PARAMS_MAX]; /* still encoded, into the path */
	unsigned count;
};

/* Whether path (without its query) fits the pattern; ret is filled when it does. A pattern with more values than
 * WB_ROUTE_PARAMS_MAX never fits. */
bool wb_route_match(struct wb_slice pattern, struct wb_slice path, struct wb_route_match *ret) WB_MUST_USE;
/* Decodes %XX in place of out, which has at least text.len bytes; returns the length, or -1 for a malformed escape. */
long wb_route_decode(struct wb_slice text, char *out);

#endif
