#include "producer/callbacks.h"

#include "common/base/clock.h"
#include "common/base/handover.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "producer/callback_queue.h"
#include "producer/callback_sender.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS          100
#define ASK_AGAIN_MS     1000
#define RECORD_AGAIN_MS  1000
#define RESCAN_EVERY_MS  60000
#define PROMPT_MS        5000 /* a host that takes longer gets fewer places */
#define LOOK_UPS         1000 /* a turn, so that answers do not wait for them */
#define CROWDED_MS       60000
#define BODY_BYTES_MAX   (1024 * 1024)
#define RECORD_BYTES_MAX 1024
#define WHY_SIZE         160

#define WAITING_MAX (256 * 1024) /* some 17 MB */
#define HOSTS_MAX   4096
#define PER_HOST    4
#define EVENTS_MAX  (64 * 1024)

enum part_state {
	NOT_OURS,
	CATCHING_UP, /* ours, but the view may not have read what the owner before us recorded */
	OURS,
	LEAVING,
};

struct part {
	enum part_state state;
	uint32_t epoch;
	int64_t ask_ms; /* CATCHING_UP: when to ask; INT64_MAX: an answer is awaited */
};

/* What another thread tells. */
struct event {
	struct wb_link link;
	enum { ENDED, CAUGHT_UP, RECORDED } type;
	struct wb_callbacks *callbacks;
	int32_t partition;
	uint32_t epoch;
	enum wb_err err;
	struct attempt *attempt;
	char job[WB_JOB_ID_SIZE];
};

/* An attempt, from its request to the acknowledgement of its outcome. */
struct attempt {
	struct event event; /* RECORDED, when it is told so */
	struct wb_link link; /* of those whose record is to be appended again */
	struct wb_callback_item item;
	char host[WB_CALLBACK_HOST_MAX];
	unsigned number;
	int status;
	enum wb_callback_state state;
	int64_t at_ms;       /* wall clock */
	int64_t due_ms;      /* the next one, monotonic */
	int64_t record_ms;   /* when to append again, monotonic */
};

struct wb_callbacks {
	struct wb_callbacks_settings settings;
	struct wb_callback_group group;
	struct wb_callback_sender *sender;
	struct wb_callback_queue *queue;
	struct wb_handover inbox;
	pthread_t thread;
	bool started;
	atomic_bool quiet;
	atomic_int_least64_t deadline_ms;

	pthread_mutex_t lock; /* over what follows; parts are written by the thread only, which reads them without it */
	struct part *parts;
	int32_t part_count;
	size_t events; /* ENDED, in the inbox */
	bool missed; /* there were too many of them */

	/* The thread's. */
	struct wb_list unrecorded;
	size_t recording; /* records without an acknowledgement */
	int64_t rescan_ms; /* not before */
	bool rescan;
	bool group_gone;
	struct wb_counter *results[WB_CALLBACK_FAILED + 1];
	struct wb_gauge *waiting;
	struct wb_histogram *seconds;
};

static void wake(void *arg)
{
	struct wb_callbacks *c = arg;

	wb_callback_sender_wake(c->sender);
}

static bool is_ours(const struct wb_callbacks *c, int32_t partition)
{
	return partition >= 0 && partition < c->part_count && c->parts[partition].state == OURS;
}

/* ---- what other threads tell ---- */

void wb_callbacks_ended(struct wb_callbacks *c, const char *job, int32_t partition)
{
	struct event *event;
	bool take;

	wb_mutex_lock(&c->lock);
	take = is_ours(c, partition);
	if (take && c->events >= EVENTS_MAX) {
		c->missed = true;
		take = false;
	}
	c->events += take;
	wb_mutex_unlock(&c->lock);
	if (!take)
		return;
	event = wb_xcalloc(1, sizeof *event);
	event->type = ENDED;
	event->partition = partition;
	(void)snprintf(event->job, sizeof event->job, "%s", job); /* fits */
	wb_handover_put_one(&c->inbox, &event->link);
}

static void on_caught_up(void *arg, enum wb_err err)
{
	struct event *event = arg;

	event->err = err;
	wb_handover_put_one(&event->callbacks->inbox, &event->link);
}

static void on_recorded(void *arg, enum wb_err err)
{
	struct attempt *a = arg;

	a->event.err = err;
	wb_handover_put_one(&a->event.callbacks->inbox, &a->event.link);
}

/* ---- what is due ---- */

/* When the next attempt is due, on the monotonic clock: the records tell it in wall time. */
static int64_t due_of(const char *job, unsigned attempts, int64_t last_at_ms)
{
	int64_t now_ms = wb_clock_mono_ms(), left_ms;

	if (attempts == 0)
		return now_ms;
	left_ms = last_at_ms + wb_webhook_delay_ms(attempts, 0, wb_webhook_random(job, attempts)) - wb_clock_wall_ms();
	return now_ms + (left_ms > 0 ? left_ms : 0);
}

static void add_known(void *arg, const struct wb_callback_job *job)
{
	struct wb_callbacks *c = arg;

	if (job->state == WB_CALLBACK_PENDING || job->state == WB_CALLBACK_RETRYING)
		wb_callback_queue_add(c->queue, job->info->id, job->partition, job->attempts,
			due_of(job->info->id, job->attempts, job->last_at_ms));
}

static void set_part(struct wb_callbacks *c, int32_t partition, enum part_state state)
{
	wb_mutex_lock(&c->lock);
	if (partition >= c->part_count) {
		c->parts = wb_xrealloc(c->parts, ((size_t)partition + 1) * sizeof *c->parts);
		for (; c->part_count <= partition; c->part_count++)
			c->parts[c->part_count] = (struct part){ NOT_OURS, 0, 0 };
	}
	c->parts[partition].state = state;
	wb_mutex_unlock(&c->lock);
}

/* Jobs that end from now on are told of, and those that ended before are in the view: so none is missed. */
static void take_over(struct wb_callbacks *c, int32_t partition)
{
	set_part(c, partition, OURS);
	c->settings.source.each(c->settings.source.arg, partition, add_known, c);
}

static void take_caught_up(struct wb_callbacks *c, const struct event *event)
{
	struct part *part = &c->parts[event->partition];

	if (part->state != CATCHING_UP || part->epoch != event->epoch)
		return;
	if (event->err == WB_OK)
		take_over(c, event->partition);
	else
		part->ask_ms = wb_clock_mono_ms() + ASK_AGAIN_MS;
}

static void ask_view(struct wb_callbacks *c, int64_t now_ms)
{
	for (int32_t i = 0; i < c->part_count; i++) {
		struct part *part = &c->parts[i];
		struct event *event;

		if (part->state != CATCHING_UP || part->ask_ms > now_ms)
			continue;
		event = wb_xcalloc(1, sizeof *event);
		event->type = CAUGHT_UP;
		event->callbacks = c;
		event->partition = i;
		event->epoch = part->epoch;
		part->ask_ms = INT64_MAX;
		if (c->settings.source.catch_up(c->settings.source.arg, on_caught_up, event) != WB_OK) {
			part->ask_ms = now_ms + ASK_AGAIN_MS;
			free(event);
		}
	}
}

/* What was left out, because there was too much of it, comes again from the view. */
static void rescan(struct wb_callbacks *c, int64_t now_ms)
{
	wb_mutex_lock(&c->lock);
	c->rescan = c->rescan || c->missed;
	c->missed = false;
	wb_mutex_unlock(&c->lock);
	if (wb_callback_queue_left_out(c->queue, now_ms))
		c->rescan = true;
	if (!c->rescan || now_ms < c->rescan_ms)
		return;
	c->rescan = false;
	c->rescan_ms = now_ms + RESCAN_EVERY_MS;
	for (int32_t i = 0; i < c->part_count; i++) {
		if (c->parts[i].state == OURS)
			c->settings.source.each(c->settings.source.arg, i, add_known, c);
	}
}

/* ---- attempts ---- */

struct look_up {
	const struct wb_callback_item *item;
	bool open; /* it is still to be called */
	unsigned attempts;
	int64_t due_ms;
	char host[WB_CALLBACK_HOST_MAX];
};

static void on_look_up(void *arg, const struct wb_callback_job *job)
{
	struct look_up *l = arg;

	l->open = job->state == WB_CALLBACK_PENDING || job->state == WB_CALLBACK_RETRYING;
	/* The view may not have read our last record yet. */
	l->attempts = job->attempts > l->item->attempts ? job->attempts : l->item->attempts;
	l->due_ms = job->attempts > l->item->attempts ? due_of(l->item->job, job->attempts, job->last_at_ms)
						      : INT64_MIN;
	wb_callback_host(job->url, l->host);
}

/* Looks at a callback whose time has come: it may have been made by another, who had the partition meanwhile. */
static void look_up(struct wb_callbacks *c, const struct wb_callback_item *item, int64_t now_ms)
{
	struct look_up l = { .item = item };

	if (!c->settings.source.find(c->settings.source.arg, item->job, on_look_up, &l) || !l.open) {
		wb_callback_queue_drop(c->queue, item->handle);
	} else if (l.due_ms > now_ms) {
		wb_callback_queue_wait(c->queue, item->handle, l.attempts, l.due_ms);
	} else if (!wb_callback_queue_ready(c->queue, item->handle, l.host)) {
		/* Callbacks stand in line for too many hosts already. Spread, so that they do not come back together. */
		int64_t spread_ms = (int64_t)(wb_webhook_random(item->job, (unsigned)now_ms) % (4 * CROWDED_MS));

		wb_callback_queue_wait(c->queue, item->handle, l.attempts, now_ms + CROWDED_MS + spread_ms);
	}
}

struct start {
	bool open;
	char url[WB_CALLBACK_URL_MAX + 1];
	struct wb_buf body;
};

static void on_start(void *arg, const struct wb_callback_job *job)
{
	struct start *s = arg;

	s->open = (job->state == WB_CALLBACK_PENDING || job->state == WB_CALLBACK_RETRYING) &&
		job->url.len < sizeof s->url;
	if (!s->open)
		return;
	(void)snprintf(s->url, sizeof s->url, "%.*s", WB_SLICE_ARGS(job->url)); /* fits */
	wb_webhook_body(job->info, &s->body);
}

static void record_again(struct wb_callbacks *c, struct attempt *a)
{
	a->record_ms = wb_clock_mono_ms() + RECORD_AGAIN_MS;
	wb_list_push(&c->unrecorded, &a->link);
}

/* Appends the outcome. Until it is acknowledged the attempt keeps its place, so that no more are made than can be kept
 * in mind while Kafka is away. */
static void record(struct wb_callbacks *c, struct attempt *a)
{
	const struct wb_result_callback outcome = {
		.job = wb_slice_cstr(a->item.job),
		.at_ms = a->at_ms,
		.attempt = a->number,
		.status = a->status,
		.state = a->state,
	};
	struct wb_buf text;
	enum wb_err err;

	wb_buf_init(&text, RECORD_BYTES_MAX);
	wb_result_callback_encode(&outcome, &text);
	c->recording++;
	err = c->settings.journal.append(
		c->settings.journal.arg, a->item.partition, wb_buf_slice(&text), on_recorded, a);
	if (err != WB_OK) {
		c->recording--;
		record_again(c, a);
	}
	wb_buf_release(&text);
}

static void tell(struct wb_callbacks *c, const struct attempt *a, const char *why)
{
	static const char failed[] = "callback failed for good";
	struct wb_log *log = c->settings.log;

	wb_counter_add(c->results[a->state], 1);
	/* Never the whole URL: what stands in it may be a secret. */
	if (a->state == WB_CALLBACK_FAILED)
		wb_log_warn(log, failed, WB_STR("job", a->item.job), WB_STR("host", a->host),
			WB_INT("attempts", a->number), WB_INT("status", a->status), WB_STR("why", why));
	else
		wb_log_debug(log, "callback attempt", WB_STR("job", a->item.job), WB_STR("host", a->host),
			WB_INT("attempt", a->number), WB_INT("status", a->status),
			WB_STR("state", wb_callback_state_text(a->state)), WB_STR("why", why));
}

static void on_answer(void *arg, const struct wb_callback_answer *answer)
{
	struct attempt *a = arg;
	struct wb_callbacks *c = a->event.callbacks;
	char why[WHY_SIZE] = "";

	wb_callback_queue_answered(c->queue, a->item.handle, answer->status && answer->took_ms < PROMPT_MS);
	wb_histogram_observe(c->seconds, (double)answer->took_ms / 1000);
	a->status = answer->status;
	a->at_ms = wb_clock_wall_ms();
	switch (wb_webhook_judge(a->status, a->number)) {
	case WB_WEBHOOK_DELIVERED:
		a->state = WB_CALLBACK_DELIVERED;
		break;
	case WB_WEBHOOK_FAILED:
		a->state = WB_CALLBACK_FAILED;
		break;
	case WB_WEBHOOK_RETRY:
		a->state = WB_CALLBACK_RETRYING;
		a->due_ms = wb_clock_mono_ms() +
			wb_webhook_delay_ms(
				a->number, answer->retry_after_ms, wb_webhook_random(a->item.job, a->number));
		break;
	}
	if (answer->error)
		(void)snprintf(why, sizeof why, "%s", answer->error); /* cutting is meant */
	else if (a->status >= 300 && a->status < 400)
		(void)snprintf(why, sizeof why, "redirects are not followed"); /* fits */
	tell(c, a, why);
	record(c, a);
}

/* Where it may not be called (any more), that is an attempt without an answer. */
static void refuse(struct attempt *a, const char *why)
{
	on_answer(a, &(struct wb_callback_answer){ .error = why });
}

static void send_attempt(struct wb_callbacks *c, struct attempt *a, struct start *s)
{
	struct wb_callback_request request = { .url = wb_slice_cstr(s->url), .timestamp_s = wb_clock_wall_ms() / 1000 };
	char id[WB_WEBHOOK_ID_SIZE];
	struct wb_buf signature;
	struct wb_error why;

	wb_callback_host(request.url, a->host);
	if (wb_callback_rules_check(c->settings.rules, request.url, &why) != WB_OK) {
		refuse(a, why.text);
		return;
	}
	if (wb_buf_status(&s->body) != WB_OK) {
		refuse(a, "the job does not fit into a callback");
		return;
	}
	wb_webhook_id(a->item.job, id);
	request.id = id;
	request.body = wb_buf_slice(&s->body);
	wb_buf_init(&signature, 512);
	wb_webhook_sign(c->settings.secrets, id, request.timestamp_s, request.body, &signature);
	request.signature = wb_buf_slice(&signature);
	wb_callback_sender_send(c->sender, &request, on_answer, a);
	wb_buf_release(&signature);
}

static void start(struct wb_callbacks *c, const struct wb_callback_item *item)
{
	struct start s = { .open = false };
	struct attempt *a;

	wb_buf_init(&s.body, BODY_BYTES_MAX);
	if (!c->settings.source.find(c->settings.source.arg, item->job, on_start, &s) || !s.open) {
		wb_callback_queue_answered(c->queue, item->handle, true);
		wb_callback_queue_drop(c->queue, item->handle);
	} else {
		a = wb_xcalloc(1, sizeof *a);
		a->event.type = RECORDED;
		a->event.callbacks = c;
		a->event.attempt = a;
		a->item = *item;
		a->number = item->attempts + 1;
		send_attempt(c, a, &s);
	}
	wb_buf_release(&s.body);
}

static void take_recorded(struct wb_callbacks *c, struct attempt *a, enum wb_err err)
{
	c->recording--;
	if (err != WB_OK) {
		wb_log_debug(c->settings.log, "a callback's outcome is not recorded yet", WB_STR("job", a->item.job),
			WB_STR("why", wb_err_text(err)));
		record_again(c, a);
		return;
	}
	if (a->state == WB_CALLBACK_RETRYING && is_ours(c, a->item.partition))
		wb_callback_queue_wait(c->queue, a->item.handle, a->number, a->due_ms);
	else
		wb_callback_queue_drop(c->queue, a->item.handle);
	free(a);
}

/* They are in the order of their times. */
static void append_again(struct wb_callbacks *c, int64_t now_ms)
{
	for (size_t left = c->unrecorded.count; left > 0; left--) {
		struct attempt *a = WB_CONTAINER_OF(c->unrecorded.head, struct attempt, link);

		if (a->record_ms > now_ms)
			return;
		(void)wb_list_pop(&c->unrecorded); /* it is a */
		record(c, a);
	}
}

static void take_events(struct wb_callbacks *c)
{
	struct wb_list events = { 0 };
	struct wb_link *link;
	size_t ended = 0;

	wb_handover_take(&c->inbox, &events);
	while ((link = wb_list_pop(&events))) {
		struct event *event = WB_CONTAINER_OF(link, struct event, link);

		if (event->type == RECORDED) {
			take_recorded(c, event->attempt, event->err);
			continue; /* it was a part of the attempt */
		}
		if (event->type == CAUGHT_UP)
			take_caught_up(c, event);
		else if (is_ours(c, event->partition)) /* before all that was put off */
			wb_callback_queue_add(c->queue, event->job, event->partition, 0, 0);
		ended += event->type == ENDED;
		free(event);
	}
	wb_mutex_lock(&c->lock);
	c->events -= ended;
	wb_mutex_unlock(&c->lock);
}

/* ---- the group ---- */

void wb_callbacks_assigned(void *callbacks, int32_t partition)
{
	struct wb_callbacks *c = callbacks;

	set_part(c, partition, CATCHING_UP);
	c->parts[partition].epoch++;
	c->parts[partition].ask_ms = 0;
}

void wb_callbacks_leaving(void *callbacks, int32_t partition)
{
	struct wb_callbacks *c = callbacks;

	set_part(c, partition, LEAVING);
	wb_callback_queue_forget(c->queue, partition);
}

bool wb_callbacks_idle(void *callbacks, int32_t partition)
{
	const struct wb_callbacks *c = callbacks;

	return wb_callback_queue_in_flight(c->queue, partition) == 0;
}

void wb_callbacks_gone(void *callbacks, int32_t partition)
{
	struct wb_callbacks *c = callbacks;

	set_part(c, partition, NOT_OURS);
	wb_callback_queue_forget(c->queue, partition);
}

static void serve_group(struct wb_callbacks *c)
{
	struct wb_error why;

	if (!c->group.serve || c->group_gone || c->group.serve(c->group.arg, &why) == WB_OK)
		return;
	c->group_gone = true;
	for (int32_t i = 0; i < c->part_count; i++)
		wb_callbacks_gone(c, i);
	c->settings.fatal(c->settings.fatal_arg, why.text);
}

/* ---- the thread ---- */

void wb_callbacks_turn(struct wb_callbacks *c, int64_t timeout_ms)
{
	struct wb_callback_item item;
	int64_t now_ms, left_ms;

	serve_group(c);
	take_events(c);
	now_ms = wb_clock_mono_ms();
	append_again(c, now_ms);
	if (!atomic_load(&c->quiet)) {
		ask_view(c, now_ms);
		rescan(c, now_ms);
		for (int i = 0; i < LOOK_UPS && wb_callback_queue_take_due(c->queue, now_ms, &item); i++)
			look_up(c, &item, now_ms);
		while (wb_callback_queue_next(c->queue, &item))
			start(c, &item);
		left_ms = wb_callback_queue_next_ms(c->queue) - now_ms;
		timeout_ms = left_ms < timeout_ms ? left_ms : timeout_ms;
	}
	wb_gauge_set(c->waiting, (double)wb_callback_queue_count(c->queue));
	wb_callback_sender_run(c->sender, timeout_ms > 0 ? timeout_ms : 0);
}

static bool may_go_on(struct wb_callbacks *c)
{
	return !atomic_load(&c->quiet) ||
		(wb_callback_queue_in_flight(c->queue, -1) > 0 && wb_clock_mono_ms() < atomic_load(&c->deadline_ms));
}

static void *run(void *arg)
{
	struct wb_callbacks *c = arg;

	while (may_go_on(c))
		wb_callbacks_turn(c, TURN_MS);
	if (wb_callback_queue_in_flight(c->queue, -1) > 0)
		wb_log_warn(c->settings.log, "callbacks are cut off; they will be repeated",
			WB_INT("count", wb_callback_queue_in_flight(c->queue, -1)));
	if (c->group.leave)
		c->group.leave(c->group.arg);
	return NULL;
}

static void make_metrics(struct wb_callbacks *c, struct wb_metrics *m)
{
	static const double bounds[] = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60 };
	static const char name[] = "writebehind_callbacks_total",
			  help[] = "Attempts to call back, by what became of them";

	c->results[WB_CALLBACK_DELIVERED] = wb_metrics_counter(m, name, help, "result=\"delivered\"");
	c->results[WB_CALLBACK_RETRYING] = wb_metrics_counter(m, name, help, "result=\"retrying\"");
	c->results[WB_CALLBACK_FAILED] = wb_metrics_counter(m, name, help, "result=\"failed\"");
	c->waiting = wb_metrics_gauge(m, "writebehind_callbacks_waiting",
		"Callbacks of this instance's partitions that are under way or wait for their next attempt", "");
	c->seconds = wb_metrics_histogram(m, "writebehind_callback_seconds",
		"From the start of an attempt to call back to its end", "", bounds, WB_ARRAY_LEN(bounds));
}

struct wb_callbacks *wb_callbacks_new(const struct wb_callbacks_settings *settings, struct wb_error *e)
{
	const struct wb_callback_sender_settings sender = { .rules = settings->rules,
		.ca_file = settings->ca_file,
		.user_agent = settings->user_agent,
		.timeout_ms = settings->timeout_ms,
		.connect_timeout_ms = settings->connect_timeout_ms,
		.max_in_flight = settings->max_in_flight };
	const struct wb_callback_queue_limits queue = {
		.waiting = WAITING_MAX, .hosts = HOSTS_MAX, .in_flight = settings->max_in_flight, .per_host = PER_HOST
	};
	struct wb_callbacks *c = wb_xcalloc(1, sizeof *c);

	c->settings = *settings;
	c->sender = wb_callback_sender_new(&sender, e);
	if (!c->sender) {
		free(c);
		return NULL;
	}
	c->queue = wb_callback_queue_new(&queue);
	atomic_init(&c->quiet, false);
	atomic_init(&c->deadline_ms, 0);
	wb_mutex_init(&c->lock);
	wb_handover_init(&c->inbox, wake, c);
	make_metrics(c, settings->metrics);
	return c;
}

void wb_callbacks_start(struct wb_callbacks *c, const struct wb_callback_group *group)
{
	c->group = *group;
	c->started = true;
	c->thread = wb_thread_start("callbacks", run, c);
}

void wb_callbacks_quiesce(struct wb_callbacks *c, int64_t deadline_ms)
{
	atomic_store(&c->deadline_ms, deadline_ms);
	atomic_store(&c->quiet, true);
	wake(c);
}

void wb_callbacks_stop(struct wb_callbacks *c)
{
	if (c->started)
		wb_thread_join(c->thread);
	c->started = false;
}

void wb_callbacks_free(struct wb_callbacks **callbacks)
{
	struct wb_callbacks *c = *callbacks;
	struct wb_list left = { 0 };
	struct wb_link *link;

	*callbacks = NULL;
	if (!c)
		return;
	wb_callback_sender_free(&c->sender, free);
	wb_handover_take(&c->inbox, &left);
	while ((link = wb_list_pop(&left))) {
		struct event *event = WB_CONTAINER_OF(link, struct event, link);

		free(event->type == RECORDED ? (void *)event->attempt : (void *)event);
	}
	while ((link = wb_list_pop(&c->unrecorded)))
		free(WB_CONTAINER_OF(link, struct attempt, link));
	wb_handover_release(&c->inbox);
	wb_callback_queue_free(&c->queue);
	wb_mutex_release(&c->lock);
	free(c->parts);
	free(c);
}
