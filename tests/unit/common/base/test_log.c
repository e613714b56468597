#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A log that writes into a pipe, and what was read from it. */
struct fixture {
	int fds[2];
	struct wb_log *log;
	char text[20000];
};

static void open_log(struct fixture *f, enum wb_log_level level, enum wb_log_format format)
{
	assert_int_equal(pipe(f->fds), 0);
	f->log = wb_log_new("writebehind-test", f->fds[1], level, format);
}

static const char *written(struct fixture *f)
{
	size_t len = 0;
	ssize_t n;

	wb_log_free(&f->log);
	assert_null(f->log);
	assert_int_equal(close(f->fds[1]), 0);
	while ((n = read(f->fds[0], f->text + len, sizeof f->text - 1 - len)) > 0)
		len += (size_t)n;
	assert_int_equal(close(f->fds[0]), 0);
	f->text[len] = '\0';
	return f->text;
}

static void logfmt_is_one_line_of_pairs(void **state)
{
	struct fixture f;
	const char *line;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	wb_log_warn(f.log, "topic created", WB_STR("topic", "writebehind.writes"), WB_INT("partitions", -3),
		WB_DOUBLE("seconds", 0.25), WB_BOOL("new", true), WB_SLICE("part", wb_slice("abcdef", 3)));
	line = written(&f);
	assert_int_equal(strncmp(line, "time=20", 7), 0);
	assert_string_equal(line + strlen("time=2026-01-02T03:04:05.678Z"),
		" level=warn program=writebehind-test msg=\"topic created\" topic=writebehind.writes partitions=-3 "
		"seconds=0.25 new=true part=abc\n");
}

static void json_is_one_object_a_line(void **state)
{
	struct fixture f;
	json_t *event;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_JSON);
	wb_log_info(f.log, "a \"quoted\" event", WB_STR("text", "x\ny"), WB_INT("n", INT64_MIN), WB_DOUBLE("d", NAN),
		WB_BOOL("b", false), WB_STR("none", NULL));
	event = json_loads(written(&f), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(event, "program")), "writebehind-test");
	assert_string_equal(json_string_value(json_object_get(event, "msg")), "a \"quoted\" event");
	assert_string_equal(json_string_value(json_object_get(event, "text")), "x\ny");
	assert_true(json_integer_value(json_object_get(event, "n")) == INT64_MIN);
	assert_true(json_is_null(json_object_get(event, "d")));
	assert_true(json_is_false(json_object_get(event, "b")));
	assert_true(json_is_null(json_object_get(event, "none")));
	json_decref(event);
}

static void levels_below_the_set_one_are_not_written(void **state)
{
	struct fixture f;

	(void)state;
	open_log(&f, WB_LOG_WARN, WB_LOG_LOGFMT);
	assert_false(wb_log_enabled(f.log, WB_LOG_INFO));
	assert_true(wb_log_enabled(f.log, WB_LOG_WARN));
	wb_log_debug(f.log, "no");
	wb_log_info(f.log, "no");
	wb_log_error(f.log, "yes");
	assert_non_null(strstr(written(&f), "level=error program=writebehind-test msg=\"yes\"\n"));
	assert_null(strstr(f.text, "no"));
}

static void values_cannot_forge_lines_or_drive_a_terminal(void **state)
{
	struct fixture f;
	const char *line;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	wb_log_info(f.log, "event", WB_STR("a", "x\nlevel=error"), WB_STR("b", "\x1b[2J\x7f"),
		WB_STR("c",
			"\xC2\x9B"
			"2J"),
		WB_STR("d", "\xFF"), WB_STR("e", ""), WB_STR("f", "k=v"), WB_STR("g", "q\"\\"),
		WB_STR("h", "\xC3\xA9"));
	line = written(&f);
	assert_non_null(strstr(line,
		" a=\"x\\nlevel=error\" b=\"\\u001b[2J\\u007f\" c=\"\\u009b2J\" d=\"\xEF\xBF\xBD\" e=\"\" f=\"k=v\" "
		"g=\"q\\\"\\\\\" h=\"\xC3\xA9\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void long_lines_are_cut_and_stay_well_formed(void **state)
{
	static char longer[10000];
	struct fixture f;
	json_t *event;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof longer; i++)
		longer[i] = i % 7 ? 'x' : '"';
	open_log(&f, WB_LOG_INFO, WB_LOG_JSON);
	wb_log_info(f.log, "event", WB_STR("long", longer), WB_STR("lost", "no room"));
	assert_true(strlen(written(&f)) <= 8192);
	assert_true(strlen(f.text) > 8000);
	event = json_loads(f.text, 0, NULL);
	assert_non_null(event);
	assert_null(json_object_get(event, "lost"));
	json_decref(event);
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	wb_log_info(f.log, longer, WB_INT("lost", 1));
	assert_string_equal(written(&f) + strlen(f.text) - 5, "\xE2\x80\xA6\"\n");
}

static void many_fields_do_not_overflow(void **state)
{
	struct fixture f;
	char value[800];

	(void)state;
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	open_log(&f, WB_LOG_INFO, WB_LOG_JSON);
	wb_log_info(f.log, "event", WB_STR("a", value), WB_STR("b", value), WB_STR("c", value), WB_STR("d", value),
		WB_STR("e", value), WB_STR("f", value), WB_STR("g", value), WB_STR("h", value), WB_STR("i", value),
		WB_STR("j", value), WB_INT("k", 1), WB_BOOL("l", true), WB_DOUBLE("m", 1.5));
	assert_true(strlen(written(&f)) <= 8192);
	assert_string_equal(f.text + strlen(f.text) - 2, "}\n");
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		wb_log_info(
			(struct wb_log *)arg, "event", WB_INT("i", i), WB_STR("text", "some text to make it longer"));
	return NULL;
}

static void lines_that_may_wait_come_in_order_and_without_being_asked_for(void **state)
{
	struct fixture f;
	size_t len = 0;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	wb_log_later(f.log, "first");
	wb_log_later(f.log, "second");
	wb_log_info(f.log, "third");
	wb_log_later(f.log, "fourth");
	f.text[0] = '\0';
	while (!strstr(f.text, "fourth")) {
		ssize_t n = read(f.fds[0], f.text + len, sizeof f.text - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		f.text[len] = '\0';
	}
	assert_true(strstr(f.text, "first") < strstr(f.text, "second"));
	assert_true(strstr(f.text, "second") < strstr(f.text, "third"));
	assert_true(strstr(f.text, "third") < strstr(f.text, "fourth"));
	wb_log_later(f.log, "fifth");
	assert_non_null(strstr(written(&f), "fifth"));
}

/* The child logs what may wait and aborts; what it logged is read here. */
static void what_waits_is_written_when_the_process_aborts(void **state)
{
	struct fixture f;
	int status;
	pid_t child;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit no_core = { 0 };

		(void)setrlimit(RLIMIT_CORE, &no_core);
		wb_log_keep_at_abort(f.log);
		wb_log_later(f.log, "the last words");
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(written(&f), "the last words"));
}

static void *drain(void *arg)
{
	FILE *in = fdopen(*(int *)arg, "r");
	size_t lines = 0, cap = 0;
	char *line = NULL;

	if (!in)
		return NULL;
	while (getline(&line, &cap, in) > 0) {
		if (strncmp(line, "time=", 5) == 0 && strstr(line, "longer\"\n"))
			lines++;
	}
	free(line);
	(void)fclose(in); /* only read from */
	return (void *)(uintptr_t)lines;
}

static void lines_of_several_threads_stay_whole(void **state)
{
	pthread_t reader, writers[4];
	struct fixture f;
	void *lines;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	assert_int_equal(pthread_create(&reader, NULL, drain, &f.fds[0]), 0);
	for (size_t i = 0; i < WB_ARRAY_LEN(writers); i++)
		assert_int_equal(pthread_create(&writers[i], NULL, log_many, f.log), 0);
	for (size_t i = 0; i < WB_ARRAY_LEN(writers); i++)
		assert_int_equal(pthread_join(writers[i], NULL), 0);
	wb_log_free(&f.log);
	assert_int_equal(close(f.fds[1]), 0);
	assert_int_equal(pthread_join(reader, &lines), 0);
	assert_int_equal((uintptr_t)lines, 800);
}

static void a_reader_that_does_not_read_loses_lines_but_stops_nobody(void **state)
{
	struct fixture f;

	(void)state;
	open_log(&f, WB_LOG_INFO, WB_LOG_LOGFMT);
	assert_int_equal(fcntl(f.fds[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(fcntl(f.fds[1], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 40; i++)
		wb_log_info(f.log, "some event that nobody reads, some event that nobody reads", WB_INT("i", i));
	assert_true(strlen(written(&f)) <= 4096);
}

static void logging_keeps_errno_and_no_log_is_fine(void **state)
{
	struct wb_log *none = NULL;

	(void)state;
	wb_log_error(none, "nobody hears");
	assert_false(wb_log_enabled(none, WB_LOG_ERROR));
	wb_log_free(&none);
	none = wb_log_new("p", -1, WB_LOG_INFO, WB_LOG_LOGFMT); /* every write fails */
	errno = ENOENT;
	wb_log_error(none, "event");
	assert_int_equal(errno, ENOENT);
	wb_log_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while no other thread was ever there to lose in the fork. */
		cmocka_unit_test(what_waits_is_written_when_the_process_aborts),
		cmocka_unit_test(logfmt_is_one_line_of_pairs),
		cmocka_unit_test(lines_that_may_wait_come_in_order_and_without_being_asked_for),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(levels_below_the_set_one_are_not_written),
		cmocka_unit_test(values_cannot_forge_lines_or_drive_a_terminal),
		cmocka_unit_test(long_lines_are_cut_and_stay_well_formed),
		cmocka_unit_test(many_fields_do_not_overflow),
		cmocka_unit_test(lines_of_several_threads_stay_whole),
		cmocka_unit_test(a_reader_that_does_not_read_loses_lines_but_stops_nobody),
		cmocka_unit_test(logging_keeps_errno_and_no_log_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
