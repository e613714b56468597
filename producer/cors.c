#include "producer/cors.h"

#include "common/base/mem.h"
#include "common/base/strict.h"

#include <stdlib.h>
#include <string.h>

#define ALLOWED_HEADERS                                                                                           \
	"Authorization, Content-Type, Content-Encoding, Content-Digest, Idempotency-Key, If-None-Match, Prefer, " \
	"traceparent, tracestate, x-api-key"
#define EXPOSED_HEADERS                                                                                           \
	"Content-Location, ETag, Location, Operation-Location, Preference-Applied, RateLimit, RateLimit-Policy, " \
	"Retry-After, x-ms-error-code"
/* Two hours: what Chromium takes at most. */
#define MAX_AGE_S "7200"

/* Reading */

static enum wb_err refuse(struct wb_slice origin, const char *why, struct wb_error *e)
{
	return wb_error_set(e, WB_EINVAL, "http.cors.origins: %.*s: %s", origin.len > 200 ? 200 : (int)origin.len,
		origin.data, why);
}

/* Takes the scheme off; absent when there is none. */
static struct wb_slice after_scheme(struct wb_slice origin, const char **ret_default_port)
{
	static const struct {
		const char *text, *port;
	} schemes[] = { { "https://", "443" }, { "http://", "80" } };

	for (size_t i = 0; i < WB_ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i].text);

		if (origin.len > len && memcmp(origin.data, schemes[i].text, len) == 0) {
			*ret_default_port = schemes[i].port;
			return wb_slice(origin.data + len, origin.len - len);
		}
	}
	return wb_slice(NULL, 0);
}

static bool host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '[' ||
		c == ']' || c == ':';
}

/* An origin is compared as browsers write it, so only that form can be meant. */
static enum wb_err check_origin(struct wb_slice origin, struct wb_error *e)
{
	const char *default_port = NULL, *colon;
	struct wb_slice host = after_scheme(origin, &default_port), port;
	int64_t number;

	if (!host.data)
		return refuse(origin, "must begin with https:// or http:// and then name a host", e);
	if (origin.len > WB_CORS_ORIGIN_LEN)
		return refuse(origin, "is too long for an origin", e);
	for (size_t i = 0; i < host.len; i++) {
		if (!host_char(host.data[i]))
			return refuse(origin,
				"must be a scheme, a host in lower case and perhaps a port, without anything behind "
				"them",
				e);
	}
	colon = memrchr(host.data, ':', host.len);
	if (!colon || memchr(colon, ']', host.len - (size_t)(colon - host.data)))
		return WB_OK;
	port = wb_slice(colon + 1, host.len - (size_t)(colon + 1 - host.data));
	if (colon == host.data || wb_strict_int64(port, 1, 65535, &number, NULL) != WB_OK)
		return refuse(origin, "has no valid port", e);
	if (wb_slice_eq_cstr(port, default_port))
		return refuse(origin, "leave the port out: browsers do where it is the scheme's own", e);
	return WB_OK;
}

enum wb_err wb_cors_parse(const char *text, struct wb_cors *ret, struct wb_error *e)
{
	struct wb_cors c = { 0 };
	enum wb_err err = WB_OK;

	if (!text || !*text) {
		*ret = c;
		return WB_OK;
	}
	c.text = wb_xstrdup(text);
	c.any = strcmp(text, "*") == 0;
	for (char *at = c.text; err == WB_OK && !c.any;) {
		size_t len = strcspn(at, ",");
		bool last = at[len] == '\0';

		err = check_origin(wb_slice(at, len), e);
		at[len] = '\0';
		if (err == WB_OK && ++c.count > WB_CORS_ORIGINS_MAX)
			err = wb_error_set(
				e, WB_EINVAL, "http.cors.origins: at most %d are allowed", WB_CORS_ORIGINS_MAX);
		if (last)
			break;
		at += len + 1;
	}
	if (err != WB_OK)
		wb_cors_release(&c);
	else
		*ret = c;
	return err;
}

void wb_cors_release(struct wb_cors *c)
{
	free(c->text);
	*c = (struct wb_cors){ 0 };
}

/* Answering */

static bool listed(const struct wb_cors *c, struct wb_slice origin)
{
	const char *at = c->text;

	for (size_t i = 0; i < c->count; i++) {
		if (wb_slice_eq_cstr(origin, at))
			return true;
		at += strlen(at) + 1;
	}
	return false;
}

static bool enabled(const struct wb_cors *c)
{
	return c->any || c->count > 0;
}

/* What both kinds of answers begin with. Sets *ret_allowed when the origin may see the answer. */
static size_t common_headers(const struct wb_cors *c, struct wb_slice origin_header, struct wb_cors_origin *origin,
	struct wb_http_response_header *ret, bool *ret_allowed)
{
	size_t n = 0;

	/* Answers differ by Origin, so caches must be told, also in those for others and for none. */
	if (enabled(c) && !c->any)
		ret[n++] = (struct wb_http_response_header){ "Vary", "Origin" };
	*ret_allowed = origin_header.data && (c->any || listed(c, origin_header));
	if (!*ret_allowed)
		return n;
	if (c->any) {
		ret[n++] = (struct wb_http_response_header){ "Access-Control-Allow-Origin", "*" };
		return n;
	}
	memcpy(origin->text, origin_header.data, origin_header.len); /* as long as a listed one */
	origin->text[origin_header.len] = '\0';
	ret[n++] = (struct wb_http_response_header){ "Access-Control-Allow-Origin", origin->text };
	return n;
}

size_t wb_cors_headers(const struct wb_cors *c, struct wb_slice origin_header, struct wb_cors_origin *origin,
	struct wb_http_response_header ret[WB_CORS_HEADERS])
{
	bool allowed;
	size_t n = common_headers(c, origin_header, origin, ret, &allowed);

	if (allowed)
		ret[n++] = (struct wb_http_response_header){ "Access-Control-Expose-Headers", EXPOSED_HEADERS };
	return n;
}

size_t wb_cors_preflight_headers(const struct wb_cors *c, struct wb_slice origin_header, const char *methods,
	struct wb_cors_origin *origin, struct wb_http_response_header ret[WB_CORS_PREFLIGHT_HEADERS])
{
	bool allowed;
	size_t n = common_headers(c, origin_header, origin, ret, &allowed);

	if (!allowed)
		return n;
	ret[n++] = (struct wb_http_response_header){ "Access-Control-Allow-Methods", methods };
	ret[n++] = (struct wb_http_response_header){ "Access-Control-Allow-Headers", ALLOWED_HEADERS };
	ret[n++] = (struct wb_http_response_header){ "Access-Control-Max-Age", MAX_AGE_S };
	return n;
}
