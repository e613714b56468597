#include "consumer/recorder.h"

#include "tests/unit/consumer/recording.h"

#define JOB "a"

static void an_outcome_is_acknowledged_before_its_write_is_finished(void **state)
{
	struct recording *r = *state;

	for (int p = 0; p < 4; p++)
		rd_kafka_mock_partition_set_leader(r->mock.cluster, "results", p, -1);
	recording_start(r);
	submit_many(r, JOB, 0, 10, WB_WRITTEN);
	wait_counted(r, "writebehind_outcomes_total", "outcome=\"written\"", 10);
	wait_counted(r, "writebehind_results_records_total", "", 1);
	assert_nothing_back(r);
	for (int p = 0; p < 4; p++)
		rd_kafka_mock_partition_set_leader(r->mock.cluster, "results", p, 1);
	wait_back(r, 10);
	assert_all_finished(r);
	see_results(r);
	assert_outcomes(r->jobs, 0, 10, WB_WRITTEN, true);
	assert_true(r->charge == 20);
}

/* Whether the page of metrics has the line. */
static bool metrics_say(struct recording *r, const char *line)
{
	struct wb_buf page;
	bool found;

	wb_buf_init(&page, 1 << 20);
	wb_metrics_render(r->settings.metrics, &page);
	found = strstr(page.data, line) != NULL;
	wb_buf_release(&page);
	return found;
}

static void the_time_from_record_to_outcome_is_observed(void **state)
{
	struct recording *r = *state;
	struct wb_write *w;

	recording_start(r);
	w = judged(r, JOB, 0, WB_WRITTEN);
	w->timestamp_ms = wb_clock_wall_ms() - 100 * 86400000LL;
	submit(r, w);
	w = judged(r, JOB, 1, WB_SUPERSEDED);
	w->timestamp_ms = wb_clock_wall_ms() + 86400000; /* a clock that is ahead */
	submit(r, w);
	w = judged(r, JOB, 2, WB_WRITTEN);
	w->timestamp_ms = -1; /* none: nobody knows */
	submit(r, w);
	wait_back(r, 3);
	assert_true(metrics_say(r, "writebehind_end_to_end_seconds_bucket{outcome=\"written\",le=\"86400\"} 0\n"));
	assert_true(metrics_say(r, "writebehind_end_to_end_seconds_count{outcome=\"written\"} 1\n"));
	assert_true(metrics_say(r, "writebehind_end_to_end_seconds_bucket{outcome=\"superseded\",le=\"0.05\"} 1\n"));
	assert_true(metrics_say(r, "writebehind_end_to_end_seconds_sum{outcome=\"superseded\"} 0\n"));
	assert_true(metrics_say(r, "writebehind_end_to_end_seconds_count{outcome=\"dead\"} 0\n"));
}

static void count_record(void *arg, const struct wb_kafka_record *record)
{
	(void)record;
	++*(size_t *)arg;
}

static void a_letter_is_acknowledged_before_its_outcome_is_told(void **state)
{
	struct recording *r = *state;
	size_t results = 0;

	for (int p = 0; p < 2; p++)
		rd_kafka_mock_partition_set_leader(r->mock.cluster, "letters", p, -1);
	recording_start(r);
	submit(r, judged(r, JOB, 0, WB_DEAD));
	/* Of another job, so that it passes through the whole recorder after the dead one. */
	submit(r, judged(r, "b", 1, WB_WRITTEN));
	wait_back(r, 1);
	assert_int_equal(wb_write_of(r->back.head)->seq, 1);
	assert_true(counted(r, "writebehind_outcomes_total", "outcome=\"dead\"") == 0);
	(void)read_topic(r, "results", count_record, &results);
	assert_int_equal(results, 1);
	for (int p = 0; p < 2; p++)
		rd_kafka_mock_partition_set_leader(r->mock.cluster, "letters", p, 1);
	wait_back(r, 2);
	assert_all_finished(r);
	see_results(r);
	assert_outcomes(r->jobs, 0, 1, WB_DEAD, true);
	assert_int_equal(r->failures, 1);
	assert_int_equal(r->failure_letter, 0);
}

/* The one letter that is expected: how it was sent. */
struct letter {
	size_t count;
	enum wb_dead_letter_form form;
	char etag[64];
};

static void see_letter(void *arg, const struct wb_kafka_record *record)
{
	struct letter *letter = arg;
	struct wb_dead_letter facts;

	letter->count++;
	assert_true(wb_slice_eq_cstr(record->key, "key"));
	assert_true(wb_slice_eq_cstr(record->value, "{\"id\":\"key\"}"));
	/* The original's come first and whole, whatever they are called. */
	assert_true(wb_slice_eq_cstr(record->headers[0].name, "theirs"));
	assert_true(wb_slice_eq_cstr(record->headers[1].value, "theirs too"));
	assert_true(wb_dead_letter_parse(record->headers, record->header_count, &facts));
	assert_int_equal(facts.reason, WB_REASON_CONFLICT);
	assert_true(wb_slice_eq_cstr(facts.origin_topic, "writes"));
	assert_int_equal(facts.origin_offset % PARTITIONS, facts.origin_partition);
	(void)snprintf(letter->etag, sizeof letter->etag, "%.*s", (int)facts.item_etag.len, facts.item_etag.data);
	letter->form = wb_header_find(record->headers, record->header_count, "__connect.errors.stage")
		? WB_DEAD_LETTER_FULL
		: facts.message.data ? WB_DEAD_LETTER_SHORT
				     : WB_DEAD_LETTER_LEAST;
}

static void push_too_large(struct recording *r, int times)
{
	for (int i = 0; i < times; i++)
		rd_kafka_mock_push_request_errors(r->mock.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
}

/* Alone and whole first, as it may have been its batch that was too large. */
static void a_letter_that_is_too_large_is_trimmed_step_by_step(void **state)
{
	static const enum wb_dead_letter_form forms[] = { WB_DEAD_LETTER_FULL, WB_DEAD_LETTER_FULL,
		WB_DEAD_LETTER_SHORT, WB_DEAD_LETTER_LEAST };
	struct recording *r = *state;
	struct letter letter = { 0 };

	recording_start(r);
	for (int refusals = 0; refusals < 4; refusals++) {
		char etag[64];

		push_too_large(r, refusals);
		submit(r, judged(r, JOB, (uint64_t)refusals, WB_DEAD));
		wait_back(r, (size_t)refusals + 1);
		letter = (struct letter){ 0 };
		assert_int_equal(read_topic(r, "letters", see_letter, &letter), refusals + 1);
		assert_int_equal(letter.form, forms[refusals]);
		(void)snprintf(etag, sizeof etag, "\"etag-%d\"", refusals);
		assert_string_equal(letter.etag, etag);
		assert_false(health_says(r, "letters"));
	}
	assert_all_finished(r);
	assert_true(counted(r, "writebehind_letters_trimmed_total", "headers=\"short\"") == 1);
	assert_true(counted(r, "writebehind_letters_trimmed_total", "headers=\"least\"") == 1);
	see_results(r);
	assert_outcomes(r->jobs, 0, 4, WB_DEAD, true);
}

static void a_letter_that_is_refused_at_its_least_is_told_and_tried_again(void **state)
{
	struct recording *r = *state;
	struct letter letter = { 0 };

	recording_start(r);
	push_too_large(r, 50);
	submit(r, judged(r, JOB, 7, WB_DEAD));
	wait_health(r, "letters does not take the letter of writes/1 offset 7: larger than the limit");
	/* Together, alone, short, least, and then as it was last. */
	wait_counted(r, "writebehind_results_resent_total", "", 6);
	assert_nothing_back(r);
	rd_kafka_mock_clear_request_errors(r->mock.cluster, PRODUCE);
	submit(r, judged(r, JOB, 3, WB_WRITTEN));
	wait_back(r, 2);
	assert_all_finished(r);
	wait_health(r, "\"letters\",\"ok\":true");
	assert_int_equal(read_topic(r, "letters", see_letter, &letter), 1);
	assert_int_equal(letter.form, WB_DEAD_LETTER_LEAST);
}

static void it_tells_of_letters_that_wait(void **state)
{
	struct recording *r = *state;
	struct wb_board_answer *answers;
	size_t count;

	r->settings.board = wb_board_new();
	recording_start(r);
	push_too_large(r, 50);
	submit(r, judged(r, JOB, 7, WB_DEAD));
	wait_health(r, "does not take the letter");
	wb_board_ask(r->settings.board, WAIT_MS, &answers, &count);
	assert_int_equal(count, 1);
	assert_string_equal(answers[0].name, "recorder");
	assert_non_null(answers[0].snapshot);
	assert_true(answers[0].snapshot->held_total <= 1); /* it waits, or is just being tried */
	if (answers[0].snapshot->held_count) {
		assert_string_equal(answers[0].snapshot->held[0].id, "key");
		assert_int_equal(answers[0].snapshot->held[0].status, 409);
	}
	wb_board_answers_free(&answers, count);
	wb_recorder_free(&r->recorder, 0);
	wb_board_free(&r->settings.board);
}

static void the_etag_of_a_dead_write_is_unknown_unless_it_was_read(void **state)
{
	static const char *const etags[] = { "", "absent" }, *const told[] = { "unknown", "absent" };
	struct recording *r = *state;

	recording_start(r);
	for (uint64_t i = 0; i < 2; i++) {
		struct wb_write *w = judged(r, JOB, i, WB_DEAD);
		struct letter letter = { 0 };

		(void)snprintf(w->failure->item_etag, sizeof w->failure->item_etag, "%s", etags[i]);
		submit(r, w);
		wait_back(r, i + 1);
		assert_int_equal(read_topic(r, "letters", see_letter, &letter), i + 1);
		assert_string_equal(letter.etag, told[i]);
	}
}

static void letters_wait_while_kafka_takes_none_and_none_is_lost(void **state)
{
	enum { LETTERS = 2000, ERRORS = 4 };
	struct recording *r = *state;

	recording_start(r);
	for (int i = 0; i < ERRORS; i++)
		rd_kafka_mock_push_request_errors(
			r->mock.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	submit_many(r, JOB, 0, LETTERS, WB_DEAD);
	wait_health(r, "\"letters\",\"ok\":false");
	wait_back(r, LETTERS);
	assert_all_finished(r);
	wait_health(r, "\"letters\",\"ok\":true");
	see_results(r);
	assert_outcomes(r->jobs, 0, LETTERS, WB_DEAD, true);
	/* After a refusal one letter at a time tries; where some were taken in between, the next refusal may meet all others. */
	assert_true(counted(r, "writebehind_results_resent_total", "") <= LETTERS * ERRORS);
}

static void refused_outcomes_are_told_and_sent_again(void **state)
{
	struct recording *r = *state;

	recording_start(r);
	for (int i = 0; i < 50; i++)
		rd_kafka_mock_push_request_errors(
			r->mock.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	submit_many(r, JOB, 0, 5, WB_WRITTEN);
	wait_health(r, "\"results\",\"ok\":false");
	wait_health(r, "authorization");
	wait_counted(r, "writebehind_results_resent_total", "", 2);
	assert_nothing_back(r);
	rd_kafka_mock_clear_request_errors(r->mock.cluster, PRODUCE);
	wait_back(r, 5);
	assert_all_finished(r);
	wait_health(r, "\"results\",\"ok\":true");
	see_results(r);
	assert_outcomes(r->jobs, 0, 5, WB_WRITTEN, true);
}

static void outcomes_that_are_too_many_for_the_topic_are_split(void **state)
{
	struct recording *r = *state;

	r->settings.interval_ms = 100;
	recording_start(r);
	push_too_large(r, 2); /* with others, and alone */
	submit_many(r, JOB, 0, 5, WB_WRITTEN);
	wait_back(r, 5);
	assert_all_finished(r);
	see_results(r);
	assert_outcomes(r->jobs, 0, 5, WB_WRITTEN, true);
	assert_true(r->charge == 10);
	assert_int_equal(r->records, 2);
}

static void one_outcome_that_is_too_large_does_not_hold_up_others(void **state)
{
	struct recording *r = *state;

	recording_start(r);
	push_too_large(r, 2);
	submit(r, judged(r, JOB, 0, WB_WRITTEN));
	wait_health(r, "\"results\",\"ok\":false");
	submit(r, judged(r, JOB, 1, WB_WRITTEN));
	wait_back(r, 2);
	assert_all_finished(r);
	wait_health(r, "\"results\",\"ok\":true");
	see_results(r);
	assert_outcomes(r->jobs, 0, 2, WB_WRITTEN, true);
}

static void a_superseded_write_is_told_without_a_letter(void **state)
{
	struct recording *r = *state;
	struct wb_write *w = judged(r, JOB, 2, WB_SUPERSEDED);
	size_t letters = 0;

	recording_start(r);
	submit(r, judged(r, JOB, 0, WB_SUPERSEDED));
	submit(r, judged(r, NULL, 1, WB_SUPERSEDED));
	w->request_charge = 3.5; /* it was sent once, before the newer one came */
	submit(r, w);
	wait_back(r, 3);
	assert_all_finished(r);
	assert_true(counted(r, "writebehind_outcomes_total", "outcome=\"superseded\"") == 3);
	see_results(r);
	assert_outcomes(r->jobs, 0, 1, WB_SUPERSEDED, true);
	assert_outcomes(r->jobs, 2, 3, WB_SUPERSEDED, true);
	assert_outcomes(r->untracked, 1, 2, WB_SUPERSEDED, true);
	assert_true(r->charge == 3.5);
	(void)read_topic(r, "letters", count_record, &letters);
	assert_int_equal(letters, 0);
}

static void hurry_does_not_wait_for_the_interval(void **state)
{
	struct recording *r = *state;

	r->settings.interval_ms = 3600000;
	recording_start(r);
	submit_many(r, JOB, 0, 5, WB_WRITTEN);
	wait_counted(r, "writebehind_outcomes_total", "outcome=\"written\"", 5);
	assert_nothing_back(r);
	wb_recorder_hurry(r->recorder, true);
	wait_back(r, 5);
	assert_all_finished(r);
}

static void free_hurries_too(void **state)
{
	struct recording *r = *state;

	r->settings.interval_ms = 3600000;
	recording_start(r);
	submit_many(r, JOB, 0, 5, WB_WRITTEN);
	submit_many(r, JOB, 5, 8, WB_DEAD);
	wb_recorder_free(&r->recorder, WAIT_MS);
	assert_null(r->recorder);
	wait_back(r, 8);
	assert_all_finished(r);
	see_results(r);
	assert_outcomes(r->jobs, 0, 5, WB_WRITTEN, true);
	assert_outcomes(r->jobs, 5, 8, WB_DEAD, true);
}

/* In every place where a write can be: no partitions known, letter on its way or refused, outcome on its way. */
static void free_hands_back_what_is_unfinished(void **state)
{
	struct recording *r = *state;

	for (int p = 0; p < 4; p++)
		rd_kafka_mock_partition_set_leader(r->mock.cluster, "results", p, -1);
	rd_kafka_mock_partition_set_leader(r->mock.cluster, "letters", 0, -1);
	rd_kafka_mock_partition_set_leader(r->mock.cluster, "letters", 1, -1);
	recording_start(r);
	submit_many(r, JOB, 0, 10, WB_WRITTEN);
	submit_many(r, JOB, 10, 20, WB_DEAD);
	submit_many(r, NULL, 20, 30, WB_SUPERSEDED);
	wait_counted(r, "writebehind_outcomes_total", "outcome=\"superseded\"", 10);
	wb_recorder_free(&r->recorder, 50);
	assert_given_up(r, 30);
}

static void free_without_kafka_hands_everything_back(void **state)
{
	struct recording *r = *state;

	rd_kafka_mock_broker_set_down(r->mock.cluster, 1);
	recording_start(r);
	submit_many(r, JOB, 0, 10, WB_WRITTEN);
	submit_many(r, JOB, 10, 20, WB_DEAD);
	wait_health(r, "\"kafka\",\"ok\":false");
	wb_recorder_free(&r->recorder, 50);
	assert_given_up(r, 20);
}

static void free_hands_back_what_is_refused(void **state)
{
	struct recording *r = *state;

	recording_start(r);
	push_too_large(r, 20);
	submit(r, judged(r, JOB, 0, WB_DEAD));
	wait_health(r, "\"letters\",\"ok\":false");
	submit(r, judged(r, JOB, 1, WB_WRITTEN));
	wait_health(r, "\"results\",\"ok\":false");
	wb_recorder_free(&r->recorder, 0);
	assert_given_up(r, 2);
}

static void kafka_may_come_late(void **state)
{
	struct recording *r = *state;

	rd_kafka_mock_broker_set_down(r->mock.cluster, 1);
	recording_start(r);
	submit_many(r, JOB, 0, 10, WB_WRITTEN);
	submit_many(r, JOB, 10, 20, WB_DEAD);
	wait_health(r, "\"kafka\",\"ok\":false");
	assert_nothing_back(r);
	rd_kafka_mock_broker_set_up(r->mock.cluster, 1);
	wait_back(r, 20);
	assert_all_finished(r);
	wait_health(r, "\"kafka\",\"ok\":true");
}

static void many_jobs_and_partitions_are_told_once_each(void **state)
{
	enum { EACH = 3000 };
	struct recording *r = *state;
	static const char *const jobs[] = { "0", "1", "2", "3", "4", "5" };
	size_t letters = 0;

	recording_start(r);
	for (uint64_t n = 0; n < EACH; n += 100) {
		const char *job = jobs[n / 100 % WB_ARRAY_LEN(jobs)];

		submit_many(r, job, n, n + 90, WB_WRITTEN);
		submit_many(r, job, n + 90, n + 97, WB_SUPERSEDED);
		submit_many(r, job, n + 97, n + 100, WB_DEAD);
		submit_many(r, NULL, n, n + 99, WB_WRITTEN);
		submit_many(r, NULL, n + 99, n + 100, WB_DEAD);
	}
	wait_back(r, 2 * EACH);
	assert_all_finished(r);
	see_results(r);
	for (uint64_t n = 0; n < EACH; n += 100) {
		assert_outcomes(r->jobs, n, n + 90, WB_WRITTEN, true);
		assert_outcomes(r->jobs, n + 90, n + 97, WB_SUPERSEDED, true);
		assert_outcomes(r->jobs, n + 97, n + 100, WB_DEAD, true);
		assert_outcomes(r->untracked, n, n + 99, WB_WRITTEN, true);
		assert_outcomes(r->untracked, n + 99, n + 100, WB_DEAD, true);
	}
	assert_true(r->charge == 2.0 * (EACH - EACH / 100 * 7));
	(void)read_topic(r, "letters", count_record, &letters);
	assert_int_equal(letters, EACH / 100 * 4);
	assert_true(counted(r, "writebehind_dead_total", "reason=\"conflict\"") == EACH / 100 * 4);
}

/* Marks the origins of letters in r->untracked. */
static void mark_letter(void *arg, const struct wb_kafka_record *record)
{
	struct recording *r = arg;
	struct wb_dead_letter facts;

	assert_true(wb_dead_letter_parse(record->headers, record->header_count, &facts));
	see(r->untracked, WB_DEAD, (uint64_t)facts.origin_offset, (uint64_t)facts.origin_offset);
}

/* The client is replaced in the middle; what was in flight may come twice, but nothing is missing.
 *
 * UNKNOWN_PRODUCER_ID is not among the deaths: librdkafka sends such a batch again, and takes it as stored when the one
 * behind it is acknowledged first, as no broker acknowledges a number that does not follow. Its mock does, since it checks
 * the numbers of transactions alone. */
static void a_producer_that_dies_loses_nothing(void **state)
{
	enum { WRITES = 2000 };
	static const rd_kafka_resp_err_t deaths[] = { RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
		RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH };
	struct recording *r = *state;

	recording_start(r);
	for (uint64_t n = 0; n < WRITES; n += 100) {
		rd_kafka_mock_push_request_errors(
			r->mock.cluster, PRODUCE, 2, RD_KAFKA_RESP_ERR_NO_ERROR, deaths[n / 100 % 2]);
		submit_many(r, JOB, n, n + 80, WB_WRITTEN);
		submit_many(r, JOB, n + 80, n + 100, WB_DEAD);
	}
	wait_back(r, WRITES);
	assert_all_finished(r);
	/* Stored, as Kafka says of a repeated number, but nobody knows where. */
	r->letters_may_be_unplaced = true;
	see_results(r);
	for (uint64_t n = 0; n < WRITES; n += 100) {
		assert_outcomes(r->jobs, n, n + 80, WB_WRITTEN, false);
		assert_outcomes(r->jobs, n + 80, n + 100, WB_DEAD, false);
	}
	(void)read_topic(r, "letters", mark_letter, r);
	for (uint64_t n = 0; n < WRITES; n += 100)
		assert_outcomes(r->untracked, n + 80, n + 100, WB_DEAD, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, recording_setup, recording_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_outcome_is_acknowledged_before_its_write_is_finished),
		TEST(a_letter_is_acknowledged_before_its_outcome_is_told),
		TEST(the_time_from_record_to_outcome_is_observed),
		TEST(it_tells_of_letters_that_wait),
		TEST(a_letter_that_is_too_large_is_trimmed_step_by_step),
		TEST(a_letter_that_is_refused_at_its_least_is_told_and_tried_again),
		TEST(the_etag_of_a_dead_write_is_unknown_unless_it_was_read),
		TEST(letters_wait_while_kafka_takes_none_and_none_is_lost),
		TEST(refused_outcomes_are_told_and_sent_again),
		TEST(outcomes_that_are_too_many_for_the_topic_are_split),
		TEST(one_outcome_that_is_too_large_does_not_hold_up_others),
		TEST(a_superseded_write_is_told_without_a_letter),
		TEST(hurry_does_not_wait_for_the_interval),
		TEST(free_hurries_too),
		TEST(free_hands_back_what_is_unfinished),
		TEST(free_without_kafka_hands_everything_back),
		TEST(free_hands_back_what_is_refused),
		TEST(kafka_may_come_late),
		TEST(many_jobs_and_partitions_are_told_once_each),
		TEST(a_producer_that_dies_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
