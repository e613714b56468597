/* writebehind-producer: takes batches of writes over HTTP. Options, parts in their order, and their end. */
#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/health.h"
#include "common/base/lifecycle.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/version.h"
#include "common/http/admin.h"
#include "common/http/server.h"
#include "common/kafka/producer.h"
#include "common/kafka/topics.h"
#include "producer/api.h"
#include "producer/auth.h"
#include "producer/cors.h"
#include "producer/callback_service.h"
#include "producer/job_view.h"
#include "producer/new_token.h"
#include "producer/options.h"
#include "producer/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PROGRAM         "writebehind-producer"
#define HEALTH_EVERY_MS 500
#define GIVE_BACK_TURNS 20
#define STREAM_BYTES    (256 * 1024) /* that a stream needs at least */
/* Nobody waits for one document of a stream, and fewer, larger requests cost Kafka and us a tenth less. */
#define STREAM_LINGER_MS 5

extern char **environ;

struct service {
	struct wb_producer_config config;
	struct wb_lifecycle *lifecycle;
	struct wb_log *log;
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_admin admin;
	bool functions; /* the Azure Functions host has started us */
	struct wb_request_rules rules;
	struct wb_cors cors;
	struct wb_auth *auth;
	struct wb_callback_rules *callback_rules; /* NULL: no callbacks */
	struct wb_webhook_secrets callback_secrets;
	struct wb_kafka_producer *kafka, *stream_kafka;
	struct wb_publisher *publisher;
	struct wb_job_view *view;
	struct wb_callback_service *callbacks; /* NULL: none */
	struct wb_api *api;
	struct wb_http_server *server;
};

static void reload_certificate(struct service *s)
{
	struct wb_error why;

	if (wb_http_server_reload_tls(s->server, &why) == WB_OK)
		wb_log_info(s->log, "certificate read again");
	else
		wb_log_error(s->log, "certificate not read again; the one from before stays in use",
			WB_STR("why", why.text));
}

/* SIGHUP. On the thread of the signals. */
static void reload(void *arg)
{
	struct service *s = arg;
	struct wb_error why;

	if (s->config.http.certificate_file)
		reload_certificate(s);
	if (wb_auth_reload(s->auth, &why) != WB_OK)
		wb_log_error(s->log, "tokens not read again; those from before stay in force", WB_STR("why", why.text));
	else if (s->config.protection.tokens_file)
		wb_log_info(s->log, "tokens read again", WB_INT("count", wb_auth_count(s->auth)));
	else if (!s->config.http.certificate_file)
		wb_log_info(s->log, "SIGHUP: there is nothing to read again");
}

static void write_log(void *arg)
{
	wb_log_rescue(arg);
}

static enum wb_err start_protection(struct service *s, struct wb_error *e)
{
	const char *file = s->config.protection.tokens_file;

	s->auth = wb_auth_new(file, s->metrics, e);
	if (!s->auth)
		return WB_EINVAL;
	if (file)
		wb_log_info(s->log, "tokens read", WB_INT("count", wb_auth_count(s->auth)));
	else
		wb_log_info(s->log, "nobody is asked for a token", WB_STR("listen", s->config.http.listen));
	return WB_OK;
}

static struct wb_kafka_producer *new_client(struct service *s, const char *id, int64_t linger_ms, struct wb_error *e)
{
	const struct wb_producer_config *c = &s->config;
	const struct wb_kafka_producer_settings kafka = {
		.client_id = id,
		.linger_ms = linger_ms,
		.delivery_timeout_ms = c->intake.publish_timeout_ms,
		.queue_bytes = c->memory_budget_bytes / 8,
		.message_max_bytes = (int64_t)s->rules.item.record_bytes_max,
	};

	return wb_kafka_producer_new(&c->kafka, &kafka, s->log, e);
}

static enum wb_err start_kafka(struct service *s, struct wb_error *e)
{
	const struct wb_producer_config *c = &s->config;
	struct wb_publisher_settings publisher = {
		.topic_writes = c->kafka.topic_writes,
		.topic_results = c->kafka.topic_results,
		.timeout_ms = c->intake.publish_timeout_ms,
		.stream_bytes = (size_t)c->memory_budget_bytes / 8,
		.metrics = s->metrics,
	};
	int32_t writes_partitions;
	enum wb_err err;

	err = wb_topics_check(&c->kafka, WB_TOPIC_WRITES | WB_TOPIC_RESULTS, c->startup_timeout_ms, s->log, e);
	if (err != WB_OK)
		return err;
	s->kafka = new_client(s, PROGRAM, c->linger_ms, e);
	if (!s->kafka)
		return WB_EFATAL;
	s->stream_kafka = new_client(
		s, PROGRAM "-streams", c->linger_ms > STREAM_LINGER_MS ? c->linger_ms : STREAM_LINGER_MS, e);
	if (!s->stream_kafka)
		return WB_EFATAL;
	/* Asked for both, so that the first request does not wait for metadata. */
	err = wb_kafka_producer_partitions(
		s->kafka, c->kafka.topic_writes, c->startup_timeout_ms, &writes_partitions, e);
	if (err == WB_OK)
		err = wb_kafka_producer_partitions(
			s->kafka, c->kafka.topic_results, c->startup_timeout_ms, &publisher.results_partitions, e);
	if (err != WB_OK)
		return err;
	publisher.kafka = s->kafka;
	publisher.stream_kafka = s->stream_kafka;
	s->publisher = wb_publisher_new(&publisher);
	return WB_OK;
}

static enum wb_err make_callbacks(struct service *s, struct wb_error *e)
{
	const struct wb_callback_service_settings callbacks = {
		.options = &s->config.callback,
		.rules = s->callback_rules,
		.secrets = &s->callback_secrets,
		.kafka = &s->config.kafka,
		.producer = s->kafka,
		.client_id = PROGRAM "-callbacks",
		.user_agent = PROGRAM "/" WB_VERSION,
		.metrics = s->metrics,
		.lifecycle = s->lifecycle,
		.log = s->log,
	};

	if (!s->callback_rules)
		return WB_OK;
	s->callbacks = wb_callback_service_new(&callbacks, e);
	return s->callbacks ? WB_OK : WB_EFATAL;
}

static enum wb_err start_view(struct service *s, struct wb_error *e)
{
	const struct wb_producer_config *c = &s->config;
	const struct wb_job_view_settings view = {
		.kafka = &c->kafka,
		.client_id = PROGRAM "-view",
		.limits = { .retention_ms = c->jobs.retention_ms,
			.unaccepted_ms = c->jobs.unaccepted_ms,
			.max = (size_t)c->jobs.max },
		.startup_timeout_ms = c->startup_timeout_ms,
		.catch_up_timeout_ms = c->jobs.read_timeout_ms,
		.metrics = s->metrics,
		.health = s->health,
		.lifecycle = s->lifecycle,
		.log = s->log,
		.hook = { s->callbacks ? wb_callback_service_ended : NULL, s->callbacks },
	};

	s->view = wb_job_view_new(&view, e);
	if (!s->view)
		return WB_EFATAL;
	return s->callbacks ? wb_callback_service_start(s->callbacks, s->view, e) : WB_OK;
}

/* How the budget is shared: three eighths for bodies, a quarter for what was read from them, an eighth for streams, and a
 * quarter for what Kafka's client needs. */
static struct wb_api_settings api_settings(const struct service *s)
{
	const struct wb_producer_config *c = &s->config;
	int64_t validate = c->http.validate_max_bytes ? c->http.validate_max_bytes : c->memory_budget_bytes / 4;

	if (validate > c->http.max_body_bytes)
		validate = c->http.max_body_bytes;

	return (struct wb_api_settings){
		.publisher = s->publisher,
		.view = s->view,
		.auth = s->auth,
		.cors = &s->cors,
		.callbacks = s->callback_rules,
		.rules = s->rules,
		.public_url = c->http.public_url,
		.functions = s->functions,
		.validate_max_bytes = (size_t)validate,
		.max_body_bytes = (uint64_t)c->http.max_body_bytes,
		.max_requests = (size_t)c->http.max_requests,
		.max_streams = (size_t)c->memory_budget_bytes / 8 / STREAM_BYTES,
		.batch_budget_bytes = (size_t)c->memory_budget_bytes / 4,
		.audit_log = c->protection.audit ? s->log : NULL,
		.metrics = s->metrics,
	};
}

static enum wb_err start_http(struct service *s, struct wb_error *e)
{
	const struct wb_producer_config *c = &s->config;
	const struct wb_api_settings api = api_settings(s);
	struct wb_http_route routes[WB_ADMIN_ROUTES + WB_API_ROUTES_MAX];
	struct wb_http_settings http = {
		.listen = c->http.listen,
		.routes = routes,
		.threads = (unsigned)c->http.threads,
		.max_connections = (unsigned)c->http.max_connections,
		.idle_timeout_ms = c->http.idle_timeout_ms,
		.header_timeout_ms = c->http.header_timeout_ms,
		.body_budget_bytes = c->memory_budget_bytes / 8 * 3,
		.tls = { c->http.certificate_file, c->http.key_file },
		.common_headers = wb_api_common_headers,
		.server_name = PROGRAM "/" WB_VERSION,
		.metrics = s->metrics,
		.log = s->log,
	};

	s->api = wb_api_new(&api);
	s->admin = (struct wb_admin){ PROGRAM, s->health, s->lifecycle, s->metrics };
	wb_admin_routes(&s->admin, routes);
	for (size_t i = 0; i < WB_ADMIN_ROUTES; i++) {
		if (strcmp(routes[i].path, "/metrics") == 0 && !c->protection.metrics_open)
			wb_api_guard(s->api, &routes[i]);
	}
	http.route_count = WB_ADMIN_ROUTES + wb_api_routes(s->api, routes + WB_ADMIN_ROUTES);
	http.common_headers_arg = s->api;
	s->server = wb_http_server_new(&http, e);
	return s->server ? WB_OK : WB_EFATAL;
}

static void check_kafka(struct service *s)
{
	struct wb_error why = { "" };
	bool up = wb_kafka_producer_up(s->kafka, &why);

	wb_health_set(s->health, "kafka", up, why.text);
}

static enum wb_err start(struct service *s, struct wb_error *e)
{
	enum wb_err err = start_protection(s, e);

	if (err == WB_OK)
		err = start_kafka(s, e);
	if (err == WB_OK)
		err = make_callbacks(s, e);
	if (err == WB_OK)
		err = start_view(s, e);
	if (err == WB_OK)
		err = start_http(s, e);
	if (err != WB_OK)
		return err;
	check_kafka(s);
	wb_lifecycle_on_reload(s->lifecycle, reload, s); /* everything that it touches is there */
	wb_lifecycle_running(s->lifecycle);
	wb_log_info(s->log, "listening", WB_STR("address", wb_http_server_address(s->server)),
		WB_STR("version", WB_VERSION));
	return WB_OK;
}

static void free_client(struct wb_kafka_producer **kafka, int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - wb_clock_mono_ms();

	if (*kafka)
		wb_kafka_producer_free(kafka, left_ms > 0 ? left_ms : 0);
}

/* Requests in flight get their answers before anything that they need is taken down. */
static void stop(struct service *s)
{
	int64_t deadline_ms = wb_clock_mono_ms() + s->config.shutdown_timeout_ms;

	wb_lifecycle_on_reload(s->lifecycle, NULL, NULL);
	if (s->callbacks)
		wb_callback_service_quiesce(s->callbacks, deadline_ms);
	if (s->server) {
		wb_http_server_quiesce(s->server);
		wb_job_view_end_waits(s->view);
		while (wb_http_server_pending(s->server) && wb_clock_mono_ms() < deadline_ms) {
			const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

			(void)nanosleep(&pause, NULL); /* woken early is fine */
		}
	}
	wb_callback_service_stop(s->callbacks);
	if (s->publisher)
		wb_publisher_stop(s->publisher);
	free_client(&s->stream_kafka, deadline_ms);
	free_client(&s->kafka, deadline_ms);
	if (s->view)
		wb_job_view_stop(s->view);
	wb_http_server_free(&s->server);
	wb_api_free(&s->api);
	wb_auth_free(&s->auth);
	wb_callback_service_free(&s->callbacks);
	wb_job_view_free(&s->view);
	wb_publisher_free(&s->publisher);
}

static void serve(struct service *s)
{
	unsigned turns = 0;

	while (wb_lifecycle_wait(s->lifecycle, HEALTH_EVERY_MS) == WB_RUNNING) {
		check_kafka(s);
		if (++turns % GIVE_BACK_TURNS == 0)
			wb_mem_give_back();
	}
}

static int run(struct service *s)
{
	struct wb_error why;
	int code;

	s->metrics = wb_metrics_new();
	s->health = wb_health_new();
	wb_admin_process_metrics(s->metrics, PROGRAM);
	wb_health_set(s->health, "kafka", false, "not asked yet");
	if (start(s, &why) != WB_OK) {
		wb_log_error(s->log, "cannot start", WB_STR("why", why.text));
		wb_lifecycle_stop(s->lifecycle, 1, "cannot start");
	}
	serve(s);
	code = wb_lifecycle_exit_code(s->lifecycle);
	wb_lifecycle_reason(s->lifecycle, &why);
	wb_log_info(s->log, "stopping", WB_STR("reason", why.text));
	stop(s);
	wb_lifecycle_stopped(s->lifecycle);
	wb_log_info(s->log, "stopped", WB_INT("code", code));
	wb_health_free(&s->health);
	wb_metrics_free(&s->metrics);
	return code;
}

/* What the options decide before anything runs. */
static enum wb_err configure(struct service *s, struct wb_error *e)
{
	const char *functions = getenv("FUNCTIONS_CUSTOMHANDLER_PORT");
	enum wb_err err = functions ? wb_producer_config_functions(&s->config, functions, e) : WB_OK;

	s->functions = functions != NULL;
	if (err == WB_OK)
		err = wb_producer_config_check(&s->config, e);

	if (err == WB_OK)
		err = wb_partition_key_paths(s->config.intake.partition_key, &s->rules.item.paths, e);
	if (err == WB_OK)
		err = wb_cors_parse(s->config.protection.cors_origins, &s->cors, e);
	if (err == WB_OK)
		err = wb_callback_service_configure(&s->config.callback, &s->callback_rules, &s->callback_secrets, e);
	s->rules.max_operations = (size_t)s->config.http.max_operations;
	s->rules.item.record_bytes_max = wb_record_bytes_max(&s->config.kafka);
	s->rules.item.generate_id = s->config.intake.generate_id;
	s->rules.callbacks = true;
	return err;
}

static int complain(int code, const char *why)
{
	(void)fprintf(stderr, PROGRAM ": %s\n", why);
	return code;
}

static int print_new_token(const struct wb_producer_config *c)
{
	const struct wb_new_token wanted = { c->new_token, c->scope, c->database, c->container, c->expires };
	struct wb_error why;
	enum wb_err err = wb_new_token_print(&wanted, stdout, stderr, &why);

	return err == WB_OK ? 0 : complain(err == WB_EINVAL ? 2 : 1, why.text);
}

static int serve_to_the_end(struct service *s)
{
	int code;

	s->lifecycle = wb_lifecycle_new_reloadable();
	s->log = wb_log_open(PROGRAM, &s->config.log);
	wb_log_keep_at_abort(s->log);
	wb_lifecycle_on_kill(s->lifecycle, write_log, s->log);
	code = run(s);
	wb_lifecycle_free(&s->lifecycle);
	wb_log_free(&s->log);
	return code;
}

int main(int argc, char **argv)
{
	struct service s = { 0 };
	struct wb_error why;
	int code = 0;

	switch (wb_options_parse(&wb_producer_options, argc, argv, environ, &s.config, NULL, NULL, &why)) {
	case WB_OPTIONS_DONE:
		break;
	case WB_OPTIONS_BAD:
		code = complain(2, why.text);
		break;
	case WB_OPTIONS_RUN:
		if (s.config.new_token)
			code = print_new_token(&s.config);
		else if (configure(&s, &why) != WB_OK)
			code = complain(2, why.text);
		else
			code = serve_to_the_end(&s);
		break;
	}
	wb_cors_release(&s.cors);
	wb_json_paths_release(&s.rules.item.paths);
	wb_callback_rules_free(&s.callback_rules);
	wb_crypto_wipe(&s.callback_secrets, sizeof s.callback_secrets);
	wb_options_release(&wb_producer_options, &s.config);
	return code;
}
