#include "consumer/worker.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "consumer/engine.h"
#include "consumer/request.h"

#include <stdio.h>
#include <stdlib.h>

/* Bounded per range by the throttles; the transport's own limit only has to be above their sum. */
#define CONNECTIONS_MAX 1024
#define REQUESTS_PART   8 /* of the memory budget, for requests in flight */
#define IDLE_MS         1000

struct wb_worker {
	struct wb_worker_settings settings;
	struct wb_handover in;
	_Atomic bool look_again;
	_Atomic bool stop;
	pthread_t thread;

	/* The thread's own. */
	struct wb_transport *transport;
	struct wb_engine *engine;
	int64_t seen_ms; /* boot time of the last round */
	bool cutting;    /* the replies that come now are none: requests are being cut off */
	struct wb_histogram *request_seconds;
	struct wb_board_place *place; /* on settings.board */
};

static void tell_time(struct wb_worker *w)
{
	wb_engine_at(w->engine, wb_clock_mono_ms(), wb_clock_wall_ms());
}

static void replied(void *arg, const struct wb_reply *reply)
{
	struct wb_batch *batch = arg;
	struct wb_worker *w = batch->sender;

	if (w->cutting || reply->held_back) {
		wb_engine_cut_off(w->engine, batch);
		return;
	}
	wb_histogram_observe(w->request_seconds, (double)(wb_clock_mono_us() - batch->sent_us) / 1e6);
	wb_engine_replied(w->engine, batch, reply);
}

static void send(void *arg, struct wb_batch *batch)
{
	struct wb_worker *w = arg;

	batch->sender = w;
	batch->sent_us = wb_clock_mono_us();
	wb_request_send(w->transport, batch, replied);
}

static void judged(void *arg, struct wb_list *batch)
{
	struct wb_worker *w = arg;

	w->settings.judged(w->settings.arg, batch);
}

static void handed_back(void *arg, struct wb_list *batch)
{
	struct wb_worker *w = arg;

	w->settings.handed_back(w->settings.arg, batch);
}

static struct wb_range *route(void *arg, const struct wb_container *container, const struct wb_epk *epk)
{
	(void)arg;
	return wb_container_route(container, epk);
}

static bool is_given_up(void *arg, const struct wb_container *container)
{
	const struct wb_worker *w = arg;
	enum wb_container_state state = wb_container_state(container);

	return state == WB_CONTAINER_STALE ||
		(state == WB_CONTAINER_MISSING && w->settings.options->cosmos.missing_is_dead);
}

static void refresh(void *arg, const struct wb_container *container)
{
	struct wb_worker *w = arg;

	wb_metadata_refresh(w->settings.metadata, container);
}

static void relocate(void *arg)
{
	struct wb_worker *w = arg;

	wb_metadata_relocate(w->settings.metadata);
}

static const struct wb_engine_calls calls = {
	.send = send,
	.judged = judged,
	.handed_back = handed_back,
	.route = route,
	.is_given_up = is_given_up,
	.refresh = refresh,
	.relocate = relocate,
};

static void cut_off(struct wb_worker *w, bool (*pick)(void *request_arg))
{
	tell_time(w);
	w->cutting = true;
	wb_transport_cancel(w->transport, pick);
	w->cutting = false;
}

static bool is_lost(void *request_arg)
{
	return wb_batch_is_lost(request_arg);
}

static bool was_away(const struct wb_worker *w)
{
	return wb_clock_boot_ms() - w->seen_ms > w->settings.away_max_ms;
}

/* The last look before a request goes out: a thread may be frozen anywhere, also among requests that it sends. */
static bool may_send(void *arg)
{
	struct wb_worker *w = arg;

	return !was_away(w) && wb_gate_is_open(w->settings.gate);
}

/* After a long absence nothing more is sent, not even the rest of what was begun, before membership is proven. */
static void notice_absence(struct wb_worker *w)
{
	int64_t now_ms = wb_clock_boot_ms();
	int64_t away_ms = now_ms - w->seen_ms;

	w->seen_ms = now_ms;
	if (away_ms <= w->settings.away_max_ms)
		return;
	wb_gate_shut(w->settings.gate);
	wb_log_warn(w->settings.log, "this process was away; nothing is sent until its membership is proven",
		WB_INT("ms", away_ms));
	cut_off(w, NULL);
}

static void answer(struct wb_worker *w)
{
	struct wb_snapshot *s = wb_snapshot_new();

	wb_engine_snapshot(w->engine, s);
	wb_board_answer(w->place, &s);
}

static int64_t turn(struct wb_worker *w)
{
	struct wb_list in = { 0 };
	int64_t next_ms = INT64_MAX;

	wb_handover_take(&w->in, &in);
	tell_time(w);
	wb_engine_take(w->engine, &in);
	if (atomic_exchange(&w->look_again, false)) {
		cut_off(w, is_lost);
		wb_engine_withdraw(w->engine, false);
	}
	if (wb_gate_is_open(w->settings.gate))
		next_ms = wb_engine_serve(w->engine);
	else
		wb_engine_tidy(w->engine);
	wb_engine_hand_over(w->engine);
	if (wb_board_is_asked(w->place))
		answer(w);
	return next_ms;
}

static void *worker_loop(void *arg)
{
	struct wb_worker *w = arg;
	int64_t idle_ms = w->settings.away_max_ms / 4 < IDLE_MS ? w->settings.away_max_ms / 4 : IDLE_MS;

	w->seen_ms = wb_clock_boot_ms();
	while (!atomic_load(&w->stop)) {
		int64_t next_ms = turn(w), wait_ms;
		unsigned replies;

		notice_absence(w);
		/* What a reply set free would otherwise wait for something else to happen. */
		replies = wb_transport_perform(w->transport);
		wait_ms = next_ms - wb_clock_mono_ms();
		wait_ms = wait_ms < idle_ms ? wait_ms : idle_ms;
		wb_transport_wait(w->transport, replies == 0 && wait_ms > 0 ? wait_ms : 0);
		notice_absence(w);
		tell_time(w);
		(void)wb_transport_perform(w->transport); /* the next turn follows in any case */
	}
	return NULL;
}

static void wake(void *arg)
{
	struct wb_worker *w = arg;

	wb_transport_wake(w->transport);
}

static void make_engine(struct wb_worker *w)
{
	const struct wb_consumer_options *o = w->settings.options;
	struct wb_engine_settings engine = { .worker = w->settings.index,
		.range_concurrency = o->range_concurrency,
		.point_concurrency = o->point_concurrency,
		.bulk_linger_ms = o->bulk_linger_ms,
		.operation_retry_max_ms = o->operation_retry_max_ms,
		.body_max_bytes = o->memory_budget_bytes,
		.ranges_shown_max = WB_SNAPSHOT_RANGES_MAX / (size_t)o->workers,
		.requests_max_bytes = o->memory_budget_bytes / REQUESTS_PART / o->workers,
		.calls = &calls,
		.arg = w,
		.outage = w->settings.outage,
		.paces = w->settings.paces,
		.budget = w->settings.budget,
		.metrics = w->settings.metrics,
		.log = w->settings.log };

	wb_crypto_random(&engine.seed, sizeof engine.seed);
	w->engine = wb_engine_new(&engine);
	tell_time(w);
}

struct wb_worker *wb_worker_new(const struct wb_worker_settings *settings, struct wb_error *e)
{
	static const double seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };
	struct wb_worker *w = wb_xcalloc(1, sizeof *w);
	char name[16];

	w->settings = *settings;
	w->transport = wb_transport_new(&settings->options->cosmos, wb_metadata_account(settings->metadata),
		settings->client, CONNECTIONS_MAX, e);
	if (!w->transport) {
		free(w);
		return NULL;
	}
	wb_transport_guard(w->transport, may_send, w);
	wb_handover_init(&w->in, wake, w);
	make_engine(w);
	w->request_seconds = wb_metrics_histogram(settings->metrics, "writebehind_cosmos_request_seconds",
		"Time from sending a request to its reply.", "", seconds, WB_ARRAY_LEN(seconds));
	atomic_init(&w->look_again, false);
	atomic_init(&w->stop, false);
	(void)snprintf(name, sizeof name, "worker-%u", settings->index % 10000); /* it fits */
	w->place = wb_board_enter(settings->board, name, wake, w);
	w->thread = wb_thread_start(name, worker_loop, w);
	return w;
}

void wb_worker_submit(struct wb_worker *w, struct wb_list *batch)
{
	wb_handover_put(&w->in, batch);
}

void wb_worker_wake(struct wb_worker *w)
{
	atomic_store(&w->look_again, true);
	wb_transport_wake(w->transport);
}

void wb_worker_free(struct wb_worker **worker)
{
	struct wb_worker *w = *worker;
	struct wb_list in = { 0 };

	if (!w)
		return;
	atomic_store(&w->stop, true);
	wb_transport_wake(w->transport);
	wb_thread_join(w->thread);
	wb_board_leave(&w->place);
	wb_handover_take(&w->in, &in);
	wb_engine_take(w->engine, &in);
	/* What is in flight counts as never answered: its fate is unknown, and it is redelivered. */
	cut_off(w, NULL);
	wb_engine_withdraw(w->engine, true);
	wb_engine_hand_over(w->engine);
	wb_engine_free(&w->engine);
	wb_transport_free(&w->transport);
	wb_handover_release(&w->in);
	free(w);
	*worker = NULL;
}
