#include "deadletter/tally.h"

#include "common/base/mem.h"

#include <stdlib.h>

void wb_tally_init(struct wb_tally *t, int64_t now_ms)
{
	*t = (struct wb_tally){ .now_ms = now_ms };
}

void wb_tally_release(struct wb_tally *t)
{
	for (size_t i = 0; i < t->container_count; i++)
		free(t->containers[i].name);
	free(t->containers);
	*t = (struct wb_tally){ .now_ms = t->now_ms };
}

static bool is_container(const struct wb_tally_container *c, struct wb_slice name)
{
	return !c->name == !name.data && wb_slice_eq(wb_slice(c->name, c->len), name);
}

/* NULL: there are too many already. */
static struct wb_tally_container *find(struct wb_tally *t, struct wb_slice name)
{
	if (t->last < t->container_count && is_container(&t->containers[t->last], name))
		return &t->containers[t->last];
	for (t->last = 0; t->last < t->container_count; t->last++)
		if (is_container(&t->containers[t->last], name))
			return &t->containers[t->last];
	if (t->container_count == WB_TALLY_CONTAINERS)
		return NULL;
	if (t->container_count == t->container_cap) {
		t->container_cap = t->container_cap ? 2 * t->container_cap : 16;
		t->containers = wb_xrealloc(t->containers, t->container_cap * sizeof *t->containers);
	}
	t->containers[t->container_count] = (struct wb_tally_container){
		.name = name.data ? wb_xmemdup(name.data, name.len) : NULL, .len = name.len
	};
	return &t->containers[t->container_count++];
}

void wb_tally_add(struct wb_tally *t, const struct wb_index_letter *letter)
{
	struct wb_tally_container *container = find(t, letter->container);
	int64_t age_hours = t->now_ms / WB_HOUR_MS - letter->died_ms / WB_HOUR_MS;
	size_t reason = (size_t)letter->reason <= WB_REASON_SERVER_ERROR ? (size_t)letter->reason : 0;

	if (t->total == 0 || letter->died_ms < t->oldest_ms)
		t->oldest_ms = letter->died_ms;
	t->total++;
	t->of_reason[reason]++;
	if (container)
		container->count++;
	else
		t->other_containers++;
	/* A clock that is ahead of ours is no reason to count a letter nowhere. */
	if (age_hours < 0)
		age_hours = 0;
	if (age_hours < WB_TALLY_HOURS)
		t->of_hour[WB_TALLY_HOURS - 1 - age_hours]++;
	else
		t->earlier++;
}

static int most_first(const void *a, const void *b)
{
	const struct wb_tally_container *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

void wb_tally_sort(struct wb_tally *t)
{
	if (t->container_count)
		qsort(t->containers, t->container_count, sizeof *t->containers, most_first);
	t->last = 0;
}

void wb_tally_sparkline(const uint64_t *numbers, size_t count, struct wb_buf *ret)
{
	/* U+2581 to U+2588. */
	static const char *const blocks[] = { " ", "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	uint64_t highest = 0;

	for (size_t i = 0; i < count; i++)
		highest = numbers[i] > highest ? numbers[i] : highest;
	for (size_t i = 0; i < count; i++) {
		size_t level = numbers[i] ? 1 + (size_t)((double)numbers[i] / (double)highest * 7) : 0;

		wb_buf_append_cstr(ret, blocks[level]);
	}
}
