#include "producer/functions.h"

#include "common/base/crypto.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

static struct wb_slice text_of(const json_t *value)
{
	return wb_slice(json_string_value(value), json_string_length(value));
}

struct wb_slice wb_functions_path(struct wb_slice path)
{
	size_t len = sizeof WB_FUNCTIONS_PREFIX - 1;
	bool has = path.len > len && memcmp(path.data, WB_FUNCTIONS_PREFIX, len) == 0 && path.data[len] == '/';

	return has ? wb_slice(path.data + len, path.len - len) : path;
}

/* Splits "https://host:port/path?query". False when that is not what it is. */
static bool split_url(struct wb_slice url, struct wb_functions_call *ret)
{
	const char *end = url.data + url.len, *host, *path, *mark;

	host = memmem(url.data, url.len, "://", 3);
	if (!host)
		return false;
	path = memchr(host + 3, '/', (size_t)(end - host) - 3);
	if (!path)
		return false;
	mark = memchr(path, '?', (size_t)(end - path));
	ret->path = wb_functions_path(wb_slice(path, (size_t)((mark ? mark : end) - path)));
	ret->query = mark ? wb_slice(mark + 1, (size_t)(end - mark) - 1) : wb_slice("", 0);
	return true;
}

/* Whether the host takes a body of this type for bytes and not for text. */
static bool comes_in_base64(struct wb_slice content_type)
{
	static const char octets[] = "application/octet-stream", multipart[] = "multipart/";

	return (content_type.len >= sizeof octets - 1 &&
		       strncasecmp(content_type.data, octets, sizeof octets - 1) == 0) ||
		(content_type.len >= sizeof multipart - 1 &&
			strncasecmp(content_type.data, multipart, sizeof multipart - 1) == 0);
}

static enum wb_err read_body(const json_t *body, struct wb_functions_call *ret, struct wb_error *why)
{
	enum wb_err err;

	ret->body = wb_slice("", 0);
	if (!body || json_is_null(body))
		return WB_OK;
	if (!json_is_string(body))
		return wb_error_set(why, WB_EINVAL, "Data.req.Body is no string");
	ret->body = text_of(body);
	if (!comes_in_base64(wb_functions_header(ret, "Content-Type")))
		return WB_OK;
	wb_buf_init(&ret->decoded, ret->body.len);
	err = wb_base64_decode(ret->body, &ret->decoded);
	if (err != WB_OK)
		return wb_error_set(why, err, "Data.req.Body is no base64, as it should be with this Content-Type");
	ret->body = wb_buf_slice(&ret->decoded);
	return WB_OK;
}

static const json_t *request_of(const struct wb_functions_call *call)
{
	return json_object_get(json_object_get(call->payload, "Data"), "req");
}

enum wb_err wb_functions_call_parse(struct wb_slice payload, struct wb_functions_call *ret, struct wb_error *why)
{
	const json_t *req, *method, *url;
	json_error_t error;

	*ret = (struct wb_functions_call){ 0 };
	ret->payload = json_loadb(payload.data ? payload.data : "", payload.len, JSON_ALLOW_NUL, &error);
	if (!ret->payload)
		return wb_error_set(why, WB_EINVAL, "the invocation is no JSON object: %s", error.text);
	req = request_of(ret);
	if (!json_is_object(req))
		return wb_error_set(why, WB_EINVAL, "the invocation has no Data.req: name the HTTP trigger req");
	method = json_object_get(req, "Method");
	url = json_object_get(req, "Url");
	if (!json_is_string(method) || json_string_length(method) == 0)
		return wb_error_set(why, WB_EINVAL, "Data.req.Method is no method");
	ret->method = text_of(method);
	if (!json_is_string(url) || !split_url(text_of(url), ret))
		return wb_error_set(why, WB_EINVAL, "Data.req.Url is no absolute URL with a path");
	return read_body(json_object_get(req, "Body"), ret, why);
}

void wb_functions_call_release(struct wb_functions_call *call)
{
	json_decref(call->payload);
	wb_buf_release(&call->decoded);
	*call = (struct wb_functions_call){ 0 };
}

void wb_functions_each_header(const struct wb_functions_call *call,
	void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg)
{
	json_t *headers = json_object_get(request_of(call), "Headers"), *values, *value;
	const char *name;
	size_t i;

	json_object_foreach(headers, name, values) {
		if (json_is_string(values))
			fn(arg, wb_slice_cstr(name), text_of(values));
		json_array_foreach(values, i, value)
			if (json_is_string(value))
				fn(arg, wb_slice_cstr(name), text_of(value));
	}
}

struct search {
	const char *name;
	struct wb_slice found;
};

static void look(void *arg, struct wb_slice name, struct wb_slice value)
{
	struct search *s = arg;

	if (!s->found.data && name.len == strlen(s->name) && strncasecmp(name.data, s->name, name.len) == 0)
		s->found = value;
}

struct wb_slice wb_functions_header(const struct wb_functions_call *call, const char *name)
{
	struct search s = { .name = name };

	wb_functions_each_header(call, look, &s);
	return s.found;
}

void wb_functions_render(unsigned status, const char *content_type, struct wb_slice body,
	const struct wb_http_response_header *headers, struct wb_buf *ret)
{
	bool first = !content_type;

	wb_buf_appendf(ret, "{\"Outputs\":{\"res\":{\"statusCode\":%u,\"headers\":{", status);
	if (content_type) {
		wb_buf_append_cstr(ret, "\"Content-Type\":");
		wb_buf_append_json_string(ret, wb_slice_cstr(content_type));
	}
	for (const struct wb_http_response_header *h = headers; h && h->name; h++) {
		wb_buf_append_cstr(ret, first ? "" : ",");
		wb_buf_append_json_string(ret, wb_slice_cstr(h->name));
		wb_buf_append_char(ret, ':');
		wb_buf_append_json_string(ret, wb_slice_cstr(h->value));
		first = false;
	}
	wb_buf_append_cstr(ret, "},\"body\":");
	wb_buf_append_json_string(ret, body);
	wb_buf_append_cstr(ret, "}},\"Logs\":[],\"ReturnValue\":null}");
}
