#include "consumer/range_map.h"

#include "common/base/buf.h"
#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define RANGE(id, min, max) "{\"id\":\"" id "\",\"minInclusive\":\"" min "\",\"maxExclusive\":\"" max "\"}"
#define CHILD(id, min, max, parents)                                                                         \
	"{\"id\":\"" id "\",\"minInclusive\":\"" min "\",\"maxExclusive\":\"" max "\",\"parents\":[" parents \
	"],\"status\":\"online\"}"
#define PAGE(ranges) "{\"_rid\":\"x\",\"PartitionKeyRanges\":[" ranges "],\"_count\":0}"

static struct wb_range_map *parse(const char *const *pages, size_t count, struct wb_error *e)
{
	struct wb_slice bodies[4];

	assert_true(count <= WB_ARRAY_LEN(bodies));
	for (size_t i = 0; i < count; i++)
		bodies[i] = wb_slice_cstr(pages[i]);
	return wb_range_map_parse(bodies, count, e);
}

static const char *found(const struct wb_range_map *m, const char *hex)
{
	struct wb_epk epk;

	assert_int_equal(wb_epk_parse(wb_slice_cstr(hex), &epk), WB_OK);
	return wb_range_map_at(m, wb_range_map_find(m, &epk))->id;
}

static void one_range_holds_everything(void **state)
{
	const char *pages[] = { PAGE(RANGE("0", "", "FF")) };
	struct wb_range_map *m = parse(pages, 1, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(wb_range_map_count(m), 1);
	assert_string_equal(found(m, ""), "0");
	assert_string_equal(found(m, "3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), "0");
	wb_range_map_free(&m);
	assert_null(m);
	wb_range_map_free(&m);
}

static void a_key_belongs_to_the_range_whose_min_it_reaches(void **state)
{
	const char *pages[] = { PAGE(RANGE("2", "2A80", "FF") "," RANGE("1", "15", "2A80") "," RANGE("0", "", "15")) };
	struct wb_range_map *m = parse(pages, 1, NULL);

	(void)state;
	assert_non_null(m);
	assert_string_equal(wb_range_map_at(m, 0)->id, "0");
	assert_string_equal(wb_range_map_at(m, 2)->id, "2");
	assert_string_equal(found(m, "14FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), "0");
	assert_string_equal(found(m, "15000000000000000000000000000000"), "1");
	assert_string_equal(found(m, "2A7FFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), "1");
	assert_string_equal(found(m, "2A80"), "2");
	assert_string_equal(found(m, "2A800000000000000000000000000000"), "2");
	wb_range_map_free(&m);
}

static void bounds_of_different_length_meet_when_zeros_pad_them(void **state)
{
	const char *pages[] = { PAGE(RANGE("a", "", "1F000000") "," RANGE("b", "1f", "FF00")) };
	struct wb_range_map *m = parse(pages, 1, NULL);

	(void)state;
	assert_non_null(m);
	assert_string_equal(found(m, "1F"), "b");
	wb_range_map_free(&m);
}

static void ids_may_be_numbers(void **state)
{
	const char *pages[] = { "{\"PartitionKeyRanges\":["
				"{\"id\":7,\"minInclusive\":\"\",\"maxExclusive\":\"10\",\"parents\":[3]},"
				"{\"id\":8,\"minInclusive\":\"10\",\"maxExclusive\":\"FF\",\"parents\":[\"3\"]},"
				"{\"id\":3,\"minInclusive\":\"\",\"maxExclusive\":\"FF\",\"parents\":null}]}" };
	struct wb_range_map *m = parse(pages, 1, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(wb_range_map_count(m), 2);
	assert_string_equal(found(m, "20"), "8");
	wb_range_map_free(&m);
}

static void a_split_and_a_merge_on_later_pages_replace_their_parents(void **state)
{
	const char *pages[] = {
		PAGE(RANGE("0", "", "20") "," RANGE("1", "20", "FF")),
		PAGE(CHILD("2", "", "10", "\"0\"") "," CHILD("3", "10", "20", "\"0\"")),
		PAGE(CHILD("4", "10", "FF", "\"0\",\"3\",\"1\"")),
		PAGE(""),
	};
	struct wb_range_map *m;

	(void)state;
	for (size_t count = 1; count <= 4; count++) {
		const char *at_15[] = { "0", "3", "4", "4" };

		m = parse(pages, count, NULL);
		assert_non_null(m);
		assert_string_equal(found(m, "15"), at_15[count - 1]);
		assert_int_equal(wb_range_map_count(m), count == 2 ? 3 : 2);
		wb_range_map_free(&m);
	}
}

static void of_a_repeated_id_the_newest_counts(void **state)
{
	const char *pages[] = {
		PAGE(RANGE("0", "", "20") "," RANGE("1", "20", "FF")),
		PAGE(RANGE("1", "30", "FF") "," RANGE("0", "", "30")),
	};
	struct wb_range_map *m = parse(pages, 2, NULL);

	(void)state;
	assert_non_null(m);
	assert_int_equal(wb_range_map_count(m), 2);
	assert_string_equal(found(m, "25"), "0");
	wb_range_map_free(&m);
}

static void what_does_not_cover_everything_once_is_refused_with_a_sentence(void **state)
{
	const struct {
		const char *page, *sentence;
	} rows[] = {
		{ "", "not JSON" },
		{ "[]", "no PartitionKeyRanges" },
		{ "{\"PartitionKeyRanges\":{}}", "no PartitionKeyRanges" },
		{ PAGE(""), "no partition key ranges" },
		{ PAGE("1"), "not an object" },
		{ PAGE("{\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}"), "no id" },
		{ PAGE("{\"id\":1.5,\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}"), "no id" },
		{ PAGE(RANGE("", "", "FF")), "0 bytes" },
		{ PAGE(RANGE("0\\r\\nx: y", "", "FF")), "printable" },
		{ PAGE(RANGE("0123456789012345678901234567890123456789012345678901234567890123", "", "FF")),
			"64 bytes" },
		{ PAGE(RANGE("0", "", "XY")), "maxExclusive" },
		{ PAGE("{\"id\":\"0\",\"maxExclusive\":\"FF\"}"), "minInclusive" },
		{ PAGE(RANGE("0", "", "FE")), "does not end at FF" },
		{ PAGE(RANGE("0", "01", "FF")), "gap before range 0" },
		{ PAGE(RANGE("0", "", "10") "," RANGE("1", "11", "FF")), "gap before range 1" },
		{ PAGE(RANGE("0", "", "12") "," RANGE("1", "11", "FF")), "ranges 0 and 1 overlap" },
		{ PAGE(RANGE("0", "", "FF") "," RANGE("1", "", "FF")), "ranges 0 and 1 overlap" },
		{ PAGE(RANGE("0", "", "10") "," RANGE("1", "10", "10") "," RANGE("2", "10", "FF")),
			"range 1 ends before it begins" },
		{ PAGE(CHILD("0", "", "FF", "\"0\"")), "no partition key ranges" },
		{ PAGE("{\"id\":\"0\",\"minInclusive\":\"\",\"maxExclusive\":\"FF\",\"parents\":\"1\"}"), "no array" },
		{ PAGE(CHILD("0", "", "FF", "{}")), "no id" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_error e = { "" };

		assert_null(parse(&rows[i].page, 1, &e));
		if (!strstr(e.text, rows[i].sentence))
			fail_msg("%s: '%s' lacks '%s'", rows[i].page, e.text, rows[i].sentence);
	}
	assert_null(wb_range_map_parse(NULL, 0, NULL));
}

/* Random cuts of the key space, listed in random order; the model looks at every range. */
static void random_maps_agree_with_the_naive_search(void **state)
{
	enum { RANGES = 200, KEYS = 2000 };
	struct wb_prng random = { .state = 5 };
	struct wb_slice body;
	struct wb_range_map *m;
	struct wb_buf page;

	(void)state;
	wb_buf_init(&page, 1 << 20);
	wb_buf_append_cstr(&page, "{\"PartitionKeyRanges\":[");
	for (size_t i = 0; i < RANGES; i++) {
		size_t n = i * 77 % RANGES; /* 77 and 200 have no common factor: every range once */

		wb_buf_appendf(&page, "%s{\"id\":%zu,", i ? "," : "", n);
		wb_buf_appendf(&page, n ? "\"minInclusive\":\"%04zX\"," : "\"minInclusive\":\"\",", n * 80);
		wb_buf_appendf(&page, n + 1 < RANGES ? "\"maxExclusive\":\"%04zX\"}" : "\"maxExclusive\":\"FF\"}",
			(n + 1) * 80);
	}
	wb_buf_append_cstr(&page, "]}");
	body = wb_buf_slice(&page);
	m = wb_range_map_parse(&body, 1, NULL);
	assert_non_null(m);
	assert_int_equal(wb_range_map_count(m), RANGES);
	for (size_t i = 0; i < KEYS; i++) {
		struct wb_epk epk = { .len = 16 };
		size_t at;

		for (size_t k = 0; k < 16; k++)
			epk.bytes[k] = (uint8_t)wb_prng_next(&random);
		epk.bytes[0] &= 0x3f;
		at = wb_range_map_find(m, &epk);
		assert_true(wb_epk_compare(&wb_range_map_at(m, at)->min, &epk) <= 0);
		assert_true(wb_epk_compare(&epk, &wb_range_map_at(m, at)->max) < 0);
	}
	wb_range_map_free(&m);
	wb_buf_release(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_range_holds_everything),
		cmocka_unit_test(a_key_belongs_to_the_range_whose_min_it_reaches),
		cmocka_unit_test(bounds_of_different_length_meet_when_zeros_pad_them),
		cmocka_unit_test(ids_may_be_numbers),
		cmocka_unit_test(a_split_and_a_merge_on_later_pages_replace_their_parents),
		cmocka_unit_test(of_a_repeated_id_the_newest_counts),
		cmocka_unit_test(what_does_not_cover_everything_once_is_refused_with_a_sentence),
		cmocka_unit_test(random_maps_agree_with_the_naive_search),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
