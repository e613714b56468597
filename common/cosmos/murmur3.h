/* MurmurHash3 (Austin Appleby, public domain algorithm): x64 128 as Cosmos DB's hash version 2 uses it, x86 32 as
 * version 1 does. Pure. */
#ifndef WB_COMMON_COSMOS_MURMUR3_H
#define WB_COMMON_COSMOS_MURMUR3_H

#include <stddef.h>
#include <stdint.h>

/* ret[0] is h1, ret[1] is h2. */
void wb_murmur3_x64_128(const void *data, size_t len, uint32_t seed, uint64_t ret[2]);
uint32_t wb_murmur3_x86_32(const void *data, size_t len, uint32_t seed);

#endif
