#include "producer/callback_owner.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/kafka/client.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_TURN 64
#define CLOSE_MS        5000
#define SETTLE_MS       300
/* Kafka's protocol, api keys. */
#define JOIN_GROUP 11
#define SYNC_GROUP 14
#define NAME       "writebehind-callbacks"

struct wb_callback_owner {
	struct wb_kafka_context context; /* first: the client's opaque */
	struct wb_callback_owner_settings settings;
	rd_kafka_t *rk;
	rd_kafka_topic_partition_list_t *draining; /* what the group wants back, NULL: nothing */
	int64_t drain_until_ms;
	bool assigned; /* told of an assignment, if only an empty one, at least once */
	bool closing, closed;
	/* Told by librdkafka's threads. */
	_Atomic bool joining, joined;
	_Atomic int64_t join_ended_ms;
};

/* As in the consumer: a group that is left in the middle of a rebalance does not let go in librdkafka 2.0.2 (#4528), and a
 * client that joined and was never told of an assignment aborts when it is destroyed (#4381). So joins are watched. */
static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t key,
	int16_t version, int32_t correlation, size_t size, void *arg)
{
	struct wb_callback_owner *o = arg;

	(void)rk;
	(void)fd;
	(void)broker;
	(void)id;
	(void)version;
	(void)correlation;
	(void)size;
	if (key == JOIN_GROUP) {
		atomic_store(&o->joining, true);
		atomic_store(&o->joined, true);
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t key,
	int16_t version, int32_t correlation, size_t size, int64_t rtt, rd_kafka_resp_err_t err, void *arg)
{
	struct wb_callback_owner *o = arg;

	(void)rk;
	(void)fd;
	(void)broker;
	(void)id;
	(void)version;
	(void)correlation;
	(void)size;
	(void)rtt;
	if (key == SYNC_GROUP || (key == JOIN_GROUP && err)) {
		atomic_store(&o->join_ended_ms, wb_clock_mono_ms());
		atomic_store(&o->joining, false);
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
	rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *arg, char *error, size_t error_size)
{
	rd_kafka_resp_err_t err = rd_kafka_interceptor_add_on_request_sent(rk, NAME, on_request, arg);

	(void)conf;
	(void)error;
	(void)error_size;
	return err ? err : rd_kafka_interceptor_add_on_response_received(rk, NAME, on_response, arg);
}

static void check(struct wb_callback_owner *o, rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return;
	if (!o->closing)
		wb_log_warn(o->settings.log, "callbacks' group", WB_STR("doing", what),
			WB_STR("text", rd_kafka_error_string(error)));
	rd_kafka_error_destroy(error);
}

/* Paused before it is fetched from: an assigned partition costs heartbeats and nothing else. The end is where reading
 * would begin if librdkafka began it in between; what came by that is dropped. */
static void assign(struct wb_callback_owner *o, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t err;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = RD_KAFKA_OFFSET_END;
	check(o, rd_kafka_incremental_assign(o->rk, list), "assigning");
	err = rd_kafka_pause_partitions(o->rk, list);
	if (err)
		wb_log_warn(o->settings.log, "callbacks' group", WB_STR("doing", "pausing"),
			WB_STR("text", rd_kafka_err2str(err)));
	o->assigned = true;
	if (list->cnt > 0)
		wb_log_info(o->settings.log, "callbacks: partitions assigned", WB_INT("count", list->cnt));
	for (int i = 0; i < list->cnt; i++)
		o->settings.assigned(o->settings.arg, list->elems[i].partition);
}

static void unassign(struct wb_callback_owner *o, rd_kafka_topic_partition_list_t *list)
{
	check(o, rd_kafka_incremental_unassign(o->rk, list), "unassigning");
	if (list->cnt > 0)
		wb_log_info(o->settings.log, "callbacks: partitions given back", WB_INT("count", list->cnt));
	for (int i = 0; i < list->cnt; i++)
		o->settings.gone(o->settings.arg, list->elems[i].partition);
}

static void end_drain(struct wb_callback_owner *o)
{
	rd_kafka_topic_partition_list_t *list = o->draining;

	if (!list)
		return;
	o->draining = NULL;
	unassign(o, list);
	rd_kafka_topic_partition_list_destroy(list);
}

static void revoke(struct wb_callback_owner *o, const rd_kafka_topic_partition_list_t *list, bool lost)
{
	for (int i = 0; i < list->cnt; i++)
		o->settings.leaving(o->settings.arg, list->elems[i].partition);
	o->draining = rd_kafka_topic_partition_list_copy(list);
	o->drain_until_ms = wb_clock_mono_ms() + (lost || o->closing ? 0 : o->settings.drain_ms);
	if (lost)
		wb_log_warn(o->settings.log, "callbacks: partitions lost to others", WB_INT("count", list->cnt));
	if (lost || o->closing)
		end_drain(o);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct wb_callback_owner *o = opaque;
	bool lost = rd_kafka_assignment_lost(rk); /* looked at first, as assigning clears it */

	end_drain(o); /* the group lost patience with what was being given back */
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		assign(o, list);
	else
		revoke(o, list, lost);
}

static bool is_drained(const struct wb_callback_owner *o)
{
	for (int i = 0; i < o->draining->cnt; i++) {
		if (!o->settings.idle(o->settings.arg, o->draining->elems[i].partition))
			return false;
	}
	return true;
}

enum wb_err wb_callback_owner_serve(struct wb_callback_owner *o, struct wb_error *e)
{
	char text[512];

	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(o->rk, 0);

		if (!message)
			break;
		if (message->err)
			wb_log_debug(
				o->settings.log, "callbacks' group", WB_STR("text", rd_kafka_err2str(message->err)));
		rd_kafka_message_destroy(message);
	}
	if (o->draining &&
		(wb_clock_mono_ms() >= o->drain_until_ms || rd_kafka_assignment_lost(o->rk) || is_drained(o)))
		end_drain(o);
	if (rd_kafka_fatal_error(o->rk, text, sizeof text))
		return wb_error_set(e, WB_EFATAL, "the callbacks' group: %s", text);
	return WB_OK;
}

/* What must be so, whatever kafka.* says: that is for the consumers, and a shared environment may hold it. */
static bool force(rd_kafka_conf_t *conf, const char *name, const char *value, struct wb_error *e)
{
	char text[256];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
		return true;
	(void)wb_error_set(e, WB_EINVAL, "callbacks' group: %s: %s", name, text);
	return false;
}

static enum wb_err make_client(struct wb_callback_owner *o, struct wb_error *e)
{
	static const struct wb_kafka_setting role[] = {
		{ "auto.offset.reset", "latest" },
		{ "queued.min.messages", "1" },
		{ NULL, NULL },
	};
	rd_kafka_conf_t *conf = wb_kafka_conf_new(o->settings.kafka, role, o->settings.client_id, &o->context, e);
	char text[512];

	if (!conf)
		return WB_EINVAL;
	if (!force(conf, "group.id", o->settings.group_id, e) ||
		!force(conf, "partition.assignment.strategy", "cooperative-sticky", e)) {
		rd_kafka_conf_destroy(conf);
		return WB_EINVAL;
	}
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	if (rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, o)) {
		rd_kafka_conf_destroy(conf);
		return wb_error_set(e, WB_EINVAL, "callbacks' group: the client takes no interceptor");
	}
	o->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!o->rk) {
		rd_kafka_conf_destroy(conf);
		return wb_error_set(e, WB_EINVAL, "callbacks' group: %s", text);
	}
	(void)rd_kafka_poll_set_consumer(o->rk); /* only fails for what is no consumer */
	return WB_OK;
}

static enum wb_err subscribe(struct wb_callback_owner *o, struct wb_error *e)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t err;

	rd_kafka_topic_partition_list_add(topics, o->settings.kafka->topic_results, RD_KAFKA_PARTITION_UA);
	err = rd_kafka_subscribe(o->rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (err)
		return wb_error_set(e, WB_EINVAL, "callbacks' group: %s", rd_kafka_err2str(err));
	return WB_OK;
}

struct wb_callback_owner *wb_callback_owner_new(const struct wb_callback_owner_settings *settings, struct wb_error *e)
{
	struct wb_callback_owner *o = wb_xcalloc(1, sizeof *o);

	o->settings = *settings;
	o->context.log = settings->log;
	atomic_init(&o->joining, false);
	atomic_init(&o->joined, false);
	atomic_init(&o->join_ended_ms, INT64_MIN / 2);
	if (make_client(o, e) != WB_OK || subscribe(o, e) != WB_OK)
		wb_callback_owner_free(&o);
	return o;
}

static bool is_changing(const struct wb_callback_owner *o)
{
	return o->draining || atomic_load(&o->joining) ||
		wb_clock_mono_ms() - atomic_load(&o->join_ended_ms) < SETTLE_MS;
}

static void leave_group(struct wb_callback_owner *o)
{
	int64_t deadline_ms = wb_clock_mono_ms() + CLOSE_MS;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(o->rk);
	rd_kafka_error_t *error;

	while (is_changing(o) && wb_clock_mono_ms() < deadline_ms) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(o->rk, 50);

		if (message)
			rd_kafka_message_destroy(message);
		end_drain(o);
	}
	o->closing = true;
	end_drain(o);
	error = rd_kafka_consumer_close_queue(o->rk, queue);
	if (!error) {
		while (!rd_kafka_consumer_closed(o->rk) && wb_clock_mono_ms() < deadline_ms)
			(void)rd_kafka_queue_poll_callback(queue, 50); /* how many events is of no interest */
	}
	check(o, error, "leaving");
	o->closed = rd_kafka_consumer_closed(o->rk);
	rd_kafka_queue_destroy(queue);
}

void wb_callback_owner_free(struct wb_callback_owner **owner)
{
	struct wb_callback_owner *o = *owner;

	*owner = NULL;
	if (!o)
		return;
	if (o->rk) {
		leave_group(o);
		/* One that waits to leave, or was never told of an assignment, cannot be destroyed; the process ends soon.
		 * Its threads go on meanwhile, without a word. */
		if (!o->closed || (rd_kafka_version() < 0x02030000 && atomic_load(&o->joined) && !o->assigned)) {
			rd_kafka_set_log_level(o->rk, 0);
			return;
		}
		rd_kafka_destroy(o->rk);
	}
	free(o);
}
