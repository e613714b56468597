#include "producer/content_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* RFC 9530, appendix B.1: {"hello": "world"} and a newline. */
#define SHA256 "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
#define SHA512 "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"

static void the_sha_256_is_found(void **state)
{
	static const char *const fields[] = {
		SHA256,
		" " SHA256 "\t",
		SHA512 ", " SHA256,
		SHA256 "," SHA512,
		"unixsum=:AAA=:,other;x=\"a,b\"," SHA256,
		SHA256 ";p=1;q=\"a,b\"",
		"sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, " SHA256,
	};
	uint8_t hello[WB_SHA256_SIZE];

	(void)state;
	wb_crypto_sha256(wb_slice_cstr("{\"hello\": \"world\"}\n"), hello);
	for (size_t i = 0; i < WB_ARRAY_LEN(fields); i++) {
		uint8_t digest[WB_SHA256_SIZE] = { 0 };
		struct wb_error why;

		if (wb_content_digest_parse(wb_slice_cstr(fields[i]), digest, &why) != WB_OK)
			fail_msg("%s: %s", fields[i], why.text);
		assert_memory_equal(digest, hello, sizeof hello);
	}
}

static void what_is_missing_or_malformed_is_told_apart(void **state)
{
	static const struct {
		const char *field;
		enum wb_err err;
		const char *says;
	} rows[] = {
		{ NULL, WB_ENOTFOUND, "is missing" },
		{ "", WB_ENOTFOUND, "is missing" },
		{ SHA512, WB_ENOTFOUND, "no sha-256" },
		{ "sha-256", WB_EINVAL, "must have" },
		{ "sha-256=abc", WB_EINVAL, "must have" },
		{ "sha-256=:YWJj:", WB_EINVAL, "must have" },
		{ "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=", WB_EINVAL, "must have" },
		{ "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg!:", WB_EINVAL, "must have" },
		{ "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDgA:", WB_EINVAL, "must have" },
		{ SHA256 "x", WB_EINVAL, "must have" },
		{ SHA256 ", sha-256=x", WB_EINVAL, "must have" },
		{ "=:x:", WB_EINVAL, "no list" },
		{ "SHA-256=:x:", WB_EINVAL, "no list" },
		{ ", " SHA256, WB_EINVAL, "no list" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		uint8_t digest[WB_SHA256_SIZE] = { 7 };
		struct wb_error why;
		enum wb_err err = wb_content_digest_parse(wb_slice_cstr(rows[i].field), digest, &why);

		if (err != rows[i].err || !strstr(why.text, rows[i].says))
			fail_msg("%s: %d %s", rows[i].field, err, why.text);
		assert_int_equal(digest[0], 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sha_256_is_found),
		cmocka_unit_test(what_is_missing_or_malformed_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
