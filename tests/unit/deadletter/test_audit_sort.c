#include "deadletter/audit_sort.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
	return wb_audit_event_compare(a, b);
}

static struct wb_audit_event random_event(struct wb_prng *random)
{
	return (struct wb_audit_event){
		.id = { wb_prng_next(random) % 4, wb_prng_next(random) % 4 },
		.first = wb_prng_next(random) % 100,
		.place = wb_prng_next(random),
		.kind = (uint8_t)(wb_prng_next(random) % (WB_AUDIT_AHEAD + 1)),
		.origin = (uint8_t)(wb_prng_next(random) % 2),
	};
}

static void sorts(size_t count, size_t events_max)
{
	struct wb_prng random = { .state = count * 1000 + events_max };
	struct wb_audit_event *all = test_calloc(count + 1, sizeof *all), event;
	struct wb_audit_sort *s = wb_audit_sort_new(events_max, NULL);
	struct wb_error e;
	bool more;

	for (size_t i = 0; i < count; i++) {
		all[i] = random_event(&random);
		assert_int_equal(wb_audit_sort_add(s, &all[i], &e), WB_OK);
	}
	qsort(all, count, sizeof *all, compare);
	assert_int_equal(wb_audit_sort_end(s, &e), WB_OK);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(wb_audit_sort_next(s, &event, &more, &e), WB_OK);
		assert_true(more);
		assert_memory_equal(&event, &all[i], sizeof event);
	}
	assert_int_equal(wb_audit_sort_next(s, &event, &more, &e), WB_OK);
	assert_false(more);
	wb_audit_sort_free(&s);
	assert_null(s);
	test_free(all);
}

static void any_number_within_any_memory(void **state)
{
	const size_t memory[] = { 1, 2, 7, 100, 1000, 10000 }, counts[] = { 0, 1, 2, 99, 100, 101, 5000 };

	(void)state;
	for (size_t m = 0; m < 6; m++) {
		for (size_t c = 0; c < 7; c++)
			sorts(counts[c], memory[m]);
	}
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	struct wb_audit_sort *s = wb_audit_sort_new(2, "/nowhere/at/all");
	struct wb_audit_event event = { .first = 1 };
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_audit_sort_add(s, &event, &e), WB_OK);
	assert_int_equal(wb_audit_sort_add(s, &event, &e), WB_EIO);
	assert_non_null(strstr(e.text, "/nowhere/at/all"));
	assert_non_null(strstr(e.text, "TMPDIR"));
	assert_int_equal(wb_audit_sort_add(s, &event, &e), WB_EIO);
	wb_audit_sort_free(&s);
}

static void the_file_has_no_name(void **state)
{
	char directory[] = "/tmp/test-audit-sort-XXXXXX";
	struct wb_audit_event event = { .first = 1 };
	struct wb_audit_sort *s;
	struct wb_error e;
	DIR *opened;
	size_t entries = 0;

	(void)state;
	assert_non_null(mkdtemp(directory));
	s = wb_audit_sort_new(1, directory);
	assert_int_equal(wb_audit_sort_add(s, &event, &e), WB_OK);
	opened = opendir(directory);
	assert_non_null(opened);
	while (readdir(opened))
		entries++;
	(void)closedir(opened);
	assert_int_equal(entries, 2); /* . and .. */
	wb_audit_sort_free(&s);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_within_any_memory),
		cmocka_unit_test(a_directory_that_is_not_there_is_named),
		cmocka_unit_test(the_file_has_no_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
