#include "consumer/poller_internal.h"

#include <assert.h>

void wb_poller_release_message(void *arg, struct wb_write *w)
{
	struct wb_poller *p = arg;

	if (!w->message)
		return;
	rd_kafka_message_destroy(w->message);
	w->message = NULL;
	w->key = w->value = w->document = w->id = (struct wb_slice){ NULL, 0 };
	atomic_fetch_sub(&p->held_bytes, (long long)w->held_bytes);
}

size_t wb_poller_message_headers(void *arg, const struct wb_write *w, struct wb_header *headers, size_t max)
{
	(void)arg;
	return wb_kafka_message_headers(w->message, headers, max);
}

void wb_poller_drop(struct wb_poller *p, struct wb_write *w)
{
	struct wb_partition *part = wb_poller_partition_of(w);

	wb_poller_release_message(p, w);
	atomic_fetch_sub(&p->held_bytes, WB_WRITE_OVERHEAD_BYTES);
	wb_write_free(&w);
	assert(part->out > 0);
	part->out--;
	wb_poller_partition_idle(p, part);
}

/* With an outcome that is acknowledged: the offset may move. What the recorder gave up comes the same way. */
static void finish(struct wb_poller *p, struct wb_write *w)
{
	struct wb_partition *part = wb_poller_partition_of(w);

	if (w->state == WB_WRITE_FINISHED && part->ours && !wb_offsets_finished(part->offsets, w->offset))
		assert(!"a write finished twice");
	wb_poller_drop(p, w);
}

bool wb_poller_take_back(struct wb_poller *p)
{
	struct wb_list finished = { 0 }, returned = { 0 };
	bool any;
	struct wb_write *w;

	wb_handover_take(&p->finished, &finished);
	wb_handover_take(&p->returned, &returned);
	any = finished.head || returned.head;
	if (returned.head)
		wb_counter_add(p->metrics.handed_back, (double)returned.count);
	while ((w = wb_write_of(wb_list_pop(&finished))))
		finish(p, w);
	while ((w = wb_write_of(wb_list_pop(&returned))))
		wb_poller_drop(p, w);
	return any;
}
