#include "consumer/worker_internal.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdio.h>
#include <stdlib.h>

/* Even with nothing due, the loop comes round that often; it costs nothing. */
#define IDLE_MS 1000
/* Memory that batches at rest may keep. */
#define POOL_MAX 64

struct wb_range_state *wb_worker_range(struct wb_worker *w, struct wb_range *range)
{
	const struct wb_consumer_options *o = w->settings.options;
	struct wb_range_state *rs = range->owner_state;

	if (rs)
		return rs;
	rs = wb_xcalloc(1, sizeof *rs);
	rs->range = range;
	rs->bulk = wb_container_bulk(range->container);
	rs->throttle = wb_throttle_make((unsigned)(rs->bulk ? o->range_concurrency : o->point_concurrency));
	rs->next = w->ranges;
	w->ranges = rs;
	range->owner_state = rs;
	return rs;
}

void wb_worker_ready(struct wb_range_state *rs, struct wb_write *write, bool front)
{
	if (!rs->ready.head)
		rs->ready_since_ms = wb_clock_mono_ms();
	if (front)
		wb_list_push_front(&rs->ready, &write->link);
	else
		wb_list_push(&rs->ready, &write->link);
	rs->ready_bytes += wb_bulk_operation_size(write);
}

struct wb_write *wb_worker_pop_ready(struct wb_range_state *rs)
{
	struct wb_write *write = wb_write_of(wb_list_pop(&rs->ready));

	if (write)
		rs->ready_bytes -= wb_bulk_operation_size(write);
	return write;
}

/* A head leaves its item; the next, if there is one, is ready. */
static void leave_item(struct wb_worker *w, struct wb_write *write)
{
	struct wb_write *next = wb_item_order_leave(w->order, write);

	if (next)
		wb_worker_ready(wb_worker_range(w, next->range), next, false);
}

void wb_worker_judge(struct wb_worker *w, struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason)
{
	write->outcome = outcome;
	write->reason = reason;
	wb_write_advance(write, WB_WRITE_JUDGED);
	leave_item(w, write);
	wb_list_push(&w->judged, &write->link);
}

static void give_back(struct wb_worker *w, struct wb_write *write)
{
	wb_write_advance(write, WB_WRITE_FINISHED);
	wb_list_push(&w->handed_back, &write->link);
}

void wb_worker_hand_back(struct wb_worker *w, struct wb_write *write)
{
	leave_item(w, write);
	give_back(w, write);
}

struct wb_batch *wb_worker_batch(struct wb_worker *w, struct wb_range_state *rs)
{
	struct wb_link *link = wb_list_pop(&w->pool);
	struct wb_batch *b;

	if (link) {
		b = WB_CONTAINER_OF(link, struct wb_batch, link);
	} else {
		b = wb_xcalloc(1, sizeof *b);
		wb_buf_init(&b->body, (size_t)w->settings.options->memory_budget_bytes);
		b->worker = w;
	}
	b->range = rs;
	b->failures = 0;
	b->point = !rs->bulk;
	return b;
}

static void batch_free(struct wb_batch *b)
{
	wb_buf_release(&b->body);
	free(b);
}

void wb_worker_batch_done(struct wb_worker *w, struct wb_batch *b)
{
	if (w->pool.count >= POOL_MAX) {
		batch_free(b);
		return;
	}
	if (b->body.cap > 2 * WB_BULK_BYTES_MAX)
		wb_buf_release(&b->body);
	wb_list_push_front(&w->pool, &b->link);
}

static void detach(struct wb_worker *w, struct wb_write *write)
{
	w->settings.detach_message(w->settings.arg, write);
}

void wb_worker_detach(struct wb_worker *w, const struct wb_list *writes)
{
	for (struct wb_link *link = writes->head; link; link = link->next)
		detach(w, wb_write_of(link));
}

/* What has to wait behind its item or its range, while others go on, waits in memory of its own. */
static void take_in(struct wb_worker *w)
{
	struct wb_list in = { 0 };
	struct wb_write *write;
	int64_t now_ms = wb_clock_mono_ms();

	wb_handover_take(&w->in, &in);
	while ((write = wb_write_of(wb_list_pop(&in)))) {
		struct wb_range_state *rs = wb_worker_range(w, write->range);
		bool head = wb_item_order_enter(w->order, write);

		if (!head || wb_throttle_is_held_up(&rs->throttle, now_ms))
			detach(w, write);
		if (head)
			wb_worker_ready(rs, write, false);
	}
}

bool wb_worker_has_ended(void *arg, const struct wb_write *write)
{
	(void)arg;
	return atomic_load(&write->assignment->ended);
}

static bool any(void *arg, const struct wb_write *write)
{
	(void)arg;
	(void)write;
	return true;
}

/* Takes the picked writes out of list, to the end of out. */
static void withdraw(struct wb_list *list, bool (*pick)(void *arg, const struct wb_write *w), struct wb_list *out)
{
	struct wb_list all = *list;
	struct wb_write *write;

	*list = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all))))
		wb_list_push(pick(NULL, write) ? out : list, &write->link);
}

static void withdraw_from_range(
	struct wb_range_state *rs, bool (*pick)(void *arg, const struct wb_write *w), struct wb_list *out)
{
	struct wb_write *write;
	struct wb_list picked = { 0 };

	withdraw(&rs->ready, pick, &picked);
	while ((write = wb_write_of(wb_list_pop(&picked)))) {
		rs->ready_bytes -= wb_bulk_operation_size(write);
		wb_list_push(out, &write->link);
	}
	for (struct wb_link *link = rs->again.head; link; link = link->next)
		withdraw(&WB_CONTAINER_OF(link, struct wb_batch, link)->writes, pick, out);
}

/* Gives back all picked writes that are not in flight: first those behind others, so that no head makes one of them
 * ready; then the heads, wherever they wait. */
static void give_back_all(struct wb_worker *w, bool (*pick)(void *arg, const struct wb_write *write))
{
	struct wb_list behind = { 0 }, heads = { 0 };
	struct wb_write *write;

	wb_item_order_withdraw(w->order, pick, NULL, &behind);
	for (struct wb_range_state *rs = w->ranges; rs; rs = rs->next)
		withdraw_from_range(rs, pick, &heads);
	wb_delay_heap_withdraw(&w->delayed, pick, NULL, &heads);
	while ((write = wb_write_of(wb_list_pop(&behind))))
		give_back(w, write);
	while ((write = wb_write_of(wb_list_pop(&heads))))
		wb_worker_hand_back(w, write);
}

static void end_delays(struct wb_worker *w, int64_t now_ms)
{
	struct wb_write *write;

	while ((write = wb_delay_heap_pop_due(&w->delayed, now_ms)))
		wb_worker_ready(wb_worker_range(w, write->range), write, true);
}

static void hand_over(struct wb_worker *w)
{
	if (w->judged.head)
		w->settings.judged(w->settings.arg, &w->judged);
	if (w->handed_back.head)
		w->settings.handed_back(w->settings.arg, &w->handed_back);
}

static void *worker_loop(void *arg)
{
	struct wb_worker *w = arg;

	while (!atomic_load(&w->stop)) {
		int64_t now_ms = wb_clock_mono_ms();
		int64_t next_ms = now_ms + IDLE_MS;

		take_in(w);
		if (atomic_exchange(&w->look_again, false))
			give_back_all(w, wb_worker_has_ended);
		end_delays(w, now_ms);
		for (struct wb_range_state *rs = w->ranges; rs; rs = rs->next) {
			int64_t range_ms = wb_worker_serve_range(w, rs, now_ms);

			next_ms = range_ms < next_ms ? range_ms : next_ms;
		}
		hand_over(w);
		if (wb_delay_heap_next_ms(&w->delayed) < next_ms)
			next_ms = wb_delay_heap_next_ms(&w->delayed);
		wb_transport_run(w->transport, next_ms > now_ms ? next_ms - now_ms : 0);
	}
	return NULL;
}

static void make_metrics(struct wb_worker *w)
{
	static const double operations[] = { 1, 2, 5, 10, 20, 50, 75, 99, 100 };
	static const double seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };
	static const char *const kinds[] = { "throttled", "outage", "alone", "routing" };
	struct wb_metrics *m = w->settings.metrics;

	w->metrics.request_units = wb_metrics_counter(
		m, "writebehind_cosmos_request_units_total", "Request units that Cosmos DB charged.", "");
	w->metrics.operations = wb_metrics_counter(
		m, "writebehind_cosmos_operations_total", "Operations sent to Cosmos DB, repeats included.", "");
	w->metrics.in_flight = wb_metrics_gauge(
		m, "writebehind_cosmos_requests_in_flight", "Requests without a reply yet.", "");
	w->metrics.batch_operations = wb_metrics_histogram(m, "writebehind_cosmos_batch_operations",
		"Operations per request.", "", operations, WB_ARRAY_LEN(operations));
	w->metrics.request_seconds = wb_metrics_histogram(m, "writebehind_cosmos_request_seconds",
		"Time from sending a request to its reply.", "", seconds, WB_ARRAY_LEN(seconds));
	for (size_t i = 0; i < WB_ARRAY_LEN(kinds); i++) {
		char labels[32];

		(void)snprintf(labels, sizeof labels, "kind=\"%s\"", kinds[i]); /* they fit */
		w->metrics.retries[i] = wb_metrics_counter(
			m, "writebehind_cosmos_retries_total", "Operations that have to be sent again.", labels);
	}
}

static void wake(void *arg)
{
	struct wb_worker *w = arg;

	wb_transport_wake(w->transport);
}

struct wb_worker *wb_worker_new(const struct wb_worker_settings *settings, struct wb_error *e)
{
	struct wb_worker *w = wb_xcalloc(1, sizeof *w);
	uint64_t seed;
	char name[16];

	w->settings = *settings;
	/* Bounded per range by the throttles; the transport's own limit only has to be above their sum. */
	w->transport = wb_transport_new(&settings->options->cosmos, 1024, e);
	if (!w->transport) {
		free(w);
		return NULL;
	}
	wb_handover_init(&w->in, wake, w);
	wb_crypto_random(&seed, sizeof seed);
	w->order = wb_item_order_new(seed);
	wb_crypto_random(&w->random.state, sizeof w->random.state);
	make_metrics(w);
	atomic_init(&w->stop, false);
	(void)snprintf(name, sizeof name, "worker-%u", settings->index % 10000); /* it fits */
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

/* What is in flight counts as never answered: its fate is unknown, and it is redelivered. */
static void abandon_in_flight(struct wb_worker *w)
{
	struct wb_batch *b;

	wb_transport_free(&w->transport);
	while ((b = w->flying)) {
		w->flying = b->flying_next;
		for (struct wb_link *link = b->writes.head; link; link = link->next)
			wb_write_advance(wb_write_of(link), WB_WRITE_WAITING);
		wb_list_push(&b->range->again, &b->link);
	}
}

static void free_batches(struct wb_list *list)
{
	struct wb_link *link;

	while ((link = wb_list_pop(list)))
		batch_free(WB_CONTAINER_OF(link, struct wb_batch, link));
}

void wb_worker_free(struct wb_worker **w)
{
	struct wb_worker *old = *w;

	if (!old)
		return;
	atomic_store(&old->stop, true);
	wb_transport_wake(old->transport);
	wb_thread_join(old->thread);
	take_in(old);
	abandon_in_flight(old);
	give_back_all(old, any);
	hand_over(old);
	while (old->ranges) {
		struct wb_range_state *rs = old->ranges;

		old->ranges = rs->next;
		rs->range->owner_state = NULL;
		free_batches(&rs->again);
		free(rs);
	}
	free_batches(&old->pool);
	wb_delay_heap_release(&old->delayed);
	wb_item_order_free(&old->order);
	wb_handover_release(&old->in);
	free(old);
	*w = NULL;
}
