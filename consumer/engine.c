#include "consumer/engine_internal.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* Even with nothing due, it wants to look that often; it costs nothing. */
#define IDLE_MS 1000
/* How often it is looked which outages nobody waits for. */
#define IDLE_LOOK_MS 1000
/* Its point writes in flight, however throttled it is. */
#define POINTS_AT_LEAST 4
/* Batches at rest whose memory is kept. */
#define POOL_MAX 64
/* What is larger than frames usually are is given back. */
#define FRAMES_KEPT_BYTES (32 * 1024)

static unsigned lesser(int64_t a, int64_t b)
{
	return (unsigned)(a < b ? a : b);
}

/* Points are small: all that may be in flight are, from the start; and some always are, so that one which is throttled for
 * ever leaves the others a way. In a bulk it travels with them. */
static struct wb_throttle make_throttle(const struct wb_engine *e, const struct wb_range *range)
{
	int64_t bulks = e->settings.range_concurrency, points = e->settings.point_concurrency;

	return wb_throttle_make(range->bulk ? wb_concurrency_make(1, lesser(WB_PACE_START, bulks), (unsigned)bulks,
						      wb_paces_of(e->settings.paces, range->container))
					    : wb_concurrency_make(lesser(POINTS_AT_LEAST, points), (unsigned)points,
						      (unsigned)points, NULL));
}

static struct wb_range_state *range_state(struct wb_engine *e, struct wb_range *range)
{
	struct wb_range_state *rs = range->owner_state[e->settings.worker];

	if (rs)
		return rs;
	rs = wb_xcalloc(1, sizeof *rs);
	rs->range = range;
	rs->throttle = make_throttle(e, range);
	rs->next = e->ranges;
	e->ranges = rs;
	wb_engine_watch_range(e, rs);
	range->owner_state[e->settings.worker] = rs;
	return rs;
}

struct wb_range_state *wb_engine_range(struct wb_engine *e, struct wb_write *write)
{
	if (!write->range || atomic_load_explicit(&write->range->gone, memory_order_acquire)) {
		struct wb_epk epk = { .len = (uint8_t)write->epk.len };

		memcpy(epk.bytes, write->epk.data, write->epk.len);
		write->range = e->settings.calls->route(e->settings.arg, write->container, &epk);
	}
	return range_state(e, write->range);
}

void wb_engine_ready(struct wb_engine *e, struct wb_write *write, bool front)
{
	struct wb_range_state *rs = wb_engine_range(e, write);

	if (!rs->ready.head)
		rs->ready_since_ms = e->now_ms;
	if (front)
		wb_list_push_front(&rs->ready, &write->link);
	else
		wb_list_push(&rs->ready, &write->link);
	rs->ready_bytes += write->bulk_bytes;
}

struct wb_write *wb_engine_pop_ready(struct wb_range_state *rs)
{
	struct wb_write *write = wb_write_of(wb_list_pop(&rs->ready));

	if (!write)
		return NULL;
	rs->ready_bytes -= write->bulk_bytes;
	return write;
}

static void enter(struct wb_engine *e, struct wb_write *write)
{
	write->entered_before = e->newest;
	write->entered_after = NULL;
	if (e->newest)
		e->newest->entered_after = write;
	else
		e->oldest = write;
	e->newest = write;
	e->held++;
}

static void leave(struct wb_engine *e, struct wb_write *write)
{
	if (write->entered_before)
		write->entered_before->entered_after = write->entered_after;
	else
		e->oldest = write->entered_after;
	if (write->entered_after)
		write->entered_after->entered_before = write->entered_before;
	else
		e->newest = write->entered_before;
	write->entered_before = write->entered_after = NULL;
	e->held--;
}

/* A head leaves its item; the next, if there is one, is ready. */
static void leave_item(struct wb_engine *e, struct wb_write *write)
{
	struct wb_write *next = wb_item_order_leave(e->order, write);

	if (next)
		wb_engine_ready(e, next, false);
}

static void pass_judged(struct wb_engine *e, struct wb_write *write, enum wb_outcome outcome)
{
	write->outcome = outcome;
	wb_write_advance(write, WB_WRITE_JUDGED);
	leave(e, write);
	wb_list_push(&e->judged, &write->link);
}

void wb_engine_judge(struct wb_engine *e, struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason)
{
	struct wb_write *older = write->older;

	assert(!older || outcome == WB_WRITTEN);
	write->older = NULL;
	write->reason = reason;
	leave_item(e, write);
	pass_judged(e, write, outcome);
	while (older) {
		struct wb_write *replaced = older;

		older = replaced->older;
		replaced->older = NULL;
		pass_judged(e, replaced, WB_SUPERSEDED);
		e->uncounted.superseded++;
	}
}

/* As it came, for whoever takes it next. */
static void give_back(struct wb_engine *e, struct wb_write *write)
{
	while (write) {
		struct wb_write *older = write->older;

		write->older = NULL;
		write->step = WB_STEP_SEND;
		write->compare = write->waits_for_earlier = false;
		write->refused_since_ms = 0;
		leave(e, write);
		wb_list_push(&e->handed_back, &write->link);
		write = older;
	}
}

void wb_engine_hand_back(struct wb_engine *e, struct wb_write *write)
{
	leave_item(e, write);
	give_back(e, write);
}

void wb_engine_failed(const struct wb_engine *e, struct wb_write *write)
{
	write->failed_ms = e->now_ms;
	if (write->step == WB_STEP_SEND)
		write->refused_since_ms = 0; /* its reading's patience begins anew: it was not judged again */
}

void wb_engine_requeue(struct wb_engine *e, struct wb_write *write, int64_t delay_ms)
{
	wb_write_advance(write, WB_WRITE_WAITING);
	wb_engine_failed(e, write);
	if (wb_engine_is_withdrawn(e, write)) {
		wb_engine_hand_back(e, write);
		return;
	}
	if (delay_ms > 0) {
		write->not_before_ms = e->now_ms + delay_ms;
		wb_delay_heap_push(&e->delayed, write);
	} else {
		wb_engine_ready(e, write, true);
	}
}

struct wb_batch *wb_engine_batch(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_link *link = wb_list_pop(&e->pool);
	struct wb_batch *b;

	if (link) {
		b = WB_CONTAINER_OF(link, struct wb_batch, link);
	} else {
		b = wb_xcalloc(1, sizeof *b);
		wb_bulk_init(&b->body, (size_t)e->settings.body_max_bytes);
		b->engine = e;
	}
	b->state = rs;
	b->range = rs->range;
	b->failures = 0;
	b->point = !rs->range->bulk;
	return b;
}

static void batch_free(struct wb_batch *b)
{
	wb_bulk_release(&b->body);
	free(b);
}

void wb_engine_batch_done(struct wb_engine *e, struct wb_batch *b)
{
	if (e->pool.count >= POOL_MAX) {
		batch_free(b);
		return;
	}
	if (b->body.frames.cap > FRAMES_KEPT_BYTES)
		wb_bulk_release(&b->body);
	wb_list_push_front(&e->pool, &b->link);
}

bool wb_engine_is_withdrawn(const struct wb_engine *e, const struct wb_write *write)
{
	return atomic_load(&write->assignment->ended) ||
		e->settings.calls->is_given_up(e->settings.arg, write->container);
}

void wb_engine_at(struct wb_engine *e, int64_t mono_ms, int64_t wall_ms)
{
	e->now_ms = mono_ms;
	e->wall_ms = wall_ms;
}

/* The next write to enter; and the one after it, so that it is there when it is the next. */
static void expect(const struct wb_engine *e, struct wb_link *next)
{
	if (!next)
		return;
	if (next->next) {
		wb_write_prefetch(next->next);
		wb_prefetch(wb_write_of(next->next)->room, WB_WRITE_ROOM);
	}
	wb_item_order_expect(e->order, wb_write_of(next));
}

void wb_engine_take(struct wb_engine *e, struct wb_list *batch)
{
	struct wb_write *write;

	expect(e, batch->head);
	while ((write = wb_write_of(wb_list_pop(batch)))) {
		expect(e, batch->head);
		enter(e, write);
		write->bulk_bytes = write->step == WB_STEP_SEND ? wb_bulk_operation_size(write) : 0;
		if (wb_item_order_enter(e->order, write))
			wb_engine_ready(e, write, false);
	}
}

/* What failed alone goes behind the others in an outage, in which one request at a time tries: it would be the first again
 * each time, where its own wait and its range's are the one that the server asked for, and its failure goes on with the
 * outage. */
static void end_delays(struct wb_engine *e)
{
	struct wb_write *write;

	while ((write = wb_delay_heap_pop_due(&e->delayed, e->now_ms)))
		wb_engine_ready(e, write, !(write->alone && wb_engine_range(e, write)->throttle.outage));
}

static bool is_idle(const struct wb_range_state *rs)
{
	return !rs->ready.head && !rs->again.head && rs->throttle.in_flight == 0;
}

static void range_free(struct wb_engine *e, struct wb_range_state *rs)
{
	wb_outage_forget(e->settings.outage, &rs->outage, e->now_ms);
	wb_engine_unwatch_range(e, rs);
	rs->range->owner_state[e->settings.worker] = NULL;
	free(rs);
}

/* Ranges that are gone are emptied, and forgotten once their last reply is there. */
static void leave_gone_ranges(struct wb_engine *e)
{
	struct wb_range_state **at = &e->ranges;

	for (struct wb_range_state *rs = e->ranges; rs; rs = rs->next) {
		if (atomic_load(&rs->range->gone))
			wb_engine_leave_range(e, rs);
	}
	while (*at) {
		struct wb_range_state *rs = *at;

		if (atomic_load(&rs->range->gone) && is_idle(rs)) {
			*at = rs->next;
			range_free(e, rs);
		} else {
			at = &rs->next;
		}
	}
}

static bool is_for_range(void *arg, const struct wb_write *write)
{
	return write->range == arg;
}

/* Nothing is left that could find out whether a range is back, as when a partition went to another process. */
static void forget_outages(struct wb_engine *e)
{
	if (e->now_ms - e->idle_looked_ms < IDLE_LOOK_MS)
		return;
	e->idle_looked_ms = e->now_ms;
	for (struct wb_range_state *rs = e->ranges; rs; rs = rs->next) {
		if ((!rs->outage && !rs->refused_since_ms) || !is_idle(rs) ||
			wb_delay_heap_any(&e->delayed, is_for_range, rs->range))
			continue;
		rs->refused_since_ms = 0;
		wb_outage_forget(e->settings.outage, &rs->outage, e->now_ms);
	}
}

void wb_engine_tidy(struct wb_engine *e)
{
	leave_gone_ranges(e);
	forget_outages(e);
	wb_engine_watch(e);
}

/* Where not all get what they want, of memory or of the budget of request units, those that were served stand behind those
 * that were not. */
static void take_turns(struct wb_engine *e)
{
	struct wb_range_state *rs = e->ranges, *served = NULL, **served_end = &served, **end = &e->ranges;

	if (!e->turns_due)
		return;
	e->turns_due = false;
	while (rs) {
		struct wb_range_state ***to = rs->served ? &served_end : &end;

		rs->served = false;
		**to = rs;
		*to = &rs->next;
		rs = rs->next;
	}
	*served_end = NULL;
	*end = served;
}

static int64_t serve_ranges(struct wb_engine *e)
{
	int64_t next_ms = INT64_MAX;

	for (struct wb_range_state *rs = e->ranges; rs; rs = rs->next) {
		int64_t range_ms = wb_engine_serve_range(e, rs);

		next_ms = range_ms < next_ms ? range_ms : next_ms;
	}
	take_turns(e);
	return next_ms;
}

int64_t wb_engine_serve(struct wb_engine *e)
{
	int64_t next_ms = e->now_ms + IDLE_MS, ranges_ms, delayed_ms;

	wb_engine_tidy(e);
	end_delays(e);
	wb_engine_serve_conflicts(e);
	ranges_ms = serve_ranges(e);
	next_ms = ranges_ms < next_ms ? ranges_ms : next_ms;
	delayed_ms = wb_delay_heap_next_ms(&e->delayed);
	return delayed_ms < next_ms ? delayed_ms : next_ms;
}

static bool may_not_be_sent(void *arg, const struct wb_write *write)
{
	return wb_engine_is_withdrawn(arg, write);
}

static bool any(void *arg, const struct wb_write *write)
{
	(void)arg;
	(void)write;
	return true;
}

typedef bool (*pick_fn)(void *arg, const struct wb_write *write);

/* Takes the picked writes out of list, to the end of out. */
static void withdraw(struct wb_engine *e, struct wb_list *list, pick_fn pick, struct wb_list *out)
{
	struct wb_list all = *list;
	struct wb_write *write;

	*list = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all))))
		wb_list_push(pick(e, write) ? out : list, &write->link);
}

static void withdraw_from_range(struct wb_engine *e, struct wb_range_state *rs, pick_fn pick, struct wb_list *out)
{
	struct wb_list picked = { 0 }, batches = rs->again;
	struct wb_write *write;
	struct wb_link *link;

	withdraw(e, &rs->ready, pick, &picked);
	while ((write = wb_write_of(wb_list_pop(&picked)))) {
		rs->ready_bytes -= write->bulk_bytes;
		wb_list_push(out, &write->link);
	}
	rs->again = (struct wb_list){ 0 };
	while ((link = wb_list_pop(&batches))) {
		struct wb_batch *b = WB_CONTAINER_OF(link, struct wb_batch, link);

		withdraw(e, &b->writes, pick, out);
		if (b->writes.head)
			wb_list_push(&rs->again, &b->link);
		else
			wb_engine_batch_done(e, b);
	}
}

/* First those behind others, so that no head makes one of them ready; then the heads, wherever they wait. */
void wb_engine_withdraw(struct wb_engine *e, bool all)
{
	pick_fn pick = all ? any : may_not_be_sent;
	struct wb_list behind = { 0 }, heads = { 0 };
	struct wb_write *write;

	wb_item_order_withdraw(e->order, pick, e, &behind);
	for (struct wb_range_state *rs = e->ranges; rs; rs = rs->next)
		withdraw_from_range(e, rs, pick, &heads);
	wb_delay_heap_withdraw(&e->delayed, pick, e, &heads);
	withdraw(e, &e->conflicts, pick, &heads);
	while ((write = wb_write_of(wb_list_pop(&behind))))
		give_back(e, write);
	while ((write = wb_write_of(wb_list_pop(&heads))))
		wb_engine_hand_back(e, write);
}

void wb_engine_hand_over(struct wb_engine *e)
{
	wb_engine_tell_counts(e);
	if (e->judged.head)
		e->settings.calls->judged(e->settings.arg, &e->judged);
	if (e->handed_back.head)
		e->settings.calls->handed_back(e->settings.arg, &e->handed_back);
}

size_t wb_engine_held(const struct wb_engine *e)
{
	return e->held;
}

struct wb_engine *wb_engine_new(const struct wb_engine_settings *settings)
{
	struct wb_engine *e = wb_xcalloc(1, sizeof *e);
	struct wb_prng seed = { .state = settings->seed };

	e->settings = *settings;
	e->order = wb_item_order_new(wb_prng_next(&seed));
	e->random.state = wb_prng_next(&seed);
	e->stuck_said_ms = INT64_MIN / 2;
	wb_engine_make_metrics(e);
	return e;
}

void wb_engine_free(struct wb_engine **engine)
{
	struct wb_engine *e = *engine;
	struct wb_link *link;

	if (!e)
		return;
	assert(e->held == 0 && !e->flying && !e->judged.head && !e->handed_back.head);
	while (e->ranges) {
		struct wb_range_state *rs = e->ranges;

		e->ranges = rs->next;
		range_free(e, rs);
	}
	while ((link = wb_list_pop(&e->pool)))
		batch_free(WB_CONTAINER_OF(link, struct wb_batch, link));
	wb_engine_forget_spenders(e);
	wb_delay_heap_release(&e->delayed);
	wb_item_order_free(&e->order);
	free(e);
	*engine = NULL;
}
