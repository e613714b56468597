#include "producer/new_token.h"

#include "producer/tokens.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TOKEN "wb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define HEX   "176f40fd4e014af0676635e1c579f43a3939f5c16cd89461452da29b16aea8a1"

static void assert_entry(const struct wb_new_token *wanted, const char *expected)
{
	struct wb_error e = { "" };
	struct wb_buf entry;

	wb_buf_init(&entry, 10000);
	if (wb_new_token_entry(wanted, TOKEN, &entry, &e) != WB_OK)
		fail_msg("%s", e.text);
	assert_string_equal(entry.data, expected);
	wb_buf_release(&entry);
}

static void an_entry_says_all_that_is_allowed(void **state)
{
	const struct wb_new_token plain = { .name = "billing" };
	const struct wb_new_token narrow = { "b", "publish", "shop", "a,,b", "2027-01-01T00:00:00Z" };

	(void)state;
	assert_entry(&plain,
		"{\"name\":\"billing\",\"sha256\":\"" HEX
		"\",\"scopes\":[\"publish\",\"read\"],\"databases\":[\"*\"],\"containers\":[\"*\"]}");
	assert_entry(&narrow,
		"{\"name\":\"b\",\"sha256\":\"" HEX "\",\"scopes\":[\"publish\"],\"databases\":[\"shop\"],"
		"\"containers\":[\"a\",\"\",\"b\"],\"expires\":\"2027-01-01T00:00:00Z\"}");
}

static void what_a_file_would_not_take_is_refused_with_nothing_said(void **state)
{
	static const struct {
		struct wb_new_token wanted;
		const char *part;
	} rows[] = {
		{ { .name = "a b" }, "\"name\"" },
		{ { .name = "" }, "\"name\"" },
		{ { .name = TOKEN }, "\"name\"" },
		{ { .name = "b", .scopes = "write" }, "\"scopes\"" },
		{ { .name = "b", .expires = "tomorrow" }, "\"expires\"" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_error e = { "" };
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		assert_int_equal(wb_new_token_print(&rows[i].wanted, out, out, &e), WB_EINVAL);
		assert_non_null(strstr(e.text, rows[i].part));
		assert_null(strstr(e.text, "AAAA"));
		assert_int_equal(fclose(out), 0);
		assert_int_equal(len, 0);
		free(text);
	}
}

static void the_token_is_the_first_line_and_its_entry_the_second(void **state)
{
	const struct wb_new_token wanted = { .name = "billing" };
	char *text = NULL, *notes = NULL, *end, file[2000];
	struct wb_tokens tokens = { 0 };
	struct wb_error e = { "" };
	size_t len, notes_len;
	FILE *out = open_memstream(&text, &len), *err = open_memstream(&notes, &notes_len);

	(void)state;
	assert_int_equal(wb_new_token_print(&wanted, out, err, &e), WB_OK);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
	end = strchr(text, '\n');
	assert_true(wb_token_form(wb_slice(text, (size_t)(end - text))));
	(void)snprintf(file, sizeof file, "{\"tokens\":[%s]}", end + 1);
	assert_int_equal(wb_tokens_parse(wb_slice_cstr(file), "f", &tokens, &e), WB_OK);
	assert_non_null(wb_tokens_find(&tokens, wb_slice(text, (size_t)(end - text))));
	assert_null(strstr(notes, "wb_"));
	wb_tokens_release(&tokens);
	free(text);
	free(notes);
}

static void a_full_disk_is_noticed(void **state)
{
	const struct wb_new_token wanted = { .name = "billing" };
	struct wb_error e = { "" };
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	if (!full)
		skip();
	assert_int_equal(wb_new_token_print(&wanted, full, stderr, &e), WB_EIO);
	(void)fclose(full); /* still full */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_says_all_that_is_allowed),
		cmocka_unit_test(what_a_file_would_not_take_is_refused_with_nothing_said),
		cmocka_unit_test(the_token_is_the_first_line_and_its_entry_the_second),
		cmocka_unit_test(a_full_disk_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
