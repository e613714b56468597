/* The life of a server: its settings, its loops, and their end. */
#include "common/base/mem.h"
#include "common/http/server_internal.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define HEADER_TIMEOUT_MS 10000
/* Descriptors that are no client's connection: the program's own, and connections about to be closed. */
#define OTHER_FILES 512

/* Returns how many connections the limit of open files allows, at most those that are wanted; raises it where it may. */
static unsigned allowed_connections(const struct wb_http_settings *settings)
{
	unsigned wanted = settings->max_connections;
	struct rlimit limit;
	rlim_t need = (rlim_t)wanted + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
		return wanted;
	limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	if (limit.rlim_cur >= need)
		return wanted;
	wanted = limit.rlim_cur > 2 * OTHER_FILES ? (unsigned)limit.rlim_cur - OTHER_FILES
						  : (unsigned)limit.rlim_cur / 2 + 1;
	if (wanted >= settings->max_connections)
		return settings->max_connections;
	wb_log_warn(settings->log, "the limit of open files is too low for all connections",
		WB_INT("wanted", settings->max_connections), WB_INT("possible", wanted),
		WB_INT("open_files_limit", limit.rlim_cur), WB_INT("open_files_needed", need));
	return wanted;
}

static enum wb_err start_loops(struct wb_http_server *s, const struct wb_http_settings *settings, struct wb_error *e)
{
	unsigned threads = settings->threads ? settings->threads : 1, connections = allowed_connections(settings);

	s->loops = wb_xcalloc(threads, sizeof *s->loops);
	/* Before any of them runs: each looks at all others. */
	s->loop_count = s->listening = threads;
	for (unsigned i = 0; i < threads; i++)
		wb_http_loop_prepare(&s->loops[i], s, (connections + threads - 1) / threads);
	for (unsigned i = 0; i < threads; i++) {
		enum wb_err err = wb_http_loop_start(&s->loops[i], e);

		if (err != WB_OK)
			return err;
	}
	return WB_OK;
}

static void copy_settings(struct wb_http_server *s, const struct wb_http_settings *settings)
{
	s->route_count = settings->route_count;
	s->routes = wb_xcalloc(s->route_count + 1, sizeof *s->routes);
	for (size_t i = 0; i < s->route_count; i++)
		s->routes[i] = settings->routes[i];
	s->server_name = settings->server_name ? wb_xstrdup(settings->server_name) : NULL;
	s->common_headers = settings->common_headers;
	s->common_headers_arg = settings->common_headers_arg;
	s->body_budget = (size_t)settings->body_budget_bytes;
	s->idle_timeout_ms = settings->idle_timeout_ms;
	s->header_timeout_ms = settings->header_timeout_ms ? settings->header_timeout_ms : HEADER_TIMEOUT_MS;
	s->metrics = settings->metrics;
	if (s->metrics)
		s->connection_gauge = wb_metrics_gauge(
			s->metrics, "writebehind_http_connections", "Open HTTP connections", "");
	s->log = settings->log;
	if (settings->tls.certificate_file) {
		s->certificate_file = wb_xstrdup(settings->tls.certificate_file);
		s->key_file = settings->tls.key_file ? wb_xstrdup(settings->tls.key_file) : NULL;
	}
}

static struct wb_tls_pair *load_pair(const struct wb_http_server *s, struct wb_error *e)
{
	return wb_tls_pair_load(&(struct wb_http_tls){ s->certificate_file, s->key_file }, e);
}

static enum wb_err start(struct wb_http_server *s, const struct wb_http_settings *settings, struct wb_error *e)
{
	if (s->certificate_file) {
		s->pair = load_pair(s, e);
		if (!s->pair)
			return WB_EINVAL;
	}
	s->listen_fd = wb_listen(settings->listen, s->address, e);
	if (s->listen_fd < 0)
		return WB_EIO;
	return start_loops(s, settings, e);
}

struct wb_http_server *wb_http_server_new(const struct wb_http_settings *settings, struct wb_error *e)
{
	struct wb_http_server *s = wb_xcalloc(1, sizeof *s);

	s->listen_fd = -1;
	atomic_init(&s->memory_full_ms, INT64_MIN / 2);
	wb_mutex_init(&s->lock);
	wb_cond_init(&s->changed);
	copy_settings(s, settings);
	if (start(s, settings, e) != WB_OK)
		wb_http_server_free(&s);
	return s;
}

const char *wb_http_server_address(const struct wb_http_server *s)
{
	return s->address;
}

enum wb_err wb_http_server_reload_tls(struct wb_http_server *s, struct wb_error *e)
{
	struct wb_tls_pair *pair, *old;

	if (!s->certificate_file)
		return wb_error_set(e, WB_EUNSUPPORTED, "this server has no TLS");
	pair = load_pair(s, e);
	if (!pair)
		return WB_EINVAL;
	wb_mutex_lock(&s->lock);
	old = s->pair;
	s->pair = pair;
	wb_mutex_unlock(&s->lock);
	wb_tls_pair_release(&old);
	return WB_OK;
}

void wb_http_server_quiesce(struct wb_http_server *s)
{
	if (atomic_exchange(&s->quiesced, true))
		return;
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_wake(&s->loops[i]);
	wb_mutex_lock(&s->lock);
	while (s->listening > 0)
		wb_cond_wait(&s->changed, &s->lock);
	wb_mutex_unlock(&s->lock);
	(void)close(s->listen_fd); /* no loop looks at it any more; carries no data */
	s->listen_fd = -1;
}

size_t wb_http_server_pending(struct wb_http_server *s)
{
	size_t count = atomic_load(&s->posting);

	for (unsigned i = 0; i < s->loop_count; i++)
		count += atomic_load(&s->loops[i].unfinished);
	return count;
}

static void wait_for_posting(struct wb_http_server *s)
{
	/* A client may have its answer while the thread that gave it is still on its way out. */
	while (atomic_load(&s->posting) > 0)
		(void)sched_yield();
}

void wb_http_server_free(struct wb_http_server **server)
{
	struct wb_http_server *s = *server;

	if (!s)
		return;
	*server = NULL;
	wait_for_posting(s);
	atomic_store(&s->stopping, true);
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_halt(&s->loops[i]);
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_settle(&s->loops[i]);
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_end_streams(&s->loops[i]);
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_settle(&s->loops[i]);
	for (unsigned i = 0; i < s->loop_count; i++)
		wb_http_loop_release(&s->loops[i]);
	if (s->listen_fd >= 0)
		(void)close(s->listen_fd); /* carries no data */
	wb_tls_pair_release(&s->pair);
	wb_cond_release(&s->changed);
	wb_mutex_release(&s->lock);
	free(s->loops);
	free(s->routes);
	free(s->server_name);
	free(s->certificate_file);
	free(s->key_file);
	free(s);
}
