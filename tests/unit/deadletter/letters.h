/* A topic with dead letters on a cluster inside the test's process, and a command's output as text. */
#ifndef WB_TESTS_UNIT_DEADLETTER_LETTERS_H
#define WB_TESTS_UNIT_DEADLETTER_LETTERS_H

#include "common/contract/dead_letter.h"
#include "common/kafka/producer.h"
#include "deadletter/options.h"
#include "tests/unit/common/kafka/mock.h"

#include <stdio.h>

enum { LETTERS_WAIT_MS = 20000 };

struct letters {
	struct mock mock;
	struct wb_kafka_producer *producer;
	struct wb_deadletter_config config;
	const char *seq; /* of the letters that are put next */
	char *output;
	size_t output_len;
};

static inline void letters_ignore_ack(void *arg, const struct wb_kafka_ack *ack)
{
	(void)arg;
	if (ack->err)
		abort();
}

static inline void letters_start(struct letters *l)
{
	const struct wb_kafka_producer_settings settings = {
		.client_id = "test", .delivery_timeout_ms = LETTERS_WAIT_MS, .queue_bytes = 16 << 20
	};

	*l = (struct letters){ .seq = "7" };
	mock_start(&l->mock, 1);
	mock_topic(&l->mock, "letters", 2);
	l->producer = wb_kafka_producer_new(&l->mock.options, &settings, NULL, NULL);
	if (!l->producer)
		abort();
	l->config = (struct wb_deadletter_config){
		.kafka = l->mock.options, .timeout_ms = LETTERS_WAIT_MS, .no_index = true
	};
}

static inline void letters_stop(struct letters *l)
{
	free(l->output);
	wb_kafka_producer_free(&l->producer, 0);
	mock_stop(&l->mock);
}

/* Appends the record to the partition of the dead-letter topic, dead at minute. */
static inline void letters_put(struct letters *l, int32_t partition, int minute, const struct wb_header *headers,
	size_t count, struct wb_slice value)
{
	const struct wb_kafka_record record = { .topic = "letters",
		.partition = partition,
		.key = WB_SLICE_LIT("key"),
		.value = value,
		.headers = headers,
		.header_count = count,
		.timestamp_ms = INT64_C(1760000000000) + minute * 60000 };

	if (wb_kafka_producer_send(l->producer, &record, letters_ignore_ack, NULL) ||
		wb_kafka_producer_flush(l->producer, LETTERS_WAIT_MS))
		abort();
}

/* A letter as the consumer writes it: two headers of the original, then ours. */
static inline void letters_put_dead(
	struct letters *l, int32_t partition, int minute, enum wb_reason reason, const char *job, struct wb_slice value)
{
	struct wb_header headers[2 + WB_DEAD_LETTER_HEADERS_MAX] = {
		{ WB_SLICE_LIT("wb-job"), wb_slice_cstr(job) },
		{ WB_SLICE_LIT("wb-seq"), wb_slice_cstr(l->seq) },
	};
	const struct wb_dead_letter letter = {
		.reason = reason,
		.status = reason == WB_REASON_CONFLICT ? 409 : 0,
		.message = WB_SLICE_LIT("what \033[31mhappened"),
		.attempts = 2,
		.request_charge = 1.5,
		.origin_topic = WB_SLICE_LIT("writes"),
		.origin_partition = 3,
		.origin_offset = 42,
		.origin_timestamp_ms = INT64_C(1759999999000),
		.consumer = WB_SLICE_LIT("consumer-1"),
	};
	struct wb_buf scratch;
	size_t count;

	wb_buf_init(&scratch, 8192);
	count = wb_dead_letter_headers(&letter, &scratch, headers + 2);
	if (count == 0)
		abort();
	letters_put(l, partition, minute, headers, 2 + count, value);
	wb_buf_release(&scratch);
}

static inline FILE *letters_output(struct letters *l)
{
	FILE *out;

	free(l->output);
	l->output = NULL;
	out = open_memstream(&l->output, &l->output_len);
	if (!out)
		abort();
	return out;
}

#endif
