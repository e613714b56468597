#include "common/cosmos/partition_key.h"

#include "common/base/compiler.h"
#include "common/cosmos/murmur3.h"

#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

enum { SCRATCH = WB_JSON_PATHS_MAX * WB_PK_STRING_MAX };

/* Parses text; the key points into text and scratch. */
static enum wb_reason parse(const char *text, struct wb_buf *scratch, struct wb_pk *ret)
{
	struct wb_error why;

	wb_buf_init(scratch, SCRATCH);
	assert_non_null(wb_buf_reserve(scratch, SCRATCH));
	return wb_pk_parse(wb_slice_cstr(text), 0, scratch, ret, &why);
}

static void hash_text_as(enum wb_pk_kind kind, const char *text, char ret[2 * WB_EPK_SIZE_MAX + 1])
{
	struct wb_buf scratch;
	struct wb_pk pk;
	struct wb_epk epk;

	assert_int_equal(parse(text, &scratch, &pk), WB_REASON_NONE);
	wb_pk_hash(kind, &pk, &epk);
	wb_epk_text(&epk, ret);
	wb_buf_release(&scratch);
}

static void hash_text(const char *text, char ret[2 * WB_EPK_SIZE_MAX + 1])
{
	hash_text_as(WB_PK_HASH_V2, text, ret);
}

static void assert_hash_as(enum wb_pk_kind kind, const char *text, const char *hex)
{
	char got[2 * WB_EPK_SIZE_MAX + 1];

	hash_text_as(kind, text, got);
	assert_string_equal(got, hex);
}

static void assert_hash(const char *text, const char *hex)
{
	assert_hash_as(WB_PK_HASH_V2, text, hex);
}

static void assert_canonical(const char *text, const char *canonical)
{
	struct wb_buf scratch, out;
	struct wb_pk pk;

	assert_int_equal(parse(text, &scratch, &pk), WB_REASON_NONE);
	wb_buf_init(&out, 16384);
	wb_pk_text(&pk, &out);
	assert_string_equal(out.data, canonical);
	wb_buf_release(&out);
	wb_buf_release(&scratch);
}

static void hash_v2_is_that_of_microsofts_sdks(void **state)
{
	/* azure-sdk-for-js, test/internal/unit/hashing/v2.spec.ts; azure-sdk-for-rust, hash.rs. */
	char text[1024 + 5] = "[\"";

	(void)state;
	assert_hash("[\"\"]", "32E9366E637A71B4E710384B2F4970A0");
	assert_hash("[\"redmond\"]", "22E342F38A486A088463DFF7838A5963");
	assert_hash("[\"partitionKey\"]", "013AEFCF77FA271571CF665A58C933F1");
	assert_hash("[null]", "378867E4430E67857ACE5C908374FE16");
	assert_hash("[true]", "0E711127C5B5A8E4726AC6DD306A3E59");
	assert_hash("[{}]", "11622DAA78F835834610ABE56EFF5CB5");
	assert_hash("[5]", "19C08621B135968252FB34B4CF66F811");
	assert_hash("[-128]", "01DAEDABF913540367FE219B2AD06148");
	memset(text + 2, 'a', 1024);
	memcpy(text + 2 + 1024, "\"]", 3);
	assert_hash(text, "332BDF5512AE49615F32C7D98C2DB86C");
}

static void several_values_are_hashed_as_one(void **state)
{
	/* The SDKs' vector [5,"redmond",true,null] has four values, one more than a container can have, so its bytes
	 * are hashed here; its first three were hashed by another implementation that reproduces the four. */
	static const char bytes[] = "\x05\0\0\0\0\0\0\x14\x40"
				    "\x08redmond\xff"
				    "\x03"
				    "\x01";
	uint64_t h[2];

	(void)state;
	wb_murmur3_x64_128(bytes, sizeof bytes - 1, 0, h);
	assert_true((h[1] & UINT64_C(0x3fffffffffffffff)) == UINT64_C(0x3032DECBE2AB1768));
	assert_true(h[0] == UINT64_C(0xD8E0AEDEA35881DF));
	assert_hash("[5,\"redmond\",true]", "078C04C2EC9EFA9A859ECE8C70A2308B");
	/* The first half of the vector of the hierarchical key [1234,undefined]; the second is that of undefined. */
	assert_hash("[1234]", "266B73B33A7065810B7D2A2938F85E80");
}

static void hash_v1_is_that_of_microsofts_sdks(void **state)
{
	/* azure-sdk-for-js, test/internal/unit/hashing/v1.spec.ts. */
	static const char a_head[] = "05C1EB5921F70608";
	char text[1024 + 5] = "[\"", hex[sizeof a_head + 202];

	(void)state;
	assert_hash_as(WB_PK_HASH_V1, "[\"\"]", "05C1CF33970FF80800");
	assert_hash_as(WB_PK_HASH_V1, "[\"redmond\"]", "05C1EFE313830C087366656E706F6500");
	assert_hash_as(WB_PK_HASH_V1, "[\"partitionKey\"]", "05C1E1B3D9CD2608716273756A756A706F4C667A00");
	assert_hash_as(WB_PK_HASH_V1, "[null]", "05C1ED45D7475601");
	assert_hash_as(WB_PK_HASH_V1, "[true]", "05C1D7C5A903D803");
	assert_hash_as(WB_PK_HASH_V1, "[{}]", "05C1D529E345DC00");
	assert_hash_as(WB_PK_HASH_V1, "[5]", "05C1D9C1C5517C05C014");
	assert_hash_as(WB_PK_HASH_V1, "[-128]", "05C1D73349F54C053FA0");
	memset(text + 2, 'a', 1024);
	memcpy(text + 2 + 1024, "\"]", 3);
	memcpy(hex, a_head, sizeof a_head);
	for (int i = 0; i < 100; i++)
		strcat(hex, "62");
	strcat(hex, "00");
	assert_hash_as(WB_PK_HASH_V1, text, hex);
}

/* n times s between ["…"]; then s2. */
static void repeat(const char *s, int n, const char *s2, char *ret)
{
	ret += sprintf(ret, "[\"");
	while (n-- > 0)
		ret += sprintf(ret, "%s", s);
	(void)sprintf(ret, "%s\"]", s2);
}

static void hash_v1_sees_100_units_of_a_string(void **state)
{
	char text[512], same[512], one[2 * WB_EPK_SIZE_MAX + 1], two[2 * WB_EPK_SIZE_MAX + 1];

	(void)state;
	repeat("\xc3\xa9", 100, "", text); /* 100 units, 200 bytes */
	repeat("\xc3\xa9", 100, "tail", same);
	hash_text_as(WB_PK_HASH_V1, text, one);
	hash_text_as(WB_PK_HASH_V1, same, two);
	assert_string_equal(one, two);
	/* More than 100 bytes: 101 of them, each one more, and no end. */
	assert_int_equal(strlen(one), 2 * (7 + 1 + 101));
	assert_memory_equal(one + 14, "08C4AAC4AA", 10);
	assert_string_equal(one + strlen(one) - 6, "C4AAC4");
	repeat("\xc3\xa9", 99, "", same);
	hash_text_as(WB_PK_HASH_V1, same, two);
	assert_string_not_equal(one, two);
	/* Half of a pair at the end of the 100 units is U+FFFD. */
	repeat("a", 99, "\xf0\x9f\x98\x80", text);
	repeat("a", 99, "\xef\xbf\xbd", same);
	hash_text_as(WB_PK_HASH_V1, text, one);
	hash_text_as(WB_PK_HASH_V1, same, two);
	assert_string_equal(one, two);
	/* The longest key there is: a hash with all its bits, 101 bytes. */
	repeat("a", 98, "\xf0\x9f\x98\x80", text);
	repeat("a", 98, "\xf0\x9f\x98\x80 ", same);
	hash_text_as(WB_PK_HASH_V1, text, one);
	hash_text_as(WB_PK_HASH_V1, same, two);
	assert_string_equal(one, two);
}

static void hash_v1_sorts_numbers(void **state)
{
	(void)state;
	/* After the hash of 8 bytes, the number: sign bit turned, groups of seven bits. */
	char zero[2 * WB_EPK_SIZE_MAX + 1], minus_zero[2 * WB_EPK_SIZE_MAX + 1], tenth[2 * WB_EPK_SIZE_MAX + 1];

	hash_text_as(WB_PK_HASH_V1, "[0]", zero);
	hash_text_as(WB_PK_HASH_V1, "[-0]", minus_zero);
	assert_string_not_equal(zero, minus_zero);
	assert_string_equal(zero + strlen(zero) - 6, "058000");
	assert_string_equal(minus_zero + strlen(minus_zero) - 6, "058000");
	/* 0.1 is 3FB999999999999A: its 56 lower bits need all eight groups. */
	hash_text_as(WB_PK_HASH_V1, "[0.1]", tenth);
	assert_string_equal(tenth + strlen(tenth) - 20, "05BFB9CD673399CD6734");
}

static void multi_hash_is_v2_of_each_value(void **state)
{
	(void)state;
	assert_hash_as(WB_PK_MULTI_HASH, "[1234,{}]",
		"266B73B33A7065810B7D2A2938F85E80"
		"11622DAA78F835834610ABE56EFF5CB5");
	assert_hash_as(WB_PK_MULTI_HASH, "[\"redmond\",5,null]",
		"22E342F38A486A088463DFF7838A5963"
		"19C08621B135968252FB34B4CF66F811"
		"378867E4430E67857ACE5C908374FE16");
	assert_hash_as(WB_PK_MULTI_HASH, "[true]", "0E711127C5B5A8E4726AC6DD306A3E59");
}

static void numbers_that_are_equal_are_one_key(void **state)
{
	char one[2 * WB_EPK_SIZE_MAX + 1], zero[2 * WB_EPK_SIZE_MAX + 1];

	(void)state;
	hash_text("[1]", one);
	assert_hash("[1.0]", one);
	assert_hash("[10e-1]", one);
	assert_canonical("[1.0]", "[1]");
	assert_canonical("[1e2]", "[100]");
	hash_text("[0]", zero);
	assert_canonical("[-0]", "[-0]");
}

static void canonical_numbers_read_back_equal(void **state)
{
	(void)state;
	assert_canonical("[0.1]", "[0.1]");
	assert_canonical("[0.30000000000000004]", "[0.30000000000000004]");
	assert_canonical("[1e300]", "[1e+300]");
	assert_canonical("[9007199254740991]", "[9007199254740991]");
	assert_canonical("[-1.5E-7]", "[-1.5e-07]");
}

static void escapes_do_not_make_another_key(void **state)
{
	(void)state;
	assert_hash("[\"\\u0072edmond\"]", "22E342F38A486A088463DFF7838A5963");
	assert_canonical("[\"\\u0072ed\\u002fmond\"]", "[\"red/mond\"]");
}

static void canonical_text_is_ascii(void **state)
{
	(void)state;
	assert_canonical("[ \"a\" , 5 ,\ttrue ]", "[\"a\",5,true]");
	assert_canonical("[null, { }, false]", "[null,{},false]");
	assert_canonical(
		"[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f~\"]", "[\"\\u00e9 \\u20ac \\ud83d\\ude00 \\u007f~\"]");
	assert_canonical("[\"\\\"\\\\\\n\\u0000\"]", "[\"\\\"\\\\\\u000a\\u0000\"]");
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"5",
		"\"a\"",
		"{}",
		"[]",
		"[1",
		"[1] 2",
		"[[1]]",
		"[{\"a\":1}]",
		"[1,2,3,4]",
		"[nul]",
		"[1e999]",
		"[\"\\ud800\"]",
		"[1,]",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		struct wb_buf scratch;
		struct wb_pk pk = { .count = 77 };

		assert_int_equal(parse(texts[i], &scratch, &pk), WB_REASON_INVALID_PARTITION_KEY);
		assert_int_equal(pk.count, 77);
		wb_buf_release(&scratch);
	}
}

static void the_number_of_values_must_be_the_containers(void **state)
{
	struct wb_buf scratch;
	struct wb_pk pk;
	struct wb_error why;

	(void)state;
	wb_buf_init(&scratch, SCRATCH);
	assert_int_equal(wb_pk_parse(LIT("[1,2]"), 2, &scratch, &pk, &why), WB_REASON_NONE);
	assert_int_equal(wb_pk_parse(LIT("[1]"), 2, &scratch, &pk, &why), WB_REASON_INVALID_PARTITION_KEY);
	assert_string_equal(why.text, "the partition key has 1 values, the container needs 2");
}

static void a_string_has_at_most_2048_bytes(void **state)
{
	char text[6 * (WB_PK_STRING_MAX + 1) + 5];
	struct wb_buf scratch;
	struct wb_pk pk;

	(void)state;
	for (int extra = 0; extra <= 1; extra++) {
		enum wb_reason want = extra ? WB_REASON_INVALID_PARTITION_KEY : WB_REASON_NONE;
		size_t n = WB_PK_STRING_MAX + (size_t)extra;
		char *at = text;

		(void)snprintf(text, sizeof text, "[\"%0*d\"]", (int)n, 0);
		assert_int_equal(parse(text, &scratch, &pk), want);
		wb_buf_release(&scratch);
		/* The limit is on decoded bytes. */
		at += sprintf(at, "[\"");
		for (size_t i = 0; i < n; i++)
			at += sprintf(at, "\\u0041");
		(void)sprintf(at, "\"]");
		assert_int_equal(parse(text, &scratch, &pk), want);
		wb_buf_release(&scratch);
	}
}

static void values_come_from_a_document(void **state)
{
	const struct wb_json_value values[] = {
		{ WB_JSON_STRING, WB_SLICE_LIT("\"t\"") },
		{ WB_JSON_ABSENT, { NULL, 0 } },
		{ WB_JSON_FALSE, WB_SLICE_LIT("false") },
	};
	const struct wb_json_value array = { WB_JSON_ARRAY, WB_SLICE_LIT("[]") };
	struct wb_buf scratch;
	struct wb_pk pk;
	struct wb_error why = { "" };

	(void)state;
	wb_buf_init(&scratch, SCRATCH);
	assert_int_equal(wb_pk_from_values(values, 3, &scratch, &pk, &why), WB_REASON_NONE);
	assert_int_equal(pk.count, 3);
	assert_true(wb_slice_eq_cstr(pk.component[0].string, "t"));
	assert_int_equal(pk.component[1].type, WB_PK_UNDEFINED);
	assert_int_equal(pk.component[2].type, WB_PK_FALSE);
	assert_int_equal(wb_pk_from_values(&array, 1, &scratch, &pk, &why), WB_REASON_INVALID_PARTITION_KEY);
	assert_non_null(strstr(why.text, "array"));
	wb_buf_release(&scratch);
}

static void ranges_are_compared_padded_with_zeros(void **state)
{
	struct wb_epk empty, low, low_padded, high, top;

	(void)state;
	assert_int_equal(wb_epk_parse(LIT(""), &empty), WB_OK);
	assert_int_equal(wb_epk_parse(LIT("1f"), &low), WB_OK);
	assert_int_equal(wb_epk_parse(LIT("1F0000"), &low_padded), WB_OK);
	assert_int_equal(wb_epk_parse(LIT("1F000001"), &high), WB_OK);
	assert_int_equal(wb_epk_parse(LIT("FF"), &top), WB_OK);
	assert_true(wb_epk_compare(&empty, &low) < 0);
	assert_true(wb_epk_compare(&low, &low_padded) == 0);
	assert_true(wb_epk_compare(&low_padded, &low) == 0);
	assert_true(wb_epk_compare(&low, &high) < 0);
	assert_true(wb_epk_compare(&high, &low) > 0);
	assert_true(wb_epk_compare(&top, &high) > 0);
}

static int compare_text(const char *a, const char *b)
{
	struct wb_epk left, right;

	assert_int_equal(wb_epk_parse(wb_slice_cstr(a), &left), WB_OK);
	assert_int_equal(wb_epk_parse(wb_slice_cstr(b), &right), WB_OK);
	return wb_epk_compare(&left, &right);
}

static void keys_of_several_lengths_are_compared(void **state)
{
	(void)state;
	/* Version 1: boundaries are hashes, keys go on with the value. */
	assert_true(compare_text("05C1D9C1C5517C05C014", "05C1D9C1C5517C") > 0);
	assert_true(compare_text("05C1D9C1C5517C05C014", "05C1D9C1C5517E") < 0);
	assert_true(compare_text("05C1EFE313830C087366656E706F6500", "05C1EFE313830C087366656E706F66") < 0);
	assert_true(compare_text("05C1EFE313830C087366656E706F6500", "FF") < 0);
	/* MultiHash: a boundary within one first value, and one of a first value alone. */
	assert_true(compare_text("266B73B33A7065810B7D2A2938F85E8011622DAA78F835834610ABE56EFF5CB5",
			    "266B73B33A7065810B7D2A2938F85E80") > 0);
	assert_true(compare_text("266B73B33A7065810B7D2A2938F85E8011622DAA78F835834610ABE56EFF5CB5",
			    "266B73B33A7065810B7D2A2938F85E8012") < 0);
}

static void borders_divide_the_hashes_evenly(void **state)
{
	static const enum wb_pk_kind kinds[] = { WB_PK_HASH_V2, WB_PK_HASH_V1, WB_PK_MULTI_HASH };
	enum { PARTS = 8, KEYS = 4000 };

	(void)state;
	for (size_t k = 0; k < WB_ARRAY_LEN(kinds); k++) {
		unsigned seen[PARTS] = { 0 };

		for (int i = 0; i < KEYS; i++) {
			struct wb_pk pk = { .count = 1, .component[0] = { .type = WB_PK_NUMBER, .number = i } };
			struct wb_epk epk, border, before = { .len = 0 };
			unsigned part = 0;

			wb_pk_hash(kinds[k], &pk, &epk);
			for (unsigned p = 1; p < PARTS; p++) {
				wb_pk_border(kinds[k], (UINT64_C(1) << 62) / PARTS * p, &border);
				assert_true(wb_epk_compare(&border, &before) > 0);
				before = border;
				if (wb_epk_compare(&epk, &border) >= 0)
					part = p;
			}
			seen[part]++;
		}
		for (unsigned p = 0; p < PARTS; p++)
			assert_in_range(seen[p], KEYS / PARTS * 3 / 4, KEYS / PARTS * 5 / 4);
	}
}

static void keys_are_equal_by_value(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "[1]", "[1.0]", true },
		{ "[0]", "[-0]", true },
		{ "[\"a\"]", "[\"\\u0061\"]", true },
		{ "[\"a\",null]", "[\"a\",null]", true },
		{ "[{}]", "[null]", false },
		{ "[1]", "[\"1\"]", false },
		{ "[\"a\"]", "[\"b\"]", false },
		{ "[true]", "[false]", false },
		{ "[1]", "[1,1]", false },
		{ "[1,2]", "[1,3]", false },
	};
	struct wb_buf scratch_a, scratch_b;
	struct wb_pk a, b;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(rows[i].a, &scratch_a, &a), WB_REASON_NONE);
		assert_int_equal(parse(rows[i].b, &scratch_b, &b), WB_REASON_NONE);
		assert_int_equal(wb_pk_equal(&a, &b), rows[i].equal);
		wb_buf_release(&scratch_a);
		wb_buf_release(&scratch_b);
	}
}

static void what_is_no_hex_is_refused(void **state)
{
	char text[2 * WB_EPK_SIZE_MAX + 3];
	struct wb_epk epk = { .len = 9 };

	(void)state;
	memset(text, '0', sizeof text);
	assert_int_equal(wb_epk_parse(LIT("F"), &epk), WB_EINVAL);
	assert_int_equal(wb_epk_parse(LIT("0G"), &epk), WB_EINVAL);
	assert_int_equal(wb_epk_parse(wb_slice(text, 2 * WB_EPK_SIZE_MAX + 2), &epk), WB_EINVAL);
	assert_int_equal(epk.len, 9);
	assert_int_equal(wb_epk_parse(wb_slice(text, 2 * WB_EPK_SIZE_MAX), &epk), WB_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_v2_is_that_of_microsofts_sdks),
		cmocka_unit_test(several_values_are_hashed_as_one),
		cmocka_unit_test(hash_v1_is_that_of_microsofts_sdks),
		cmocka_unit_test(hash_v1_sees_100_units_of_a_string),
		cmocka_unit_test(hash_v1_sorts_numbers),
		cmocka_unit_test(multi_hash_is_v2_of_each_value),
		cmocka_unit_test(numbers_that_are_equal_are_one_key),
		cmocka_unit_test(canonical_numbers_read_back_equal),
		cmocka_unit_test(escapes_do_not_make_another_key),
		cmocka_unit_test(canonical_text_is_ascii),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(the_number_of_values_must_be_the_containers),
		cmocka_unit_test(a_string_has_at_most_2048_bytes),
		cmocka_unit_test(values_come_from_a_document),
		cmocka_unit_test(ranges_are_compared_padded_with_zeros),
		cmocka_unit_test(keys_of_several_lengths_are_compared),
		cmocka_unit_test(borders_divide_the_hashes_evenly),
		cmocka_unit_test(keys_are_equal_by_value),
		cmocka_unit_test(what_is_no_hex_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
