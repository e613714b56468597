#include "common/base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_page(struct wb_metrics *m, const char *expected)
{
	struct wb_buf page;

	wb_buf_init(&page, 100000);
	wb_metrics_render(m, &page);
	assert_int_equal(wb_buf_status(&page), WB_OK);
	assert_string_equal(wb_buf_slice(&page).data, expected);
	wb_buf_release(&page);
}

static void an_empty_registry_is_an_empty_page(void **state)
{
	struct wb_metrics *m = wb_metrics_new();

	(void)state;
	assert_page(m, "");
	wb_metrics_free(&m);
	assert_null(m);
	wb_metrics_free(&m);
}

static void series_of_one_name_stand_together(void **state)
{
	struct wb_metrics *m = wb_metrics_new();

	(void)state;
	wb_counter_add(wb_metrics_counter(m, "w_total", "Writes", "op=\"upsert\""), 2);
	wb_gauge_set(wb_metrics_gauge(m, "g_bytes", "Bytes", ""), -1.5);
	wb_counter_add(wb_metrics_counter(m, "w_total", "Writes", "op=\"delete\""), 0.25);
	assert_page(m,
		"# HELP w_total Writes\n# TYPE w_total counter\nw_total{op=\"upsert\"} 2\nw_total{op=\"delete\"} 0.25\n"
		"# HELP g_bytes Bytes\n# TYPE g_bytes gauge\ng_bytes -1.5\n");
	wb_metrics_free(&m);
}

static void the_same_labels_are_the_same_series(void **state)
{
	struct wb_metrics *m = wb_metrics_new();
	struct wb_counter *a = wb_metrics_counter(m, "a_total", "A", "x=\"1\"");

	(void)state;
	assert_ptr_equal(wb_metrics_counter(m, "a_total", "A", "x=\"1\""), a);
	assert_ptr_not_equal(wb_metrics_counter(m, "a_total", "A", "x=\"2\""), a);
	wb_counter_add(a, 1);
	wb_counter_add(wb_metrics_counter(m, "a_total", "A", "x=\"1\""), 1);
	assert_true(wb_counter_value(a) == 2);
	wb_metrics_free(&m);
}

static void histograms_count_up_to_each_bound(void **state)
{
	static const double bounds[] = { 0.1, 1 };
	struct wb_metrics *m = wb_metrics_new();
	struct wb_histogram *h = wb_metrics_histogram(m, "t_seconds", "Time", "r=\"x\"", bounds, 2);

	(void)state;
	assert_ptr_equal(wb_metrics_histogram(m, "t_seconds", "Time", "r=\"x\"", bounds, 2), h);
	wb_histogram_observe(h, 0.1); /* a bound belongs to its bucket */
	wb_histogram_observe(h, 0.5);
	wb_histogram_observe(h, 7);
	assert_page(m,
		"# HELP t_seconds Time\n# TYPE t_seconds histogram\n"
		"t_seconds_bucket{r=\"x\",le=\"0.1\"} 1\nt_seconds_bucket{r=\"x\",le=\"1\"} 2\n"
		"t_seconds_bucket{r=\"x\",le=\"+Inf\"} 3\nt_seconds_sum{r=\"x\"} 7.6\nt_seconds_count{r=\"x\"} 3\n");
	wb_metrics_free(&m);
}

static void a_tally_tells_all_at_once_what_it_gathered(void **state)
{
	static const double bounds[] = { 1, 2, 5 };
	static const double values[] = { 0, 1, 1.5, 2, 9, 5, 0.5, 7 };
	struct wb_metrics *m = wb_metrics_new();
	struct wb_tally t = wb_tally_make(wb_metrics_histogram(m, "t", "T", "", bounds, 3));

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		wb_tally_observe(&t, values[i]);
	assert_page(m,
		"# HELP t T\n# TYPE t histogram\nt_bucket{le=\"1\"} 0\nt_bucket{le=\"2\"} 0\nt_bucket{le=\"5\"} 0\n"
		"t_bucket{le=\"+Inf\"} 0\nt_sum 0\nt_count 0\n");
	wb_tally_tell(&t);
	wb_tally_tell(&t); /* nothing new */
	assert_page(m,
		"# HELP t T\n# TYPE t histogram\nt_bucket{le=\"1\"} 3\nt_bucket{le=\"2\"} 5\nt_bucket{le=\"5\"} 6\n"
		"t_bucket{le=\"+Inf\"} 8\nt_sum 26\nt_count 8\n");
	wb_metrics_free(&m);
}

static void a_removed_series_is_gone_and_may_come_again(void **state)
{
	struct wb_metrics *m = wb_metrics_new();
	struct wb_gauge *a = wb_metrics_gauge(m, "g", "G", "r=\"1\""), *b = wb_metrics_gauge(m, "g", "G", "r=\"2\"");

	(void)state;
	wb_gauge_set(b, 2);
	wb_metrics_remove_gauge(m, "g", a);
	wb_metrics_remove_gauge(m, "g", NULL);
	assert_page(m, "# HELP g G\n# TYPE g gauge\ng{r=\"2\"} 2\n");
	wb_gauge_set(wb_metrics_gauge(m, "g", "G", "r=\"1\""), 1);
	assert_page(m, "# HELP g G\n# TYPE g gauge\ng{r=\"2\"} 2\ng{r=\"1\"} 1\n");
	wb_metrics_remove_gauge(m, "g", wb_metrics_gauge(m, "g", "G", "r=\"1\"")); /* the last */
	wb_metrics_remove_gauge(m, "g", b);
	assert_page(m, ""); /* a name without series is not shown */
	(void)wb_metrics_gauge(m, "g", "G", "");
	assert_page(m, "# HELP g G\n# TYPE g gauge\ng 0\n");
	wb_metrics_free(&m);
}

static void text_is_escaped(void **state)
{
	struct wb_metrics *m = wb_metrics_new();
	struct wb_buf labels;

	(void)state;
	wb_buf_init(&labels, 100);
	wb_metrics_label(&labels, "a", wb_slice_cstr("q\"b\\n\n"));
	wb_metrics_label(&labels, "b", wb_slice_cstr(""));
	assert_string_equal(labels.data, "a=\"q\\\"b\\\\n\\n\",b=\"\"");
	wb_gauge_set(wb_metrics_gauge(m, "g", "one \\ \"line\"\nor two", labels.data), INFINITY);
	assert_page(m, "# HELP g one \\\\ \"line\"\\nor two\n# TYPE g gauge\ng{a=\"q\\\"b\\\\n\\n\",b=\"\"} +Inf\n");
	wb_buf_release(&labels);
	wb_metrics_free(&m);
}

static void numbers_keep_their_digits(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0, "0" }, { 9007199254740.0, "9007199254740" }, { 1e18, "1e+18" }, { 0.1, "0.1" },
		{ -INFINITY, "-Inf" }, { NAN, "NaN" } };
	char page[100];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wb_metrics *m = wb_metrics_new();

		wb_gauge_set(wb_metrics_gauge(m, "g", "G", ""), cases[i].value);
		(void)snprintf(page, sizeof page, "# HELP g G\n# TYPE g gauge\ng %s\n", cases[i].text);
		assert_page(m, page);
		wb_metrics_free(&m);
	}
}

struct asking {
	struct wb_metrics *metrics;
	double value;
};

/* Uses the registry while it is rendered, as a function that takes locks of its own may. */
static double ask(void *arg)
{
	struct asking *a = arg;

	wb_counter_add(wb_metrics_counter(a->metrics, "asked_total", "Asked", ""), 1);
	return a->value;
}

static void functions_are_asked_at_scrape_time(void **state)
{
	struct wb_metrics *m = wb_metrics_new();
	struct asking a = { m, 1 };

	(void)state;
	wb_metrics_gauge_fn(m, "g", "G", "", ask, &a);
	a.value = 5;
	assert_page(m, "# HELP g G\n# TYPE g gauge\ng 5\n");
	a.value = 6;
	assert_page(m,
		"# HELP g G\n# TYPE g gauge\ng 6\n# HELP asked_total Asked\n# TYPE asked_total counter\nasked_total "
		"2\n");
	wb_metrics_free(&m);
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *hammer(void *arg)
{
	static const double bounds[] = { 1 };
	struct wb_metrics *m = arg;
	struct wb_gauge *comes;
	struct wb_buf page;
	char labels[64];

	(void)snprintf(labels, sizeof labels, "thread=\"%p\"", (void *)&page);
	wb_buf_init(&page, 100000);
	for (int i = 0; i < ROUNDS; i++) {
		wb_counter_add(wb_metrics_counter(m, "c_total", "C", ""), 1);
		wb_gauge_add(wb_metrics_gauge(m, "g", "G", ""), i % 2 ? 1 : -1);
		wb_histogram_observe(wb_metrics_histogram(m, "h", "H", "", bounds, 1), i % 3);
		comes = wb_metrics_gauge(m, "comes_and_goes", "C", labels);
		wb_gauge_set(comes, i);
		wb_metrics_remove_gauge(m, "comes_and_goes", comes);
		if (i % 1000 == 0)
			wb_metrics_render(m, &page);
	}
	wb_buf_release(&page);
	return NULL;
}

static void no_update_is_lost_between_threads(void **state)
{
	struct wb_metrics *m = wb_metrics_new();
	pthread_t threads[THREADS];
	struct wb_buf page;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, m), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(wb_counter_value(wb_metrics_counter(m, "c_total", "C", "")) == THREADS * ROUNDS);
	wb_buf_init(&page, 100000);
	wb_metrics_render(m, &page);
	assert_non_null(strstr(page.data, "\ng 0\n"));
	assert_non_null(strstr(page.data, "\nh_count 20000\n"));
	wb_buf_release(&page);
	wb_metrics_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_registry_is_an_empty_page),
		cmocka_unit_test(series_of_one_name_stand_together),
		cmocka_unit_test(the_same_labels_are_the_same_series),
		cmocka_unit_test(histograms_count_up_to_each_bound),
		cmocka_unit_test(a_tally_tells_all_at_once_what_it_gathered),
		cmocka_unit_test(a_removed_series_is_gone_and_may_come_again),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(numbers_keep_their_digits),
		cmocka_unit_test(functions_are_asked_at_scrape_time),
		cmocka_unit_test(no_update_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
