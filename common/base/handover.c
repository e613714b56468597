#include "common/base/handover.h"

#include "common/base/clock.h"
#include "common/base/thread.h"

#include <assert.h>

void wb_handover_init(struct wb_handover *h, void (*wake)(void *arg), void *wake_arg)
{
	*h = (struct wb_handover){ .wake = wake, .wake_arg = wake_arg };
	wb_mutex_init(&h->lock);
	wb_cond_init(&h->filled);
}

void wb_handover_release(struct wb_handover *h)
{
	assert(!h->list.head);
	wb_cond_release(&h->filled);
	wb_mutex_release(&h->lock);
}

void wb_handover_put(struct wb_handover *h, struct wb_list *batch)
{
	bool was_empty;

	if (!batch->head)
		return;
	wb_mutex_lock(&h->lock);
	was_empty = !h->list.head;
	wb_list_append(&h->list, batch);
	if (was_empty)
		wb_cond_signal(&h->filled);
	wb_mutex_unlock(&h->lock);
	if (was_empty && h->wake)
		h->wake(h->wake_arg);
}

void wb_handover_put_one(struct wb_handover *h, struct wb_link *link)
{
	struct wb_list one = { 0 };

	wb_list_push(&one, link);
	wb_handover_put(h, &one);
}

void wb_handover_take(struct wb_handover *h, struct wb_list *ret)
{
	wb_mutex_lock(&h->lock);
	wb_list_append(ret, &h->list);
	wb_mutex_unlock(&h->lock);
}

void wb_handover_wait(struct wb_handover *h, struct wb_list *ret, int64_t timeout_ms)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;

	wb_mutex_lock(&h->lock);
	while (!h->list.head) {
		if (!wb_cond_wait_until(&h->filled, &h->lock, deadline_ms))
			break;
	}
	wb_list_append(ret, &h->list);
	wb_mutex_unlock(&h->lock);
}
