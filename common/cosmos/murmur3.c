#include "common/cosmos/murmur3.h"

static uint64_t load64(const unsigned char *p)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

static uint64_t rotl(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t final_mix(uint64_t k)
{
	k ^= k >> 33;
	k *= UINT64_C(0xff51afd7ed558ccd);
	k ^= k >> 33;
	k *= UINT64_C(0xc4ceb9fe1a85ec53);
	return k ^ k >> 33;
}

static uint64_t mix1(uint64_t k)
{
	return rotl(k * UINT64_C(0x87c37b91114253d5), 31) * UINT64_C(0x4cf5ad432745937f);
}

static uint64_t mix2(uint64_t k)
{
	return rotl(k * UINT64_C(0x4cf5ad432745937f), 33) * UINT64_C(0x87c37b91114253d5);
}

void wb_murmur3_x64_128(const void *data, size_t len, uint32_t seed, uint64_t ret[2])
{
	const unsigned char *p = data;
	uint64_t h1 = seed, h2 = seed;
	unsigned char tail[16] = { 0 };
	size_t left = len;

	for (; left >= 16; left -= 16, p += 16) {
		h1 ^= mix1(load64(p));
		h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
		h2 ^= mix2(load64(p + 8));
		h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
	}
	/* A missing tail is zeros, which the mixes leave zero. */
	for (size_t i = 0; i < left; i++)
		tail[i] = p[i];
	h1 ^= mix1(load64(tail));
	h2 ^= mix2(load64(tail + 8));
	h1 ^= len;
	h2 ^= len;
	h1 += h2;
	h2 += h1;
	h1 = final_mix(h1);
	h2 = final_mix(h2);
	h1 += h2;
	ret[0] = h1;
	ret[1] = h2 + h1;
}

static uint32_t load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t rotl32(uint32_t x, int bits)
{
	return x << bits | x >> (32 - bits);
}

static uint32_t mix32(uint32_t k)
{
	return rotl32(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

uint32_t wb_murmur3_x86_32(const void *data, size_t len, uint32_t seed)
{
	const unsigned char *p = data;
	unsigned char tail[4] = { 0 };
	uint32_t h = seed;
	size_t left = len;

	for (; left >= 4; left -= 4, p += 4)
		h = rotl32(h ^ mix32(load32(p)), 13) * 5 + 0xe6546b64u;
	for (size_t i = 0; i < left; i++)
		tail[i] = p[i];
	h ^= mix32(load32(tail));
	h ^= (uint32_t)len;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}
