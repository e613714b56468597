#include "common/http/gunzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <cmocka.h>

static size_t zip(const char *text, size_t len, char *out, size_t size)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)text,
		.avail_in = (unsigned)len,
		.next_out = (unsigned char *)out,
		.avail_out = (unsigned)size };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return size - z.avail_out;
}

/* Decodes what comes step bytes at a time; returns the length of the text, or -1. */
static long unzip(const char *data, size_t len, size_t step, char *text, size_t size, bool *ret_complete)
{
	struct wb_gunzip *g = wb_gunzip_new();
	size_t got = 0;
	long result;

	for (size_t at = 0; at < len; at += step) {
		struct wb_slice in = wb_slice(data + at, len - at < step ? len - at : step), piece;

		do {
			if (wb_gunzip_next(g, &in, &piece) != WB_OK) {
				wb_gunzip_free(&g);
				return -1;
			}
			assert_true(piece.len <= 64 * 1024);
			assert_true(got + piece.len <= size);
			if (piece.len)
				memcpy(text + got, piece.data, piece.len);
			got += piece.len;
		} while (piece.len > 0);
		assert_int_equal(in.len, 0);
	}
	*ret_complete = wb_gunzip_complete(g);
	result = (long)got;
	wb_gunzip_free(&g);
	assert_null(g);
	wb_gunzip_free(&g);
	return result;
}

static void texts_come_back_however_they_are_cut(void **state)
{
	enum { LEN = 300000 };
	static const size_t steps[] = { 1, 7, 4096, 1000000 };
	char *text = malloc(LEN), *zipped = malloc(LEN + 1000), *back = malloc(LEN);
	bool complete;
	size_t len;

	(void)state;
	assert_true(text && zipped && back);
	for (size_t i = 0; i < LEN; i++)
		text[i] = (char)(i % 251 * (i / 1000));
	len = zip(text, LEN, zipped, LEN + 1000);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		assert_int_equal(unzip(zipped, len, steps[i], back, LEN, &complete), LEN);
		assert_true(complete);
		assert_memory_equal(back, text, LEN);
		assert_int_equal(unzip(zipped, len - 1, steps[i], back, LEN, &complete), LEN);
		assert_false(complete);
	}
	free(text);
	free(zipped);
	free(back);
}

static void members_follow_one_another(void **state)
{
	char zipped[400], back[100];
	size_t len = zip("one,", 4, zipped, 100);
	bool complete;

	(void)state;
	len += zip("", 0, zipped + len, 100);
	len += zip("two", 3, zipped + len, 100);
	for (size_t step = 1; step < 100; step += 9) {
		assert_int_equal(unzip(zipped, len, step, back, sizeof back, &complete), 7);
		assert_true(complete);
		assert_memory_equal(back, "one,two", 7);
	}
	zipped[len] = 'x';
	assert_int_equal(unzip(zipped, len + 1, 1, back, sizeof back, &complete), 7);
	assert_false(complete); /* the beginning of a member, or of nothing */
	memcpy(zipped + len, "{\"id\":\"1\"}", 10);
	assert_int_equal(unzip(zipped, len + 10, 100, back, sizeof back, &complete), -1);
}

static void other_things_are_no_gzip(void **state)
{
	char zipped[200], back[100];
	size_t len = zip("some text", 9, zipped, sizeof zipped);
	bool complete;

	(void)state;
	assert_int_equal(unzip("{\"id\":\"1\"}", 10, 100, back, sizeof back, &complete), -1);
	for (size_t i = len - 8; i < len; i++) {
		zipped[i] ^= 1;
		assert_int_equal(unzip(zipped, len, 100, back, sizeof back, &complete), -1);
		zipped[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_come_back_however_they_are_cut),
		cmocka_unit_test(members_follow_one_another),
		cmocka_unit_test(other_things_are_no_gzip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
