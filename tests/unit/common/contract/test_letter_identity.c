#include "common/contract/letter_identity.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB    "0123456789abcdef0123456789abcdef"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static const struct wb_record_place letter = { WB_SLICE_LIT("dead"), 2, 9 };

static void assert_identity(const struct wb_header *headers, size_t count, const char *expected)
{
	char text[WB_LETTER_IDENTITY_SIZE];
	struct wb_letter_facts facts;
	size_t len;

	wb_letter_facts_read(headers, count, &facts);
	len = wb_letter_identity(headers, count, &facts, &letter, text);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
}

static void the_first_that_is_known_names_it(void **state)
{
	const struct wb_header headers[] = {
		{ LIT("wb-replay-of"), LIT(JOB "/5") },
		{ LIT("wb-job"), LIT(JOB) },
		{ LIT("wb-seq"), LIT("17") },
		{ LIT("wb-error-reason"), LIT("conflict") },
		{ LIT("wb-origin-topic"), LIT("writes") },
		{ LIT("wb-origin-partition"), LIT("3") },
		{ LIT("wb-origin-offset"), LIT("42") },
	};

	(void)state;
	assert_identity(headers, 7, JOB "/5");
	assert_identity(headers + 1, 6, JOB "/17");
	assert_identity(headers + 3, 4, "writes/3/42");
	assert_identity(headers + 3, 3, "dead/2/9");
	assert_identity(NULL, 0, "dead/2/9");
}

static void others_letters_are_named_by_their_origin(void **state)
{
	const struct wb_header spring[] = {
		{ LIT("kafka_dlt-original-topic"), LIT("orders") },
		{ LIT("kafka_dlt-original-partition"), LIT("\0\0\0\1") },
		{ LIT("kafka_dlt-original-offset"), LIT("\0\0\0\0\0\0\1\0") },
	};

	(void)state;
	assert_identity(spring, WB_ARRAY_LEN(spring), "orders/1/256");
}

static void what_is_malformed_does_not_count(void **state)
{
	static char longer[WB_LETTER_IDENTITY_MAX + 1];
	static const struct wb_header wrong[][2] = {
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("") }, { WB_SLICE_LIT("wb-job"), WB_SLICE_LIT(JOB) } },
		{ { WB_SLICE_LIT("wb-replay-of"), { NULL, 0 } }, { WB_SLICE_LIT("wb-seq"), WB_SLICE_LIT("1") } },
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("a\nb") }, { WB_SLICE_LIT("x"), { NULL, 0 } } },
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("a\0b") }, { WB_SLICE_LIT("x"), { NULL, 0 } } },
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("\xff") }, { WB_SLICE_LIT("x"), { NULL, 0 } } },
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("a\xc2\x9b") }, { WB_SLICE_LIT("x"), { NULL, 0 } } },
		{ { WB_SLICE_LIT("wb-replay-of"), WB_SLICE_LIT("alert:x") }, { WB_SLICE_LIT("x"), { NULL, 0 } } },
		{ { WB_SLICE_LIT("wb-job"), WB_SLICE_LIT(JOB) }, { WB_SLICE_LIT("wb-seq"), WB_SLICE_LIT("-1") } },
		{ { WB_SLICE_LIT("wb-job"), WB_SLICE_LIT("short") }, { WB_SLICE_LIT("wb-seq"), WB_SLICE_LIT("1") } },
		{ { WB_SLICE_LIT("wb-job"), { NULL, 0 } }, { WB_SLICE_LIT("wb-seq"), { NULL, 0 } } },
	};
	struct wb_header too_long = { LIT("wb-replay-of"), { longer, sizeof longer } };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(wrong); i++)
		assert_identity(wrong[i], 2, "dead/2/9");
	memset(longer, 'a', sizeof longer);
	assert_identity(&too_long, 1, "dead/2/9");
}

/* A replay that died of a bad header is a copy of the letter that it repeats. */
static void other_malformed_headers_change_nothing(void **state)
{
	const struct wb_header headers[] = {
		{ LIT("wb-database"), LIT("a/b") },
		{ LIT("wb-replay-of"), LIT("writes/0/1") },
	};

	(void)state;
	assert_identity(headers, 2, "writes/0/1");
}

static void the_longest_fits(void **state)
{
	static char name[WB_TOPIC_LEN_MAX];
	const struct wb_record_place place = { { name, sizeof name }, INT32_MAX, INT64_MAX };
	char text[WB_LETTER_IDENTITY_SIZE];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_int_equal(wb_letter_identity_of_place(&place, text), WB_TOPIC_LEN_MAX + 2 + 10 + 19);
	assert_string_equal(text + WB_TOPIC_LEN_MAX, "/2147483647/9223372036854775807");
	assert_int_equal(wb_letter_identity_of_job(LIT(JOB), WB_SEQ_MAX, text), WB_JOB_ID_LEN + 17);
	assert_string_equal(text, JOB "/9007199254740991");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_is_known_names_it),
		cmocka_unit_test(others_letters_are_named_by_their_origin),
		cmocka_unit_test(what_is_malformed_does_not_count),
		cmocka_unit_test(other_malformed_headers_change_nothing),
		cmocka_unit_test(the_longest_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
