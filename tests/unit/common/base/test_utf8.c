#include "common/base/utf8.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void every_character_is_read_as_it_is_written(void **state)
{
	char bytes[4];

	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		size_t len;

		if (c == 0xd800)
			c = 0xe000;
		len = wb_utf8_encode(c, bytes);
		assert_true(wb_utf8_char_len(bytes, len) == len);
		for (size_t less = 0; less < len; less++)
			assert_true(wb_utf8_char_len(bytes, less) == 0);
	}
}

static void nothing_else_is_a_character(void **state)
{
	static const char *const bad[] = { "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2\x41", "\xE0\x9F\xBF",
		"\xED\xA0\x80", "\xED\xBF\xBF", "\xE1\x80\x41", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
		"\xF5\x80\x80\x80", "\xFE", "\xFF", "\xF1\x80\x80\x41" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(wb_utf8_char_len(bad[i], strlen(bad[i])) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_is_read_as_it_is_written),
		cmocka_unit_test(nothing_else_is_a_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
