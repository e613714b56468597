/* librdkafka's bare consume rate: reads COUNT records of a topic and does nothing with them.
 *
 * usage: tool_consume BOOTSTRAP TOPIC COUNT
 * Prints {"records_per_s":…,"cpu_s_per_million":…}; the clock starts at the first record.
 */
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static rd_kafka_t *subscribe(const char *bootstrap, const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	char group[64], error[256];
	rd_kafka_t *rk;

	(void)snprintf(group, sizeof group, "bench-%ld", (long)getpid());
	(void)rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, NULL, 0);
	(void)rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
	(void)rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
	(void)rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
	if (!rk) {
		fprintf(stderr, "tool_consume: %s\n", error);
		exit(1);
	}
	(void)rd_kafka_poll_set_consumer(rk);
	(void)rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
	if (rd_kafka_subscribe(rk, list)) {
		fprintf(stderr, "tool_consume: cannot subscribe to %s\n", topic);
		exit(1);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

int main(int argc, char **argv)
{
	long count = argc == 4 ? strtol(argv[3], NULL, 10) : 0, seen = 0;
	double deadline = seconds() + 120, start = 0, cpu = 0;
	rd_kafka_t *rk;

	if (count <= 0) {
		fprintf(stderr, "usage: tool_consume BOOTSTRAP TOPIC COUNT\n");
		return 2;
	}
	rk = subscribe(argv[1], argv[2]);
	while (seen < count && seconds() < deadline) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);

		if (!m)
			continue;
		if (!m->err && seen++ == 0) {
			start = seconds();
			cpu = cpu_seconds();
		}
		rd_kafka_message_destroy(m);
	}
	if (seen < count) {
		fprintf(stderr, "tool_consume: only %ld of %ld records came\n", seen, count);
		return 1;
	}
	printf("{\"records_per_s\":%.0f,\"cpu_s_per_million\":%.3f}\n", (double)count / (seconds() - start),
		(cpu_seconds() - cpu) * 1e6 / (double)count);
	(void)rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return 0;
}
