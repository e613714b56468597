#include "common/base/mem.h"

#include "tests/unit/sanitizers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void nothing_is_a_valid_size(void **state)
{
	char *a = wb_xmalloc(0), *b = wb_xcalloc(0, 8), *c = wb_xrealloc(NULL, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	free(a);
	free(b);
	free(c);
}

static void what_is_held_stays_when_the_rest_is_given_back(void **state)
{
	char *held = wb_xmalloc(1 << 20), *freed = wb_xmalloc(8 << 20);

	(void)state;
	memset(held, 'h', 1 << 20);
	memset(freed, 'f', 8 << 20);
	free(freed);
	wb_mem_give_back();
	for (int i = 0; i < 1 << 20; i++)
		assert_int_equal(held[i], 'h');
	free(held);
}

static void calloc_zeroes_and_copies_are_terminated(void **state)
{
	int *zeroes = wb_xcalloc(100, sizeof *zeroes);
	char *text = wb_xstrdup("abc"), *part = wb_xmemdup("a\0cd", 3), *none = wb_xmemdup(NULL, 0);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(zeroes[i], 0);
	assert_string_equal(text, "abc");
	assert_memory_equal(part, "a\0c", 4);
	assert_string_equal(none, "");
	free(zeroes);
	free(text);
	free(part);
	free(none);
}

static void realloc_keeps_the_contents(void **state)
{
	char *p = wb_xstrdup("keep");

	(void)state;
	p = wb_xrealloc(p, 100000);
	assert_string_equal(p, "keep");
	free(p);
}

#if !WB_TEST_SANITIZED
/* docs/adr/0002: a small allocation that fails ends the process with a message. */
static void out_of_memory_ends_the_process_with_a_message(void **state)
{
	char said[100] = "";
	int fds[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit limit = { 64 << 20, 64 << 20 };

		if (dup2(fds[1], STDERR_FILENO) < 0 || setrlimit(RLIMIT_AS, &limit) != 0)
			_exit(1);
		for (;;)
			*(volatile char *)wb_xmalloc(1 << 20) = 1;
	}
	assert_int_equal(close(fds[1]), 0);
	assert_true(read(fds[0], said, sizeof said - 1) > 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_OSERR);
	assert_string_equal(said, "writebehind: out of memory\n");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_a_valid_size),
		cmocka_unit_test(what_is_held_stays_when_the_rest_is_given_back),
		cmocka_unit_test(calloc_zeroes_and_copies_are_terminated),
		cmocka_unit_test(realloc_keeps_the_contents),
#if !WB_TEST_SANITIZED
		cmocka_unit_test(out_of_memory_ends_the_process_with_a_message),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
