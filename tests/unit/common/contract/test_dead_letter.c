#include "common/contract/dead_letter.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static const struct wb_dead_letter sample = {
	.reason = WB_REASON_BAD_REQUEST,
	.status = 400,
	.substatus = 1001,
	.message = WB_SLICE_LIT("no such thing"),
	.activity_id = WB_SLICE_LIT("a-1"),
	.attempts = 3,
	.first_at_ms = 1760000000000,
	.request_charge = 12.34,
	.item_etag = WB_SLICE_LIT("\"etag\""),
	.origin_topic = WB_SLICE_LIT("writes"),
	.origin_partition = 5,
	.origin_offset = 123456789012,
	.origin_timestamp_ms = 1759999999999,
	.consumer = WB_SLICE_LIT("consumer-1"),
};

static void assert_header(const struct wb_header *headers, size_t count, const char *name, const char *value)
{
	const struct wb_header *h = wb_header_find(headers, count, name);

	assert_non_null(h);
	assert_true(wb_slice_eq_cstr(h->value, value));
}

static void what_is_written_is_read_back(void **state)
{
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_dead_letter read;
	struct wb_buf scratch;
	size_t count;

	(void)state;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&sample, &scratch, headers);
	assert_true(count > 0 && count <= WB_DEAD_LETTER_HEADERS_MAX);
	assert_true(wb_dead_letter_parse(headers, count, &read));
	assert_int_equal(read.reason, sample.reason);
	assert_int_equal(read.status, 400);
	assert_int_equal(read.substatus, 1001);
	assert_true(wb_slice_eq(read.message, sample.message));
	assert_true(wb_slice_eq(read.activity_id, sample.activity_id));
	assert_int_equal(read.attempts, 3);
	assert_int_equal(read.first_at_ms, sample.first_at_ms);
	assert_true(read.request_charge == 12.34);
	assert_true(wb_slice_eq(read.item_etag, sample.item_etag));
	assert_true(wb_slice_eq(read.origin_topic, sample.origin_topic));
	assert_int_equal(read.origin_partition, 5);
	assert_int_equal(read.origin_offset, sample.origin_offset);
	assert_int_equal(read.origin_timestamp_ms, sample.origin_timestamp_ms);
	assert_true(wb_slice_eq(read.consumer, sample.consumer));
	wb_buf_release(&scratch);
}

static void kafka_connects_tools_find_theirs(void **state)
{
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_buf scratch;
	size_t count;

	(void)state;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&sample, &scratch, headers);
	assert_header(headers, count, "__connect.errors.topic", "writes");
	assert_header(headers, count, "__connect.errors.partition", "5");
	assert_header(headers, count, "__connect.errors.offset", "123456789012");
	assert_header(headers, count, "__connect.errors.stage", "TASK_PUT");
	assert_header(headers, count, "__connect.errors.exception.message", "no such thing");
	wb_buf_release(&scratch);
}

static void every_header_of_a_letter_is_ours(void **state)
{
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_buf scratch;
	size_t count;

	(void)state;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&sample, &scratch, headers);
	for (size_t i = 0; i < count; i++)
		assert_true(wb_dead_letter_is_ours(headers[i].name));
	assert_false(wb_dead_letter_is_ours(LIT("wb-job")));
	assert_false(wb_dead_letter_is_ours(LIT("traceparent")));
	wb_buf_release(&scratch);
}

static void a_write_that_cosmos_never_saw_has_no_status(void **state)
{
	const struct wb_dead_letter letter = { .reason = WB_REASON_INVALID_JSON, .origin_timestamp_ms = -1 };
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_dead_letter read;
	struct wb_buf scratch;
	size_t count;

	(void)state;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&letter, &scratch, headers);
	assert_null(wb_header_find(headers, count, "wb-error-status"));
	assert_null(wb_header_find(headers, count, "wb-origin-timestamp"));
	assert_header(headers, count, "wb-item-etag", "unknown");
	assert_true(wb_dead_letter_parse(headers, count, &read));
	assert_int_equal(read.origin_timestamp_ms, -1);
	wb_buf_release(&scratch);
}

static void long_messages_are_cut_between_characters(void **state)
{
	char text[WB_DEAD_LETTER_MESSAGE_MAX + 10];
	struct wb_dead_letter letter = sample;
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	const struct wb_header *message;
	struct wb_buf scratch;
	size_t count;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + WB_DEAD_LETTER_MESSAGE_MAX - 1, "\xc3\xa9", 2);
	letter.message = wb_slice(text, sizeof text);
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&letter, &scratch, headers);
	message = wb_header_find(headers, count, "wb-error-message");
	assert_non_null(message);
	assert_int_equal(message->value.len, WB_DEAD_LETTER_MESSAGE_MAX - 1);
	wb_buf_release(&scratch);
}

static void assert_none_of_connect(const struct wb_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_false(headers[i].name.len > 2 && memcmp(headers[i].name.data, "__", 2) == 0);
}

/* In front of a UTF-8 character that would be cut in two. */
static void the_short_form_has_a_short_message_and_one_dialect(void **state)
{
	char text[WB_DEAD_LETTER_MESSAGE_SHORT + 10];
	struct wb_dead_letter letter = sample, read;
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_buf scratch;
	size_t count;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + WB_DEAD_LETTER_MESSAGE_SHORT - 1, "\xc3\xa9", 2);
	letter.message = wb_slice(text, sizeof text);
	letter.form = WB_DEAD_LETTER_SHORT;
	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&letter, &scratch, headers);
	assert_none_of_connect(headers, count);
	assert_true(wb_dead_letter_parse(headers, count, &read));
	assert_int_equal(read.message.len, WB_DEAD_LETTER_MESSAGE_SHORT - 1);
	assert_int_equal(read.status, 400);
	assert_int_equal(read.substatus, 1001);
	assert_true(wb_slice_eq(read.activity_id, sample.activity_id));
	assert_int_equal(read.attempts, 3);
	assert_int_equal(read.first_at_ms, sample.first_at_ms);
	assert_true(wb_slice_eq(read.item_etag, sample.item_etag));
	assert_int_equal(read.origin_timestamp_ms, sample.origin_timestamp_ms);
	assert_true(wb_slice_eq(read.consumer, sample.consumer));
	wb_buf_release(&scratch);
}

static void the_least_form_says_what_a_replay_needs(void **state)
{
	struct wb_dead_letter letter = sample;
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_buf scratch;

	(void)state;
	letter.form = WB_DEAD_LETTER_LEAST;
	wb_buf_init(&scratch, 8192);
	assert_int_equal(wb_dead_letter_headers(&letter, &scratch, headers), 5);
	assert_header(headers, 5, "wb-error-reason", "bad-request");
	assert_header(headers, 5, "wb-item-etag", "\"etag\"");
	assert_header(headers, 5, "wb-origin-topic", "writes");
	assert_header(headers, 5, "wb-origin-partition", "5");
	assert_header(headers, 5, "wb-origin-offset", "123456789012");
	wb_buf_release(&scratch);
}

static void a_small_scratch_gives_no_headers(void **state)
{
	struct wb_header headers[WB_DEAD_LETTER_HEADERS_MAX];
	struct wb_buf scratch;

	(void)state;
	wb_buf_init(&scratch, 64);
	assert_int_equal(wb_dead_letter_headers(&sample, &scratch, headers), 0);
	wb_buf_release(&scratch);
}

static void what_is_malformed_reads_as_zero(void **state)
{
	const struct wb_header headers[] = {
		{ WB_SLICE_LIT("wb-error-reason"), WB_SLICE_LIT("made-up") },
		{ WB_SLICE_LIT("wb-error-status"), WB_SLICE_LIT("4x") },
		{ WB_SLICE_LIT("wb-origin-partition"), WB_SLICE_LIT("99999999999") },
		{ WB_SLICE_LIT("wb-error-request-charge"), WB_SLICE_LIT("1e5") },
		{ WB_SLICE_LIT("wb-error-attempts"), { NULL, 0 } },
	};
	struct wb_dead_letter read;

	(void)state;
	assert_true(wb_dead_letter_parse(headers, 5, &read));
	assert_int_equal(read.reason, WB_REASON_NONE);
	assert_int_equal(read.status, 0);
	assert_int_equal(read.origin_partition, 0);
	assert_true(read.request_charge == 0);
	assert_int_equal(read.attempts, 0);
}

static void a_record_without_a_reason_is_no_letter(void **state)
{
	const struct wb_header headers[] = { { WB_SLICE_LIT("wb-error-status"), WB_SLICE_LIT("400") } };
	struct wb_dead_letter read;

	(void)state;
	assert_false(wb_dead_letter_parse(headers, 1, &read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(kafka_connects_tools_find_theirs),
		cmocka_unit_test(every_header_of_a_letter_is_ours),
		cmocka_unit_test(a_write_that_cosmos_never_saw_has_no_status),
		cmocka_unit_test(long_messages_are_cut_between_characters),
		cmocka_unit_test(the_short_form_has_a_short_message_and_one_dialect),
		cmocka_unit_test(the_least_form_says_what_a_replay_needs),
		cmocka_unit_test(a_small_scratch_gives_no_headers),
		cmocka_unit_test(what_is_malformed_reads_as_zero),
		cmocka_unit_test(a_record_without_a_reason_is_no_letter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
