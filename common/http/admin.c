#include "common/http/admin.h"

#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/http/problem.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE_MAX (8 * 1024 * 1024)

static void on_livez(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 200, "text/plain", wb_slice_cstr("ok\n"), NULL);
}

static bool is_draining(const struct wb_admin *admin)
{
	return admin->lifecycle && wb_lifecycle_state(admin->lifecycle) >= WB_DRAINING;
}

static double ready_value(void *arg)
{
	const struct wb_admin *admin = arg;

	return !is_draining(admin) && wb_health_ready(admin->health);
}

static void on_readyz(void *arg, struct wb_http_request *r)
{
	const struct wb_admin *admin = arg;
	bool draining = is_draining(admin);
	unsigned status = !draining && wb_health_ready(admin->health) ? 200 : 503;
	struct wb_buf body;

	wb_buf_init(&body, PAGE_MAX);
	if (draining)
		wb_buf_append_cstr(&body, "{\"ready\":false,\"draining\":true,\"conditions\":[]}");
	else
		wb_health_render(admin->health, &body);
	wb_http_respond_buf(r, status, "application/json", &body, NULL);
}

static void on_metrics(void *arg, struct wb_http_request *r)
{
	const struct wb_admin *admin = arg;
	struct wb_buf body;

	wb_buf_init(&body, PAGE_MAX);
	wb_metrics_render(admin->metrics, &body);
	if (wb_buf_status(&body) == WB_OK) {
		wb_http_respond_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &body, NULL);
		return;
	}
	wb_buf_release(&body);
	wb_problem_respond(r,
		&(struct wb_problem){ .status = 500,
			.code = "page-too-large",
			.detail = "the metrics do not fit a page",
			.index = -1 });
}

static void on_version(void *arg, struct wb_http_request *r)
{
	const struct wb_admin *admin = arg;
	struct wb_buf body;

	wb_buf_init(&body, 4096);
	wb_buf_appendf(&body, "{\"program\":\"%s\",\"version\":\"%s\"}\n", admin->program, WB_VERSION);
	wb_http_respond_buf(r, 200, "application/json", &body, NULL);
}

void wb_admin_routes(struct wb_admin *admin, struct wb_http_route ret[WB_ADMIN_ROUTES])
{
	const struct wb_http_route routes[WB_ADMIN_ROUTES] = {
		{ .method = "GET", .path = "/livez", .handler = on_livez, .arg = admin },
		{ .method = "GET", .path = "/readyz", .handler = on_readyz, .arg = admin },
		{ .method = "GET", .path = "/metrics", .handler = on_metrics, .arg = admin },
		{ .method = "GET", .path = "/version", .handler = on_version, .arg = admin },
	};

	memcpy(ret, routes, sizeof routes);
	wb_metrics_gauge_fn(
		admin->metrics, "writebehind_ready", "1 while /readyz says 200, else 0", "", ready_value, admin);
}

/* The process metrics have the names that every Prometheus client library gives them. */
static double resident_bytes(void *arg)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	(void)arg;
	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void *arg)
{
	struct rusage u;

	(void)arg;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double open_files(void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	double count = 0;

	(void)arg;
	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count - 3; /* ".", ".." and the listing's own */
}

void wb_admin_process_metrics(struct wb_metrics *metrics, const char *program)
{
	char labels[128];

	wb_metrics_gauge_fn(metrics, "process_resident_memory_bytes", "Resident memory", "", resident_bytes, NULL);
	wb_metrics_counter_fn(metrics, "process_cpu_seconds_total", "User and system CPU time", "", cpu_seconds, NULL);
	wb_metrics_gauge_fn(metrics, "process_open_fds", "Open file descriptors", "", open_files, NULL);
	wb_gauge_set(wb_metrics_gauge(metrics, "process_start_time_seconds", "Start of the process, Unix time", ""),
		(double)wb_clock_wall_ms() / 1000);
	(void)snprintf(labels, sizeof labels, "program=\"%s\",version=\"%s\"", program, WB_VERSION);
	wb_gauge_set(wb_metrics_gauge(metrics, "writebehind_build_info", "1, with the version as label", labels), 1);
}
