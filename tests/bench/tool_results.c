/* Fills a results topic as producers and consumers would: finished jobs of one write each.
 *
 * usage: tool_results BOOTSTRAP TOPIC JOBS JOBS_PER_RECORD [keyed]
 * JOBS_PER_RECORD: how many jobs' outcomes stand in one record. keyed: each job has an idempotency key, and a callback
 * that was delivered. Prints {"jobs":…,"records":…,"last_job":"…"}.
 */
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/prng.h"
#include "common/contract/record.h"

#include <librdkafka/rdkafka.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES_MAX  900000
#define OUTCOME_BYTES_MAX 128
#define PARTITIONS_MAX    256
#define PER_RECORD_MAX    (RECORD_BYTES_MAX / OUTCOME_BYTES_MAX)
#define FLUSH_TIMEOUT_MS  60000
#define OUTCOMES_HEAD     "{\"type\":\"outcomes\",\"consumer\":\"bench\",\"at\":%" PRId64 ",\"jobs\":["
#define CALLBACK_URL      "https://reports.example.com/writebehind/done"

/* The outcomes that wait for more of their partition. */
struct waiting {
	char *text; /* RECORD_BYTES_MAX bytes; it and told are there from the first time on */
	char (*told)[WB_JOB_ID_SIZE]; /* the jobs, whose callbacks come after their outcomes */
	size_t len;
	long jobs;
};

struct bench {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	int32_t partitions;
	long per_record, records;
	bool keyed;
	int64_t now_ms;
	struct waiting waiting[PARTITIONS_MAX];
};

static void fail(const char *what)
{
	fprintf(stderr, "tool_results: %s\n", what);
	exit(1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (message->err)
		fail(rd_kafka_err2str(message->err));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[256];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK)
		fail(error);
}

static void connect_to(struct bench *b, const char *bootstrap, const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const struct rd_kafka_metadata *metadata;
	char error[256];

	set(conf, "bootstrap.servers", bootstrap);
	set(conf, "acks", "all");
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", "5");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (!b->rk)
		fail(error);
	b->topic = rd_kafka_topic_new(b->rk, topic, NULL);
	if (!b->topic || rd_kafka_metadata(b->rk, 0, b->topic, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("the topic cannot be asked for");
	b->partitions = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	if (b->partitions < 1 || b->partitions > PARTITIONS_MAX)
		fail("the topic is not there, or has too many partitions");
}

static void produce(struct bench *b, int32_t partition, const char *job, const char *text, size_t len)
{
	while (rd_kafka_produce(b->topic, partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)text, len, job,
		       job ? WB_JOB_ID_LEN : 0, NULL) == -1) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			fail(rd_kafka_err2str(rd_kafka_last_error()));
		(void)rd_kafka_poll(b->rk, 10);
	}
	b->records++;
}

static void hex(struct wb_prng *random, char ret[WB_JOB_ID_SIZE])
{
	uint64_t words[2] = { wb_prng_next(random), wb_prng_next(random) };

	wb_hex_encode((const uint8_t *)words, sizeof words, ret);
}

static void accept_job(struct bench *b, struct wb_prng *random, int32_t partition, const char *job)
{
	char text[512], key[WB_JOB_ID_SIZE];
	int len;

	if (b->keyed) {
		hex(random, key);
		len = snprintf(text, sizeof text,
			"{\"type\":\"accepted\",\"job\":\"%s\",\"count\":1,\"at\":%" PRId64
			",\"key\":\"%s\",\"callback\":\"" CALLBACK_URL "\"}",
			job, b->now_ms, key);
	} else {
		len = snprintf(text, sizeof text,
			"{\"type\":\"accepted\",\"job\":\"%s\",\"count\":1,\"at\":%" PRId64 "}", job, b->now_ms);
	}
	produce(b, partition, job, text, (size_t)len);
}

static void call_back(struct bench *b, int32_t partition, const char *job)
{
	char text[256];
	int len = snprintf(text, sizeof text,
		"{\"type\":\"callback\",\"job\":\"%s\",\"at\":%" PRId64
		",\"attempt\":1,\"status\":200,\"state\":\"delivered\"}",
		job, b->now_ms);

	produce(b, partition, job, text, (size_t)len);
}

static void flush(struct bench *b, int32_t partition)
{
	struct waiting *w = &b->waiting[partition];

	if (!w->jobs)
		return;
	w->len += (size_t)snprintf(w->text + w->len, RECORD_BYTES_MAX - w->len, "]}");
	produce(b, partition, NULL, w->text, w->len);
	for (long n = 0; b->keyed && n < w->jobs; n++)
		call_back(b, partition, w->told[n]);
	w->len = 0;
	w->jobs = 0;
}

static void end_job(struct bench *b, int32_t partition, const char *job)
{
	struct waiting *w = &b->waiting[partition];

	if (!w->text) {
		w->text = malloc(RECORD_BYTES_MAX);
		w->told = malloc((size_t)b->per_record * sizeof *w->told);
		if (!w->text || !w->told)
			fail("out of memory");
	}
	if (!w->jobs)
		w->len = (size_t)snprintf(w->text, RECORD_BYTES_MAX, OUTCOMES_HEAD, b->now_ms);
	w->len += (size_t)snprintf(w->text + w->len, RECORD_BYTES_MAX - w->len,
		"%s{\"job\":\"%s\",\"written\":[0,0],\"charge\":6.29}", w->jobs ? "," : "", job);
	memcpy(w->told[w->jobs], job, WB_JOB_ID_SIZE);
	if (++w->jobs >= b->per_record)
		flush(b, partition);
}

static void finish_one(struct bench *b, struct wb_prng *random, char ret[WB_JOB_ID_SIZE])
{
	int32_t partition;

	hex(random, ret);
	partition = wb_murmur2_partition(wb_slice(ret, WB_JOB_ID_LEN), b->partitions);
	accept_job(b, random, partition, ret);
	end_job(b, partition, ret);
}

static void finish_all(struct bench *b, long jobs, char ret_last[WB_JOB_ID_SIZE])
{
	struct wb_prng random = { .state = (uint64_t)wb_clock_mono_us() };

	for (long n = 0; n < jobs; n++) {
		finish_one(b, &random, ret_last);
		if (n % 64 == 0)
			(void)rd_kafka_poll(b->rk, 0);
	}
	for (int32_t p = 0; p < b->partitions; p++)
		flush(b, p);
	if (rd_kafka_flush(b->rk, FLUSH_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail("Kafka did not take everything in time");
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	char job[WB_JOB_ID_SIZE] = "";
	long jobs;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: tool_results BOOTSTRAP TOPIC JOBS JOBS_PER_RECORD [keyed]\n");
		return 2;
	}
	jobs = strtol(argv[3], NULL, 10);
	b.per_record = strtol(argv[4], NULL, 10);
	b.keyed = argc == 6;
	if (jobs < 1 || b.per_record < 1 || b.per_record > PER_RECORD_MAX)
		return 2;
	b.now_ms = wb_clock_wall_ms();
	connect_to(&b, argv[1], argv[2]);
	finish_all(&b, jobs, job);
	printf("{\"jobs\":%ld,\"records\":%ld,\"last_job\":\"%s\"}\n", jobs, b.records, job);
	rd_kafka_topic_destroy(b.topic);
	rd_kafka_destroy(b.rk);
	for (int32_t p = 0; p < PARTITIONS_MAX; p++) {
		free(b.waiting[p].text);
		free(b.waiting[p].told);
	}
	return 0;
}
