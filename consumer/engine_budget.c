#include "consumer/engine_internal.h"

#include "common/base/mem.h"
#include "consumer/ru_budget.h"

#include <assert.h>
#include <stdlib.h>

/* The kinds of operations whose costs are learned apart: those of enum wb_op, and reading. */
#define KIND_READ (WB_OP_PATCH + 1)

static_assert(KIND_READ < WB_RU_KINDS, "a reading has a kind of its own");

/* A container as this engine spends on it: while one of its ranges waits, the others stand behind it. */
struct wb_spender {
	struct wb_spender *next;
	const struct wb_container *container;
	int64_t again_ms; /* not before */
};

static struct wb_spender *spender_of(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_spender *s = rs->spender;

	if (s)
		return s;
	for (s = e->spenders; s && s->container != rs->range->container; s = s->next)
		;
	if (!s) {
		s = wb_xcalloc(1, sizeof *s);
		s->container = rs->range->container;
		s->next = e->spenders;
		e->spenders = s;
	}
	rs->spender = s;
	return s;
}

static bool wait(const struct wb_range_state *rs, int64_t *ret_again_ms)
{
	if (rs->ready.head || rs->again.head)
		*ret_again_ms = rs->spender->again_ms;
	return false;
}

bool wb_engine_may_spend(struct wb_engine *e, struct wb_range_state *rs, int64_t *ret_again_ms)
{
	if (!e->settings.budget)
		return true;
	return spender_of(e, rs)->again_ms <= e->now_ms || wait(rs, ret_again_ms);
}

static unsigned kind_of(const struct wb_write *write)
{
	return write->step == WB_STEP_READ ? KIND_READ : write->op;
}

/* Which operations the batch has; room for WB_BULK_OPERATIONS_MAX. */
static struct wb_ru_request request_of(
	const struct wb_engine *e, const struct wb_batch *b, struct wb_ru_operation *operations)
{
	struct wb_ru_request r = { .container = b->range->container,
		.asker = e->settings.worker,
		.operations = operations,
		.whole = b->failures > 0,
		.behind = b->state->ready.count };

	for (struct wb_link *link = b->writes.head; link; link = link->next) {
		const struct wb_write *write = wb_write_of(link);

		operations[r.count++] = (struct wb_ru_operation){
			.kind = kind_of(write), .bytes = write->bulk_bytes, .charged = -1
		};
	}
	return r;
}

/* Back to the front of what is ready, in order. */
static void put_back(struct wb_range_state *rs, struct wb_list *writes)
{
	struct wb_list reversed = { 0 };
	struct wb_link *link;

	while ((link = wb_list_pop(writes)))
		wb_list_push_front(&reversed, link);
	while ((link = wb_list_pop(&reversed))) {
		struct wb_write *write = wb_write_of(link);

		wb_list_push_front(&rs->ready, link);
		rs->ready_bytes += write->bulk_bytes;
	}
}

static void put_back_from(struct wb_batch *b, size_t from)
{
	struct wb_list all = b->writes;

	b->writes = (struct wb_list){ 0 };
	while (b->writes.count < from)
		wb_list_push(&b->writes, wb_list_pop(&all));
	put_back(b->state, &all);
}

/* What failed as a whole stays together. */
static void put_back_all(struct wb_engine *e, struct wb_batch *b)
{
	if (b->failures > 0) {
		wb_list_push_front(&b->state->again, &b->link);
		return;
	}
	put_back_from(b, 0);
	wb_engine_batch_done(e, b);
}

bool wb_engine_reserve(struct wb_engine *e, struct wb_batch *b, int64_t *ret_again_ms)
{
	struct wb_ru_operation operations[WB_BULK_OPERATIONS_MAX];
	struct wb_range_state *rs = b->state;
	struct wb_ru_request request;
	size_t admitted;

	if (!e->settings.budget)
		return true;
	request = request_of(e, b, operations);
	admitted = wb_ru_budget_reserve(
		e->settings.budget, &request, e->now_ms, &b->reserved_units, &rs->spender->again_ms);
	if (admitted == 0) {
		put_back_all(e, b);
		e->turns_due = true;
		return wait(rs, ret_again_ms);
	}
	if (admitted < b->writes.count)
		put_back_from(b, admitted);
	return true;
}

/* Whether the status is that of an operation that was carried out, or looked at and refused: what it was charged tells
 * what such operations cost. */
static bool was_carried_out(int status)
{
	switch (status) {
	case 401:
	case 407:
	case 408:
	case 410:
	case 424:
	case 429:
	case 449:
		return false;
	default:
		return status >= 200 && status < 500 && (status < 300 || status >= 400);
	}
}

/* Fills in what each operation was charged; returns their sum. */
static double charges_of(const struct wb_engine *e, const struct wb_batch *b, const struct wb_reply *reply,
	bool judged_alone, struct wb_ru_operation *operations)
{
	double sum = 0;

	if (b->point && was_carried_out(reply->status) && reply->request_charge > 0)
		operations[0].charged = reply->request_charge;
	for (size_t i = 0; judged_alone && i < b->writes.count; i++) {
		const struct wb_operation_reply *r = &e->replies[i];

		sum += r->request_charge;
		if (was_carried_out(r->status) && r->request_charge > 0)
			operations[i].charged = r->request_charge;
	}
	return sum > reply->request_charge ? sum : reply->request_charge;
}

/* Without a word of what was charged, it was what had been expected. */
static void settle_unknown(struct wb_engine *e, const struct wb_batch *b, struct wb_ru_request *request,
	struct wb_ru_operation *operations, bool is_written)
{
	for (size_t i = 0; is_written && i < request->count; i++)
		operations[i].charged = b->reserved_units / (double)request->count;
	wb_ru_budget_settle(e->settings.budget, request, b->reserved_units, b->reserved_units, e->now_ms);
}

void wb_engine_settle(struct wb_engine *e, const struct wb_batch *b, const struct wb_reply *reply, bool judged_alone)
{
	struct wb_ru_operation operations[WB_BULK_OPERATIONS_MAX];
	struct wb_ru_request request;
	bool is_written;
	double charged;

	if (!e->settings.budget)
		return;
	request = request_of(e, b, operations);
	if (!reply || !reply->status) {
		settle_unknown(e, b, &request, operations, false);
		return;
	}
	charged = charges_of(e, b, reply, judged_alone, operations);
	is_written = reply->status >= 200 && reply->status < 300;
	if (charged <= 0 && is_written)
		settle_unknown(e, b, &request, operations, true);
	else
		wb_ru_budget_settle(e->settings.budget, &request, b->reserved_units, charged, e->now_ms);
}

void wb_engine_forget_spenders(struct wb_engine *e)
{
	while (e->spenders) {
		struct wb_spender *s = e->spenders;

		e->spenders = s->next;
		free(s);
	}
}
