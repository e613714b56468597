#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "consumer/ru_budget.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_MS         100
#define WAIT_CHANGE_MS  10 /* a revocation is being drained, or an assignment waits for its offsets */
#define WAIT_BUDGET_MS  5  /* records are there, memory is not */
#define TICK_MS         20
#define GAUGES_MS       500
#define CLOSE_MS        5000
#define HAND_BACK_MS    500
#define SETTLE_MS       200
#define EVENTS_PER_TURN 100
/* Shares of the memory budget: records on their way, librdkafka's queue, one fetch, and memory of records that are done.
 * Requests in flight have an eighth (worker.c), the program itself the rest. */
#define READ_SHARE(budget)  ((budget) / 10 * 6)
#define QUEUE_SHARE(budget) ((budget) / 16)
#define FETCH_SHARE(budget) ((budget) / 512)
#define SPARE_SHARE(budget) ((budget) / 16)
/* Kafka counts a fetch compressed, and what it becomes in memory is known too late: so it is small, and yet a hundred times
 * of it are within what a process may have beyond its budget. A larger record, or batch, comes alone. */
#define FETCH_MIN_BYTES      (INT64_C(64) << 10)
#define FETCH_MAX_BYTES      (INT64_C(4) << 20)
#define FETCH_PARTITIONS_MIN 4 /* that have a part of a fetch, when all have enough */

static void wake(void *arg)
{
	struct wb_poller *p = arg;

	(void)eventfd_write(p->wake_fd, 1); /* fails only when it is full, and then it wakes all the same */
}

static void judged(void *arg, struct wb_list *batch)
{
	struct wb_poller *p = arg;

	wb_recorder_judged(p->recorder, batch);
}

static void handed_back(void *arg, struct wb_list *batch)
{
	struct wb_poller *p = arg;

	wb_handover_put(&p->returned, batch);
}

/* Runs on the metadata's thread. */
static void containers_changed(void *arg)
{
	struct wb_poller *p = arg;

	atomic_store(&p->containers_changed, true);
	wake(p);
}

void wb_poller_note_fatal(struct wb_poller *p)
{
	char text[400];
	rd_kafka_resp_err_t err = rd_kafka_fatal_error(p->rk, text, sizeof text);

	if (!err || atomic_load(&p->fatal))
		return;
	(void)wb_error_set(&p->fatal_text, WB_EFATAL, "Kafka does not let this consumer go on: %s: %s",
		rd_kafka_err2name(err), text);
	atomic_store(&p->fatal, true);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct wb_poller *p = opaque;

	(void)rk;
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		wb_poller_note_fatal(p);
		return;
	}
	wb_log_debug(p->settings.log, "Kafka consumer error", WB_STR("error", rd_kafka_err2name(err)),
		WB_STR("text", reason));
}

/* Newer ones look soon whether their full queue has room again; for the others see poller_ask.c. */
static bool looks_by_itself(void)
{
	return rd_kafka_version() >= 0x02020000;
}

/* What the user's settings left of ours. */
static int64_t queue_bytes(const rd_kafka_conf_t *conf)
{
	char text[24] = "";
	size_t size = sizeof text;

	if (rd_kafka_conf_get(conf, "queued.max.messages.kbytes", text, &size) != RD_KAFKA_CONF_OK)
		return 0;
	return strtoll(text, NULL, 10) * 1024;
}

static rd_kafka_conf_t *make_conf(struct wb_poller *p, struct wb_error *e)
{
	const struct wb_consumer_options *o = p->settings.options;
	int64_t fetch = FETCH_SHARE(o->memory_budget_bytes);
	char queue_text[24], fetch_text[24], partition_text[24];
	const struct wb_kafka_setting role[] = { { "group.id", o->group_id }, { "auto.offset.reset", "error" },
		{ "queued.max.messages.kbytes", queue_text }, { "fetch.max.bytes", fetch_text },
		{ "fetch.message.max.bytes", partition_text }, { "enable.partition.eof", "true" },
		{ looks_by_itself() ? "fetch.queue.backoff.ms" : NULL, "10" }, { NULL, NULL } };
	rd_kafka_conf_t *conf;

	fetch = fetch < FETCH_MAX_BYTES ? fetch : FETCH_MAX_BYTES;
	fetch = fetch > FETCH_MIN_BYTES ? fetch : FETCH_MIN_BYTES;
	/* 20 digits fit into each. */
	(void)snprintf(queue_text, sizeof queue_text, "%lld",
		(long long)(QUEUE_SHARE(o->memory_budget_bytes) / 1024 < 2097151
				? QUEUE_SHARE(o->memory_budget_bytes) / 1024
				: 2097151));
	(void)snprintf(fetch_text, sizeof fetch_text, "%lld", (long long)fetch);
	(void)snprintf(partition_text, sizeof partition_text, "%lld", (long long)(fetch / FETCH_PARTITIONS_MIN));
	conf = wb_kafka_conf_new(&o->kafka, role, p->client_id, &p->context, e);
	if (conf) {
		/* Only of producers, but librdkafka wants a fetch to be no smaller. */
		(void)rd_kafka_conf_set(conf, "message.max.bytes", "1000", NULL, 0);
		rd_kafka_conf_set_rebalance_cb(conf, wb_poller_on_rebalance);
		rd_kafka_conf_set_error_cb(conf, on_error);
		wb_poller_watch_joins(p, conf);
		p->queue_bytes = queue_bytes(conf);
	}
	return conf;
}

static enum wb_err make_client(struct wb_poller *p, struct wb_error *e)
{
	static const uint64_t one = 1;
	rd_kafka_conf_t *conf = make_conf(p, e);
	char text[400];

	if (!conf)
		return WB_EINVAL;
	p->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return wb_error_set(e, WB_EINVAL, "the Kafka consumer cannot be made: %s", text);
	}
	if (rd_kafka_poll_set_consumer(p->rk))
		return wb_error_set(e, WB_EINVAL, "the Kafka consumer has no queue");
	p->group_queue = rd_kafka_queue_get_consumer(p->rk);
	p->data_queue = rd_kafka_queue_new(p->rk);
	p->commit_queue = rd_kafka_queue_new(p->rk);
	rd_kafka_queue_io_event_enable(p->group_queue, p->wake_fd, &one, sizeof one);
	rd_kafka_queue_io_event_enable(p->data_queue, p->wake_fd, &one, sizeof one);
	rd_kafka_queue_io_event_enable(p->commit_queue, p->wake_fd, &one, sizeof one);
	p->looks_by_itself = looks_by_itself();
	p->asker = wb_asker_new(p->rk, wake, p);
	return WB_OK;
}

static enum wb_err subscribe(struct wb_poller *p, struct wb_error *e)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)p->topic_count);
	rd_kafka_resp_err_t err;

	for (size_t i = 0; i < p->topic_count; i++)
		rd_kafka_topic_partition_list_add(topics, p->topics[i].name, RD_KAFKA_PARTITION_UA);
	err = rd_kafka_subscribe(p->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return err ? wb_error_set(e, WB_EIO, "cannot subscribe to %s%s: %s", p->topics[0].name,
			     p->topic_count > 1 ? " and the topics of topic.map" : "", rd_kafka_err2str(err))
		   : WB_OK;
}

static void make_metrics(struct wb_poller *p)
{
	struct wb_metrics *m = p->settings.metrics;
	struct wb_poller_metrics *to = &p->metrics;

	to->records = wb_metrics_counter(
		m, "writebehind_records_total", "Records read from the writes topics, repeats included.", "");
	to->bytes = wb_metrics_counter(m, "writebehind_record_bytes_total", "Bytes of their keys and values.", "");
	to->redelivered = wb_metrics_counter(m, "writebehind_records_ignored_total",
		"Records that came again under the same assignment, or of a partition that is being given back.", "");
	to->commits = wb_metrics_counter(m, "writebehind_commits_total", "Commits of offsets that were answered.", "");
	to->commit_failures = wb_metrics_counter(
		m, "writebehind_commit_failures_total", "Commits of offsets that failed.", "");
	to->assignments = wb_metrics_counter(
		m, "writebehind_assignment_changes_total", "Assignments and revocations of partitions.", "");
	to->handed_back = wb_metrics_counter(
		m, "writebehind_handed_back_total", "Writes handed back unsent when their partition went.", "");
	to->absences = wb_metrics_counter(m, "writebehind_absences_total",
		"How often nothing was sent because the membership had to be proven: this process was away, or the "
		"group silent.",
		"");
	to->held = wb_metrics_gauge(
		m, "writebehind_held_bytes", "Memory of records on their way, as charged to the budget.", "");
	to->pending = wb_metrics_gauge(m, "writebehind_pending_writes", "Writes read and not finished.", "");
	to->partitions = wb_metrics_gauge(m, "writebehind_assigned_partitions", "Partitions that are ours.", "");
	to->paused = wb_metrics_gauge(m, "writebehind_paused_partitions", "Of them, at their gap limit.", "");
	wb_gauge_set(wb_metrics_gauge(m, "writebehind_held_limit_bytes", "Where reading stops.", ""),
		(double)p->read_limit_bytes);
	wb_gauge_set(wb_metrics_gauge(m, "writebehind_memory_budget_bytes", "memory.budget.bytes.", ""),
		(double)p->settings.options->memory_budget_bytes);
}

static enum wb_err make_parts(struct wb_poller *p, struct wb_error *e)
{
	const struct wb_consumer_options *o = p->settings.options;
	struct wb_recorder_settings recorder = { .kafka = &o->kafka,
		.client_id = p->client_id,
		.interval_ms = o->results_interval_ms,
		.finished = &p->finished,
		.given_up = &p->given_up,
		.board = p->settings.board,
		.metrics = p->settings.metrics,
		.health = p->settings.health,
		.log = p->settings.log };
	struct wb_worker_settings worker = { .options = o,
		.judged = judged,
		.handed_back = handed_back,
		.arg = p,
		.client = p->client_id,
		.away_max_ms = wb_poller_away_max_ms(p),
		.gate = &p->gate,
		.board = p->settings.board,
		.metrics = p->settings.metrics,
		.log = p->settings.log };
	const struct wb_metadata_settings metadata = { .options = &o->cosmos,
		.client = p->client_id,
		.workers = (unsigned)o->workers,
		.on_change = containers_changed,
		.arg = p,
		.metrics = p->settings.metrics,
		.health = p->settings.health,
		.log = p->settings.log };

	p->outage = wb_outage_new(p->settings.health, p->settings.metrics, p->settings.log);
	p->paces = wb_paces_new();
	p->metadata = wb_metadata_new(&metadata, e);
	if (!p->metadata)
		return WB_EIO;
	p->recorder = wb_recorder_new(&recorder, e);
	if (!p->recorder)
		return WB_EINVAL;
	worker.metadata = p->metadata;
	worker.outage = p->outage;
	worker.paces = p->paces;
	if (o->ru_budget > 0)
		p->budget = wb_ru_budget_new(p->settings.metrics);
	worker.budget = p->budget;
	for (int64_t i = 0; i < o->workers; i++) {
		worker.index = (unsigned)i;
		p->workers[i] = wb_worker_new(&worker, e);
		if (!p->workers[i])
			return WB_EIO;
	}
	return WB_OK;
}

static void set_up(struct wb_poller *p, const struct wb_poller_settings *settings)
{
	const struct wb_consumer_options *o = settings->options;
	char host[64] = "";

	p->settings = *settings;
	p->context.log = settings->log;
	if (gethostname(host, sizeof host - 1))
		host[0] = '\0'; /* only for people */
	(void)snprintf(p->client_id, sizeof p->client_id, "writebehind-consumer-%s-%d", host, (int)getpid()); /* fits */
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->workers = wb_xcalloc((size_t)o->workers, sizeof(struct wb_worker *));
	p->to_worker = wb_xcalloc((size_t)o->workers, sizeof *p->to_worker);
	wb_handover_init(&p->finished, wake, p);
	wb_handover_init(&p->given_up, wake, p);
	wb_handover_init(&p->returned, wake, p);
	wb_originals_init(&p->originals, (size_t)SPARE_SHARE(o->memory_budget_bytes));
	atomic_init(&p->fatal, false);
	atomic_init(&p->containers_changed, false);
	wb_gate_init(&p->gate, wake, p);
	atomic_init(&p->joining, false);
	atomic_init(&p->joined, false);
	atomic_init(&p->join_ended_ms, INT64_MIN / 2);
	p->read_limit_bytes = READ_SHARE(o->memory_budget_bytes);
	wb_poller_make_topics(p);
	p->headers_max = 64;
	p->headers = wb_xcalloc(p->headers_max, sizeof *p->headers);
	wb_buf_init(&p->scratch, 64 * 1024);
	wb_health_set(settings->health, "group", false, "joining the group");
}

struct wb_poller *wb_poller_new(const struct wb_poller_settings *settings, struct wb_error *e)
{
	struct wb_poller *p = wb_xcalloc(1, sizeof *p);
	enum wb_err err;

	set_up(p, settings);
	make_metrics(p);
	err = p->wake_fd < 0 ? wb_error_set(e, WB_EIO, "eventfd: %s", strerror(errno)) : make_client(p, e);
	if (err == WB_OK)
		err = make_parts(p, e);
	if (err == WB_OK) {
		/* Asked for before there is a record for it: it has to be known, and readyz tells. */
		for (size_t i = 0; i < p->topic_count; i++)
			(void)wb_poller_target(p, p->topics[i].decode.database, p->topics[i].decode.container);
		err = subscribe(p, e);
	}
	if (err != WB_OK)
		(void)wb_poller_free(&p); /* the program ends, whatever is left */
	return p;
}

static void serve_group(struct wb_poller *p)
{
	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(p->rk, 0);

		if (!message)
			return;
		wb_poller_take_message(p, message);
	}
}

static void tick(struct wb_poller *p, int64_t now_ms)
{
	if (now_ms - p->ticked_ms < TICK_MS)
		return;
	p->ticked_ms = now_ms;
	wb_poller_commit_due(p, now_ms);
	wb_poller_resume_due(p);
	wb_poller_share_due(p, now_ms);
	if (now_ms - p->gauges_ms >= GAUGES_MS) {
		p->gauges_ms = now_ms;
		wb_poller_forward_due(p, now_ms);
		wb_poller_name_stuck(p, now_ms);
		wb_poller_update_gauges(p, now_ms);
	}
}

static void wait_for_more(struct wb_poller *p)
{
	struct pollfd fd = { .fd = p->wake_fd, .events = POLLIN };
	int timeout_ms = p->change != WB_CHANGE_NONE ? WAIT_CHANGE_MS
		: p->more && !p->draining            ? WAIT_BUDGET_MS
						     : WAIT_MS;
	eventfd_t ignored;

	if (poll(&fd, 1, timeout_ms) > 0 && eventfd_read(p->wake_fd, &ignored) == 0)
		p->more = true;
}

/* One round; waits when there was nothing to do. */
static void turn(struct wb_poller *p)
{
	bool busy;

	p->turn_ms = wb_clock_mono_ms();
	wb_poller_watch_absence(p);
	serve_group(p);
	wb_poller_take_commits(p);
	wb_poller_take_answers(p);
	if (atomic_exchange(&p->containers_changed, false))
		wb_poller_wake_workers(p);
	busy = wb_poller_take_back(p);
	wb_poller_serve_change(p, wb_clock_mono_ms());
	busy = wb_poller_unpark(p) || busy;
	busy = wb_poller_read(p) || busy;
	wb_poller_watch_membership(p, wb_clock_mono_ms());
	wb_poller_submit(p);
	tick(p, wb_clock_mono_ms());
	wb_poller_answer(p);
	if (!busy)
		wait_for_more(p);
}

/* Serves the group while it lets us go; false when that took too long. */
static bool leave_group(struct wb_poller *p)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
	int64_t deadline_ms = wb_clock_mono_ms() + CLOSE_MS;
	rd_kafka_error_t *error;

	p->closing = true;
	error = rd_kafka_consumer_close_queue(p->rk, queue);
	if (error) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "closing"),
			WB_STR("text", rd_kafka_error_string(error)));
		rd_kafka_error_destroy(error);
	} else {
		p->leaving = true;
		while (!rd_kafka_consumer_closed(p->rk) && wb_clock_mono_ms() < deadline_ms)
			(void)rd_kafka_queue_poll_callback(queue, 50); /* how many events is of no interest */
	}
	p->closed = rd_kafka_consumer_closed(p->rk);
	rd_kafka_queue_destroy(queue);
	return p->closed;
}

static void turn_until(struct wb_poller *p, int64_t deadline_ms)
{
	while (wb_poller_out(p) > 0 && wb_clock_mono_ms() < deadline_ms && !atomic_load(&p->fatal))
		turn(p);
}

/* A group that is left in the middle of a rebalance does not let go in librdkafka 2.0.2 (#4528), and the others then wait for the
 * end of our session. */
static bool is_changing(struct wb_poller *p)
{
	return p->commit_in_flight || p->change != WB_CHANGE_NONE || atomic_load(&p->joining) ||
		wb_clock_mono_ms() - atomic_load(&p->join_ended_ms) < SETTLE_MS;
}

/* Nothing is sent any more when only a request's time is left, so that every one has its end before the group is left: it
 * could take effect after the next owner's writes. What waits for a container that may never come goes back at once. */
static void drain(struct wb_poller *p)
{
	const struct wb_consumer_options *o = p->settings.options;
	int64_t now_ms = wb_clock_mono_ms();
	int64_t deadline_ms = now_ms + o->shutdown_timeout_ms;
	size_t left;

	p->draining = true;
	wb_recorder_hurry(p->recorder, true);
	wb_poller_sweep_parked(p, true);
	turn_until(p, deadline_ms - o->cosmos.request_timeout_ms);
	left = wb_poller_out(p);
	if (left > 0) {
		bool fatal = atomic_load(&p->fatal);

		wb_log_warn(p->settings.log,
			fatal ? "the membership is gone; unfinished writes are the others'"
			      : "not everything could be finished in time; the rest is handed back",
			WB_INT("writes", left));
		wb_poller_end_all(p, fatal);
		now_ms = wb_clock_mono_ms() + HAND_BACK_MS;
		deadline_ms = fatal || deadline_ms < now_ms ? now_ms : deadline_ms;
		while (wb_poller_out(p) > 0 && wb_clock_mono_ms() < deadline_ms)
			turn(p);
	}
	deadline_ms = wb_clock_mono_ms() + CLOSE_MS;
	while (is_changing(p) && wb_clock_mono_ms() < deadline_ms && !atomic_load(&p->fatal))
		turn(p);
	wb_poller_commit_final(p, NULL);
	while (!p->final_committed && wb_clock_mono_ms() < deadline_ms && !atomic_load(&p->fatal))
		turn(p);
}

enum wb_err wb_poller_run(struct wb_poller *p, struct wb_error *e)
{
	wb_lifecycle_on_stop(p->settings.lifecycle, wake, p);
	p->place = wb_board_enter(p->settings.board, "poller", wake, p);
	wb_lifecycle_running(p->settings.lifecycle);
	while (wb_lifecycle_state(p->settings.lifecycle) < WB_DRAINING && !atomic_load(&p->fatal))
		turn(p);
	drain(p);
	if (!leave_group(p))
		wb_log_warn(p->settings.log, "the group did not let us go in time");
	if (atomic_load(&p->fatal))
		return wb_error_set(e, WB_EFATAL, "%s", p->fatal_text.text);
	return WB_OK;
}

/* Before 2.3.0, librdkafka aborts when a client is destroyed that has joined a group with the cooperative-sticky assignor
 * and was never told of an assignment (#4381): an assertion on the assignor's state, which is made with the first one.
 * And one that is still waiting to leave the group may wait for ever in its end. */
static bool cannot_be_destroyed(const struct wb_poller *p)
{
	if (p->leaving && !p->closed)
		return true;
	return rd_kafka_version() < 0x02030000 && atomic_load(&p->joined) && !p->assigned;
}

/* False: the client could not be destroyed, and its threads still use p and the log. */
static bool free_client(struct wb_poller *p)
{
	wb_asker_free(&p->asker);
	if (p->change_list)
		rd_kafka_topic_partition_list_destroy(p->change_list);
	wb_poller_forget_owed(p);
	if (p->group_queue)
		rd_kafka_queue_destroy(p->group_queue);
	if (p->data_queue)
		rd_kafka_queue_destroy(p->data_queue);
	if (p->commit_queue)
		rd_kafka_queue_destroy(p->commit_queue);
	if (p->rk && cannot_be_destroyed(p))
		return false;
	if (p->rk)
		rd_kafka_destroy_flags(p->rk, p->closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return true;
}

bool wb_poller_free(struct wb_poller **poller)
{
	struct wb_poller *p = *poller;
	struct wb_list left = { 0 };
	struct wb_write *w;
	bool destroyed;

	if (!p)
		return true;
	wb_board_leave(&p->place);
	for (int64_t i = 0; i < p->settings.options->workers; i++)
		wb_worker_free(&p->workers[i]);
	wb_recorder_free(&p->recorder, 1000);
	p->draining = true;
	(void)wb_poller_take_back(p); /* everything, whatever there is */
	wb_poller_sweep_parked(p, true);
	for (int64_t i = 0; i < p->settings.options->workers; i++)
		wb_list_append(&left, &p->to_worker[i]);
	wb_list_append(&left, &p->dead);
	while ((w = wb_write_of(wb_list_pop(&left))))
		wb_poller_drop(p, w);
	wb_poller_free_partitions(p);
	wb_metadata_free(&p->metadata);
	wb_outage_free(&p->outage);
	wb_paces_free(&p->paces);
	wb_ru_budget_free(&p->budget);
	wb_poller_free_targets(p);
	destroyed = free_client(p);
	wb_handover_release(&p->finished);
	wb_handover_release(&p->given_up);
	wb_handover_release(&p->returned);
	wb_buf_release(&p->scratch);
	wb_write_pool_release(&p->writes);
	wb_originals_release(&p->originals);
	free(p->headers);
	free(p->workers);
	free(p->to_worker);
	if (destroyed && p->wake_fd >= 0)
		(void)close(p->wake_fd); /* nothing can be lost by it */
	if (destroyed)
		free(p);
	*poller = NULL;
	return destroyed;
}
