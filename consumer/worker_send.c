#include "consumer/worker_internal.h"

#include "common/base/clock.h"
#include "consumer/path.h"

#include <stdio.h>

/* A header line with a partition key: each of its bytes may have become \uXXXX. */
#define KEY_HEADER_MAX  (64 * 1024)
#define DELETE_PATH_MAX (64 * 1024)

static bool is_full(const struct wb_range_state *rs)
{
	return !rs->bulk || rs->ready.count >= WB_BULK_OPERATIONS_MAX || rs->ready_bytes >= WB_BULK_BYTES_MAX;
}

/* Takes the next writes that travel together. A write that is larger than a whole bulk goes alone, and so does one that
 * makes every request fail that carries it: its neighbours would fail with it. */
static struct wb_batch *form(struct wb_worker *w, struct wb_range_state *rs)
{
	struct wb_batch *b = wb_worker_batch(w, rs);
	size_t max = b->point ? 1 : WB_BULK_OPERATIONS_MAX;
	size_t bytes = 0;

	while (rs->ready.head && b->writes.count < max) {
		struct wb_write *write = wb_write_of(rs->ready.head);

		bytes += wb_bulk_operation_size(write);
		if (b->writes.count > 0 && (bytes > WB_BULK_BYTES_MAX || write->alone))
			break;
		wb_list_push(&b->writes, &wb_worker_pop_ready(rs)->link);
		if (write->alone)
			break;
	}
	if (rs->ready.head)
		rs->ready_since_ms = wb_clock_mono_ms();
	return b;
}

/* The batch to send next, or NULL: none, or one that had better wait for more until *ret_wait_ms. */
static struct wb_batch *next_batch(struct wb_worker *w, struct wb_range_state *rs, int64_t now_ms, int64_t *ret_wait_ms)
{
	struct wb_link *link = wb_list_pop(&rs->again);
	int64_t linger_ms = w->settings.options->bulk_linger_ms;

	if (link)
		return WB_CONTAINER_OF(link, struct wb_batch, link);
	if (!rs->ready.head)
		return NULL;
	if (!is_full(rs) && rs->throttle.in_flight > 0 && now_ms - rs->ready_since_ms < linger_ms) {
		*ret_wait_ms = rs->ready_since_ms + linger_ms;
		return NULL;
	}
	return form(w, rs);
}

/* What ended since it was made ready goes back; false when nothing is left. */
static bool drop_ended(struct wb_worker *w, struct wb_batch *b)
{
	struct wb_list all = b->writes;
	struct wb_write *write;

	b->writes = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all)))) {
		if (wb_worker_has_ended(NULL, write))
			wb_worker_hand_back(w, write);
		else
			wb_list_push(&b->writes, &write->link);
	}
	return b->writes.head != NULL;
}

static void send_bulk(struct wb_worker *w, struct wb_batch *b)
{
	const struct wb_container *container = b->range->range->container;
	char range_header[WB_RANGE_ID_SIZE + 64];
	const char *headers[] = { WB_BULK_HEADERS, range_header, NULL };
	struct wb_request request = { .verb = "POST",
		.path = wb_container_docs_path(container),
		.type = "docs",
		.link = wb_container_link(container),
		.headers = headers };

	(void)snprintf(range_header, sizeof range_header, WB_BULK_RANGE_HEADER "%s",
		b->range->range->id); /* it fits: ids are shorter */
	wb_buf_clear(&b->body);
	wb_bulk_begin(&b->body);
	for (struct wb_link *link = b->writes.head; link; link = link->next)
		wb_bulk_append(&b->body, wb_write_of(link));
	wb_bulk_end(&b->body);
	request.body = wb_buf_slice(&b->body);
	wb_transport_send(w->transport, &request, wb_worker_replied, b);
}

static void send_point_upsert(struct wb_worker *w, struct wb_batch *b, const char *key_header)
{
	const struct wb_write *write = wb_write_of(b->writes.head);
	const char *headers[] = { "x-ms-documentdb-is-upsert: true", key_header, "Prefer: return=minimal", NULL };
	struct wb_request request = { .verb = "POST",
		.path = wb_container_docs_path(write->container),
		.type = "docs",
		.link = wb_container_link(write->container),
		.headers = headers,
		.body = write->document };

	wb_transport_send(w->transport, &request, wb_worker_replied, b);
}

static void send_point_delete(struct wb_worker *w, struct wb_batch *b, const char *key_header)
{
	const struct wb_write *write = wb_write_of(b->writes.head);
	const char *headers[] = { key_header, NULL };
	struct wb_request request = { .verb = "DELETE", .type = "docs", .headers = headers };
	struct wb_buf path, link;

	wb_buf_init(&path, DELETE_PATH_MAX);
	wb_buf_init(&link, DELETE_PATH_MAX);
	wb_buf_append_cstr(&path, wb_container_docs_path(write->container));
	wb_buf_append_char(&path, '/');
	wb_path_append(&path, write->id);
	wb_buf_append_slice(&link, wb_container_link(write->container));
	wb_buf_append_cstr(&link, "/docs/");
	wb_buf_append_slice(&link, write->id);
	request.path = path.data;
	request.link = wb_buf_slice(&link);
	wb_transport_send(w->transport, &request, wb_worker_replied, b);
	wb_buf_release(&path);
	wb_buf_release(&link);
}

static void send_point(struct wb_worker *w, struct wb_batch *b)
{
	const struct wb_write *write = wb_write_of(b->writes.head);
	struct wb_buf key_header;

	wb_buf_init(&key_header, KEY_HEADER_MAX);
	wb_buf_append_cstr(&key_header, "x-ms-documentdb-partitionkey: ");
	wb_buf_append_slice(&key_header, write->pk_text);
	if (write->op == WB_OP_DELETE)
		send_point_delete(w, b, key_header.data);
	else
		send_point_upsert(w, b, key_header.data);
	wb_buf_release(&key_header);
}

static void send(struct wb_worker *w, struct wb_batch *b)
{
	for (struct wb_link *link = b->writes.head; link; link = link->next) {
		wb_write_advance(wb_write_of(link), WB_WRITE_IN_FLIGHT);
		wb_write_of(link)->attempts++;
	}
	b->sent_us = wb_clock_mono_us();
	b->flying_next = w->flying;
	b->flying_prev = &w->flying;
	if (b->flying_next)
		b->flying_next->flying_prev = &b->flying_next;
	w->flying = b;
	wb_throttle_sent(&b->range->throttle);
	wb_gauge_add(w->metrics.in_flight, 1);
	wb_counter_add(w->metrics.operations, (double)b->writes.count);
	wb_histogram_observe(w->metrics.batch_operations, (double)b->writes.count);
	if (b->point)
		send_point(w, b);
	else
		send_bulk(w, b);
}

int64_t wb_worker_serve_range(struct wb_worker *w, struct wb_range_state *rs, int64_t now_ms)
{
	int64_t wait_ms = INT64_MAX;

	while (wb_throttle_may_send(&rs->throttle, now_ms)) {
		struct wb_batch *b = next_batch(w, rs, now_ms, &wait_ms);

		if (!b)
			return wait_ms;
		if (drop_ended(w, b))
			send(w, b);
		else
			wb_worker_batch_done(w, b);
	}
	return rs->again.head || rs->ready.head ? wb_throttle_next_ms(&rs->throttle, now_ms) : INT64_MAX;
}
