#include "consumer/recorder_internal.h"

#include "common/base/thread.h"

#include <stdio.h>

#define LETTER_BYTES_MAX 5000000 /* a record of the writes topic, 3 MB, with a letter's headers */
#define QUEUE_BYTES      (16 * 1024 * 1024)
/* Long, since what Kafka has stored but not acknowledged in time would be sent twice. */
#define DELIVERY_TIMEOUT_MS 600000
#define LOOK_MS             500
#define AGAIN_MS            500
#define SAY_AGAIN_MS        60000

static struct wb_kafka_producer_settings settings_of(const struct wb_recorder *r)
{
	return (struct wb_kafka_producer_settings){ .client_id = r->settings.client_id,
		.linger_ms = 1,
		.delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
		.queue_bytes = QUEUE_BYTES };
}

bool wb_recorder_make_producers(struct wb_recorder *r, struct wb_error *e)
{
	struct wb_kafka_producer_settings settings = settings_of(r);

	r->results = wb_kafka_producer_new(r->settings.kafka, &settings, r->settings.log, e);
	if (!r->results)
		return false;
	settings.compression = "zstd";
	settings.message_max_bytes = LETTER_BYTES_MAX;
	r->letters = wb_kafka_producer_new(r->settings.kafka, &settings, r->settings.log, e);
	return r->letters != NULL;
}

struct wb_kafka_producer *wb_recorder_lone_producer(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_kafka_producer_settings settings = settings_of(r);
	struct wb_error e = { "" };

	if (r->lone || now_ms < r->lone_retry_ms)
		return r->lone;
	settings.compression = "zstd";
	settings.message_max_bytes = LETTER_BYTES_MAX;
	settings.alone = true;
	r->lone = wb_kafka_producer_new(r->settings.kafka, &settings, r->settings.log, &e);
	if (!r->lone) {
		r->lone_retry_ms = now_ms + SAY_AGAIN_MS;
		wb_log_error(r->settings.log, "no producer for refused records", WB_STR("error", e.text));
	}
	return r->lone;
}

void wb_recorder_free_producers(struct wb_recorder *r)
{
	wb_kafka_producer_free(&r->letters, 0);
	wb_kafka_producer_free(&r->lone, 0);
	wb_kafka_producer_free(&r->results, 0);
}

void wb_recorder_look_at_kafka(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_error why = { "" };
	bool up;

	if (now_ms < r->look_at_ms)
		return;
	r->look_at_ms = now_ms + LOOK_MS;
	up = wb_kafka_producer_up(r->results, &why);
	wb_health_set(r->settings.health, "kafka", up, why.text);
	if (up == r->complained) {
		r->complained = !up;
		if (up)
			wb_log_info(r->settings.log, "Kafka takes results and dead letters");
		else
			wb_log_warn(r->settings.log, "Kafka takes no results and dead letters; writes stay unfinished",
				WB_STR("why", why.text));
	}
}

void wb_refusals_init(struct wb_refusals *f, const char *condition)
{
	*f = (struct wb_refusals){ .condition = condition, .said_ms = INT64_MIN / 2 };
	wb_mutex_init(&f->lock);
}

void wb_refusals_release(struct wb_refusals *f)
{
	wb_mutex_release(&f->lock);
}

void wb_refusals_hear(struct wb_refusals *f, const struct wb_kafka_ack *ack)
{
	wb_mutex_lock(&f->lock);
	f->heard = ack->err;
	(void)snprintf(f->words, sizeof f->words, "%s", ack->text ? ack->text : ""); /* cutting is meant */
	wb_mutex_unlock(&f->lock);
}

void wb_refusals_words(struct wb_refusals *f, enum wb_err err, char *ret, size_t size)
{
	wb_mutex_lock(&f->lock);
	(void)snprintf(
		ret, size, f->heard == err ? "%s (%s)" : "%s", wb_err_text(err), f->words); /* cutting is meant */
	wb_mutex_unlock(&f->lock);
}

bool wb_refusals_say(struct wb_refusals *f, int64_t now_ms)
{
	if (now_ms - f->said_ms < SAY_AGAIN_MS)
		return false;
	f->said_ms = now_ms;
	return true;
}

void wb_refusals_look(struct wb_recorder *r, struct wb_refusals *f)
{
	if (!f->told || atomic_load(&f->open) > 0)
		return;
	f->told = false;
	wb_health_set(r->settings.health, f->condition, true, "");
	wb_log_info(r->settings.log, "Kafka has taken what it refused", WB_STR("what", f->condition));
}

bool wb_valve_lets(const struct wb_valve *v, int64_t now_ms)
{
	return !v->shut || now_ms >= v->try_at_ms;
}

bool wb_valve_sent(struct wb_valve *v, int64_t now_ms)
{
	v->try_at_ms = now_ms + AGAIN_MS;
	return !v->shut;
}

void wb_valve_shut(struct wb_valve *v, int64_t now_ms)
{
	v->shut = true;
	v->try_at_ms = now_ms + AGAIN_MS;
}
