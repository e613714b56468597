#include "common/http/body_memory.h"

#include "common/base/compiler.h"
#include "tests/unit/sanitizers.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char expected(size_t i)
{
	return (char)(i * 31 % 251);
}

static void write_all(char *data, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		data[i] = expected(i);
}

static void check_all(const char *data, size_t to)
{
	for (size_t i = 0; i < to; i++)
		if (data[i] != expected(i))
			fail_msg("byte %zu is another one", i);
}

static void what_both_have_stays(void **state)
{
	static const size_t sizes[] = { 1, 4096, 100000, WB_BODY_MAPPED_BYTES - 1, WB_BODY_MAPPED_BYTES,
		WB_BODY_MAPPED_BYTES + 1, 3000001, 40000000, 3000000, WB_BODY_MAPPED_BYTES, 7, WB_BODY_MAPPED_BYTES * 2,
		3 };
	char *data = NULL;
	size_t old = 0;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(sizes); i++) {
		size_t size = sizes[i];

		data = wb_body_memory_resize(data, old, size);
		assert_non_null(data);
		check_all(data, old < size ? old : size);
		write_all(data, old < size ? old : size, size);
		old = size;
	}
	wb_body_memory_free(data, old);
	wb_body_memory_free(NULL, 0);
}

#if !WB_TEST_SANITIZED /* whose own memory comes and goes, too */
static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long total, resident;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
	(void)fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void what_was_freed_is_the_systems(void **state)
{
	enum { BODIES = 20, BYTES = 16 << 20 };
	size_t before;

	(void)state;
	before = resident_bytes();
	for (int i = 0; i < BODIES; i++) {
		char *data = NULL;
		size_t old = 0;

		for (size_t size = 4096; size <= BYTES; old = size, size *= 2) {
			data = wb_body_memory_resize(data, old, size);
			assert_non_null(data);
			memset(data + old, i + 1, size - old);
		}
		assert_true(resident_bytes() >= before + BYTES);
		wb_body_memory_free(data, old);
		assert_true(resident_bytes() < before + BYTES / 4);
	}
}
#endif

static void what_cannot_be_had_changes_nothing(void **state)
{
	char *data = wb_body_memory_resize(NULL, 0, 1 << 20);

	(void)state;
	assert_non_null(data);
	write_all(data, 0, 1 << 20);
	assert_null(wb_body_memory_resize(data, 1 << 20, SIZE_MAX / 2));
	check_all(data, 1 << 20);
	wb_body_memory_free(data, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_both_have_stays),
#if !WB_TEST_SANITIZED
		cmocka_unit_test(what_was_freed_is_the_systems),
#endif
		cmocka_unit_test(what_cannot_be_had_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
