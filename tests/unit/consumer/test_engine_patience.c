/* How long a write is tried again that alone keeps failing, what it dies of then, and how often the log says so. */
#include "tests/unit/consumer/engine_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* The longest backoff of a write's own, so that each of its tries is a step of the test. */
#define STEP_MS 10000
#define STEPS   500

#define LOG_SIZE 32768

enum way { AN_OPERATION, A_POINT, A_WHOLE_BULK, WAYS };

static const char *const ways[] = { "as an operation of a bulk", "as a point write", "with its whole bulk" };

/* NONE: it never dies. */
struct row {
	int status, substatus;
	enum wb_reason ends[WAYS];
};

#define ALWAYS(r) { WB_REASON_##r, WB_REASON_##r, WB_REASON_##r }

static const struct row rows[] = {
	{ 400, 1001, ALWAYS(PARTITION_KEY_MISMATCH) },
	{ 401, 0, ALWAYS(SERVER_ERROR) },
	{ 403, 0, ALWAYS(SERVER_ERROR) },
	{ 408, 0, ALWAYS(SERVER_ERROR) },
	{ 449, 0, ALWAYS(SERVER_ERROR) },
	{ 500, 0, ALWAYS(SERVER_ERROR) },
	{ 503, 0, ALWAYS(SERVER_ERROR) },
	/* On a whole request it may come from an endpoint that is not Cosmos DB at all, whose word is not the write's reason. */
	{ 418, 0, { WB_REASON_BAD_REQUEST, WB_REASON_SERVER_ERROR, WB_REASON_SERVER_ERROR } },
	{ 410, 0, ALWAYS(NONE) },
	{ 429, 0, ALWAYS(NONE) },
};

/* The victims are the first writes of the world. */
struct trial {
	struct world *w;
	const struct row *row;
	enum way way;
	size_t victims;
	int64_t retry_after_ms; /* what a whole request's refusal asks for; -1: nothing */
};

static bool is_victim(const struct trial *t, const struct wb_write *write)
{
	return write->offset < (int64_t)t->victims && write->step == WB_STEP_SEND;
}

static bool carries_a_victim(const struct trial *t, const struct wb_batch *b)
{
	for (struct wb_link *l = b->writes.head; l; l = l->next) {
		if (is_victim(t, wb_write_of(l)))
			return true;
	}
	return false;
}

static void answer_a_bulk(const struct trial *t)
{
	struct wb_reply reply = { .status = 207, .retry_after_ms = -1 };
	char body[8192] = "[";
	size_t len = 1;

	for (struct wb_link *l = t->w->flying[0]->writes.head; l; l = l->next) {
		bool fails = t->way == AN_OPERATION && is_victim(t, wb_write_of(l));

		len += (size_t)snprintf(body + len, sizeof body - len, "%s{\"statusCode\":%d,\"subStatusCode\":%d}",
			len > 1 ? "," : "", fails ? t->row->status : 200, fails ? t->row->substatus : 0);
		assert_true(len < sizeof body - 1);
	}
	body[len++] = ']';
	reply.body = wb_slice(body, len);
	answer(t->w, &reply);
}

static void answer_the_oldest(const struct trial *t)
{
	const struct wb_batch *b = t->w->flying[0];

	if (t->way != AN_OPERATION && carries_a_victim(t, b))
		answer(t->w,
			&(struct wb_reply){ .status = t->row->status,
				.substatus = t->row->substatus,
				.retry_after_ms = t->retry_after_ms,
				.activity_id = "a" });
	else if (!b->point)
		answer_a_bulk(t);
	else if (wb_write_of(b->writes.head)->step == WB_STEP_READ)
		answer_item(t->w, "e", "{\"v\":0");
	else
		answer(t->w, &(struct wb_reply){ .status = 201, .retry_after_ms = -1, .etag = "e" });
}

/* The engine is served at the moments that it asks for. */
static void step(const struct trial *t)
{
	for (int64_t end_ms = t->w->now_ms + STEP_MS, next_ms; t->w->now_ms < end_ms;) {
		while (next_ms = wb_engine_serve(t->w->engine), t->w->flying_count > 0)
			answer_the_oldest(t);
		wb_engine_hand_over(t->w->engine);
		pass(t->w, (next_ms < end_ms ? next_ms : end_ms) - t->w->now_ms);
	}
}

static struct trial begin(const struct row *row, enum way way, size_t victims, struct wb_log *log)
{
	struct trial t = { .w = world_new_with_log(way != A_POINT, 4, log),
		.row = row,
		.way = way,
		.victims = victims,
		.retry_after_ms = -1 };
	char id[16];

	for (size_t i = 0; i < victims; i++) {
		(void)snprintf(id, sizeof id, "victim%zu", i);
		(void)add(t.w, WB_OP_UPSERT, id, "{\"v\":1}");
	}
	return t;
}

/* While others of its range are written, or are not there, until the write has its end or it is plain that it has none.
 * *ret_waited_ms: its wait that had counted when its last step began. */
static void live(const struct trial *t, bool with_others, int64_t *ret_waited_ms)
{
	struct wb_write *victim = t->w->writes[0];
	char id[16];

	*ret_waited_ms = 0;
	for (int i = 0; i < STEPS && victim->state != WB_WRITE_JUDGED; i++) {
		(void)snprintf(id, sizeof id, "o%d", i);
		if (with_others)
			(void)add(t->w, WB_OP_UPSERT, id, "{}");
		if (victim->step == WB_STEP_SEND)
			*ret_waited_ms = victim->retry_wait_ms;
		step(t);
	}
	for (int i = 0; i < 10; i++)
		step(t);
}

static void check_end(const struct trial *t, enum wb_reason end, int64_t waited_ms)
{
	const struct wb_write *victim = t->w->writes[0];
	bool dead = victim->state == WB_WRITE_JUDGED;
	const char *why = !dead ? "alive" : victim->outcome == WB_DEAD ? wb_reason_text(victim->reason) : "not dead";
	const char *want = end == WB_REASON_NONE ? "alive" : wb_reason_text(end);

	if (strcmp(why, want) != 0)
		fail_msg("%d/%d %s: %s, want %s", t->row->status, t->row->substatus, ways[t->way], why, want);
	if (dead && (waited_ms > RETRY_MAX_MS || waited_ms + 2 * STEP_MS <= RETRY_MAX_MS))
		fail_msg("%d/%d %s: dead after %lld ms", t->row->status, t->row->substatus, ways[t->way],
			(long long)waited_ms);
	if (dead)
		assert_int_equal(victim->failure->status, t->row->status);
	/* 410 and 429 on a whole request are its range's: what travelled with the victim waits as it does. */
	for (size_t i = 1; i < t->w->write_count && (dead || t->way != A_WHOLE_BULK); i++) {
		const struct wb_write *other = t->w->writes[i];

		if (other->state != WB_WRITE_JUDGED || other->outcome != WB_WRITTEN)
			fail_msg("%d/%d %s: the write %zu beside it is not written", t->row->status, t->row->substatus,
				ways[t->way], i);
	}
}

static void a_write_that_alone_keeps_failing_ends_with_its_reason_or_never(void **state)
{
	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		for (int way = 0; way < WAYS; way++) {
			struct trial t = begin(&rows[i], (enum way)way, 1, NULL);
			int64_t waited_ms;

			live(&t, true, &waited_ms);
			check_end(&t, rows[i].ends[way], waited_ms);
			world_free(t.w);
		}
	}
}

/* Then its own wait and its range's end at the same moment, and it must not be the first again and again. */
static void a_write_whose_refusal_asks_for_a_wait_does_not_keep_the_others_from_being_written(void **state)
{
	static const struct row row = { 503, 0, ALWAYS(SERVER_ERROR) };

	(void)state;
	for (int way = A_POINT; way < WAYS; way++) {
		for (int64_t retry_after_ms = 1000; retry_after_ms < 10000; retry_after_ms += 500) {
			struct trial t = begin(&row, (enum way)way, 1, NULL);
			int64_t waited_ms;

			t.retry_after_ms = retry_after_ms;
			live(&t, true, &waited_ms);
			check_end(&t, WB_REASON_SERVER_ERROR, waited_ms);
			world_free(t.w);
		}
	}
}

static void a_write_that_fails_while_no_other_is_written_never_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		for (int way = 0; way < WAYS; way++) {
			struct trial t = begin(&rows[i], (enum way)way, 1, NULL);
			int64_t waited_ms;

			live(&t, false, &waited_ms);
			check_end(&t, WB_REASON_NONE, waited_ms);
			world_free(t.w);
		}
	}
}

/* Lines of the log that hold text; the last of them is *ret_last, in log. */
static int count_lines(int fd, const char *text, char log[LOG_SIZE], const char **ret_last)
{
	ssize_t len = pread(fd, log, LOG_SIZE - 1, 0);
	int count = 0;

	assert_in_range(len, 0, LOG_SIZE - 2);
	log[len] = '\0';
	for (char *at = log; *at;) {
		size_t n = strcspn(at, "\n");

		if (at[n])
			at[n++] = '\0';
		if (strstr(at, text)) {
			*ret_last = at;
			count++;
		}
		at += n;
	}
	return count;
}

static void writes_that_fail_by_themselves_are_named_once_a_minute(void **state)
{
	static const struct row row = { 449, 0, ALWAYS(SERVER_ERROR) };
	static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	int fd = memfd_create("log", 0), said = 0;
	struct trial t = begin(&row, A_POINT, 2, wb_log_new("test", fd, WB_LOG_WARN, WB_LOG_LOGFMT));
	int64_t began_ms = t.w->now_ms, said_ms = began_ms;
	char id[16], log[LOG_SIZE];
	const char *line = NULL;

	(void)state;
	for (size_t i = 0; i < t.victims; i++)
		memcpy(t.w->writes[i]->traceparent, trace, sizeof trace);
	for (int i = 0; i < 80; i++) {
		int64_t now_ms = t.w->now_ms;
		int count;

		(void)snprintf(id, sizeof id, "o%d", i);
		(void)add(t.w, WB_OP_UPSERT, id, "{}");
		step(&t);
		count = count_lines(fd, "a write fails again and again by itself", log, &line);
		assert_in_range(count, said, said + 1);
		if (count == said)
			continue;
		said = count;
		assert_true(now_ms - said_ms >= 60000);
		said_ms = now_ms;
		assert_non_null(strstr(line, " level=warn "));
		assert_non_null(strstr(line, " id=victim"));
		assert_non_null(strstr(line, " topic=t partition=0 offset="));
		assert_non_null(strstr(line, " status=449 "));
		assert_non_null(strstr(line, trace));
	}
	/* Of some 13 minutes, the first of which they have to wait for. */
	assert_in_range(said, 8, 12);
	world_free(t.w);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_that_alone_keeps_failing_ends_with_its_reason_or_never),
		cmocka_unit_test(a_write_whose_refusal_asks_for_a_wait_does_not_keep_the_others_from_being_written),
		cmocka_unit_test(a_write_that_fails_while_no_other_is_written_never_ends),
		cmocka_unit_test(writes_that_fail_by_themselves_are_named_once_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
