#include "common/base/json_blocks.h"

#if defined(__x86_64__)

#include "common/base/json_grammar.h"

#include <immintrin.h>

#define BLOCK_TARGET __attribute__((target("avx2,bmi,bmi2,pclmul,avx512f,avx512bw,avx512vbmi2")))
#define FN           BLOCK_TARGET WB_JSON_INLINE

typedef struct {
	__m512i bytes;
	const uint32_t *each;
} block;

/* A load takes the bytes of the text alone. */
struct last {
	char nothing;
};

FN void last_init(struct last *last, const char *p, const char *end)
{
	(void)last;
	(void)p;
	(void)end;
}

FN block load_some(const struct last *last, const char *p, size_t left)
{
	__mmask64 valid = _bzhi_u64(~UINT64_C(0), left < 64 ? (unsigned)left : 64);

	(void)last;
	return (block){ _mm512_maskz_loadu_epi8(valid, p), wb_json_each() };
}

FN __m512i each(block b, unsigned char c)
{
	return _mm512_set1_epi32((int)b.each[c]);
}

FN uint64_t equal(block b, unsigned char c)
{
	return _mm512_cmpeq_epi8_mask(b.bytes, each(b, c));
}

FN uint64_t below(block b, unsigned char c)
{
	return _mm512_cmplt_epi8_mask(b.bytes, each(b, c));
}

FN uint64_t at_least(block b, unsigned char c)
{
	return _mm512_cmpge_epu8_mask(b.bytes, each(b, c));
}

FN uint64_t digits(block b)
{
	return _mm512_cmple_epu8_mask(_mm512_sub_epi8(b.bytes, each(b, '0')), each(b, 9));
}

FN uint64_t high(block b)
{
	return _mm512_movepi8_mask(b.bytes);
}

FN block lower(block b)
{
	return (block){ _mm512_or_si512(b.bytes, each(b, 0x20)), b.each };
}

FN uint64_t bit5(block b)
{
	return _mm512_test_epi8_mask(b.bytes, each(b, 0x20));
}

FN uint64_t prefix_xor(uint64_t mask)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)mask), _mm_set1_epi8((char)0xff), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

#include "common/base/json_blocks_loop.h"

BLOCK_TARGET const char *wb_json_blocks_avx512(struct wb_json_search *s, const char *p)
{
	return search_blocks(s, p);
}

#endif
