#include "consumer/worker_internal.h"

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "consumer/verdict.h"

#include <stdio.h>

/* Of an operation that failed alone, and of one whose route is stale. */
#define ALONE_BASE_MS 50
#define ALONE_CAP_MS  10000

static void count_status(struct wb_worker *w, int status)
{
	struct wb_counter **counter = &w->metrics.status[status > 0 && status < WB_STATUS_MAX ? status : 0];

	if (!*counter) {
		char labels[32];

		(void)snprintf(labels, sizeof labels, "status=\"%d\"", status); /* it fits */
		*counter = wb_metrics_counter(w->settings.metrics, "writebehind_cosmos_requests_total",
			"Requests to Cosmos DB by the status of their reply; 0: none came.", labels);
	}
	wb_counter_add(*counter, 1);
}

static void note(struct wb_write *write, const struct wb_reply_status *status, const struct wb_reply *reply,
	struct wb_slice message)
{
	if (!message.data || message.len == 0)
		message = wb_slice_cstr(reply->error ? reply->error : "no reason given");
	wb_write_note_failure(write, status->status, status->substatus, wb_slice_cstr(reply->activity_id), message,
		wb_clock_wall_ms());
}

/* Back into the queue of its range, at its front, or later after a backoff of its own. */
static void requeue(struct wb_worker *w, struct wb_range_state *rs, struct wb_write *write, int64_t delay_ms)
{
	int64_t now_ms = wb_clock_mono_ms();

	wb_write_advance(write, WB_WRITE_WAITING);
	write->failed_ms = now_ms;
	if (wb_worker_has_ended(NULL, write)) {
		wb_worker_hand_back(w, write);
		return;
	}
	w->settings.detach_message(w->settings.arg, write);
	if (delay_ms > 0) {
		write->not_before_ms = now_ms + delay_ms;
		wb_delay_heap_push(&w->delayed, write);
	} else {
		wb_worker_ready(rs, write, true);
	}
}

static int64_t next_delay_ms(struct wb_worker *w, struct wb_write *write, int64_t retry_after_ms)
{
	struct wb_backoff backoff = wb_backoff_make(ALONE_BASE_MS, ALONE_CAP_MS);
	int64_t delay_ms;

	backoff.attempt = write->retries++;
	delay_ms = wb_backoff_next_ms(&backoff, wb_prng_next(&w->random), retry_after_ms);
	return delay_ms > 0 ? delay_ms : 1;
}

/* Its patience is the time that it spent waiting for itself while others of its range were written. */
static void retry_alone(
	struct wb_worker *w, struct wb_range_state *rs, struct wb_write *write, const struct wb_verdict *verdict)
{
	int64_t delay_ms = next_delay_ms(w, write, verdict->retry_after_ms);

	if (verdict->counts && write->failed_ms > 0 && rs->last_success_ms >= write->failed_ms)
		write->retry_wait_ms += delay_ms;
	if (verdict->counts && write->retry_wait_ms > w->settings.options->operation_retry_max_ms) {
		wb_worker_judge(w, write, WB_DEAD, verdict->reason);
		return;
	}
	requeue(w, rs, write, delay_ms);
}

/* One operation with the verdict on it alone. */
static void carry_out(
	struct wb_worker *w, struct wb_range_state *rs, struct wb_write *write, const struct wb_verdict *verdict)
{
	switch (verdict->kind) {
	case WB_VERDICT_DONE:
		rs->last_success_ms = wb_clock_mono_ms();
		wb_worker_judge(w, write, WB_WRITTEN, WB_REASON_NONE);
		return;
	case WB_VERDICT_DEAD:
		wb_worker_judge(w, write, WB_DEAD, verdict->reason);
		return;
	case WB_VERDICT_THROTTLED:
		wb_counter_add(w->metrics.retries[WB_RETRY_THROTTLED], 1);
		requeue(w, rs, write, 0);
		return;
	case WB_VERDICT_OUTAGE:
		wb_counter_add(w->metrics.retries[WB_RETRY_OUTAGE], 1);
		requeue(w, rs, write, 0);
		return;
	case WB_VERDICT_REFRESH:
	case WB_VERDICT_TOPOLOGY:
		wb_counter_add(w->metrics.retries[WB_RETRY_ROUTING], 1);
		wb_metadata_refresh(w->settings.metadata, rs->range->container);
		retry_alone(w, rs, write, verdict);
		return;
	case WB_VERDICT_RETRY:
	case WB_VERDICT_SPLIT:
		wb_counter_add(w->metrics.retries[WB_RETRY_ALONE], 1);
		retry_alone(w, rs, write, verdict);
		return;
	}
}

static void judge_operations(struct wb_worker *w, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_range_state *rs = b->range;
	struct wb_write *write;
	bool throttled = false;
	int64_t wait_ms = 0;

	wb_outage_over(w->settings.outage, &rs->outage);
	for (size_t i = 0; (write = wb_write_of(wb_list_pop(&b->writes))); i++) {
		const struct wb_operation_reply *r = &w->replies[i];
		struct wb_reply_status status = { r->status, r->substatus, r->retry_after_ms };
		struct wb_verdict verdict = wb_verdict_operation(write->op, &status);

		write->request_charge += r->request_charge;
		if (verdict.kind != WB_VERDICT_DONE)
			note(write, &status, reply, r->message);
		if (verdict.kind == WB_VERDICT_THROTTLED) {
			throttled = true;
			wait_ms = verdict.retry_after_ms > wait_ms ? verdict.retry_after_ms : wait_ms;
		}
		carry_out(w, rs, write, &verdict);
	}
	wb_throttle_replied(&rs->throttle, throttled, wait_ms, wb_clock_mono_ms(), wb_prng_next(&w->random));
	if (throttled)
		wb_worker_detach(w, &rs->ready);
	wb_worker_batch_done(w, b);
}

/* The writes stay together for the next try. */
static void send_again(struct wb_batch *b)
{
	for (struct wb_link *link = b->writes.head; link; link = link->next) {
		struct wb_write *write = wb_write_of(link);

		wb_write_advance(write, WB_WRITE_WAITING);
		write->failed_ms = wb_clock_mono_ms();
	}
	wb_worker_detach(b->worker, &b->writes);
	wb_list_push(&b->range->again, &b->link);
}

/* Both halves go before what is ready, each as a request of its own. They inherit the failures: what is at fault is found
 * by a request a halving, not by three. */
static void split(struct wb_worker *w, struct wb_batch *b)
{
	struct wb_batch *rest = wb_worker_batch(w, b->range);
	size_t half = (b->writes.count + 1) / 2;
	struct wb_list all = b->writes;

	b->writes = (struct wb_list){ 0 };
	rest->failures = b->failures;
	while (b->writes.count < half)
		wb_list_push(&b->writes, wb_list_pop(&all));
	wb_list_append(&rest->writes, &all);
	send_again(b);
	if (rest->writes.head)
		send_again(rest);
	else
		wb_worker_batch_done(w, rest);
}

static void carry_out_alone(struct wb_worker *w, struct wb_batch *b, const struct wb_verdict *verdict)
{
	struct wb_range_state *rs = b->range;
	struct wb_write *write = wb_write_of(wb_list_pop(&b->writes));

	write->alone = true;
	wb_worker_batch_done(w, b);
	carry_out(w, rs, write, verdict);
}

static enum wb_retry_kind retry_kind(enum wb_verdict_kind kind)
{
	switch (kind) {
	case WB_VERDICT_THROTTLED:
		return WB_RETRY_THROTTLED;
	case WB_VERDICT_REFRESH:
	case WB_VERDICT_TOPOLOGY:
		return WB_RETRY_ROUTING;
	default:
		return WB_RETRY_OUTAGE;
	}
}

/* What the log and readyz say of a whole request that failed. */
static void tell_outage(struct wb_worker *w, struct wb_range_state *rs, const struct wb_reply *reply)
{
	char why[256];

	if (reply->error)
		(void)snprintf(why, sizeof why, "%s", reply->error); /* cutting is meant */
	else
		(void)snprintf(why, sizeof why, "status %d/%d", reply->status, reply->substatus); /* it fits */
	wb_outage_note(w->settings.outage, &rs->outage, why);
}

static void judge_request(
	struct wb_worker *w, struct wb_batch *b, const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	struct wb_range_state *rs = b->range;
	int64_t now_ms = wb_clock_mono_ms();
	bool throttled = verdict->kind == WB_VERDICT_THROTTLED || verdict->kind == WB_VERDICT_REFRESH ||
		verdict->kind == WB_VERDICT_TOPOLOGY;

	if (verdict->outage) {
		tell_outage(w, rs, reply);
		wb_throttle_failed(&rs->throttle, verdict->retry_after_ms, now_ms, wb_prng_next(&w->random));
	} else {
		wb_outage_over(w->settings.outage, &rs->outage);
		wb_throttle_replied(
			&rs->throttle, throttled, verdict->retry_after_ms, now_ms, wb_prng_next(&w->random));
	}
	if (wb_throttle_is_held_up(&rs->throttle, now_ms))
		wb_worker_detach(w, &rs->ready);
	b->failures++;
	if (verdict->kind == WB_VERDICT_SPLIT) {
		split(w, b);
		return;
	}
	if (b->writes.count == 1 &&
		(verdict->kind == WB_VERDICT_DONE || verdict->kind == WB_VERDICT_DEAD ||
			verdict->kind == WB_VERDICT_RETRY)) {
		carry_out_alone(w, b, verdict);
		return;
	}
	wb_counter_add(w->metrics.retries[retry_kind(verdict->kind)], (double)b->writes.count);
	if (retry_kind(verdict->kind) == WB_RETRY_ROUTING)
		wb_metadata_refresh(w->settings.metadata, rs->range->container);
	send_again(b);
}

/* A write that travels alone has shown before that its request fails again and again. */
static unsigned failures_of(const struct wb_batch *b)
{
	return wb_write_of(b->writes.head)->alone ? WB_VERDICT_SPLIT_AFTER : b->failures;
}

/* It failed alone before, and its range has served others since: they need not wait for it. */
static bool is_its_own_fault(const struct wb_batch *b, const struct wb_verdict *verdict)
{
	const struct wb_write *write = wb_write_of(b->writes.head);

	return verdict->kind == WB_VERDICT_RETRY && write->alone && b->range->last_success_ms > write->failed_ms;
}

static void judge_failed(struct wb_worker *w, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_reply_status status = { reply->status, reply->substatus, reply->retry_after_ms };
	struct wb_verdict verdict;

	for (struct wb_link *link = b->writes.head; link; link = link->next)
		note(wb_write_of(link), &status, reply, reply->body);
	verdict = wb_verdict_request(&status, (unsigned)b->writes.count, failures_of(b));
	if (is_its_own_fault(b, &verdict))
		verdict.outage = false;
	judge_request(w, b, reply, &verdict);
}

static void judge_point(struct wb_worker *w, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_write *write = wb_write_of(b->writes.head);
	struct wb_reply_status status = { reply->status, reply->substatus, reply->retry_after_ms };
	struct wb_verdict verdict = wb_verdict_point(write->op, &status, failures_of(b));

	if (is_its_own_fault(b, &verdict))
		verdict.outage = false;
	write->request_charge += reply->request_charge;
	if (verdict.kind != WB_VERDICT_DONE)
		note(write, &status, reply, reply->body);
	judge_request(w, b, reply, &verdict);
}

static void land(struct wb_worker *w, struct wb_batch *b)
{
	*b->flying_prev = b->flying_next;
	if (b->flying_next)
		b->flying_next->flying_prev = b->flying_prev;
	wb_gauge_add(w->metrics.in_flight, -1);
	wb_histogram_observe(w->metrics.request_seconds, (double)(wb_clock_mono_us() - b->sent_us) / 1e6);
}

void wb_worker_replied(void *arg, const struct wb_reply *reply)
{
	struct wb_batch *b = arg;
	struct wb_worker *w = b->worker;
	struct wb_error why;

	land(w, b);
	count_status(w, reply->status);
	wb_counter_add(w->metrics.request_units, reply->request_charge);
	if (b->point)
		judge_point(w, b, reply);
	else if ((reply->status == 200 || reply->status == 207) &&
		wb_bulk_reply_parse(reply->body, w->replies, b->writes.count, &why) == WB_OK)
		judge_operations(w, b, reply);
	else
		judge_failed(w, b, reply);
}
