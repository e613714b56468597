#include "common/kafka/reader.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "tests/unit/common/kafka/mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
enum { WAIT_MS = 20000 };

struct fixture {
	struct mock mock;
	struct wb_kafka_producer *producer;
	struct wb_kafka_reader *reader;
	struct wb_buf seen; /* a line a record */
	size_t count;
};

static int setup(void **state)
{
	const struct wb_kafka_producer_settings settings = {
		.client_id = "test", .delivery_timeout_ms = WAIT_MS, .queue_bytes = 1 << 20
	};
	struct fixture *f = wb_xcalloc(1, sizeof *f);

	mock_start(&f->mock, 1);
	mock_topic(&f->mock, "letters", 3);
	f->producer = wb_kafka_producer_new(&f->mock.options, &settings, NULL, NULL);
	assert_non_null(f->producer);
	wb_buf_init(&f->seen, 1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wb_kafka_reader_free(&f->reader);
	wb_kafka_producer_free(&f->producer, 0);
	mock_stop(&f->mock);
	wb_buf_release(&f->seen);
	free(f);
	return 0;
}

static void ignore_ack(void *arg, const struct wb_kafka_ack *ack)
{
	(void)arg;
	assert_int_equal(ack->err, WB_OK);
}

static void put(struct fixture *f, int32_t partition, const char *value, int64_t timestamp_ms)
{
	const struct wb_header header = { LIT("h"), { NULL, 0 } };
	const struct wb_kafka_record r = { .topic = "letters",
		.partition = partition,
		.value = wb_slice_cstr(value),
		.timestamp_ms = timestamp_ms,
		.headers = &header,
		.header_count = 1 };

	assert_int_equal(wb_kafka_producer_send(f->producer, &r, ignore_ack, NULL), WB_OK);
	assert_int_equal(wb_kafka_producer_flush(f->producer, WAIT_MS), WB_OK);
}

static void on_record(void *arg, const struct wb_kafka_record *r)
{
	struct fixture *f = arg;

	f->count++;
	assert_string_equal(r->topic, "letters");
	assert_null(r->key.data);
	assert_int_equal(r->header_count, 1);
	assert_true(wb_slice_eq_cstr(r->headers[0].name, "h"));
	assert_null(r->headers[0].value.data);
	wb_buf_appendf(&f->seen, "%d/%lld %.*s;", (int)r->partition, (long long)r->offset, WB_SLICE_ARGS(r->value));
}

static void open_reader(struct fixture *f, int64_t since_ms)
{
	const struct wb_kafka_reader_settings settings = {
		.topic = "letters", .client_id = "test", .since_ms = since_ms, .timeout_ms = WAIT_MS
	};
	struct wb_error e = { "" };

	f->reader = wb_kafka_reader_new(&f->mock.options, &settings, NULL, &e);
	if (!f->reader)
		fail_msg("%s", e.text);
}

static void read_to_the_mark(struct fixture *f)
{
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;
	enum wb_err err = WB_OK;
	struct wb_error e = { "" };

	assert_int_equal(wb_kafka_reader_mark(f->reader, WAIT_MS, &e), WB_OK);
	while (!wb_kafka_reader_reached(f->reader, NULL) && wb_clock_mono_ms() < deadline_ms)
		(void)wb_kafka_reader_poll(f->reader, 100, 100, on_record, f, &err, &e);
	assert_int_equal(err, WB_OK);
	assert_true(wb_kafka_reader_reached(f->reader, NULL));
}

static void an_empty_topic_is_reached_at_once(void **state)
{
	struct fixture *f = *state;
	int64_t remaining = -1;

	open_reader(f, 0);
	assert_int_equal(wb_kafka_reader_mark(f->reader, WAIT_MS, NULL), WB_OK);
	assert_true(wb_kafka_reader_reached(f->reader, &remaining));
	assert_int_equal(remaining, 0);
}

static void everything_below_the_mark_is_read_in_order(void **state)
{
	struct fixture *f = *state;
	int64_t remaining = -1;

	put(f, 1, "a", 0);
	put(f, 1, "b", 0);
	put(f, 1, "c", 0);
	open_reader(f, 0);
	assert_int_equal(wb_kafka_reader_mark(f->reader, WAIT_MS, NULL), WB_OK);
	assert_false(wb_kafka_reader_reached(f->reader, &remaining));
	assert_int_equal(remaining, 3);
	read_to_the_mark(f);
	assert_string_equal(f->seen.data, "1/0 a;1/1 b;1/2 c;");
}

static void what_comes_after_the_mark_is_read_by_and_by(void **state)
{
	struct fixture *f = *state;

	put(f, 0, "a", 0);
	open_reader(f, 0);
	read_to_the_mark(f);
	put(f, 0, "b", 0);
	assert_true(wb_kafka_reader_reached(f->reader, NULL));
	read_to_the_mark(f);
	assert_string_equal(f->seen.data, "0/0 a;0/1 b;");
}

static void max_bounds_a_poll(void **state)
{
	struct fixture *f = *state;
	enum wb_err err = WB_OK;
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS;

	put(f, 0, "a", 0);
	put(f, 0, "b", 0);
	open_reader(f, 0);
	while (f->count == 0 && wb_clock_mono_ms() < deadline_ms)
		assert_true(wb_kafka_reader_poll(f->reader, 1, 100, on_record, f, &err, NULL) <= 1);
	assert_string_equal(f->seen.data, "0/0 a;");
}

/* Small fetches are waited for, but not for long; and a backlog that fills the queue is read on without its pauses of a
 * second. */
static void what_follows_reads_the_same(void **state)
{
	enum { MANY = 30000 };
	const struct wb_kafka_reader_settings settings = {
		.topic = "letters", .client_id = "test", .timeout_ms = WAIT_MS, .follows = true
	};
	struct fixture *f = *state;
	struct wb_error e = { "" };
	char value[400];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	f->reader = wb_kafka_reader_new(&f->mock.options, &settings, NULL, &e);
	if (!f->reader)
		fail_msg("%s", e.text);
	put(f, 0, "a", 0);
	read_to_the_mark(f);
	assert_string_equal(f->seen.data, "0/0 a;");
	wb_buf_release(&f->seen);
	wb_buf_init(&f->seen, 1 << 25);
	for (int i = 0; i < MANY; i++) {
		const struct wb_header header = { LIT("h"), { NULL, 0 } };
		const struct wb_kafka_record r = { .topic = "letters",
			.partition = i % 3,
			.value = wb_slice_cstr(value),
			.headers = &header,
			.header_count = 1 };

		while (wb_kafka_producer_send(f->producer, &r, ignore_ack, NULL) == WB_EFULL)
			assert_int_equal(wb_kafka_producer_flush(f->producer, WAIT_MS), WB_OK);
	}
	assert_int_equal(wb_kafka_producer_flush(f->producer, WAIT_MS), WB_OK);
	read_to_the_mark(f);
	assert_int_equal(f->count, MANY + 1);
}

static void since_skips_what_is_older(void **state)
{
	struct fixture *f = *state;

	put(f, 0, "old", 1000);
	put(f, 0, "young", 5000);
	put(f, 0, "late", 2000);
	put(f, 1, "old", 4999);
	open_reader(f, 5000);
	read_to_the_mark(f);
	assert_string_equal(f->seen.data, "0/1 young;0/2 late;");
}

static void a_cluster_that_does_not_answer_is_told(void **state)
{
	const struct wb_kafka_reader_settings settings = { .topic = "letters", .client_id = "test", .timeout_ms = 200 };
	struct fixture *f = *state;
	struct wb_error e = { "" };

	rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
	assert_null(wb_kafka_reader_new(&f->mock.options, &settings, NULL, &e));
	assert_non_null(strstr(e.text, "letters"));
}

static void an_outage_is_waited_out(void **state)
{
	struct fixture *f = *state;
	enum wb_err err = WB_OK;
	struct wb_error e = { "" };

	put(f, 0, "a", 0);
	open_reader(f, 0);
	rd_kafka_mock_broker_set_down(f->mock.cluster, 1);
	(void)wb_kafka_reader_poll(f->reader, 10, 300, on_record, f, &err, &e);
	assert_int_equal(err, WB_OK);
	assert_int_equal(wb_kafka_reader_mark(f->reader, 100, &e), WB_ETIMEDOUT);
	rd_kafka_mock_broker_set_up(f->mock.cluster, 1);
	read_to_the_mark(f);
	assert_string_equal(f->seen.data, "0/0 a;");
}

static void on_many_headers(void *arg, const struct wb_kafka_record *r)
{
	*(size_t *)arg = r->header_count;
	assert_true(wb_slice_eq_cstr(r->headers[0].name, "original"));
	assert_true(wb_slice_eq_cstr(r->headers[r->header_count - 1].name, "last"));
}

/* What the consumer says about a dead letter stands behind the original's headers, however many those are. */
static void a_record_may_have_any_number_of_headers(void **state)
{
	enum { MANY = 300 };
	struct fixture *f = *state;
	struct wb_header headers[MANY];
	const struct wb_kafka_record r = {
		.topic = "letters", .value = LIT("v"), .headers = headers, .header_count = MANY
	};
	enum wb_err err = WB_OK;
	struct wb_error e = { "" };
	size_t seen = 0;

	for (size_t i = 0; i < MANY; i++)
		headers[i] = (struct wb_header){ i + 1 < MANY ? LIT("original") : LIT("last"), LIT("x") };
	assert_int_equal(wb_kafka_producer_send(f->producer, &r, ignore_ack, NULL), WB_OK);
	assert_int_equal(wb_kafka_producer_flush(f->producer, WAIT_MS), WB_OK);
	open_reader(f, 0);
	assert_int_equal(wb_kafka_reader_poll(f->reader, 1, WAIT_MS, on_many_headers, &seen, &err, &e), 1);
	assert_int_equal(seen, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_topic_is_reached_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_below_the_mark_is_read_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_after_the_mark_is_read_by_and_by, setup, teardown),
		cmocka_unit_test_setup_teardown(max_bounds_a_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(what_follows_reads_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(since_skips_what_is_older, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cluster_that_does_not_answer_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(an_outage_is_waited_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_may_have_any_number_of_headers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
