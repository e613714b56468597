/* librdkafka's bare produce rate, as a closed loop: WINDOWS batches of BATCH records are in flight, and a batch that is
 * acknowledged whole is sent again at once.
 *
 * usage: tool_produce BOOTSTRAP TOPIC BATCH WINDOWS BYTES SECONDS [LINGER_MS]
 * Prints {"records_per_s":…,"p50_ms":…,"p99_ms":…,"cpu_s_per_million":…}; the times are a batch's, from its first record
 * to its last acknowledgement. acks=all, linger 1 ms
 * where none is given, records without headers, keys of 12 bytes.
 */
#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM_UP_S   1.0
#define SAMPLES_MAX 4000000

struct window {
	long waiting;
	double since;
};

struct bench {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	long batch, records, key;
	char *value;
	size_t bytes;
	bool measuring, ending;
	float *samples;
	long sample_count;
};

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

static void send_batch(struct bench *b, struct window *w)
{
	char key[16];

	w->since = seconds();
	w->waiting = b->batch;
	for (long i = 0; i < b->batch; i++) {
		int len = snprintf(key, sizeof key, "doc-%08ld", b->key++ % 100000000);

		while (rd_kafka_produce(b->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, b->value, b->bytes, key,
			       (size_t)len, w) == -1)
			(void)rd_kafka_poll(b->rk, 1);
	}
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct bench *b = opaque;
	struct window *w = message->_private;

	(void)rk;
	if (message->err) {
		fprintf(stderr, "tool_produce: %s\n", rd_kafka_err2str(message->err));
		exit(1);
	}
	b->records += b->measuring;
	if (--w->waiting > 0)
		return;
	if (b->measuring && b->sample_count < SAMPLES_MAX)
		b->samples[b->sample_count++] = (float)(1e3 * (seconds() - w->since));
	if (!b->ending)
		send_batch(b, w);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[256];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "tool_produce: %s\n", error);
		exit(1);
	}
}

static rd_kafka_t *connect_to(const char *bootstrap, const char *linger_ms, struct bench *b)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[256];
	rd_kafka_t *rk;

	set(conf, "bootstrap.servers", bootstrap);
	set(conf, "acks", "all");
	set(conf, "enable.idempotence", "true");
	set(conf, "linger.ms", linger_ms);
	set(conf, "partitioner", "murmur2_random");
	set(conf, "socket.nagle.disable", "true");
	rd_kafka_conf_set_opaque(conf, b);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	if (!rk) {
		fprintf(stderr, "tool_produce: %s\n", error);
		exit(1);
	}
	return rk;
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void run_for(struct bench *b, double time)
{
	double end = seconds() + time;

	while (seconds() < end)
		(void)rd_kafka_poll(b->rk, 10);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	struct window *windows;
	double started, took, cpu;
	long count, n;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: tool_produce BOOTSTRAP TOPIC BATCH WINDOWS BYTES SECONDS [LINGER_MS]\n");
		return 2;
	}
	b.batch = strtol(argv[3], NULL, 10);
	count = strtol(argv[4], NULL, 10);
	b.bytes = strtoul(argv[5], NULL, 10);
	b.rk = connect_to(argv[1], argc == 8 ? argv[7] : "1", &b);
	b.topic = rd_kafka_topic_new(b.rk, argv[2], NULL);
	b.value = malloc(b.bytes);
	b.samples = malloc(SAMPLES_MAX * sizeof *b.samples);
	windows = calloc((size_t)count, sizeof *windows);
	if (!b.topic || !b.value || !b.samples || !windows || b.batch <= 0)
		return 2;
	memset(b.value, 'x', b.bytes);
	for (long i = 0; i < count; i++)
		send_batch(&b, &windows[i]);
	run_for(&b, WARM_UP_S);
	b.measuring = true;
	started = seconds();
	cpu = cpu_seconds();
	run_for(&b, strtod(argv[6], NULL));
	b.measuring = false;
	took = seconds() - started;
	cpu = cpu_seconds() - cpu;
	b.ending = true;
	(void)rd_kafka_flush(b.rk, 10000);
	n = b.sample_count;
	qsort(b.samples, (size_t)n, sizeof *b.samples, ascending);
	printf("{\"records_per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"cpu_s_per_million\":%.3f}\n",
		(double)b.records / took, n ? (double)b.samples[n / 2] : 0, n ? (double)b.samples[n * 99 / 100] : 0,
		cpu * 1e6 / (double)b.records);
	rd_kafka_topic_destroy(b.topic);
	rd_kafka_destroy(b.rk);
	free(windows);
	free(b.samples);
	free(b.value);
	return 0;
}
