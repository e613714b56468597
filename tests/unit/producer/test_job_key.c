#include "producer/job_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static void keys_are_taken_bare_and_in_quotes(void **state)
{
	static const struct {
		const char *header, *key;
	} rows[] = {
		{ "8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324" },
		{ "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324" },
		{ " a\t", "a" },
		{ "a\"b\\", "a\"b\\" },
		{ "\"a b\"", "a b" },
		{ "\"a\\\"b\\\\\"", "a\"b\\" },
		{ "~!", "~!" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_idempotency_key key;
		struct wb_error why;

		assert_int_equal(wb_idempotency_key_parse(wb_slice_cstr(rows[i].header), &key, &why), WB_OK);
		assert_string_equal(key.text, rows[i].key);
		assert_int_equal(key.len, strlen(rows[i].key));
	}
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const headers[] = { "", " ", "\"\"", "\"", "\"a", "\"a\"b", "\"a\";x=1", "\"\\n\"", "\"a\\",
		"a b", "\xc3\xa9", "a\x7f", "\"\xc3\xa9\"", "a\nb" };
	char longest[WB_IDEMPOTENCY_KEY_LEN_MAX + 4];
	struct wb_idempotency_key key = { .len = 7 };
	struct wb_error why;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(headers); i++) {
		assert_int_equal(wb_idempotency_key_parse(wb_slice_cstr(headers[i]), &key, &why), WB_EINVAL);
		assert_non_null(strstr(why.text, "1 to 255"));
	}
	assert_int_equal(wb_idempotency_key_parse(wb_slice_cstr(NULL), &key, &why), WB_EINVAL);
	assert_int_equal(key.len, 7);
	memset(longest, 'k', sizeof longest);
	assert_int_equal(
		wb_idempotency_key_parse(wb_slice(longest, WB_IDEMPOTENCY_KEY_LEN_MAX + 1), &key, &why), WB_EINVAL);
	assert_int_equal(wb_idempotency_key_parse(wb_slice(longest, WB_IDEMPOTENCY_KEY_LEN_MAX), &key, &why), WB_OK);
	longest[0] = longest[WB_IDEMPOTENCY_KEY_LEN_MAX + 1] = '"';
	assert_int_equal(
		wb_idempotency_key_parse(wb_slice(longest, WB_IDEMPOTENCY_KEY_LEN_MAX + 2), &key, &why), WB_OK);
	assert_int_equal(key.len, WB_IDEMPOTENCY_KEY_LEN_MAX);
}

static struct wb_job_key_request some_request(void)
{
	struct wb_job_key_request r = {
		.principal = LIT("alice"),
		.key = LIT("k1"),
		.database = LIT("shop"),
		.op = LIT("upsert"),
		.content_type = LIT("application/json"),
	};

	wb_crypto_sha256(LIT("[{\"id\":\"1\"}]"), r.body_sha256);
	return r;
}

/* Computed with Python's hashlib: every version and instance must give the same. */
static void ids_and_digests_are_fixed(void **state)
{
	struct wb_job_key_request r = some_request();
	uint8_t digest[WB_JOB_KEY_SIZE];
	char job[WB_JOB_ID_SIZE], hex[2 * WB_JOB_KEY_SIZE + 1], long_name[500];

	(void)state;
	wb_job_key_id(&r, job);
	assert_string_equal(job, "7cadb21aca63e3fcb4e850203ce3f06b");
	assert_true(wb_job_id_valid(wb_slice_cstr(job)));
	wb_job_key_digest(r.principal, r.key, digest);
	wb_hex_encode(digest, sizeof digest, hex);
	assert_string_equal(hex, "1c7e290bd2e852496ddc0f1c613887f2");
	for (size_t i = 0; i < sizeof long_name; i++)
		long_name[i] = "alice"[i % 5];
	r.principal = wb_slice(long_name, sizeof long_name);
	wb_job_key_id(&r, job);
	assert_string_equal(job, "808d6f4fe94f955536ab71c4a2ca74bc");
}

static void every_part_makes_another_job(void **state)
{
	struct wb_job_key_request variants[12];
	char jobs[WB_ARRAY_LEN(variants)][WB_JOB_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(variants); i++)
		variants[i] = some_request();
	variants[1].principal = LIT("bob");
	variants[2].key = LIT("k2");
	variants[3].database = (struct wb_slice){ NULL, 0 };
	variants[4].container = LIT("orders");
	variants[5].op = LIT("create");
	variants[6].callback = LIT("https://example.org/");
	variants[7].content_type = LIT("application/x-ndjson");
	variants[8].content_encoding = LIT("gzip");
	variants[9].body_sha256[31] ^= 1;
	/* What moves from one part to the next is no longer the same; and absent is not empty. */
	variants[10].database = LIT("sho");
	variants[10].container = LIT("p");
	variants[11].container = LIT("");
	for (size_t i = 0; i < WB_ARRAY_LEN(variants); i++) {
		wb_job_key_id(&variants[i], jobs[i]);
		for (size_t before = 0; before < i; before++)
			assert_string_not_equal(jobs[before], jobs[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_taken_bare_and_in_quotes),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(ids_and_digests_are_fixed),
		cmocka_unit_test(every_part_makes_another_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
