/* A day without Cosmos DB, in virtual time: the real core under a service that refuses everything in turn. */
#include "common/base/mem.h"
#include "common/base/prng.h"
#include "consumer/engine.h"
#include "consumer/throttle.h"
#include "tests/unit/sanitizers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define ENGINES     2
#define RANGES      4
#define CONCURRENCY 4
#define BUDGET      2000 /* writes */
#define READ_MOST   500 /* at once */
#define FLYING_MAX  (RANGES * CONCURRENCY)
#define SECOND_MS   INT64_C(1000)
/* Where sanitizers watch, hours are short; and where it is ThreadSanitizer, whatever may fail does so once only, as one
 * thread runs it all. */
#define HOURS      (WB_TEST_TSAN ? WAYS - REFUSED : 24)
#define HOUR_S     (WB_TEST_SANITIZED ? 120 : 3600)
#define HANGS      (WB_TEST_TSAN ? 1 : WB_TEST_ASAN ? 2 : 10)
#define RECOVERIES (WB_TEST_TSAN ? 1 : WB_TEST_ASAN ? 2 : 6)
#define TIMEOUT_MS (5 * SECOND_MS)

/* How everything fails; OK: nothing does. */
enum way {
	OK,
	REFUSED,
	TIMES_OUT,
	STATUS_503,
	STATUS_408,
	STATUS_401,
	STATUS_500,
	/* The service is there, but takes nothing: of whole requests, then of each operation by itself. */
	STATUS_429,
	STATUS_429_WAIT,
	STATUS_410,
	STATUS_403_MOVED,
	EACH_429,
	EACH_410,
	EACH_503,
	WAYS
};

struct request {
	struct wb_batch *batch;
	int64_t reply_ms;
	enum way way;
	int range;
};

struct day {
	struct wb_prng random;
	struct wb_originals originals;
	int64_t now_ms;
	enum way way;
	struct wb_container *container;
	struct wb_range *range[RANGES];
	struct wb_engine *engine[ENGINES];
	int64_t wake_ms[ENGINES];
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_health *health;
	struct wb_metrics *metrics;
	struct wb_log *log;
	int log_fd;
	struct wb_assignment assignment;
	struct request flying[FLYING_MAX];
	int flying_count, flying_of[RANGES], most_flying_of[RANGES];
	size_t held;
	int64_t offset;

	uint64_t served[RANGES]; /* requests */
	uint64_t written, superseded, dead, handed_back;
	uint64_t requests;
	int64_t sent_ms[RANGES]; /* last */
	uint64_t together; /* requests that left within 10 ms of another range's */
	int64_t second;
	unsigned in_second, most_in_second;
};

static uint64_t below(struct day *d, uint64_t n)
{
	return wb_prng_next(&d->random) % n;
}

static void count_request(struct day *d, int range)
{
	bool together = false;

	for (int i = 0; i < RANGES; i++)
		together = together || (i != range && d->now_ms - d->sent_ms[i] < 10);
	d->sent_ms[range] = d->now_ms;
	d->together += together;
	d->requests++;
	if (d->now_ms / SECOND_MS != d->second) {
		d->second = d->now_ms / SECOND_MS;
		d->in_second = 0;
	}
	d->in_second++;
	if (d->in_second > d->most_in_second)
		d->most_in_second = d->in_second;
}

static void take_off(void *arg, struct wb_batch *batch)
{
	struct day *d = arg;
	int range = batch->range->id[0] - 'a';
	int64_t latency_ms = d->way == TIMES_OUT ? TIMEOUT_MS : 5 + (int64_t)below(d, 30);

	assert_true(d->flying_count < FLYING_MAX);
	d->flying[d->flying_count++] = (struct request){ batch, d->now_ms + latency_ms, d->way, range };
	d->flying_of[range]++;
	if (d->flying_of[range] > d->most_flying_of[range])
		d->most_flying_of[range] = d->flying_of[range];
	count_request(d, range);
}

static void drop(struct day *d, struct wb_write *w)
{
	wb_write_let_go_original(w, &d->originals);
	wb_write_free(&w);
	d->held--;
}

static void judged(void *arg, struct wb_list *batch)
{
	struct day *d = arg;
	struct wb_write *w;

	while ((w = wb_write_of(wb_list_pop(batch)))) {
		d->written += w->outcome == WB_WRITTEN;
		d->superseded += w->outcome == WB_SUPERSEDED;
		d->dead += w->outcome == WB_DEAD;
		drop(d, w);
	}
}

static void handed_back(void *arg, struct wb_list *batch)
{
	struct day *d = arg;
	struct wb_write *w;

	while ((w = wb_write_of(wb_list_pop(batch)))) {
		d->handed_back++;
		drop(d, w);
	}
}

static struct wb_range *route(void *arg, const struct wb_container *container, const struct wb_epk *epk)
{
	struct day *d = arg;

	(void)container;
	return d->range[epk->bytes[0]];
}

static bool is_given_up(void *arg, const struct wb_container *container)
{
	(void)arg;
	(void)container;
	return false;
}

static void refresh(void *arg, const struct wb_container *container)
{
	(void)arg;
	(void)container;
}

static void relocate(void *arg)
{
	(void)arg;
}

static const struct wb_engine_calls calls = { take_off, judged, handed_back, route, is_given_up, refresh, relocate };

static struct wb_write *make_write(struct day *d, int range)
{
	struct wb_write *w = wb_write_new();
	uint64_t item = below(d, 100000);
	char document[64];
	int len = snprintf(
		document, sizeof document, "{\"id\":\"%llu\",\"pk\":\"%d\"}", (unsigned long long)item, range);

	w->value = wb_slice(document, (size_t)len);
	w->original = wb_original_new(&d->originals, &w->key, &w->value, NULL, 0, &w->original_bytes);
	w->document = w->value;
	w->storage = wb_xmalloc(64);
	w->id = wb_slice(w->storage, (size_t)snprintf(w->storage, 24, "%llu", (unsigned long long)item));
	w->pk_text = wb_slice(w->storage + 24, (size_t)snprintf(w->storage + 24, 8, "[\"%c\"]", 'a' + range));
	w->storage[32] = (char)range;
	w->epk = wb_slice(w->storage + 32, 1);
	w->container = d->container;
	w->range = d->range[range];
	w->assignment = &d->assignment;
	w->offset = d->offset++;
	return w;
}

static void serve(struct day *d, int i)
{
	wb_engine_at(d->engine[i], d->now_ms, d->now_ms);
	d->wake_ms[i] = wb_engine_serve(d->engine[i]);
	wb_engine_hand_over(d->engine[i]);
	assert_true(d->wake_ms[i] > d->now_ms);
}

/* Reads the log until the memory budget is used. */
static void read_log(struct day *d)
{
	struct wb_list in[ENGINES] = { 0 };

	for (int i = 0; i < READ_MOST && d->held < BUDGET; i++, d->held++) {
		int range = (int)below(d, RANGES);

		wb_list_push(&in[range % ENGINES], &make_write(d, range)->link);
	}
	for (int i = 0; i < ENGINES; i++) {
		if (!in[i].head)
			continue;
		wb_engine_at(d->engine[i], d->now_ms, d->now_ms);
		wb_engine_take(d->engine[i], &in[i]);
		serve(d, i);
	}
}

static void reply_to(struct day *d, struct request request)
{
	static const int statuses[] = { [OK] = 200,
		[STATUS_503] = 503,
		[STATUS_408] = 408,
		[STATUS_401] = 401,
		[STATUS_500] = 500,
		[STATUS_429] = 429,
		[STATUS_429_WAIT] = 429,
		[STATUS_410] = 410,
		[STATUS_403_MOVED] = 403,
		[EACH_429] = 207,
		[EACH_410] = 207,
		[EACH_503] = 207 };
	static const char *const operations[WAYS] = { [OK] = "{\"statusCode\":200}",
		[EACH_429] = "{\"statusCode\":429,\"retryAfterMilliseconds\":300}",
		[EACH_410] = "{\"statusCode\":410,\"subStatusCode\":1002}",
		[EACH_503] = "{\"statusCode\":503}" };
	struct wb_reply reply = { .status = statuses[request.way], .retry_after_ms = -1 };
	struct wb_buf body;
	int engine = request.range % ENGINES;

	wb_buf_init(&body, 64 * 1024);
	if (operations[request.way]) {
		wb_buf_append_char(&body, '[');
		for (size_t i = 0; i < request.batch->writes.count; i++) {
			if (i)
				wb_buf_append_char(&body, ',');
			wb_buf_append_cstr(&body, operations[request.way]);
		}
		wb_buf_append_char(&body, ']');
		reply.body = wb_buf_slice(&body);
	}
	if (!reply.status)
		reply.error = request.way == TIMES_OUT ? "timed out" : "connection refused";
	reply.timed_out = request.way == TIMES_OUT;
	if (request.way == STATUS_429_WAIT)
		reply.retry_after_ms = 500;
	if (request.way == STATUS_403_MOVED)
		reply.substatus = 3;
	d->flying_of[request.range]--;
	d->served[request.range] += request.way == OK;
	wb_engine_at(d->engine[engine], d->now_ms, d->now_ms);
	wb_engine_replied(d->engine[engine], request.batch, &reply);
	wb_buf_release(&body);
	serve(d, engine);
}

/* Replies that are due. */
static void land(struct day *d)
{
	for (int i = 0; i < d->flying_count;) {
		struct request request = d->flying[i];

		if (request.reply_ms > d->now_ms) {
			i++;
			continue;
		}
		d->flying[i] = d->flying[--d->flying_count];
		reply_to(d, request);
	}
}

static int64_t next_event_ms(const struct day *d, int64_t until_ms)
{
	int64_t next_ms = until_ms;

	for (int i = 0; i < d->flying_count; i++)
		next_ms = d->flying[i].reply_ms < next_ms ? d->flying[i].reply_ms : next_ms;
	for (int i = 0; i < ENGINES; i++)
		next_ms = d->wake_ms[i] < next_ms ? d->wake_ms[i] : next_ms;
	return next_ms;
}

/* Lets time pass. Records come as long as there is room for them. */
static void pass(struct day *d, int64_t ms)
{
	int64_t until_ms = d->now_ms + ms;

	while (d->now_ms < until_ms) {
		int64_t next_ms = next_event_ms(d, until_ms);

		/* While there is room, what is read comes every 10 ms. */
		if (d->held < BUDGET && next_ms > d->now_ms + 10)
			next_ms = d->now_ms + 10;
		d->now_ms = next_ms;
		land(d);
		for (int i = 0; i < ENGINES; i++) {
			if (d->wake_ms[i] <= d->now_ms)
				serve(d, i);
		}
		read_log(d);
	}
}

static void setup(struct day *d)
{
	*d = (struct day){ .random.state = 7, .now_ms = 1000 };
	d->container = wb_xmalloc(1);
	d->health = wb_health_new();
	d->metrics = wb_metrics_new();
	wb_originals_init(&d->originals, 1 << 20);
	d->log_fd = memfd_create("log", 0);
	assert_true(d->log_fd >= 0);
	d->log = wb_log_new("test", d->log_fd, WB_LOG_INFO, WB_LOG_LOGFMT);
	d->outage = wb_outage_new(d->health, d->metrics, d->log);
	d->paces = wb_paces_new();
	d->assignment.topic = "writes";
	for (int i = 0; i < RANGES; i++) {
		d->range[i] = wb_xcalloc(1, sizeof *d->range[i] + ENGINES * sizeof(void *));
		d->range[i]->container = d->container;
		d->range[i]->bulk = true;
		d->range[i]->id[0] = (char)('a' + i);
		d->sent_ms[i] = -1000;
	}
	for (unsigned i = 0; i < ENGINES; i++)
		d->engine[i] = wb_engine_new(&(struct wb_engine_settings){ .worker = i,
			.range_concurrency = CONCURRENCY,
			.ranges_shown_max = RANGES,
			.point_concurrency = CONCURRENCY,
			.bulk_linger_ms = 5,
			.operation_retry_max_ms = 900 * SECOND_MS,
			.body_max_bytes = 4 * 1024 * 1024,
			.requests_max_bytes = 4 * 1024 * 1024,
			.seed = wb_prng_next(&d->random),
			.calls = &calls,
			.arg = d,
			.outage = d->outage,
			.paces = d->paces,
			.metrics = d->metrics,
			.log = d->log });
}

static void teardown(struct day *d)
{
	atomic_store(&d->assignment.ended, true);
	for (int i = 0; i < d->flying_count; i++)
		wb_engine_cut_off(d->flying[i].batch->engine, d->flying[i].batch);
	for (int i = 0; i < ENGINES; i++) {
		wb_engine_withdraw(d->engine[i], true);
		wb_engine_hand_over(d->engine[i]);
		wb_engine_free(&d->engine[i]);
	}
	assert_int_equal(d->held, 0);
	wb_originals_release(&d->originals);
	for (int i = 0; i < RANGES; i++)
		free(d->range[i]);
	wb_outage_free(&d->outage);
	wb_paces_free(&d->paces);
	wb_log_free(&d->log);
	wb_health_free(&d->health);
	wb_metrics_free(&d->metrics);
	free(d->container);
	assert_int_equal(close(d->log_fd), 0);
}

static size_t log_lines(const struct day *d)
{
	char bytes[4096];
	size_t lines = 0;
	off_t at = 0;
	ssize_t len;

	while ((len = pread(d->log_fd, bytes, sizeof bytes, at)) > 0) {
		for (ssize_t i = 0; i < len; i++)
			lines += bytes[i] == '\n';
		at += len;
	}
	return lines;
}

static size_t held(const struct day *d)
{
	size_t sum = 0;

	for (int i = 0; i < ENGINES; i++)
		sum += wb_engine_held(d->engine[i]);
	return sum;
}

static void forget_counts(struct day *d)
{
	d->requests = d->together = 0;
	d->most_in_second = 0;
	for (int i = 0; i < RANGES; i++)
		d->most_flying_of[i] = d->flying_of[i];
}

/* A service that throttles, or whose routing is stale, is there: all that are allowed try it. */
static bool is_there(enum way way)
{
	return way >= STATUS_429;
}

/* One hour of it, after its first minute. */
static void check_an_hour(struct day *d, enum way way)
{
	uint64_t written;
	/* In an outage one request at a time, with a backoff of 0.75 s on average. */
	uint64_t per_second = is_there(way) ? 4 * CONCURRENCY : 3;

	d->way = way;
	pass(d, 60 * SECOND_MS);
	written = d->written;
	forget_counts(d);
	pass(d, (HOUR_S - 60) * SECOND_MS);
	assert_int_equal(held(d), BUDGET);
	assert_int_equal(d->held, BUDGET);
	assert_true(d->requests > 0);
	assert_true(d->requests < RANGES * (HOUR_S - 60) * per_second);
	assert_true(d->most_in_second < RANGES * (is_there(way) ? 24 : 8));
	/* Ranges that came by chance at one moment are few. */
	if (!is_there(way))
		assert_true(d->together * 5 < d->requests);
	assert_int_equal(d->dead + d->handed_back, 0);
	assert_int_equal(d->written, written);
	print_message("way %d: %.2f requests a second, %u at most, %.1f %% together\n", way,
		(double)d->requests / (HOUR_S - 60), d->most_in_second,
		100.0 * (double)d->together / (double)d->requests);
}

/* No range has a full bulk waiting that never had all places taken that it may have, or fewer of them than at the start:
 * others may have left it nothing to send. */
static bool at_full_speed(const struct day *d)
{
	bool all = true;

	for (int i = 0; i < ENGINES; i++) {
		struct wb_snapshot *s = wb_snapshot_new();

		wb_engine_snapshot(d->engine[i], s);
		for (size_t r = 0; r < s->range_count; r++) {
			int range = s->ranges[r].id[0] - 'a';

			all = all &&
				((s->ranges[r].outage_ms < 0 && s->ranges[r].limit >= WB_PACE_START &&
					 d->most_flying_of[range] >= (int)s->ranges[r].limit) ||
					(s->ranges[r].ready < WB_BULK_OPERATIONS_MAX &&
						s->ranges[r].failed_requests == 0));
		}
		wb_snapshot_free(&s);
	}
	return all;
}

static bool all_are_served(const struct day *d, const uint64_t before[RANGES])
{
	for (int i = 0; i < RANGES; i++) {
		if (d->served[i] == before[i])
			return false;
	}
	return true;
}

/* What hangs keeps its place until it times out, but others are tried meanwhile: they find that the service is back. */
static void check_recovery_from_hanging(struct day *d, int64_t within_ms)
{
	uint64_t before[RANGES];
	int64_t since_ms = d->now_ms;

	memcpy(before, d->served, sizeof before);
	d->way = OK;
	while (!all_are_served(d, before)) {
		assert_true(d->now_ms - since_ms < within_ms);
		pass(d, 10);
	}
	pass(d, TIMEOUT_MS);
	forget_counts(d);
	for (int i = 0; i < RANGES; i++)
		d->most_flying_of[i] = 0;
	pass(d, 500); /* no late time-out has shut a range again */
	assert_true(at_full_speed(d));
	assert_true(wb_health_ready(d->health));
}

/* All ranges send as much at once as they may, and readyz says so. */
static void check_recovery(struct day *d)
{
	uint64_t written = d->written;
	int64_t since_ms = d->now_ms;

	forget_counts(d);
	for (int i = 0; i < RANGES; i++)
		d->most_flying_of[i] = 0; /* what is on its way meets the old weather */
	d->way = OK;
	while (!at_full_speed(d) || !wb_health_ready(d->health)) {
		assert_true(d->now_ms - since_ms < 2 * SECOND_MS);
		pass(d, 10);
	}
	pass(d, 50);
	assert_true(d->written > written);
}

static void a_day_of_outage_costs_nothing_but_time(void **state)
{
	struct day d;
	size_t lines;
	int64_t minutes = HOURS * HOUR_S / 60;

	(void)state;
	setup(&d);
	d.way = OK;
	pass(&d, 10 * SECOND_MS);
	assert_true(d.written > 0);
	lines = log_lines(&d);
	for (int hour = 0; hour < HOURS; hour++) {
		check_an_hour(&d, (enum way)(REFUSED + hour % (WAYS - REFUSED)));
		assert_false(wb_health_ready(d.health));
	}
	lines = log_lines(&d) - lines;
	print_message("%zu lines in the log\n", lines);
	/* Once a minute, or a little later: whenever the next request fails. */
	assert_true((int64_t)lines <= minutes + 60);
	assert_true((int64_t)lines >= minutes * 9 / 10);
	check_recovery(&d);
	teardown(&d);
}

static void full_speed_is_back_within_two_seconds_whatever_it_was(void **state)
{
	struct day d;

	(void)state;
	setup(&d);
	for (int i = 0; i < RECOVERIES; i++) {
		for (enum way way = REFUSED; way < WAYS; way++) {
			if (way == TIMES_OUT)
				continue; /* what hangs is waited for: see the next test */
			d.way = way;
			pass(&d, (int64_t)below(&d, 60000));
			check_recovery(&d);
		}
	}
	assert_int_equal(d.dead + d.handed_back, 0);
	teardown(&d);
}

static void what_hangs_hides_no_recovery(void **state)
{
	struct day d;

	(void)state;
	setup(&d);
	d.way = OK;
	pass(&d, SECOND_MS);
	for (int i = 0; i < HANGS; i++) {
		d.way = TIMES_OUT;
		pass(&d, 2 * TIMEOUT_MS + (int64_t)below(&d, 20000));
		check_recovery_from_hanging(&d, TIMEOUT_MS / CONCURRENCY + 2 * SECOND_MS);
		d.way = TIMES_OUT; /* for so short a time that all places may hang at once */
		pass(&d, (int64_t)below(&d, 2 * TIMEOUT_MS));
		check_recovery_from_hanging(&d, TIMEOUT_MS + 2 * SECOND_MS);
	}
	assert_int_equal(d.dead + d.handed_back, 0);
	teardown(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_outage_costs_nothing_but_time),
		cmocka_unit_test(full_speed_is_back_within_two_seconds_whatever_it_was),
		cmocka_unit_test(what_hangs_hides_no_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
