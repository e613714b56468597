#include "consumer/poller_internal.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies bytes to *at and moves it behind them; no data stays no data. */
static struct wb_slice copy_bytes(char **at, struct wb_slice bytes)
{
	struct wb_slice copy = wb_slice(bytes.data ? *at : NULL, bytes.len);

	if (bytes.len)
		memcpy(*at, bytes.data, bytes.len);
	*at += bytes.len;
	return copy;
}

/* Of a write's message. Fewer than there were would make a dead letter that is not the original. */
static size_t read_headers(const struct wb_write *w, struct wb_header *headers, size_t max)
{
	size_t count = wb_kafka_message_headers(w->message, headers, max);

	if (count < w->header_count) {
		(void)fprintf(
			stderr, "writebehind: bug: librdkafka forgot the headers of a record\n"); /* it ends here */
		abort();
	}
	return count;
}

static struct wb_write_copy *copy_message(struct wb_write *w, size_t *ret_size)
{
	size_t count = read_headers(w, NULL, 0);
	size_t size = sizeof(struct wb_write_copy) + count * sizeof(struct wb_header);
	struct wb_header *headers = wb_xcalloc(count + 1, sizeof *headers);
	struct wb_write_copy *copy;
	char *at;

	(void)read_headers(w, headers, count); /* as many as before */
	for (size_t i = 0; i < count; i++)
		size += headers[i].name.len + headers[i].value.len;
	size += w->key.len + w->value.len;
	copy = wb_xmalloc(size);
	copy->header_count = count;
	at = (char *)&copy->headers[count];
	for (size_t i = 0; i < count; i++) {
		copy->headers[i].name = copy_bytes(&at, headers[i].name);
		copy->headers[i].value = copy_bytes(&at, headers[i].value);
	}
	free(headers);
	w->key = copy_bytes(&at, w->key);
	if (w->document.data)
		w->document.data = at + (w->document.data - w->value.data);
	w->value = copy_bytes(&at, w->value);
	*ret_size = size;
	return copy;
}

void wb_poller_detach_message(void *arg, struct wb_write *w)
{
	struct wb_poller *p = arg;
	size_t size;

	if (!w->message)
		return;
	w->copy = copy_message(w, &size);
	rd_kafka_message_destroy(w->message);
	w->message = NULL;
	atomic_fetch_add(&p->let_go_bytes, (long long)w->held_bytes - (long long)size);
	w->held_bytes = size;
}

void wb_poller_release_message(void *arg, struct wb_write *w)
{
	struct wb_poller *p = arg;

	if (!w->message && !w->copy)
		return;
	if (w->message)
		rd_kafka_message_destroy(w->message);
	free(w->copy);
	w->message = NULL;
	w->copy = NULL;
	w->key = w->value = w->document = (struct wb_slice){ NULL, 0 };
	atomic_fetch_add(&p->let_go_bytes, (long long)w->held_bytes);
}

size_t wb_poller_message_headers(void *arg, const struct wb_write *w, struct wb_header *headers, size_t max)
{
	size_t count;

	(void)arg;
	if (!w->copy)
		return read_headers(w, headers, max);
	count = w->copy->header_count;
	if (count && max)
		memcpy(headers, w->copy->headers, (count < max ? count : max) * sizeof *headers);
	return count;
}

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
	wb_poller_release_message(p, w);
	p->taken_bytes -= WB_WRITE_OVERHEAD_BYTES;
	leave_partition(part, w);
	wb_write_pool_put(&p->writes, &w);
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
	while ((w = wb_write_of(wb_list_pop(&finished))))
		finish(p, w);
	while ((w = wb_write_of(wb_list_pop(&returned))))
		wb_poller_take_handed_back(p, w);
	return any;
}
