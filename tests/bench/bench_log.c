/* What a line of the log costs that may wait for others (wb_log_later), as the audit line of each job does, beside one
 * that is written at once (wb_log_info): processor time of this process, all threads, system calls included. Another
 * process reads the pipe that the lines go to. Median of RUNS runs each.
 */
#include "common/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 5, LINES = 300000 };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_log: %s\n", what);
	exit(1);
}

/* Reads to the end in a process of its own; returns the end to write to. */
static int start_reader(pid_t *ret_child)
{
	int fds[2];

	must(pipe(fds) == 0, "pipe");
	*ret_child = fork();
	must(*ret_child >= 0, "fork");
	if (*ret_child == 0) {
		static char piece[65536];

		(void)close(fds[1]);
		while (read(fds[0], piece, sizeof piece) > 0)
			;
		_exit(0);
	}
	must(close(fds[0]) == 0, "close");
	return fds[1];
}

static double cpu_us(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "clock_gettime");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

#define FIELDS                                                                                                      \
	WB_STR("principal", "billing"), WB_INT("status", 202), WB_STR("op", "upsert"), WB_INT("count", 100),        \
		WB_INT("bytes", 102400), WB_BOOL("keyed", true), WB_STR("job", "0123456789abcdef0123456789abcdef"), \
		WB_STR("peer", "10.11.12.13"), WB_STR("database", "shop"), WB_STR("container", "invoices")

static double us_per_line(bool later, enum wb_log_format format)
{
	pid_t child;
	int fd = start_reader(&child);
	struct wb_log *log = wb_log_new("writebehind-producer", fd, WB_LOG_INFO, format);
	double began = cpu_us(), used;

	for (int i = 0; i < LINES; i++) {
		if (later)
			wb_log_later(log, "job", FIELDS);
		else
			wb_log_info(log, "job", FIELDS);
	}
	wb_log_free(&log);
	used = cpu_us() - began;
	must(close(fd) == 0, "close");
	must(waitpid(child, NULL, 0) == child, "waitpid");
	return used / LINES;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(bool later, enum wb_log_format format)
{
	double runs[RUNS];

	for (size_t i = 0; i < RUNS; i++)
		runs[i] = us_per_line(later, format);
	qsort(runs, RUNS, sizeof *runs, ascending);
	return runs[RUNS / 2];
}

int main(void)
{
	static const char *const names[] = { [WB_LOG_LOGFMT] = "logfmt", [WB_LOG_JSON] = "json" };

	for (int format = WB_LOG_LOGFMT; format <= WB_LOG_JSON; format++) {
		double later = median(true, (enum wb_log_format)format);
		double at_once = median(false, (enum wb_log_format)format);

		printf("{\"bench\":\"audit line\",\"format\":\"%s\",\"lines\":%d,\"cpu_us_per_line\":%.2f,"
		       "\"baseline\":\"written at once\",\"baseline_cpu_us_per_line\":%.2f,\"target\":\"<= 2\"}\n",
			names[format], LINES, later, at_once);
		must(fflush(stdout) == 0, "stdout");
	}
	return 0;
}
