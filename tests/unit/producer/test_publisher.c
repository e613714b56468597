#include "producer/publisher.h"

#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/contract/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define JOB      "00112233445566778899aabbccddeeff"
#define SENT_MAX 64

/* Kafka, as the publisher sees it: a queue with so much room, whose records the test acknowledges. */
struct sent {
	char topic[16], key[40], value[256], job[40], seq[24], op[16], database[16];
	int32_t partition;
	wb_kafka_ack_fn fn;
	void *arg;
};
struct wb_kafka_producer {
	struct sent sent[SENT_MAX];
	atomic_size_t count;
	atomic_size_t room;
	enum wb_err refusal; /* what send says to the record with this value, if not WB_OK */
	const char *refused_value;
	atomic_bool hold; /* send does not return while it is set */
	atomic_bool held; /* a send has come */
};

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000 * 1000 };

	(void)nanosleep(&pause, NULL); /* woken early is fine */
}

static void copy(char *to, size_t size, struct wb_slice from)
{
	(void)snprintf(to, size, "%.*s", (int)from.len, from.data ? from.data : "");
}

static struct wb_slice header(const struct wb_kafka_record *record, const char *name)
{
	const struct wb_header *h = wb_header_find(record->headers, record->header_count, name);

	return h ? h->value : wb_slice("", 0);
}

/* Stands in for common/kafka/producer.c, which this program therefore does not link. */
enum wb_err wb_kafka_producer_send(
	struct wb_kafka_producer *p, const struct wb_kafka_record *record, wb_kafka_ack_fn fn, void *arg)
{
	struct sent *s;

	if (p->refused_value && wb_slice_eq_cstr(record->value, p->refused_value))
		return p->refusal;
	atomic_store(&p->held, true);
	while (atomic_load(&p->hold))
		pause_ms(1);
	if (atomic_load(&p->room) == 0)
		return WB_EFULL;
	atomic_fetch_sub(&p->room, 1);
	s = &p->sent[atomic_load(&p->count)];
	copy(s->topic, sizeof s->topic, wb_slice_cstr(record->topic));
	copy(s->key, sizeof s->key, record->key);
	copy(s->value, sizeof s->value, record->value);
	copy(s->job, sizeof s->job, header(record, WB_HEADER_JOB));
	copy(s->seq, sizeof s->seq, header(record, WB_HEADER_SEQ));
	copy(s->op, sizeof s->op, header(record, WB_HEADER_OP));
	copy(s->database, sizeof s->database, header(record, WB_HEADER_DATABASE));
	s->partition = record->partition;
	s->fn = fn;
	s->arg = arg;
	atomic_fetch_add(&p->count, 1);
	return WB_OK;
}

static void acknowledge(struct wb_kafka_producer *p, size_t i, enum wb_err err)
{
	const struct wb_kafka_ack ack = { .err = err, .text = "as the test says" };

	p->sent[i].fn(p->sent[i].arg, &ack);
}

struct answer {
	atomic_int times;
	enum wb_err err;
	char why[128];
};

static void on_done(void *arg, enum wb_err err, const char *why)
{
	struct answer *a = arg;

	a->err = err;
	copy(a->why, sizeof a->why, wb_slice_cstr(why));
	atomic_fetch_add(&a->times, 1);
}

struct bench {
	struct wb_kafka_producer kafka;
	struct wb_metrics *metrics;
	struct wb_publisher *publisher;
	struct answer answer;
};

static void begin(struct bench *b, int64_t timeout_ms)
{
	struct wb_publisher_settings settings = {
		.topic_writes = "writes",
		.topic_results = "results",
		.results_partitions = 4,
		.timeout_ms = timeout_ms,
	};

	memset(b, 0, sizeof *b);
	atomic_store(&b->kafka.room, SENT_MAX);
	b->metrics = wb_metrics_new();
	settings.kafka = &b->kafka;
	settings.metrics = b->metrics;
	b->publisher = wb_publisher_new(&settings);
}

static void end(struct bench *b)
{
	wb_publisher_stop(b->publisher);
	wb_publisher_free(&b->publisher);
	wb_metrics_free(&b->metrics);
}

static void submit(struct bench *b, size_t count)
{
	static const char *const ids[] = { "a", "b", "c", "d", "e" };
	struct wb_batch batch;

	wb_batch_init(&batch, 10);
	batch.database = wb_slice_cstr("db");
	for (size_t i = 0; i < count; i++) {
		const struct wb_batch_write write = { .document = wb_slice_cstr("{}"), .id = wb_slice_cstr(ids[i]) };

		assert_int_equal(wb_batch_add(&batch, &write), WB_OK);
	}
	wb_publisher_submit(b->publisher, JOB, 1234, &batch, on_done, &b->answer);
	assert_int_equal(batch.count, 0);
	wb_batch_release(&batch);
}

/* For what another thread does; a condition that never comes fails the test. */
static void wait_for(atomic_size_t *value, size_t wanted)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < 20000 && atomic_load(value) < wanted; i++)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(atomic_load(value), wanted);
}

static void wait_for_answer(struct answer *a)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < 20000 && atomic_load(&a->times) == 0; i++)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(atomic_load(&a->times), 1);
}

static void accepted_is_sent_after_all_acknowledgements_and_answered_after_its_own(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 60000);
	submit(&b, 3);
	assert_int_equal(b.kafka.count, 3);
	acknowledge(&b.kafka, 2, WB_OK);
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(b.kafka.count, 3);
	acknowledge(&b.kafka, 1, WB_OK);
	assert_int_equal(b.kafka.count, 4);
	assert_string_equal(b.kafka.sent[3].topic, "results");
	assert_int_equal(b.kafka.sent[3].partition, wb_murmur2_partition(wb_slice_cstr(JOB), 4));
	assert_non_null(strstr(b.kafka.sent[3].value, "\"accepted\""));
	assert_non_null(strstr(b.kafka.sent[3].value, JOB));
	assert_int_equal(b.answer.times, 0);
	acknowledge(&b.kafka, 3, WB_OK);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_OK);
	assert_int_equal(wb_publisher_in_flight(b.publisher), 0);
	end(&b);
}

static void records_carry_job_number_target_and_key(void **state)
{
	struct bench b;
	struct wb_batch batch;
	const struct wb_batch_more more = { .partition_key = WB_SLICE_LIT("[1]") };
	const struct wb_batch_write del = { .op = WB_OP_DELETE, .id = WB_SLICE_LIT("x"), .more = &more };

	(void)state;
	begin(&b, 60000);
	submit(&b, 2);
	assert_string_equal(b.kafka.sent[1].topic, "writes");
	assert_int_equal(b.kafka.sent[1].partition, -1);
	assert_string_equal(b.kafka.sent[1].key, "b");
	assert_string_equal(b.kafka.sent[1].value, "{}");
	assert_string_equal(b.kafka.sent[1].job, JOB);
	assert_string_equal(b.kafka.sent[1].seq, "1");
	assert_string_equal(b.kafka.sent[1].op, "");
	assert_string_equal(b.kafka.sent[1].database, "db");
	for (size_t i = 0; i < 3; i++)
		acknowledge(&b.kafka, i, WB_OK);

	wb_batch_init(&batch, 1);
	assert_int_equal(wb_batch_add(&batch, &del), WB_OK);
	wb_publisher_submit(b.publisher, JOB, 1234, &batch, on_done, &b.answer);
	assert_string_equal(b.kafka.sent[3].op, "delete");
	assert_string_equal(b.kafka.sent[3].key, "x");
	assert_string_equal(b.kafka.sent[3].value, "");
	acknowledge(&b.kafka, 3, WB_OK);
	acknowledge(&b.kafka, 4, WB_OK);
	end(&b);
}

static void one_failed_record_fails_the_job_without_accepted_record(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 60000);
	submit(&b, 3);
	acknowledge(&b.kafka, 0, WB_OK);
	acknowledge(&b.kafka, 1, WB_EIO);
	acknowledge(&b.kafka, 2, WB_OK);
	assert_int_equal(b.kafka.count, 3);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_EIO);
	assert_string_equal(b.answer.why, "as the test says");
	end(&b);
}

static void a_failed_accepted_record_fails_the_job(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 60000);
	submit(&b, 1);
	acknowledge(&b.kafka, 0, WB_OK);
	acknowledge(&b.kafka, 1, WB_ETIMEDOUT);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_ETIMEDOUT);
	end(&b);
}

static void a_record_that_kafka_refuses_at_once_fails_the_job_when_the_others_are_back(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 60000);
	b.kafka.refused_value = "{}";
	b.kafka.refusal = WB_ETOOBIG;
	submit(&b, 2);
	assert_int_equal(b.kafka.count, 0);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_ETOOBIG);
	end(&b);
}

static void a_full_queue_only_makes_jobs_wait(void **state)
{
	struct bench b;
	struct answer *a = &b.answer;

	(void)state;
	begin(&b, 60000);
	atomic_store(&b.kafka.room, 2);
	submit(&b, 5);
	assert_int_equal(b.kafka.count, 2);
	atomic_store(&b.kafka.room, 3);
	wait_for(&b.kafka.count, 5);
	assert_string_equal(b.kafka.sent[4].seq, "4");
	for (size_t i = 0; i < 5; i++)
		acknowledge(&b.kafka, i, WB_OK);
	assert_int_equal(b.kafka.count, 5);
	assert_int_equal(a->times, 0);
	atomic_store(&b.kafka.room, 1);
	wait_for(&b.kafka.count, 6);
	acknowledge(&b.kafka, 5, WB_OK);
	assert_int_equal(a->times, 1);
	assert_int_equal(a->err, WB_OK);
	end(&b);
}

static void a_job_out_of_time_is_answered_once_and_never_accepted(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 1);
	submit(&b, 2);
	wait_for_answer(&b.answer);
	assert_int_equal(b.answer.err, WB_ETIMEDOUT);
	acknowledge(&b.kafka, 0, WB_OK);
	acknowledge(&b.kafka, 1, WB_OK);
	assert_int_equal(b.kafka.count, 2);
	assert_int_equal(b.answer.times, 1);
	end(&b);
}

static void a_job_out_of_time_in_the_waiting_line_sends_nothing_more(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 1);
	atomic_store(&b.kafka.room, 1);
	submit(&b, 3);
	wait_for_answer(&b.answer);
	atomic_store(&b.kafka.room, SENT_MAX);
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(wb_publisher_in_flight(b.publisher), 0);
	end(&b);
	assert_int_equal(b.kafka.count, 1);
	assert_int_equal(b.answer.times, 1);
}

static void stopping_answers_what_is_in_flight(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 60000);
	submit(&b, 2);
	wb_publisher_stop(b.publisher);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_ECLOSED);
	acknowledge(&b.kafka, 0, WB_EIO);
	acknowledge(&b.kafka, 1, WB_EIO);
	submit(&b, 1);
	assert_int_equal(b.answer.times, 2);
	assert_int_equal(b.kafka.count, 2);
	wb_publisher_free(&b.publisher);
	wb_metrics_free(&b.metrics);
}

static void *submit_two(void *arg)
{
	submit(arg, 2);
	return NULL;
}

static void *stop_it(void *arg)
{
	wb_publisher_stop(arg);
	return NULL;
}

/* Its sender is somewhere between Kafka's queue, which is full, and the waiting line. */
static void stopping_waits_for_a_job_that_is_being_sent_and_answers_it(void **state)
{
	pthread_t submitter, stopper;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	atomic_store(&b.kafka.room, 0);
	atomic_store(&b.kafka.hold, true);
	submitter = wb_thread_start("submitter", submit_two, &b);
	while (!atomic_load(&b.kafka.held))
		pause_ms(1);
	stopper = wb_thread_start("stopper", stop_it, b.publisher);
	pause_ms(50); /* enough for a stop that does not wait to be through */
	atomic_store(&b.kafka.hold, false);
	wb_thread_join(submitter);
	wb_thread_join(stopper);
	assert_int_equal(atomic_load(&b.answer.times), 1);
	assert_int_equal(b.answer.err, WB_ECLOSED);
	assert_int_equal(wb_publisher_in_flight(b.publisher), 0);
	wb_publisher_free(&b.publisher);
	wb_metrics_free(&b.metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted_is_sent_after_all_acknowledgements_and_answered_after_its_own),
		cmocka_unit_test(records_carry_job_number_target_and_key),
		cmocka_unit_test(one_failed_record_fails_the_job_without_accepted_record),
		cmocka_unit_test(a_failed_accepted_record_fails_the_job),
		cmocka_unit_test(a_record_that_kafka_refuses_at_once_fails_the_job_when_the_others_are_back),
		cmocka_unit_test(a_full_queue_only_makes_jobs_wait),
		cmocka_unit_test(a_job_out_of_time_is_answered_once_and_never_accepted),
		cmocka_unit_test(a_job_out_of_time_in_the_waiting_line_sends_nothing_more),
		cmocka_unit_test(stopping_answers_what_is_in_flight),
		cmocka_unit_test(stopping_waits_for_a_job_that_is_being_sent_and_answers_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
