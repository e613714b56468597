/* A recorder between a test and librdkafka's mock: writes with made-up messages, what came back, what stands on the
 * topics. */
#ifndef WB_TESTS_UNIT_CONSUMER_RECORDING_H
#define WB_TESTS_UNIT_CONSUMER_RECORDING_H

#include "common/base/clock.h"
#include "common/base/compiler.h"
#include "common/contract/dead_letter.h"
#include "common/kafka/reader.h"
#include "consumer/recorder.h"
#include "tests/unit/common/kafka/mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
enum {
	WAIT_MS = 30000,
	STEP_US = 2000, /* how often is looked */
	PRODUCE = 0, /* Kafka's api key */
	SEQS_MAX = 20000,
	PARTITIONS = 3,
};

/* Of one write on the results topic. */
struct seen_outcome {
	unsigned times;
	enum wb_outcome outcome;
};

struct recording {
	struct mock mock;
	struct wb_recorder_settings settings;
	struct wb_recorder *recorder;
	struct wb_handover finished, given_up;
	struct wb_list back; /* what came back so far */
	struct wb_assignment assignments[PARTITIONS];
	struct wb_originals originals; /* of the writes */
	/* What the results topic says. */
	struct seen_outcome jobs[SEQS_MAX], untracked[SEQS_MAX];
	double charge;
	size_t records, failures;
	int64_t failure_letter; /* of the last: the offset of its letter */
	bool letters_may_be_unplaced;
};

static inline int recording_setup(void **state)
{
	struct recording *r = wb_xcalloc(1, sizeof *r);

	mock_start(&r->mock, 1);
	mock_set(&r->mock, "topic.metadata.refresh.fast.interval.ms", "20");
	mock_topic(&r->mock, "results", 4);
	mock_topic(&r->mock, "letters", 2);
	wb_originals_init(&r->originals, 1 << 20);
	wb_handover_init(&r->finished, NULL, NULL);
	wb_handover_init(&r->given_up, NULL, NULL);
	for (int32_t p = 0; p < PARTITIONS; p++)
		r->assignments[p] = (struct wb_assignment){ .topic = "writes", .partition = p };
	r->settings = (struct wb_recorder_settings){ .kafka = &r->mock.options,
		.client_id = "consumer-1",
		.interval_ms = 5,
		.finished = &r->finished,
		.given_up = &r->given_up,
		.metrics = wb_metrics_new(),
		.health = wb_health_new() };
	*state = r;
	return 0;
}

static inline void recording_start(struct recording *r)
{
	struct wb_error e = { "" };

	r->recorder = wb_recorder_new(&r->settings, &e);
	if (!r->recorder)
		fail_msg("%s", e.text);
}

static inline int recording_teardown(void **state)
{
	struct recording *r = *state;
	struct wb_write *w;

	wb_recorder_free(&r->recorder, 0);
	wb_handover_take(&r->finished, &r->back);
	wb_handover_take(&r->given_up, &r->back);
	while ((w = wb_write_of(wb_list_pop(&r->back)))) {
		wb_write_let_go_original(w, &r->originals);
		wb_write_free(&w);
	}
	wb_originals_release(&r->originals);
	wb_handover_release(&r->finished);
	wb_handover_release(&r->given_up);
	wb_metrics_free(&r->settings.metrics);
	wb_health_free(&r->settings.health);
	mock_stop(&r->mock);
	free(r);
	return 0;
}

/* A write on its way to Cosmos DB and judged: number is its offset, and its seq where job is not NULL. */
static inline struct wb_write *judged(struct recording *r, const char *job, uint64_t number, enum wb_outcome outcome)
{
	static const struct wb_header theirs[] = {
		{ WB_SLICE_LIT("theirs"), WB_SLICE_LIT("kept") },
		{ WB_SLICE_LIT("__connect.errors.topic"), WB_SLICE_LIT("theirs too") },
	};
	struct wb_write *w = wb_write_new();

	w->assignment = &r->assignments[number % PARTITIONS];
	w->offset = (int64_t)number;
	w->timestamp_ms = 1760000000000;
	w->key = LIT("key");
	w->value = LIT("{\"id\":\"key\"}");
	w->original = wb_original_new(
		&r->originals, &w->key, &w->value, theirs, WB_ARRAY_LEN(theirs), &w->original_bytes);
	w->id = LIT("key");
	w->pk_text = LIT("[\"a\"]");
	w->tracked = job;
	if (job)
		memset(w->job, job[0], WB_JOB_ID_LEN);
	w->seq = number;
	w->request_charge = outcome == WB_SUPERSEDED ? 0 : 2;
	w->outcome = outcome;
	if (outcome == WB_DEAD) {
		w->reason = WB_REASON_CONFLICT;
		wb_write_note_failure(w, 409, 0, LIT("activity"), LIT("there is one already"), 1760000000001);
		(void)snprintf(w->failure->item_etag, sizeof w->failure->item_etag, "\"etag-%d\"", (int)number);
	}
	if (outcome != WB_SUPERSEDED) {
		wb_write_advance(w, WB_WRITE_IN_FLIGHT);
		w->attempts = 1;
	}
	wb_write_advance(w, WB_WRITE_JUDGED);
	return w;
}

static inline void submit(struct recording *r, struct wb_write *w)
{
	struct wb_list batch = { 0 };

	wb_list_push(&batch, &w->link);
	wb_recorder_judged(r->recorder, &batch);
	assert_null(batch.head);
}

static inline void submit_many(
	struct recording *r, const char *job, uint64_t from, uint64_t to, enum wb_outcome outcome)
{
	struct wb_list batch = { 0 };

	for (uint64_t n = from; n < to; n++)
		wb_list_push(&batch, &judged(r, job, n, outcome)->link);
	wb_recorder_judged(r->recorder, &batch);
}

static inline void wait_back(struct recording *r, size_t count)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	while (r->back.count < count && wb_clock_mono_ms() < deadline_ms)
		wb_handover_wait(&r->finished, &r->back, 100);
	assert_int_equal(r->back.count, count);
}

/* All came back as finished, which only what is acknowledged does: nothing was given up. */
static inline void assert_all_finished(struct recording *r)
{
	for (struct wb_link *link = r->back.head; link; link = link->next)
		assert_int_equal(wb_write_of(link)->state, WB_WRITE_RECORDED);
}

/* The recorder had its end: so many were given up, and not one was finished. */
static inline void assert_given_up(struct recording *r, size_t count)
{
	assert_int_equal(r->back.count, 0);
	wb_handover_take(&r->finished, &r->back);
	assert_int_equal(r->back.count, 0);
	wb_handover_take(&r->given_up, &r->back);
	assert_int_equal(r->back.count, count);
}

static inline void assert_nothing_back(struct recording *r)
{
	wb_handover_take(&r->finished, &r->back);
	assert_int_equal(r->back.count, 0);
}

static inline double counted(struct recording *r, const char *name, const char *labels)
{
	return wb_counter_value(wb_metrics_counter(r->settings.metrics, name, "", labels));
}

static inline void wait_counted(struct recording *r, const char *name, const char *labels, double at_least)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	while (counted(r, name, labels) < at_least && wb_clock_mono_ms() < deadline_ms)
		(void)usleep(STEP_US);
	assert_true(counted(r, name, labels) >= at_least);
}

/* Whether health has the text. */
static inline bool health_says(struct recording *r, const char *text)
{
	struct wb_buf page;
	bool found;

	wb_buf_init(&page, 1 << 16);
	wb_health_render(r->settings.health, &page);
	wb_buf_append_char(&page, '\0');
	found = strstr(page.data, text) != NULL;
	wb_buf_release(&page);
	return found;
}

static inline void wait_health(struct recording *r, const char *text)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	while (!health_says(r, text) && wb_clock_mono_ms() < deadline_ms)
		(void)usleep(STEP_US);
	assert_true(health_says(r, text));
}

/* Hands every record of the topic to fn; returns how many there are. */
static inline size_t read_topic(struct recording *r, const char *topic, wb_kafka_record_fn fn, void *arg)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
	enum wb_err err = WB_OK;
	struct wb_error e = { "" };
	const struct wb_kafka_reader_settings all = { .topic = topic, .client_id = "reader", .timeout_ms = WAIT_MS };
	struct wb_kafka_reader *reader = wb_kafka_reader_new(&r->mock.options, &all, NULL, &e);
	size_t count = 0;

	if (!reader)
		fail_msg("%s", e.text);
	assert_int_equal(wb_kafka_reader_mark(reader, WAIT_MS, &e), WB_OK);
	while (!wb_kafka_reader_reached(reader, NULL) && wb_clock_mono_ms() < deadline_ms)
		count += wb_kafka_reader_poll(reader, 1000, 100, fn, arg, &err, &e);
	assert_true(wb_kafka_reader_reached(reader, NULL));
	wb_kafka_reader_free(&reader);
	return count;
}

static inline void see(struct seen_outcome *all, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++) {
		assert_true(n < SEQS_MAX);
		if (all[n].times++ == 0)
			all[n].outcome = outcome;
	}
}

static inline void see_job(
	void *arg, struct wb_slice job, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms)
{
	struct recording *r = arg;

	(void)job;
	(void)at_ms;
	see(r->jobs, outcome, first, last);
}

static inline void see_charge(void *arg, struct wb_slice job, double request_units)
{
	struct recording *r = arg;

	(void)job;
	r->charge += request_units;
}

static inline void see_failure(void *arg, struct wb_slice job, const struct wb_result_failure *failure)
{
	struct recording *r = arg;

	(void)job;
	r->failures++;
	assert_int_equal(failure->reason, WB_REASON_CONFLICT);
	assert_int_equal(failure->status, 409);
	assert_true(failure->letter_partition >= 0 || r->letters_may_be_unplaced);
	r->failure_letter = failure->letter_offset;
}

static inline void see_untracked(
	void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	struct recording *r = arg;

	assert_true(wb_slice_eq_cstr(topic, "writes"));
	assert_int_equal(first % PARTITIONS, partition);
	assert_int_equal(first, last); /* as neighbours are of other partitions */
	see(r->untracked, outcome, first, last);
}

static inline void see_record(void *arg, const struct wb_kafka_record *record)
{
	static const struct wb_result_visitor visitor = {
		.job_outcome = see_job, .job_charge = see_charge, .job_failure = see_failure, .untracked = see_untracked
	};
	struct wb_error e = { "" };

	if (wb_result_decode(record->value, &visitor, arg, &e) != WB_OK)
		fail_msg("%s", e.text);
}

/* Reads the results topic anew. */
static inline void see_results(struct recording *r)
{
	memset(r->jobs, 0, sizeof r->jobs);
	memset(r->untracked, 0, sizeof r->untracked);
	r->charge = 0;
	r->failures = 0;
	r->records = read_topic(r, "results", see_record, r);
}

/* Each of from..to - 1 has this outcome and no other. */
static inline void assert_outcomes(
	const struct seen_outcome *all, uint64_t from, uint64_t to, enum wb_outcome outcome, bool once)
{
	for (uint64_t n = from; n < to; n++) {
		assert_true(once ? all[n].times == 1 : all[n].times >= 1);
		assert_int_equal(all[n].outcome, outcome);
	}
}

#endif
