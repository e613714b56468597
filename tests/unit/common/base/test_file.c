#include "common/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_file_is_read_whole(void **state)
{
	char path[] = "/tmp/wb-test-file-XXXXXX", content[10000];
	int fd = mkstemp(path);
	struct wb_buf b;

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (char)(i * 7);
	assert_int_equal(write(fd, content, sizeof content), sizeof content);
	assert_int_equal(close(fd), 0);
	wb_buf_init(&b, sizeof content);
	assert_int_equal(wb_file_read(path, &b, NULL), WB_OK);
	assert_int_equal(b.len, sizeof content);
	assert_memory_equal(b.data, content, sizeof content);
	wb_buf_release(&b);
	wb_buf_init(&b, sizeof content - 1);
	assert_int_equal(wb_file_read(path, &b, NULL), WB_ETOOBIG);
	wb_buf_release(&b);
	assert_int_equal(unlink(path), 0);
}

static void what_cannot_be_read_is_named(void **state)
{
	struct wb_error e;
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 100);
	assert_int_equal(wb_file_read("/nonexistent/file", &b, &e), WB_ENOTFOUND);
	assert_string_equal(e.text, "cannot open /nonexistent/file: No such file or directory");
	assert_int_equal(wb_file_read("/", &b, &e), WB_EIO);
	assert_string_equal(e.text, "cannot read /: Is a directory");
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole),
		cmocka_unit_test(what_cannot_be_read_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
