#include "producer/job_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void an_id_is_16_bytes_in_hexadecimal(void **state)
{
	static const char text[] = "00112233445566778899aabbccddeeff";
	char again[WB_JOB_ID_SIZE];
	uint8_t id[WB_JOB_ID_BYTES];

	(void)state;
	assert_true(wb_job_id_read(wb_slice_cstr(text), id));
	for (unsigned i = 0; i < WB_JOB_ID_BYTES; i++)
		assert_int_equal(id[i], i * 0x11);
	wb_job_id_text(id, again);
	assert_string_equal(again, text);
	assert_false(wb_job_id_read(wb_slice_cstr("00112233445566778899AABBCCDDEEFF"), id));
	assert_false(wb_job_id_read(wb_slice_cstr("0011"), id));
}

/* Ids that differ in a few bits only: of counters at the front, at the end, or in both halves alike. */
static void ids_that_count_spread_over_the_buckets(void **state)
{
	enum { BUCKETS = 1024, IDS = 8 * BUCKETS };

	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		static unsigned used[BUCKETS];
		unsigned most = 0;

		memset(used, 0, sizeof used);
		for (uint64_t i = 0; i < IDS; i++) {
			uint8_t id[WB_JOB_ID_BYTES] = { 0 };
			size_t bucket;

			if (kind != 1)
				memcpy(id, &i, sizeof i);
			if (kind != 0)
				memcpy(id + 8, &i, sizeof i);
			bucket = wb_job_id_bucket(id, BUCKETS);
			assert_true(bucket < BUCKETS);
			if (++used[bucket] > most)
				most = used[bucket];
		}
		assert_true(most < 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_16_bytes_in_hexadecimal),
		cmocka_unit_test(ids_that_count_spread_over_the_buckets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
