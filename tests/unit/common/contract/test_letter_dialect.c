#include "common/contract/letter_dialect.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s)             ((struct wb_slice)WB_SLICE_LIT(s))
#define READ(headers, ret) wb_letter_facts_read(headers, WB_ARRAY_LEN(headers), ret)

static void our_letters_are_ours_though_they_speak_kafka_connects_dialect(void **state)
{
	const struct wb_dead_letter written = { .reason = WB_REASON_CONFLICT,
		.message = LIT("taken"),
		.origin_topic = LIT("writes"),
		.origin_partition = 3,
		.origin_offset = 42,
		.origin_timestamp_ms = 7,
		.consumer = LIT("c") };
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_letter_facts facts;
	struct wb_buf scratch;
	size_t count;

	(void)state;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&written, &scratch, headers);
	wb_letter_facts_read(headers, count, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_OURS);
	assert_int_equal(facts.why.reason, WB_REASON_CONFLICT);
	assert_true(wb_slice_eq_cstr(facts.why.origin_topic, "writes"));
	assert_int_equal(facts.why.origin_offset, 42);
	assert_null(facts.exception_class.data);
	for (size_t i = 0; i < count; i++)
		assert_true(wb_letter_header_is_added(headers[i].name));
	wb_buf_release(&scratch);
}

static void kafka_connects_letters_are_read(void **state)
{
	const struct wb_header headers[] = {
		{ LIT("trace"), LIT("1") },
		{ LIT("__connect.errors.topic"), LIT("orders") },
		{ LIT("__connect.errors.partition"), LIT("7") },
		{ LIT("__connect.errors.offset"), LIT("123456789012") },
		{ LIT("__connect.errors.connector.name"), LIT("sink") },
		{ LIT("__connect.errors.stage"), LIT("VALUE_CONVERTER") },
		{ LIT("__connect.errors.exception.class.name"), LIT("org.apache.kafka.connect.errors.DataException") },
		{ LIT("__connect.errors.exception.message"), LIT("bad json") },
		{ LIT("__connect.errors.exception.stacktrace"), LIT("at\n…") },
	};
	struct wb_letter_facts facts;

	(void)state;
	READ(headers, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_CONNECT);
	assert_string_equal(wb_letter_dialect_text(facts.dialect), "kafka-connect");
	assert_int_equal(facts.why.reason, WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(facts.why.origin_topic, "orders"));
	assert_int_equal(facts.why.origin_partition, 7);
	assert_int_equal(facts.why.origin_offset, 123456789012);
	assert_int_equal(facts.why.origin_timestamp_ms, -1);
	assert_true(wb_slice_eq_cstr(facts.exception_class, "org.apache.kafka.connect.errors.DataException"));
	assert_true(wb_slice_eq_cstr(facts.why.message, "bad json"));
	assert_true(wb_slice_eq_cstr(facts.why.consumer, "sink"));
	assert_false(wb_letter_header_is_added(headers[0].name));
	assert_true(wb_letter_header_is_added(headers[8].name));
}

/* DeadLetterPublishingRecoverer: ByteBuffer.putInt and putLong. */
static void springs_numbers_are_binary(void **state)
{
	const struct wb_header headers[] = {
		{ LIT("kafka_dlt-original-topic"), LIT("orders.v1") },
		{ LIT("kafka_dlt-original-partition"), LIT("\0\0\1\2") },
		{ LIT("kafka_dlt-original-offset"), LIT("\0\0\0\x1c\xbe\x99\x1a\x14") },
		{ LIT("kafka_dlt-original-timestamp"), LIT("\0\0\1\x99\xc8\x0c\xa8\0") },
		{ LIT("kafka_dlt-original-consumer-group"), LIT("billing") },
		{ LIT("kafka_dlt-exception-fqcn"),
			LIT("org.springframework.kafka.listener.ListenerExecutionFailedException") },
		{ LIT("kafka_dlt-exception-message"), LIT("Listener failed") },
	};
	struct wb_letter_facts facts;

	(void)state;
	READ(headers, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_SPRING);
	assert_true(wb_slice_eq_cstr(facts.why.origin_topic, "orders.v1"));
	assert_int_equal(facts.why.origin_partition, 258);
	assert_int_equal(facts.why.origin_offset, 123456789012);
	assert_int_equal(facts.why.origin_timestamp_ms, INT64_C(0x199c80ca800));
	assert_true(wb_slice_eq_cstr(facts.why.consumer, "billing"));
	assert_true(wb_slice_eq_cstr(facts.why.message, "Listener failed"));
}

static void brokers_letters_are_read(void **state)
{
	const struct wb_header headers[] = {
		{ LIT("__dlq.errors.topic"), LIT("orders") },
		{ LIT("__dlq.errors.partition"), LIT("0") },
		{ LIT("__dlq.errors.offset"), LIT("5") },
		{ LIT("__dlq.errors.group"), LIT("share") },
		{ LIT("__dlq.errors.message"), LIT("5 deliveries") },
	};
	struct wb_letter_facts facts;

	(void)state;
	READ(headers, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_KIP1191);
	assert_true(wb_slice_eq_cstr(facts.why.origin_topic, "orders"));
	assert_int_equal(facts.why.origin_offset, 5);
	assert_true(wb_slice_eq_cstr(facts.why.message, "5 deliveries"));
	assert_null(facts.exception_class.data);
}

static void a_malformed_origin_is_none(void **state)
{
	static const struct {
		struct wb_slice topic, partition, offset;
		bool spring;
	} wrong[] = {
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("x"), WB_SLICE_LIT("1"), false },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("0"), WB_SLICE_LIT("-1"), false },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("0"), WB_SLICE_LIT(""), false },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("99999999999"), WB_SLICE_LIT("1"), false },
		{ WB_SLICE_LIT("a/b"), WB_SLICE_LIT("0"), WB_SLICE_LIT("1"), false },
		{ WB_SLICE_LIT("\0\033[2J"), WB_SLICE_LIT("0"), WB_SLICE_LIT("1"), false },
		{ WB_SLICE_LIT(""), WB_SLICE_LIT("0"), WB_SLICE_LIT("1"), false },
		{ WB_SLICE_LIT("orders"), { NULL, 0 }, { NULL, 0 }, false },
		{ { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, false },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("\0\0\0"), WB_SLICE_LIT("\0\0\0\0\0\0\0\1"), true },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("\xff\xff\xff\xff"), WB_SLICE_LIT("\0\0\0\0\0\0\0\1"), true },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("\0\0\0\0"), WB_SLICE_LIT("\xff\0\0\0\0\0\0\1"), true },
		{ WB_SLICE_LIT("orders"), WB_SLICE_LIT("\0\0\0\0"), WB_SLICE_LIT("\0\0\0\0\0\0\0\0\1"), true },
		{ WB_SLICE_LIT("orders"), { NULL, 0 }, { NULL, 0 }, true },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(wrong); i++) {
		bool spring = wrong[i].spring;
		const struct wb_header headers[] = {
			{ spring ? LIT("kafka_dlt-original-topic") : LIT("__connect.errors.topic"), wrong[i].topic },
			{ spring ? LIT("kafka_dlt-original-partition") : LIT("__connect.errors.partition"),
				wrong[i].partition },
			{ spring ? LIT("kafka_dlt-original-offset") : LIT("__connect.errors.offset"), wrong[i].offset },
		};
		const struct wb_header ours[] = {
			{ LIT("wb-error-reason"), LIT("conflict") },
			{ LIT("wb-origin-topic"), wrong[i].topic },
			{ LIT("wb-origin-partition"), wrong[i].partition },
			{ LIT("wb-origin-offset"), wrong[i].offset },
		};
		struct wb_letter_facts facts;

		READ(headers, &facts);
		assert_int_equal(facts.dialect, spring ? WB_LETTER_SPRING : WB_LETTER_CONNECT);
		assert_null(facts.why.origin_topic.data);
		READ(ours, &facts);
		assert_int_equal(facts.dialect, WB_LETTER_OURS);
		assert_null(facts.why.origin_topic.data);
	}
}

static void a_record_without_marks_is_unmarked(void **state)
{
	const struct wb_header headers[] = { { LIT("__connect.error"), LIT("x") }, { { NULL, 0 }, { NULL, 0 } } };
	struct wb_letter_facts facts;

	(void)state;
	READ(headers, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_UNMARKED);
	wb_letter_facts_read(NULL, 0, &facts);
	assert_int_equal(facts.dialect, WB_LETTER_UNMARKED);
	assert_int_equal(facts.why.origin_timestamp_ms, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_letters_are_ours_though_they_speak_kafka_connects_dialect),
		cmocka_unit_test(kafka_connects_letters_are_read),
		cmocka_unit_test(springs_numbers_are_binary),
		cmocka_unit_test(brokers_letters_are_read),
		cmocka_unit_test(a_malformed_origin_is_none),
		cmocka_unit_test(a_record_without_marks_is_unmarked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
