/* A request from its first line to the end of its answer, as libmicrohttpd tells of it. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/http/server_internal.h"

#include <stdlib.h>

static struct wb_http_connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

void *wb_http_on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
	struct wb_http_loop *loop = arg;
	size_t len = strlen(uri);
	/* The parameters are decoded behind the URI; they are no longer than that. */
	struct wb_http_request *r = wb_xcalloc(1, sizeof *r + 2 * (len + 1));

	r->server = loop->server;
	r->loop = loop;
	r->mhd = mhd;
	r->connection = connection_of(mhd);
	memcpy(r->text, uri, len + 1);
	r->path = wb_slice(r->text, strcspn(r->text, "?"));
	r->started_us = wb_clock_mono_us();
	r->connection->request = r;
	if (r->connection->wait != WB_WAIT_HEADER)
		wb_http_wait_for(loop, r->connection, WB_WAIT_HEADER);
	return r;
}

void wb_http_refuse(struct wb_http_request *r, unsigned status, const char *code, const char *detail)
{
	wb_http_body_lost(r);
	wb_problem_respond(r,
		&(struct wb_problem){ .status = status,
			.code = code,
			.detail = detail,
			.index = -1,
			.retry_after_s = status == 503 ? 1 : 0 });
}

static void free_state(struct wb_http_request *r)
{
	if (r->free_state)
		r->free_state(r->state);
	r->free_state = NULL;
	r->state = NULL;
}

/* What the request holds is let go before its answer is seen: who waits for that finds the memory free. */
static enum MHD_Result queue(struct wb_http_request *r)
{
	enum MHD_Result result;

	wb_http_body_forget(r);
	free_state(r);
	result = MHD_queue_response(r->mhd, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	wb_http_wait_for(r->loop, r->connection, WB_WAIT_CLIENT);
	return result;
}

/* The connection sleeps until somebody answers, or the sink takes again. */
static enum MHD_Result suspend(struct wb_http_request *r)
{
	wb_http_wait_for(r->loop, r->connection, WB_WAIT_US);
	r->suspended = true;
	MHD_suspend_connection(r->mhd);
	return MHD_YES;
}

/* ---- a refused body */

/* It is not worth reading all that still comes before the answer is sent. */
static bool much_is_left(const struct wb_http_request *r)
{
	return wb_http_announced(r) > r->received + r->discarded + WB_HTTP_DISCARD_MAX;
}

/* The same of a stream of which nobody knows how much comes: its client may pause before it sends more. */
static bool unknown_is_left(const struct wb_http_request *r)
{
	return r->sink.take && wb_http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING).data;
}

static enum MHD_Result discard(struct wb_http_request *r, size_t *len)
{
	bool enough;

	r->connection->received += *len;
	r->discarded += *len;
	*len = 0;
	enough = r->discarded > WB_HTTP_DISCARD_MAX;
	if (r->sent)
		return enough ? MHD_NO : MHD_YES;
	if (enough || much_is_left(r) || unknown_is_left(r)) {
		wb_http_send_now(r);
		r->discarded = 0; /* the client gets time to read that answer */
	}
	return MHD_YES;
}

/* ---- its course */

static enum MHD_Result on_headers(struct wb_http_request *r, const char *method)
{
	r->method = wb_slice_cstr(method);
	r->stage = WB_STAGE_BODY;
	atomic_fetch_add_explicit(&r->loop->unfinished, 1, memory_order_relaxed);
	if (wb_http_length_ambiguous(r)) {
		wb_http_refuse(r, 400, "ambiguous-length", "there is more than one length of the body");
		return queue(r); /* before the end of its body, so that the connection is closed */
	}
	if (!wb_http_transfer_known(r)) {
		wb_http_refuse(r, 501, "unsupported-transfer-encoding", "Transfer-Encoding must be chunked");
		return queue(r); /* the same: nobody knows where it ends */
	}
	if (wb_http_find_route(r)) {
		if (atomic_load_explicit(&r->server->quiesced, memory_order_relaxed))
			wb_http_refuse(r, 503, "stopping", "this instance is stopping; repeat the request");
		else
			wb_http_body_begin(r);
	}
	wb_http_wait_for(r->loop, r->connection, WB_WAIT_BODY);
	/* A client that waits for 100 Continue need not send the body. */
	if (r->answered && wb_http_header(r, MHD_HTTP_HEADER_EXPECT).data)
		return queue(r);
	if (r->answered && much_is_left(r))
		wb_http_send_now(r);
	return MHD_YES;
}

static enum MHD_Result on_piece(struct wb_http_request *r, const char *data, size_t *len)
{
	/* libmicrohttpd goes on to the next chunk when all of one was taken, suspended or not. */
	if (r->suspended)
		return MHD_YES;
	if (!r->answered) {
		size_t taken = wb_http_body_take(r, wb_slice(data, *len));

		if (!r->answered) {
			bool all = taken == *len;

			*len -= taken;
			/* Stalled, or answered by another thread: settle() resumes it. */
			return all && !r->stalled ? MHD_YES : suspend(r);
		}
		wb_http_body_forget(r);
	}
	return discard(r, len);
}

static enum MHD_Result on_end(struct wb_http_request *r)
{
	if (r->sent)
		return MHD_NO;
	if (!r->answered && wb_http_body_end(r)) {
		r->stage = WB_STAGE_ANSWER;
		if (r->streaming)
			r->sink.end(r->sink_arg, r);
		else
			r->route->handler(r->route->arg, r);
	}
	return r->answered ? queue(r) : suspend(r);
}

enum MHD_Result wb_http_on_request(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **context)
{
	struct wb_http_request *r = *context;

	(void)arg;
	(void)mhd;
	(void)url;
	(void)version;
	if (!r)
		return MHD_NO;
	if (r->stage == WB_STAGE_HEAD)
		return on_headers(r, method);
	if (*len > 0)
		return on_piece(r, data, len);
	if (r->stage == WB_STAGE_BODY)
		return on_end(r);
	return r->answered ? queue(r) : MHD_YES;
}

static void free_request(struct wb_http_request *r)
{
	free_state(r);
	wb_http_inner_release(&r->inside);
	if (r->response)
		MHD_destroy_response(r->response);
	free(r);
}

/* The sink takes again: what came already is offered, while libmicrohttpd still has the connection suspended. */
static void go_on(struct wb_http_request *r)
{
	bool suspended = r->suspended;

	r->stalled = false;
	r->suspended = false; /* so that an answer of the sink is seen at once */
	(void)wb_http_body_flush(r); /* it stalls again, or was answered: looked at by the caller */
	r->suspended = suspended;
}

/* The sink could not end before. */
static void end_again(struct wb_http_request *r)
{
	bool suspended = r->suspended;

	r->suspended = false; /* so that an answer of the sink is seen at once */
	r->sink.end(r->sink_arg, r);
	r->suspended = suspended;
}

void wb_http_settle(struct wb_http_request *r)
{
	unsigned signals = atomic_exchange(&r->signals, 0);

	if (r->dead) {
		free_request(r);
		return;
	}
	if (signals & WB_SIGNAL_ANSWER)
		r->answered = true;
	if (r->stalled && !r->answered)
		go_on(r);
	if (signals & WB_SIGNAL_RESUME && r->streaming && r->stage == WB_STAGE_ANSWER && !r->answered)
		end_again(r);
	if (r->answered && r->stage == WB_STAGE_BODY) {
		wb_http_body_forget(r);
		/* A client that says nothing more would wait for ever for what discard() does. */
		if (!r->sent && (much_is_left(r) || unknown_is_left(r)))
			wb_http_send_now(r);
	}
	if (!r->suspended || (!r->answered && (r->stalled || r->stage == WB_STAGE_ANSWER)))
		return;
	r->suspended = false;
	r->stalled = false;
	if (r->stage == WB_STAGE_BODY)
		wb_http_wait_for(r->loop, r->connection, WB_WAIT_BODY);
	MHD_resume_connection(r->mhd);
}

void wb_http_on_completed(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
	struct wb_http_request *r = *context;
	struct wb_http_loop *loop = arg;

	(void)mhd;
	(void)code;
	if (!r)
		return;
	*context = NULL;
	wb_http_count(r);
	wb_http_body_lost(r);
	wb_http_body_forget(r);
	r->connection->request = NULL;
	r->connection->served = true;
	wb_http_wait_for(loop, r->connection, WB_WAIT_REQUEST);
	if (r->stage != WB_STAGE_HEAD)
		atomic_fetch_sub_explicit(&loop->unfinished, 1, memory_order_release);
	/* Somebody's answer or resume that nobody needs any more is still on its way to us. */
	r->dead = true;
	if (atomic_load(&r->signals) == 0)
		free_request(r);
}
