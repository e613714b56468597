#include "common/base/log_buffer.h"

#include "common/base/clock.h"
#include "common/base/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A buffer that writes into a pipe. */
struct fixture {
	int fds[2];
	struct wb_log_buffer *buffer;
	char text[1000];
};

static void open_buffer(struct fixture *f)
{
	assert_int_equal(pipe(f->fds), 0);
	f->buffer = wb_log_buffer_new(f->fds[1]);
}

static void add(struct fixture *f, const char *line)
{
	wb_log_buffer_add(f->buffer, line, strlen(line));
}

/* What the pipe holds now; waits for something to be there. */
static const char *read_some(struct fixture *f)
{
	ssize_t n = read(f->fds[0], f->text, sizeof f->text - 1);

	assert_true(n >= 0);
	f->text[n] = '\0';
	return f->text;
}

static void close_buffer(struct fixture *f)
{
	wb_log_buffer_free(&f->buffer);
	assert_null(f->buffer);
	wb_log_buffer_free(&f->buffer);
	assert_int_equal(close(f->fds[1]), 0);
	assert_int_equal(close(f->fds[0]), 0);
}

static void lines_are_gathered_for_a_moment(void **state)
{
	int64_t began_ms = wb_clock_mono_ms();
	struct fixture f;

	(void)state;
	open_buffer(&f);
	add(&f, "a\n");
	add(&f, "b\n");
	assert_string_equal(read_some(&f), "a\nb\n");
	assert_true(wb_clock_mono_ms() - began_ms >= WB_LOG_BUFFER_DELAY_MS);
	add(&f, "c\n"); /* the thread waits again */
	assert_string_equal(read_some(&f), "c\n");
	close_buffer(&f);
}

static void what_is_written_at_once_comes_after_what_waits(void **state)
{
	struct fixture f;

	(void)state;
	open_buffer(&f);
	wb_log_buffer_write(f.buffer, "0\n", 2);
	assert_string_equal(read_some(&f), "0\n");
	add(&f, "a\n");
	wb_log_buffer_write(f.buffer, "b\n", 2);
	assert_string_equal(read_some(&f), "a\nb\n");
	close_buffer(&f);
}

static void the_end_writes_what_waits(void **state)
{
	struct fixture f;

	(void)state;
	open_buffer(&f);
	add(&f, "a\n");
	wb_log_buffer_free(&f.buffer);
	assert_string_equal(read_some(&f), "a\n");
	close_buffer(&f);
}

static void *read_all(void *arg)
{
	static char piece[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(*(int *)arg, piece, sizeof piece)) > 0)
		sum += (size_t)n;
	return (void *)(uintptr_t)sum;
}

enum { LINES = 20000, LINE_LEN = 100 };

static void *add_many(void *arg)
{
	char line[LINE_LEN + 1];

	(void)snprintf(line, sizeof line, "%*s\n", LINE_LEN - 1, "x");
	for (int i = 0; i < LINES; i++)
		wb_log_buffer_add((struct wb_log_buffer *)arg, line, LINE_LEN);
	return NULL;
}

static void many_lines_of_many_threads_all_arrive(void **state)
{
	pthread_t reader, writers[3];
	struct fixture f;
	void *sum = NULL;

	(void)state;
	open_buffer(&f);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &f.fds[0]), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, add_many, f.buffer), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_join(writers[i], NULL), 0);
	wb_log_buffer_free(&f.buffer);
	assert_int_equal(close(f.fds[1]), 0);
	assert_int_equal(pthread_join(reader, &sum), 0);
	assert_int_equal((uintptr_t)sum, 3 * LINES * LINE_LEN);
	assert_int_equal(close(f.fds[0]), 0);
}

static void rescue_waits_for_no_reader(void **state)
{
	static char filler[65536];
	int64_t began_ms = wb_clock_mono_ms();
	struct fixture f;

	(void)state;
	open_buffer(&f);
	add(&f, "a\n");
	wb_log_buffer_rescue(f.buffer);
	assert_string_equal(read_some(&f), "a\n");
	assert_true(wb_clock_mono_ms() - began_ms < 5000);
	/* It keeps its locks, as nothing comes after it: this buffer cannot be freed. So much for the leak, on purpose. */
	assert_int_equal(fcntl(f.fds[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(fcntl(f.fds[1], F_SETFL, O_NONBLOCK), 0);
	while (write(f.fds[1], filler, sizeof filler) > 0)
		;
	assert_int_equal(fcntl(f.fds[1], F_SETFL, 0), 0);
	wb_log_buffer_rescue(f.buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_gathered_for_a_moment),
		cmocka_unit_test(what_is_written_at_once_comes_after_what_waits),
		cmocka_unit_test(the_end_writes_what_waits),
		cmocka_unit_test(many_lines_of_many_threads_all_arrive),
		cmocka_unit_test(rescue_waits_for_no_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
