#include "common/base/metrics.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct wb_counter {
	_Atomic double value;
};
struct wb_gauge {
	_Atomic double value;
};
struct wb_histogram {
	_Atomic double sum;
	size_t count;
	double *bounds;             /* count of them */
	atomic_uint_fast64_t *hits; /* count + 1: the last is above all bounds */
};

struct series {
	union {
		struct wb_counter counter;
		struct wb_gauge gauge;
		struct wb_histogram histogram;
	} of;
	char *labels;
	double (*value)(void *arg); /* when set, asked for the value; under the registry's lock, as value_arg */
	void *value_arg;
	struct series *next;
};

struct family {
	const char *name, *help;
	enum kind kind;
	struct series *first, *last;
	struct family *next;
};

struct wb_metrics {
	pthread_mutex_t lock; /* around the lists; series are updated without it */
	struct family *first, *last;
	size_t series_count;
	size_t renders; /* pages being rendered, which look at series without the lock */
	struct series *removed; /* freed when no page is being rendered */
};

struct wb_metrics *wb_metrics_new(void)
{
	struct wb_metrics *m = wb_xcalloc(1, sizeof *m);

	wb_mutex_init(&m->lock);
	return m;
}

static void free_series(struct series *s, enum kind kind)
{
	if (kind == HISTOGRAM) {
		free(s->of.histogram.bounds);
		free(s->of.histogram.hits);
	}
	free(s->labels);
	free(s);
}

/* Nobody may be rendering. */
static void free_removed(struct wb_metrics *m)
{
	while (m->removed) {
		struct series *s = m->removed;

		m->removed = s->next;
		free_series(s, GAUGE);
	}
}

void wb_metrics_free(struct wb_metrics **m)
{
	struct family *f, *next_family;

	if (!*m)
		return;
	for (f = (*m)->first; f; f = next_family) {
		struct series *next;

		next_family = f->next;
		for (struct series *s = f->first; s; s = next) {
			next = s->next;
			free_series(s, f->kind);
		}
		free(f);
	}
	free_removed(*m);
	wb_mutex_release(&(*m)->lock);
	free(*m);
	*m = NULL;
}

/* The lock is held. */
static struct family *family_of(struct wb_metrics *m, enum kind kind, const char *name, const char *help)
{
	struct family *f;

	for (f = m->first; f; f = f->next) {
		if (strcmp(f->name, name) == 0) {
			assert(f->kind == kind);
			return f;
		}
	}
	f = wb_xcalloc(1, sizeof *f);
	f->name = name;
	f->help = help;
	f->kind = kind;
	if (m->last)
		m->last->next = f;
	else
		m->first = f;
	m->last = f;
	return f;
}

/* Finds the series or adds it; the caller fills a new one before it lets go of the lock. */
static struct series *series_of(struct wb_metrics *m, struct family *f, const char *labels, bool *ret_new)
{
	struct series *s;

	for (s = f->first; s; s = s->next) {
		if (strcmp(s->labels, labels) == 0) {
			*ret_new = false;
			return s;
		}
	}
	s = wb_xcalloc(1, sizeof *s);
	s->labels = wb_xstrdup(labels);
	if (f->last)
		f->last->next = s;
	else
		f->first = s;
	f->last = s;
	m->series_count++;
	*ret_new = true;
	return s;
}

struct wb_counter *wb_metrics_counter(struct wb_metrics *m, const char *name, const char *help, const char *labels)
{
	struct series *s;
	bool is_new;

	wb_mutex_lock(&m->lock);
	s = series_of(m, family_of(m, COUNTER, name, help), labels, &is_new);
	wb_mutex_unlock(&m->lock);
	return &s->of.counter;
}

struct wb_gauge *wb_metrics_gauge(struct wb_metrics *m, const char *name, const char *help, const char *labels)
{
	struct series *s;
	bool is_new;

	wb_mutex_lock(&m->lock);
	s = series_of(m, family_of(m, GAUGE, name, help), labels, &is_new);
	wb_mutex_unlock(&m->lock);
	return &s->of.gauge;
}

struct wb_histogram *wb_metrics_histogram(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	const double *bounds, size_t count)
{
	struct wb_histogram *h;
	bool is_new;

	wb_mutex_lock(&m->lock);
	h = &series_of(m, family_of(m, HISTOGRAM, name, help), labels, &is_new)->of.histogram;
	if (is_new) {
		h->count = count;
		h->bounds = wb_xcalloc(count, sizeof *bounds);
		memcpy(h->bounds, bounds, count * sizeof *bounds);
		h->hits = wb_xcalloc(count + 1, sizeof *h->hits);
	}
	wb_mutex_unlock(&m->lock);
	return h;
}

static void set_function(struct wb_metrics *m, enum kind kind, const char *name, const char *help, const char *labels,
	double (*value)(void *arg), void *arg)
{
	struct series *s;
	bool is_new;

	wb_mutex_lock(&m->lock);
	s = series_of(m, family_of(m, kind, name, help), labels, &is_new);
	s->value = value;
	s->value_arg = arg;
	wb_mutex_unlock(&m->lock);
}

void wb_metrics_gauge_fn(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	double (*value)(void *arg), void *arg)
{
	set_function(m, GAUGE, name, help, labels, value, arg);
}

void wb_metrics_counter_fn(struct wb_metrics *m, const char *name, const char *help, const char *labels,
	double (*value)(void *arg), void *arg)
{
	set_function(m, COUNTER, name, help, labels, value, arg);
}

void wb_metrics_remove_gauge(struct wb_metrics *m, const char *name, struct wb_gauge *g)
{
	struct series *before = NULL;
	struct family *f;

	if (!g)
		return;
	wb_mutex_lock(&m->lock);
	f = family_of(m, GAUGE, name, "");
	for (struct series *s = f->first; s; before = s, s = s->next) {
		if (&s->of.gauge != g)
			continue;
		if (before)
			before->next = s->next;
		else
			f->first = s->next;
		if (f->last == s)
			f->last = before;
		m->series_count--;
		s->next = m->removed;
		m->removed = s;
		break;
	}
	if (m->renders == 0)
		free_removed(m);
	wb_mutex_unlock(&m->lock);
}

static void add(_Atomic double *to, double value)
{
	double old = atomic_load_explicit(to, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(
		to, &old, old + value, memory_order_relaxed, memory_order_relaxed)) {
	}
}

void wb_counter_add(struct wb_counter *c, double value)
{
	assert(value >= 0);
	add(&c->value, value);
}

double wb_counter_value(const struct wb_counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

void wb_gauge_set(struct wb_gauge *g, double value)
{
	atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

void wb_gauge_add(struct wb_gauge *g, double value)
{
	add(&g->value, value);
}

void wb_histogram_observe(struct wb_histogram *h, double value)
{
	size_t i = 0;

	while (i < h->count && value > h->bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->hits[i], 1, memory_order_relaxed);
	add(&h->sum, value);
}

struct wb_tally wb_tally_make(struct wb_histogram *h)
{
	assert(h->count <= WB_TALLY_BOUNDS_MAX);
	return (struct wb_tally){ .histogram = h, .bounds = h->bounds, .count = h->count };
}

void wb_tally_tell(struct wb_tally *t)
{
	struct wb_histogram *h = t->histogram;

	if (t->observed == 0)
		return;
	for (size_t i = 0; i <= t->count; i++) {
		if (t->hits[i] > 0)
			atomic_fetch_add_explicit(&h->hits[i], t->hits[i], memory_order_relaxed);
		t->hits[i] = 0;
	}
	add(&h->sum, t->sum);
	t->sum = 0;
	t->observed = 0;
}

/* Escapes what the text format escapes: backslash and line feed, in label values quotes too. */
static void append_escaped(struct wb_buf *b, struct wb_slice s, bool quotes)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '\\' || c == '\n' || (quotes && c == '"'))
			wb_buf_append_char(b, '\\');
		wb_buf_append_char(b, c == '\n' ? 'n' : c);
	}
}

void wb_metrics_label(struct wb_buf *labels, const char *key, struct wb_slice value)
{
	if (labels->len > 0)
		wb_buf_append_char(labels, ',');
	wb_buf_append_cstr(labels, key);
	wb_buf_append_cstr(labels, "=\"");
	append_escaped(labels, value, true);
	wb_buf_append_char(labels, '"');
}

static void append_number(struct wb_buf *b, double value)
{
	if (isnan(value))
		wb_buf_append_cstr(b, "NaN");
	else if (isinf(value))
		wb_buf_append_cstr(b, value > 0 ? "+Inf" : "-Inf");
	else if (value == floor(value) && fabs(value) < 1e15)
		wb_buf_appendf(b, "%.0f", value);
	else
		wb_buf_appendf(b, "%.15g", value);
}

/* name{labels,extra} value */
static void append_sample(
	struct wb_buf *b, const char *name, const char *suffix, const char *labels, const char *extra, double value)
{
	wb_buf_append_cstr(b, name);
	wb_buf_append_cstr(b, suffix);
	if (*labels || *extra)
		wb_buf_appendf(b, "{%s%s%s}", labels, *labels && *extra ? "," : "", extra);
	wb_buf_append_char(b, ' ');
	append_number(b, value);
	wb_buf_append_char(b, '\n');
}

static void render_histogram(const struct family *f, const struct series *s, struct wb_buf *ret)
{
	const struct wb_histogram *h = &s->of.histogram;
	uint64_t total = 0;
	struct wb_buf le;

	wb_buf_init(&le, 64);
	for (size_t i = 0; i <= h->count; i++) {
		total += atomic_load_explicit(&h->hits[i], memory_order_relaxed);
		wb_buf_clear(&le);
		wb_buf_append_cstr(&le, "le=\"");
		append_number(&le, i < h->count ? h->bounds[i] : INFINITY);
		wb_buf_append_char(&le, '"');
		append_sample(ret, f->name, "_bucket", s->labels, le.data, (double)total);
	}
	append_sample(ret, f->name, "_sum", s->labels, "", atomic_load_explicit(&h->sum, memory_order_relaxed));
	append_sample(ret, f->name, "_count", s->labels, "", (double)total);
	wb_buf_release(&le);
}

static void render_head(const struct family *f, struct wb_buf *ret)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	wb_buf_appendf(ret, "# HELP %s ", f->name);
	append_escaped(ret, wb_slice_cstr(f->help), false);
	wb_buf_appendf(ret, "\n# TYPE %s %s\n", f->name, kinds[f->kind]);
}

/* What a scrape needs of a series, taken under the lock. */
struct shot {
	const struct family *family;
	const struct series *series;
	double (*value)(void *arg);
	void *value_arg;
};

/* Returns an array for free(). */
static struct shot *take_shots(struct wb_metrics *m, size_t *ret_count)
{
	struct shot *shots;
	size_t n = 0;

	wb_mutex_lock(&m->lock);
	m->renders++;
	shots = wb_xcalloc(m->series_count, sizeof *shots);
	for (const struct family *f = m->first; f; f = f->next) {
		for (const struct series *s = f->first; s; s = s->next)
			shots[n++] = (struct shot){ f, s, s->value, s->value_arg };
	}
	wb_mutex_unlock(&m->lock);
	*ret_count = n;
	return shots;
}

void wb_metrics_render(struct wb_metrics *m, struct wb_buf *ret)
{
	size_t count;
	/* Rendered without the lock, so that a value function may take locks of its own and make series. */
	struct shot *shots = take_shots(m, &count);

	for (size_t i = 0; i < count; i++) {
		const struct shot *s = &shots[i];

		if (i == 0 || shots[i - 1].family != s->family)
			render_head(s->family, ret);
		if (s->family->kind == HISTOGRAM)
			render_histogram(s->family, s->series, ret);
		else
			append_sample(ret, s->family->name, "", s->series->labels, "",
				s->value ? s->value(s->value_arg)
					 : atomic_load_explicit(&s->series->of.gauge.value, memory_order_relaxed));
	}
	free(shots);
	wb_mutex_lock(&m->lock);
	m->renders--;
	if (m->renders == 0)
		free_removed(m);
	wb_mutex_unlock(&m->lock);
}
