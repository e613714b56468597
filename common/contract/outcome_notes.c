#include "common/contract/outcome_notes.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define OUTCOME_BITS 2
#define DIGIT_BITS   8
#define DIGITS       (1 << DIGIT_BITS)

_Static_assert(WB_DEAD < 1 << OUTCOME_BITS, "an outcome fits");

static uint64_t number_of(uint64_t note)
{
	return note >> OUTCOME_BITS;
}

static enum wb_outcome outcome_of(uint64_t note)
{
	return (enum wb_outcome)(note & ((1 << OUTCOME_BITS) - 1));
}

void wb_outcome_notes_release(struct wb_outcome_notes *n)
{
	free(n->note);
	*n = (struct wb_outcome_notes){ 0 };
}

void wb_outcome_notes_add(struct wb_outcome_notes *n, enum wb_outcome outcome, uint64_t number)
{
	assert(number <= WB_OUTCOME_NUMBER_MAX);
	if (n->count == n->cap) {
		n->cap = n->cap ? n->cap * 2 : 4;
		n->note = wb_xrealloc(n->note, n->cap * sizeof *n->note);
	}
	n->note[n->count++] = number << OUTCOME_BITS | (uint64_t)outcome;
}

/* One digit of all numbers, the order of equal ones kept. base is subtracted first. */
static void sort_by_digit(const uint64_t *from, uint64_t *to, size_t count, uint64_t base, unsigned shift)
{
	size_t begin[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < count; i++)
		begin[(number_of(from[i]) - base) >> shift & (DIGITS - 1)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t here = begin[d];

		begin[d] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[begin[(number_of(from[i]) - base) >> shift & (DIGITS - 1)]++] = from[i];
}

/* A radix sort from the lowest digit up, which is stable; numbers of one record lie close together, so two or three
 * digits are all that differ. */
static void sort(struct wb_outcome_notes *n, uint64_t lowest, uint64_t highest)
{
	uint64_t *from = n->note, *to = wb_xmalloc(n->cap * sizeof *to);

	for (unsigned shift = 0; shift < 64 && (highest - lowest) >> shift > 0; shift += DIGIT_BITS) {
		uint64_t *sorted = to;

		sort_by_digit(from, to, n->count, lowest, shift);
		to = from;
		from = sorted;
	}
	n->note = from;
	free(to);
}

static void drop_repeats(struct wb_outcome_notes *n)
{
	size_t kept = 1;

	for (size_t i = 1; i < n->count; i++) {
		if (number_of(n->note[i]) != number_of(n->note[kept - 1]))
			n->note[kept++] = n->note[i];
	}
	n->count = kept;
}

void wb_outcome_notes_sort(struct wb_outcome_notes *n)
{
	uint64_t lowest = UINT64_MAX, highest = 0;
	bool ascending = true;

	if (n->count == 0)
		return;
	for (size_t i = 0; i < n->count; i++) {
		uint64_t number = number_of(n->note[i]);

		ascending = ascending && number >= highest;
		lowest = number < lowest ? number : lowest;
		highest = number > highest ? number : highest;
	}
	if (!ascending)
		sort(n, lowest, highest);
	drop_repeats(n);
}

bool wb_outcome_notes_next(
	const struct wb_outcome_notes *n, enum wb_outcome outcome, size_t *at, uint64_t *ret_first, uint64_t *ret_last)
{
	size_t i = *at;

	while (i < n->count && outcome_of(n->note[i]) != outcome)
		i++;
	if (i == n->count) {
		*at = i;
		return false;
	}
	*ret_first = *ret_last = number_of(n->note[i++]);
	/* The next number with the same outcome is the next note as a whole. */
	while (i < n->count && n->note[i] == n->note[i - 1] + (1 << OUTCOME_BITS))
		*ret_last = number_of(n->note[i++]);
	*at = i;
	return true;
}
