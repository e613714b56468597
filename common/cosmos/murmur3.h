/* MurmurHash3 x64 128 (Austin Appleby, public domain algorithm), as Cosmos DB's hash version 2 uses it. Pure. */
#ifndef WB_COMMON_COSMOS_MURMUR3_H
#define WB_COMMON_COSMOS_MURMUR3_H

#include <stddef.h>
#include <stdint.h>

/* ret[0] is h1, ret[1] is h2. */
void wb_murmur3_x64_128(const void *data, size_t len, uint32_t seed, uint64_t ret[2]);

#endif
