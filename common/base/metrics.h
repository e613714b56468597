/* Counters, gauges and histograms, rendered in Prometheus' text format 0.0.4.
 *
 * Names are writebehind_…_total, _seconds, _bytes; labels are few and bounded, never a job id or a key. A series is
 * made once (get or make) and then updated without a lock. Series live as long as the registry, but for those whose owner
 * removes them. What a thread counts for each write it gathers in a tally or an integer of its own and tells once a turn.
 * Thread-safe: every function but those of a tally, which has one owner.
 */
#ifndef WB_COMMON_BASE_METRICS_H
#define WB_COMMON_BASE_METRICS_H

#include "common/base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct wb_metrics;
struct wb_counter;   /* only goes up; may hold fractions (request units, seconds) */
struct wb_gauge;
struct wb_histogram;

struct wb_metrics *wb_metrics_new(void);
void wb_metrics_free(struct wb_metrics **m);

/* Returns the series of that name and labels, making it if it is new; never NULL. name and help are literals that
 * outlive the registry; labels is "" or `status="429",op="upsert"` (values escaped by wb_metrics_label). */
struct wb_counter *wb_metrics_counter(struct wb_metrics *m, const char *name, const char *help, const char *labels);
struct wb_gauge *wb_metrics_gauge(struct wb_metrics *m, const char *name, const char *help, const char *labels);
/* bounds: ascending upper bounds, copied; +Inf is added. */
struct wb_histogram *wb_metrics_histogram(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	const double *bounds, size_t count);
/* A gauge whose value is asked at scrape time, on the scraping thread. */
void wb_metrics_gauge_fn(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	double (*value)(void *arg), void *arg);
/* The same for a counter: the function never returns less than before. */
void wb_metrics_counter_fn(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	double (*value)(void *arg), void *arg);

/* Takes a gauge's series away, which nobody may update any more; NULL is fine. A page that is being rendered may still show
 * it. Its labels may come again later, as a new series. */
void wb_metrics_remove_gauge(struct wb_metrics *m, const char *name, struct wb_gauge *g);

void wb_counter_add(struct wb_counter *c, double value); /* value >= 0 */
double wb_counter_value(const struct wb_counter *c);
void wb_gauge_set(struct wb_gauge *g, double value);
void wb_gauge_add(struct wb_gauge *g, double value);
void wb_histogram_observe(struct wb_histogram *h, double value);

/* Observations of one thread, gathered without atomics. */
#define WB_TALLY_BOUNDS_MAX 24
struct wb_tally {
	struct wb_histogram *histogram;
	const double *bounds; /* the histogram's */
	size_t count; /* of bounds, at most WB_TALLY_BOUNDS_MAX */
	size_t last; /* the bucket of the observation before: the next is mostly in the same */
	double sum;
	uint64_t observed;
	uint64_t hits[WB_TALLY_BOUNDS_MAX + 1];
};

/* For a histogram with at most WB_TALLY_BOUNDS_MAX bounds; more are a bug and abort. */
struct wb_tally wb_tally_make(struct wb_histogram *h);
static inline void wb_tally_observe(struct wb_tally *t, double value)
{
	size_t i = t->last;

	if ((i > 0 && value <= t->bounds[i - 1]) || (i < t->count && value > t->bounds[i])) {
		for (i = 0; i < t->count && value > t->bounds[i];)
			i++;
		t->last = i;
	}
	t->hits[i]++;
	t->sum += value;
	t->observed++;
}
/* Tells the histogram what was observed since the last time. */
void wb_tally_tell(struct wb_tally *t);

/* Appends key="value" with the value escaped as the format demands. */
void wb_metrics_label(struct wb_buf *labels, const char *key, struct wb_slice value);
/* Appends the whole page: HELP, TYPE and series of one name stand together. */
void wb_metrics_render(struct wb_metrics *m, struct wb_buf *ret);

#endif
