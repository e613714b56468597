#include "consumer/transport.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/base/version.h"
#include "common/cosmos/sign.h"

#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define API_VERSION   "2020-07-15"
#define SIGNED_MS     1000
#define SIGNATURES    8
#define LINK_MAX      2048
#define HEADER_MAX    2048
#define UPLOAD_BYTES  (256 * 1024L)
#define RECEIVE_BYTES (64 * 1024L)
#define WAIT_MAX_MS   3600000
/* A reply buffer that grew beyond this is given back instead of being kept for the next request. */
#define KEPT_BYTES (128 * 1024)

/* One signature is good for every request of the same verb, type and link, for some minutes. */
struct signature {
	int64_t at_ms; /* monotonic; 0: empty */
	char verb[8];
	char type[16];
	char link[LINK_MAX];
	char date[64];
	char authorization[256];
};

struct transfer {
	struct wb_transport *transport;
	struct transfer *next; /* in the list of idle, or of all that are busy */
	struct transfer **prev;
	CURL *easy;
	struct curl_slist *headers;
	struct wb_buf url;
	struct wb_buf body;
	struct wb_body_reader reader; /* of the body that is sent, when that is not one piece */
	struct wb_reply reply;
	char error[CURL_ERROR_SIZE];
	wb_reply_fn fn;
	void *arg;
};

struct wb_transport {
	const struct wb_cosmos_options *options;
	const struct wb_account *account;
	char user_agent[128];
	bool (*may_send)(void *arg); /* NULL: always */
	void *guard_arg;
	CURLM *multi;
	struct transfer *idle;
	struct transfer *busy;
	size_t in_flight;
	struct signature signatures[SIGNATURES];
	unsigned next_signature;
};

static void die_of_curl(const char *what)
{
	/* libcurl only says no to these when memory is out or an argument is wrong. */
	fprintf(stderr, "libcurl: %s failed\n", what);
	abort();
}

/* "writebehind/1.2.3 client"; what could not stand in a header becomes a dash. */
static void name_us(struct wb_transport *t, const char *client)
{
	(void)snprintf(
		t->user_agent, sizeof t->user_agent, "writebehind/%s %s", WB_VERSION, client); /* cutting is meant */
	for (char *p = t->user_agent; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '-';
	}
}

struct wb_transport *wb_transport_new(const struct wb_cosmos_options *options, const struct wb_account *account,
	const char *client, unsigned max_connections, struct wb_error *e)
{
	struct wb_transport *t;

	/* Counted by libcurl: each transport holds one reference. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)wb_error_set(e, WB_EIO, "libcurl cannot start");
		return NULL;
	}
	t = wb_xcalloc(1, sizeof *t);
	t->options = options;
	t->account = account;
	name_us(t, client);
	t->multi = curl_multi_init();
	if (!t->multi)
		die_of_curl("curl_multi_init");
	if (curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)max_connections) != CURLM_OK ||
		curl_multi_setopt(t->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)max_connections) != CURLM_OK)
		die_of_curl("curl_multi_setopt");
	return t;
}

static void link_in(struct transfer **list, struct transfer *x)
{
	x->next = *list;
	x->prev = list;
	if (x->next)
		x->next->prev = &x->next;
	*list = x;
}

static void link_out(struct transfer *x)
{
	*x->prev = x->next;
	if (x->next)
		x->next->prev = x->prev;
}

static void transfer_free(struct transfer *x)
{
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	wb_buf_release(&x->url);
	wb_buf_release(&x->body);
	free(x);
}

void wb_transport_free(struct wb_transport **t)
{
	struct wb_transport *old = *t;
	struct transfer *x;

	if (!old)
		return;
	while ((x = old->busy)) {
		link_out(x);
		(void)curl_multi_remove_handle(old->multi, x->easy); /* nothing more could be done */
		transfer_free(x);
	}
	while ((x = old->idle)) {
		link_out(x);
		transfer_free(x);
	}
	(void)curl_multi_cleanup(old->multi); /* only says no to a bad handle */
	curl_global_cleanup();
	free(old);
	*t = NULL;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;

	wb_buf_append(&x->body, data, size * count);
	return wb_buf_status(&x->body) == WB_OK ? size * count : 0;
}

static size_t give_body(char *to, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;

	return x->reader.read(x->reader.arg, to, size * count);
}

static int rewind_body(void *arg, curl_off_t offset, int origin)
{
	struct transfer *x = arg;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	x->reader.rewind(x->reader.arg);
	return CURL_SEEKFUNC_OK;
}

static void copy_text(char *ret, size_t size, struct wb_slice value)
{
	size_t len = value.len < size ? value.len : size - 1;

	memcpy(ret, value.data, len);
	ret[len] = '\0';
}

static double charge_of(struct wb_slice value)
{
	char text[32];
	char *end;
	double charge;

	copy_text(text, sizeof text, value);
	charge = strtod(text, &end);
	return end != text && isfinite(charge) && charge > 0 ? charge : 0;
}

static void take_header_value(struct transfer *x, struct wb_slice name, struct wb_slice value)
{
	struct wb_reply *r = &x->reply;
	int64_t number;

#define IS(literal) (name.len == sizeof(literal) - 1 && strncasecmp(name.data, literal, sizeof(literal) - 1) == 0)
	if (IS("etag")) {
		copy_text(r->etag, sizeof r->etag, value);
	} else if (IS("x-ms-request-charge")) {
		r->request_charge = charge_of(value);
	} else if (IS("x-ms-substatus")) {
		if (wb_strict_int64(value, 0, INT32_MAX, &number, NULL) == WB_OK)
			r->substatus = (int)number;
	} else if (IS("x-ms-retry-after-ms")) {
		if (wb_strict_int64(value, 0, INT32_MAX, &number, NULL) == WB_OK)
			r->retry_after_ms = number;
	} else if (IS("x-ms-activity-id")) {
		copy_text(r->activity_id, sizeof r->activity_id, value);
	} else if (IS("x-ms-session-token") && value.len < sizeof r->session_token) {
		copy_text(r->session_token, sizeof r->session_token, value);
	} else if (IS("x-ms-continuation")) {
		r->truncated_continuation = value.len >= sizeof r->continuation;
		copy_text(r->continuation, sizeof r->continuation, value);
	}
#undef IS
}

static struct wb_reply blank_reply(void)
{
	return (struct wb_reply){ .retry_after_ms = -1 };
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	struct wb_slice line = wb_slice(data, size * count);
	const char *colon;

	while (line.len && strchr("\r\n \t", line.data[line.len - 1]))
		line.len--;
	if (line.len >= 5 && memcmp(line.data, "HTTP/", 5) == 0)
		x->reply = blank_reply(); /* of an interim answer before the one that counts */
	colon = memchr(line.data, ':', line.len);
	if (colon) {
		struct wb_slice name = wb_slice(line.data, (size_t)(colon - line.data));
		struct wb_slice value = wb_slice(colon + 1, line.len - name.len - 1);

		while (value.len && (*value.data == ' ' || *value.data == '\t'))
			value = wb_slice(value.data + 1, value.len - 1);
		take_header_value(x, name, value);
	}
	return size * count;
}

static int before_request(void *arg, char *to, char *from, int to_port, int from_port)
{
	const struct transfer *x = arg;
	const struct wb_transport *t = x->transport;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	return !t->may_send || t->may_send(t->guard_arg) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Options that are the same for every request. */
static void set_up(struct wb_transport *t, struct transfer *x)
{
	const struct wb_cosmos_options *o = t->options;
	CURL *c = x->easy;
	bool ok = true;

#define SET(option, value) ok = curl_easy_setopt(c, option, value) == CURLE_OK && ok
	SET(CURLOPT_PRIVATE, (char *)x);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, x->error);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_TIMEOUT_MS, (long)o->request_timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	SET(CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	SET(CURLOPT_USERAGENT, t->user_agent);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_READFUNCTION, give_body);
	SET(CURLOPT_READDATA, x);
	SET(CURLOPT_SEEKFUNCTION, rewind_body);
	SET(CURLOPT_SEEKDATA, x);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_PREREQFUNCTION, before_request);
	SET(CURLOPT_PREREQDATA, x);
	if (o->ca_file) {
		SET(CURLOPT_CAINFO, o->ca_file);
		SET(CURLOPT_CAPATH, NULL); /* that file instead of the system's authorities, not beside them */
	}
#undef SET
	if (!ok)
		die_of_curl("curl_easy_setopt");
}

static struct transfer *take_transfer(struct wb_transport *t)
{
	struct transfer *x = t->idle;

	if (x) {
		link_out(x);
		return x;
	}
	x = wb_xcalloc(1, sizeof *x);
	x->transport = t;
	wb_buf_init(&x->url, 16 * 1024);
	wb_buf_init(&x->body, WB_REPLY_BYTES_MAX);
	x->easy = curl_easy_init();
	if (!x->easy)
		die_of_curl("curl_easy_init");
	set_up(t, x);
	return x;
}

static void sign(const struct wb_transport *t, const struct wb_request *request, struct signature *ret)
{
	struct wb_buf authorization;
	char date[WB_CLOCK_RFC1123_SIZE];

	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	wb_buf_init(&authorization, sizeof ret->authorization - 32);
	wb_cosmos_sign(&t->options->key, wb_slice_cstr(request->verb), wb_slice_cstr(request->type), request->link,
		wb_slice_cstr(date), &authorization);
	(void)snprintf(ret->date, sizeof ret->date, "x-ms-date: %s", date); /* a date has 29 bytes */
	(void)snprintf(ret->authorization, sizeof ret->authorization, "authorization: %s", authorization.data);
	wb_buf_release(&authorization);
}

static const struct signature *signature_of(
	struct wb_transport *t, const struct wb_request *request, struct signature *scratch)
{
	int64_t now_ms = wb_clock_mono_ms();
	struct signature *s;

	for (unsigned i = 0; i < SIGNATURES; i++) {
		s = &t->signatures[i];
		if (s->at_ms && now_ms - s->at_ms < SIGNED_MS && wb_slice_eq_cstr(request->link, s->link) &&
			strcmp(s->verb, request->verb) == 0 && strcmp(s->type, request->type) == 0)
			return s;
	}
	if (request->link.len >= sizeof s->link || strlen(request->verb) >= sizeof s->verb ||
		strlen(request->type) >= sizeof s->type) {
		sign(t, request, scratch);
		return scratch;
	}
	s = &t->signatures[t->next_signature++ % SIGNATURES];
	copy_text(s->link, sizeof s->link, request->link);
	copy_text(s->verb, sizeof s->verb, wb_slice_cstr(request->verb));
	copy_text(s->type, sizeof s->type, wb_slice_cstr(request->type));
	s->at_ms = now_ms;
	sign(t, request, s);
	return s;
}

static void add_header(struct transfer *x, const char *line)
{
	struct curl_slist *more = curl_slist_append(x->headers, line);

	if (!more)
		die_of_curl("curl_slist_append");
	x->headers = more;
}

static void set_headers(struct wb_transport *t, struct transfer *x, const struct wb_request *request)
{
	static const char type_name[] = "Content-Type:";
	struct signature scratch;
	const struct signature *s = signature_of(t, request, &scratch);
	bool typed = false;

	curl_slist_free_all(x->headers);
	x->headers = NULL;
	add_header(x, s->date);
	add_header(x, s->authorization);
	add_header(x, "x-ms-version: " API_VERSION);
	add_header(x, "Accept: application/json");
	add_header(x, "Expect:"); /* no round trip to ask whether the body is welcome */
	for (const char *const *h = request->headers; h && *h; h++) {
		add_header(x, *h);
		typed = typed || strncasecmp(*h, type_name, sizeof type_name - 1) == 0;
	}
	if ((request->body.data || request->reader) && !typed)
		add_header(x, "Content-Type: application/json");
}

static bool set_body(struct transfer *x, const struct wb_request *request)
{
	CURL *c = x->easy;
	size_t bytes = request->reader ? request->reader->bytes : request->body.len;

	if (!request->reader && !request->body.data)
		return curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	if (request->reader)
		x->reader = *request->reader;
	return curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, request->reader ? NULL : request->body.data) == CURLE_OK;
}

void wb_transport_send(struct wb_transport *t, const struct wb_request *request, wb_reply_fn fn, void *arg)
{
	struct transfer *x = take_transfer(t);
	CURL *c = x->easy;
	bool ok = true;

	x->fn = fn;
	x->arg = arg;
	x->reply = blank_reply();
	x->error[0] = '\0';
	wb_buf_clear(&x->body);
	wb_buf_clear(&x->url);
	wb_buf_append_cstr(&x->url, request->endpoint ? request->endpoint : wb_account_endpoint(t->account));
	wb_buf_append_cstr(&x->url, request->path);
	set_headers(t, x, request);
	ok = curl_easy_setopt(c, CURLOPT_URL, x->url.data) == CURLE_OK &&
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
	ok = ok && set_body(x, request);
	ok = ok && curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->verb) == CURLE_OK;
	if (!ok || curl_multi_add_handle(t->multi, c) != CURLM_OK)
		die_of_curl("starting a request");
	link_in(&t->busy, x);
	t->in_flight++;
}

/* Takes it out of libcurl's hands: a connection in mid-transfer is closed by that. */
static void take_back(struct wb_transport *t, struct transfer *x)
{
	if (curl_multi_remove_handle(t->multi, x->easy) != CURLM_OK)
		die_of_curl("curl_multi_remove_handle");
	link_out(x);
	t->in_flight--;
}

/* The callback may send again. */
static void hand_on(struct wb_transport *t, struct transfer *x, const struct wb_reply *reply)
{
	x->fn(x->arg, reply);
	if (x->body.cap > KEPT_BYTES)
		wb_buf_release(&x->body);
	link_in(&t->idle, x);
}

static void finish(struct wb_transport *t, struct transfer *x, CURLcode code)
{
	struct wb_reply reply;
	long status = 0;

	take_back(t, x);
	if (code == CURLE_OK && curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		die_of_curl("curl_easy_getinfo");
	if (code != CURLE_OK)
		x->reply = blank_reply();
	reply = x->reply;
	reply.status = (int)status;
	reply.body = wb_buf_slice(&x->body);
	reply.timed_out = code == CURLE_OPERATION_TIMEDOUT;
	reply.held_back = code == CURLE_ABORTED_BY_CALLBACK; /* the guard is the only one that does so */
	if (code == CURLE_WRITE_ERROR)
		reply.error = "the reply is larger than the limit";
	else if (code != CURLE_OK)
		reply.error = x->error[0] ? x->error : curl_easy_strerror(code);
	hand_on(t, x, &reply);
}

/* How many requests ended. */
static unsigned collect(struct wb_transport *t)
{
	CURLMsg *message;
	unsigned ended = 0;
	int left;

	while ((message = curl_multi_info_read(t->multi, &left))) {
		struct transfer *x = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x) != CURLE_OK)
			die_of_curl("curl_easy_getinfo");
		finish(t, x, message->data.result);
		ended++;
	}
	return ended;
}

/* How many requests ended. */
static unsigned perform(struct wb_transport *t)
{
	int running;

	if (curl_multi_perform(t->multi, &running) != CURLM_OK)
		die_of_curl("curl_multi_perform");
	return collect(t);
}

void wb_transport_wait(struct wb_transport *t, int64_t timeout_ms)
{
	if (timeout_ms <= 0)
		return;
	if (timeout_ms > WAIT_MAX_MS)
		timeout_ms = WAIT_MAX_MS;
	if (curl_multi_poll(t->multi, NULL, 0, (int)timeout_ms, NULL) != CURLM_OK)
		die_of_curl("curl_multi_poll");
}

void wb_transport_guard(struct wb_transport *t, bool (*may_send)(void *arg), void *arg)
{
	t->may_send = may_send;
	t->guard_arg = arg;
}

unsigned wb_transport_perform(struct wb_transport *t)
{
	return perform(t);
}

void wb_transport_run(struct wb_transport *t, int64_t timeout_ms)
{
	if (perform(t) > 0)
		return; /* callbacks ran: their owner looks first */
	wb_transport_wait(t, timeout_ms);
	(void)perform(t); /* the caller comes back anyway */
}

void wb_transport_cancel(struct wb_transport *t, bool (*pick)(void *request_arg))
{
	struct transfer *cut = NULL, *next, *x;
	struct wb_reply reply = blank_reply();

	/* All are taken back before the first callback, which may send again. */
	for (x = t->busy; x; x = next) {
		next = x->next;
		if (pick && !pick(x->arg))
			continue;
		take_back(t, x);
		link_in(&cut, x);
	}
	reply.error = "cut off";
	while ((x = cut)) {
		link_out(x);
		hand_on(t, x, &reply);
	}
}

void wb_transport_wake(struct wb_transport *t)
{
	(void)curl_multi_wakeup(t->multi); /* fails only when the pipe is full, and then it is awake already */
}

size_t wb_transport_in_flight(const struct wb_transport *t)
{
	return t->in_flight;
}
