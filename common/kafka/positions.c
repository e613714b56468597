#include "common/kafka/positions.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/kafka/client.h"

#include <stdlib.h>

enum { STEP_MS = 1000 }; /* one question, of several within a deadline */

struct asking {
	struct wb_kafka_context context; /* first: the client's opaque */
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	const char *name;
	int64_t deadline_ms;
};

static int left(const struct asking *a, int64_t at_most_ms)
{
	int64_t left_ms = a->deadline_ms - wb_clock_mono_ms();

	return left_ms < 1 ? 1 : left_ms > at_most_ms ? (int)at_most_ms : (int)left_ms;
}

static rd_kafka_resp_err_t ask_count(const struct asking *a, int32_t *ret)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err;

	do {
		err = rd_kafka_metadata(a->rk, 0, a->topic, &metadata, left(a, STEP_MS));
	} while (err && wb_clock_mono_ms() < a->deadline_ms);
	if (err)
		return err;
	err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	*ret = err ? 0 : metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return err;
}

static rd_kafka_resp_err_t ask_ends(const struct asking *a, struct wb_kafka_position *positions, int32_t count)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int32_t i = 0; i < count && !err; i++) {
		int64_t low, high;

		err = rd_kafka_query_watermark_offsets(a->rk, a->name, i, &low, &high, left(a, INT32_MAX));
		if (!err)
			positions[i] = (struct wb_kafka_position){ low, high, -1 };
	}
	return err;
}

static rd_kafka_resp_err_t ask_committed(const struct asking *a, struct wb_kafka_position *positions, int32_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	rd_kafka_resp_err_t err;

	for (int32_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, a->name, i);
	err = rd_kafka_committed(a->rk, list, left(a, INT32_MAX));
	for (int i = 0; i < list->cnt && !err; i++) {
		err = list->elems[i].err;
		if (!err && list->elems[i].offset >= 0)
			positions[list->elems[i].partition].committed = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

static enum wb_err open_client(struct asking *a, const struct wb_kafka_options *options, const char *client_id,
	const char *group, struct wb_error *e)
{
	const struct wb_kafka_setting role[] = { { group ? "group.id" : NULL, group }, { NULL, NULL } };
	rd_kafka_conf_t *conf = wb_kafka_conf_new(options, role, client_id, &a->context, e);
	char text[512];

	if (!conf)
		return WB_EINVAL;
	a->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!a->rk) {
		rd_kafka_conf_destroy(conf);
		return wb_error_set(e, WB_EINVAL, "Kafka: %s", text);
	}
	a->topic = rd_kafka_topic_new(a->rk, a->name, NULL);
	if (!a->topic)
		return wb_error_set(e, WB_EINVAL, "topic %s: %s", a->name, rd_kafka_err2str(rd_kafka_last_error()));
	return WB_OK;
}

static enum wb_err told(const struct asking *a, rd_kafka_resp_err_t err, struct wb_error *e)
{
	if (!err)
		return WB_OK;
	return wb_error_set(e,
		err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? WB_ENOTFOUND
			: err == RD_KAFKA_RESP_ERR__TIMED_OUT  ? WB_ETIMEDOUT
							       : WB_EIO,
		"topic %s: %s", a->name, rd_kafka_err2str(err));
}

enum wb_err wb_kafka_positions(const struct wb_kafka_options *options, const char *client_id, const char *topic,
	const char *group, int64_t timeout_ms, struct wb_log *log, struct wb_kafka_position **ret_positions,
	int32_t *ret_count, struct wb_error *e)
{
	struct asking a = { .context = { .log = log }, .name = topic, .deadline_ms = wb_clock_mono_ms() + timeout_ms };
	enum wb_err err = open_client(&a, options, client_id, group, e);
	struct wb_kafka_position *positions = NULL;
	int32_t count = 0;

	if (!err)
		err = told(&a, ask_count(&a, &count), e);
	if (!err) {
		positions = wb_xcalloc((size_t)count + 1, sizeof *positions);
		err = told(&a, ask_ends(&a, positions, count), e);
	}
	if (!err && group)
		err = told(&a, ask_committed(&a, positions, count), e);
	if (a.topic)
		rd_kafka_topic_destroy(a.topic);
	if (a.rk)
		rd_kafka_destroy(a.rk);
	if (err) {
		free(positions);
		return err;
	}
	*ret_positions = positions;
	*ret_count = count;
	return WB_OK;
}
