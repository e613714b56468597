#include "producer/job_view.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/kafka/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define JOB    "00112233445566778899aabbccddeeff"
#define OTHER  "ffeeddccbbaa99887766554433221100"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
enum { RECORDS_MAX = 64, WAIT_MS = 20000, LONG_MS = 600000 };

/* The results topic as the view sees it. It stands in for common/kafka/reader.c, which this program therefore does not
 * link. */
struct wb_kafka_reader {
	pthread_mutex_t lock;
	char records[RECORDS_MAX][400];
	size_t count, handed, mark;
	bool hold; /* nothing is handed out */
	bool broken;
};

static struct wb_kafka_reader *topic; /* of the test at hand */

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000 * 1000 };

	(void)nanosleep(&pause, NULL); /* woken early is fine */
}

struct wb_kafka_reader *wb_kafka_reader_new(const struct wb_kafka_options *options,
	const struct wb_kafka_reader_settings *settings, struct wb_log *log, struct wb_error *e)
{
	(void)options;
	(void)log;
	(void)e;
	assert_true(settings->follows);
	assert_string_equal(settings->topic, "results");
	return topic;
}

void wb_kafka_reader_free(struct wb_kafka_reader **r)
{
	*r = NULL;
}

size_t wb_kafka_reader_poll(struct wb_kafka_reader *r, size_t max, int64_t timeout_ms, wb_kafka_record_fn fn, void *arg,
	enum wb_err *ret_err, struct wb_error *e)
{
	size_t from, to;

	(void)timeout_ms;
	wb_mutex_lock(&r->lock);
	from = r->handed;
	to = r->hold ? from : r->count - from < max ? r->count : from + max;
	r->handed = to;
	if (r->broken)
		*ret_err = wb_error_set(e, WB_EFATAL, "broken");
	wb_mutex_unlock(&r->lock);
	for (size_t i = from; i < to; i++) {
		const struct wb_kafka_record record = {
			.topic = "results", .partition = 3, .value = wb_slice_cstr(r->records[i]), .timestamp_ms = 1000
		};

		fn(arg, &record);
	}
	if (from == to)
		pause_ms(1);
	return to - from;
}

enum wb_err wb_kafka_reader_mark(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_error *e)
{
	(void)timeout_ms;
	(void)e;
	wb_mutex_lock(&r->lock);
	r->mark = r->count;
	wb_mutex_unlock(&r->lock);
	return WB_OK;
}

bool wb_kafka_reader_reached(struct wb_kafka_reader *r, int64_t *remaining)
{
	wb_mutex_lock(&r->lock);
	*remaining = r->mark > r->handed ? (int64_t)(r->mark - r->handed) : 0;
	wb_mutex_unlock(&r->lock);
	return *remaining == 0;
}

struct fixture {
	struct wb_kafka_options kafka;
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_lifecycle *lifecycle;
	struct wb_job_view *view;

	pthread_mutex_t lock; /* over what the view's thread was told */
	size_t ended_count;
	char ended[WB_JOB_ID_SIZE], url[64];
	size_t answers;
	enum wb_err last_answer;
};

static void on_ended(void *arg, const struct wb_job_info *info)
{
	struct fixture *f = arg;

	wb_mutex_lock(&f->lock);
	f->ended_count++;
	memcpy(f->ended, info->id, sizeof f->ended);
	(void)snprintf(f->url, sizeof f->url, "%.*s", WB_SLICE_ARGS(info->callback));
	assert_int_equal(info->partition, 3);
	assert_int_equal(info->failure_count, 0);
	wb_mutex_unlock(&f->lock);
	/* Nothing is locked here. */
	assert_false(wb_job_view_full(f->view));
}

static void put(const char *record)
{
	wb_mutex_lock(&topic->lock);
	assert_true(topic->count < RECORDS_MAX);
	(void)snprintf(topic->records[topic->count++], sizeof topic->records[0], "%s", record);
	wb_mutex_unlock(&topic->lock);
}

static void hold(bool on)
{
	wb_mutex_lock(&topic->lock);
	topic->hold = on;
	wb_mutex_unlock(&topic->lock);
}

static void put_accepted(const char *job, unsigned count, const char *more)
{
	char record[400];

	(void)snprintf(record, sizeof record, "{\"type\":\"accepted\",\"job\":\"%s\",\"count\":%u,\"at\":1000%s}", job,
		count, more);
	put(record);
}

static void put_outcome(const char *job, const char *members)
{
	char record[400];

	(void)snprintf(record, sizeof record, "{\"type\":\"outcomes\",\"at\":1100,\"jobs\":[{\"job\":\"%s\",%s}]}", job,
		members);
	put(record);
}

static void start(struct fixture *f)
{
	const struct wb_job_view_settings settings = {
		.kafka = &f->kafka,
		.client_id = "test",
		.limits = { .retention_ms = INT64_MAX / 2, .unaccepted_ms = INT64_MAX / 2, .max = 2 },
		.catch_up_timeout_ms = WAIT_MS,
		.hook = { .ended = on_ended, .arg = f },
		.metrics = f->metrics,
		.health = f->health,
		.lifecycle = f->lifecycle,
	};

	f->view = wb_job_view_new(&settings, NULL);
	assert_non_null(f->view);
}

static int setup(void **state)
{
	struct fixture *f = wb_xcalloc(1, sizeof *f);

	topic = wb_xcalloc(1, sizeof *topic);
	wb_mutex_init(&topic->lock);
	wb_mutex_init(&f->lock);
	f->kafka.topic_results = (char *)(uintptr_t)"results";
	f->metrics = wb_metrics_new();
	f->health = wb_health_new();
	f->lifecycle = wb_lifecycle_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->view)
		wb_job_view_stop(f->view);
	wb_job_view_free(&f->view);
	wb_lifecycle_free(&f->lifecycle);
	wb_health_free(&f->health);
	wb_metrics_free(&f->metrics);
	wb_mutex_release(&f->lock);
	wb_mutex_release(&topic->lock);
	free(topic);
	free(f);
	return 0;
}

static void on_answer(void *arg, enum wb_err err)
{
	struct fixture *f = arg;

	wb_mutex_lock(&f->lock);
	f->answers++;
	f->last_answer = err;
	wb_mutex_unlock(&f->lock);
}

static size_t answers(struct fixture *f)
{
	size_t n;

	wb_mutex_lock(&f->lock);
	n = f->answers;
	wb_mutex_unlock(&f->lock);
	return n;
}

static void await_answers(struct fixture *f, size_t count, enum wb_err last)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	while (answers(f) < count && wb_clock_mono_ms() < deadline_ms)
		pause_ms(1);
	assert_int_equal(answers(f), count);
	assert_int_equal(f->last_answer, last);
}

static void await_caught_up(struct fixture *f)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	while (!wb_job_view_caught_up(f->view) && wb_clock_mono_ms() < deadline_ms)
		pause_ms(1);
	assert_true(wb_job_view_caught_up(f->view));
}

static void read_all(struct fixture *f)
{
	size_t before = answers(f);

	assert_int_equal(wb_job_view_catch_up(f->view, on_answer, f), WB_OK);
	await_answers(f, before + 1, WB_OK);
}

static void copy_info(void *arg, const struct wb_job_info *info)
{
	*(struct wb_job_info *)arg = *info;
}

static void it_says_when_it_has_caught_up(void **state)
{
	struct fixture *f = *state;
	struct wb_job_info info;
	char job[WB_JOB_ID_SIZE];
	uint8_t key[WB_RESULT_KEY_SIZE] = { 0 };

	put_accepted(JOB, 1, ",\"key\":\"00000000000000000000000000000001\"");
	hold(true);
	start(f);
	pause_ms(20);
	assert_false(wb_job_view_caught_up(f->view));
	assert_false(wb_health_ok(f->health, "view"));
	key[15] = 1;
	assert_false(wb_job_view_find_key(f->view, key, job));
	hold(false);
	await_caught_up(f);
	read_all(f);
	assert_true(wb_health_ok(f->health, "view"));
	assert_true(wb_job_view_find_key(f->view, key, job));
	assert_string_equal(job, JOB);
	assert_true(wb_job_view_find(f->view, LIT(JOB), copy_info, &info));
	assert_int_equal(info.pending, 1);
	assert_false(wb_job_view_find(f->view, LIT(OTHER), copy_info, &info));
	assert_false(wb_job_view_forgotten(f->view, LIT(OTHER)));
}

static void who_waits_for_a_job_hears_of_its_changes(void **state)
{
	struct fixture *f = *state;
	struct wb_job_info info;

	start(f);
	put_accepted(JOB, 2, "");
	put_accepted(OTHER, 2, "");
	read_all(f);
	assert_true(wb_job_view_find(f->view, LIT(JOB), copy_info, &info));
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), info.version, LONG_MS, false, on_answer, f), WB_OK);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), info.version, LONG_MS, true, on_answer, f), WB_OK);
	put_outcome(OTHER, "\"written\":[0,1]");
	read_all(f);
	assert_int_equal(answers(f), 2); /* read_all's own */
	put_outcome(JOB, "\"written\":[0,0]");
	await_answers(f, 3, WB_OK);
	put_outcome(JOB, "\"written\":[1,1]");
	await_answers(f, 4, WB_OK);
	/* What has come to pass before is told, too. */
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), info.version, LONG_MS, false, on_answer, f), WB_OK);
	await_answers(f, 5, WB_OK);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), 0, LONG_MS, true, on_answer, f), WB_OK);
	await_answers(f, 6, WB_OK);
}

static void a_wait_ends_with_its_time_or_with_the_view(void **state)
{
	struct fixture *f = *state;
	struct wb_job_info info;

	start(f);
	put_accepted(JOB, 2, "");
	read_all(f);
	assert_true(wb_job_view_find(f->view, LIT(JOB), copy_info, &info));
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), info.version, 1, false, on_answer, f), WB_OK);
	await_answers(f, 2, WB_ETIMEDOUT);
	assert_int_equal(wb_job_view_wait(f->view, LIT("x"), 0, 1, false, on_answer, f), WB_EINVAL);
	for (unsigned i = 0; i < WB_JOB_VIEW_WAITS_MAX; i++)
		assert_int_equal(wb_job_view_wait(f->view, LIT(OTHER), 0, LONG_MS, false, on_answer, f), WB_OK);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), 0, LONG_MS, true, on_answer, f), WB_EFULL);
	wb_job_view_stop(f->view);
	assert_int_equal(answers(f), 2 + WB_JOB_VIEW_WAITS_MAX);
	assert_int_equal(f->last_answer, WB_ECLOSED);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), 0, LONG_MS, true, on_answer, f), WB_ECLOSED);
	assert_int_equal(wb_job_view_catch_up(f->view, on_answer, f), WB_ECLOSED);
	wb_job_view_free(&f->view);
}

static void a_job_may_be_waited_for_before_it_is_known(void **state)
{
	struct fixture *f = *state;

	start(f);
	await_caught_up(f);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), 0, LONG_MS, true, on_answer, f), WB_OK);
	assert_int_equal(wb_job_view_wait(f->view, LIT(JOB), 0, LONG_MS, false, on_answer, f), WB_OK);
	pause_ms(5);
	put_accepted(JOB, 1, "");
	await_answers(f, 1, WB_OK);
	put_outcome(JOB, "\"written\":[0,0]");
	await_answers(f, 2, WB_OK);
}

static void count_job(void *arg, const struct wb_job_info *info)
{
	(void)info;
	++*(size_t *)arg;
}

static size_t ended(struct fixture *f)
{
	size_t n;

	wb_mutex_lock(&f->lock);
	n = f->ended_count;
	wb_mutex_unlock(&f->lock);
	return n;
}

static void the_end_of_a_job_with_a_callback_is_told_once_caught_up(void **state)
{
	struct fixture *f = *state;
	size_t due = 0;

	put_accepted(JOB, 1, ",\"callback\":\"https://a/\"");
	put_outcome(JOB, "\"written\":[0,0]");
	start(f);
	await_caught_up(f);
	read_all(f);
	assert_int_equal(ended(f), 0);
	wb_job_view_each_callback(f->view, 3, count_job, &due);
	assert_int_equal(due, 1);
	put_accepted(OTHER, 1, ",\"callback\":\"https://b/\"");
	put_outcome(OTHER, "\"dead\":[0,0],\"failures\":[{\"seq\":0,\"reason\":\"conflict\"}]");
	read_all(f);
	assert_int_equal(ended(f), 1);
	assert_string_equal(f->ended, OTHER);
	assert_string_equal(f->url, "https://b/");
	put("{\"type\":\"callback\",\"job\":\"" JOB
	    "\",\"at\":1,\"attempt\":1,\"status\":200,\"state\":\"delivered\"}");
	read_all(f);
	due = 0;
	wb_job_view_each_callback(f->view, 3, count_job, &due);
	assert_int_equal(due, 1);
}

static void lists_and_forgotten_jobs(void **state)
{
	struct fixture *f = *state;
	struct wb_job_filter filter = { .statuses = 15, .limit = 10 };
	struct wb_job_cursor cursor = { .set = false };
	char job[WB_JOB_ID_SIZE];
	size_t listed = 0;
	bool more = true;

	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(job, sizeof job, "%032x", i);
		put_accepted(job, 1, "");
		put_outcome(job, "\"written\":[0,0]");
	}
	start(f);
	read_all(f);
	assert_int_equal(wb_job_view_list(f->view, &filter, &cursor, count_job, &listed, &more), 2);
	assert_int_equal(listed, 2);
	assert_false(more);
	(void)snprintf(job, sizeof job, "%032x", 1);
	assert_true(wb_job_view_forgotten(f->view, wb_slice_cstr(job)));
	/* Its end is known, so nobody waits for it in vain. */
	assert_int_equal(wb_job_view_wait(f->view, wb_slice_cstr(job), 0, LONG_MS, true, on_answer, f), WB_OK);
	await_answers(f, 2, WB_OK);
	assert_int_equal(wb_job_view_totals(f->view).written, 4);
}

static void a_topic_that_cannot_be_read_ends_the_program(void **state)
{
	struct fixture *f = *state;

	start(f);
	await_caught_up(f);
	wb_mutex_lock(&topic->lock);
	topic->broken = true;
	wb_mutex_unlock(&topic->lock);
	assert_int_equal(wb_lifecycle_wait(f->lifecycle, WAIT_MS), WB_DRAINING);
	assert_int_equal(wb_lifecycle_exit_code(f->lifecycle), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_says_when_it_has_caught_up, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_for_a_job_hears_of_its_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wait_ends_with_its_time_or_with_the_view, setup, teardown),
		cmocka_unit_test_setup_teardown(a_job_may_be_waited_for_before_it_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_end_of_a_job_with_a_callback_is_told_once_caught_up, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_and_forgotten_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_topic_that_cannot_be_read_ends_the_program, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
