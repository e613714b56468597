/* writebehind-consumer: carries writes from Kafka into Cosmos DB until SIGTERM. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/version.h"
#include "common/http/admin.h"
#include "common/kafka/topics.h"
#include "consumer/poller.h"
#include "consumer/state.h"
#include "consumer/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM           "writebehind-consumer"
#define EXIT_CANNOT_GO_ON 1
#define EXIT_BAD_OPTIONS  2
#define TOPICS_WAIT_MS    2000
#define TOPICS_AGAIN_MS   500
#define TOPICS_SAY_MS     60000

extern char **environ;

struct program {
	struct wb_consumer_options options;
	struct wb_log *log;
	struct wb_lifecycle *lifecycle;
	struct wb_health *health;
	struct wb_metrics *metrics;
	struct wb_admin admin;
	struct wb_board *board;
	struct wb_state *state;
	struct wb_http_server *server;
	struct wb_poller *poller;
};

static enum wb_err start_admin(struct program *m, struct wb_error *e)
{
	struct wb_http_route routes[WB_ADMIN_ROUTES + 1];
	const struct wb_http_settings settings = { .listen = m->options.admin_listen,
		.routes = routes,
		.route_count = WB_ADMIN_ROUTES + 1,
		.threads = 1,
		.max_connections = 64,
		.idle_timeout_ms = 30000,
		.body_budget_bytes = 1 << 20,
		.server_name = PROGRAM "/" WB_VERSION,
		.metrics = m->metrics,
		.log = m->log };

	m->admin = (struct wb_admin){
		.program = PROGRAM, .health = m->health, .lifecycle = m->lifecycle, .metrics = m->metrics
	};
	wb_admin_process_metrics(m->metrics, PROGRAM);
	wb_admin_routes(&m->admin, routes);
	routes[WB_ADMIN_ROUTES] = wb_state_route(m->state);
	m->server = wb_http_server_new(&settings, e);
	if (!m->server)
		return WB_EIO;
	wb_log_info(m->log, "started", WB_STR("version", WB_VERSION),
		WB_STR("address", wb_http_server_address(m->server)), WB_STR("group", m->options.group_id),
		WB_STR("topic", m->options.kafka.topic_writes), WB_STR("cosmos", m->options.cosmos.endpoint),
		WB_STR("database", m->options.cosmos.database), WB_STR("container", m->options.cosmos.container));
	return WB_OK;
}

static enum wb_err check_once(struct program *m, struct wb_error *e)
{
	const struct wb_topic_map *map = &m->options.topic_map;
	const char **more = wb_xcalloc(map->count + 1, sizeof *more);
	enum wb_err err;

	for (size_t i = 0; i < map->count; i++)
		more[i] = map->entries[i].topic;
	err = wb_topics_check_more(&m->options.kafka,
		WB_TOPIC_WRITES | WB_TOPIC_RESULTS | WB_TOPIC_DEAD_LETTERS | WB_TOPIC_READS, "topic.map", more,
		map->count, TOPICS_WAIT_MS, m->log, e);
	free(more);
	return err;
}

/* Wrong topics end the program; a cluster that does not answer is waited for. WB_ECLOSED: asked to stop meanwhile. */
static enum wb_err check_topics(struct program *m, struct wb_error *e)
{
	int64_t said_ms = 0;

	for (;;) {
		enum wb_err err = check_once(m, e);

		if (err != WB_ETIMEDOUT) {
			wb_health_set(m->health, "topics", err == WB_OK, e->text);
			return err;
		}
		wb_health_set(m->health, "topics", false, e->text);
		if (!said_ms || wb_clock_mono_ms() - said_ms >= TOPICS_SAY_MS) {
			said_ms = wb_clock_mono_ms();
			wb_log_warn(m->log, "waiting for Kafka", WB_STR("why", e->text));
		}
		if (wb_lifecycle_wait(m->lifecycle, TOPICS_AGAIN_MS) >= WB_DRAINING)
			return WB_ECLOSED;
	}
}

static enum wb_err run(struct program *m, struct wb_error *e)
{
	const struct wb_poller_settings settings = { .options = &m->options,
		.lifecycle = m->lifecycle,
		.metrics = m->metrics,
		.health = m->health,
		.board = m->board,
		.log = m->log };
	struct wb_error reason = { "" };
	enum wb_err err = start_admin(m, e);

	if (err == WB_OK)
		err = check_topics(m, e);
	if (err == WB_ECLOSED)
		return WB_OK;
	if (err != WB_OK)
		return err;
	m->poller = wb_poller_new(&settings, e);
	if (!m->poller)
		return WB_EINVAL;
	err = wb_poller_run(m->poller, e);
	wb_lifecycle_reason(m->lifecycle, &reason);
	if (err == WB_OK)
		wb_log_info(m->log, "stopped", WB_STR("reason", reason.text));
	return err;
}

/* The lifecycle before the poller, since the thread of its signals may still be waking that. */
static void release(struct program *m)
{
	bool log_is_used;

	wb_state_stop(m->state);
	wb_http_server_free(&m->server);
	wb_state_free(&m->state);
	wb_lifecycle_free(&m->lifecycle);
	log_is_used = !wb_poller_free(&m->poller);
	wb_board_free(&m->board);
	wb_metrics_free(&m->metrics);
	wb_health_free(&m->health);
	if (!log_is_used)
		wb_log_free(&m->log);
	wb_consumer_options_release(&m->options);
}

static enum wb_err finish_options(struct wb_consumer_options *o, struct wb_error *e)
{
	return o->json ? wb_error_set(e, WB_EINVAL, "--json goes with --top") : wb_consumer_options_finish(o, e);
}

int main(int argc, char **argv)
{
	struct program m = { 0 };
	struct wb_error e = { "" };
	enum wb_options_result parsed;
	enum wb_err err;

	if (wb_top_is_asked(argc, argv))
		return wb_top_main(argc, argv, environ);
	parsed = wb_options_parse(&wb_consumer_option_table, argc, argv, environ, &m.options, NULL, NULL, &e);
	if (parsed == WB_OPTIONS_DONE) {
		wb_consumer_options_release(&m.options);
		return EXIT_SUCCESS;
	}
	if (parsed == WB_OPTIONS_BAD || finish_options(&m.options, &e) != WB_OK) {
		fprintf(stderr, "%s: %s\n", PROGRAM, e.text);
		wb_consumer_options_release(&m.options);
		return EXIT_BAD_OPTIONS;
	}
	m.log = wb_log_open(PROGRAM, &m.options.log);
	m.lifecycle = wb_lifecycle_new();
	m.health = wb_health_new();
	m.metrics = wb_metrics_new();
	m.board = wb_board_new();
	m.state = wb_state_new(&(struct wb_state_settings){ .program = PROGRAM,
		.options = &m.options,
		.board = m.board,
		.health = m.health,
		.lifecycle = m.lifecycle });
	wb_health_set(m.health, "topics", false, "not checked yet");
	wb_health_set(m.health, "group", false, "not joined yet");
	err = run(&m, &e);
	if (err != WB_OK)
		wb_log_error(m.log, "cannot go on", WB_STR("why", e.text));
	release(&m);
	return err == WB_OK ? EXIT_SUCCESS : EXIT_CANNOT_GO_ON;
}
