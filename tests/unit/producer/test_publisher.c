#include "tests/unit/producer/publisher_fixture.h"

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
	wb_publisher_submit(
		b.publisher, &job_1234, &batch, (struct wb_publish_memory){ NULL, NULL }, true, on_done, &b.answer);
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
	assert_int_equal(b.released, 0); /* Kafka may still read the documents */
	acknowledge(&b.kafka, 1, WB_OK);
	assert_int_equal(b.released, 1);
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

static void ids_of_jobs_that_come_together_share_a_partition_for_a_while(void **state)
{
	char id[WB_JOB_ID_SIZE], before[WB_JOB_ID_SIZE] = "";
	int32_t partitions[1024];
	struct bench b;
	unsigned same = 0;

	(void)state;
	begin(&b, 60000);
	for (size_t i = 0; i < 1024; i++) {
		wb_publisher_new_id(b.publisher, id);
		assert_true(wb_job_id_valid(wb_slice_cstr(id)));
		assert_string_not_equal(id, before);
		memcpy(before, id, sizeof before);
		partitions[i] = wb_murmur2_partition(wb_slice_cstr(id), 4);
		same += i && partitions[i] == partitions[i - 1];
	}
	assert_true(same > 1000);
	for (int32_t p = 0; p < 4; p++)
		assert_int_equal(partitions[256 * p + 128], p);
	end(&b);
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
		cmocka_unit_test(ids_of_jobs_that_come_together_share_a_partition_for_a_while),
		cmocka_unit_test(stopping_waits_for_a_job_that_is_being_sent_and_answers_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
