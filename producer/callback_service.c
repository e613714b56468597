#include "producer/callback_service.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "producer/callback_owner.h"
#include "producer/callbacks.h"

#include <stdlib.h>

#define CONNECT_MS 5000
/* Beyond an attempt's own time: its record's way to Kafka. */
#define DRAIN_MARGIN_MS 2000

struct wb_callback_service {
	struct wb_callback_service_settings settings;
	struct wb_callbacks *callbacks;
	struct wb_callback_owner *owner;
	struct wb_job_view *view;
};

/* ---- from the view ---- */

struct ask {
	wb_callback_job_fn fn;
	void *arg;
};

static void on_job(void *arg, const struct wb_job_info *info)
{
	const struct ask *ask = arg;
	const struct wb_callback_job job = { .info = info,
		.partition = info->partition,
		.url = info->callback,
		.state = info->completed_ms ? info->callback_state : WB_CALLBACK_NONE,
		.attempts = info->callback_attempts,
		.last_at_ms = info->callback_at_ms };

	ask->fn(ask->arg, &job);
}

static bool find(void *arg, const char *job, wb_callback_job_fn fn, void *fn_arg)
{
	struct wb_callback_service *s = arg;
	struct ask ask = { fn, fn_arg };

	return wb_job_view_find(s->view, wb_slice_cstr(job), on_job, &ask);
}

static void each(void *arg, int32_t partition, wb_callback_job_fn fn, void *fn_arg)
{
	struct wb_callback_service *s = arg;
	struct ask ask = { fn, fn_arg };

	wb_job_view_each_callback(s->view, partition, on_job, &ask);
}

static enum wb_err catch_up(void *arg, void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg)
{
	struct wb_callback_service *s = arg;

	return wb_job_view_catch_up(s->view, fn, fn_arg);
}

void wb_callback_service_ended(void *service, const struct wb_job_info *info)
{
	struct wb_callback_service *s = service;

	wb_callbacks_ended(s->callbacks, info->id, info->partition);
}

/* ---- to the topic ---- */

struct append {
	void (*fn)(void *arg, enum wb_err err);
	void *arg;
};

static void on_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct append *a = arg;

	a->fn(a->arg, ack->err);
	free(a);
}

static enum wb_err append(
	void *arg, int32_t partition, struct wb_slice record, void (*fn)(void *fn_arg, enum wb_err err), void *fn_arg)
{
	struct wb_callback_service *s = arg;
	const struct wb_kafka_record out = {
		.topic = s->settings.kafka->topic_results,
		.partition = partition,
		.value = record,
	};
	struct append *a = wb_xcalloc(1, sizeof *a);
	enum wb_err err;

	a->fn = fn;
	a->arg = fn_arg;
	err = wb_kafka_producer_send(s->settings.producer, &out, on_ack, a);
	if (err != WB_OK)
		free(a);
	return err;
}

/* ---- the group ---- */

static enum wb_err serve_group(void *arg, struct wb_error *e)
{
	struct wb_callback_service *s = arg;

	return wb_callback_owner_serve(s->owner, e);
}

static void leave_group(void *arg)
{
	struct wb_callback_service *s = arg;

	wb_callback_owner_free(&s->owner);
}

static void group_gone(void *arg, const char *why)
{
	struct wb_callback_service *s = arg;

	wb_log_error(s->settings.log, "callbacks cannot go on", WB_STR("why", why));
	wb_lifecycle_stop(s->settings.lifecycle, 1, "callbacks cannot go on");
}

/* ---- its life ---- */

static enum wb_err read_secret(
	struct wb_webhook_secrets *secrets, const char *key, const char *text, struct wb_error *e)
{
	struct wb_error why;

	if (!text)
		return WB_OK;
	if (wb_webhook_secret_parse(wb_slice_cstr(text), &secrets->secret[secrets->count], &why) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "%s: %s", key, why.text);
	secrets->count++;
	return WB_OK;
}

enum wb_err wb_callback_service_configure(const struct wb_callback_options *options,
	struct wb_callback_rules **ret_rules, struct wb_webhook_secrets *ret_secrets, struct wb_error *e)
{
	struct wb_webhook_secrets secrets = { .count = 0 };
	struct wb_callback_rules *rules = NULL;

	if (options->hosts) {
		rules = wb_callback_rules_new(options->hosts, options->allow_private, e);
		if (!rules)
			return WB_EINVAL;
	}
	if (read_secret(&secrets, "callback.secret", options->secret, e) != WB_OK ||
		read_secret(&secrets, "callback.secret.previous", options->secret_previous, e) != WB_OK) {
		wb_callback_rules_free(&rules);
		return WB_EINVAL;
	}
	*ret_rules = rules;
	*ret_secrets = secrets;
	wb_crypto_wipe(&secrets, sizeof secrets);
	return WB_OK;
}

static enum wb_err make_callbacks(struct wb_callback_service *s, struct wb_error *e)
{
	const struct wb_callback_options *o = s->settings.options;
	const struct wb_callbacks_settings callbacks = {
		.rules = s->settings.rules,
		.secrets = s->settings.secrets,
		.ca_file = o->ca_file,
		.user_agent = s->settings.user_agent,
		.timeout_ms = o->timeout_ms,
		.connect_timeout_ms = o->timeout_ms < CONNECT_MS ? o->timeout_ms : CONNECT_MS,
		.max_in_flight = (unsigned)o->max_in_flight,
		.source = { s, find, each, catch_up },
		.journal = { s, append },
		.metrics = s->settings.metrics,
		.log = s->settings.log,
		.fatal = group_gone,
		.fatal_arg = s,
	};

	s->callbacks = wb_callbacks_new(&callbacks, e);
	return s->callbacks ? WB_OK : WB_EINVAL;
}

struct wb_callback_service *wb_callback_service_new(
	const struct wb_callback_service_settings *settings, struct wb_error *e)
{
	struct wb_callback_service *s = wb_xcalloc(1, sizeof *s);

	s->settings = *settings;
	if (make_callbacks(s, e) != WB_OK)
		wb_callback_service_free(&s);
	return s;
}

enum wb_err wb_callback_service_start(struct wb_callback_service *s, struct wb_job_view *view, struct wb_error *e)
{
	const struct wb_callback_options *o = s->settings.options;
	const struct wb_callback_owner_settings owner = {
		.kafka = s->settings.kafka,
		.group_id = o->group_id,
		.client_id = s->settings.client_id,
		.drain_ms = o->timeout_ms + DRAIN_MARGIN_MS,
		.log = s->settings.log,
		.assigned = wb_callbacks_assigned,
		.leaving = wb_callbacks_leaving,
		.idle = wb_callbacks_idle,
		.gone = wb_callbacks_gone,
		.arg = s->callbacks,
	};
	const struct wb_callback_group group = { s, serve_group, leave_group };

	s->view = view;
	s->owner = wb_callback_owner_new(&owner, e);
	if (!s->owner)
		return WB_EINVAL;
	wb_callbacks_start(s->callbacks, &group);
	return WB_OK;
}

void wb_callback_service_quiesce(struct wb_callback_service *s, int64_t deadline_ms)
{
	wb_callbacks_quiesce(s->callbacks, deadline_ms);
}

void wb_callback_service_stop(struct wb_callback_service *s)
{
	if (s)
		wb_callbacks_stop(s->callbacks);
}

void wb_callback_service_free(struct wb_callback_service **service)
{
	struct wb_callback_service *s = *service;

	*service = NULL;
	if (!s)
		return;
	wb_callbacks_free(&s->callbacks);
	free(s);
}
