#include "common/http/admin.h"

#include "common/base/version.h"
#include "tests/unit/common/http/client.h"

#include <jansson.h>

struct fixture {
	struct wb_admin admin;
	struct wb_http_server *server;
};

static void start(struct fixture *f, bool with_lifecycle)
{
	struct wb_http_route routes[WB_ADMIN_ROUTES];
	struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ADMIN_ROUTES,
		.threads = 1,
		.max_connections = 5,
		.idle_timeout_ms = 30000 };
	struct wb_error e;

	f->admin = (struct wb_admin){ .program = "writebehind-test" };
	f->admin.lifecycle = with_lifecycle ? wb_lifecycle_new() : NULL;
	f->admin.health = wb_health_new();
	f->admin.metrics = wb_metrics_new();
	wb_admin_routes(&f->admin, routes);
	f->server = wb_http_server_new(&settings, &e);
	assert_non_null(f->server);
}

static void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	wb_metrics_free(&f->admin.metrics);
	wb_health_free(&f->admin.health);
	wb_lifecycle_free(&f->admin.lifecycle);
}

static struct answer get(const struct fixture *f, const char *path)
{
	char head[100];

	(void)snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n", path);
	return client_once(wb_http_server_address(f->server), head, NULL, 0);
}

static void assert_ready(const struct fixture *f, int status, const char *why)
{
	struct answer a = get(f, "/readyz");
	json_t *page = json_loads(a.body, 0, NULL);

	assert_int_equal(a.status, status);
	assert_non_null(page);
	assert_int_equal(json_is_true(json_object_get(page, "ready")), status == 200);
	if (why)
		assert_non_null(strstr(a.body, why));
	json_decref(page);
	answer_release(&a);
}

static void ready_follows_health_and_lifecycle(void **state)
{
	struct fixture f;
	struct answer a;

	(void)state;
	start(&f, true);
	wb_health_set(f.admin.health, "kafka", false, "not connected");
	assert_ready(&f, 503, "not connected");
	wb_health_set(f.admin.health, "kafka", true, NULL);
	assert_ready(&f, 200, NULL);
	wb_lifecycle_stop(f.admin.lifecycle, 0, "test");
	assert_ready(&f, 503, "draining");
	/* Alive all the same. */
	a = get(&f, "/livez");
	assert_int_equal(a.status, 200);
	answer_release(&a);
	stop(&f);
}

static void the_version_is_told(void **state)
{
	struct fixture f;
	struct answer a;
	json_t *page;

	(void)state;
	start(&f, false);
	a = get(&f, "/version");
	page = json_loads(a.body, 0, NULL);
	assert_non_null(page);
	assert_string_equal(json_string_value(json_object_get(page, "program")), "writebehind-test");
	assert_string_equal(json_string_value(json_object_get(page, "version")), WB_VERSION);
	json_decref(page);
	answer_release(&a);
	stop(&f);
}

/* The value of a series on the page, or -1. */
static double value_of(const char *page, const char *series)
{
	char start_of_line[200];
	const char *line;

	(void)snprintf(start_of_line, sizeof start_of_line, "\n%s ", series);
	line = strstr(page, start_of_line);
	return line ? strtod(line + strlen(start_of_line), NULL) : -1;
}

static void metrics_tell_of_the_process_too(void **state)
{
	struct fixture f;
	struct answer a;
	char header[512];

	(void)state;
	start(&f, false);
	wb_admin_process_metrics(f.admin.metrics, "writebehind-test");
	wb_counter_add(wb_metrics_counter(f.admin.metrics, "writebehind_test_total", "Tests", ""), 3);
	a = get(&f, "/metrics");
	assert_int_equal(a.status, 200);
	assert_string_equal(client_find_header(&a, "Content-Type", header), "text/plain; version=0.0.4; charset=utf-8");
	assert_true(value_of(a.body, "writebehind_test_total") == 3);
	assert_true(value_of(a.body, "process_resident_memory_bytes") > 1e6);
	assert_true(value_of(a.body, "process_open_fds") >= 4);
	assert_true(value_of(a.body, "process_open_fds") < 100);
	assert_true(value_of(a.body, "process_cpu_seconds_total") >= 0);
	assert_non_null(strstr(a.body, "# TYPE process_cpu_seconds_total counter\n"));
	assert_true(value_of(a.body, "process_start_time_seconds") > 1.7e9);
	assert_true(value_of(a.body,
			    "writebehind_build_info{program=\"writebehind-test\",version=\"" WB_VERSION "\"}") == 1);
	answer_release(&a);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_follows_health_and_lifecycle),
		cmocka_unit_test(the_version_is_told),
		cmocka_unit_test(metrics_tell_of_the_process_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
