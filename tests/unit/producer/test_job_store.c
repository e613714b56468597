#include "tests/unit/producer/job_records.h"
#include "tests/unit/sanitizers.h"

#define KEY_TEXT "00000000000000000000000000000001"

static void accept_with(struct wb_job_table *t, const char *job, const char *members, int64_t at_ms)
{
	char record[512];

	(void)snprintf(record, sizeof record, "{\"type\":\"accepted\",\"job\":\"%s\",\"count\":1,\"at\":%lld,%s}", job,
		(long long)at_ms, members);
	apply_at(t, 0, at_ms, record);
}

static void callback(
	struct wb_job_table *t, const char *job, unsigned attempt, unsigned status, const char *word, int64_t at_ms)
{
	char record[256];

	(void)snprintf(record, sizeof record,
		"{\"type\":\"callback\",\"job\":\"%s\",\"at\":%lld,\"attempt\":%u,\"status\":%u,\"state\":\"%s\"}", job,
		(long long)at_ms, attempt, status, word);
	apply_at(t, 0, at_ms, record);
}

static bool key_is_of(struct wb_job_table *t, unsigned key, const char *job)
{
	uint8_t bytes[WB_RESULT_KEY_SIZE] = { 0 };
	char found[WB_JOB_ID_SIZE] = "";

	bytes[14] = (uint8_t)(key >> 8);
	bytes[15] = (uint8_t)key;
	if (!wb_job_table_find_key(t, bytes, found))
		return job == NULL;
	return job && strcmp(found, job) == 0;
}

static void a_job_is_found_by_its_key_also_when_its_details_are_gone(void **state)
{
	const struct wb_job_limits few = { .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = 10 };
	struct wb_job_table *t = wb_job_table_new(&few);
	char job[WB_JOB_ID_SIZE], members[64];

	(void)state;
	assert_true(key_is_of(t, 1, NULL));
	for (unsigned i = 0; i < 1000; i++) {
		name_job(i, job);
		(void)snprintf(members, sizeof members, "\"key\":\"%032x\"", i);
		accept_with(t, job, i % 3 ? members : "\"x\":1", 1000 + i);
		if (i < 900)
			outcome(t, job, "\"written\":[0,0]", 1000 + i);
	}
	assert_int_equal(wb_job_table_counts(t).forgotten, 890);
	for (unsigned i = 0; i < 1000; i++) {
		name_job(i, job);
		assert_true(key_is_of(t, i, i % 3 ? job : NULL));
		assert_int_equal(wb_job_table_forgotten(t, wb_slice_cstr(job)), i < 890);
	}
	name_job(991, job);
	assert_int_equal(find(t, job).key[15], 991 & 255);
	name_job(990, job);
	assert_null(find(t, job).key);
	/* What comes for a forgotten job is a repeat. */
	name_job(1, job);
	outcome(t, job, "\"dead\":[0,0]", 2000);
	accept(t, job, 5, 2000);
	assert_false(known(t, job));
	assert_ledger(t, 1000, 0, 900, 0, 0, 100);
	/* All of it goes with the time. */
	wb_job_table_expire(t, 3000 + HOUR, true);
	assert_int_equal(wb_job_table_counts(t).forgotten, 0);
	for (unsigned i = 0; i < 1000; i++) {
		name_job(i, job);
		assert_true(key_is_of(t, i, i >= 900 && i % 3 ? job : NULL));
		assert_false(wb_job_table_forgotten(t, wb_slice_cstr(job)));
	}
	wb_job_table_free(&t);
}

static void of_two_jobs_with_a_key_the_first_counts(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	accept_with(t, JOB, "\"key\":\"" KEY_TEXT "\"", 2000);
	assert_true(key_is_of(t, 1, JOB));
	accept_with(t, OTHER, "\"key\":\"" KEY_TEXT "\"", 1000);
	assert_true(key_is_of(t, 1, OTHER));
	outcome(t, OTHER, "\"written\":[0,0]", 1000);
	wb_job_table_expire(t, 1001 + limits.retention_ms, true);
	assert_true(key_is_of(t, 1, JOB));
	wb_job_table_free(&t);
}

/* Callbacks */

struct called {
	char ids[8][WB_JOB_ID_SIZE];
	size_t count;
};

static void take_called(void *arg, const struct wb_job_info *info)
{
	struct called *c = arg;

	assert_true(c->count < 8);
	assert_non_null(info->callback.data);
	memcpy(c->ids[c->count++], info->id, WB_JOB_ID_SIZE);
}

static size_t to_call(struct wb_job_table *t, int32_t partition)
{
	struct called c = { .count = 0 };

	wb_job_table_each_callback(t, partition, take_called, &c);
	return c.count;
}

static void note_id(void *arg, const uint8_t id[WB_JOB_ID_BYTES])
{
	wb_job_id_text(id, arg);
}

static void a_callback_is_to_be_made_from_the_end_until_it_is_over(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	char ended[WB_JOB_ID_SIZE] = "";
	const struct wb_job_hooks hooks = { .arg = ended, .ended = note_id };
	struct wb_job_info info;

	(void)state;
	wb_job_table_hook(t, &hooks);
	accept_with(t, JOB, "\"callback\":\"https://a/\"", 1000);
	accept_with(t, OTHER, "\"callback\":\"https://a/\"", 1000);
	info = find(t, JOB);
	assert_true(wb_slice_eq_cstr(info.callback, "https://a/"));
	assert_int_equal(info.callback_state, WB_CALLBACK_PENDING);
	assert_int_equal(info.callback_attempts, 0);
	assert_int_equal(to_call(t, 0), 0);
	assert_string_equal(ended, "");
	outcome(t, JOB, "\"written\":[0,0]", 2000);
	assert_string_equal(ended, JOB);
	assert_int_equal(to_call(t, 0), 1);
	assert_int_equal(to_call(t, 1), 0);
	assert_int_equal(to_call(t, -1), 0);
	assert_int_equal(wb_job_table_counts(t).calling, 1);
	assert_int_equal(wb_job_table_counts(t).finished, 0);
	callback(t, JOB, 1, 503, "retrying", 2100);
	info = find(t, JOB);
	assert_int_equal(info.callback_state, WB_CALLBACK_RETRYING);
	assert_int_equal(info.callback_attempts, 1);
	assert_int_equal(info.callback_status, 503);
	assert_int_equal(info.callback_at_ms, 2100);
	assert_int_equal(to_call(t, 0), 1);
	callback(t, JOB, 2, 200, "delivered", 2200);
	callback(t, JOB, 3, 500, "failed", 2300);
	info = find(t, JOB);
	assert_int_equal(info.callback_state, WB_CALLBACK_DELIVERED);
	assert_int_equal(info.callback_attempts, 2);
	assert_int_equal(to_call(t, 0), 0);
	assert_int_equal(wb_job_table_counts(t).calling, 0);
	assert_int_equal(wb_job_table_counts(t).finished, 1);
	/* Before the end it is noted, and the job goes straight to the finished ones. */
	callback(t, OTHER, 1, 0, "failed", 2400);
	outcome(t, OTHER, "\"written\":[0,0]", 2500);
	assert_int_equal(to_call(t, 0), 0);
	assert_int_equal(wb_job_table_counts(t).finished, 2);
	wb_job_table_expire(t, 2501 + limits.retention_ms, true);
	assert_false(known(t, JOB));
	wb_job_table_free(&t);
}

static void callbacks_of_jobs_without_or_unknown_ones_mean_nothing(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	callback(t, JOB, 1, 200, "delivered", 1000);
	assert_false(known(t, JOB));
	assert_int_equal(wb_job_table_counts(t).awaited, 0);
	accept(t, JOB, 1, 1000);
	callback(t, JOB, 1, 200, "delivered", 1000);
	assert_int_equal(find(t, JOB).callback_state, WB_CALLBACK_NONE);
	outcome(t, OTHER, "\"written\":[0,0]", 1000);
	callback(t, OTHER, 1, 200, "delivered", 1000);
	accept_with(t, OTHER, "\"callback\":\"https://a/\"", 1000);
	assert_int_equal(to_call(t, 0), 1);
	wb_job_table_free(&t);
}

static void jobs_to_be_called_back_keep_their_details_but_not_without_bound(void **state)
{
	const struct wb_job_limits few = { .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = 5 };
	struct wb_job_table *t = wb_job_table_new(&few);
	char job[WB_JOB_ID_SIZE];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		name_job(i, job);
		if (i < 5)
			accept_with(t, job, "\"callback\":\"https://a/\"", 1000 + i);
		else
			accept(t, job, 1, 1000 + i);
		outcome(t, job, "\"written\":[0,0]", 1000 + i);
	}
	assert_int_equal(to_call(t, 0), 5);
	assert_int_equal(wb_job_table_counts(t).finished, 5);
	assert_int_equal(wb_job_table_dropped_callbacks(t), 0);
	for (unsigned i = 20; i < 22; i++) {
		name_job(i, job);
		accept_with(t, job, "\"callback\":\"https://a/\"", 1000 + i);
		outcome(t, job, "\"written\":[0,0]", 1000 + i);
	}
	assert_int_equal(to_call(t, 0), 5);
	assert_int_equal(wb_job_table_dropped_callbacks(t), 2);
	name_job(0, job);
	assert_true(wb_job_table_forgotten(t, wb_slice_cstr(job)));
	wb_job_table_expire(t, 2000 + HOUR, true);
	assert_int_equal(to_call(t, 0), 0);
	assert_int_equal(wb_job_table_dropped_callbacks(t), 7);
	wb_job_table_free(&t);
}

/* Versions */

static void count_change(void *arg, const uint8_t id[WB_JOB_ID_BYTES])
{
	(void)id;
	++*(unsigned *)arg;
}

static void the_version_changes_with_what_is_shown(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	unsigned changes = 0;
	const struct wb_job_hooks hooks = { .arg = &changes, .changed = count_change };
	uint32_t version;

	(void)state;
	wb_job_table_hook(t, &hooks);
	outcome(t, JOB, "\"written\":[0,0]", 1000);
	assert_int_equal(changes, 0);
	accept(t, JOB, 3, 1000);
	assert_int_equal(changes, 1);
	version = find(t, JOB).version;
	assert_int_not_equal(version, 0);
	outcome(t, JOB, "\"written\":[0,0]", 1000);
	accept(t, JOB, 3, 1000);
	assert_int_equal(find(t, JOB).version, version);
	assert_int_equal(changes, 1);
	outcome(t, JOB, "\"written\":[1,1]", 1000);
	assert_int_not_equal(find(t, JOB).version, version);
	version = find(t, JOB).version;
	outcome(t, JOB, "\"charge\":1", 1000);
	assert_int_not_equal(find(t, JOB).version, version);
	accept(t, OTHER, 1, 1000);
	assert_int_not_equal(find(t, JOB).version, find(t, OTHER).version);
	wb_job_table_free(&t);
}

/* Memory */

/* A bit more than a power of two, where the indexes have just doubled, is the worst moment. */
enum { MANY = WB_TEST_SANITIZED ? 132000 : 1050000, FEWER = WB_TEST_SANITIZED ? 132000 : 264000 };

static void put_hex(char *to, size_t len, uint64_t value)
{
	for (; len; value >>= 4)
		to[--len] = "0123456789abcdef"[value & 15];
}

static void put_digits(char *to, size_t len, uint64_t value)
{
	for (; len; value /= 10)
		to[--len] = (char)('0' + value % 10);
}

/* Puts the id, the time and the key of job i where the text has J…, T… and K…. */
static void fill_in(char *text, unsigned i)
{
	char *job = strchr(text, 'J'), *at = strchr(text, 'T'), *key = strchr(text, 'K');

	put_hex(job, 16, i * UINT64_C(0x9e3779b97f4a7c15));
	put_hex(job + 16, 16, i);
	put_digits(at, 6, 100000 + i / 20);
	if (key) {
		put_hex(key, 16, i * UINT64_C(0xbf58476d1ce4e5b9));
		put_hex(key + 16, 16, i);
	}
}

#define J32 "JJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJ"
#define K32 "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK"

/* Jobs of one write each, as a busy producer makes them; returns the bytes that one takes. */
static double bytes_a_job(bool keyed, size_t count, size_t max)
{
	static const char *const records[] = { "{\"type\":\"accepted\",\"job\":\"" J32 "\",\"count\":1,\"at\":TTTTTT}",
		"{\"type\":\"accepted\",\"job\":\"" J32 "\",\"count\":1,\"at\":TTTTTT,\"key\":\"" K32
		"\",\"callback\":\"https://reports.example/done\"}",
		"{\"type\":\"outcomes\",\"jobs\":[{\"job\":\"" J32
		"\",\"written\":[0,0],\"charge\":7.5}],\"at\":TTTTTT}",
		"{\"type\":\"callback\",\"job\":\"" J32
		"\",\"attempt\":1,\"status\":200,\"state\":\"delivered\",\"at\":TTTTTT}" };
	struct wb_job_table *t = wb_job_table_new(
		&(struct wb_job_limits){ .retention_ms = 100 * HOUR, .unaccepted_ms = HOUR, .max = max });
	double bytes;

	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = keyed; k < 3U + keyed; k++) {
			char record[300];

			if (k == 1 && !keyed)
				continue;
			(void)strcpy(record, records[k]);
			fill_in(record, i);
			apply_at(t, (int32_t)(i & 7), 100000 + i / 20, record);
		}
	}
	assert_int_equal(wb_job_table_counts(t).finished, max < count ? max : count);
	assert_int_equal(wb_job_table_counts(t).forgotten, max < count ? count - max : 0);
	bytes = (double)wb_job_table_memory_bytes(t) / (double)count;
	wb_job_table_free(&t);
	return bytes;
}

static void a_finished_job_takes_128_bytes(void **state)
{
	double plain = bytes_a_job(false, MANY, MANY), keyed = bytes_a_job(true, MANY, MANY);
	double names = bytes_a_job(true, FEWER, 1000);

	(void)state;
	print_message(
		"bytes a finished job: %.1f; with key and callback: %.1f; forgotten: %.1f\n", plain, keyed, names);
	assert_true(plain <= 128);
	assert_true(keyed <= 128);
	assert_true(names <= 48 + 1000 * 128.0 / FEWER);
}

static void memory_is_given_back(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	size_t before, most;
	char job[WB_JOB_ID_SIZE], members[200];

	(void)state;
	accept(t, JOB, 1, 1000);
	before = wb_job_table_memory_bytes(t);
	for (unsigned i = 1; i < 900; i++) {
		name_job(i, job);
		(void)snprintf(members, sizeof members, "\"callback\":\"https://a/%u\"", i);
		accept_with(t, job, members, 1000);
		(void)snprintf(members, sizeof members,
			"\"dead\":[0,0],\"failures\":[{\"seq\":0,\"id\":\"%0100u\",\"reason\":\"conflict\"}]", i);
		outcome(t, job, members, 2000);
		callback(t, job, 1, 200, "delivered", 2000);
	}
	most = wb_job_table_memory_bytes(t);
	assert_true(most > before + 899 * 250);
	wb_job_table_expire(t, 2001 + limits.retention_ms, true);
	/* What stays is the room for texts, and the index. */
	assert_true(wb_job_table_memory_bytes(t) < before + 899 * 60);
	wb_job_table_free(&t);
}

/* Failures of a million jobs would be gigabytes: where there is too much of that, jobs are forgotten earlier. */
static void what_failures_take_is_bounded(void **state)
{
	enum { JOBS = 20000 };
	struct wb_job_table *t = wb_job_table_new(
		&(struct wb_job_limits){ .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = JOBS });
	char job[WB_JOB_ID_SIZE], id[1001];
	static char members[2000];

	(void)state;
	memset(id, 'i', sizeof id - 1);
	id[sizeof id - 1] = '\0';
	for (unsigned i = 0; i < JOBS; i++) {
		char record[2300];

		name_job(i, job);
		accept(t, job, 1, 1000);
		(void)snprintf(members, sizeof members,
			"\"dead\":[0,0],\"failures\":[{\"seq\":0,\"id\":\"%s\",\"reason\":\"conflict\"}]", id);
		(void)snprintf(record, sizeof record,
			"{\"type\":\"outcomes\",\"at\":2000,\"jobs\":[{\"job\":\"%s\",%s}]}", job, members);
		apply_at(t, 0, 2000, record);
	}
	assert_int_equal(wb_job_table_counts(t).finished + wb_job_table_counts(t).forgotten, JOBS);
	assert_true(wb_job_table_counts(t).forgotten > 1000);
	assert_true(wb_job_table_memory_bytes(t) < (16 << 20) + JOBS * 128);
	assert_int_equal(find(t, job).failure_count, 1);
	wb_job_table_free(&t);
}

static void numbers_may_be_enormous(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct wb_job_info info;

	(void)state;
	apply_at(t, 0, 1000, "{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":9007199254740991,\"at\":1000}");
	assert_int_equal(find(t, JOB).status, WB_JOB_NOT_STARTED);
	outcome(t, JOB, "\"written\":[0,9007199254740989],\"charge\":2", 2000);
	info = find(t, JOB);
	assert_int_equal(info.status, WB_JOB_RUNNING);
	assert_int_equal(info.pending, 1);
	outcome(t, JOB, "\"dead\":[9007199254740990,9007199254740990]", 3000);
	info = find(t, JOB);
	assert_int_equal(info.status, WB_JOB_FAILED);
	assert_int_equal(info.accepted, 9007199254740991);
	assert_int_equal(info.written, 9007199254740990);
	assert_int_equal(info.dead, 1);
	outcome(t, OTHER, "\"superseded\":[0,8589934591]", 3000);
	accept(t, OTHER, 2, 3000);
	info = find(t, OTHER);
	assert_int_equal(info.superseded, 8589934592);
	assert_int_equal(info.status, WB_JOB_SUCCEEDED);
	assert_ledger(t, 9007199254740993, 8589934590, 9007199254740990, 8589934592, 1, 0);
	wb_job_table_free(&t);
}

static void a_job_without_writes_has_ended(void **state)
{
	struct wb_job_table *t = wb_job_table_new(&limits);

	(void)state;
	accept(t, JOB, 0, 1000);
	assert_int_equal(find(t, JOB).status, WB_JOB_SUCCEEDED);
	outcome(t, JOB, "\"written\":[0,0]", 1000);
	assert_ledger(t, 0, 0, 0, 0, 0, 0);
	wb_job_table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_found_by_its_key_also_when_its_details_are_gone),
		cmocka_unit_test(of_two_jobs_with_a_key_the_first_counts),
		cmocka_unit_test(a_callback_is_to_be_made_from_the_end_until_it_is_over),
		cmocka_unit_test(callbacks_of_jobs_without_or_unknown_ones_mean_nothing),
		cmocka_unit_test(jobs_to_be_called_back_keep_their_details_but_not_without_bound),
		cmocka_unit_test(the_version_changes_with_what_is_shown),
		cmocka_unit_test(a_finished_job_takes_128_bytes),
		cmocka_unit_test(memory_is_given_back),
		cmocka_unit_test(what_failures_take_is_bounded),
		cmocka_unit_test(numbers_may_be_enormous),
		cmocka_unit_test(a_job_without_writes_has_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
