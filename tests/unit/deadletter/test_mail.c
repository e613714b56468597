#include "deadletter/mail.h"

#include "tests/unit/deadletter/alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void addresses_are_plain_ones(void **state)
{
	static const char *const bad[] = { "", "ops", "@example.org", "ops@", "a b@example.org", "a@b@c",
		"Ops <ops@example.org>", "a@example.org\r\nBcc: x@example.org", "caf\xc3\xa9@example.org",
		"a,b@example.org", "\"a\"@example.org" };
	struct wb_mail_addresses a;
	struct wb_error e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(
			wb_mail_addresses_parse(wb_slice_cstr(bad[i]), wb_slice_cstr("a@b"), &a, &e), WB_EINVAL);
		assert_null(strpbrk(e.text, "\r\n"));
		if (i != 9)
			assert_int_equal(wb_mail_addresses_parse(wb_slice_cstr("a@b"), wb_slice_cstr(bad[i]), &a, &e),
				WB_EINVAL);
	}
	assert_int_equal(wb_mail_addresses_parse(wb_slice_cstr("wb@example.org"),
				 wb_slice_cstr("ops@example.org, on-call+2@example.com"), &a, &e),
		WB_OK);
	assert_int_equal(a.count, 2);
	assert_string_equal(a.from, "wb@example.org");
	assert_string_equal(a.to[1], "on-call+2@example.com");
	assert_int_equal(wb_mail_addresses_parse(wb_slice_cstr("a@b"), wb_slice_cstr("a@b,"), &a, &e), WB_EINVAL);
}

static void quoted(const char *text, const char *expected)
{
	struct wb_buf b;

	wb_buf_init(&b, 10000);
	wb_mail_quoted_printable(wb_slice_cstr(text), &b);
	assert_string_equal(b.data, expected);
	wb_buf_release(&b);
}

static void quoted_printable_as_rfc_2045_has_it(void **state)
{
	(void)state;
	quoted("plain", "plain");
	quoted("a=b \xc3\xa9\n", "a=3Db =C3=A9\r\n");
	quoted("end \nnext\t", "end=20\r\nnext=09");
	quoted(".\n.x\nFrom x", "=2E\r\n=2Ex\r\n=46rom x");
	quoted("\r\n", "=0D\r\n");
	quoted("0123456789012345678901234567890123456789012345678901234567890123456789012345.",
		"012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n5.");
	quoted("012345678901234567890123456789012345678901234567890123456789012345678901234.b",
		"012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n=2Eb");
}

static void header(const char *value, const char *expected)
{
	struct wb_buf b;

	wb_buf_init(&b, 10000);
	wb_mail_header("Subject", wb_slice_cstr(value), &b);
	assert_string_equal(b.data, expected);
	wb_buf_release(&b);
}

static void headers_are_folded_or_encoded(void **state)
{
	(void)state;
	header("[prod] Dead letters", "Subject: [prod] Dead letters\r\n");
	header("caf\xc3\xa9", "Subject: =?utf-8?B?Y2Fmw6k=?=\r\n");
	header("=?utf-8?Q?x?=", "Subject: =?utf-8?B?PT91dGYtOD9RP3g/PQ==?=\r\n");
	header("a\r\nBcc: x", "Subject: a\\x0d\\nBcc: x\r\n");
	header("123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789",
		"Subject: 123456789 123456789 123456789 123456789 123456789 123456789\r\n 123456789 123456789\r\n");
	/* Cut between characters: 18 of two bytes fit a word. */
	header("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
	       "\xa9"
	       "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
		"Subject: =?utf-8?B?w6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOp?=\r\n =?utf-8?B?w6k=?=\r\n");
}

static void compose(
	const struct wb_alert *alert, const struct wb_mail_document *documents, size_t count, struct wb_buf *ret)
{
	struct wb_mail_addresses addresses;
	const struct wb_mail mail = {
		.addresses = &addresses, .name = "prod\r\nX: y", .documents = documents, .document_count = count
	};

	assert_int_equal(
		wb_mail_addresses_parse(wb_slice_cstr("wb@example.org"), wb_slice_cstr("a@b,c@d"), &addresses, NULL),
		WB_OK);
	wb_buf_clear(ret);
	wb_mail_compose(&mail, alert, ret);
	assert_int_equal(wb_buf_status(ret), WB_OK);
}

static void lines_are_short_ascii_and_no_letter_begins_one(void **state)
{
	struct wb_alert alert = hostile_alert();
	size_t column = 0;
	struct wb_buf b, again;

	(void)state;
	wb_buf_init(&b, WB_MAIL_BYTES_MAX);
	wb_buf_init(&again, WB_MAIL_BYTES_MAX);
	compose(&alert, NULL, 0, &b);
	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = (unsigned char)b.data[i];

		assert_true(c < 0x7f && (c >= 0x20 || c == '\r' || c == '\n'));
		assert_int_equal(c == '\n', i > 0 && b.data[i - 1] == '\r');
		column = c == '\n' ? 0 : column + 1;
		assert_in_range(column, 0, 79);
	}
	assert_null(strstr(b.data, "\nBcc"));
	assert_null(strstr(b.data, "\nX: y"));
	assert_null(strstr(b.data, "\n.\r"));
	assert_null(strstr(strstr(b.data, "text/html"), "<script"));
	assert_non_null(strstr(b.data, "Message-ID: <letters-1764000000000-0.1@example.org>\r\n"));
	assert_non_null(strstr(b.data, "In-Reply-To: <letters-1764000000000-0.0@example.org>\r\n"));
	assert_non_null(strstr(b.data, "Date: Mon, 24 Nov 2025 16:00:00 +0000\r\n"));
	compose(&alert, NULL, 0, &again);
	assert_string_equal(b.data, again.data);
	alert.serial = 0;
	compose(&alert, NULL, 0, &again);
	assert_null(strstr(again.data, "In-Reply-To"));
	wb_buf_release(&b);
	wb_buf_release(&again);
}

static void documents_only_where_they_are_given(void **state)
{
	struct wb_alert alert = hostile_alert();
	struct wb_mail_document document = { .partition = 3, .offset = 17, .bytes = wb_slice_cstr("{\"secret\":1}") };
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, WB_MAIL_BYTES_MAX);
	compose(&alert, &document, 1, &b);
	assert_non_null(strstr(b.data, "    document: {\"secret\":1}\r\n"));
	assert_non_null(strstr(strstr(b.data, "text/html"), "&quot;secret&quot;"));
	document.offset = 18;
	compose(&alert, &document, 1, &b);
	assert_null(strstr(b.data, "secret"));
	wb_buf_release(&b);
}

static void every_kind_has_a_message(void **state)
{
	static const enum wb_alert_kind kinds[] = {
#define X(symbol, word, over) symbol,
		WB_ALERT_KIND_LIST(X)
#undef X
	};
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, WB_MAIL_BYTES_MAX);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct wb_alert alert = hostile_alert();

		alert.kind = kinds[i];
		(void)snprintf(alert.group, sizeof alert.group, "it's \"%s\"", HOSTILE);
		compose(&alert, NULL, 0, &b);
		/* In the body it may stand behind the mark that a line goes on. */
		for (const char *at = b.data; (at = strstr(at, "\nBcc")); at++)
			assert_int_equal(at[-2], '=');
		assert_non_null(strstr(b.data, "To look, and to act:"));
	}
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_plain_ones),
		cmocka_unit_test(quoted_printable_as_rfc_2045_has_it),
		cmocka_unit_test(headers_are_folded_or_encoded),
		cmocka_unit_test(lines_are_short_ascii_and_no_letter_begins_one),
		cmocka_unit_test(documents_only_where_they_are_given),
		cmocka_unit_test(every_kind_has_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
