#include "consumer/engine_internal.h"

#include "common/base/backoff.h"
#include "consumer/compare.h"

#include <stdio.h>

/* Of an operation that failed alone, and of one whose route is stale. */
#define ALONE_BASE_MS 50
#define ALONE_CAP_MS  10000
/* A write that has waited so long for itself is named in the log, once a minute at most. */
#define STUCK_MS       60000
#define STUCK_AGAIN_MS 60000
/* After so many a reading does without the session of the refusal. */
#define SESSION_RETRIES 5
/* A range that is refused whatever it sends for so long is told of, though the service answers. */
#define REFUSED_MS 10000
/* After so long of refusals alone what waits is held back, too: where nothing is taken, it is not to ask one by one. */
#define REFUSED_THROTTLES_MS 1000
/* Longer than a reading's backoff: since writes were judged so lately, the reading was refused. */
#define JUDGED_LATELY_MS 60000

static struct wb_reply_status status_of(const struct wb_reply *reply)
{
	return (struct wb_reply_status){ .status = reply->status,
		.substatus = reply->substatus,
		.retry_after_ms = reply->retry_after_ms,
		.foreign = !reply->activity_id[0] };
}

/* A reading's failures are not noted: the letter tells what the write died of. */
static void note(const struct wb_engine *e, struct wb_write *write, const struct wb_reply_status *status,
	const struct wb_reply *reply, struct wb_slice message)
{
	if (write->step == WB_STEP_READ)
		return;
	if (!message.data || message.len == 0)
		message = wb_slice_cstr(reply->error ? reply->error : "no reason given");
	wb_write_note_failure(
		write, status->status, status->substatus, wb_slice_cstr(reply->activity_id), message, e->wall_ms);
	wb_write_note_session(write, reply->session_token);
}

/* While others of its range fare no better it is the service that fails, whose end is to be noticed soon. */
static int64_t next_delay_ms(struct wb_engine *e, struct wb_write *write, bool others_go, int64_t retry_after_ms)
{
	struct wb_backoff backoff = wb_backoff_make(
		ALONE_BASE_MS, others_go ? ALONE_CAP_MS : WB_THROTTLE_BACKOFF_CAP_MS);
	int64_t delay_ms;

	backoff.attempt = write->retries++;
	delay_ms = wb_backoff_next_ms(&backoff, wb_prng_next(&e->random), retry_after_ms);
	return delay_ms > 0 ? delay_ms : 1;
}

static void say_stuck(struct wb_engine *e, const struct wb_write *write)
{
	if (write->retry_wait_ms < STUCK_MS || e->now_ms - e->stuck_said_ms < STUCK_AGAIN_MS)
		return;
	e->stuck_said_ms = e->now_ms;
	wb_log_warn(e->settings.log, "a write fails again and again by itself, while others of its range go through",
		WB_SLICE("id", write->id), WB_SLICE("partition_key", write->pk_text),
		WB_STR("topic", write->assignment->topic), WB_INT("partition", write->assignment->partition),
		WB_INT("offset", write->offset), WB_INT("status", write->failure ? write->failure->status : 0),
		WB_STR("message", write->failure ? write->failure->message : ""),
		WB_INT("waited_s", write->retry_wait_ms / 1000), WB_TRACEPARENT(write));
}

/* Others of its range were written since it failed last. */
static bool others_go(const struct wb_range_state *rs, const struct wb_write *write)
{
	return write->failed_ms > 0 && rs->last_success_ms >= write->failed_ms;
}

/* Its patience is the time that it spent waiting for itself while others of its range were written. */
bool wb_engine_retry_alone(
	struct wb_engine *e, struct wb_range_state *rs, struct wb_write *write, const struct wb_verdict *verdict)
{
	bool others = others_go(rs, write);
	int64_t delay_ms = next_delay_ms(e, write, others, verdict->retry_after_ms);

	if (verdict->counts && others)
		write->retry_wait_ms += delay_ms;
	if (verdict->counts && write->retry_wait_ms > e->settings.operation_retry_max_ms)
		return false;
	say_stuck(e, write);
	wb_engine_requeue(e, write, delay_ms);
	return true;
}

static void retry_or_condemn(
	struct wb_engine *e, struct wb_range_state *rs, struct wb_write *write, const struct wb_verdict *verdict)
{
	if (wb_engine_retry_alone(e, rs, write, verdict))
		return;
	if (write->step == WB_STEP_READ)
		wb_engine_item_unknown(e, write);
	else
		wb_engine_condemn(e, write, verdict);
}

/* What stale routing is told of. */
static void look_up(struct wb_engine *e, const struct wb_range_state *rs, enum wb_verdict_kind kind)
{
	if (kind == WB_VERDICT_TOPOLOGY)
		e->settings.calls->relocate(e->settings.arg);
	else
		e->settings.calls->refresh(e->settings.arg, rs->range->container);
}

/* One operation with the verdict on it alone, by that status. */
static void carry_out(struct wb_engine *e, struct wb_range_state *rs, struct wb_write *write,
	const struct wb_verdict *verdict, int status)
{
	switch (verdict->kind) {
	case WB_VERDICT_DONE:
		rs->last_success_ms = e->now_ms;
		wb_outage_answered(e->settings.outage, e->now_ms);
		wb_engine_judge(e, write, WB_WRITTEN, WB_REASON_NONE);
		return;
	case WB_VERDICT_DEAD:
	case WB_VERDICT_COMPARE:
		wb_outage_answered(e->settings.outage, e->now_ms);
		wb_engine_condemn(e, write, verdict);
		return;
	case WB_VERDICT_THROTTLED:
		wb_engine_count_retries(e, WB_RETRY_THROTTLED, status, 1);
		wb_engine_requeue(e, write, 0);
		return;
	case WB_VERDICT_OUTAGE:
		wb_engine_count_retries(e, WB_RETRY_OUTAGE, status, 1);
		wb_engine_requeue(e, write, 0);
		return;
	case WB_VERDICT_REFRESH:
	case WB_VERDICT_TOPOLOGY:
		wb_engine_count_retries(e, WB_RETRY_ROUTING, status, 1);
		look_up(e, rs, verdict->kind);
		retry_or_condemn(e, rs, write, verdict);
		return;
	case WB_VERDICT_RETRY:
	case WB_VERDICT_SPLIT:
		wb_engine_count_retries(e, WB_RETRY_ALONE, status, 1);
		retry_or_condemn(e, rs, write, verdict);
		return;
	}
}

static void note_time(const struct wb_engine *e, struct wb_write *write)
{
	if (!write->first_failure_ms && write->step == WB_STEP_SEND)
		write->first_failure_ms = e->wall_ms;
}

/* While the range refuses all, words are not kept for each that waits. A write that dies of its failures has its last ones
 * noted, as it dies only of those after which others were written. */
static void note_operation(const struct wb_engine *e, const struct wb_range_state *rs, struct wb_write *write,
	const struct wb_reply_status *status, const struct wb_reply *reply, struct wb_slice message,
	enum wb_verdict_kind kind)
{
	bool is_judged = kind == WB_VERDICT_DEAD || kind == WB_VERDICT_COMPARE;
	bool is_the_ranges = kind == WB_VERDICT_THROTTLED || kind == WB_VERDICT_OUTAGE;

	if (is_judged || (!is_the_ranges && (!rs->refused_since_ms || others_go(rs, write))))
		note(e, write, status, reply, message);
	else
		note_time(e, write);
}

static struct wb_verdict_write facts_of(const struct wb_write *write)
{
	return (struct wb_verdict_write){ .op = write->op, .is_create = wb_write_is_create(write) };
}

/* What the log and readyz say of a request that failed. */
static void tell_outage(struct wb_engine *e, struct wb_range_state *rs, const struct wb_reply_status *status,
	const struct wb_reply *reply)
{
	char why[256];

	if (reply->error)
		(void)snprintf(why, sizeof why, "%s", reply->error); /* cutting is meant */
	else
		(void)snprintf(why, sizeof why, "status %d/%d", status->status, status->substatus); /* it fits */
	if (!rs->outage)
		rs->outage_since_ms = e->now_ms;
	wb_outage_note(e->settings.outage, &rs->outage, why, e->now_ms);
}

/* What a reply says of its range: it serves, it refuses whatever it is sent, or nothing: one write that fails by itself may
 * be at fault, unless all have failed since. */
enum says { SERVES, REFUSES, NOTHING };

static enum says says_of(const struct wb_range_state *rs, enum wb_verdict_kind kind, size_t operations)
{
	switch (kind) {
	case WB_VERDICT_THROTTLED:
	case WB_VERDICT_REFRESH:
	case WB_VERDICT_TOPOLOGY:
	case WB_VERDICT_OUTAGE:
		return REFUSES;
	case WB_VERDICT_RETRY:
		return operations > 1 || rs->refused_since_ms ? REFUSES : NOTHING;
	case WB_VERDICT_DONE:
	case WB_VERDICT_DEAD:
	case WB_VERDICT_COMPARE:
	case WB_VERDICT_SPLIT:
		break;
	}
	return SERVES;
}

/* What the range's state is told of a request that was no outage's victim; one that failed by itself may have no reply.
 * A range that refuses everything for long is no better off than in an outage, so people are told. status: the refusal. */
static void was_answered(struct wb_engine *e, const struct wb_batch *b, const struct wb_reply *reply, enum says says,
	const struct wb_reply_status *status)
{
	struct wb_range_state *rs = b->state;

	if (reply->status && b->sent_ms > rs->served_sent_ms)
		rs->served_sent_ms = b->sent_ms;
	if (says == SERVES) {
		rs->refused_since_ms = 0;
		wb_throttle_served(&rs->throttle);
	} else if (says == REFUSES && !rs->refused_since_ms) {
		rs->refused_since_ms = e->now_ms;
	}
	if (rs->refused_since_ms && e->now_ms - rs->refused_since_ms >= REFUSED_MS) {
		if (says == REFUSES)
			tell_outage(e, rs, status, reply);
	} else {
		wb_outage_over(e->settings.outage, &rs->outage, e->now_ms);
	}
}

/* Only requests of the kind and size that the range has most of can be compared. */
static void tell_time(const struct wb_engine *e, const struct wb_batch *b)
{
	if (b->full && b->point != b->range->bulk)
		wb_throttle_took(&b->state->throttle, b->sent_ms, e->now_ms);
}

/* The next write to be judged, and the one after it, were with others since they were sent. */
static void expect_leave(const struct wb_engine *e, struct wb_link *next)
{
	if (!next)
		return;
	wb_write_prefetch(next->next);
	wb_item_order_expect_leave(e->order, wb_write_of(next));
}

static void judge_operations(struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_range_state *rs = b->state;
	struct wb_reply_status refusal = { 0 };
	size_t operations = b->writes.count;
	struct wb_write *write;
	enum says says = NOTHING, one;
	enum wb_hold hold = WB_HOLD_NONE;
	int64_t wait_ms = 0;

	for (size_t i = 0; (write = wb_write_of(wb_list_pop(&b->writes))); i++) {
		const struct wb_operation_reply *r = &e->replies[i];
		struct wb_reply_status status = { r->status, r->substatus, r->retry_after_ms, false };
		struct wb_verdict_write facts = facts_of(write);
		struct wb_verdict verdict = wb_verdict_operation(&facts, &status);

		expect_leave(e, b->writes.head);
		write->request_charge += r->request_charge;
		if (verdict.kind != WB_VERDICT_DONE) {
			note_operation(e, rs, write, &status, reply, r->message, verdict.kind);
			refusal = status;
		}
		if (verdict.kind == WB_VERDICT_THROTTLED) {
			hold = WB_HOLD_THROTTLED;
			wait_ms = verdict.retry_after_ms > wait_ms ? verdict.retry_after_ms : wait_ms;
		}
		/* What failed by itself while others of its range were written tells nothing of the range. */
		one = verdict.counts && write->retry_wait_ms > 0 ? NOTHING : says_of(rs, verdict.kind, operations);
		if (one == SERVES || says == NOTHING)
			says = one;
		carry_out(e, rs, write, &verdict, r->status);
	}
	was_answered(e, b, reply, says, &refusal);
	if (hold == WB_HOLD_NONE && says == REFUSES && rs->refused_since_ms &&
		e->now_ms - rs->refused_since_ms >= REFUSED_THROTTLES_MS)
		hold = WB_HOLD_OTHER;
	if (hold == WB_HOLD_NONE)
		tell_time(e, b);
	wb_engine_count_throttled(e, rs);
	wb_throttle_replied(&rs->throttle, hold, wait_ms, e->now_ms, wb_prng_next(&e->random));
	wb_engine_batch_done(e, b);
}

/* The writes stay together for the next try, but for those that may not be sent any more. */
static void send_again(struct wb_engine *e, struct wb_batch *b)
{
	struct wb_list all = b->writes;
	struct wb_write *write;

	b->writes = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all)))) {
		wb_write_advance(write, WB_WRITE_WAITING);
		wb_engine_failed(e, write);
		if (wb_engine_is_withdrawn(e, write))
			wb_engine_hand_back(e, write);
		else
			wb_list_push(&b->writes, &write->link);
	}
	if (!b->writes.head) {
		wb_engine_batch_done(e, b);
		return;
	}
	/* It is written anew when it is sent; in an outage all that waits may come to wait in such batches. */
	wb_bulk_release(&b->body);
	wb_list_push(&b->state->again, &b->link);
}

/* Both halves go before what is ready, each as a request of its own. They inherit the failures: what is at fault is found
 * by a request a halving, not by three. */
static void split(struct wb_engine *e, struct wb_batch *b)
{
	struct wb_batch *rest = wb_engine_batch(e, b->state);
	size_t half = (b->writes.count + 1) / 2;
	struct wb_list all = b->writes;

	b->writes = (struct wb_list){ 0 };
	rest->failures = b->failures;
	rest->failing_since_ms = b->failing_since_ms;
	while (b->writes.count < half)
		wb_list_push(&b->writes, wb_list_pop(&all));
	wb_list_append(&rest->writes, &all);
	send_again(e, b);
	if (rest->writes.head)
		send_again(e, rest);
	else
		wb_engine_batch_done(e, rest);
}

static void carry_out_alone(struct wb_engine *e, struct wb_batch *b, const struct wb_verdict *verdict, int status)
{
	struct wb_range_state *rs = b->state;
	struct wb_write *write = wb_write_of(wb_list_pop(&b->writes));

	write->alone = true;
	wb_engine_batch_done(e, b);
	carry_out(e, rs, write, verdict, status);
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

/* What hung until it timed out says nothing new of the service when a request that was sent later was served. */
static bool is_old_news(const struct wb_batch *b, const struct wb_reply *reply)
{
	return reply->timed_out && b->sent_ms < b->state->served_sent_ms;
}

static enum wb_hold hold_of(enum wb_verdict_kind kind)
{
	if (kind == WB_VERDICT_THROTTLED)
		return WB_HOLD_THROTTLED;
	return kind == WB_VERDICT_REFRESH || kind == WB_VERDICT_TOPOLOGY ? WB_HOLD_OTHER : WB_HOLD_NONE;
}

static void tell_throttle(
	struct wb_engine *e, const struct wb_batch *b, const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	struct wb_range_state *rs = b->state;
	struct wb_reply_status status = status_of(reply);
	uint64_t random = wb_prng_next(&e->random);

	wb_engine_count_throttled(e, rs);
	if (verdict->outage && is_old_news(b, reply)) {
		wb_throttle_cancelled(&rs->throttle);
	} else if (verdict->outage) {
		tell_outage(e, rs, &status, reply);
		wb_throttle_failed(&rs->throttle, verdict->retry_after_ms, e->now_ms, random);
	} else {
		was_answered(e, b, reply, says_of(rs, verdict->kind, b->writes.count), &status);
		if (verdict->kind == WB_VERDICT_DONE)
			tell_time(e, b);
		wb_throttle_replied(&rs->throttle, hold_of(verdict->kind), verdict->retry_after_ms, e->now_ms, random);
	}
}

static bool concerns_one(const struct wb_batch *b, enum wb_verdict_kind kind)
{
	return b->writes.count == 1 &&
		(kind == WB_VERDICT_DONE || kind == WB_VERDICT_DEAD || kind == WB_VERDICT_COMPARE ||
			kind == WB_VERDICT_RETRY);
}

/* What is no operation's own is not kept for each of them: in an outage that would be all that wait. */
static void note_request(
	struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	struct wb_reply_status status = status_of(reply);

	if (verdict->kind == WB_VERDICT_DONE)
		return;
	if (concerns_one(b, verdict->kind)) {
		note(e, wb_write_of(b->writes.head), &status, reply, reply->body);
		return;
	}
	for (struct wb_link *link = b->writes.head; link; link = link->next)
		note_time(e, wb_write_of(link));
}

static void judge_request(
	struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	note_request(e, b, reply, verdict);
	tell_throttle(e, b, reply, verdict);
	if (b->failures++ == 0)
		b->failing_since_ms = e->now_ms;
	if (verdict->kind == WB_VERDICT_SPLIT) {
		split(e, b);
		return;
	}
	if (concerns_one(b, verdict->kind)) {
		carry_out_alone(e, b, verdict, reply->status);
		return;
	}
	wb_engine_count_retries(e, retry_kind(verdict->kind), reply->status, b->writes.count);
	if (retry_kind(verdict->kind) == WB_RETRY_ROUTING)
		look_up(e, b->state, verdict->kind);
	send_again(e, b);
}

/* Since the request failed first, others of its range were written: so it is the request's own fault. */
static bool others_fare_better(const struct wb_batch *b)
{
	return b->failures > 0 && b->state->last_success_ms >= b->failing_since_ms;
}

/* Nothing else of its range can show whether the service or this request is at fault. */
static bool is_lonely(const struct wb_batch *b)
{
	return !b->state->ready.head && !b->state->again.head && b->state->throttle.in_flight <= 1;
}

/* Statuses that are about the connection, the account or its key need more than loneliness to be taken for a request's own
 * fault. */
static bool may_be_its_own(int status)
{
	return status >= 200 && (status < 300 || status >= 400) && status != 401 && status != 403 && status != 407;
}

/* How often it failed for what may be its own fault. While all others fail as well it is the service's, and splitting
 * would only multiply what has to be sent when that is back; where there are no others, it is tried in
 * parts. A write that travels alone has shown before that its request fails again and again. */
static unsigned failures_of(const struct wb_batch *b, const struct wb_reply_status *status)
{
	if (wb_write_of(b->writes.head)->alone)
		return WB_VERDICT_SPLIT_AFTER;
	if (others_fare_better(b) || (is_lonely(b) && may_be_its_own(status->status)))
		return b->failures;
	return b->failures < WB_VERDICT_SPLIT_AFTER ? b->failures : WB_VERDICT_SPLIT_AFTER - 1;
}

/* It failed alone before, and its range has served others since: they need not wait for it. */
static bool is_its_own_fault(const struct wb_batch *b, const struct wb_verdict *verdict)
{
	const struct wb_write *write = wb_write_of(b->writes.head);

	return verdict->kind == WB_VERDICT_RETRY && write->alone && b->state->last_success_ms > write->failed_ms;
}

static void judge_failed(struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_reply_status status = status_of(reply);
	struct wb_verdict_write first = facts_of(wb_write_of(b->writes.head));
	struct wb_verdict verdict;

	verdict = wb_verdict_request(&first, &status, (unsigned)b->writes.count, failures_of(b, &status));
	if (is_its_own_fault(b, &verdict))
		verdict.outage = false;
	judge_request(e, b, reply, &verdict);
}

/* A reading that succeeded, but shows no item, failed as a whole: nobody knows what is stored. */
static struct wb_verdict verdict_of_reading(
	const struct wb_batch *b, const struct wb_reply *reply, char *etag, size_t size)
{
	struct wb_reply_status status = status_of(reply);
	struct wb_verdict_write first = facts_of(wb_write_of(b->writes.head));
	struct wb_verdict verdict = wb_verdict_read(&status, failures_of(b, &status));

	if (verdict.kind == WB_VERDICT_DONE && !wb_compare_is_item(reply->body, etag, size))
		verdict = wb_verdict_request(&first, &status, 1, failures_of(b, &status));
	return verdict;
}

/* Refused over the account, though not because it moved. */
static bool is_refused(const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	return (reply->status == 401 || reply->status == 403) && verdict->kind != WB_VERDICT_TOPOLOGY &&
		verdict->kind != WB_VERDICT_DEAD;
}

/* A reading that stays refused while Cosmos DB judges writes lacks a permission of its own: its item stays unknown. Where no
 * writes are judged the account may be refused as such, which is waited for; then the write itself goes once more, for
 * it was judged before, and its reply tells. True when the write is taken care of. */
static bool gives_up_reading(
	struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply, const struct wb_verdict *verdict)
{
	const struct wb_verdict no_outage = { .kind = WB_VERDICT_DEAD };
	struct wb_write *write = wb_write_of(b->writes.head);
	int64_t since_ms = write->refused_since_ms ? write->refused_since_ms : e->now_ms;
	int64_t answered_ms = wb_outage_answered_ms(e->settings.outage);
	bool others_are_judged = answered_ms > since_ms && e->now_ms - answered_ms < JUDGED_LATELY_MS;

	write->refused_since_ms = since_ms;
	if (e->now_ms - since_ms < e->settings.operation_retry_max_ms || (!others_are_judged && write->attempts == 0))
		return false;
	tell_throttle(e, b, reply, others_are_judged ? &no_outage : verdict);
	(void)wb_list_pop(&b->writes); /* write */
	wb_engine_batch_done(e, b);
	if (others_are_judged) {
		wb_engine_item_unknown(e, write);
	} else {
		write->step = WB_STEP_SEND;
		write->bulk_bytes = wb_bulk_operation_size(write);
		wb_engine_requeue(e, write, 0);
		write->refused_since_ms = since_ms;
	}
	return true;
}

static void judge_reading(struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_write *write = wb_write_of(b->writes.head);
	char etag[sizeof write->failure->item_etag];
	struct wb_verdict verdict = verdict_of_reading(b, reply, etag, sizeof etag);

	wb_counter_add(e->metrics.items_read, 1);
	/* The range of its session may be gone. */
	if (reply->status == 404 && write->retries >= SESSION_RETRIES && write->failure)
		wb_write_note_session(write, "");
	if (is_refused(reply, &verdict) && gives_up_reading(e, b, reply, &verdict))
		return;
	if (verdict.kind != WB_VERDICT_DONE && verdict.kind != WB_VERDICT_DEAD) {
		if (is_its_own_fault(b, &verdict))
			verdict.outage = false;
		judge_request(e, b, reply, &verdict);
		return;
	}
	tell_throttle(e, b, reply, &verdict);
	(void)wb_list_pop(&b->writes); /* write */
	wb_engine_batch_done(e, b);
	if (verdict.kind == WB_VERDICT_DONE)
		wb_engine_item_read(e, write, reply->body, etag);
	else if (verdict.reason == WB_REASON_NOT_FOUND)
		wb_engine_item_absent(e, write);
	else
		wb_engine_item_unknown(e, write);
}

/* Whether a point write's reply looks like Cosmos DB's: what was written has an etag, a deletion says 204. */
static bool is_plausible(const struct wb_write *write, const struct wb_reply *reply)
{
	char etag[sizeof reply->etag];

	if (reply->status < 200 || reply->status >= 300)
		return true;
	if (write->op == WB_OP_DELETE)
		return reply->status == 204 && reply->body.len == 0;
	return reply->body.len == 0 ? reply->etag[0] : wb_compare_is_item(reply->body, etag, sizeof etag);
}

static struct wb_verdict verdict_of_point(const struct wb_batch *b, const struct wb_reply *reply)
{
	const struct wb_write *write = wb_write_of(b->writes.head);
	struct wb_reply_status status = status_of(reply);
	struct wb_verdict_write facts = facts_of(write);

	if (is_plausible(write, reply))
		return wb_verdict_point(&facts, &status, failures_of(b, &status));
	return wb_verdict_request(&facts, &status, 1, failures_of(b, &status));
}

static void judge_point(struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_write *write = wb_write_of(b->writes.head);
	struct wb_verdict verdict;

	write->request_charge += reply->request_charge;
	if (write->step == WB_STEP_READ) {
		judge_reading(e, b, reply);
		return;
	}
	verdict = verdict_of_point(b, reply);
	if (is_its_own_fault(b, &verdict))
		verdict.outage = false;
	judge_request(e, b, reply, &verdict);
}

static void land(struct wb_engine *e, struct wb_batch *b)
{
	*b->flying_prev = b->flying_next;
	if (b->flying_next)
		b->flying_next->flying_prev = b->flying_prev;
	e->flying_bytes -= b->charged_bytes;
	wb_gauge_add(e->metrics.in_flight, -1);
}

void wb_engine_replied(struct wb_engine *e, struct wb_batch *b, const struct wb_reply *reply)
{
	struct wb_error why;
	bool each = !b->point && (reply->status == 200 || reply->status == 207) &&
		wb_bulk_reply_parse(reply->body, e->replies, b->writes.count, &why) == WB_OK;

	land(e, b);
	wb_engine_count_reply(e, b->state, reply);
	wb_engine_settle(e, b, reply, each);
	if (b->point)
		judge_point(e, b, reply);
	else if (each)
		judge_operations(e, b, reply);
	else
		judge_failed(e, b, reply);
}

void wb_engine_cut_off(struct wb_engine *e, struct wb_batch *b)
{
	struct wb_write *write;

	land(e, b);
	wb_engine_settle(e, b, NULL, false);
	wb_throttle_cancelled(&b->state->throttle);
	while ((write = wb_write_of(wb_list_pop(&b->writes))))
		wb_engine_requeue(e, write, 0);
	wb_engine_batch_done(e, b);
}

bool wb_batch_is_lost(const struct wb_batch *b)
{
	for (const struct wb_link *link = b->writes.head; link; link = link->next) {
		if (atomic_load(&WB_CONTAINER_OF(link, struct wb_write, link)->assignment->lost))
			return true;
	}
	return false;
}
