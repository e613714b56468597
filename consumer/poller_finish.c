#include "consumer/poller_internal.h"

#include <assert.h>

static void leave_partition(struct wb_partition *part, const struct wb_write *w)
{
	if (w->read_before)
		w->read_before->read_after = w->read_after;
	else
		part->first = w->read_after;
	if (w->read_after)
		w->read_after->read_before = w->read_before;
	else
		part->newest = w->read_before;
	assert(part->out > 0);
	part->out--;
}

void wb_poller_drop(struct wb_poller *p, struct wb_write *w)
{
	struct wb_partition *part = wb_poller_partition_of(w);

	if (w->container)
		(void)wb_poller_leave_target(p, w);
	wb_write_let_go_original(w, &p->originals);
	p->writes_out--;
	leave_partition(part, w);
	wb_write_pool_put(&p->writes, &w);
	wb_poller_partition_idle(p, part);
}

/* Its outcome is acknowledged: the offset may move. */
static void finish(struct wb_poller *p, struct wb_write *w)
{
	struct wb_partition *part = wb_poller_partition_of(w);

	wb_write_advance(w, WB_WRITE_FINISHED);
	if (part->ours && !wb_offsets_finished(part->offsets, w->offset))
		assert(!"a write finished twice");
	wb_poller_drop(p, w);
}

bool wb_poller_take_back(struct wb_poller *p)
{
	struct wb_list finished = { 0 }, given_up = { 0 }, returned = { 0 };
	bool any;
	struct wb_write *w;

	wb_handover_take(&p->finished, &finished);
	wb_handover_take(&p->given_up, &given_up);
	wb_handover_take(&p->returned, &returned);
	any = finished.head || given_up.head || returned.head;
	while ((w = wb_write_of(wb_list_pop(&finished)))) {
		wb_write_prefetch(finished.head);
		finish(p, w);
	}
	while ((w = wb_write_of(wb_list_pop(&given_up))))
		wb_poller_drop(p, w);
	while ((w = wb_write_of(wb_list_pop(&returned))))
		wb_poller_take_handed_back(p, w);
	return any;
}
