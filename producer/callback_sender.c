#include "producer/callback_sender.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "producer/webhook.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DROPPED_MAX    (64 * 1024)
#define RECEIVE_BYTES  (16 * 1024L)
#define HEADER_MAX     2048
#define CONNECTION_AGE 60L /* seconds that an unused connection is kept */

struct transfer {
	struct wb_callback_sender *sender;
	struct wb_link link; /* of those that are idle */
	struct transfer *next, **prev; /* of those that are busy */
	CURL *easy;
	struct curl_slist *headers;
	size_t dropped;
	bool answered; /* the answer's headers have come to their end */
	int64_t started_ms, retry_after_ms;
	const char *refused; /* what its address is; NULL: nothing was refused */
	char error[CURL_ERROR_SIZE + 128];
	wb_callback_answer_fn fn;
	void *arg;
};

struct wb_callback_sender {
	struct wb_callback_sender_settings settings;
	CURLM *multi;
	struct wb_list idle;
	struct transfer *busy;
	size_t in_flight;
};

static void die_of_curl(const char *what)
{
	/* libcurl only says no to these when memory is out or an argument is wrong. */
	fprintf(stderr, "libcurl: %s failed\n", what);
	abort();
}

struct wb_callback_sender *wb_callback_sender_new(
	const struct wb_callback_sender_settings *settings, struct wb_error *e)
{
	struct wb_callback_sender *s;

	if (settings->ca_file && access(settings->ca_file, R_OK) != 0) {
		(void)wb_error_set(e, WB_EINVAL, "callback.ca.file: %s cannot be read", settings->ca_file);
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* counted by libcurl */
		(void)wb_error_set(e, WB_EIO, "libcurl cannot start");
		return NULL;
	}
	s = wb_xcalloc(1, sizeof *s);
	s->settings = *settings;
	s->multi = curl_multi_init();
	if (!s->multi || curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)settings->max_in_flight) != CURLM_OK)
		die_of_curl("curl_multi_init");
	return s;
}

static void transfer_free(struct transfer *x)
{
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	free(x);
}

void wb_callback_sender_free(struct wb_callback_sender **sender, void (*drop)(void *arg))
{
	struct wb_callback_sender *s = *sender;
	struct wb_link *link;
	struct transfer *next;

	*sender = NULL;
	if (!s)
		return;
	for (struct transfer *x = s->busy; x; x = next) {
		next = x->next;
		(void)curl_multi_remove_handle(s->multi, x->easy); /* nothing more could be done */
		drop(x->arg);
		transfer_free(x);
	}
	while ((link = wb_list_pop(&s->idle)))
		transfer_free(WB_CONTAINER_OF(link, struct transfer, link));
	(void)curl_multi_cleanup(s->multi); /* only says no to a bad handle */
	curl_global_cleanup();
	free(s);
}

static size_t drop_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;

	(void)data;
	x->dropped += size * count;
	return x->dropped <= DROPPED_MAX ? size * count : 0;
}

static struct wb_slice trimmed(struct wb_slice text)
{
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		text.len--;
	while (text.len && (*text.data == ' ' || *text.data == '\t'))
		text = wb_slice(text.data + 1, text.len - 1);
	return text;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	static const char retry_after[] = "retry-after:";
	const size_t skip = sizeof retry_after - 1;
	struct transfer *x = arg;
	struct wb_slice line = trimmed(wb_slice(data, size * count));
	long status = 0;

	if (line.len > skip && strncasecmp(line.data, retry_after, skip) == 0) {
		x->retry_after_ms = wb_webhook_retry_after_ms(
			trimmed(wb_slice(line.data + skip, line.len - skip)), wb_clock_wall_ms());
	} else if (line.len == 0 && !x->answered) {
		if (curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
			die_of_curl("curl_easy_getinfo");
		x->answered = status >= 200; /* else it was an interim answer */
	}
	return size * count;
}

/* Here the name has been resolved, and nothing was sent yet. libcurl goes on to the name's next address, if it has one. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *x = arg;
	uint8_t bytes[16];
	size_t len = 0;
	const char *what;

	(void)purpose;
	if (address->family == AF_INET && address->addrlen >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, &address->addr, sizeof in);
		memcpy(bytes, &in.sin_addr, len = 4);
	} else if (address->family == AF_INET6 && address->addrlen >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, &address->addr, sizeof in6);
		memcpy(bytes, &in6.sin6_addr, len = 16);
	}
	what = wb_callback_rules_refuse(x->sender->settings.rules, bytes, len);
	if (what) {
		x->refused = what;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Options that are the same for every request. */
static void set_up(struct wb_callback_sender *s, struct transfer *x)
{
	const struct wb_callback_sender_settings *settings = &s->settings;
	CURL *c = x->easy;
	bool ok = true;

#define SET(option, value) ok = curl_easy_setopt(c, option, value) == CURLE_OK && ok
	SET(CURLOPT_PRIVATE, (char *)x);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, x->error);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, ""); /* none, whatever the environment says */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
	/* A name server that does not answer would hold all others while the resolver's thread is waited for. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_MAXAGE_CONN, CONNECTION_AGE);
	SET(CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	SET(CURLOPT_USERAGENT, settings->user_agent);
	SET(CURLOPT_WRITEFUNCTION, drop_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, x);
	if (settings->ca_file) {
		SET(CURLOPT_CAINFO, settings->ca_file);
		SET(CURLOPT_CAPATH, NULL); /* that file instead of the system's authorities, not beside them */
	}
#undef SET
	if (!ok)
		die_of_curl("curl_easy_setopt");
}

static struct transfer *take_transfer(struct wb_callback_sender *s)
{
	struct wb_link *link = wb_list_pop(&s->idle);
	struct transfer *x;

	if (link)
		return WB_CONTAINER_OF(link, struct transfer, link);
	x = wb_xcalloc(1, sizeof *x);
	x->sender = s;
	x->easy = curl_easy_init();
	if (!x->easy)
		die_of_curl("curl_easy_init");
	set_up(s, x);
	return x;
}

static void add_header(struct transfer *x, const char *name, struct wb_slice value)
{
	char line[HEADER_MAX];
	struct curl_slist *more;

	(void)snprintf(line, sizeof line, "%s:%s%.*s", name, value.len ? " " : "", WB_SLICE_ARGS(value)); /* fits */
	more = curl_slist_append(x->headers, line);
	if (!more)
		die_of_curl("curl_slist_append");
	x->headers = more;
}

static void set_headers(struct transfer *x, const struct wb_callback_request *request)
{
	char seconds[24];

	(void)snprintf(seconds, sizeof seconds, "%lld", (long long)request->timestamp_s); /* fits */
	curl_slist_free_all(x->headers);
	x->headers = NULL;
	add_header(x, "Content-Type", wb_slice_cstr("application/json"));
	add_header(x, "Expect", wb_slice_cstr("")); /* no round trip to ask whether the body is welcome */
	add_header(x, "webhook-id", wb_slice_cstr(request->id));
	add_header(x, "webhook-timestamp", wb_slice_cstr(seconds));
	add_header(x, "webhook-signature", request->signature);
}

void wb_callback_sender_send(
	struct wb_callback_sender *s, const struct wb_callback_request *request, wb_callback_answer_fn fn, void *arg)
{
	struct transfer *x = take_transfer(s);
	char url[WB_CALLBACK_URL_MAX + 1];
	CURL *c = x->easy;
	bool ok;

	x->fn = fn;
	x->arg = arg;
	x->answered = false;
	x->dropped = 0;
	x->retry_after_ms = 0;
	x->refused = NULL;
	x->error[0] = '\0';
	x->started_ms = wb_clock_mono_ms();
	(void)snprintf(url, sizeof url, "%.*s", WB_SLICE_ARGS(request->url)); /* the rules let no longer one pass */
	set_headers(x, request);
	ok = curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, request->body.data) == CURLE_OK;
	if (!ok || curl_multi_add_handle(s->multi, c) != CURLM_OK)
		die_of_curl("starting a request");
	x->next = s->busy;
	x->prev = &s->busy;
	if (x->next)
		x->next->prev = &x->next;
	s->busy = x;
	s->in_flight++;
}

/* The answer counts as soon as its headers are there: what became of its body is of no interest. */
static void finish(struct wb_callback_sender *s, struct transfer *x, CURLcode code)
{
	struct wb_callback_answer answer = { .took_ms = wb_clock_mono_ms() - x->started_ms };
	long status = 0;

	if (curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
		curl_multi_remove_handle(s->multi, x->easy) != CURLM_OK)
		die_of_curl("ending a request");
	*x->prev = x->next;
	if (x->next)
		x->next->prev = x->prev;
	s->in_flight--;
	if (x->answered) {
		answer.status = (int)status;
		answer.retry_after_ms = x->retry_after_ms;
	} else if (x->refused) {
		(void)snprintf(x->error, sizeof x->error, "the host has an address that is %s; such are not called",
			x->refused); /* fits */
		answer.error = x->error;
	} else {
		answer.error = x->error[0] ? x->error : code == CURLE_OK ? "no answer" : curl_easy_strerror(code);
	}
	x->fn(x->arg, &answer);
	wb_list_push(&s->idle, &x->link);
}

/* How many requests ended. */
static unsigned perform(struct wb_callback_sender *s)
{
	CURLMsg *message;
	unsigned ended = 0;
	int left;

	if (curl_multi_perform(s->multi, &left) != CURLM_OK)
		die_of_curl("curl_multi_perform");
	while ((message = curl_multi_info_read(s->multi, &left))) {
		struct transfer *x = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x) != CURLE_OK)
			die_of_curl("curl_easy_getinfo");
		finish(s, x, message->data.result);
		ended++;
	}
	return ended;
}

void wb_callback_sender_run(struct wb_callback_sender *s, int64_t timeout_ms)
{
	if (perform(s) > 0 || timeout_ms <= 0)
		return; /* their owner looks first */
	if (curl_multi_poll(s->multi, NULL, 0, (int)timeout_ms, NULL) != CURLM_OK)
		die_of_curl("curl_multi_poll");
	(void)perform(s); /* the owner comes back anyway */
}

void wb_callback_sender_wake(struct wb_callback_sender *s)
{
	(void)curl_multi_wakeup(s->multi); /* fails only when the pipe is full, and then it is awake already */
}

size_t wb_callback_sender_in_flight(const struct wb_callback_sender *s)
{
	return s->in_flight;
}
