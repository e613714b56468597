/* Fast random numbers for jitter and tests (splitmix64; Steele, Lea and Flood, OOPSLA 2014). Not for secrets.
 *
 * The same seed gives the same numbers. Not thread-safe: one owner.
 */
#ifndef WB_COMMON_BASE_PRNG_H
#define WB_COMMON_BASE_PRNG_H

#include <stdint.h>

struct wb_prng {
	uint64_t state;
};

static inline uint64_t wb_prng_next(struct wb_prng *p)
{
	uint64_t z = (p->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
