#include "common/contract/record.h"

#include "common/base/compiler.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB    "0123456789abcdef0123456789abcdef"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static struct wb_header header(const char *name, struct wb_slice value)
{
	return (struct wb_header){ wb_slice_cstr(name), value };
}

static void murmur2_is_javas(void **state)
{
	/* From org.apache.kafka.common.utils.UtilsTest.testMurmur2, as signed 32-bit numbers. */
	const struct {
		const char *key;
		int32_t hash;
	} vectors[] = {
		{ "21", -973932308 },
		{ "foobar", -790332482 },
		{ "a-little-bit-long-string", -985981536 },
		{ "a-little-bit-longer-string", -1486304829 },
		{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
		{ "abc", 479470107 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(vectors); i++)
		assert_int_equal((int32_t)wb_murmur2(wb_slice_cstr(vectors[i].key)), vectors[i].hash);
	assert_int_equal(wb_murmur2_partition(LIT("foobar"), 8), 6);
	assert_int_equal(wb_murmur2_partition(LIT("21"), 8), 4);
	assert_int_equal(wb_murmur2_partition(LIT("abc"), 1), 0);
}

static void no_headers_mean_an_untracked_upsert(void **state)
{
	struct wb_record_meta meta;

	(void)state;
	assert_int_equal(wb_record_parse(NULL, 0, &meta, NULL), WB_REASON_NONE);
	assert_int_equal(meta.op, WB_OP_UPSERT);
	assert_false(meta.op_given);
	assert_null(meta.job.data);
	assert_null(meta.container.data);
}

static void what_is_written_is_read_back(void **state)
{
	const struct wb_record_meta meta = {
		.job = LIT(JOB),
		.seq = 42,
		.op = WB_OP_PATCH,
		.database = LIT("db"),
		.container = LIT("c"),
		.id = LIT("i"),
		.partition_key = LIT("[\"p\"]"),
		.if_match = LIT("\"e\""),
		.if_none_match = LIT("*"),
		.replay_of = LIT("t/0/1"),
		.traceparent = LIT("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	};
	struct wb_header headers[WB_RECORD_HEADERS_MAX];
	struct wb_record_meta read;
	char seq[24];
	size_t count = wb_record_headers(&meta, seq, headers);

	(void)state;
	assert_int_equal(count, WB_RECORD_HEADERS_MAX);
	assert_int_equal(wb_record_parse(headers, count, &read, NULL), WB_REASON_NONE);
	assert_true(wb_slice_eq(read.job, meta.job));
	assert_int_equal(read.seq, 42);
	assert_int_equal(read.op, WB_OP_PATCH);
	assert_true(read.op_given);
	assert_true(wb_slice_eq(read.database, meta.database));
	assert_true(wb_slice_eq(read.container, meta.container));
	assert_true(wb_slice_eq(read.id, meta.id));
	assert_true(wb_slice_eq(read.partition_key, meta.partition_key));
	assert_true(wb_slice_eq(read.if_match, meta.if_match));
	assert_true(wb_slice_eq(read.if_none_match, meta.if_none_match));
	assert_true(wb_slice_eq(read.replay_of, meta.replay_of));
	assert_true(wb_slice_eq(read.traceparent, meta.traceparent));
}

static void an_upsert_needs_no_operation_header(void **state)
{
	const struct wb_record_meta meta = { .job = LIT(JOB), .seq = 7 };
	struct wb_header headers[WB_RECORD_HEADERS_MAX];
	char seq[24];

	(void)state;
	assert_int_equal(wb_record_headers(&meta, seq, headers), 2);
	assert_true(wb_slice_eq_cstr(headers[0].name, "wb-job"));
	assert_true(wb_slice_eq_cstr(headers[1].name, "wb-seq"));
	assert_true(wb_slice_eq_cstr(headers[1].value, "7"));
}

static void the_last_header_of_a_name_counts(void **state)
{
	const struct wb_header headers[] = { header("wb-op", LIT("nonsense")), header("other", LIT("x")),
		header("wb-op", LIT("delete")) };
	struct wb_record_meta meta;

	(void)state;
	assert_int_equal(wb_record_parse(headers, 3, &meta, NULL), WB_REASON_NONE);
	assert_int_equal(meta.op, WB_OP_DELETE);
	assert_null(wb_header_find(headers, 3, "absent"));
	assert_ptr_equal(wb_header_find(headers, 3, "wb-op"), &headers[2]);
}

static void wrong_headers_are_refused_by_name(void **state)
{
	const struct {
		const char *name;
		struct wb_slice value;
	} wrong[] = {
		{ "wb-job", LIT(JOB) },
		{ "wb-seq", LIT("1") },
		{ "wb-database", LIT("") },
		{ "wb-database", { NULL, 0 } },
		{ "wb-container", LIT("a/b") },
		{ "wb-container", LIT("a\n") },
		{ "wb-id", LIT("\xff") },
		{ "wb-if-match", LIT("a\r\nx: y") },
		{ "wb-replay-of", LIT("") },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(wrong); i++) {
		const struct wb_header headers[] = { header(wrong[i].name, wrong[i].value) };
		struct wb_record_meta meta;
		struct wb_error why = { "" };

		assert_int_equal(wb_record_parse(headers, 1, &meta, &why), WB_REASON_INVALID_HEADER);
		assert_non_null(strstr(why.text, wrong[i].name));
	}
}

static void an_unknown_operation_keeps_the_writes_identity(void **state)
{
	const struct wb_header headers[] = { header("wb-op", LIT("merge")), header("wb-seq", LIT("9")),
		header("wb-job", LIT(JOB)) };
	struct wb_record_meta meta;
	struct wb_error why = { "" };

	(void)state;
	assert_int_equal(wb_record_parse(headers, 3, &meta, &why), WB_REASON_UNKNOWN_OPERATION);
	assert_true(wb_slice_eq_cstr(meta.job, JOB));
	assert_int_equal(meta.seq, 9);
}

static void half_an_identity_is_none(void **state)
{
	const struct wb_header upper[] = { header("wb-job", LIT("0123456789ABCDEF0123456789ABCDEF")),
		header("wb-seq", LIT("1")) };
	const struct wb_header bad_seq[] = { header("wb-job", LIT(JOB)), header("wb-seq", LIT("-1")) };
	const struct wb_header big_seq[] = { header("wb-job", LIT(JOB)), header("wb-seq", LIT("9007199254740992")) };
	const struct wb_header *const cases[] = { upper, bad_seq, big_seq };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_record_meta meta;

		assert_int_equal(wb_record_parse(cases[i], 2, &meta, NULL), WB_REASON_INVALID_HEADER);
		assert_null(meta.job.data);
	}
}

static void the_identity_alone_is_the_same(void **state)
{
	const struct wb_header choices[] = { header("wb-job", LIT(JOB)), header("wb-job", LIT("ABC")),
		header("wb-job", LIT("ffffffffffffffffffffffffffffffff")), header("wb-seq", LIT("7")),
		header("wb-seq", LIT("-1")), header("wb-seq", LIT("9007199254740991")), header("wb-op", LIT("strange")),
		header("Wb-Seq", LIT("8")), header("wb-jobs", LIT(JOB)),
		header("wb-seq", (struct wb_slice){ NULL, 0 }) };
	const size_t n = WB_ARRAY_LEN(choices);

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		const struct wb_header headers[] = { choices[i % n], choices[i / n % n], choices[i / n / n] };
		struct wb_record_meta meta;
		struct wb_error why;
		struct wb_slice job = { NULL, 0 };
		uint64_t seq = 0;

		if (wb_record_parse(headers, 3, &meta, &why) != WB_REASON_NONE)
			assert_true(why.text[0] != '\0');
		assert_int_equal(wb_record_job(headers, 3, &job, &seq), meta.job.data != NULL);
		assert_ptr_equal(job.data, meta.job.data);
		assert_true(seq == meta.seq);
	}
}

static void a_malformed_trace_context_is_ignored(void **state)
{
	const struct wb_header headers[] = { header("traceparent", (struct wb_slice){ NULL, 0 }) };
	struct wb_record_meta meta;

	(void)state;
	assert_int_equal(wb_record_parse(headers, 1, &meta, NULL), WB_REASON_NONE);
	assert_null(meta.traceparent.data);
}

static void job_ids_are_32_lower_case_digits(void **state)
{
	(void)state;
	assert_true(wb_job_id_valid(LIT(JOB)));
	assert_false(wb_job_id_valid(LIT("0123456789abcdef0123456789abcde")));
	assert_false(wb_job_id_valid(LIT("0123456789abcdef0123456789abcdeg")));
	assert_false(wb_job_id_valid((struct wb_slice){ NULL, 0 }));
}

static void operations_have_words(void **state)
{
	enum wb_op op;

	(void)state;
	for (int i = WB_OP_UPSERT; i <= WB_OP_PATCH; i++) {
		assert_true(wb_op_parse(wb_slice_cstr(wb_op_text((enum wb_op)i)), &op));
		assert_int_equal(op, i);
	}
	assert_false(wb_op_parse(LIT("Upsert"), &op));
}

static void a_traceparent_is_hex_digits_of_one_length(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true },
		{ "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true },
		{ "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
		{ "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(wb_traceparent_valid(wb_slice_cstr(cases[i].text)), cases[i].valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_traceparent_is_hex_digits_of_one_length),
		cmocka_unit_test(murmur2_is_javas),
		cmocka_unit_test(no_headers_mean_an_untracked_upsert),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(an_upsert_needs_no_operation_header),
		cmocka_unit_test(the_last_header_of_a_name_counts),
		cmocka_unit_test(wrong_headers_are_refused_by_name),
		cmocka_unit_test(an_unknown_operation_keeps_the_writes_identity),
		cmocka_unit_test(half_an_identity_is_none),
		cmocka_unit_test(the_identity_alone_is_the_same),
		cmocka_unit_test(a_malformed_trace_context_is_ignored),
		cmocka_unit_test(job_ids_are_32_lower_case_digits),
		cmocka_unit_test(operations_have_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
