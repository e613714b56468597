#include "producer/outgoing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
#define JOB    "00112233445566778899aabbccddeeff"

/* Kafka, as it is sent to: keeps the last record as text. */
struct wb_kafka_producer {
	char topic[32], key[64], value[256], headers[512];
	int32_t partition;
};

/* Stands in for common/kafka/producer.c, which this program therefore does not link. */
enum wb_err wb_kafka_producer_send(
	struct wb_kafka_producer *p, const struct wb_kafka_record *record, wb_kafka_ack_fn fn, void *arg)
{
	size_t at = 0;

	(void)fn;
	(void)arg;
	(void)snprintf(p->topic, sizeof p->topic, "%s", record->topic);
	(void)snprintf(p->key, sizeof p->key, "%.*s", WB_SLICE_ARGS(record->key));
	assert_non_null(record->value.data); /* a null value would be a tombstone */
	(void)snprintf(p->value, sizeof p->value, "%.*s", WB_SLICE_ARGS(record->value));
	p->headers[0] = '\0';
	for (size_t i = 0; i < record->header_count; i++) {
		const struct wb_header *h = &record->headers[i];

		at += (size_t)snprintf(p->headers + at, sizeof p->headers - at, "%.*s=%.*s ", WB_SLICE_ARGS(h->name),
			WB_SLICE_ARGS(h->value));
		assert_true(at < sizeof p->headers);
	}
	p->partition = record->partition;
	return WB_OK;
}

static void assert_sent(const struct wb_batch_write *write, const char *value, const char *headers)
{
	const struct wb_outgoing_target target = { .topic = "writes", .job = LIT(JOB), .container = LIT("c") };
	struct wb_kafka_producer kafka;

	assert_int_equal(wb_outgoing_write(&kafka, &target, 7, write, NULL, NULL), WB_OK);
	assert_string_equal(kafka.topic, "writes");
	assert_int_equal(kafka.partition, -1);
	assert_string_equal(kafka.key, "a");
	assert_string_equal(kafka.value, value);
	assert_string_equal(kafka.headers, headers);
}

#define IDENTITY "wb-job=" JOB " wb-seq=7 "

static void each_operation_has_its_headers(void **state)
{
	static const struct wb_batch_more key = { .partition_key = WB_SLICE_LIT("[1]") };
	static const struct wb_batch_more match = { .partition_key = WB_SLICE_LIT("[1]"),
		.if_match = WB_SLICE_LIT("e") };
	static const struct wb_batch_more none = { .if_none_match = WB_SLICE_LIT("*") };
	struct wb_batch_write w = { .document = LIT("{\"id\":\"a\"}"), .id = LIT("a") };

	(void)state;
	assert_sent(&w, "{\"id\":\"a\"}", IDENTITY "wb-container=c ");
	w.more = &key;
	assert_sent(&w, "{\"id\":\"a\"}", IDENTITY "wb-container=c wb-partition-key=[1] ");
	w.op = WB_OP_CREATE;
	w.more = &none;
	assert_sent(&w, "{\"id\":\"a\"}", IDENTITY "wb-op=create wb-container=c wb-if-none-match=* ");
	w.op = WB_OP_REPLACE;
	w.more = &match;
	assert_sent(&w, "{\"id\":\"a\"}", IDENTITY "wb-op=replace wb-container=c wb-partition-key=[1] wb-if-match=e ");
	w = (struct wb_batch_write){ .op = WB_OP_DELETE, .id = LIT("a"), .more = &match };
	assert_sent(&w, "", IDENTITY "wb-op=delete wb-container=c wb-id=a wb-partition-key=[1] wb-if-match=e ");
	w = (struct wb_batch_write){ .op = WB_OP_PATCH, .id = LIT("a"), .document = LIT("[{}]"), .more = &key };
	assert_sent(&w, "[{}]", IDENTITY "wb-op=patch wb-container=c wb-id=a wb-partition-key=[1] ");
}

static void a_made_id_is_put_into_the_value(void **state)
{
	const struct wb_batch_write w = { .document = LIT("{\"n\":1.0}"), .id = LIT("a"), .id_made = true };

	(void)state;
	assert_sent(&w, "{\"id\":\"a\",\"n\":1.0}", IDENTITY "wb-container=c ");
}

static void job_ids_are_valid_and_differ(void **state)
{
	char a[WB_JOB_ID_SIZE], b[WB_JOB_ID_SIZE];

	(void)state;
	wb_job_id_new(a);
	wb_job_id_new(b);
	assert_true(wb_job_id_valid(wb_slice_cstr(a)));
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_has_its_headers),
		cmocka_unit_test(a_made_id_is_put_into_the_value),
		cmocka_unit_test(job_ids_are_valid_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
