#include "producer/job_view.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/kafka/reader.h"
#include "producer/job_waits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define POLL_RECORDS    500         /* applied under one lock: about a millisecond */
#define POLL_MS         20          /* also how late a question may be noticed */
#define MARK_TIMEOUT_MS 1000
#define MARK_EVERY_MS   5000  /* without a question */
#define EXPIRE_EVERY_MS 1000
#define QUESTIONS_MAX   10000
#define LIST_PARTS_MAX  10

struct question {
	struct wb_link link;
	wb_job_view_fn fn;
	void *arg;
	int64_t deadline_ms;
};

struct wb_job_view {
	struct wb_job_view_settings settings;
	struct wb_kafka_reader *reader; /* the thread's */
	pthread_t thread;
	atomic_bool stopping, caught_up, waits_over;
	atomic_int_least64_t lag;       /* records not read yet, as of the last mark */

	pthread_mutex_t lock;           /* over what follows */
	struct wb_job_table *table;
	struct wb_list asked;           /* questions that came since the last mark */
	size_t waiting;                 /* asked and marked */
	struct wb_job_waits *waits;
	struct wb_job_view_hook hook;

	/* The thread's. */
	struct wb_list marked;          /* questions that the last mark is for */
	bool has_mark, locked;
	uint8_t (*ended)[WB_JOB_ID_BYTES]; /* jobs with a callback that the records at hand ended */
	size_t ended_count, ended_cap;
	int64_t retry_mark_ms, next_mark_ms, expire_ms;
	uint64_t rejected;
	struct wb_counter *records, *invalid;
};

static void on_record(void *arg, const struct wb_kafka_record *record)
{
	struct wb_job_view *v = arg;
	struct wb_error why;
	enum wb_err err;

	if (!v->locked)
		wb_mutex_lock(&v->lock); /* for all records of this poll: finish_batch unlocks */
	v->locked = true;
	err = wb_job_table_apply(v->table, record->partition, record->timestamp_ms, record->value, &why);
	if (err == WB_OK)
		return;
	wb_counter_add(v->invalid, 1);
	if (v->rejected++ == 0)
		wb_log_warn(v->settings.log, "a record of the results topic is none; further ones are only counted",
			WB_INT("partition", record->partition), WB_INT("offset", record->offset),
			WB_STR("why", why.text));
}

static void answer(struct wb_job_view *v, struct wb_list *questions, enum wb_err err)
{
	struct wb_link *link;

	while ((link = wb_list_pop(questions)) != NULL) {
		struct question *q = WB_CONTAINER_OF(link, struct question, link);

		wb_mutex_lock(&v->lock);
		v->waiting--;
		wb_mutex_unlock(&v->lock);
		q->fn(q->arg, err);
		free(q);
	}
}

/* Questions are in the order of their deadlines. */
static void answer_late(struct wb_job_view *v, struct wb_list *questions, int64_t now_ms)
{
	struct wb_list late = { 0 };

	while (questions->head && WB_CONTAINER_OF(questions->head, struct question, link)->deadline_ms <= now_ms)
		wb_list_push(&late, wb_list_pop(questions));
	answer(v, &late, WB_ETIMEDOUT);
}

/* Those that came after the mark wait for it too, but not beyond their time. */
static void answer_late_asked(struct wb_job_view *v, int64_t now_ms)
{
	struct wb_list asked = { 0 };

	wb_mutex_lock(&v->lock);
	wb_list_append(&asked, &v->asked);
	wb_mutex_unlock(&v->lock);
	answer_late(v, &asked, now_ms);
	wb_mutex_lock(&v->lock);
	wb_list_append(&asked, &v->asked);
	wb_list_append(&v->asked, &asked);
	wb_mutex_unlock(&v->lock);
}

/* Marks the topic's end when somebody waits for it, when nobody ever caught up, and now and then for the lag. */
static void mark_end(struct wb_job_view *v, int64_t now_ms)
{
	struct wb_list asked = { 0 };
	struct wb_error why;

	if (v->has_mark || now_ms < v->retry_mark_ms)
		return;
	wb_mutex_lock(&v->lock);
	wb_list_append(&asked, &v->asked);
	wb_mutex_unlock(&v->lock);
	wb_list_append(&v->marked, &asked);
	if (!v->marked.head && atomic_load(&v->caught_up) && now_ms < v->next_mark_ms)
		return;
	if (wb_kafka_reader_mark(v->reader, MARK_TIMEOUT_MS, &why) == WB_OK) {
		v->has_mark = true;
		v->next_mark_ms = now_ms + MARK_EVERY_MS;
		return;
	}
	wb_log_debug(v->settings.log, "the end of the results topic is not known now", WB_STR("why", why.text));
	v->retry_mark_ms = now_ms + 100;
}

static void check_mark(struct wb_job_view *v)
{
	int64_t remaining = 0;

	if (!v->has_mark)
		return;
	if (!wb_kafka_reader_reached(v->reader, &remaining)) {
		atomic_store(&v->lag, remaining);
		return;
	}
	atomic_store(&v->lag, 0);
	v->has_mark = false;
	if (!atomic_load(&v->caught_up)) {
		atomic_store(&v->caught_up, true);
		wb_mem_give_back(); /* what reading at full speed has piled up */
		wb_health_set(v->settings.health, "view", true, "");
		wb_log_info(
			v->settings.log, "job view has caught up", WB_STR("topic", v->settings.kafka->topic_results));
	}
	answer(v, &v->marked, WB_OK);
}

static void expire(struct wb_job_view *v, int64_t now_ms)
{
	if (now_ms < v->expire_ms)
		return;
	v->expire_ms = now_ms + EXPIRE_EVERY_MS;
	wb_mutex_lock(&v->lock);
	wb_job_table_expire(v->table, wb_clock_wall_ms(), atomic_load(&v->caught_up));
	wb_mutex_unlock(&v->lock);
}

/* While records are applied */

static void on_changed(void *arg, const uint8_t id[WB_JOB_ID_BYTES])
{
	struct wb_job_view *v = arg;

	wb_job_waits_note(v->waits, id);
}

static void on_ended(void *arg, const uint8_t id[WB_JOB_ID_BYTES])
{
	struct wb_job_view *v = arg;

	if (!v->hook.ended || !atomic_load(&v->caught_up))
		return;
	if (v->ended_count == v->ended_cap) {
		v->ended_cap = v->ended_cap ? v->ended_cap * 2 : 64;
		v->ended = wb_xrealloc(v->ended, v->ended_cap * sizeof *v->ended);
	}
	memcpy(v->ended[v->ended_count++], id, WB_JOB_ID_BYTES);
}

static bool is_over(void *arg, const struct wb_job_wait *wait)
{
	struct wb_job_view *v = arg;
	char id[WB_JOB_ID_SIZE];
	struct wb_job_info info;

	wb_job_id_text(wait->id, id);
	if (!wb_job_table_find(v->table, wb_slice_cstr(id), &info))
		return wb_job_table_forgotten(v->table, wb_slice_cstr(id));
	return wait->until_end ? info.pending == 0 : info.version != wait->version;
}

static void tell_waits(struct wb_list *over)
{
	struct wb_link *link;

	while ((link = wb_list_pop(over)) != NULL) {
		struct wb_job_wait *wait = WB_CONTAINER_OF(link, struct wb_job_wait, link);

		wait->fn(wait->arg, wait->err);
		free(wait);
	}
}

static void tell_ended(struct wb_job_view *v, const uint8_t id[WB_JOB_ID_BYTES])
{
	char text[WB_JOB_ID_SIZE], url[WB_RESULT_CALLBACK_MAX];
	struct wb_job_view_hook hook;
	struct wb_job_info info;
	uint8_t key[WB_RESULT_KEY_SIZE];
	bool found;

	wb_job_id_text(id, text);
	wb_mutex_lock(&v->lock);
	hook = v->hook;
	found = wb_job_table_find(v->table, wb_slice_cstr(text), &info);
	if (found && info.key)
		info.key = memcpy(key, info.key, sizeof key);
	if (found && info.callback.data)
		info.callback.data = memcpy(url, info.callback.data, info.callback.len);
	wb_mutex_unlock(&v->lock);
	info.failures = NULL;
	info.failure_count = 0;
	if (found && hook.ended)
		hook.ended(hook.arg, &info);
}

/* Tells those who wait what the records at hand, or the time, or they themselves by coming have brought about. */
static void finish_batch(struct wb_job_view *v)
{
	struct wb_list over = { 0 };

	if (!v->locked)
		wb_mutex_lock(&v->lock);
	wb_job_waits_take_noted(v->waits, is_over, v, &over);
	wb_job_waits_take_late(v->waits, wb_clock_mono_ms(), &over);
	wb_mutex_unlock(&v->lock);
	v->locked = false;
	tell_waits(&over);
	for (size_t i = 0; i < v->ended_count; i++)
		tell_ended(v, v->ended[i]);
	v->ended_count = 0;
}

static bool read_some(struct wb_job_view *v)
{
	enum wb_err err = WB_OK;
	struct wb_error why;
	size_t count = wb_kafka_reader_poll(v->reader, POLL_RECORDS, POLL_MS, on_record, v, &err, &why);

	wb_counter_add(v->records, (double)count);
	if (err != WB_EFATAL)
		return true;
	wb_log_error(v->settings.log, "the results topic cannot be read any more", WB_STR("why", why.text));
	wb_health_set(v->settings.health, "view", false, why.text);
	wb_lifecycle_stop(v->settings.lifecycle, 1, "the results topic cannot be read any more");
	return false;
}

static void end_waits(struct wb_job_view *v)
{
	struct wb_list over = { 0 };

	wb_mutex_lock(&v->lock);
	wb_job_waits_take_all(v->waits, WB_ECLOSED, &over);
	wb_mutex_unlock(&v->lock);
	tell_waits(&over);
}

static void *run(void *arg)
{
	struct wb_job_view *v = arg;
	struct wb_list asked = { 0 };
	bool good = true;

	while (!atomic_load(&v->stopping)) {
		int64_t now_ms = wb_clock_mono_ms();

		mark_end(v, now_ms);
		if (good)
			good = read_some(v);
		else
			(void)wb_lifecycle_wait(v->settings.lifecycle, POLL_MS);
		finish_batch(v);
		check_mark(v);
		now_ms = wb_clock_mono_ms();
		answer_late(v, &v->marked, now_ms);
		answer_late_asked(v, now_ms);
		expire(v, now_ms);
		if (atomic_load(&v->waits_over))
			end_waits(v);
	}
	wb_mutex_lock(&v->lock);
	wb_list_append(&asked, &v->asked);
	wb_mutex_unlock(&v->lock);
	answer(v, &v->marked, WB_ECLOSED);
	answer(v, &asked, WB_ECLOSED);
	end_waits(v);
	return NULL;
}

static double lag_value(void *arg)
{
	struct wb_job_view *v = arg;

	return (double)atomic_load(&v->lag);
}

static struct wb_job_counts counts(struct wb_job_view *v)
{
	struct wb_job_counts now;

	wb_mutex_lock(&v->lock);
	now = wb_job_table_counts(v->table);
	wb_mutex_unlock(&v->lock);
	return now;
}

static double unfinished_value(void *arg)
{
	return (double)counts(arg).unfinished;
}

static double finished_value(void *arg)
{
	return (double)counts(arg).finished;
}

static double awaited_value(void *arg)
{
	return (double)counts(arg).awaited;
}

static double calling_value(void *arg)
{
	return (double)counts(arg).calling;
}

static double forgotten_value(void *arg)
{
	return (double)counts(arg).forgotten;
}

static double bytes_value(void *arg)
{
	struct wb_job_view *v = arg;
	size_t bytes;

	wb_mutex_lock(&v->lock);
	bytes = wb_job_table_memory_bytes(v->table);
	wb_mutex_unlock(&v->lock);
	return (double)bytes;
}

static double waits_value(void *arg)
{
	struct wb_job_view *v = arg;
	size_t count;

	wb_mutex_lock(&v->lock);
	count = wb_job_waits_count(v->waits);
	wb_mutex_unlock(&v->lock);
	return (double)count;
}

static double dropped_value(void *arg)
{
	struct wb_job_view *v = arg;
	uint64_t dropped;

	wb_mutex_lock(&v->lock);
	dropped = wb_job_table_dropped_callbacks(v->table);
	wb_mutex_unlock(&v->lock);
	return (double)dropped;
}

static void register_metrics(struct wb_job_view *v, struct wb_metrics *m)
{
	static const char jobs_help[] = "Jobs in the view: with their details, or by name only (forgotten), or without "
					"an accepted record yet (awaited)";

	v->records = wb_metrics_counter(
		m, "writebehind_view_records_total", "Records of the results topic that were read", "");
	v->invalid = wb_metrics_counter(
		m, "writebehind_view_invalid_records_total", "Records of the results topic that are none", "");
	wb_metrics_gauge_fn(m, "writebehind_view_lag_records",
		"Records of the results topic that were not read yet when its end was last asked for", "", lag_value,
		v);
	wb_metrics_gauge_fn(m, "writebehind_view_jobs", jobs_help, "state=\"unfinished\"", unfinished_value, v);
	wb_metrics_gauge_fn(m, "writebehind_view_jobs", jobs_help, "state=\"finished\"", finished_value, v);
	wb_metrics_gauge_fn(m, "writebehind_view_jobs", jobs_help, "state=\"calling\"", calling_value, v);
	wb_metrics_gauge_fn(m, "writebehind_view_jobs", jobs_help, "state=\"forgotten\"", forgotten_value, v);
	wb_metrics_gauge_fn(m, "writebehind_view_jobs", jobs_help, "state=\"awaited\"", awaited_value, v);
	wb_metrics_gauge_fn(m, "writebehind_view_bytes", "Memory of the job view", "", bytes_value, v);
	wb_metrics_gauge_fn(
		m, "writebehind_view_waits", "Requests that wait for a job to change or to end", "", waits_value, v);
	wb_metrics_counter_fn(m, "writebehind_view_dropped_callbacks_total",
		"Jobs that were forgotten before their callback was made", "", dropped_value, v);
}

struct wb_job_view *wb_job_view_new(const struct wb_job_view_settings *settings, struct wb_error *e)
{
	const struct wb_kafka_reader_settings results = {
		.topic = settings->kafka->topic_results,
		.client_id = settings->client_id,
		.timeout_ms = settings->startup_timeout_ms,
		.follows = true,
	};
	struct wb_job_hooks hooks = { .changed = on_changed, .ended = on_ended };
	struct wb_job_view *v;
	struct wb_kafka_reader *reader = wb_kafka_reader_new(settings->kafka, &results, settings->log, e);

	if (!reader)
		return NULL;
	v = wb_xcalloc(1, sizeof *v);
	v->settings = *settings;
	v->reader = reader;
	v->hook = settings->hook;
	v->waits = wb_job_waits_new();
	v->table = wb_job_table_new(&settings->limits);
	hooks.arg = v;
	wb_job_table_hook(v->table, &hooks);
	wb_mutex_init(&v->lock);
	register_metrics(v, settings->metrics);
	wb_health_set(settings->health, "view", false, "the results topic is being read");
	v->thread = wb_thread_start("job-view", run, v);
	return v;
}

void wb_job_view_end_waits(struct wb_job_view *v)
{
	atomic_store(&v->waits_over, true);
}

void wb_job_view_stop(struct wb_job_view *v)
{
	wb_mutex_lock(&v->lock); /* so that nobody who asks sees it running, and comes after the last were answered */
	atomic_store(&v->stopping, true);
	wb_mutex_unlock(&v->lock);
	wb_thread_join(v->thread);
	wb_kafka_reader_free(&v->reader);
}

void wb_job_view_free(struct wb_job_view **view)
{
	struct wb_job_view *v = *view;

	*view = NULL;
	if (!v)
		return;
	wb_job_waits_free(&v->waits);
	wb_job_table_free(&v->table);
	wb_mutex_release(&v->lock);
	free(v->ended);
	free(v);
}

bool wb_job_view_find(struct wb_job_view *v, struct wb_slice id, wb_job_info_fn fn, void *arg)
{
	struct wb_job_info info;
	bool found;

	wb_mutex_lock(&v->lock);
	found = wb_job_table_find(v->table, id, &info);
	if (found)
		fn(arg, &info);
	wb_mutex_unlock(&v->lock);
	return found;
}

bool wb_job_view_forgotten(struct wb_job_view *v, struct wb_slice id)
{
	bool forgotten;

	wb_mutex_lock(&v->lock);
	forgotten = wb_job_table_forgotten(v->table, id);
	wb_mutex_unlock(&v->lock);
	return forgotten;
}

bool wb_job_view_find_key(struct wb_job_view *v, const uint8_t key[WB_RESULT_KEY_SIZE], char ret_job[WB_JOB_ID_SIZE])
{
	bool found;

	wb_mutex_lock(&v->lock);
	found = wb_job_table_find_key(v->table, key, ret_job);
	wb_mutex_unlock(&v->lock);
	return found;
}

void wb_job_view_each_callback(struct wb_job_view *v, int32_t partition, wb_job_info_fn fn, void *arg)
{
	wb_mutex_lock(&v->lock);
	wb_job_table_each_callback(v->table, partition, fn, arg);
	wb_mutex_unlock(&v->lock);
}

size_t wb_job_view_list(struct wb_job_view *v, const struct wb_job_filter *filter, struct wb_job_cursor *cursor,
	wb_job_info_fn fn, void *arg, bool *ret_more)
{
	struct wb_job_filter rest = *filter;
	size_t given = 0;

	*ret_more = true;
	for (int part = 0; part < LIST_PARTS_MAX && *ret_more && (given < filter->limit || part == 0); part++) {
		rest.limit = filter->limit - given;
		wb_mutex_lock(&v->lock);
		given += wb_job_table_list(v->table, &rest, cursor, fn, arg, ret_more);
		wb_mutex_unlock(&v->lock);
	}
	return given;
}

struct wb_job_totals wb_job_view_totals(struct wb_job_view *v)
{
	struct wb_job_totals totals;

	wb_mutex_lock(&v->lock);
	totals = wb_job_table_totals(v->table);
	wb_mutex_unlock(&v->lock);
	return totals;
}

bool wb_job_view_full(struct wb_job_view *v)
{
	return counts(v).unfinished >= v->settings.limits.max;
}

bool wb_job_view_caught_up(struct wb_job_view *v)
{
	return atomic_load(&v->caught_up);
}

enum wb_err wb_job_view_catch_up(struct wb_job_view *v, wb_job_view_fn fn, void *arg)
{
	struct question *q = wb_xcalloc(1, sizeof *q);
	enum wb_err err;

	q->fn = fn;
	q->arg = arg;
	q->deadline_ms = wb_clock_mono_ms() + v->settings.catch_up_timeout_ms;
	wb_mutex_lock(&v->lock);
	err = atomic_load(&v->stopping) ? WB_ECLOSED : v->waiting >= QUESTIONS_MAX ? WB_EFULL : WB_OK;
	if (err == WB_OK) {
		v->waiting++;
		wb_list_push(&v->asked, &q->link);
	}
	wb_mutex_unlock(&v->lock);
	if (err != WB_OK)
		free(q);
	return err;
}

enum wb_err wb_job_view_wait(struct wb_job_view *v, struct wb_slice job, uint32_t version, int64_t timeout_ms,
	bool until_end, wb_job_view_fn fn, void *arg)
{
	struct wb_job_wait *wait = wb_xcalloc(1, sizeof *wait);
	enum wb_err err = wb_job_id_read(job, wait->id) ? WB_OK : WB_EINVAL;

	wait->version = version;
	wait->until_end = until_end;
	wait->deadline_ms = wb_clock_mono_ms() + timeout_ms;
	wait->fn = fn;
	wait->arg = arg;
	wb_mutex_lock(&v->lock);
	if (err == WB_OK && (atomic_load(&v->stopping) || atomic_load(&v->waits_over)))
		err = WB_ECLOSED;
	if (err == WB_OK && wb_job_waits_count(v->waits) >= WB_JOB_VIEW_WAITS_MAX)
		err = WB_EFULL;
	if (err == WB_OK) {
		wb_job_waits_add(v->waits, wait);
		wb_job_waits_note(v->waits, wait->id); /* it may be over already */
	}
	wb_mutex_unlock(&v->lock);
	if (err != WB_OK)
		free(wait);
	return err;
}
