#include "common/contract/result.h"

#include "common/base/compiler.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB    "0123456789abcdef0123456789abcdef"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

/* Writes every callback as a line, in order. */
static void on_accepted(void *arg, const struct wb_result_accepted *a)
{
	wb_buf_appendf(arg, "accepted %.*s %llu %lld %.*s %.*s\n", WB_SLICE_ARGS(a->job), (unsigned long long)a->count,
		(long long)a->at_ms, (int)a->database.len, a->database.data ? a->database.data : "",
		(int)a->container.len, a->container.data ? a->container.data : "");
	if (a->has_key)
		wb_buf_appendf(arg, "key %02x..%02x\n", a->key[0], a->key[WB_RESULT_KEY_SIZE - 1]);
	if (a->callback.data)
		wb_buf_appendf(arg, "callback %.*s\n", WB_SLICE_ARGS(a->callback));
}

static void on_outcome(void *arg, struct wb_slice job, enum wb_outcome o, uint64_t first, uint64_t last, int64_t at)
{
	wb_buf_appendf(arg, "%.1s %s %llu-%llu at %lld\n", job.data, wb_outcome_text(o), (unsigned long long)first,
		(unsigned long long)last, (long long)at);
}

static void on_charge(void *arg, struct wb_slice job, double units)
{
	wb_buf_appendf(arg, "%.1s charge %.2f\n", job.data, units);
}

static void on_failure(void *arg, struct wb_slice job, const struct wb_result_failure *f)
{
	wb_buf_appendf(arg, "%.1s failure %llu '%.*s' %s %d %d/%lld\n", job.data, (unsigned long long)f->seq,
		(int)f->id.len, f->id.data ? f->id.data : "", wb_reason_text(f->reason), f->status,
		(int)f->letter_partition, (long long)f->letter_offset);
}

static void on_untracked(
	void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome o, uint64_t first, uint64_t last)
{
	wb_buf_appendf(arg, "%.*s/%d %s %llu-%llu\n", WB_SLICE_ARGS(topic), (int)partition, wb_outcome_text(o),
		(unsigned long long)first, (unsigned long long)last);
}

static void on_callback(void *arg, const struct wb_result_callback *c)
{
	wb_buf_appendf(arg, "%.1s callback %s attempt %u status %d at %lld\n", c->job.data,
		wb_callback_state_text(c->state), (unsigned)c->attempt, c->status, (long long)c->at_ms);
}

static const struct wb_result_visitor visitor = { on_accepted, on_outcome, on_charge, on_failure, on_untracked,
	on_callback };

static void assert_decodes(struct wb_slice record, const char *lines)
{
	struct wb_buf seen;
	struct wb_error e = { "" };

	wb_buf_init(&seen, 65536);
	assert_int_equal(wb_result_decode(record, &visitor, &seen, &e), WB_OK);
	assert_string_equal(wb_buf_slice(&seen).data, lines);
	wb_buf_release(&seen);
}

static void accepted_is_the_documented_json(void **state)
{
	const struct wb_result_accepted a = {
		.job = LIT(JOB), .count = 100, .at_ms = 1760000000000, .database = LIT("d\"b"), .container = LIT("c")
	};
	const struct wb_result_accepted plain = { .job = LIT(JOB), .count = 1, .at_ms = 2 };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_result_accepted_encode(&a, &out);
	assert_string_equal(out.data,
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":100,\"at\":1760000000000,"
		"\"database\":\"d\\\"b\",\"container\":\"c\"}");
	assert_decodes(wb_buf_slice(&out), "accepted " JOB " 100 1760000000000 d\"b c\n");
	wb_buf_clear(&out);
	wb_result_accepted_encode(&plain, &out);
	assert_string_equal(out.data, "{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":1,\"at\":2}");
	wb_buf_release(&out);
}

static void a_key_and_a_callback_are_the_documented_json(void **state)
{
	const struct wb_result_accepted a = { .job = LIT(JOB),
		.count = 1,
		.at_ms = 2,
		.has_key = true,
		.key = { 0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf0 },
		.callback = LIT("https://a.example/\"x") };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_result_accepted_encode(&a, &out);
	assert_string_equal(out.data,
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":1,\"at\":2,"
		"\"key\":\"ab0102030405060708090a0b0c0d0ef0\",\"callback\":\"https://a.example/\\\"x\"}");
	assert_decodes(wb_buf_slice(&out), "accepted " JOB " 1 2  \nkey ab..f0\ncallback https://a.example/\"x\n");
	wb_buf_release(&out);
}

/* As before there were keys: what is not of the form is as if it were not there. */
static void a_malformed_key_or_callback_is_ignored(void **state)
{
	static const char *const members[] = { "\"key\":5", "\"key\":\"ab\"",
		"\"key\":\"AB0102030405060708090a0b0c0d0ef0\"", "\"key\":\"ab0102030405060708090a0b0c0d0ef01\"",
		"\"callback\":\"\"", "\"callback\":null", "\"callback\":\"\\ud800\"" };
	char record[256];

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(members); i++) {
		(void)snprintf(record, sizeof record,
			"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":1,\"at\":2,%s}", members[i]);
		assert_decodes(wb_slice_cstr(record), "accepted " JOB " 1 2  \n");
	}
}

static void too_long_a_callback_is_ignored(void **state)
{
	char url[WB_RESULT_CALLBACK_MAX + 2], record[WB_RESULT_CALLBACK_MAX + 200];
	struct wb_buf seen;
	struct wb_error e;

	(void)state;
	memset(url, 'u', sizeof url);
	wb_buf_init(&seen, 65536);
	for (int over = 0; over < 2; over++) {
		(void)snprintf(record, sizeof record,
			"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"count\":1,\"at\":2,\"callback\":\"%.*s\"}",
			WB_RESULT_CALLBACK_MAX + over, url);
		wb_buf_clear(&seen);
		assert_int_equal(wb_result_decode(wb_slice_cstr(record), &visitor, &seen, &e), WB_OK);
		assert_int_equal(strstr(seen.data, "callback") != NULL, !over);
	}
	wb_buf_release(&seen);
}

static void callback_is_the_documented_json(void **state)
{
	const struct wb_result_callback c = {
		.job = LIT(JOB), .at_ms = 1760000000000, .attempt = 3, .status = 503, .state = WB_CALLBACK_RETRYING
	};
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_result_callback_encode(&c, &out);
	assert_string_equal(out.data,
		"{\"type\":\"callback\",\"job\":\"" JOB "\",\"at\":1760000000000,\"attempt\":3,\"status\":503,"
		"\"state\":\"retrying\"}");
	assert_decodes(wb_buf_slice(&out), "0 callback retrying attempt 3 status 503 at 1760000000000\n");
	assert_decodes(LIT("{\"state\":\"failed\",\"status\":0,\"attempt\":1,\"at\":5,\"job\":\"" JOB
			   "\",\"type\":\"callback\"}"),
		"0 callback failed attempt 1 status 0 at 5\n");
	wb_buf_release(&out);
}

static void the_order_of_members_and_escapes_do_not_matter(void **state)
{
	(void)state;
	assert_decodes(
		LIT(" { \"untracked\" : [ { \"dead\" : [ 7 , 7 ] , \"partition\" : 2 , \"topic\" : \"a\\u0062\" } ] ,"
		    " \"jobs\":[{\"failures\":[{\"reason\":\"con\\u0066lict\",\"id\":\"\\u00e9\\n\",\"seq\":1}],"
		    "\"charge\":1.25,\"\\u0064ead\":[1,1],\"written\":[0,0],\"job\":\"\\u0030123456789abcdef"
		    "0123456789abcdef\"}],\"at\":9,\"type\":\"outcomes\"} "),
		"0 written 0-0 at 9\n0 dead 1-1 at 9\n0 charge 1.25\n0 failure 1 'é\n' conflict 0 -1/0\nab/2 dead "
		"7-7\n");
	assert_decodes(LIT("{\"type\":\"x\",\"at\":1,\"type\":\"accepted\",\"job\":1,\"job\":\"" JOB
			   "\",\"count\":-0,\"count\":7}"),
		"accepted " JOB " 7 1  \n");
}

static void charges_are_read_exactly(void **state)
{
	(void)state;
	assert_decodes(
		LIT("{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"charge\":10},{\"job\":\"" JOB
		    "\",\"charge\":0.07},{\"job\":\"" JOB "\",\"charge\":1e2},{\"job\":\"" JOB
		    "\",\"charge\":-1},{\"job\":\"" JOB "\",\"charge\":123456789012345678.5}]}"),
		"0 charge 10.00\n0 charge 0.07\n0 charge 100.00\n0 charge 123456789012345680.00\n");
}

static void outcomes_are_the_documented_json(void **state)
{
	const struct wb_result_failure failure = { .seq = 99,
		.id = LIT("i"),
		.reason = WB_REASON_BAD_REQUEST,
		.status = 400,
		.letter_partition = 0,
		.letter_offset = 7 };
	struct wb_result_batch *b = wb_result_batch_new();
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	for (uint64_t seq = 0; seq <= 98; seq++)
		wb_result_batch_add_job(b, LIT(JOB), seq, WB_WRITTEN, 0.125);
	wb_result_batch_add_job(b, LIT(JOB), 99, WB_DEAD, 0.125);
	wb_result_batch_add_failure(b, LIT(JOB), &failure);
	for (int64_t offset = 10; offset <= 19; offset++)
		wb_result_batch_add_untracked(b, LIT("t"), 0, offset, WB_WRITTEN);
	wb_result_batch_encode(b, LIT("me"), 5, &out);
	assert_string_equal(out.data,
		"{\"type\":\"outcomes\",\"consumer\":\"me\",\"at\":5,\"jobs\":[{\"job\":\"" JOB "\","
		"\"written\":[0,98],\"dead\":[99,99],\"charge\":12.50,\"failures\":[{\"seq\":99,"
		"\"id\":\"i\",\"reason\":\"bad-request\",\"status\":400,"
		"\"deadLetter\":{\"partition\":0,\"offset\":7}}]}],"
		"\"untracked\":[{\"topic\":\"t\",\"partition\":0,\"written\":[10,19]}]}");
	assert_decodes(wb_buf_slice(&out),
		"0 written 0-98 at 5\n0 dead 99-99 at 5\n0 charge 12.50\n"
		"0 failure 99 'i' bad-request 400 0/7\nt/0 written 10-19\n");
	assert_true(wb_result_batch_empty(b));
	wb_result_batch_free(&b);
	assert_null(b);
	wb_buf_release(&out);
}

static void the_first_outcome_of_a_write_counts(void **state)
{
	struct wb_result_batch *b = wb_result_batch_new();
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_result_batch_add_job(b, LIT(JOB), 1, WB_DEAD, 0);
	wb_result_batch_add_job(b, LIT(JOB), 1, WB_WRITTEN, 0);
	wb_result_batch_add_job(b, LIT(JOB), 0, WB_SUPERSEDED, 0);
	wb_result_batch_encode(b, LIT("me"), 5, &out);
	assert_decodes(wb_buf_slice(&out), "0 superseded 0-0 at 5\n0 dead 1-1 at 5\n0 charge 0.00\n");
	wb_result_batch_free(&b);
	wb_buf_release(&out);
}

static void many_jobs_share_a_record_and_the_size_is_an_upper_bound(void **state)
{
	struct wb_result_batch *b = wb_result_batch_new();
	struct wb_buf out, seen;
	struct wb_error e;
	char id[WB_ARRAY_LEN(JOB)];
	size_t size, lines = 0;

	(void)state;
	wb_buf_init(&out, 1 << 20);
	wb_buf_init(&seen, 1 << 20);
	assert_int_equal(wb_result_batch_size(b), 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			(void)snprintf(id, sizeof id, "%032x", i);
			wb_result_batch_add_job(b, wb_slice_cstr(id), (uint64_t)(round * 2), WB_WRITTEN, 1);
		}
	}
	for (int i = 0; i < 20; i++) {
		const struct wb_result_failure f = { .seq = (uint64_t)i,
			.id = LIT("\x01\x02\"\\"),
			.reason = WB_REASON_PARTITION_KEY_MISMATCH,
			.status = 400,
			.letter_partition = INT32_MAX,
			.letter_offset = INT64_MAX };

		wb_result_batch_add_job(b, wb_slice_cstr(id), (uint64_t)i, WB_DEAD, 1);
		wb_result_batch_add_failure(b, wb_slice_cstr(id), &f);
	}
	size = wb_result_batch_size(b);
	wb_result_batch_encode(b, LIT("me"), 5, &out);
	assert_int_equal(wb_buf_status(&out), WB_OK);
	assert_true(out.len <= size);
	assert_int_equal(wb_result_batch_size(b), 0);
	assert_int_equal(wb_result_decode(wb_buf_slice(&out), &visitor, &seen, &e), WB_OK);
	for (size_t i = 0; i < seen.len; i++)
		lines += seen.data[i] == '\n';
	/* Two ranges and a charge each; the last job has three ranges of dead around its two and ten failures. */
	assert_int_equal(lines, 1000 * 3 + 2 + WB_RESULT_FAILURES_MAX);
	wb_result_batch_free(&b);
	wb_buf_release(&out);
	wb_buf_release(&seen);
}

static void a_failures_letter_and_id_may_be_unknown(void **state)
{
	const struct wb_result_failure f = { .seq = 0, .reason = WB_REASON_INVALID_JSON, .letter_partition = -1 };
	struct wb_result_batch *b = wb_result_batch_new();
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 4096);
	wb_result_batch_add_job(b, LIT(JOB), 0, WB_DEAD, 0);
	wb_result_batch_add_failure(b, LIT(JOB), &f);
	wb_result_batch_add_failure(b, LIT(JOB), &f);
	wb_result_batch_encode(b, LIT("me"), 5, &out);
	assert_decodes(wb_buf_slice(&out), "0 dead 0-0 at 5\n0 charge 0.00\n0 failure 0 '' invalid-json 0 -1/0\n");
	wb_result_batch_free(&b);
	wb_buf_release(&out);
}

static void later_versions_can_be_read(void **state)
{
	(void)state;
	assert_decodes(LIT("{\"type\":\"reviewed\",\"more\":1}"), "");
	assert_decodes(
		LIT("{\"type\":\"outcomes\",\"at\":1,\"new\":{},\"jobs\":[{\"job\":\"" JOB "\",\"x\":[]}]}"), "");
}

static void what_is_no_results_record_is_refused(void **state)
{
	static const char *const records[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"type\":1}",
		"{\"type\":\"accepted\",\"at\":1,\"count\":1}",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1}",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1,\"count\":-1}",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1,\"count\":1.0}",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1,\"count\":9223372036854775808}",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1,\"count\":1} x",
		"{\"type\":\"accepted\",\"job\":\"" JOB "\",\"at\":1,\"count\":1,}",
		"{\"type\":\"callback\",\"job\":\"" JOB "\",\"at\":1,\"attempt\":0,\"status\":1,\"state\":\"failed\"}",
		"{\"type\":\"callback\",\"job\":\"" JOB "\",\"at\":1,\"attempt\":1,\"status\":1,\"state\":\"pending\"}",
		"{\"type\":\"callback\",\"job\":\"" JOB
		"\",\"at\":1,\"attempt\":1,\"status\":1000,\"state\":\"failed\"}",
		"{\"type\":\"callback\",\"job\":\"" JOB "\",\"attempt\":1,\"status\":1,\"state\":\"failed\"}",
		"{\"type\":\"callback\",\"job\":\"x\",\"at\":1,\"attempt\":1,\"status\":1,\"state\":\"failed\"}",
		"{\"type\":\"outcomes\",\"jobs\":[]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[1]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"charge\":1e999}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"failures\":[1]}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":{}}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"x\"}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"written\":[1]}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"written\":[2,1]}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"dead\":[-1,1]}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"jobs\":[{\"job\":\"" JOB "\",\"failures\":[{}]}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"untracked\":[{\"partition\":0}]}",
		"{\"type\":\"outcomes\",\"at\":1,\"untracked\":[{\"topic\":\"t\",\"partition\":-1}]}",
	};
	const struct wb_result_visitor none = { 0 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(records); i++) {
		struct wb_error e = { "" };

		assert_int_equal(wb_result_decode(wb_slice_cstr(records[i]), &none, NULL, &e), WB_EINVAL);
		assert_string_not_equal(e.text, "");
	}
	assert_int_equal(wb_result_decode((struct wb_slice){ NULL, 0 }, &none, NULL, NULL), WB_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted_is_the_documented_json),
		cmocka_unit_test(a_key_and_a_callback_are_the_documented_json),
		cmocka_unit_test(a_malformed_key_or_callback_is_ignored),
		cmocka_unit_test(too_long_a_callback_is_ignored),
		cmocka_unit_test(callback_is_the_documented_json),
		cmocka_unit_test(the_order_of_members_and_escapes_do_not_matter),
		cmocka_unit_test(charges_are_read_exactly),
		cmocka_unit_test(outcomes_are_the_documented_json),
		cmocka_unit_test(the_first_outcome_of_a_write_counts),
		cmocka_unit_test(many_jobs_share_a_record_and_the_size_is_an_upper_bound),
		cmocka_unit_test(a_failures_letter_and_id_may_be_unknown),
		cmocka_unit_test(later_versions_can_be_read),
		cmocka_unit_test(what_is_no_results_record_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
