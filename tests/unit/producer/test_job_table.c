#include "producer/job_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define JOB   "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
#define HOUR  3600000

static const struct wb_job_limits limits = { .retention_ms = 10 * HOUR, .unaccepted_ms = HOUR, .max = 1000 };

/* Records are written by hand, as another implementation may write them. */
static void apply_at(struct wb_job_table *t, int32_t partition, int64_t at_ms, const char *record)
{
	struct wb_error e = { "" };
	enum wb_err err = wb_job_table_apply(t, partition, at_ms, wb_slice_cstr(record), &e);

	if (err != WB_OK)
		print_message("%s: %s\n", record, e.text);
	assert_int_equal(err, WB_OK);
}

static void accept(struct wb_job_table *t, const char *job, unsigned count, int64_t at_ms)
{
	char record[256];

	(void)snprintf(record, sizeof record, "{\"type\":\"accepted\",\"job\":\"%s\",\"count\":%u,\"at\":%lld}", job,
		count, (long long)at_ms);
	apply_at(t, 0, at_ms, record);
}

static void outcome(struct wb_job_table *t, const char *job, const char *members, int64_t at_ms)
{
	char record[1024];

	(void)snprintf(record, sizeof record,
		"{\"type\":\"outcomes\",\"consumer\":\"c\",\"at\":%lld,\"jobs\":[{\"job\":\"%s\",%s}]}",
		(long long)at_ms, job, members);
	apply_at(t, 0, at_ms, record);
}

static struct wb_job_info find(struct wb_job_table *t, const char *job)
{
	struct wb_job_info info;

	assert_true(wb_job_table_find(t, wb_slice_cstr(job), &info));
	return info;
}

static bool known(struct wb_job_table *t, const char *job)
{
	struct wb_job_info info;

	return wb_job_table_find(t, wb_slice_cstr(job), &info);
}

static void assert_ledger(const struct wb_job_table *t, uint64_t accepted, uint64_t unaccepted, uint64_t written,
	uint64_t superseded, uint64_t dead, uint64_t pending)
{
	struct wb_job_totals totals = wb_job_table_totals(t);

	assert_int_equal(totals.accepted, accepted);
	assert_int_equal(totals.unaccepted, unaccepted);
	assert_int_equal(totals.written, written);
	assert_int_equal(totals.superseded, superseded);
	assert_int_equal(totals.dead, dead);
	assert_int_equal(totals.pending, pending);
	assert_int_equal(accepted + unaccepted, written + superseded + dead + pending);
}

static void a_job_goes_from_not_started_to_succeeded(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct wb_job_info info;

	(void)state;
	assert_false(known(t, JOB));
	accept(t, JOB, 10, 1000);
	info = find(t, JOB);
	assert_string_equal(info.id, JOB);
	assert_int_equal(info.status, WB_JOB_NOT_STARTED);
	assert_int_equal(info.accepted, 10);
	assert_int_equal(info.pending, 10);
	assert_int_equal(info.created_ms, 1000);
	assert_int_equal(info.completed_ms, 0);
	outcome(t, JOB, "\"written\":[0,4,8,8],\"charge\":12.5", 2000);
	info = find(t, JOB);
	assert_int_equal(info.status, WB_JOB_RUNNING);
	assert_int_equal(info.written, 6);
	assert_int_equal(info.pending, 4);
	outcome(t, JOB, "\"superseded\":[5,5],\"written\":[6,7,9,9],\"charge\":2.5", 3000);
	info = find(t, JOB);
	assert_int_equal(info.status, WB_JOB_SUCCEEDED);
	assert_int_equal(info.written, 9);
	assert_int_equal(info.superseded, 1);
	assert_int_equal(info.pending, 0);
	assert_int_equal(info.completed_ms, 3000);
	assert_true(info.request_charge > 14.99 && info.request_charge < 15.01);
	assert_ledger(t, 10, 0, 9, 1, 0, 0);
	wb_job_table_free(&t);
}

static void a_job_with_a_dead_write_fails_when_nothing_is_pending(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct wb_job_info info;

	(void)state;
	accept(t, JOB, 3, 1000);
	outcome(t, JOB,
		"\"dead\":[1,1],\"failures\":[{\"seq\":1,\"id\":\"x\",\"reason\":\"bad-request\",\"status\":400,"
		"\"deadLetter\":{\"partition\":2,\"offset\":7}}]",
		2000);
	assert_int_equal(find(t, JOB).status, WB_JOB_RUNNING);
	outcome(t, JOB, "\"written\":[0,0,2,2]", 3000);
	info = find(t, JOB);
	assert_int_equal(info.status, WB_JOB_FAILED);
	assert_int_equal(info.dead, 1);
	assert_int_equal(info.failure_count, 1);
	assert_int_equal(info.failures[0].seq, 1);
	assert_true(wb_slice_eq_cstr(info.failures[0].id, "x"));
	assert_int_equal(info.failures[0].reason, WB_REASON_BAD_REQUEST);
	assert_int_equal(info.failures[0].status, 400);
	assert_int_equal(info.failures[0].letter_partition, 2);
	assert_int_equal(info.failures[0].letter_offset, 7);
	assert_ledger(t, 3, 0, 2, 0, 1, 0);
	wb_job_table_free(&t);
}

static void the_first_outcome_of_a_write_counts_and_repeats_do_not(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	static const char late_death[] =
		"\"dead\":[0,3],\"failures\":[{\"seq\":0,\"id\":\"zero\",\"reason\":\"conflict\"},"
		"{\"seq\":3,\"id\":\"three\",\"reason\":\"conflict\"}]";
	struct wb_job_info info;

	(void)state;
	accept(t, JOB, 5, 1000);
	outcome(t, JOB, "\"written\":[0,2]", 2000);
	outcome(t, JOB, late_death, 2500);
	info = find(t, JOB);
	assert_int_equal(info.written, 3);
	assert_int_equal(info.dead, 1);
	assert_int_equal(info.failure_count, 1);
	assert_int_equal(info.failures[0].seq, 3);
	outcome(t, JOB, late_death, 2600);
	outcome(t, JOB, "\"written\":[0,4]", 2700);
	info = find(t, JOB);
	assert_int_equal(info.written, 4);
	assert_int_equal(info.dead, 1);
	assert_int_equal(info.failure_count, 1);
	assert_int_equal(info.status, WB_JOB_FAILED);
	outcome(t, JOB, "\"superseded\":[0,4]", 2800);
	assert_int_equal(find(t, JOB).superseded, 0);
	assert_ledger(t, 5, 0, 4, 0, 1, 0);
	wb_job_table_free(&t);
}

static void outcomes_may_come_before_the_accepted_record(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	outcome(t, JOB, "\"written\":[0,1]", 1000);
	assert_false(known(t, JOB));
	assert_ledger(t, 0, 2, 2, 0, 0, 0);
	accept(t, JOB, 3, 1100);
	assert_int_equal(find(t, JOB).written, 2);
	assert_int_equal(find(t, JOB).created_ms, 1100);
	assert_ledger(t, 3, 0, 2, 0, 0, 1);
	outcome(t, JOB, "\"written\":[2,2]", 1200);
	assert_int_equal(find(t, JOB).status, WB_JOB_SUCCEEDED);
	wb_job_table_free(&t);
}

static void all_outcomes_before_the_accepted_record_end_the_job_at_once(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	outcome(t, JOB, "\"written\":[0,2]", 1000);
	accept(t, JOB, 3, 900);
	assert_int_equal(find(t, JOB).status, WB_JOB_SUCCEEDED);
	assert_true(find(t, JOB).completed_ms >= find(t, JOB).created_ms);
	assert_ledger(t, 3, 0, 3, 0, 0, 0);
	wb_job_table_free(&t);
}

static void a_second_accepted_record_changes_nothing(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	accept(t, JOB, 3, 1000);
	accept(t, JOB, 30, 2000);
	assert_int_equal(find(t, JOB).accepted, 3);
	outcome(t, JOB, "\"written\":[0,2]", 3000);
	accept(t, JOB, 3, 4000);
	assert_int_equal(find(t, JOB).status, WB_JOB_SUCCEEDED);
	assert_ledger(t, 3, 0, 3, 0, 0, 0);
	wb_job_table_free(&t);
}

static void writes_beyond_the_count_are_unaccepted(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	accept(t, JOB, 3, 1000);
	outcome(t, JOB, "\"written\":[1,4]", 2000);
	assert_int_equal(find(t, JOB).pending, 1);
	assert_ledger(t, 3, 2, 4, 0, 0, 1);
	outcome(t, OTHER, "\"dead\":[0,4]", 2000);
	accept(t, OTHER, 2, 2000);
	assert_int_equal(find(t, OTHER).status, WB_JOB_FAILED);
	assert_ledger(t, 5, 5, 4, 0, 5, 1);
	wb_job_table_free(&t);
}

static void outcomes_without_accepted_record_wait_an_hour_of_the_topics_time(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	outcome(t, JOB, "\"written\":[0,1]", 1000);
	outcome(t, OTHER, "\"written\":[0,0]", 1000 + HOUR / 2);
	assert_int_equal(wb_job_table_counts(t).awaited, 2);
	apply_at(t, 1, 100 * HOUR, "{\"type\":\"outcomes\",\"at\":1}");
	assert_int_equal(wb_job_table_counts(t).awaited, 2);
	wb_job_table_expire(t, 100 * HOUR, false);
	assert_int_equal(wb_job_table_counts(t).awaited, 2);
	apply_at(t, 0, 1001 + HOUR, "{\"type\":\"outcomes\",\"at\":1}");
	assert_int_equal(wb_job_table_counts(t).awaited, 1);
	wb_job_table_expire(t, 100 * HOUR, true);
	assert_int_equal(wb_job_table_counts(t).awaited, 0);
	assert_ledger(t, 0, 3, 3, 0, 0, 0);
	wb_job_table_free(&t);
}

/* A job that is fed from a pipe for hours is written while it is published. */
static void every_outcome_prolongs_the_wait_for_the_accepted_record(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	outcome(t, JOB, "\"written\":[0,1]", 1000);
	outcome(t, OTHER, "\"written\":[0,0]", 2000);
	outcome(t, JOB, "\"written\":[2,2]", HOUR);
	outcome(t, JOB, "\"written\":[3,3]", 2 * HOUR);
	wb_job_table_expire(t, 2 * HOUR + HOUR / 2, true);
	assert_int_equal(wb_job_table_counts(t).awaited, 1);
	accept(t, JOB, 5, 2 * HOUR + HOUR / 2);
	assert_int_equal(find(t, JOB).written, 4);
	assert_int_equal(find(t, JOB).pending, 1);
	assert_ledger(t, 5, 1, 5, 0, 0, 1);
	wb_job_table_free(&t);
}

static void finished_jobs_go_and_unfinished_ones_stay(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	accept(t, JOB, 1, 1000);
	accept(t, OTHER, 1, 1000);
	outcome(t, JOB, "\"dead\":[0,0],\"failures\":[{\"seq\":0,\"id\":\"x\",\"reason\":\"conflict\"}]", 2000);
	wb_job_table_expire(t, 2000 + limits.retention_ms, true);
	assert_true(known(t, JOB));
	wb_job_table_expire(t, 2001 + limits.retention_ms, true);
	assert_false(known(t, JOB));
	assert_true(known(t, OTHER));
	assert_ledger(t, 2, 0, 0, 0, 1, 1);
	wb_job_table_free(&t);
}

static void name_job(unsigned i, char ret[WB_JOB_ID_SIZE])
{
	(void)snprintf(ret, WB_JOB_ID_SIZE, "%08x%024x", i * 2654435761U, i);
}

static void above_the_maximum_the_first_that_finished_lose_their_details(void **state)
{
	const struct wb_job_limits few = { .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = 100 };
	struct wb_job_table *t = wb_job_table_new(&few);
	char job[WB_JOB_ID_SIZE];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		name_job(i, job);
		accept(t, job, 1, 1000 + i);
		if (i % 10)
			outcome(t, job, "\"written\":[0,0]", 1000 + i);
	}
	assert_int_equal(wb_job_table_counts(t).finished, 100);
	assert_int_equal(wb_job_table_counts(t).forgotten, 4400);
	assert_int_equal(wb_job_table_counts(t).unfinished, 500);
	for (unsigned i = 0; i < 5000; i++) {
		bool kept = i % 10 == 0 || i >= 5000 - 111;

		name_job(i, job);
		assert_int_equal(known(t, job), kept);
		assert_int_equal(wb_job_table_forgotten(t, wb_slice_cstr(job)), !kept);
	}
	assert_ledger(t, 5000, 0, 4500, 0, 0, 500);
	wb_job_table_free(&t);
}

static void awaited_jobs_are_bounded(void **state)
{
	const struct wb_job_limits few = { .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = 10 };
	struct wb_job_table *t = wb_job_table_new(&few);
	char job[WB_JOB_ID_SIZE];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		name_job(i, job);
		outcome(t, job, "\"written\":[0,0]", 1000 + i);
	}
	assert_int_equal(wb_job_table_counts(t).awaited, 10);
	assert_ledger(t, 0, 100, 100, 0, 0, 0);
	wb_job_table_free(&t);
}

static void only_ten_failures_are_kept(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	char members[128];

	(void)state;
	accept(t, JOB, 12, 1000);
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(members, sizeof members,
			"\"dead\":[%u,%u],\"failures\":[{\"seq\":%u,\"id\":null,\"reason\":\"missing-id\"}]", i, i, i);
		outcome(t, JOB, members, 2000);
	}
	assert_int_equal(find(t, JOB).failure_count, WB_RESULT_FAILURES_MAX);
	assert_int_equal(find(t, JOB).failures[9].seq, 9);
	assert_null(find(t, JOB).failures[0].id.data);
	wb_job_table_free(&t);
}

static void untracked_writes_count_once_by_their_offset(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	apply_at(t, 0, 1000,
		"{\"type\":\"outcomes\",\"at\":1,\"untracked\":[{\"topic\":\"w\",\"partition\":0,\"written\":[10,19],"
		"\"dead\":[20,20]},{\"topic\":\"w\",\"partition\":1,\"superseded\":[10,10]}]}");
	assert_ledger(t, 12, 0, 10, 1, 1, 0);
	apply_at(t, 0, 2000,
		"{\"type\":\"outcomes\",\"at\":1,\"untracked\":[{\"topic\":\"w\",\"partition\":0,\"written\":[15,21]}]"
		"}");
	assert_ledger(t, 13, 0, 11, 1, 1, 0);
	wb_job_table_free(&t);
}

struct listed {
	char ids[10][WB_JOB_ID_SIZE];
	size_t count;
};

static void take(void *arg, const struct wb_job_info *info)
{
	struct listed *l = arg;

	assert_true(l->count < 10);
	memcpy(l->ids[l->count++], info->id, WB_JOB_ID_SIZE);
}

/* From the newest on. */
static void list(struct wb_job_table *t, unsigned statuses, size_t limit, struct listed *l)
{
	const struct wb_job_filter filter = { .statuses = statuses, .limit = limit };
	struct wb_job_cursor cursor = { .set = false };
	bool more;

	size_t given = wb_job_table_list(t, &filter, &cursor, take, l, &more);

	assert_int_equal(given, l->count);
}

static void lists_are_newest_first_over_all_partitions(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct listed all = { .count = 0 }, two = { .count = 0 }, ended = { .count = 0 };
	char record[256], job[WB_JOB_ID_SIZE];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		name_job(i, job);
		(void)snprintf(record, sizeof record, "{\"type\":\"accepted\",\"job\":\"%s\",\"count\":1,\"at\":%u}",
			job, 1000 + i);
		apply_at(t, (int32_t)(i % 3), 1000 + i, record);
	}
	name_job(3, job);
	outcome(t, job, "\"written\":[0,0]", 3000);
	list(t, 15, 10, &all);
	list(t, 15, 2, &two);
	list(t, 1U << WB_JOB_SUCCEEDED, 10, &ended);
	assert_int_equal(all.count, 6);
	for (unsigned i = 0; i < 6; i++) {
		name_job(5 - i, job);
		assert_string_equal(all.ids[i], job);
	}
	assert_int_equal(two.count, 2);
	assert_string_equal(two.ids[1], all.ids[1]);
	assert_int_equal(ended.count, 1);
	assert_string_equal(ended.ids[0], all.ids[2]);
	wb_job_table_free(&t);
}

static void a_table_for_one_job_looks_at_no_other(void **state)
{
	struct wb_job_limits one = limits;
	struct wb_job_table *t;

	(void)state;
	one.only = JOB;
	t = wb_job_table_new(&one);
	accept(t, OTHER, 1, 1000);
	outcome(t, OTHER, "\"written\":[0,0]", 1000);
	accept(t, JOB, 2, 1000);
	assert_false(known(t, OTHER));
	assert_true(known(t, JOB));
	assert_ledger(t, 2, 0, 0, 0, 0, 2);
	wb_job_table_free(&t);
}

static void what_is_no_results_record_changes_nothing(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_job_table_apply(t, 0, 1, wb_slice_cstr("nonsense"), &e), WB_EINVAL);
	assert_int_equal(
		wb_job_table_apply(t, 0, 1, wb_slice_cstr("{\"type\":\"accepted\",\"job\":\"x\",\"count\":5}"), &e),
		WB_EINVAL);
	apply_at(t, 0, 1000, "{\"type\":\"something\"}");
	assert_ledger(t, 0, 0, 0, 0, 0, 0);
	wb_job_table_free(&t);
}

static void status_words(void **state)
{
	static const char *const words[] = { "NotStarted", "Running", "Succeeded", "Failed" };
	enum wb_job_status status;

	(void)state;
	for (unsigned i = 0; i < WB_JOB_STATUSES; i++) {
		assert_true(wb_job_status_parse(wb_slice_cstr(words[i]), &status));
		assert_int_equal(status, i);
		assert_string_equal(wb_job_status_text(status), words[i]);
	}
	assert_false(wb_job_status_parse(wb_slice_cstr("running"), &status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_goes_from_not_started_to_succeeded),
		cmocka_unit_test(a_job_with_a_dead_write_fails_when_nothing_is_pending),
		cmocka_unit_test(the_first_outcome_of_a_write_counts_and_repeats_do_not),
		cmocka_unit_test(outcomes_may_come_before_the_accepted_record),
		cmocka_unit_test(all_outcomes_before_the_accepted_record_end_the_job_at_once),
		cmocka_unit_test(a_second_accepted_record_changes_nothing),
		cmocka_unit_test(writes_beyond_the_count_are_unaccepted),
		cmocka_unit_test(outcomes_without_accepted_record_wait_an_hour_of_the_topics_time),
		cmocka_unit_test(every_outcome_prolongs_the_wait_for_the_accepted_record),
		cmocka_unit_test(finished_jobs_go_and_unfinished_ones_stay),
		cmocka_unit_test(above_the_maximum_the_first_that_finished_lose_their_details),
		cmocka_unit_test(awaited_jobs_are_bounded),
		cmocka_unit_test(only_ten_failures_are_kept),
		cmocka_unit_test(untracked_writes_count_once_by_their_offset),
		cmocka_unit_test(lists_are_newest_first_over_all_partitions),
		cmocka_unit_test(a_table_for_one_job_looks_at_no_other),
		cmocka_unit_test(what_is_no_results_record_changes_nothing),
		cmocka_unit_test(status_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
