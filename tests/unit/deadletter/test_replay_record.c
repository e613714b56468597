#include "deadletter/replay_record.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))
#define JOB    "0123456789abcdef0123456789abcdef"
#define ID     "fedcba9876543210fedcba9876543210/7"

static void a_job_follows_from_letter_and_attempt(void **state)
{
	char first[WB_JOB_ID_SIZE], again[WB_JOB_ID_SIZE], second[WB_JOB_ID_SIZE], other[WB_JOB_ID_SIZE];

	(void)state;
	wb_replay_job_id(LIT(ID), 0, first);
	wb_replay_job_id(LIT(ID), 0, again);
	wb_replay_job_id(LIT(ID), 1, second);
	wb_replay_job_id(LIT("t/0/1"), 0, other);
	assert_string_equal(first, again);
	assert_string_not_equal(first, second);
	assert_string_not_equal(first, other);
	/* printf 't/0/1\n0' | sha256sum */
	assert_string_equal(other, "747074a53455f1d50275af4a043b6801");
	assert_true(wb_job_id_valid(wb_slice_cstr(first)));
}

/* All headers as "name=value " in their order. */
static void text_of(const struct wb_header *headers, size_t count, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		at += (size_t)snprintf(ret + at, size - at, "%.*s=%.*s ", WB_SLICE_ARGS(headers[i].name),
			WB_SLICE_ARGS(headers[i].value));
		assert_true(at < size);
	}
}

static enum wb_err headers_of(
	const char *op, bool has_value, const char *etag, bool forced, char *ret, size_t size, struct wb_error *why)
{
	struct wb_header headers[] = {
		{ LIT("x-mine"), LIT("1") },
		{ LIT("wb-job"), LIT("fedcba9876543210fedcba9876543210") },
		{ LIT("wb-seq"), LIT("7") },
		{ LIT("wb-container"), LIT("orders") },
		{ LIT("wb-if-match"), LIT("\"old\"") },
		{ LIT("wb-error-reason"), LIT("conflict") },
		{ LIT("__connect.errors.topic"), LIT("t") },
		{ LIT("wb-op"), wb_slice_cstr(op) },
	};
	const struct wb_replay_letter letter = { headers, WB_ARRAY_LEN(headers) - (op ? 0 : 1), has_value,
		etag ? wb_slice_cstr(etag) : wb_slice(NULL, 0) };
	struct wb_header got[WB_ARRAY_LEN(headers) + WB_REPLAY_HEADERS_ADDED];
	size_t count = 0;
	enum wb_err err = wb_replay_headers(&letter, LIT(ID), LIT(JOB), forced, got, &count, why);

	text_of(got, count, ret, size);
	return err;
}

#define SENT "x-mine=1 wb-container=orders wb-job=" JOB " wb-seq=0 wb-replay-of=" ID " "

static void a_condition_holds_the_item_as_it_was(void **state)
{
	static const struct {
		const char *op, *etag, *sent;
		bool tombstone;
	} cases[] = {
		{ NULL, "\"e\"", "wb-op=replace wb-if-match=\"e\" ", false },
		{ "upsert", "\"e\"", "wb-op=replace wb-if-match=\"e\" ", false },
		{ "replace", "\"e\"", "wb-op=replace wb-if-match=\"e\" ", false },
		{ "patch", "\"e\"", "wb-op=patch wb-if-match=\"e\" ", false },
		{ "delete", "\"e\"", "wb-op=delete wb-if-match=\"e\" ", false },
		{ NULL, "\"e\"", "wb-if-match=\"e\" ", true },
		{ "create", "\"e\"", "wb-op=create ", false },
		{ NULL, "absent", "wb-if-none-match=* ", false },
		{ "upsert", "absent", "wb-op=upsert wb-if-none-match=* ", false },
		{ "create", "absent", "wb-op=create wb-if-none-match=* ", false },
	};
	char got[1000], wanted[1000];
	struct wb_error why;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		assert_int_equal(
			headers_of(cases[i].op, !cases[i].tombstone, cases[i].etag, false, got, sizeof got, &why),
			WB_OK);
		(void)snprintf(wanted, sizeof wanted, SENT "%s", cases[i].sent);
		assert_string_equal(got, wanted);
	}
}

static void what_no_condition_protects_needs_force(void **state)
{
	static const struct {
		const char *op, *etag, *forced;
		bool tombstone;
	} cases[] = {
		{ NULL, "unknown", "", false },
		{ NULL, NULL, "", false },
		{ "replace", "absent", "wb-op=replace ", false },
		{ "patch", "absent", "wb-op=patch ", false },
		{ "delete", "absent", "wb-op=delete ", false },
		{ NULL, "absent", "", true },
		{ "frobnicate", "\"e\"", "wb-op=frobnicate ", false },
	};
	char got[1000], wanted[1000];
	struct wb_error why;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		bool has_value = !cases[i].tombstone;

		assert_int_equal(
			headers_of(cases[i].op, has_value, cases[i].etag, false, got, sizeof got, &why), WB_EINVAL);
		assert_true(why.text[0] != '\0');
		assert_int_equal(headers_of(cases[i].op, has_value, cases[i].etag, true, got, sizeof got, &why), WB_OK);
		(void)snprintf(wanted, sizeof wanted, SENT "%s", cases[i].forced);
		assert_string_equal(got, wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_follows_from_letter_and_attempt),
		cmocka_unit_test(a_condition_holds_the_item_as_it_was),
		cmocka_unit_test(what_no_condition_protects_needs_force),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
