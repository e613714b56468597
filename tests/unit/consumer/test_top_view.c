#include "consumer/top_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define QUIET                                                                                         \
	"{\"version\":\"1.2\",\"now\":\"2026-01-02T03:04:05.678Z\",\"uptimeSeconds\":60,"             \
	"\"group\":{\"id\":\"g\",\"member\":true,\"joining\":false,\"change\":\"none\"},"             \
	"\"totals\":{\"records\":10,\"bytes\":%d,\"written\":%d,\"superseded\":0,\"dead\":%d},"       \
	"\"memory\":{\"heldBytes\":512,\"budgetBytes\":1024},"                                        \
	"\"faults\":{\"ready\":true,\"conditions\":[],\"outages\":[]},\"unanswered\":[],\"held\":[]," \
	"\"partitions\":[],\"ranges\":[]}"

static const char trouble[] =
	"{\"version\":\"1.2\",\"now\":\"2026-01-02T03:04:05.678Z\",\"uptimeSeconds\":60,"
	"\"group\":{\"id\":\"g\",\"member\":false,\"joining\":true,\"change\":\"revoke\"},"
	"\"totals\":{},\"memory\":{\"heldBytes\":null,\"budgetBytes\":1024},"
	"\"faults\":{\"ready\":false,"
	"\"conditions\":[{\"name\":\"cosmos\",\"ok\":false,\"why\":\"\\u001b[31mstatus 503\","
	"\"since\":\"2026-01-02T03:00:05.000Z\"}],"
	"\"outages\":[{\"database\":\"db\",\"container\":\"c\",\"range\":\"7\",\"worker\":1,"
	"\"since\":\"2026-01-02T03:04:00.000Z\"}]},"
	"\"unanswered\":[\"worker-1\"],"
	"\"held\":["
	"{\"topic\":\"t\",\"partition\":3,\"offset\":17,\"database\":\"db\",\"container\":\"c\",\"id\":\"\\u001b]0;x\","
	"\"idCut\":true,\"state\":\"waiting\",\"alone\":true,\"attempts\":4,\"status\":449,\"substatus\":7,"
	"\"heldSince\":\"2026-01-02T02:04:05.000Z\"},"
	"{\"topic\":\"t\",\"partition\":4,\"offset\":18,\"id\":\"young\",\"state\":\"waiting\","
	"\"heldSince\":\"2026-01-02T03:04:05.600Z\"}],"
	"\"partitions\":[{\"topic\":\"t\",\"partition\":3,\"position\":20,\"committed\":17,\"lag\":1234,\"pending\":3,"
	"\"gap\":3,\"standsAt\":17,\"standsSince\":\"2026-01-02T02:04:05.000Z\",\"paused\":true},"
	"{\"topic\":\"t\",\"partition\":4,\"position\":null,\"committed\":null,\"lag\":null,\"standsAt\":null,"
	"\"standsSince\":null,\"lost\":{\"from\":1,\"to\":null}}],"
	"\"ranges\":[{\"database\":\"db\",\"container\":\"c\",\"range\":\"7\",\"worker\":1,\"ready\":5,\"inFlight\":1,"
	"\"limit\":4,\"throttledForMs\":250,\"outageSince\":\"2026-01-02T03:04:00.000Z\",\"refusedSince\":null,"
	"\"requestCharge\":1234.5}]}";

struct shown {
	struct wb_top_view *view;
	struct wb_buf text;
};

static const char *const urls[] = { "http://one", "http://two" };

static struct shown show(size_t consumers)
{
	struct shown s = { .view = wb_top_view_new(urls, consumers) };

	wb_buf_init(&s.text, 1 << 20);
	return s;
}

static void end(struct shown *s)
{
	wb_top_view_free(&s->view);
	assert_null(s->view);
	wb_buf_release(&s->text);
}

static void take(struct shown *s, size_t i, const char *json, int64_t now_ms)
{
	struct wb_error e = { "" };

	assert_int_equal(wb_top_view_take(s->view, i, wb_slice_cstr(json), now_ms, &e), WB_OK);
}

static const char *rendered(struct shown *s, size_t width, size_t height)
{
	wb_buf_clear(&s->text);
	wb_top_view_render(s->view, width, height, &s->text);
	assert_int_equal(wb_buf_status(&s->text), WB_OK);
	return wb_buf_slice(&s->text).data;
}

static void a_quiet_consumer_takes_three_lines(void **state)
{
	struct shown s = show(1);
	char json[2000];

	(void)state;
	(void)snprintf(json, sizeof json, QUIET, 0, 0, 0);
	take(&s, 0, json, 1000);
	assert_string_equal(rendered(&s, 200, 0),
		"http://one  ready  group g, member, 0 partitions, up 1m 00s, 1.2\n"
		"  - docs/s  - KiB/s  lag 0  pending 0  dead 0\n  memory [##########----------] 512 B of 1.0 KiB\n");
	end(&s);
}

static void rates_are_what_changed_since(void **state)
{
	struct shown s = show(1);
	char json[2000];

	(void)state;
	(void)snprintf(json, sizeof json, QUIET, 0, 100, 0);
	take(&s, 0, json, 1000);
	(void)snprintf(json, sizeof json, QUIET, 2048 * 1024, 3100, 10);
	take(&s, 0, json, 3000);
	assert_non_null(strstr(rendered(&s, 200, 0), "  1,505 docs/s  1,024 KiB/s  lag 0  pending 0  dead 10\n"));
	(void)snprintf(json, sizeof json, QUIET, 0, 5, 0); /* it was restarted */
	take(&s, 0, json, 4000);
	assert_non_null(strstr(rendered(&s, 200, 0), "  - docs/s  - KiB/s  "));
	end(&s);
}

static void trouble_comes_first_and_drives_no_terminal(void **state)
{
	struct shown s = show(1);

	(void)state;
	take(&s, 0, trouble, 1000);
	assert_string_equal(rendered(&s, 200, 0),
		"http://one  NOT READY  group g, no member, joining, answering revoke, 2 partitions, up 1m 00s, 1.2\n"
		"  - docs/s  - KiB/s  lag 1,234  pending 3  dead 0\n  memory [--------------------] 0 B of 1.0 KiB\n"
		"\nFAULTS\n"
		"    FAULT          FOR  WHY\n"
		"    cosmos      4m 00s  \\u{1b}[31mstatus 503\n"
		"    outage          5s  range 7 of db/c\n"
		"    unanswered          thread worker-1 does not say how it stands\n"
		"\nHELD for long\n"
		"      HELD  WRITE   STATE           TRIES  STATUS  CONTAINER  ID\n"
		"    1h 00m  t/3@17  waiting, alone      4   449/7  db/c       \\u{1b}]0;x...\n"
		"\nRANGES\n"
		"    CONTAINER  RANGE  WORKER  READY  IN FLIGHT  THROTTLED  REQUEST UNITS\n"
		"    db/c           7       1      5     1 of 4     250 ms          1,234  OUTAGE\n"
		"\nPARTITIONS\n"
		"    PARTITION    LAG  PENDING  GAP  POSITION  COMMITTED  STANDS AT     FOR\n"
		"    t/3        1,234        3    3        20         17         17  1h 00m  paused\n"
		"    t/4            -        0    0         -          -          -          RECORDS LOST\n");
	end(&s);
}

static void it_fits_any_window(void **state)
{
	struct shown s = show(2);

	(void)state;
	take(&s, 0, trouble, 1000);
	take(&s, 1, trouble, 1000);
	for (size_t height = 1; height < 40; height++) {
		size_t lines = 0;

		for (const char *at = rendered(&s, height + 5, height); *at; lines++) {
			size_t len = strcspn(at, "\n");

			assert_true(len <= height + 5);
			at += len + 1;
		}
		assert_true(lines > 0 && lines <= height);
	}
	/* What is wrong is seen in a small one, too. */
	assert_non_null(strstr(rendered(&s, 80, 12), "cosmos"));
	end(&s);
}

static void several_are_told_apart(void **state)
{
	struct shown s = show(2);

	(void)state;
	take(&s, 0, trouble, 1000);
	wb_top_view_fail(s.view, 1, "connection refused\x1b");
	assert_non_null(strstr(rendered(&s, 200, 0), "#2 http://two  UNREACHABLE: connection refused\\u{1b}\n"));
	take(&s, 1, trouble, 2000);
	assert_non_null(strstr(rendered(&s, 200, 0), "  #1  outage "));
	assert_non_null(strstr(rendered(&s, 200, 0), "  #2  outage "));
	end(&s);
}

static void what_is_no_state_is_refused(void **state)
{
	static const char *const texts[] = { "", "[]", "{}", "{\"partitions\":[]}", "<html>",
		"{\"partitions\":{},\"faults\":{}}" };
	struct shown s = show(1);
	struct wb_error e = { "" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		assert_int_equal(wb_top_view_take(s.view, 0, wb_slice_cstr(texts[i]), 1000, &e), WB_EINVAL);
		assert_non_null(strstr(rendered(&s, 200, 0), "UNREACHABLE: the answer is no consumer's state"));
	}
	/* Members of other kinds than expected are as good as none. */
	take(&s, 0,
		"{\"partitions\":[1,null,{\"lag\":\"x\"}],\"faults\":{\"conditions\":7},\"held\":[[]],\"ranges\":"
		"\"r\"}",
		1000);
	(void)rendered(&s, 80, 24);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_consumer_takes_three_lines),
		cmocka_unit_test(rates_are_what_changed_since),
		cmocka_unit_test(trouble_comes_first_and_drives_no_terminal),
		cmocka_unit_test(it_fits_any_window),
		cmocka_unit_test(several_are_told_apart),
		cmocka_unit_test(what_is_no_state_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
