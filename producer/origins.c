#include "producer/origins.h"

#include "common/base/mem.h"

#include <stdlib.h>

void wb_origins_release(struct wb_origins *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->list[i].topic);
		wb_interval_set_release(&o->list[i].seen);
	}
	free(o->list);
	*o = (struct wb_origins){ 0 };
}

static struct wb_origin *find_or_make(struct wb_origins *o, struct wb_slice topic, int32_t partition)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->list[i].partition == partition && wb_slice_eq_cstr(topic, o->list[i].topic))
			return &o->list[i];
	}
	if (o->count == WB_ORIGINS_MAX)
		return NULL;
	o->list = wb_xrealloc(o->list, (o->count + 1) * sizeof *o->list);
	o->list[o->count] = (struct wb_origin){ .topic = wb_xmemdup(topic.data, topic.len), .partition = partition };
	return &o->list[o->count++];
}

uint64_t wb_origins_add(struct wb_origins *o, struct wb_slice topic, int32_t partition, uint64_t first, uint64_t last)
{
	struct wb_origin *origin = find_or_make(o, topic, partition);
	struct wb_interval_set *seen;
	uint64_t n;

	if (!origin)
		return 0;
	seen = &origin->seen;
	n = wb_interval_set_add(seen, first, last);
	if (seen->count > WB_ORIGIN_RANGES_MAX)
		(void)wb_interval_set_add(seen, seen->ranges[0].first, seen->ranges[seen->count / 2].last);
	return n;
}
