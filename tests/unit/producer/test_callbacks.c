#include "producer/callbacks.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The view, the topic and the receiver are fakes: localhost is on the list of hosts, but its address is refused, so every
 * attempt ends soon and without an answer. What a receiver says is in test_producer_callbacks.py. */

#define JOBS 8

struct job {
	bool known;
	int32_t partition;
	const char *url;
	enum wb_callback_state state;
	unsigned attempts;
	int64_t last_at_ms;
};

struct world {
	struct job jobs[JOBS];
	/* view */
	void (*asked)(void *arg, enum wb_err err);
	void *asked_arg;
	unsigned questions;
	/* topic */
	char record[512];
	unsigned records;
	int32_t record_partition;
	enum wb_err append_err, ack_err;
	bool hold_acks;
	void (*ack)(void *arg, enum wb_err err);
	void *ack_arg;
	/* the rest */
	struct wb_callback_rules *rules;
	struct wb_webhook_secrets secrets;
	struct wb_metrics *metrics;
	struct wb_callbacks *callbacks;
};

static const char *id_of(unsigned number)
{
	static char id[WB_JOB_ID_SIZE];

	(void)snprintf(id, sizeof id, "%032x", number);
	return id;
}

static void show(const struct world *w, unsigned number, wb_callback_job_fn fn, void *arg)
{
	const struct job *j = &w->jobs[number];
	struct wb_job_info info = { .status = WB_JOB_SUCCEEDED, .accepted = 1, .written = 1, .completed_ms = 1000 };
	struct wb_callback_job job = { .info = &info,
		.partition = j->partition,
		.url = wb_slice_cstr(j->url),
		.state = j->state,
		.attempts = j->attempts,
		.last_at_ms = j->last_at_ms };

	(void)snprintf(info.id, sizeof info.id, "%s", id_of(number));
	fn(arg, &job);
}

static bool find(void *arg, const char *job, wb_callback_job_fn fn, void *fn_arg)
{
	const struct world *w = arg;
	unsigned number = (unsigned)strtoul(job, NULL, 16);

	if (number >= JOBS || !w->jobs[number].known)
		return false;
	show(w, number, fn, fn_arg);
	return true;
}

static void each(void *arg, int32_t partition, wb_callback_job_fn fn, void *fn_arg)
{
	const struct world *w = arg;

	for (unsigned i = 0; i < JOBS; i++) {
		if (w->jobs[i].known && w->jobs[i].partition == partition)
			show(w, i, fn, fn_arg);
	}
}

static enum wb_err catch_up(void *arg, void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg)
{
	struct world *w = arg;

	assert_null(w->asked);
	w->asked = fn;
	w->asked_arg = fn_arg;
	w->questions++;
	return WB_OK;
}

static void answer_view(struct world *w, enum wb_err err)
{
	void (*fn)(void *, enum wb_err) = w->asked;

	assert_non_null(fn);
	w->asked = NULL;
	fn(w->asked_arg, err);
}

static enum wb_err append(
	void *arg, int32_t partition, struct wb_slice record, void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg)
{
	struct world *w = arg;

	if (w->append_err != WB_OK)
		return w->append_err;
	(void)snprintf(w->record, sizeof w->record, "%.*s", WB_SLICE_ARGS(record));
	w->records++;
	w->record_partition = partition;
	if (w->hold_acks) {
		w->ack = fn;
		w->ack_arg = fn_arg;
	} else {
		fn(fn_arg, w->ack_err);
	}
	return WB_OK;
}

static void fatal(void *arg, const char *why)
{
	(void)arg;
	fail_msg("%s", why);
}

static struct world *world_new(void)
{
	struct world *w = wb_xcalloc(1, sizeof *w);
	struct wb_callbacks_settings settings = {
		.secrets = &w->secrets,
		.user_agent = "test",
		.timeout_ms = 5000,
		.connect_timeout_ms = 5000,
		.max_in_flight = 8,
		.source = { w, find, each, catch_up },
		.journal = { w, append },
		.fatal = fatal,
	};

	w->rules = wb_callback_rules_new("localhost", false, NULL);
	assert_non_null(w->rules);
	w->metrics = wb_metrics_new();
	w->secrets.secret[0].len = 32;
	w->secrets.count = 1;
	settings.rules = w->rules;
	settings.metrics = w->metrics;
	w->callbacks = wb_callbacks_new(&settings, NULL);
	assert_non_null(w->callbacks);
	return w;
}

static void world_free(struct world *w)
{
	wb_callbacks_free(&w->callbacks);
	wb_callback_rules_free(&w->rules);
	wb_metrics_free(&w->metrics);
	free(w);
}

static void add_job(struct world *w, unsigned number, int32_t partition)
{
	w->jobs[number] = (struct job){ true, partition, "https://localhost/hook?token=x", WB_CALLBACK_PENDING, 0, 0 };
}

/* Turns until there are so many records, or for 300 ms when there should be no more. */
static void turn_until(struct world *w, unsigned records)
{
	int64_t deadline_ms = wb_clock_mono_ms() + (w->records >= records ? 300 : 20000);

	do
		wb_callbacks_turn(w->callbacks, 20);
	while (wb_clock_mono_ms() < deadline_ms && (w->records < records || deadline_ms - wb_clock_mono_ms() <= 300));
	assert_int_equal(w->records, records);
	wb_callbacks_turn(w->callbacks, 0); /* takes its acknowledgement */
}

static void assign(struct world *w, int32_t partition)
{
	wb_callbacks_assigned(w->callbacks, partition);
	wb_callbacks_turn(w->callbacks, 0);
	answer_view(w, WB_OK);
	wb_callbacks_turn(w->callbacks, 0);
}

static double waiting(const struct world *w)
{
	struct wb_buf page;
	const char *at;
	double value;

	wb_callbacks_turn(w->callbacks, 0);
	wb_buf_init(&page, 100000);
	wb_metrics_render(w->metrics, &page);
	at = strstr(page.data, "\nwritebehind_callbacks_waiting ");
	assert_non_null(at);
	value = strtod(strchr(at + 1, ' '), NULL);
	wb_buf_release(&page);
	return value;
}

static void assert_recorded(const struct world *w, unsigned job, unsigned attempt, const char *state)
{
	char text[128];

	(void)snprintf(text, sizeof text, "{\"type\":\"callback\",\"job\":\"%s\",\"at\":", id_of(job));
	assert_memory_equal(w->record, text, strlen(text));
	(void)snprintf(text, sizeof text, ",\"attempt\":%u,\"status\":0,\"state\":\"%s\"}", attempt, state);
	assert_non_null(strstr(w->record, text));
}

static void an_ended_job_is_called_and_the_attempt_recorded(void **state)
{
	struct world *w = world_new();

	(void)state;
	assign(w, 2);
	turn_until(w, 0);
	add_job(w, 1, 2);
	wb_callbacks_ended(w->callbacks, id_of(1), 2);
	turn_until(w, 1);
	assert_int_equal(w->record_partition, 2);
	assert_recorded(w, 1, 1, "retrying");
	assert_int_equal(waiting(w), 1);
	/* The next one is due 5 s later, not before. */
	turn_until(w, 1);
	world_free(w);
}

static void only_of_partitions_that_are_ours_and_caught_up(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	add_job(w, 2, 1);
	wb_callbacks_ended(w->callbacks, id_of(1), 0);
	wb_callbacks_ended(w->callbacks, id_of(1), -1);
	wb_callbacks_assigned(w->callbacks, 0);
	wb_callbacks_ended(w->callbacks, id_of(1), 0);
	wb_callbacks_ended(w->callbacks, id_of(2), 1);
	turn_until(w, 0);
	assert_int_equal(w->questions, 1);
	answer_view(w, WB_OK);
	turn_until(w, 1);
	assert_recorded(w, 1, 1, "retrying");
	turn_until(w, 1);
	world_free(w);
}

static void a_view_that_is_behind_is_asked_again(void **state)
{
	struct world *w = world_new();
	int64_t start_ms = wb_clock_mono_ms();

	(void)state;
	add_job(w, 1, 0);
	wb_callbacks_assigned(w->callbacks, 0);
	wb_callbacks_turn(w->callbacks, 0);
	answer_view(w, WB_ETIMEDOUT);
	while (w->questions < 2 && wb_clock_mono_ms() - start_ms < 20000)
		wb_callbacks_turn(w->callbacks, 20);
	assert_int_equal(w->records, 0);
	answer_view(w, WB_OK);
	turn_until(w, 1);
	world_free(w);
}

static void an_answer_for_an_earlier_time_is_not_taken(void **state)
{
	struct world *w = world_new();
	void (*fn)(void *, enum wb_err);
	void *arg;

	(void)state;
	add_job(w, 1, 0);
	wb_callbacks_assigned(w->callbacks, 0);
	wb_callbacks_turn(w->callbacks, 0);
	fn = w->asked;
	arg = w->asked_arg;
	w->asked = NULL;
	wb_callbacks_leaving(w->callbacks, 0);
	wb_callbacks_gone(w->callbacks, 0);
	wb_callbacks_assigned(w->callbacks, 0);
	wb_callbacks_turn(w->callbacks, 0);
	fn(arg, WB_OK);
	turn_until(w, 0);
	answer_view(w, WB_OK);
	turn_until(w, 1);
	world_free(w);
}

static void what_others_began_goes_on(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	w->jobs[1].state = WB_CALLBACK_RETRYING;
	w->jobs[1].attempts = 3;
	w->jobs[1].last_at_ms = wb_clock_wall_ms() - 1980 * 1000; /* 30 minutes and a tenth ago */
	add_job(w, 2, 0);
	w->jobs[2] = w->jobs[1];
	w->jobs[2].last_at_ms = wb_clock_wall_ms() - 1700 * 1000;
	add_job(w, 3, 0);
	w->jobs[3].state = WB_CALLBACK_DELIVERED;
	add_job(w, 4, 0);
	w->jobs[4].state = WB_CALLBACK_FAILED;
	assign(w, 0);
	turn_until(w, 1);
	assert_recorded(w, 1, 4, "retrying");
	turn_until(w, 1);
	assert_int_equal(waiting(w), 2);
	world_free(w);
}

static void the_tenth_attempt_is_the_last(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	w->jobs[1].state = WB_CALLBACK_RETRYING;
	w->jobs[1].attempts = 9;
	w->jobs[1].last_at_ms = 1000;
	assign(w, 0);
	turn_until(w, 1);
	assert_recorded(w, 1, 10, "failed");
	assert_int_equal(waiting(w), 0);
	world_free(w);
}

static void a_host_that_left_the_list_is_not_called(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	w->jobs[1].url = "https://example.com/";
	assign(w, 0);
	turn_until(w, 1);
	assert_recorded(w, 1, 1, "retrying");
	world_free(w);
}

static void what_was_made_by_another_is_not_repeated(void **state)
{
	struct world *w = world_new();

	(void)state;
	assign(w, 0);
	add_job(w, 1, 0);
	w->jobs[1].state = WB_CALLBACK_DELIVERED;
	wb_callbacks_ended(w->callbacks, id_of(1), 0);
	wb_callbacks_ended(w->callbacks, id_of(2), 0); /* not known any more */
	turn_until(w, 0);
	assert_int_equal(waiting(w), 0);
	world_free(w);
}

static void an_outcome_is_appended_until_it_is_acknowledged(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	w->append_err = WB_EFULL;
	assign(w, 0);
	turn_until(w, 0);
	assert_false(wb_callbacks_idle(w->callbacks, 0));
	w->append_err = WB_OK;
	w->ack_err = WB_ETIMEDOUT;
	turn_until(w, 1);
	assert_false(wb_callbacks_idle(w->callbacks, 0));
	w->ack_err = WB_OK;
	turn_until(w, 2);
	assert_recorded(w, 1, 1, "retrying"); /* the same attempt */
	assert_true(wb_callbacks_idle(w->callbacks, 0));
	world_free(w);
}

static void a_partition_leaves_when_its_outcomes_are_recorded(void **state)
{
	struct world *w = world_new();

	(void)state;
	add_job(w, 1, 0);
	add_job(w, 2, 0);
	w->jobs[2].state = WB_CALLBACK_RETRYING;
	w->jobs[2].attempts = 1;
	w->jobs[2].last_at_ms = wb_clock_wall_ms() - 4000; /* due in a second, were it not for its leave */
	w->hold_acks = true;
	assign(w, 0);
	turn_until(w, 1);
	assert_false(wb_callbacks_idle(w->callbacks, 0));
	assert_true(wb_callbacks_idle(w->callbacks, 1));
	wb_callbacks_leaving(w->callbacks, 0);
	assert_false(wb_callbacks_idle(w->callbacks, 0));
	w->ack(w->ack_arg, WB_OK);
	wb_callbacks_turn(w->callbacks, 0);
	assert_true(wb_callbacks_idle(w->callbacks, 0));
	wb_callbacks_gone(w->callbacks, 0);
	wb_callbacks_ended(w->callbacks, id_of(1), 0);
	assert_int_equal(waiting(w), 0);
	world_free(w);
}

static void nothing_starts_after_quiesce(void **state)
{
	struct world *w = world_new();
	static const struct wb_callback_group group = { 0 };

	(void)state;
	assign(w, 0);
	wb_callbacks_quiesce(w->callbacks, wb_clock_mono_ms() + 10000);
	add_job(w, 1, 0);
	wb_callbacks_ended(w->callbacks, id_of(1), 0);
	turn_until(w, 0);
	wb_callbacks_start(w->callbacks, &group);
	wb_callbacks_stop(w->callbacks); /* at once, as nothing is under way */
	assert_int_equal(w->records, 0);
	world_free(w);
}

static void the_thread_finishes_what_is_under_way(void **state)
{
	struct world *w = world_new();
	static const struct wb_callback_group group = { 0 };

	(void)state;
	add_job(w, 1, 0);
	w->hold_acks = true;
	assign(w, 0);
	turn_until(w, 1);
	wb_callbacks_start(w->callbacks, &group);
	wb_callbacks_quiesce(w->callbacks, wb_clock_mono_ms() + 20000);
	w->ack(w->ack_arg, WB_OK);
	wb_callbacks_stop(w->callbacks);
	assert_true(wb_callbacks_idle(w->callbacks, 0));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ended_job_is_called_and_the_attempt_recorded),
		cmocka_unit_test(only_of_partitions_that_are_ours_and_caught_up),
		cmocka_unit_test(a_view_that_is_behind_is_asked_again),
		cmocka_unit_test(an_answer_for_an_earlier_time_is_not_taken),
		cmocka_unit_test(what_others_began_goes_on),
		cmocka_unit_test(the_tenth_attempt_is_the_last),
		cmocka_unit_test(a_host_that_left_the_list_is_not_called),
		cmocka_unit_test(what_was_made_by_another_is_not_repeated),
		cmocka_unit_test(an_outcome_is_appended_until_it_is_acknowledged),
		cmocka_unit_test(a_partition_leaves_when_its_outcomes_are_recorded),
		cmocka_unit_test(nothing_starts_after_quiesce),
		cmocka_unit_test(the_thread_finishes_what_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
