#include "common/base/json_blocks.h"

#if defined(__x86_64__)

#include "common/base/json_grammar.h"

#include <immintrin.h>

#define BLOCK_TARGET __attribute__((target("avx2,bmi,bmi2,pclmul")))
#define FN           BLOCK_TARGET WB_JSON_INLINE

typedef struct {
	__m256i half[2];
	const uint32_t *each;
} block;

FN block load(const char *p)
{
	const __m256i *from = (const __m256i *)(const void *)p;

	return (block){ { _mm256_loadu_si256(from), _mm256_loadu_si256(from + 1) }, wb_json_each() };
}

FN uint64_t joined(__m256i low, __m256i up)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(up) << 32;
}

FN __m256i each(block b, unsigned char c)
{
	return _mm256_set1_epi32((int)b.each[c]);
}

FN uint64_t equal(block b, unsigned char c)
{
	__m256i wanted = each(b, c);

	return joined(_mm256_cmpeq_epi8(b.half[0], wanted), _mm256_cmpeq_epi8(b.half[1], wanted));
}

FN uint64_t below(block b, unsigned char c)
{
	__m256i wanted = each(b, c);

	return joined(_mm256_cmpgt_epi8(wanted, b.half[0]), _mm256_cmpgt_epi8(wanted, b.half[1]));
}

FN uint64_t at_least(block b, unsigned char c)
{
	__m256i wanted = each(b, c);

	return joined(_mm256_cmpeq_epi8(_mm256_max_epu8(b.half[0], wanted), b.half[0]),
		_mm256_cmpeq_epi8(_mm256_max_epu8(b.half[1], wanted), b.half[1]));
}

FN uint64_t high(block b)
{
	return joined(b.half[0], b.half[1]);
}

FN block lower(block b)
{
	__m256i bit = each(b, 0x20);

	return (block){ { _mm256_or_si256(b.half[0], bit), _mm256_or_si256(b.half[1], bit) }, b.each };
}

FN uint64_t bit5(block b)
{
	return joined(_mm256_slli_epi16(b.half[0], 2), _mm256_slli_epi16(b.half[1], 2));
}

FN uint64_t digits(block b)
{
	__m256i zero = each(b, '0'), nine = each(b, 9);
	__m256i low = _mm256_sub_epi8(b.half[0], zero), up = _mm256_sub_epi8(b.half[1], zero);

	return joined(
		_mm256_cmpeq_epi8(_mm256_min_epu8(low, nine), low), _mm256_cmpeq_epi8(_mm256_min_epu8(up, nine), up));
}

FN uint64_t prefix_xor(uint64_t mask)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)mask), _mm_set1_epi8((char)0xff), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The last block comes from a copy, which is made before the first one: when it is read it has long been written. */
struct last {
	char bytes[2 * WB_JSON_BITMAP_BYTES]; /* of the text, then zeros */
};

FN void last_init(struct last *last, const char *p, const char *end)
{
	size_t len = (size_t)(end - p);

	memset(last->bytes + WB_JSON_BITMAP_BYTES, 0, WB_JSON_BITMAP_BYTES);
	if (WB_LIKELY(len >= WB_JSON_BITMAP_BYTES))
		memcpy(last->bytes, end - WB_JSON_BITMAP_BYTES, WB_JSON_BITMAP_BYTES);
	else
		memcpy(last->bytes + WB_JSON_BITMAP_BYTES - len, p, len);
}

FN block load_some(const struct last *last, const char *p, size_t left)
{
	return load(left >= WB_JSON_BITMAP_BYTES ? p : last->bytes + WB_JSON_BITMAP_BYTES - left);
}

#include "common/base/json_blocks_loop.h"

BLOCK_TARGET const char *wb_json_blocks_avx2(struct wb_json_search *s, const char *p)
{
	return search_blocks(s, p);
}

#endif
