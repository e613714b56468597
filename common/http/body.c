/* Bodies as they come: gathered within a limit and the budget, or handed to a sink; from gzip where they are in that. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/http/body_memory.h"
#include "common/http/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FIRST_BYTES 4096
/* gzip grows what does not shrink by less than this; a body of empty pieces must end somewhere. */
#define GZIP_SLACK_BYTES (64 * 1024)

static void refuse_size(struct wb_http_request *r, uint64_t limit)
{
	char limit_text[WB_STRICT_VALUE_SIZE], detail[100];

	if (limit == 0) {
		wb_http_refuse(r, 413, "body-too-large", "this path and method take no body");
		return;
	}
	wb_strict_value_text(WB_STRICT_BYTES, (int64_t)limit, limit_text);
	(void)snprintf(detail, sizeof detail, "the body is larger than the %s that this path takes", limit_text);
	wb_http_refuse(r, 413, "body-too-large", detail);
}

static void refuse_memory(struct wb_http_request *r)
{
	atomic_store_explicit(&r->server->memory_full_ms, wb_clock_mono_ms(), memory_order_relaxed);
	wb_http_refuse(r, 503, "memory-full", "too much is in flight at this instance; repeat the request later");
}

/* ---- the budget */

/* Charges len bytes more; refuses the request where that is too much. */
static bool charge(struct wb_http_request *r, size_t len)
{
	struct wb_http_server *s = r->server;

	if (atomic_fetch_add(&s->body_bytes, len) + len > s->body_budget) {
		atomic_fetch_sub(&s->body_bytes, len);
		refuse_memory(r);
		return false;
	}
	r->charged += len;
	return true;
}

static void discharge(struct wb_http_request *r, size_t len)
{
	atomic_fetch_sub(&r->server->body_bytes, len);
	r->charged -= len;
}

static void forget_gathered(struct wb_http_request *r)
{
	wb_body_memory_free(r->body.data, r->body.cap);
	if (r->body.cap > 0)
		discharge(r, r->body.cap);
	r->body = (struct wb_http_gathered){ 0 };
}

void wb_http_body_forget(struct wb_http_request *r)
{
	r->piece = wb_slice(NULL, 0);
	forget_gathered(r);
	wb_gunzip_free(&r->gunzip);
	wb_sha256_free(&r->digest);
	if (r->charged > 0)
		discharge(r, r->charged);
}

char *wb_http_take_body(struct wb_http_request *r, struct wb_slice *ret)
{
	char *data = r->body.data, *smaller;

	if (r->inside) { /* what is charged for the outer body goes with the copy, and that for the rest when all ends */
		struct wb_slice inner = r->inside->inner.body;

		data = wb_body_memory_resize(NULL, 0, inner.len ? inner.len : 1);
		if (!data)
			wb_mem_gone();
		memcpy(data, inner.data, inner.len);
		atomic_fetch_add(&r->server->body_bytes, inner.len);
		*ret = wb_slice(data, inner.len);
		return data;
	}
	*ret = wb_slice(data, r->body.len);
	if (!data)
		return NULL;
	/* What wb_http_body_free is told later is the length, so that is what stays charged. */
	if (r->body.cap > r->body.len) {
		smaller = wb_body_memory_resize(data, r->body.cap, r->body.len ? r->body.len : 1);
		if (!smaller)
			wb_mem_gone();
		data = smaller;
		atomic_fetch_sub(&r->server->body_bytes, r->body.cap - r->body.len);
	}
	r->charged -= r->body.cap;
	ret->data = data;
	r->body = (struct wb_http_gathered){ 0 };
	return data;
}

void wb_http_body_free(struct wb_http_server *s, char *body, size_t len)
{
	if (!body)
		return;
	wb_body_memory_free(body, len);
	atomic_fetch_sub(&s->body_bytes, len);
}

/* Makes room for cap bytes in all. */
static bool make_room(struct wb_http_request *r, size_t cap)
{
	char *data;

	if (cap <= r->body.cap)
		return true;
	if (!charge(r, cap - r->body.cap))
		return false;
	data = wb_body_memory_resize(r->body.data, r->body.cap, cap);
	if (!data) {
		discharge(r, cap - r->body.cap);
		refuse_memory(r);
		return false;
	}
	r->body.data = data;
	r->body.cap = cap;
	return true;
}

/* ---- to the sink */

void wb_http_stream(struct wb_http_request *r, const struct wb_http_sink *sink, void *arg)
{
	r->streaming = true;
	r->sink = *sink;
	r->sink_arg = arg;
}

void wb_http_body_resume(struct wb_http_request *r)
{
	wb_http_signal(r, WB_SIGNAL_RESUME);
}

/* Another thread has answered, perhaps while we were not looking. */
static bool is_answered(struct wb_http_request *r)
{
	return r->answered || (atomic_load(&r->signals) & WB_SIGNAL_ANSWER);
}

void wb_http_body_lost(struct wb_http_request *r)
{
	if (r->streaming && r->stage == WB_STAGE_BODY && !is_answered(r))
		r->sink.lost(r->sink_arg);
	r->streaming = false;
}

/* Offers the sink a piece; returns how much of it was taken. */
static size_t offer(struct wb_http_request *r, struct wb_slice piece)
{
	size_t taken;

	if (is_answered(r))
		return 0;
	taken = r->sink.take(r->sink_arg, r, piece);
	if (taken > piece.len)
		abort(); /* a bug of the sink */
	r->stalled = taken < piece.len && !r->answered;
	return taken;
}

/* ---- gathering */

static void overflow(struct wb_http_request *r, uint64_t limit)
{
	if (!r->route->overflow) {
		refuse_size(r, limit);
		return;
	}
	r->route->overflow(r->route->arg, r);
	if (!r->streaming && !r->answered)
		abort(); /* a bug of the route */
}

/* Takes all of a piece into the gathered body, or nothing. */
static size_t gather(struct wb_http_request *r, struct wb_slice piece)
{
	struct wb_http_gathered *b = &r->body;
	size_t max = r->route->max_body_bytes, cap = b->cap;

	if (piece.len > max - b->len) {
		overflow(r, max);
		return 0;
	}
	if (b->len + piece.len > cap) {
		cap = cap < FIRST_BYTES ? FIRST_BYTES : cap > max / 2 ? max : 2 * cap;
		if (cap > max)
			cap = max;
		if (cap < b->len + piece.len)
			cap = b->len + piece.len;
		if (!make_room(r, cap))
			return 0;
	}
	memcpy(b->data + b->len, piece.data, piece.len);
	b->len += piece.len;
	return piece.len;
}

static bool flush(struct wb_http_request *r);

/* Hands a decoded piece to whoever takes the body; returns how much of it was taken. */
static size_t deliver(struct wb_http_request *r, struct wb_slice piece)
{
	size_t taken = 0;

	if (!r->streaming) {
		taken = gather(r, piece);
		if (!r->streaming)
			return taken;
	}
	/* The body has overflown, perhaps just now: what was gathered comes first. */
	if (!flush(r))
		return 0;
	if (r->decoded + piece.len > r->route->max_stream_bytes) {
		refuse_size(r, r->route->max_stream_bytes);
		return 0;
	}
	taken = offer(r, piece);
	r->decoded += taken;
	return taken;
}

static bool flush_gathered(struct wb_http_request *r)
{
	struct wb_slice rest;

	if (!r->streaming || !r->body.data)
		return true;
	rest = wb_slice(r->body.data + r->body_given, r->body.len - r->body_given);
	if (rest.len > 0) {
		size_t taken = offer(r, rest);

		r->body_given += taken;
		r->decoded += taken;
		if (taken < rest.len)
			return false;
	}
	forget_gathered(r);
	return true;
}

/* Hands on what is decoded or gathered already; false while the sink takes nothing, and when it was answered. */
static bool flush(struct wb_http_request *r)
{
	struct wb_slice *piece = &r->piece;

	if (!flush_gathered(r))
		return false;
	while (piece->len > 0 && !r->answered) {
		struct wb_slice given = *piece;
		size_t taken;

		*piece = wb_slice(NULL, 0); /* for deliver flushes, too */
		taken = deliver(r, given);
		*piece = wb_slice(given.data + taken, given.len - taken);
		if (r->stalled || (taken == 0 && is_answered(r)))
			return false;
	}
	return !r->answered;
}

/* ---- from the connection */

/* The largest body that this request may have, now that it is gathered or streamed. */
static uint64_t limit(const struct wb_http_request *r)
{
	return r->streaming || r->route->overflow ? r->route->max_stream_bytes : r->route->max_body_bytes;
}

/* Decodes from data, which becomes shorter, and hands it on; false when it stalled or was answered. */
static bool decode(struct wb_http_request *r, struct wb_slice *data)
{
	while (flush(r)) {
		if (!r->gunzip)
			return true;
		if (wb_gunzip_next(r->gunzip, data, &r->piece) != WB_OK) {
			wb_http_refuse(r, 400, "invalid-encoding", "the body is damaged: it is not what gzip makes");
			return false;
		}
		if (r->piece.len == 0)
			return true;
	}
	return false;
}

bool wb_http_body_flush(struct wb_http_request *r)
{
	struct wb_slice nothing = { NULL, 0 };

	return decode(r, &nothing);
}

/* Decodes what came; returns how much of it zlib took. */
static size_t take_gzip(struct wb_http_request *r, struct wb_slice data)
{
	size_t before = data.len;

	if (!r->gunzip) {
		if (!charge(r, WB_GUNZIP_BYTES))
			return 0;
		r->gunzip = wb_gunzip_new();
	}
	if (r->received + data.len > limit(r) + GZIP_SLACK_BYTES) {
		refuse_size(r, limit(r));
		return 0;
	}
	(void)decode(r, &data);
	return before - data.len;
}

size_t wb_http_body_take(struct wb_http_request *r, struct wb_slice data)
{
	size_t taken;

	if (r->gzip)
		taken = take_gzip(r, data);
	else
		taken = deliver(r, data);
	if (r->digest)
		wb_sha256_add(r->digest, wb_slice(data.data, taken));
	r->received += taken;
	r->connection->received += taken;
	return taken;
}

bool wb_http_body_end(struct wb_http_request *r)
{
	if (!wb_http_body_flush(r) || is_answered(r))
		return false;
	if (!r->gzip || r->received == 0 || wb_gunzip_complete(r->gunzip))
		return true;
	wb_http_refuse(r, 400, "invalid-encoding", "the body is cut off: gzip has an end");
	return false;
}

void wb_http_digest_body(struct wb_http_request *r)
{
	if (r->digest)
		return;
	r->digest = wb_sha256_new();
	if (r->inside)
		wb_sha256_add(r->digest, r->inside->inner.body);
}

bool wb_http_body_digest(const struct wb_http_request *r, uint8_t ret[32])
{
	if (!r->digest)
		return false;
	wb_sha256_value(r->digest, ret);
	return true;
}

/* ---- what the headers say */

/* identity and gzip; false: it refused. */
static bool judge_encoding(struct wb_http_request *r)
{
	struct wb_slice encoding = wb_http_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);

	r->gzip = (encoding.len == 4 && strncasecmp(encoding.data, "gzip", 4) == 0) ||
		(encoding.len == 6 && strncasecmp(encoding.data, "x-gzip", 6) == 0);
	if (encoding.len == 0 || r->gzip || (encoding.len == 8 && strncasecmp(encoding.data, "identity", 8) == 0))
		return true;
	wb_http_refuse(r, 415, "unsupported-encoding", "Content-Encoding must be gzip or identity");
	return false;
}

void wb_http_body_begin(struct wb_http_request *r)
{
	const struct wb_http_route *route = r->route;
	uint64_t announced = wb_http_announced(r);

	if (!judge_encoding(r))
		return;
	if (route->begin) {
		route->begin(route->arg, r);
	}
	if (!r->answered && !r->streaming && announced > route->max_body_bytes)
		overflow(r, route->max_body_bytes);
	if (r->answered)
		return;
	if (r->streaming) {
		if (announced > route->max_stream_bytes)
			refuse_size(r, route->max_stream_bytes);
	} else if (!r->gzip && announced > 0) {
		/* All of it at once: bodies that grow side by side would fill the budget together and none be whole. */
		(void)make_room(r, (size_t)announced);
	}
}
