#include "common/cosmos/murmur3.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void known_texts_have_known_hashes(void **state)
{
	/* The reference implementation (MurmurHash3_x64_128, seed 0), as its ports publish them. */
	const struct {
		const char *text;
		uint64_t h1, h2;
	} vectors[] = {
		{ "", 0, 0 },
		{ "hello", UINT64_C(0xcbd8a7b341bd9b02), UINT64_C(0x5b1e906a48ae1d19) },
		{ "hello, world", UINT64_C(0x342fac623a5ebc8e), UINT64_C(0x4cdcbc079642414d) },
		{ "The quick brown fox jumps over the lazy dog.", UINT64_C(0xcd99481f9ee902c9),
			UINT64_C(0x695da1a38987b6e7) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint64_t h[2];

		wb_murmur3_x64_128(vectors[i].text, strlen(vectors[i].text), 0, h);
		assert_true(h[0] == vectors[i].h1);
		assert_true(h[1] == vectors[i].h2);
	}
}

static void the_seed_matters(void **state)
{
	uint64_t a[2], b[2];

	(void)state;
	wb_murmur3_x64_128("hello", 5, 0, a);
	wb_murmur3_x64_128("hello", 5, 1, b);
	assert_true(a[0] != b[0] && a[1] != b[1]);
}

static void the_hash_of_32_bits_too(void **state)
{
	/* MurmurHash3_x86_32, as its ports publish the hashes: every length of the tail. */
	const struct {
		const char *text;
		uint32_t seed, h;
	} vectors[] = {
		{ "", 0, 0 },
		{ "", 1, 0x514e28b7 },
		{ "", 0xffffffff, 0x81f16f39 },
		{ "aaaa", 0x9747b28c, 0x5a97808a },
		{ "aaa", 0x9747b28c, 0x283e0130 },
		{ "aa", 0x9747b28c, 0x5d211726 },
		{ "a", 0x9747b28c, 0x7fa09ea6 },
		{ "abcd", 0x9747b28c, 0xf0478627 },
		{ "Hello, world!", 0x9747b28c, 0x24884cba },
		{ "hello", 0, 0x248bfa47 },
		{ "The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723 },
		{ "\xff\xff\xff\xff", 0, 0x76293b50 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		assert_int_equal(
			wb_murmur3_x86_32(vectors[i].text, strlen(vectors[i].text), vectors[i].seed), vectors[i].h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_have_known_hashes),
		cmocka_unit_test(the_seed_matters),
		cmocka_unit_test(the_hash_of_32_bits_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
