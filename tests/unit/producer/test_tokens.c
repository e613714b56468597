#include "producer/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The token "wb_" and 43 times A, and its digest (sha256sum). */
#define TOKEN_A        "wb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define HEX_A          "176f40fd4e014af0676635e1c579f43a3939f5c16cd89461452da29b16aea8a1"
#define HEX_B          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ALL            "\"scopes\":[\"publish\",\"read\"],\"databases\":[\"*\"],\"containers\":[\"*\"]"
#define ENTRY          "\"name\":\"billing\",\"sha256\":\"" HEX_A "\"," ALL
#define FILE_OF(entry) "{\"tokens\":[{" entry "}]}"

static void parse_good(const char *text, struct wb_tokens *ret)
{
	struct wb_error e = { "" };

	if (wb_tokens_parse(wb_slice_cstr(text), "tokens.json", ret, &e) != WB_OK)
		fail_msg("%s", e.text);
}

static void assert_refused(const char *text, const char *sentence)
{
	struct wb_tokens t = { 0 };
	struct wb_error e = { "" };

	assert_int_equal(wb_tokens_parse(wb_slice_cstr(text), "tokens.json", &t, &e), WB_EINVAL);
	assert_string_equal(e.text, sentence);
	assert_null(t.items);
}

static void a_whole_file_is_read(void **state)
{
	struct wb_tokens t = { 0 };
	const struct wb_token *token;

	(void)state;
	parse_good("{\"tokens\":[{" ENTRY "},{\"name\":\"a.b_c-d@e\",\"sha256\":\"" HEX_B
		   "\",\"scopes\":[\"read\"],\"databases\":[],\"containers\":[\"c\",\"\"],"
		   "\"rate\":{\"requestsPerSecond\":5,\"documentsPerSecond\":1000000000,\"burstSeconds\":60},"
		   "\"expires\":\"2027-01-01T00:00:00Z\"}]}",
		&t);
	assert_int_equal(t.count, 2);
	token = &t.items[0];
	assert_string_equal(token->name, "billing");
	assert_int_equal(token->scopes, WB_SCOPE_PUBLISH | WB_SCOPE_READ);
	assert_true(token->databases.any);
	assert_int_equal(token->rate.requests_per_s, 0);
	assert_int_equal(token->rate.documents_per_s, 0);
	assert_true(token->expires_ms == INT64_MAX);
	token = &t.items[1];
	assert_int_equal(token->scopes, WB_SCOPE_READ);
	assert_false(token->databases.any);
	assert_int_equal(token->sha256[1], 0x23);
	assert_int_equal(token->rate.requests_per_s, 5);
	assert_int_equal(token->rate.documents_per_s, 1000000000);
	assert_int_equal(token->rate.burst_s, 60);
	assert_true(token->expires_ms == INT64_C(1798761600000));
	wb_tokens_release(&t);
	assert_null(t.items);
	parse_good("{\"tokens\":[]}", &t);
	assert_int_equal(t.count, 0);
	wb_tokens_release(&t);
}

static void a_token_is_found_by_its_digest_only(void **state)
{
	struct wb_tokens t = { 0 };

	(void)state;
	parse_good("{\"tokens\":[{\"name\":\"other\",\"sha256\":\"" HEX_B "\"," ALL "},{" ENTRY "}]}", &t);
	assert_ptr_equal(wb_tokens_find(&t, wb_slice_cstr(TOKEN_A)), &t.items[1]);
	assert_null(wb_tokens_find(&t, wb_slice_cstr("wb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")));
	assert_null(wb_tokens_find(&t, wb_slice_cstr("")));
	assert_null(wb_tokens_find(&t, wb_slice(NULL, 0)));
	assert_null(wb_tokens_find(&t, wb_slice_cstr(TOKEN_A "A")));
	assert_null(wb_tokens_find(&t, wb_slice_cstr(HEX_A)));
	wb_tokens_release(&t);
}

/* The digest of a password is in the file, but a password has not the form of a token. */
static void what_can_be_guessed_is_never_accepted(void **state)
{
	struct wb_tokens t = { 0 };

	(void)state;
	parse_good("{\"tokens\":[{\"name\":\"weak\",\"sha256\":"
		   "\"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\"," ALL "}]}",
		&t);
	assert_null(wb_tokens_find(&t, wb_slice_cstr("password")));
	wb_tokens_release(&t);
}

static void errors_name_the_file_the_token_and_the_member(void **state)
{
	(void)state;
	assert_refused("", "tokens.json: not JSON, or a member stands twice, at line 1, column 0");
	assert_refused("[]", "tokens.json: must be an object with one member, \"tokens\", an array");
	assert_refused(
		"{\"tokens\":[],\"x\":1}", "tokens.json: must be an object with one member, \"tokens\", an array");
	assert_refused("{\"tokens\":[1]}", "tokens.json: token 1: it must be an object");
	assert_refused(FILE_OF("\"name\":\"\""),
		"tokens.json: token 1: \"name\" must have 1 to 64 letters, digits and . _ - @, and must not begin with "
		"wb_");
	assert_refused(FILE_OF("\"name\":\"anonymous\""),
		"tokens.json: token 1: \"name\" must not be anonymous: that is who has no token");
	assert_refused(FILE_OF(ENTRY ",\"scope\":1"), "tokens.json: token 1 (billing): it has an unknown member scope");
	assert_refused(FILE_OF("\"name\":\"b\"," ALL),
		"tokens.json: token 1 (b): \"sha256\" must be a string of 64 hexadecimal digits in lower case");
	assert_refused(FILE_OF("\"name\":\"b\",\"sha256\":\"" HEX_B "\",\"scopes\":[\"write\"]"),
		"tokens.json: token 1 (b): \"scopes\" may hold \"publish\" and \"read\", nothing else");
	assert_refused(FILE_OF("\"name\":\"b\",\"sha256\":\"" HEX_B "\",\"scopes\":[]"),
		"tokens.json: token 1 (b): \"scopes\" must be an array with \"publish\", \"read\" or both");
	assert_refused(FILE_OF("\"name\":\"b\",\"sha256\":\"" HEX_B "\",\"scopes\":[\"read\"]"),
		"tokens.json: token 1 (b): \"databases\" must be there, and an array of names; [\"*\"] is every name");
	assert_refused(FILE_OF("\"name\":\"b\",\"sha256\":\"" HEX_B "\",\"scopes\":[\"read\"],\"databases\":[1]"),
		"tokens.json: token 1 (b): \"databases\" may hold names only");
	assert_refused(FILE_OF(ENTRY ",\"rate\":{\"perSecond\":1}"),
		"tokens.json: token 1 (billing): \"rate\" has an unknown member perSecond");
	assert_refused(FILE_OF(ENTRY ",\"rate\":{\"requestsPerSecond\":0.5}"),
		"tokens.json: token 1 (billing): \"rate\".\"requestsPerSecond\" must be a whole number from 1 to "
		"1000000000");
	assert_refused(FILE_OF(ENTRY ",\"rate\":{\"burstSeconds\":3601}"),
		"tokens.json: token 1 (billing): \"rate\".\"burstSeconds\" must be a whole number from 1 to 3600");
	assert_refused(FILE_OF(ENTRY ",\"expires\":\"2027-02-30T00:00:00Z\""),
		"tokens.json: token 1 (billing): \"expires\" must be a time, like \"2027-01-01T00:00:00Z\"");
	assert_refused("{\"tokens\":[{" ENTRY "},{" ENTRY "}]}",
		"tokens.json: token 2 (billing): \"name\" is that of token 1 (billing), too");
	assert_refused("{\"tokens\":[{" ENTRY "},{\"name\":\"b\",\"sha256\":\"" HEX_A "\"," ALL "}]}",
		"tokens.json: token 2 (b): \"sha256\" is that of token 1 (billing), too");
}

/* Promise 11: wherever a token stands in the file by mistake, the error does not show it. */
static void errors_never_show_a_token(void **state)
{
	static const char *const texts[] = {
		FILE_OF("\"name\":\"b\",\"sha256\":\"" TOKEN_A "\"," ALL),
		FILE_OF("\"name\":\"" TOKEN_A "\""),
		FILE_OF(ENTRY ",\"" TOKEN_A "\":1"),
		FILE_OF(ENTRY ",\"expires\":\"" TOKEN_A "\""),
		FILE_OF("\"name\":" TOKEN_A),
		"{\"tokens\":[{\"name\":\"" TOKEN_A,
		TOKEN_A,
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		struct wb_tokens t = { 0 };
		struct wb_error e = { "" };

		assert_int_equal(wb_tokens_parse(wb_slice_cstr(texts[i]), "tokens.json", &t, &e), WB_EINVAL);
		assert_non_null(strstr(e.text, "tokens.json"));
		assert_null(strstr(e.text, "AAAA"));
	}
}

static void there_is_a_bound(void **state)
{
	struct wb_error e = { "" };
	struct wb_tokens t = { 0 };
	struct wb_buf text;

	(void)state;
	wb_buf_init(&text, 1 << 20);
	wb_buf_append_cstr(&text, "{\"tokens\":[0");
	for (int i = 0; i < WB_TOKENS_MAX; i++)
		wb_buf_append_cstr(&text, ",0");
	wb_buf_append_cstr(&text, "]}");
	assert_int_equal(wb_tokens_parse(wb_buf_slice(&text), "f", &t, &e), WB_EINVAL);
	assert_string_equal(e.text, "f: has 1001 tokens, at most 1000 are allowed");
	wb_buf_release(&text);
}

static void names_are_allowed_one_by_one_or_all(void **state)
{
	char reports[] = "reports", own[] = "", star[] = "*";
	char *some[] = { reports, own }, *one[] = { reports }, *all[] = { star };
	const struct wb_token_names list = { some, 2, false }, only = { one, 1, false }, any = { all, 1, true };
	const struct wb_token_names none = { NULL, 0, false };

	(void)state;
	assert_true(wb_token_names_allow(&list, wb_slice_cstr("reports")));
	assert_true(wb_token_names_allow(&list, wb_slice(NULL, 0)));
	assert_false(wb_token_names_allow(&list, wb_slice_cstr("report")));
	assert_false(wb_token_names_allow(&list, wb_slice_cstr("Reports")));
	assert_false(wb_token_names_allow(&only, wb_slice(NULL, 0)));
	assert_true(wb_token_names_allow(&any, wb_slice(NULL, 0)));
	assert_true(wb_token_names_allow(&any, wb_slice_cstr("x")));
	assert_false(wb_token_names_allow(&none, wb_slice_cstr("x")));
	assert_false(wb_token_names_allow(&none, wb_slice(NULL, 0)));
}

static void a_new_token_has_its_form_and_is_new(void **state)
{
	char a[WB_TOKEN_SIZE], b[WB_TOKEN_SIZE];

	(void)state;
	for (int i = 0; i < 100; i++) {
		wb_token_make(a);
		wb_token_make(b);
		assert_true(wb_token_form(wb_slice_cstr(a)));
		assert_int_equal(strlen(a), WB_TOKEN_LEN);
		assert_string_not_equal(a, b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_is_read),
		cmocka_unit_test(a_token_is_found_by_its_digest_only),
		cmocka_unit_test(what_can_be_guessed_is_never_accepted),
		cmocka_unit_test(errors_name_the_file_the_token_and_the_member),
		cmocka_unit_test(errors_never_show_a_token),
		cmocka_unit_test(there_is_a_bound),
		cmocka_unit_test(names_are_allowed_one_by_one_or_all),
		cmocka_unit_test(a_new_token_has_its_form_and_is_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
