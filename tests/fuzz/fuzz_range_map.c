/* Pages of /pkranges, parted by zero bytes: what is accepted covers every key exactly once, and each range is found by
 * its own bounds. */
#include "consumer/range_map.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_range_map: %s\n", what);
	abort();
}

static void check(const struct wb_range_map *m)
{
	const struct wb_epk highest = { .len = 1, .bytes = { 0xff } };
	size_t count = wb_range_map_count(m);

	must(count > 0, "an empty map");
	for (size_t i = 0; i < count; i++) {
		const struct wb_range_entry *r = wb_range_map_at(m, i);
		const struct wb_epk *end = i + 1 < count ? &wb_range_map_at(m, i + 1)->min : &highest;

		must(strlen(r->id) > 0 && strlen(r->id) < WB_RANGE_ID_SIZE, "no id");
		must(wb_epk_compare(&r->min, &r->max) < 0, "a range without keys");
		must(wb_epk_compare(&r->max, end) == 0, "a gap or an overlap");
		must(wb_range_map_find(m, &r->min) == i, "not found by its min");
		must(wb_range_map_find(m, &r->max) == (i + 1 < count ? i + 1 : i), "the next is not found by its max");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_slice pages[4];
	const char *at = (const char *)data, *end = at + size;
	struct wb_error e = { "" };
	struct wb_range_map *m;
	size_t count = 0;

	while (count < WB_ARRAY_LEN(pages) && at < end) {
		const char *zero = memchr(at, 0, (size_t)(end - at));

		pages[count++] = wb_slice(at, (size_t)((zero ? zero : end) - at));
		at = zero ? zero + 1 : end;
	}
	m = wb_range_map_parse(pages, count, &e);
	if (m)
		check(m);
	else
		must(e.text[0] != '\0', "refused without a sentence");
	wb_range_map_free(&m);
	return 0;
}
