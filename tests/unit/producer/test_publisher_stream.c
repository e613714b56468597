#include "tests/unit/producer/publisher_fixture.h"

#define BLOCK 64

/* A write that Kafka's client holds on to, and a stop. */
struct held {
	struct bench *bench;
	struct wb_publish_stream *stream;
	struct wb_publish_block *block;
	enum wb_err err;
	atomic_bool stopped;
};

static void on_room(void *arg)
{
	struct bench *b = arg;

	atomic_fetch_add(&b->room, 1);
}

static struct wb_publish_stream *open_stream(struct bench *b)
{
	return wb_publish_stream_open(b->publisher, &job_1234, on_room, b);
}

static struct wb_publish_block *new_block(struct wb_publish_stream *s)
{
	struct wb_publish_block *block = NULL;

	assert_int_equal(wb_publish_block_new(s, NULL, BLOCK, &block, NULL), WB_OK);
	return block;
}

static enum wb_err send(struct wb_publish_stream *s, struct wb_publish_block *block, const char *document)
{
	struct wb_batch_write write = { .id = wb_slice_cstr("a") };
	char *bytes = wb_publish_block_bytes(block);

	memcpy(bytes, document, strlen(document));
	write.document = wb_slice(bytes, strlen(document));
	return wb_publish_stream_send(s, block, &write, NULL);
}

static void the_accepted_record_follows_all_acknowledgements_and_the_end(void **state)
{
	struct wb_publish_stream *s;
	struct wb_publish_block *block;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(send(s, block, "{2}"), WB_OK);
	wb_publish_block_done(&block);
	assert_null(block);
	assert_int_equal(wb_publish_stream_count(s), 2);
	wb_publish_stream_end(&s, on_done, &b.answer);
	assert_int_equal(wb_publisher_in_flight(b.publisher), 1);
	assert_int_equal(b.kafka.count, 2);
	acknowledge(&b.kafka, 1, WB_OK);
	assert_int_equal(b.kafka.count, 3);
	assert_string_equal(b.kafka.sent[1].seq, "1");
	assert_string_equal(b.kafka.sent[1].value, "{2}");
	assert_non_null(strstr(b.kafka.sent[2].value, "\"count\":2"));
	assert_int_equal(b.answer.times, 0);
	acknowledge(&b.kafka, 2, WB_OK);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_OK);
	end(&b);
}

static void blocks_are_lent_up_to_the_limit_and_room_is_told_once_one_is_back(void **state)
{
	struct wb_publish_block *first, *second, *third = NULL;
	struct wb_publish_stream *s;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	first = new_block(s);
	assert_int_equal(send(s, first, "{1}"), WB_OK);
	second = new_block(s);
	assert_int_equal(wb_publish_block_new(s, NULL, BLOCK, &third, NULL), WB_EFULL);
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(b.room, 0); /* it may still get records */
	wb_publish_block_done(&first);
	assert_int_equal(b.room, 1);
	third = new_block(s);
	wb_publish_block_done(&second);
	wb_publish_block_done(&third);
	assert_int_equal(b.room, 1);
	wb_publish_stream_abort(&s);
	assert_int_equal(b.kafka.count, 1);
	end(&b);
}

/* Of two Kafka clients either may be the quicker one. */
static void what_comes_after_a_refused_stream_does_not_overtake_its_records(void **state)
{
	struct wb_publish_block *block;
	struct wb_publish_stream *s;
	struct bench b;

	(void)state;
	begin_apart(&b, 60000);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	assert_int_equal(send(s, block, "{2}"), WB_OK);
	assert_int_equal(b.streams.count, 2);
	wb_publish_block_done(&block);
	wb_publish_stream_abort(&s);
	acknowledge(&b.streams, 0, WB_OK);
	submit(&b, 1); /* the mended one */
	assert_int_equal(b.streams.count, 3);
	assert_int_equal(b.kafka.count, 0);
	acknowledge(&b.streams, 1, WB_EIO);
	acknowledge(&b.streams, 2, WB_OK);
	assert_int_equal(b.kafka.count, 1); /* its accepted record */
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_OK);
	submit(&b, 1);
	assert_int_equal(b.streams.count, 3);
	assert_int_equal(b.kafka.count, 2);
	acknowledge(&b.kafka, 1, WB_OK);
	acknowledge(&b.kafka, 2, WB_OK);
	end(&b);
}

static void a_stream_after_a_job_that_ran_out_of_time_does_not_overtake_it(void **state)
{
	struct wb_publish_block *block;
	struct wb_publish_stream *s;
	struct bench b;

	(void)state;
	begin_apart(&b, 1);
	submit(&b, 2);
	acknowledge(&b.kafka, 0, WB_OK);
	wait_for_answer(&b.answer);
	assert_int_equal(b.answer.err, WB_ETIMEDOUT);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	assert_int_equal(b.kafka.count, 3);
	acknowledge(&b.kafka, 1, WB_ETIMEDOUT);
	wb_publish_block_done(&block);
	wb_publish_stream_abort(&s);
	acknowledge(&b.kafka, 2, WB_OK);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	assert_int_equal(b.streams.count, 1);
	wb_publish_block_done(&block);
	wb_publish_stream_abort(&s);
	acknowledge(&b.streams, 0, WB_OK);
	end(&b);
}

static void streams_share_the_memory(void **state)
{
	struct wb_publish_block *first, *other, *more = NULL;
	struct wb_publish_stream *s, *second;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	second = open_stream(&b);
	first = new_block(s);
	assert_int_equal(wb_publish_block_new(s, NULL, BLOCK, &more, NULL), WB_EFULL);
	/* The one that is to be replaced does not count, or nobody would ever wake the stream. */
	assert_int_equal(wb_publish_block_new(s, first, 100 * BLOCK, &more, NULL), WB_OK);
	wb_publish_block_done(&more);
	other = new_block(second);
	wb_publish_block_done(&other);
	wb_publish_stream_abort(&second);
	more = new_block(s);
	wb_publish_block_done(&more);
	wb_publish_block_done(&first);
	wb_publish_stream_abort(&s);
	end(&b);
}

static void a_block_larger_than_the_limit_is_lent_to_a_stream_that_has_none(void **state)
{
	struct wb_publish_block *large = NULL;
	struct wb_publish_stream *s;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	assert_int_equal(wb_publish_block_new(s, NULL, 1000, &large, NULL), WB_OK);
	wb_publish_block_done(&large);
	wb_publish_stream_abort(&s);
	end(&b);
}

static void a_full_queue_is_told_when_it_may_be_tried_again(void **state)
{
	struct wb_publish_stream *s;
	struct wb_publish_block *block;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	atomic_store(&b.kafka.room, 0);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_EFULL);
	for (int i = 0; i < 20000 && atomic_load(&b.room) == 0; i++)
		pause_ms(1);
	assert_int_equal(b.room, 1);
	atomic_store(&b.kafka.room, 2);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	assert_int_equal(wb_publish_stream_count(s), 1);
	wb_publish_block_done(&block);
	wb_publish_stream_end(&s, on_done, &b.answer);
	acknowledge(&b.kafka, 0, WB_OK);
	acknowledge(&b.kafka, 1, WB_OK);
	assert_int_equal(b.answer.err, WB_OK);
	assert_int_equal(b.answer.times, 1);
	end(&b);
}

static void a_failed_record_fails_the_stream_and_there_is_no_job(void **state)
{
	struct wb_publish_stream *s;
	struct wb_publish_block *block;
	struct wb_error why;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	acknowledge(&b.kafka, 0, WB_EIO);
	assert_int_equal(send(s, block, "{2}"), WB_EIO);
	wb_publish_block_done(&block);
	assert_int_equal(wb_publish_block_new(s, NULL, BLOCK, &block, &why), WB_EIO);
	assert_string_equal(why.text, "as the test says");
	wb_publish_stream_end(&s, on_done, &b.answer);
	assert_int_equal(b.answer.times, 1);
	assert_int_equal(b.answer.err, WB_EIO);
	assert_int_equal(b.kafka.count, 1);
	end(&b);
}

static void an_aborted_stream_makes_no_job_and_tells_nobody(void **state)
{
	struct wb_publish_stream *s;
	struct wb_publish_block *block;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	wb_publish_block_done(&block);
	wb_publish_stream_abort(&s);
	acknowledge(&b.kafka, 0, WB_OK);
	assert_int_equal(b.kafka.count, 1);
	assert_int_equal(b.answer.times, 0);
	assert_int_equal(wb_publisher_in_flight(b.publisher), 0);
	end(&b);
}

static void *send_one(void *arg)
{
	struct held *h = arg;

	h->err = send(h->stream, h->block, "{1}");
	return NULL;
}

static void *stop_publisher(void *arg)
{
	struct held *h = arg;

	wb_publisher_stop(h->bench->publisher);
	atomic_store(&h->stopped, true);
	return NULL;
}

/* After stop nobody is in Kafka's client any more, which is freed then. */
static void stopping_waits_for_a_write_that_is_being_sent(void **state)
{
	struct held h = { 0 };
	pthread_t sender, stopper;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	h.bench = &b;
	h.stream = open_stream(&b);
	h.block = new_block(h.stream);
	atomic_store(&b.kafka.hold, true);
	sender = wb_thread_start("sender", send_one, &h);
	while (!atomic_load(&b.kafka.held))
		pause_ms(1);
	stopper = wb_thread_start("stopper", stop_publisher, &h);
	pause_ms(50); /* enough for a stop that does not wait to be through */
	assert_false(atomic_load(&h.stopped));
	atomic_store(&b.kafka.hold, false);
	wb_thread_join(sender);
	wb_thread_join(stopper);
	wb_publish_block_done(&h.block);
	wb_publish_stream_abort(&h.stream);
	acknowledge(&b.kafka, 0, WB_OK);
	wb_publisher_free(&b.publisher);
	wb_metrics_free(&b.metrics);
}

static void stopping_fails_open_streams_and_those_that_end_later(void **state)
{
	struct wb_publish_stream *s, *waiting;
	struct wb_publish_block *block, *more = NULL;
	struct bench b;

	(void)state;
	begin(&b, 60000);
	s = open_stream(&b);
	waiting = open_stream(&b);
	block = new_block(s);
	assert_int_equal(send(s, block, "{1}"), WB_OK);
	wb_publisher_stop(b.publisher);
	assert_int_equal(b.room, 2);
	assert_int_equal(send(s, block, "{2}"), WB_ECLOSED);
	assert_int_equal(wb_publish_block_new(waiting, NULL, BLOCK, &more, NULL), WB_ECLOSED);
	wb_publish_block_done(&block);
	wb_publish_stream_abort(&s);
	acknowledge(&b.kafka, 0, WB_OK);
	wb_publish_stream_abort(&waiting);
	wb_publisher_free(&b.publisher);
	wb_metrics_free(&b.metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_accepted_record_follows_all_acknowledgements_and_the_end),
		cmocka_unit_test(blocks_are_lent_up_to_the_limit_and_room_is_told_once_one_is_back),
		cmocka_unit_test(what_comes_after_a_refused_stream_does_not_overtake_its_records),
		cmocka_unit_test(a_stream_after_a_job_that_ran_out_of_time_does_not_overtake_it),
		cmocka_unit_test(streams_share_the_memory),
		cmocka_unit_test(a_block_larger_than_the_limit_is_lent_to_a_stream_that_has_none),
		cmocka_unit_test(a_full_queue_is_told_when_it_may_be_tried_again),
		cmocka_unit_test(a_failed_record_fails_the_stream_and_there_is_no_job),
		cmocka_unit_test(an_aborted_stream_makes_no_job_and_tells_nobody),
		cmocka_unit_test(stopping_waits_for_a_write_that_is_being_sent),
		cmocka_unit_test(stopping_fails_open_streams_and_those_that_end_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
