#include "consumer/engine_internal.h"

#include "common/base/mem.h"

/* Memory of a request beside its body: a connection with its buffers, and the reply. */
#define REQUEST_BYTES (32 * 1024)

static bool is_full(const struct wb_range_state *rs)
{
	if (!rs->range->bulk)
		return rs->ready.head != NULL;
	return rs->ready.count >= WB_BULK_OPERATIONS_MAX || rs->ready_bytes >= WB_BULK_BYTES_MAX;
}

/* The next write to go, which may have given its place to a newer one of its item. */
static struct wb_write *next_ready(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_write *write = wb_write_of(rs->ready.head), *newer;

	while (write && (newer = wb_item_order_replace(e->order, write))) {
		(void)wb_engine_pop_ready(rs); /* write */
		newer->range = rs->range;
		wb_list_push_front(&rs->ready, &newer->link);
		rs->ready_bytes += newer->bulk_bytes;
		write = newer;
	}
	return write;
}

/* Whether it travels alone: its item is read, or every request fails that carries it, and its neighbours would with it. */
static bool goes_alone(const struct wb_write *write)
{
	return write->alone || write->step == WB_STEP_READ;
}

/* Takes the next writes that travel together. A write that is larger than a whole bulk goes alone, too. */
static struct wb_batch *form(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_batch *b = wb_engine_batch(e, rs);
	size_t max = b->point ? 1 : WB_BULK_OPERATIONS_MAX;
	size_t bytes = 0;

	b->full = is_full(rs);
	while (b->writes.count < max) {
		struct wb_write *write = next_ready(e, rs);

		if (!write)
			break;
		bytes += write->bulk_bytes;
		if (b->writes.count > 0 && (bytes > WB_BULK_BYTES_MAX || goes_alone(write)))
			break;
		wb_list_push(&b->writes, &wb_engine_pop_ready(rs)->link);
		if (goes_alone(write)) {
			b->point = b->point || write->step == WB_STEP_READ;
			break;
		}
	}
	if (rs->ready.head)
		rs->ready_since_ms = e->now_ms;
	return b;
}

/* What failed as a whole goes first; but in an outage, what waits gets a turn, too: it may fare better. */
static bool again_first(struct wb_range_state *rs)
{
	if (!rs->again.head)
		return false;
	if (!rs->throttle.outage || !rs->ready.head)
		return true;
	rs->again_had_its_turn = !rs->again_had_its_turn;
	return rs->again_had_its_turn;
}

/* The batch to send next, or NULL: none, or one that had better wait for more until *ret_wait_ms. */
static struct wb_batch *next_batch(struct wb_engine *e, struct wb_range_state *rs, int64_t *ret_wait_ms)
{
	int64_t linger_ms = e->settings.bulk_linger_ms;

	if (again_first(rs))
		return WB_CONTAINER_OF(wb_list_pop(&rs->again), struct wb_batch, link);
	if (!rs->ready.head)
		return NULL;
	if (!is_full(rs) && rs->throttle.in_flight > 0 && e->now_ms - rs->ready_since_ms < linger_ms) {
		*ret_wait_ms = rs->ready_since_ms + linger_ms;
		return NULL;
	}
	return form(e, rs);
}

/* What was withdrawn since it was made ready goes back; false when nothing is left. */
static bool drop_withdrawn(struct wb_engine *e, struct wb_batch *b)
{
	struct wb_list all = b->writes;
	struct wb_write *write;

	b->writes = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all)))) {
		if (wb_engine_is_withdrawn(e, write))
			wb_engine_hand_back(e, write);
		else
			wb_list_push(&b->writes, &write->link);
	}
	return b->writes.head != NULL;
}

static void write_body(struct wb_batch *b)
{
	if (b->point)
		return;
	wb_bulk_write(&b->body, &b->writes);
	if (wb_buf_status(&b->body.frames) != WB_OK)
		wb_mem_gone(); /* keys and conditions are short: this is far below the limit */
}

static bool has_room(const struct wb_engine *e)
{
	return e->flying_bytes < (size_t)e->settings.requests_max_bytes;
}

/* What is sent stands in libcurl's buffer, too. */
static size_t charge_of(const struct wb_batch *b)
{
	return REQUEST_BYTES +
		(b->point ? wb_write_of(b->writes.head)->document.len : b->body.frames.cap + b->body.bytes);
}

static void send(struct wb_engine *e, struct wb_batch *b)
{
	for (struct wb_link *link = b->writes.head; link; link = link->next) {
		struct wb_write *write = wb_write_of(link);

		wb_write_advance(write, WB_WRITE_IN_FLIGHT);
		write->attempts += write->step == WB_STEP_SEND;
	}
	write_body(b);
	b->flying_next = e->flying;
	b->flying_prev = &e->flying;
	if (b->flying_next)
		b->flying_next->flying_prev = &b->flying_next;
	e->flying = b;
	b->state->served = true;
	b->charged_bytes = charge_of(b);
	e->flying_bytes += b->charged_bytes;
	b->sent_ms = e->now_ms;
	wb_throttle_sent_at(&b->state->throttle, e->now_ms);
	wb_engine_count_sent(e, b);
	e->settings.calls->send(e->settings.arg, b);
}

int64_t wb_engine_serve_range(struct wb_engine *e, struct wb_range_state *rs)
{
	int64_t wait_ms = INT64_MAX;
	bool waits;

	while (wb_throttle_may_send(&rs->throttle, e->now_ms) && has_room(e)) {
		struct wb_batch *b = wb_engine_may_spend(e, rs, &wait_ms) ? next_batch(e, rs, &wait_ms) : NULL;

		if (!b)
			return wait_ms;
		if (!drop_withdrawn(e, b))
			wb_engine_batch_done(e, b);
		else if (wb_engine_reserve(e, b, &wait_ms))
			send(e, b);
		else
			return wait_ms;
	}
	waits = wb_throttle_is_full(&rs->throttle) || !has_room(e);
	if (!has_room(e) && (rs->ready.head || rs->again.head))
		e->turns_due = true;
	if (wb_throttle_is_full(&rs->throttle) && is_full(rs))
		wb_concurrency_press(&rs->throttle.concurrency);
	return !waits && (rs->again.head || rs->ready.head) ? wb_throttle_next_ms(&rs->throttle, e->now_ms) : INT64_MAX;
}

static void go_elsewhere(struct wb_engine *e, struct wb_list *writes)
{
	struct wb_write *write;

	while ((write = wb_write_of(wb_list_pop(writes)))) {
		if (wb_engine_is_withdrawn(e, write))
			wb_engine_hand_back(e, write);
		else
			wb_engine_ready(e, write, false);
	}
}

void wb_engine_leave_range(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_list ready = rs->ready, batches = rs->again;
	struct wb_link *link;

	rs->ready = rs->again = (struct wb_list){ 0 };
	rs->ready_bytes = 0;
	while ((link = wb_list_pop(&batches))) {
		struct wb_batch *b = WB_CONTAINER_OF(link, struct wb_batch, link);

		go_elsewhere(e, &b->writes);
		wb_engine_batch_done(e, b);
	}
	go_elsewhere(e, &ready);
}
