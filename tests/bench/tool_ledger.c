/* Fills writes, results and dead letters as publishers and consumers would, with jobs of which every write died.
 *
 * usage: tool_ledger BOOTSTRAP WRITES RESULTS DEAD_LETTERS LETTERS WRITES_PER_JOB DOCUMENT_BYTES
 * Prints {"writes":…,"results":…,"letters":…}: how many records each topic has now.
 */
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/prng.h"
#include "common/contract/dead_letter.h"
#include "common/contract/record.h"
#include "common/contract/result.h"

#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_PER_RECORD  10
#define FLUSH_TIMEOUT_MS 60000
#define PARTITIONS       8 /* that origins are spread over */

struct bench {
	rd_kafka_t *rk;
	const char *topics[3];
	long records[3];
	char *document;
	size_t document_len;
	int64_t now_ms;
	struct wb_result_batch *batch;
	struct wb_buf text, scratch;
	int64_t offsets[PARTITIONS];
};
enum { WRITES, RESULTS, LETTERS };

static void fail(const char *what)
{
	fprintf(stderr, "tool_ledger: %s\n", what);
	exit(1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (message->err)
		fail(rd_kafka_err2str(message->err));
}

static void connect_to(struct bench *b, const char *bootstrap)
{
	static const char *const settings[][2] = { { "acks", "all" }, { "enable.idempotence", "true" },
		{ "linger.ms", "5" }, { "partitioner", "murmur2_random" } };
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[256];

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error))
			fail(error);
	}
	if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, error, sizeof error))
		fail(error);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (!b->rk)
		fail(error);
}

static void produce(struct bench *b, int topic, const char *key, struct wb_slice value, const struct wb_header *headers,
	size_t count)
{
	rd_kafka_resp_err_t err;

	b->records[topic]++;
	do {
		rd_kafka_headers_t *copied = rd_kafka_headers_new(count);

		for (size_t i = 0; i < count; i++)
			(void)rd_kafka_header_add(copied, headers[i].name.data, (ssize_t)headers[i].name.len,
				headers[i].value.data, (ssize_t)headers[i].value.len);
		err = rd_kafka_producev(b->rk, RD_KAFKA_V_TOPIC(b->topics[topic]), RD_KAFKA_V_KEY(key, strlen(key)),
			RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.len),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(copied), RD_KAFKA_V_END);
		if (err) {
			rd_kafka_headers_destroy(copied);
			(void)rd_kafka_poll(b->rk, 10);
		}
	} while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	if (err)
		fail(rd_kafka_err2str(err));
}

static void one_write(struct bench *b, const char *job, uint64_t seq, long number)
{
	struct wb_header headers[WB_RECORD_HEADERS_MAX + WB_DEAD_LETTER_HEADERS_MAX];
	const struct wb_record_meta meta = { .job = wb_slice_cstr(job), .seq = seq };
	int32_t partition = (int32_t)(number % PARTITIONS);
	const struct wb_dead_letter why = { .reason = WB_REASON_BAD_REQUEST,
		.status = 400,
		.message = wb_slice_cstr("One of the specified inputs is invalid"),
		.activity_id = wb_slice_cstr("5c0a3f5e-7b7c-4c0e-9f37-0d8a53a3a8a1"),
		.attempts = 1,
		.first_at_ms = b->now_ms,
		.request_charge = 1.24,
		.item_etag = wb_slice_cstr("absent"),
		.origin_topic = wb_slice_cstr(b->topics[WRITES]),
		.origin_partition = partition,
		.origin_offset = b->offsets[partition]++,
		.origin_timestamp_ms = b->now_ms,
		.consumer = wb_slice_cstr("writebehind-consumer-1") };
	char seq_text[24], key[24];
	size_t count = wb_record_headers(&meta, seq_text, headers);

	(void)snprintf(key, sizeof key, "%ld", number);
	produce(b, WRITES, key, wb_slice(b->document, b->document_len), headers, count);
	wb_buf_clear(&b->scratch);
	count += wb_dead_letter_headers(&why, &b->scratch, headers + count);
	produce(b, LETTERS, key, wb_slice(b->document, b->document_len), headers, count);
	wb_result_batch_add_job(b->batch, wb_slice_cstr(job), seq, WB_DEAD, 1.24);
}

static void one_job(struct bench *b, struct wb_prng *random, long number, long writes)
{
	uint64_t words[2] = { wb_prng_next(random), wb_prng_next(random) };
	char job[WB_JOB_ID_SIZE];
	struct wb_result_accepted accepted = { .count = (uint64_t)writes, .at_ms = b->now_ms };

	wb_hex_encode((const uint8_t *)words, sizeof words, job);
	accepted.job = wb_slice_cstr(job);
	for (long n = 0; n < writes; n++)
		one_write(b, job, (uint64_t)n, number * writes + n);
	wb_buf_clear(&b->text);
	wb_result_accepted_encode(&accepted, &b->text);
	produce(b, RESULTS, job, wb_buf_slice(&b->text), NULL, 0);
	if (number % JOBS_PER_RECORD == JOBS_PER_RECORD - 1) {
		wb_buf_clear(&b->text);
		wb_result_batch_encode(b->batch, wb_slice_cstr("bench"), b->now_ms, &b->text);
		produce(b, RESULTS, job, wb_buf_slice(&b->text), NULL, 0);
	}
	(void)rd_kafka_poll(b->rk, 0);
}

int main(int argc, char **argv)
{
	struct bench b = { .now_ms = wb_clock_wall_ms() };
	struct wb_prng random = { .state = (uint64_t)wb_clock_mono_us() };
	long letters, per_job;

	if (argc != 8) {
		fprintf(stderr,
			"usage: tool_ledger BOOTSTRAP WRITES RESULTS DEAD_LETTERS LETTERS WRITES_PER_JOB "
			"DOCUMENT_BYTES\n");
		return 2;
	}
	for (int i = 0; i < 3; i++)
		b.topics[i] = argv[2 + i];
	letters = strtol(argv[5], NULL, 10);
	per_job = strtol(argv[6], NULL, 10);
	b.document_len = strtoul(argv[7], NULL, 10);
	if (letters < 1 || per_job < 1 || letters % (per_job * JOBS_PER_RECORD) || b.document_len < 1)
		return 2;
	b.document = malloc(b.document_len);
	if (!b.document)
		return 1;
	memset(b.document, 'x', b.document_len);
	b.batch = wb_result_batch_new();
	wb_buf_init(&b.text, 1 << 20);
	wb_buf_init(&b.scratch, 64 << 10);
	connect_to(&b, argv[1]);
	for (long j = 0; j < letters / per_job; j++)
		one_job(&b, &random, j, per_job);
	if (rd_kafka_flush(b.rk, FLUSH_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("Kafka did not take everything in time");
	printf("{\"writes\":%ld,\"results\":%ld,\"letters\":%ld}\n", b.records[WRITES], b.records[RESULTS],
		b.records[LETTERS]);
	rd_kafka_destroy(b.rk);
	wb_result_batch_free(&b.batch);
	wb_buf_release(&b.text);
	wb_buf_release(&b.scratch);
	free(b.document);
	return 0;
}
