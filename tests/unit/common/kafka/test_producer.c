#include "common/kafka/producer.h"

#include "common/base/clock.h"
#include "common/base/compiler.h"
#include "common/base/thread.h"
#include "common/contract/record.h"
#include "tests/unit/common/kafka/mock.h"

#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
enum { WAIT_MS = 20000 };

/* Counts acknowledgements by kind. */
struct acks {
	pthread_mutex_t lock;
	pthread_cond_t come;
	int count, ok, timed_out, too_big, failed;
	int32_t partition;
	int64_t offset, lowest_offset;
};

static void acks_init(struct acks *a)
{
	*a = (struct acks){ .lowest_offset = INT64_MAX };
	wb_mutex_init(&a->lock);
	wb_cond_init(&a->come);
}

static void acks_release(struct acks *a)
{
	wb_cond_release(&a->come);
	wb_mutex_release(&a->lock);
}

static void on_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct acks *a = arg;

	wb_mutex_lock(&a->lock);
	a->count++;
	a->ok += ack->err == WB_OK;
	a->timed_out += ack->err == WB_ETIMEDOUT;
	a->too_big += ack->err == WB_ETOOBIG;
	a->failed += ack->err == WB_EIO;
	a->partition = ack->partition;
	a->offset = ack->offset;
	if (ack->err == WB_OK && ack->offset < a->lowest_offset)
		a->lowest_offset = ack->offset;
	wb_cond_broadcast(&a->come);
	wb_mutex_unlock(&a->lock);
}

static void acks_wait(struct acks *a, int count)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
	bool waiting = true;

	wb_mutex_lock(&a->lock);
	while (a->count < count && waiting)
		waiting = wb_cond_wait_until(&a->come, &a->lock, deadline_ms);
	wb_mutex_unlock(&a->lock);
	assert_int_equal(a->count, count);
}

static struct wb_kafka_producer *producer_new(struct mock *m, int64_t linger_ms, int64_t timeout_ms)
{
	const struct wb_kafka_producer_settings settings = {
		.client_id = "test",
		.linger_ms = linger_ms,
		.delivery_timeout_ms = timeout_ms,
		.queue_bytes = 1 << 20,
	};
	struct wb_error e = { "" };
	struct wb_kafka_producer *p = wb_kafka_producer_new(&m->options, &settings, NULL, &e);

	if (!p)
		fail_msg("%s", e.text);
	return p;
}

static struct wb_kafka_record record(struct wb_slice key, struct wb_slice value)
{
	return (struct wb_kafka_record){ .topic = "writes", .partition = -1, .key = key, .value = value };
}

static void every_record_is_acknowledged_once(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 4);
	acks_init(&acks);
	p = producer_new(&m, 5, 30000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 1000);
	assert_int_equal(acks.ok, 1000);
	assert_int_equal(acks.offset, 999);
	wb_kafka_producer_free(&p, 1000);
	assert_null(p);
	assert_int_equal(acks.count, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

static void keys_go_where_java_puts_them(void **state)
{
	static const char *const keys[] = { "21", "foobar", "abc", "a-little-bit-long-string" };
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 8);
	acks_init(&acks);
	p = producer_new(&m, 0, 30000);
	for (size_t i = 0; i < WB_ARRAY_LEN(keys); i++) {
		struct wb_kafka_record r = record(wb_slice_cstr(keys[i]), LIT("v"));

		assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
		acks_wait(&acks, (int)i + 1);
		assert_int_equal(acks.partition, wb_murmur2_partition(wb_slice_cstr(keys[i]), 8));
	}
	wb_kafka_producer_free(&p, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

static void flush_does_not_linger(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = producer_new(&m, 5 * WAIT_MS, 10 * WAIT_MS);
	assert_int_equal(wb_kafka_producer_flush(p, 0), WB_OK);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	assert_int_equal(wb_kafka_producer_in_flight(p), 1);
	assert_int_equal(wb_kafka_producer_flush(p, WAIT_MS), WB_OK);
	assert_int_equal(wb_kafka_producer_in_flight(p), 0);
	assert_int_equal(acks.ok, 1);
	wb_kafka_producer_free(&p, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

static void a_full_queue_takes_nothing(void **state)
{
	static char value[100000];
	struct wb_kafka_record r = record(LIT("k"), wb_slice(value, sizeof value));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;
	int taken = 0;
	enum wb_err err;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 10 * WAIT_MS);
	while ((err = wb_kafka_producer_send(p, &r, on_ack, &acks)) == WB_OK)
		assert_true(++taken <= 11);
	assert_int_equal(err, WB_EFULL);
	assert_int_equal(wb_kafka_producer_in_flight(p), taken);
	assert_int_equal(wb_kafka_producer_flush(p, 50), WB_ETIMEDOUT);
	/* What cannot be sent is failed, not forgotten. */
	wb_kafka_producer_free(&p, 50);
	assert_int_equal(acks.count, taken);
	assert_int_equal(acks.ok, 0);
	acks_release(&acks);
	mock_stop(&m);
}

/* A record of a few bytes takes some hundred in memory. */
static void a_queue_of_tiny_records_is_bounded_too(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;
	int taken = 0;
	enum wb_err err;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 10 * WAIT_MS);
	while ((err = wb_kafka_producer_send(p, &r, on_ack, &acks)) == WB_OK)
		assert_true(++taken <= (1 << 20) / 400);
	assert_int_equal(err, WB_EFULL);
	wb_kafka_producer_free(&p, 0);
	assert_int_equal(acks.count, taken);
	acks_release(&acks);
	mock_stop(&m);
}

static void an_outage_longer_than_the_timeout_fails_records(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 300);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 1);
	assert_int_equal(acks.timed_out, 1);
	wb_kafka_producer_free(&p, 0);
	acks_release(&acks);
	mock_stop(&m);
}

static void a_record_above_the_limit_is_refused_at_once(void **state)
{
	static char value[3100000];
	struct wb_kafka_producer_settings settings = {
		.client_id = "test", .delivery_timeout_ms = 30000, .queue_bytes = 16 << 20, .message_max_bytes = 4000000
	};
	struct wb_kafka_record r = record(LIT("k"), wb_slice(value, sizeof value));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 30000);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_ETOOBIG);
	assert_int_equal(wb_kafka_producer_in_flight(p), 0);
	wb_kafka_producer_free(&p, 0);
	p = wb_kafka_producer_new(&m.options, &settings, NULL, NULL);
	assert_non_null(p);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 1);
	assert_int_equal(acks.ok, 1);
	wb_kafka_producer_free(&p, 0);
	acks_release(&acks);
	mock_stop(&m);
}

static void a_brokers_refusal_is_told(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 30000);
	rd_kafka_mock_push_request_errors(m.cluster, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 1);
	assert_int_equal(acks.too_big, 1);
	rd_kafka_mock_push_request_errors(m.cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 2);
	assert_int_equal(acks.failed, 1);
	wb_kafka_producer_free(&p, 0);
	acks_release(&acks);
	mock_stop(&m);
}

/* Every record goes again until it is acknowledged, as the recorder does it. Callbacks only count and mark; the test's
 * thread sends. */
struct owner {
	struct acks *acks;
	int callbacks; /* under the lock of acks */
	bool out, done;
};

static void on_owned(void *arg, const struct wb_kafka_ack *ack)
{
	struct owner *o = arg;

	wb_mutex_lock(&o->acks->lock);
	o->callbacks++;
	o->out = false;
	o->done = ack->err == WB_OK;
	wb_mutex_unlock(&o->acks->lock);
	on_ack(o->acks, ack);
}

/* Sends what is neither acknowledged nor under way. Returns how many are not acknowledged. */
static int send_missing(struct wb_kafka_producer *p, struct owner *owners, int count, int *sends)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	int missing = 0;

	for (int i = 0; i < count; i++) {
		struct owner *o = &owners[i];
		enum wb_err err;
		bool idle;

		wb_mutex_lock(&o->acks->lock);
		idle = !o->out && !o->done;
		missing += !o->done;
		o->out = o->out || idle;
		wb_mutex_unlock(&o->acks->lock);
		if (!idle)
			continue;
		err = wb_kafka_producer_send(p, &r, on_owned, o);
		*sends += err == WB_OK;
		if (err == WB_OK)
			continue;
		assert_int_equal(err, WB_EFULL);
		wb_mutex_lock(&o->acks->lock);
		o->out = false;
		wb_mutex_unlock(&o->acks->lock);
	}
	return missing;
}

/* What the idempotent producer may be told about its numbering; in 2.0.2 some of them are fatal to the client, some only
 * to the batch. */
static void answers_that_kill_idempotent_clients_lose_nothing(void **state)
{
	static const rd_kafka_resp_err_t errors[] = {
		RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
		RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
		RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
		RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
		RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
		RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER,
	};
	enum { RECORDS = 300 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(errors); i++) {
		int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
		struct owner owners[RECORDS] = { 0 };
		struct wb_kafka_producer *p;
		struct acks acks;
		struct mock m;
		int sends = 0, missing;

		mock_start(&m, 1);
		mock_topic(&m, "writes", 1);
		acks_init(&acks);
		for (int k = 0; k < RECORDS; k++)
			owners[k].acks = &acks;
		p = producer_new(&m, 0, 30000);
		rd_kafka_mock_push_request_errors(m.cluster, 0, 3, RD_KAFKA_RESP_ERR_NO_ERROR, errors[i], errors[i]);
		while ((missing = send_missing(p, owners, RECORDS, &sends)) > 0 && wb_clock_mono_ms() < deadline_ms)
			(void)usleep(1000); /* only how often is looked */
		assert_int_equal(missing, 0);
		wb_kafka_producer_free(&p, 1000);
		assert_int_equal(acks.count, sends);
		assert_int_equal(acks.ok, RECORDS);
		acks_release(&acks);
		mock_stop(&m);
	}
}

/* A new producer's first batch of a partition is refused by a broker that is not yet its leader; the second, in flight
 * too, is taken, since a leader that never heard of a producer takes any sequence number. librdkafka then takes the
 * first for stored, which it is not: https://github.com/confluentinc/confluent-kafka-go/issues/921 */
static void a_batch_that_only_its_successor_vouches_for_is_not_acknowledged(void **state)
{
	struct wb_kafka_record first = record(LIT("k"), LIT("first")), second = record(LIT("k"), LIT("second"));
	struct wb_kafka_producer_settings settings = {
		.client_id = "test", .delivery_timeout_ms = 30000, .queue_bytes = 1 << 20, .alone = true
	};
	struct owner owners[2] = { 0 };
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	owners[0].acks = owners[1].acks = &acks;
	p = wb_kafka_producer_new(&m.options, &settings, NULL, NULL);
	assert_non_null(p);
	rd_kafka_mock_broker_set_rtt(m.cluster, 1, 300);
	rd_kafka_mock_push_request_errors(m.cluster, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
	assert_int_equal(wb_kafka_producer_send(p, &first, on_owned, &owners[0]), WB_OK);
	assert_int_equal(wb_kafka_producer_send(p, &second, on_owned, &owners[1]), WB_OK);
	acks_wait(&acks, 2);
	/* The second alone is in the log, at offset 0; the first has an offset, or is not acknowledged. */
	assert_true(owners[1].done);
	assert_int_equal(acks.ok, owners[0].done ? 2 : 1);
	assert_false(owners[0].done && acks.lowest_offset < 0);
	wb_kafka_producer_free(&p, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

/* In the middle of a fatal error with everything in flight, free neither hangs nor forgets a callback. */
static void a_client_that_dies_while_it_is_freed_calls_back_for_all(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;
	int taken = 0;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 30000);
	for (int i = 0; i < 10; i++)
		rd_kafka_mock_push_request_errors(m.cluster, 0, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	for (int i = 0; i < 500; i++)
		taken += wb_kafka_producer_send(p, &r, on_ack, &acks) == WB_OK;
	wb_kafka_producer_free(&p, 100);
	assert_true(taken > 0);
	assert_int_equal(acks.count, taken);
	acks_release(&acks);
	mock_stop(&m);
}

static void after_a_fatal_error_another_client_sends(void **state)
{
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;
	int taken = 0;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = producer_new(&m, 0, 30000);
	/* What the idempotent producer calls fatal: a sequence number that the broker does not expect. */
	rd_kafka_mock_push_request_errors(m.cluster, 0, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	while (acks.ok == 0 && wb_clock_mono_ms() < deadline_ms) {
		enum wb_err err = wb_kafka_producer_send(p, &r, on_ack, &acks);

		if (err) {
			assert_int_equal(err, WB_EFULL);
			continue;
		}
		taken++;
		acks_wait(&acks, taken);
	}
	assert_true(acks.ok > 0);
	assert_true(acks.failed > 0);
	assert_int_equal(acks.count, taken);
	wb_kafka_producer_free(&p, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

/* The mock takes any size; that each is a request of its own shows in how many of them an error meets. */
static void records_alone_are_batches_of_their_own(void **state)
{
	const struct wb_kafka_producer_settings settings = { .client_id = "test",
		.linger_ms = 50,
		.delivery_timeout_ms = 30000,
		.queue_bytes = 1 << 20,
		.alone = true };
	struct wb_kafka_record r = record(LIT("k"), LIT("v"));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_set(&m, "batch.num.messages", "1000");
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = wb_kafka_producer_new(&m.options, &settings, NULL, NULL);
	assert_non_null(p);
	rd_kafka_mock_push_request_errors(m.cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	for (int i = 0; i < 10; i++)
		assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 10);
	assert_int_equal(acks.too_big, 1);
	assert_int_equal(acks.ok, 9);
	wb_kafka_producer_free(&p, 1000);
	acks_release(&acks);
	mock_stop(&m);
}

/* "Full, try again" for ever would be a lie. */
static void a_queue_holds_one_record_of_the_size_that_is_promised(void **state)
{
	static char value[3900000];
	const struct wb_kafka_producer_settings settings = {
		.client_id = "test", .delivery_timeout_ms = 30000, .queue_bytes = 1 << 20, .message_max_bytes = 4000000
	};
	struct wb_kafka_record r = record(LIT("k"), wb_slice(value, sizeof value));
	struct wb_kafka_producer *p;
	struct acks acks;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&acks);
	p = wb_kafka_producer_new(&m.options, &settings, NULL, NULL);
	assert_non_null(p);
	assert_int_equal(wb_kafka_producer_send(p, &r, on_ack, &acks), WB_OK);
	acks_wait(&acks, 1);
	assert_int_equal(acks.ok, 1);
	wb_kafka_producer_free(&p, 0);
	acks_release(&acks);
	mock_stop(&m);
}

/* Sends as many records again from its callbacks, as owners do that try once more. */
struct resender {
	struct acks acks;
	struct wb_kafka_producer *p;
	int left;
};

static void on_ack_send_again(void *arg, const struct wb_kafka_ack *ack)
{
	struct resender *r = arg;
	struct wb_kafka_record again = record(LIT("k"), LIT("v"));

	if (r->left-- > 0)
		assert_int_equal(wb_kafka_producer_send(r->p, &again, on_ack_send_again, r), WB_OK);
	on_ack(&r->acks, ack);
}

static void callbacks_may_send(void **state)
{
	struct wb_kafka_record first = record(LIT("k"), LIT("v"));
	struct resender r = { .left = 10 };
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	acks_init(&r.acks);
	r.p = producer_new(&m, 0, 30000);
	assert_int_equal(wb_kafka_producer_send(r.p, &first, on_ack_send_again, &r), WB_OK);
	acks_wait(&r.acks, 11);
	assert_int_equal(r.acks.ok, 11);
	wb_kafka_producer_free(&r.p, 1000);
	acks_release(&r.acks);
	mock_stop(&m);
}

static void partitions_are_asked_once(void **state)
{
	struct wb_kafka_producer *p;
	struct wb_error e = { "" };
	struct mock m;
	int32_t count = 0;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "results", 7);
	p = producer_new(&m, 0, 30000);
	assert_int_equal(wb_kafka_producer_partitions(p, "results", WAIT_MS, &count, &e), WB_OK);
	assert_int_equal(count, 7);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	count = 0;
	assert_int_equal(wb_kafka_producer_partitions(p, "results", 0, &count, &e), WB_OK);
	assert_int_equal(count, 7);
	assert_int_equal(wb_kafka_producer_partitions(p, "other", 100, &count, &e), WB_ETIMEDOUT);
	assert_non_null(strstr(e.text, "other"));
	wb_kafka_producer_free(&p, 0);
	mock_stop(&m);
}

/* Waits until up says what is wanted. */
static void assert_becomes_up(struct wb_kafka_producer *p, bool wanted)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
	struct wb_error e = { "" };

	while (wb_kafka_producer_up(p, &e) != wanted && wb_clock_mono_ms() < deadline_ms)
		(void)usleep(10000); /* only how often is looked */
	assert_int_equal(wb_kafka_producer_up(p, &e), wanted);
	if (!wanted)
		assert_string_not_equal(e.text, "");
}

static void up_follows_the_cluster(void **state)
{
	struct wb_kafka_producer *p;
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	p = producer_new(&m, 0, 30000);
	assert_becomes_up(p, true);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	assert_becomes_up(p, false);
	rd_kafka_mock_broker_set_up(m.cluster, 1);
	assert_becomes_up(p, true);
	wb_kafka_producer_free(&p, 0);
	mock_stop(&m);
}

static void wrong_options_are_told(void **state)
{
	const struct wb_kafka_producer_settings settings = { .client_id = "test", .queue_bytes = 1 << 20 };
	struct wb_error e = { "" };
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_set(&m, "compression.type", "rar");
	assert_null(wb_kafka_producer_new(&m.options, &settings, NULL, &e));
	assert_non_null(strstr(e.text, "kafka.compression.type"));
	mock_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_acknowledged_once),
		cmocka_unit_test(keys_go_where_java_puts_them),
		cmocka_unit_test(flush_does_not_linger),
		cmocka_unit_test(a_full_queue_takes_nothing),
		cmocka_unit_test(a_queue_of_tiny_records_is_bounded_too),
		cmocka_unit_test(an_outage_longer_than_the_timeout_fails_records),
		cmocka_unit_test(a_record_above_the_limit_is_refused_at_once),
		cmocka_unit_test(a_brokers_refusal_is_told),
		cmocka_unit_test(after_a_fatal_error_another_client_sends),
		cmocka_unit_test(answers_that_kill_idempotent_clients_lose_nothing),
		cmocka_unit_test(a_batch_that_only_its_successor_vouches_for_is_not_acknowledged),
		cmocka_unit_test(a_client_that_dies_while_it_is_freed_calls_back_for_all),
		cmocka_unit_test(records_alone_are_batches_of_their_own),
		cmocka_unit_test(a_queue_holds_one_record_of_the_size_that_is_promised),
		cmocka_unit_test(callbacks_may_send),
		cmocka_unit_test(partitions_are_asked_once),
		cmocka_unit_test(up_follows_the_cluster),
		cmocka_unit_test(wrong_options_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
