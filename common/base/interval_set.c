#include "common/base/interval_set.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void wb_interval_set_release(struct wb_interval_set *s)
{
	free(s->ranges);
	*s = (struct wb_interval_set){ 0 };
}

void wb_interval_set_clear(struct wb_interval_set *s)
{
	s->count = 0;
}

/* Index of the first range that ends at or above value; count when there is none. Searched from the end in growing
 * steps, because that is where numbers that come nearly in order are. */
static size_t first_ending_from(const struct wb_interval_set *s, uint64_t value)
{
	size_t high = s->count, low = high, step = 1;

	while (low > 0) {
		size_t at = low > step ? low - step : 0;

		if (s->ranges[at].last < value) {
			low = at + 1;
			break;
		}
		high = low = at;
		step *= 2;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->ranges[middle].last < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert_at(struct wb_interval_set *s, size_t at, uint64_t first, uint64_t last)
{
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->ranges = wb_xrealloc(s->ranges, s->cap * sizeof *s->ranges);
	}
	memmove(s->ranges + at + 1, s->ranges + at, (s->count - at) * sizeof *s->ranges);
	s->ranges[at] = (struct wb_interval){ first, last };
	s->count++;
}

/* How many numbers of a range lie from first to last; it may only touch them. */
static uint64_t overlap(struct wb_interval range, uint64_t first, uint64_t last)
{
	uint64_t low = range.first > first ? range.first : first;
	uint64_t high = range.last < last ? range.last : last;

	return low <= high ? high - low + 1 : 0;
}

uint64_t wb_interval_set_add(struct wb_interval_set *s, uint64_t first, uint64_t last)
{
	uint64_t before = 0, low = first, high = last;
	size_t from, to;

	assert(first <= last);
	/* Numbers come nearly in order. */
	if (s->count > 0 && s->ranges[s->count - 1].last < first) {
		if (s->ranges[s->count - 1].last == first - 1)
			s->ranges[s->count - 1].last = last;
		else
			insert_at(s, s->count, first, last);
		return last - first + 1;
	}
	/* The ranges from..to-1 overlap or touch the new one and become one with it. */
	from = first_ending_from(s, first > 0 ? first - 1 : 0);
	to = from;
	while (to < s->count && (last == UINT64_MAX || s->ranges[to].first <= last + 1))
		before += overlap(s->ranges[to++], first, last);
	if (from == to) {
		insert_at(s, from, first, last);
		return last - first + 1;
	}
	if (s->ranges[from].first < low)
		low = s->ranges[from].first;
	if (s->ranges[to - 1].last > high)
		high = s->ranges[to - 1].last;
	s->ranges[from] = (struct wb_interval){ low, high };
	memmove(s->ranges + from + 1, s->ranges + to, (s->count - to) * sizeof *s->ranges);
	s->count -= to - from - 1;
	return last - first + 1 - before;
}

bool wb_interval_set_has(const struct wb_interval_set *s, uint64_t value)
{
	size_t at = first_ending_from(s, value);

	return at < s->count && s->ranges[at].first <= value;
}

uint64_t wb_interval_set_count_in(const struct wb_interval_set *s, uint64_t first, uint64_t last)
{
	uint64_t total = 0;

	for (size_t i = first_ending_from(s, first); i < s->count && s->ranges[i].first <= last; i++)
		total += overlap(s->ranges[i], first, last);
	return total;
}

uint64_t wb_interval_set_total(const struct wb_interval_set *s)
{
	return wb_interval_set_count_in(s, 0, UINT64_MAX);
}
