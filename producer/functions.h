/* An invocation of the Azure Functions host, in the form in which it does not forward the caller's request as it came
 * (customHandler.enableForwardingHttpRequest false): it posts to /<FunctionName> a JSON object that holds the request,
 * and wants a JSON object that holds the answer.
 *
 *   {"Data":{"req":{"Url","Method","Query","Headers","Params","Body"}},"Metadata":{…}}
 *   {"Outputs":{"res":{"statusCode","headers","body"}},"Logs":[],"ReturnValue":null}
 *
 * The host has read the body as UTF-8 text before, so bytes that are none are lost; "application/octet-stream" and
 * multipart come in base64. Docs: docs/AZURE-FUNCTIONS.md. Pure. A call owns all that its slices show.
 * Thread-safe: no state; a call has one owner.
 */
#ifndef WB_PRODUCER_FUNCTIONS_H
#define WB_PRODUCER_FUNCTIONS_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/http/server.h"

#include <stdbool.h>

#define WB_FUNCTIONS_PREFIX "/api" /* routePrefix of host.json, where nothing else is set */

struct wb_functions_call {
	struct wb_slice method; /* "POST" */
	struct wb_slice path;   /* "/v1/jobs": as in the URL, escapes and all, without WB_FUNCTIONS_PREFIX */
	struct wb_slice query;  /* "op=delete": as in the URL, without the question mark; empty when there is none */
	struct wb_slice body;   /* empty when there is none */
	void *payload;          /* the parsed object */
	struct wb_buf decoded;  /* the body, when it came in base64 */
};

/* The path without the prefix, where it has it: for requests that the host forwards as they came, too. */
struct wb_slice wb_functions_path(struct wb_slice path);

/* Reads a payload. Whatever it returns, *ret is to be released. WB_EINVAL with a sentence when it is no invocation of
 * an HTTP function whose trigger is named req. */
enum wb_err wb_functions_call_parse(
	struct wb_slice payload, struct wb_functions_call *ret, struct wb_error *why) WB_MUST_USE;
void wb_functions_call_release(struct wb_functions_call *call);

/* The first value of a header, its name compared without case; {NULL,0} when it is absent. */
struct wb_slice wb_functions_header(const struct wb_functions_call *call, const char *name);
/* Calls fn for every value of every header. */
void wb_functions_each_header(const struct wb_functions_call *call,
	void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg);

/* Appends the payload that answers an invocation; the host itself wants 200 and application/json for it. body is UTF-8
 * text, content_type NULL: none. headers as in wb_http_respond. */
void wb_functions_render(unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers, struct wb_buf *ret);

#endif
