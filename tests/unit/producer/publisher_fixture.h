/* Kafka, as the publisher sees it: a queue with so much room, whose records the test acknowledges. Stands in for
 * common/kafka/producer.c, which the tests of the publisher therefore do not link. Not thread-safe but where it says so. */
#ifndef WB_TESTS_PUBLISHER_FIXTURE_H
#define WB_TESTS_PUBLISHER_FIXTURE_H

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

static inline void pause_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000 * 1000 };

	(void)nanosleep(&pause, NULL); /* woken early is fine */
}

static inline void copy(char *to, size_t size, struct wb_slice from)
{
	(void)snprintf(to, size, "%.*s", (int)from.len, from.data ? from.data : "");
}

static inline struct wb_slice header(const struct wb_kafka_record *record, const char *name)
{
	const struct wb_header *h = wb_header_find(record->headers, record->header_count, name);

	return h ? h->value : wb_slice("", 0);
}

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

static inline void acknowledge(struct wb_kafka_producer *p, size_t i, enum wb_err err)
{
	const struct wb_kafka_ack ack = { .err = err, .text = "as the test says" };

	p->sent[i].fn(p->sent[i].arg, &ack);
}

struct answer {
	atomic_int times;
	enum wb_err err;
	char why[128];
};

static inline void on_done(void *arg, enum wb_err err, const char *why)
{
	struct answer *a = arg;

	a->err = err;
	copy(a->why, sizeof a->why, wb_slice_cstr(why));
	atomic_fetch_add(&a->times, 1);
}

struct bench {
	struct wb_kafka_producer kafka;
	struct wb_kafka_producer streams; /* of begin_apart */
	struct wb_metrics *metrics;
	struct wb_publisher *publisher;
	struct answer answer;
	atomic_int released; /* memory of batches that was given back */
	atomic_int room;     /* times that a stream heard of room */
};

static inline void begin_with(struct bench *b, int64_t timeout_ms, struct wb_kafka_producer *streams)
{
	struct wb_publisher_settings settings = {
		.topic_writes = "writes",
		.topic_results = "results",
		.results_partitions = 4,
		.timeout_ms = timeout_ms,
		.stream_bytes = 2 * 64,
	};

	memset(b, 0, sizeof *b);
	atomic_store(&b->kafka.room, SENT_MAX);
	b->metrics = wb_metrics_new();
	atomic_store(&b->streams.room, SENT_MAX);
	settings.kafka = &b->kafka;
	settings.stream_kafka = streams;
	settings.metrics = b->metrics;
	b->publisher = wb_publisher_new(&settings);
}

static inline void begin(struct bench *b, int64_t timeout_ms)
{
	begin_with(b, timeout_ms, &b->kafka);
}

static inline void begin_apart(struct bench *b, int64_t timeout_ms)
{
	begin_with(b, timeout_ms, &b->streams);
}

static inline void end(struct bench *b)
{
	wb_publisher_stop(b->publisher);
	wb_publisher_free(&b->publisher);
	wb_metrics_free(&b->metrics);
}

static const struct wb_publish_job job_1234 = { .id = JOB, .at_ms = 1234, .database = { "db", 2 } };

static inline void on_released(void *arg)
{
	struct bench *b = arg;

	atomic_fetch_add(&b->released, 1);
}

static inline void submit(struct bench *b, size_t count)
{
	const struct wb_publish_memory memory = { on_released, b };
	static const char *const ids[] = { "a", "b", "c", "d", "e" };
	struct wb_batch batch;

	wb_batch_init(&batch, 10);
	for (size_t i = 0; i < count; i++) {
		const struct wb_batch_write write = { .document = wb_slice_cstr("{}"), .id = wb_slice_cstr(ids[i]) };

		assert_int_equal(wb_batch_add(&batch, &write), WB_OK);
	}
	wb_publisher_submit(b->publisher, &job_1234, &batch, memory, true, on_done, &b->answer);
	assert_int_equal(batch.count, 0);
	wb_batch_release(&batch);
}

/* For what another thread does; a condition that never comes fails the test. */
static inline void wait_for(atomic_size_t *value, size_t wanted)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < 20000 && atomic_load(value) < wanted; i++)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(atomic_load(value), wanted);
}

static inline void wait_for_answer(struct answer *a)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < 20000 && atomic_load(&a->times) == 0; i++)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(atomic_load(&a->times), 1);
}

#endif
