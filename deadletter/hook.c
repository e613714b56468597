#include "deadletter/hook.h"

#include "deadletter/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define HEADER_MAX     512
#define URL_CHARS_MAX  2000
#define ANSWER_MAX     (64 * 1024)
#define SIGNATURES_MAX 256
#define ID_SIZE        128

struct posting {
	const struct wb_hook_settings *settings;
	struct curl_slist *headers;
	size_t dropped;
	int64_t now_ms, retry_after_ms;
	char error[CURL_ERROR_SIZE];
};

static void die_of_curl(const char *what)
{
	/* libcurl only says no to these when memory is out or an argument is wrong. */
	(void)fprintf(stderr, "libcurl: %s failed\n", what);
	abort();
}

enum wb_err wb_hook_check(const struct wb_hook_settings *s, struct wb_error *e)
{
	size_t len = s->url ? strlen(s->url) : 0;

	if (len <= 8 || strncmp(s->url, "https://", 8) != 0)
		return wb_error_set(e, WB_EINVAL, "alert.webhook.url (not shown) does not begin with https://");
	for (size_t i = 0; i < len; i++)
		if (s->url[i] <= 0x20 || s->url[i] > 0x7e || len > URL_CHARS_MAX)
			return wb_error_set(e, WB_EINVAL,
				"alert.webhook.url (not shown) is not at most %d visible ASCII characters",
				URL_CHARS_MAX);
	if (s->ca_file && access(s->ca_file, R_OK) != 0)
		return wb_error_set(e, WB_EINVAL, "alert.webhook.ca.file: %s cannot be read", s->ca_file);
	return WB_OK;
}

static size_t drop_body(char *data, size_t size, size_t count, void *arg)
{
	struct posting *p = arg;

	(void)data;
	p->dropped += size * count;
	return p->dropped <= ANSWER_MAX ? size * count : 0;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	static const char name[] = "retry-after:";
	const size_t skip = sizeof name - 1;
	struct wb_slice line = wb_slice(data, size * count);
	struct posting *p = arg;

	if (line.len <= skip || strncasecmp(line.data, name, skip) != 0)
		return size * count;
	line = wb_slice(line.data + skip, line.len - skip);
	while (line.len && (*line.data == ' ' || *line.data == '\t'))
		line = wb_slice(line.data + 1, line.len - 1);
	while (line.len && strchr(" \t\r\n", line.data[line.len - 1]))
		line.len--;
	p->retry_after_ms = wb_webhook_retry_after_ms(line, p->now_ms);
	return size * count;
}

static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct posting *p = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return p->settings->stopped && p->settings->stopped(p->settings->arg);
}

static void add_header(struct posting *p, const char *name, const char *value)
{
	char line[HEADER_MAX];
	struct curl_slist *more;

	(void)snprintf(line, sizeof line, "%s:%s%s", name, value[0] ? " " : "", value); /* fits */
	more = curl_slist_append(p->headers, line);
	if (!more)
		die_of_curl("curl_slist_append");
	p->headers = more;
}

/* Alerts' ids are made of these characters; one that was read back may be anything. */
static void clean_id(const char *id, char ret[ID_SIZE])
{
	size_t len = 0;

	for (; *id && len + 1 < ID_SIZE; id++)
		ret[len++] = (char)(isalnum((unsigned char)*id) || *id == '-' || *id == '.' ? *id : '_');
	ret[len] = '\0';
}

static void add_headers(struct posting *p, const char *raw_id, struct wb_slice body)
{
	char seconds[24];
	char id[ID_SIZE];
	struct wb_buf signature;

	clean_id(raw_id, id);
	add_header(p, "Content-Type", "application/json");
	add_header(p, "Expect", ""); /* no round trip to ask whether the body is welcome */
	if (p->settings->secrets.count == 0)
		return;
	(void)snprintf(seconds, sizeof seconds, "%lld", (long long)(p->now_ms / 1000)); /* fits */
	wb_buf_init(&signature, SIGNATURES_MAX);
	wb_webhook_sign(&p->settings->secrets, id, p->now_ms / 1000, body, &signature);
	add_header(p, "webhook-id", id);
	add_header(p, "webhook-timestamp", seconds);
	add_header(p, "webhook-signature", wb_buf_slice(&signature).data);
	wb_buf_release(&signature);
}

static bool set_up(CURL *c, struct posting *p, struct wb_slice body)
{
	const struct wb_hook_settings *settings = p->settings;
	bool ok = true;

#define SET(option, value) ok = curl_easy_setopt(c, option, value) == CURLE_OK && ok
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, p->error);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, ""); /* none, whatever the environment says */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_URL, settings->url);
	SET(CURLOPT_HTTPHEADER, p->headers);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	SET(CURLOPT_POSTFIELDS, body.data);
	SET(CURLOPT_WRITEFUNCTION, drop_body);
	SET(CURLOPT_WRITEDATA, p);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, p);
	SET(CURLOPT_XFERINFOFUNCTION, progress);
	SET(CURLOPT_XFERINFODATA, p);
	SET(CURLOPT_NOPROGRESS, 0L);
	if (settings->ca_file) {
		SET(CURLOPT_CAINFO, settings->ca_file);
		SET(CURLOPT_CAPATH, NULL); /* that file instead of the system's authorities, not beside them */
	}
#undef SET
	return ok;
}

static void judge(const struct posting *p, CURLcode code, long status, struct wb_hook_outcome *ret)
{
	struct wb_buf safe;

	memset(ret, 0, sizeof *ret);
	ret->status = (int)status;
	/* An answer counts whatever became of its body. */
	ret->accepted = status >= 200 && status < 300;
	ret->retry_after_ms = p->retry_after_ms;
	if (status >= 200) {
		(void)snprintf(ret->text, sizeof ret->text, "status %ld", status); /* fits */
		return;
	}
	wb_buf_init(&safe, 16 * CURL_ERROR_SIZE);
	(void)wb_text_line(&safe, wb_slice_cstr(p->error[0] ? p->error : curl_easy_strerror(code)), 200);
	wb_buf_append_char(&safe, '\0');
	(void)snprintf(ret->text, sizeof ret->text, "%s", wb_buf_slice(&safe).data);
	wb_buf_release(&safe);
}

void wb_hook_post(const struct wb_hook_settings *settings, const char *id, int64_t now_ms, struct wb_slice body,
	struct wb_hook_outcome *ret)
{
	struct posting p = { .settings = settings, .now_ms = now_ms };
	long status = 0;
	CURLcode code;
	CURL *c;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted by libcurl */
		die_of_curl("curl_global_init");
	c = curl_easy_init();
	if (!c)
		die_of_curl("curl_easy_init");
	add_headers(&p, id, body);
	if (!set_up(c, &p, body))
		die_of_curl("curl_easy_setopt");
	code = curl_easy_perform(c);
	if (curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		die_of_curl("curl_easy_getinfo");
	judge(&p, code, status, ret);
	curl_easy_cleanup(c);
	curl_slist_free_all(p.headers);
	curl_global_cleanup();
}
