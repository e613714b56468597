#include "producer/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define JOB "00112233445566778899aabbccddeeff"

/* Kafka: a queue that is full now and then, and answers when it is flushed. */
struct wb_kafka_producer {
	wb_kafka_ack_fn fn[16];
	void *arg[16];
	size_t queued, answered, refusals;
	enum wb_err ack_err, send_err;
	bool silent;
	char last_topic[32], last_value[256];
};

static void answer_all(struct wb_kafka_producer *p)
{
	const struct wb_kafka_ack ack = { .err = p->ack_err, .text = "as the test says" };

	while (!p->silent && p->answered < p->queued) {
		size_t i = p->answered++;

		p->fn[i](p->arg[i], &ack);
	}
}

/* These stand in for common/kafka/producer.c, which this program therefore does not link. */
enum wb_err wb_kafka_producer_send(
	struct wb_kafka_producer *p, const struct wb_kafka_record *record, wb_kafka_ack_fn fn, void *arg)
{
	if (p->refusals) {
		p->refusals--;
		return WB_EFULL;
	}
	if (p->send_err != WB_OK)
		return p->send_err;
	p->fn[p->queued] = fn;
	p->arg[p->queued++] = arg;
	(void)snprintf(p->last_topic, sizeof p->last_topic, "%s", record->topic);
	(void)snprintf(p->last_value, sizeof p->last_value, "%.*s", (int)record->value.len, record->value.data);
	if (strcmp(record->topic, "results") == 0)
		answer_all(p);
	return WB_OK;
}

enum wb_err wb_kafka_producer_flush(struct wb_kafka_producer *p, int64_t timeout_ms)
{
	(void)timeout_ms;
	answer_all(p);
	return WB_OK;
}

static const struct wb_outgoing_target target = { .topic = "writes", .job = WB_SLICE_LIT(JOB) };
static const struct wb_batch_write write_a = { .document = WB_SLICE_LIT("{}"), .id = WB_SLICE_LIT("a") };

static void a_job_is_accepted_after_its_writes(void **state)
{
	struct wb_kafka_producer kafka = { .queued = 0 };
	struct wb_sender s;
	struct wb_error e;

	(void)state;
	wb_sender_init(&s, &kafka, &target, 60000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_OK);
	assert_int_equal(s.acked, 0);
	assert_int_equal(wb_sender_settle(&s, &e), WB_OK);
	assert_int_equal(s.acked, 3);
	assert_int_equal(wb_sender_accept(&s, "results", 4, 1000, &e), WB_OK);
	assert_string_equal(kafka.last_topic, "results");
	assert_non_null(strstr(kafka.last_value, "\"count\":3"));
}

static void a_full_queue_is_waited_for(void **state)
{
	struct wb_kafka_producer kafka = { .refusals = 3 };
	struct wb_sender s;
	struct wb_error e;

	(void)state;
	wb_sender_init(&s, &kafka, &target, 60000);
	assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_OK);
	assert_int_equal(kafka.refusals, 0);
	assert_int_equal(kafka.queued, 1);
}

static void a_failed_record_ends_the_job(void **state)
{
	struct wb_kafka_producer kafka = { .ack_err = WB_ETOOBIG };
	struct wb_sender s;
	struct wb_error e;

	(void)state;
	wb_sender_init(&s, &kafka, &target, 60000);
	assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_OK);
	assert_int_equal(wb_sender_settle(&s, &e), WB_ETOOBIG);
	assert_non_null(strstr(e.text, "as the test says"));
	assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_ETOOBIG);
	assert_int_equal(kafka.queued, 1);
	assert_int_equal(s.acked, 0);
}

static void silence_ends_in_time(void **state)
{
	struct wb_kafka_producer kafka = { .silent = true };
	struct wb_sender s;
	struct wb_error e;

	(void)state;
	wb_sender_init(&s, &kafka, &target, 5);
	assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_OK);
	assert_int_equal(wb_sender_settle(&s, &e), WB_ETIMEDOUT);
	kafka.refusals = SIZE_MAX;
	assert_int_equal(wb_sender_send(&s, &write_a, &e), WB_ETIMEDOUT);
}

static void a_refused_accepted_record_is_an_error(void **state)
{
	struct wb_kafka_producer kafka = { .send_err = WB_OK };
	struct wb_sender s;
	struct wb_error e;

	(void)state;
	wb_sender_init(&s, &kafka, &target, 60000);
	kafka.ack_err = WB_EIO;
	assert_int_equal(wb_sender_accept(&s, "results", 4, 1000, &e), WB_EIO);
	kafka.send_err = WB_EINVAL;
	assert_int_equal(wb_sender_accept(&s, "results", 4, 1000, &e), WB_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_accepted_after_its_writes),
		cmocka_unit_test(a_full_queue_is_waited_for),
		cmocka_unit_test(a_failed_record_ends_the_job),
		cmocka_unit_test(silence_ends_in_time),
		cmocka_unit_test(a_refused_accepted_record_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
