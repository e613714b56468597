/* Invocations of the Azure Functions host that carry the caller's request in their body. */
#include "producer/api_internal.h"

#include "common/base/mem.h"
#include "producer/answer.h"
#include "producer/functions.h"

#include <stdlib.h>
#include <string.h>

static struct wb_slice header(void *arg, const char *name)
{
	return wb_functions_header(arg, name);
}

static void answer(void *arg, unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers, struct wb_buf *ret)
{
	(void)arg;
	wb_functions_render(status, content_type, body, headers, ret);
}

static void release(void *arg)
{
	struct wb_functions_call *call = arg;

	wb_functions_call_release(call);
	free(call);
}

void wb_api_function(void *arg, struct wb_http_request *r)
{
	struct wb_functions_call *call = wb_xcalloc(1, sizeof *call);
	struct wb_http_inner inner = { .arg = call, .header = header, .answer = answer, .release = release };
	struct wb_error why;
	size_t prefix = sizeof WB_FUNCTIONS_PREFIX - 1;
	char *path;

	(void)arg;
	if (wb_functions_call_parse(wb_http_body(r), call, &why) != WB_OK) {
		release(call);
		wb_answer_refuse(r, 400, "invalid-invocation", why.text);
		return;
	}
	/* With the prefix, so that links in the answer have it, too. */
	path = wb_xmalloc(prefix + call->path.len);
	memcpy(path, WB_FUNCTIONS_PREFIX, prefix);
	memcpy(path + prefix, call->path.data, call->path.len);
	inner.method = call->method;
	inner.path = wb_slice(path, prefix + call->path.len);
	inner.query = call->query;
	inner.body = call->body;
	wb_http_enter(r, &inner);
	free(path);
}
