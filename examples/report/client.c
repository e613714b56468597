#include "examples/report/client.h"

#include <curl/curl.h>
#include <strings.h>

#define TIMEOUT_S 60L

enum wb_err client_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? WB_OK : WB_EIO;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct wb_buf *body = arg;

	wb_buf_append(body, data, size * count);
	return wb_buf_status(body) == WB_OK ? size * count : 0;
}

static void keep_header(struct wb_slice line, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);

	if (line.len <= len || strncasecmp(line.data, name, len) != 0 || line.data[len] != ':')
		return;
	line.data += len + 1;
	line.len -= len + 1;
	while (line.len && (*line.data == ' ' || *line.data == '\t')) {
		line.data++;
		line.len--;
	}
	while (line.len && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == '\n'))
		line.len--;
	if (line.len < size) {
		memcpy(ret, line.data, line.len);
		ret[line.len] = '\0';
	}
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	struct client_reply *reply = arg;
	struct wb_slice line = { data, size * count };

	keep_header(line, "x-ms-continuation", reply->continuation, sizeof reply->continuation);
	keep_header(line, "x-ms-retry-after-ms", reply->retry_after_ms, sizeof reply->retry_after_ms);
	return size * count;
}

static void free_easy(CURL **easy)
{
	if (*easy)
		curl_easy_cleanup(*easy);
}

static void free_headers(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

enum wb_err client_exchange(const struct client_request *request, struct client_reply *reply, struct wb_error *e)
{
	WB_CLEANUP(free_easy) CURL *easy = curl_easy_init();
	WB_CLEANUP(free_headers) struct curl_slist *headers = NULL;
	CURLcode code;

	if (!easy)
		return wb_error_set(e, WB_ENOMEM, "cannot make a curl handle");
	/* libcurl would otherwise wait for a 100 Continue before each large body. */
	headers = curl_slist_append(headers, "Expect:");
	for (const char *const *h = request->headers; h && *h; h++)
		headers = curl_slist_append(headers, *h);
	wb_buf_clear(&reply->body);
	reply->continuation[0] = reply->retry_after_ms[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->verb);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply->body);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, reply);
	if (request->body.data) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data);
	}
	code = curl_easy_perform(easy);
	if (code != CURLE_OK)
		return wb_error_set(e, WB_EIO, "%s %s: %s", request->verb, request->url, curl_easy_strerror(code));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
	return WB_OK;
}
