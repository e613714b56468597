/* A Kafka cluster inside the test's process: librdkafka's mock, on loopback ports of its own choice. */
#ifndef WB_TESTS_UNIT_COMMON_KAFKA_MOCK_H
#define WB_TESTS_UNIT_COMMON_KAFKA_MOCK_H

#include "common/base/mem.h"
#include "common/kafka/options.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>

struct mock {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
	struct wb_option_pair pairs[4];
	struct wb_kafka_options options;
};

static inline void mock_start(struct mock *m, int brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	*m = (struct mock){ 0 };
	/* Without it every answer of the mock waits for the delayed acknowledgement of the one before. */
	if (rd_kafka_conf_set(conf, "socket.nagle.disable", "true", text, sizeof text) != RD_KAFKA_CONF_OK)
		abort();
	m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!m->rk || !(m->cluster = rd_kafka_mock_cluster_new(m->rk, brokers)))
		abort();
	m->options = (struct wb_kafka_options){
		.bootstrap_servers = (char *)(uintptr_t)rd_kafka_mock_cluster_bootstraps(m->cluster),
		.properties = { m->pairs, 0 },
		.topic_writes = (char *)(uintptr_t)"writes",
		.topic_results = (char *)(uintptr_t)"results",
		.topic_dead_letters = (char *)(uintptr_t)"letters",
		.topic_partitions = 2,
		.topic_replication = 1,
	};
}

/* A kafka.* property of the user; at most four. */
static inline void mock_set(struct mock *m, const char *key, const char *value)
{
	m->pairs[m->options.properties.count++] = (struct wb_option_pair){ (char *)(uintptr_t)key,
		(char *)(uintptr_t)value, false };
}

static inline void mock_topic(struct mock *m, const char *name, int partitions)
{
	if (rd_kafka_mock_topic_create(m->cluster, name, partitions, 1))
		abort();
}

static inline void mock_stop(struct mock *m)
{
	rd_kafka_mock_cluster_destroy(m->cluster);
	rd_kafka_destroy(m->rk);
}

#endif
