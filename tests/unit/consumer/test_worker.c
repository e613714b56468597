/* A worker with its own thread and engine; transport and metadata are played by the test, so that a reply comes exactly
 * when it is to come. */
#include "consumer/worker.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "consumer/transport.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WRITES 20

struct wb_container {
	char name;
};

struct wb_transport {
	bool (*may_send)(void *arg);
	void *guard_arg;
	wb_reply_fn fn; /* of the request under way, one at a time; NULL: none */
	void *fn_arg;
	unsigned taken; /* replies of the latest perform */
};

static struct {
	struct wb_transport transport;
	struct wb_container container;
	struct wb_account account;
	struct wb_range *range;
	struct wb_gate gate;
	atomic_bool shut_when_sent; /* the gate, once */
	atomic_uint sent, performs, held_back;
	atomic_uint dozes; /* waits though the latest perform had taken replies */
	atomic_uint judged, written, handed_back;
} stage;

struct wb_transport *wb_transport_new(const struct wb_cosmos_options *options, const struct wb_account *account,
	const char *client, unsigned max_connections, struct wb_error *e)
{
	(void)options;
	(void)account;
	(void)client;
	(void)max_connections;
	(void)e;
	return &stage.transport;
}

void wb_transport_guard(struct wb_transport *t, bool (*may_send)(void *arg), void *arg)
{
	t->may_send = may_send;
	t->guard_arg = arg;
}

void wb_transport_free(struct wb_transport **t)
{
	*t = NULL;
}

void wb_transport_send(struct wb_transport *t, const struct wb_request *request, wb_reply_fn fn, void *arg)
{
	(void)request;
	if (t->fn)
		abort(); /* the worker was told to send one at a time */
	t->fn = fn;
	t->fn_arg = arg;
	atomic_fetch_add(&stage.sent, 1);
	if (atomic_exchange(&stage.shut_when_sent, false))
		wb_gate_shut(&stage.gate);
}

static void end(struct wb_transport *t, const struct wb_reply *reply)
{
	wb_reply_fn fn = t->fn;

	t->fn = NULL;
	fn(t->fn_arg, reply);
}

/* The reply is there as soon as the request is. */
unsigned wb_transport_perform(struct wb_transport *t)
{
	struct wb_reply reply = { .status = 201, .retry_after_ms = -1, .etag = "e", .activity_id = "a" };

	atomic_fetch_add(&stage.performs, 1);
	t->taken = t->fn != NULL;
	if (!t->fn)
		return 0;
	if (!t->may_send(t->guard_arg)) {
		reply = (struct wb_reply){ .retry_after_ms = -1, .error = "held back", .held_back = true };
		atomic_fetch_add(&stage.held_back, 1);
	}
	end(t, &reply);
	return 1;
}

void wb_transport_wait(struct wb_transport *t, int64_t timeout_ms)
{
	if (timeout_ms <= 0)
		return;
	if (t->taken > 0)
		atomic_fetch_add(&stage.dozes, 1);
	(void)poll(NULL, 0, 1); /* so that the thread does not spin */
}

void wb_transport_cancel(struct wb_transport *t, bool (*pick)(void *request_arg))
{
	const struct wb_reply reply = { .retry_after_ms = -1, .error = "cut off" };

	if (t->fn && (!pick || pick(t->fn_arg)))
		end(t, &reply);
}

void wb_transport_wake(struct wb_transport *t)
{
	(void)t;
}

const struct wb_account *wb_metadata_account(const struct wb_metadata *m)
{
	(void)m;
	return &stage.account;
}

void wb_metadata_refresh(struct wb_metadata *m, const struct wb_container *c)
{
	(void)m;
	(void)c;
}

void wb_metadata_relocate(struct wb_metadata *m)
{
	(void)m;
}

enum wb_container_state wb_container_state(const struct wb_container *c)
{
	(void)c;
	return WB_CONTAINER_KNOWN;
}

struct wb_range *wb_container_route(const struct wb_container *c, const struct wb_epk *epk)
{
	(void)c;
	(void)epk;
	return stage.range;
}

struct wb_slice wb_container_link(const struct wb_container *c)
{
	(void)c;
	return wb_slice_cstr("dbs/d/colls/c");
}

const char *wb_container_docs_path(const struct wb_container *c)
{
	(void)c;
	return "/dbs/d/colls/c/docs";
}

struct fixture {
	struct wb_worker *worker;
	struct wb_consumer_options options;
	struct wb_assignment assignment;
	struct wb_write *writes[WRITES];
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_log *log;
	struct wb_outage *outage;
	struct wb_paces *paces;
};

static void take_judged(void *arg, struct wb_list *batch)
{
	struct wb_write *w;

	(void)arg;
	while ((w = wb_write_of(wb_list_pop(batch)))) {
		atomic_fetch_add(&stage.written, w->outcome == WB_WRITTEN);
		atomic_fetch_add(&stage.judged, 1);
	}
}

static void take_handed_back(void *arg, struct wb_list *batch)
{
	(void)arg;
	while (wb_list_pop(batch))
		atomic_fetch_add(&stage.handed_back, 1);
}

static void nobody(void *arg)
{
	(void)arg;
}

static void start(struct fixture *f)
{
	struct wb_worker_settings settings = { .options = &f->options,
		.judged = take_judged,
		.handed_back = take_handed_back,
		.client = "tester",
		.away_max_ms = 600000,
		.gate = &stage.gate };

	memset(&stage, 0, sizeof stage);
	*f = (struct fixture){ .assignment.topic = "t" };
	f->options = (struct wb_consumer_options){ .point_concurrency = 1,
		.range_concurrency = 1,
		.workers = 1,
		.operation_retry_max_ms = 900000,
		.memory_budget_bytes = 1 << 24 };
	wb_gate_init(&stage.gate, nobody, NULL);
	stage.range = wb_xcalloc(1, sizeof *stage.range + sizeof(void *));
	stage.range->container = &stage.container;
	settings.metrics = f->metrics = wb_metrics_new();
	f->health = wb_health_new();
	settings.log = f->log = wb_log_new("test", 2, WB_LOG_ERROR, WB_LOG_LOGFMT);
	settings.outage = f->outage = wb_outage_new(f->health, f->metrics, f->log);
	settings.paces = f->paces = wb_paces_new();
	f->worker = wb_worker_new(&settings, NULL);
	assert_non_null(f->worker);
}

static void stop(struct fixture *f)
{
	wb_worker_free(&f->worker);
	for (size_t i = 0; i < WRITES; i++)
		wb_write_free(&f->writes[i]);
	free(stage.range);
	wb_outage_free(&f->outage);
	wb_paces_free(&f->paces);
	wb_log_free(&f->log);
	wb_health_free(&f->health);
	wb_metrics_free(&f->metrics);
}

static void submit(struct fixture *f)
{
	struct wb_list batch = { 0 };

	for (size_t i = 0; i < WRITES; i++) {
		struct wb_write *w = f->writes[i] = wb_write_new();

		w->storage = wb_xcalloc(1, 24);
		(void)snprintf(w->storage, 16, "%zu", i); /* it fits */
		w->id = wb_slice_cstr(w->storage);
		w->pk_text = wb_slice_cstr("[\"k\"]");
		w->epk = wb_slice("k", 1);
		w->document = wb_slice_cstr("{}");
		w->op = WB_OP_UPSERT;
		w->container = &stage.container;
		w->assignment = &f->assignment;
		w->offset = (int64_t)i;
		wb_list_push(&batch, &w->link);
	}
	wb_worker_submit(f->worker, &batch);
}

#define UNTIL(condition)                                                 \
	do {                                                             \
		int64_t deadline_ms = wb_clock_mono_ms() + 30000;        \
                                                                         \
		while (!(condition) && wb_clock_mono_ms() < deadline_ms) \
			(void)poll(NULL, 0, 1);                          \
		assert_true(condition);                                  \
	} while (0)

/* It went to sleep after taking a reply, and what that had set free lay until something else happened. */
static void a_reply_that_comes_at_once_is_followed_by_the_next_request(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	submit(&f);
	UNTIL(atomic_load(&stage.judged) == WRITES);
	assert_int_equal(atomic_load(&stage.written), WRITES);
	assert_int_equal(atomic_load(&stage.sent), WRITES);
	assert_int_equal(atomic_load(&stage.dozes), 0);
	stop(&f);
}

static void a_shut_gate_lets_nothing_out_until_membership_is_proven(void **state)
{
	unsigned performs;
	struct fixture f;

	(void)state;
	start(&f);
	wb_gate_shut(&stage.gate);
	submit(&f);
	performs = atomic_load(&stage.performs);
	UNTIL(atomic_load(&stage.performs) > performs + 10); /* it has looked at what came in */
	assert_int_equal(atomic_load(&stage.sent), 0);
	wb_gate_prove(&stage.gate, wb_gate_ticket(&stage.gate));
	wb_worker_wake(f.worker);
	UNTIL(atomic_load(&stage.written) == WRITES);
	stop(&f);
}

static void what_was_on_its_way_when_the_gate_was_shut_is_held_back_and_goes_later(void **state)
{
	unsigned performs;
	struct fixture f;

	(void)state;
	start(&f);
	atomic_store(&stage.shut_when_sent, true);
	submit(&f);
	UNTIL(atomic_load(&stage.held_back) == 1);
	performs = atomic_load(&stage.performs);
	UNTIL(atomic_load(&stage.performs) > performs + 10);
	assert_int_equal(atomic_load(&stage.sent), 1);
	assert_int_equal(atomic_load(&stage.judged) + atomic_load(&stage.handed_back), 0);
	assert_true(wb_health_ready(f.health)); /* it is no failure of Cosmos DB */
	wb_gate_prove(&stage.gate, wb_gate_ticket(&stage.gate));
	wb_worker_wake(f.worker);
	UNTIL(atomic_load(&stage.written) == WRITES);
	assert_int_equal(atomic_load(&stage.sent), WRITES + 1);
	stop(&f);
}

static void what_it_still_holds_at_its_end_is_handed_back(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	wb_gate_shut(&stage.gate);
	submit(&f);
	wb_worker_free(&f.worker);
	assert_int_equal(atomic_load(&stage.handed_back), WRITES);
	assert_int_equal(atomic_load(&stage.sent), 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_that_comes_at_once_is_followed_by_the_next_request),
		cmocka_unit_test(a_shut_gate_lets_nothing_out_until_membership_is_proven),
		cmocka_unit_test(what_was_on_its_way_when_the_gate_was_shut_is_held_back_and_goes_later),
		cmocka_unit_test(what_it_still_holds_at_its_end_is_handed_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
