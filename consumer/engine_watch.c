#include "consumer/engine_internal.h"

#include "common/base/mem.h"

#include <stdio.h>

#define WATCH_MS 1000

/* Names that stand in two places. */
#define RANGE_LIMIT     "writebehind_cosmos_range_concurrency_limit"
#define RANGE_IN_FLIGHT "writebehind_cosmos_range_requests_in_flight"

void wb_engine_make_metrics(struct wb_engine *e)
{
	static const double operations[] = { 1, 2, 5, 10, 20, 50, 75, 99, 100 };
	static const double fill[] = { 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1 };
	struct wb_metrics *m = e->settings.metrics;
	struct wb_engine_metrics *to = &e->metrics;

	to->operations = wb_metrics_counter(
		m, "writebehind_cosmos_operations_total", "Operations sent to Cosmos DB, repeats included.", "");
	to->superseded = wb_metrics_counter(m, "writebehind_superseded_total",
		"Upserts that a newer one of their item replaced before they were known to be written.", "");
	to->items_read = wb_metrics_counter(
		m, "writebehind_cosmos_items_read_total", "Stored items read because a write was refused.", "");
	to->in_flight = wb_metrics_gauge(
		m, "writebehind_cosmos_requests_in_flight", "Requests without a reply yet.", "");
	to->ranges = wb_metrics_gauge(m, "writebehind_cosmos_ranges",
		"Partition key ranges that are sent to; one that several workers send to counts for each.", "");
	to->batch_operations = wb_metrics_histogram(m, "writebehind_cosmos_batch_operations", "Operations per request.",
		"", operations, WB_ARRAY_LEN(operations));
	to->batch_fill = wb_metrics_histogram(m, "writebehind_cosmos_batch_fill_ratio",
		"How full a bulk request was, by operations or bytes, whichever was nearer to its limit.", "", fill,
		WB_ARRAY_LEN(fill));
}

static void append_container(struct wb_buf *labels, const struct wb_range *range)
{
	wb_metrics_label(labels, "database", wb_slice_cstr(range->database));
	wb_metrics_label(labels, "container", wb_slice_cstr(range->container_name));
}

static void show_range(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_metrics *m = e->settings.metrics;
	struct wb_buf labels;
	char worker[16];

	(void)snprintf(worker, sizeof worker, "%u", e->settings.worker); /* it fits */
	wb_buf_init(&labels, 4096);
	append_container(&labels, rs->range);
	wb_metrics_label(&labels, "range", wb_slice_cstr(rs->range->id));
	wb_metrics_label(&labels, "worker", wb_slice_cstr(worker));
	rs->limit = wb_metrics_gauge(
		m, RANGE_LIMIT, "How many requests to a range may be in flight at once now.", labels.data);
	rs->in_flight = wb_metrics_gauge(
		m, RANGE_IN_FLIGHT, "Requests to a range that are in flight, looked at once a second.", labels.data);
	e->ranges_shown++;
	wb_buf_release(&labels);
}

void wb_engine_watch_range(struct wb_engine *e, struct wb_range_state *rs)
{
	struct wb_metrics *m = e->settings.metrics;
	struct wb_buf labels;

	wb_buf_init(&labels, 4096);
	append_container(&labels, rs->range);
	rs->request_units = wb_metrics_counter(
		m, "writebehind_cosmos_request_units_total", "Request units that Cosmos DB charged.", labels.data);
	rs->throttled_seconds = wb_metrics_counter(m, "writebehind_cosmos_throttled_seconds_total",
		"Time for which ranges were not sent to because they had refused what they were sent, as with 429; "
		"summed over the ranges.",
		labels.data);
	wb_buf_release(&labels);
	rs->throttled_counted_ms = e->now_ms;
	wb_gauge_add(e->metrics.ranges, 1);
}

void wb_engine_unwatch_range(struct wb_engine *e, struct wb_range_state *rs)
{
	wb_engine_count_throttled(e, rs);
	wb_gauge_add(e->metrics.ranges, -1);
	if (!rs->limit)
		return;
	wb_metrics_remove_gauge(e->settings.metrics, RANGE_LIMIT, rs->limit);
	wb_metrics_remove_gauge(e->settings.metrics, RANGE_IN_FLIGHT, rs->in_flight);
	e->ranges_shown--;
}

static double fill_of(const struct wb_batch *b)
{
	double operations = (double)b->writes.count / WB_BULK_OPERATIONS_MAX;
	double bytes = (double)b->body.bytes / WB_BULK_BYTES_MAX;
	double fill = operations > bytes ? operations : bytes;

	return fill < 1 ? fill : 1; /* a write may be larger than a bulk should be */
}

void wb_engine_count_sent(struct wb_engine *e, const struct wb_batch *b)
{
	wb_gauge_add(e->metrics.in_flight, 1);
	wb_counter_add(e->metrics.operations, (double)b->writes.count);
	wb_histogram_observe(e->metrics.batch_operations, (double)b->writes.count);
	if (!b->point)
		wb_histogram_observe(e->metrics.batch_fill, fill_of(b));
}

static int known_status(int status)
{
	return status > 0 && status < WB_STATUS_MAX ? status : 0;
}

void wb_engine_count_reply(struct wb_engine *e, struct wb_range_state *rs, const struct wb_reply *reply)
{
	int status = known_status(reply->status);
	struct wb_counter **counter = &e->metrics.status[status];

	if (!*counter) {
		char labels[32];

		(void)snprintf(labels, sizeof labels, "status=\"%d\"", status); /* it fits */
		*counter = wb_metrics_counter(e->settings.metrics, "writebehind_cosmos_requests_total",
			"Requests to Cosmos DB by the status of their reply; 0: none came.", labels);
	}
	wb_counter_add(*counter, 1);
	wb_counter_add(rs->request_units, reply->request_charge);
	rs->request_charge += reply->request_charge;
}

static void tell_retries(struct wb_engine *e)
{
	static const char *const kinds[WB_RETRY_KINDS] = { "throttled", "outage", "alone", "routing" };
	struct wb_engine_uncounted *u = &e->uncounted;
	struct wb_counter **counter = &e->metrics.retries[u->kind][u->status];

	if (u->retries == 0)
		return;
	if (!*counter) {
		char labels[64];

		(void)snprintf(
			labels, sizeof labels, "kind=\"%s\",status=\"%d\"", kinds[u->kind], u->status); /* they fit */
		*counter = wb_metrics_counter(e->settings.metrics, "writebehind_cosmos_retries_total",
			"Operations that have to be sent again, by why and the status that said so; 0: no reply.",
			labels);
	}
	wb_counter_add(*counter, u->retries);
	u->retries = 0;
}

void wb_engine_count_retries(struct wb_engine *e, enum wb_retry_kind kind, int status, size_t operations)
{
	struct wb_engine_uncounted *u = &e->uncounted;

	status = known_status(status);
	if (u->kind != kind || u->status != status) {
		tell_retries(e);
		u->kind = kind;
		u->status = status;
	}
	u->retries += (unsigned)operations;
}

void wb_engine_tell_counts(struct wb_engine *e)
{
	tell_retries(e);
	if (e->uncounted.superseded > 0)
		wb_counter_add(e->metrics.superseded, e->uncounted.superseded);
	e->uncounted.superseded = 0;
}

void wb_engine_count_throttled(struct wb_engine *e, struct wb_range_state *rs)
{
	int64_t until_ms = rs->throttle.throttled_until_ms;
	int64_t end_ms = until_ms < e->now_ms ? until_ms : e->now_ms;

	if (end_ms > rs->throttled_counted_ms)
		wb_counter_add(rs->throttled_seconds, (double)(end_ms - rs->throttled_counted_ms) / 1000);
	rs->throttled_counted_ms = e->now_ms;
}

void wb_engine_watch(struct wb_engine *e)
{
	if (e->now_ms - e->watched_ms < WATCH_MS)
		return;
	e->watched_ms = e->now_ms;
	for (struct wb_range_state *rs = e->ranges; rs; rs = rs->next) {
		wb_engine_count_throttled(e, rs);
		if (!rs->limit && e->ranges_shown < e->settings.ranges_shown_max)
			show_range(e, rs);
		if (!rs->limit)
			continue;
		wb_gauge_set(rs->limit, wb_concurrency_places(&rs->throttle.concurrency));
		wb_gauge_set(rs->in_flight, rs->throttle.in_flight);
	}
}

static int64_t ago_ms(const struct wb_engine *e, int64_t since_ms)
{
	return e->now_ms > since_ms ? e->now_ms - since_ms : 0;
}

static bool is_in_trouble(const struct wb_engine *e, const struct wb_range_state *rs)
{
	return rs->outage || rs->refused_since_ms || wb_throttle_is_held_up(&rs->throttle, e->now_ms);
}

static struct wb_range_snapshot range_snapshot(const struct wb_engine *e, const struct wb_range_state *rs)
{
	int64_t until_ms = rs->throttle.throttled_until_ms;
	struct wb_range_snapshot s = { .database = rs->range->database,
		.container = rs->range->container_name,
		.bulk = rs->range->bulk,
		.worker = e->settings.worker,
		.ready = rs->ready.count,
		.failed_requests = rs->again.count,
		.in_flight = rs->throttle.in_flight,
		.limit = wb_concurrency_places(&rs->throttle.concurrency),
		.throttled_for_ms = until_ms > e->now_ms ? until_ms - e->now_ms : 0,
		.outage_ms = rs->outage ? ago_ms(e, rs->outage_since_ms) : -1,
		.refused_ms = rs->refused_since_ms ? ago_ms(e, rs->refused_since_ms) : -1,
		.request_charge = rs->request_charge };

	memcpy(s.id, rs->range->id, sizeof s.id);
	return s;
}

static void snapshot_ranges(const struct wb_engine *e, struct wb_snapshot *ret, bool in_trouble)
{
	for (const struct wb_range_state *rs = e->ranges; rs; rs = rs->next) {
		if (is_in_trouble(e, rs) == in_trouble && ret->range_count < e->settings.ranges_shown_max)
			ret->ranges[ret->range_count++] = range_snapshot(e, rs);
	}
}

void wb_engine_snapshot(const struct wb_engine *e, struct wb_snapshot *ret)
{
	const struct wb_write *w = e->oldest;

	for (const struct wb_range_state *rs = e->ranges; rs; rs = rs->next)
		ret->ranges_total++;
	ret->ranges = wb_xcalloc(
		ret->ranges_total < e->settings.ranges_shown_max ? ret->ranges_total : e->settings.ranges_shown_max,
		sizeof *ret->ranges);
	snapshot_ranges(e, ret, true);
	snapshot_ranges(e, ret, false);
	for (; w && ret->held_count < WB_SNAPSHOT_HELD_MAX; w = w->entered_after)
		wb_snapshot_hold(ret, w, w->range ? w->range->database : NULL,
			w->range ? w->range->container_name : NULL, e->now_ms);
	ret->held_total = e->held;
}
