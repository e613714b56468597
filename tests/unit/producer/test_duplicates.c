#include "producer/duplicates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct wb_duplicate request(uint8_t key, const char *job)
{
	struct wb_duplicate one = { 0 };

	memset(one.key, 7, sizeof one.key);
	one.key[15] = key; /* all of a bucket */
	(void)snprintf(one.job, sizeof one.job, "%s", job);
	return one;
}

static void repeats_come_out_when_the_first_one_ends(void **state)
{
	struct wb_duplicate first = request(1, "a"), second = request(1, "a"), third = request(1, "a");
	struct wb_duplicates *d = wb_duplicates_new();
	struct wb_list repeats;

	(void)state;
	assert_int_equal(wb_duplicates_claim(d, &first), WB_CLAIM_FIRST);
	assert_int_equal(wb_duplicates_claim(d, &second), WB_CLAIM_REPEAT);
	assert_int_equal(wb_duplicates_claim(d, &third), WB_CLAIM_REPEAT);
	repeats = wb_duplicates_end(d, &first);
	assert_ptr_equal(wb_list_pop(&repeats), &second.link);
	assert_ptr_equal(wb_list_pop(&repeats), &third.link);
	assert_null(wb_list_pop(&repeats));
	assert_int_equal(wb_duplicates_claim(d, &second), WB_CLAIM_FIRST);
	repeats = wb_duplicates_end(d, &second);
	assert_null(repeats.head);
	wb_duplicates_free(&d);
}

static void one_that_leaves_is_not_given_out(void **state)
{
	struct wb_duplicate first = request(1, "a"), second = request(1, "a"), third = request(1, "a");
	struct wb_duplicates *d = wb_duplicates_new();
	struct wb_list repeats;

	(void)state;
	wb_duplicates_leave(d, &second);
	assert_int_equal(wb_duplicates_claim(d, &first), WB_CLAIM_FIRST);
	assert_int_equal(wb_duplicates_claim(d, &second), WB_CLAIM_REPEAT);
	assert_int_equal(wb_duplicates_claim(d, &third), WB_CLAIM_REPEAT);
	wb_duplicates_leave(d, &second);
	wb_duplicates_leave(d, &first);
	repeats = wb_duplicates_end(d, &first);
	assert_ptr_equal(wb_list_pop(&repeats), &third.link);
	assert_null(wb_list_pop(&repeats));
	wb_duplicates_free(&d);
}

static void a_key_with_another_job_is_told_apart(void **state)
{
	struct wb_duplicate first = request(1, "a"), other = request(1, "b"), unrelated = request(2, "b");
	struct wb_duplicates *d = wb_duplicates_new();

	(void)state;
	assert_int_equal(wb_duplicates_claim(d, &first), WB_CLAIM_FIRST);
	assert_int_equal(wb_duplicates_claim(d, &other), WB_CLAIM_OTHER);
	assert_int_equal(wb_duplicates_claim(d, &unrelated), WB_CLAIM_FIRST);
	assert_null(wb_duplicates_end(d, &first).head);
	assert_int_equal(wb_duplicates_claim(d, &other), WB_CLAIM_FIRST);
	assert_null(wb_duplicates_end(d, &unrelated).head);
	assert_null(wb_duplicates_end(d, &other).head);
	wb_duplicates_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_come_out_when_the_first_one_ends),
		cmocka_unit_test(one_that_leaves_is_not_given_out),
		cmocka_unit_test(a_key_with_another_job_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
