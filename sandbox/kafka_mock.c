#include "sandbox/kafka_mock.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WATCH_EVERY_MS    200
#define DISCOVER_EVERY_MS 2000
#define SAY_AGAIN_MS      5000
#define QUIET_SKIPS       4
#define ANSWER_MS         1000
#define TOPICS_MAX        64
#define PARTITIONS_MAX    1024

/* The port that the next listener on loopback is to have, while the cluster is being made on this thread. */
static _Thread_local uint16_t wanted_port;

/* librdkafka binds the mock's listener to a port that the kernel picks, and offers no way to say which. Its call
 * comes here, as a program's own functions go before those of the C library. */
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	struct sockaddr_in in;

	if (!wanted_port || len != sizeof in || address.__sockaddr__->sa_family != AF_INET)
		return (int)syscall(SYS_bind, fd, address.__sockaddr__, len);
	memcpy(&in, address.__sockaddr_in__, sizeof in);
	if (in.sin_port == 0) {
		const int on = 1;

		in.sin_port = htons(wanted_port);
		/* So that a restart does not wait for the last life's connections; without it, bind says so. */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	}
	return (int)syscall(SYS_bind, fd, &in, len);
}

struct topic {
	char *name;
	int partitions;
	int64_t low[PARTITIONS_MAX], high[PARTITIONS_MAX];
	unsigned skip;    /* looks to leave out, as nothing had come at the last one */
	int64_t said_ms;  /* when a loss was logged last; 0: never */
	int64_t said;     /* what was lost by then */
};

struct wb_kafka_mock {
	struct wb_log *log;
	rd_kafka_t *host;    /* the mock lives in it */
	rd_kafka_t *watcher; /* an ordinary client of the mock */
	rd_kafka_mock_cluster_t *cluster;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	bool stopping;
	struct topic *topics[TOPICS_MAX];
	size_t topic_count;
};

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	struct wb_kafka_mock *m = rd_kafka_opaque(rk);

	if (level <= 4)
		wb_log_warn(m->log, "librdkafka", WB_STR("facility", facility), WB_STR("text", text));
	else
		wb_log_debug(m->log, "librdkafka", WB_STR("facility", facility), WB_STR("text", text));
}

static rd_kafka_t *new_client(struct wb_kafka_mock *m, const char *bootstrap, struct wb_error *e)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256] = "";
	rd_kafka_t *rk = NULL;

	rd_kafka_conf_set_opaque(conf, m);
	rd_kafka_conf_set_log_cb(conf, log_line);
	/* With Nagle's algorithm on the mock's side every acknowledgement takes a millisecond longer. */
	if (rd_kafka_conf_set(conf, "socket.nagle.disable", "true", why, sizeof why) == RD_KAFKA_CONF_OK &&
		rd_kafka_conf_set(conf, "client.id", "writebehind-sandbox", why, sizeof why) == RD_KAFKA_CONF_OK &&
		(!bootstrap ||
			rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why) == RD_KAFKA_CONF_OK))
		rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		(void)wb_error_set(e, WB_EIO, "cannot make a Kafka client: %s", why);
	}
	return rk;
}

/* Adds a topic that is not known yet; its lock is held, or nobody else is there. */
static struct topic *find_topic(struct wb_kafka_mock *m, const char *name, int partitions)
{
	struct topic *t;

	for (size_t i = 0; i < m->topic_count; i++)
		if (strcmp(m->topics[i]->name, name) == 0)
			return m->topics[i];
	if (m->topic_count == TOPICS_MAX)
		return NULL;
	t = wb_xcalloc(1, sizeof *t);
	t->name = wb_xstrdup(name);
	t->partitions = partitions < PARTITIONS_MAX ? partitions : PARTITIONS_MAX;
	m->topics[m->topic_count++] = t;
	return t;
}

static enum wb_err create_topics(struct wb_kafka_mock *m, const char *names, int partitions, struct wb_error *e)
{
	const char *at = names;

	while (*at) {
		size_t len = strcspn(at, ",");
		char name[250];
		rd_kafka_resp_err_t err;

		if (len == 0 || len >= sizeof name)
			return wb_error_set(e, WB_EINVAL, "kafka.topics: names of 1 to 249 bytes with commas between");
		memcpy(name, at, len);
		name[len] = '\0';
		err = rd_kafka_mock_topic_create(m->cluster, name, partitions, 1);
		if (err)
			return wb_error_set(e, WB_EIO, "cannot create topic %s: %s", name, rd_kafka_err2str(err));
		if (!find_topic(m, name, partitions))
			return wb_error_set(e, WB_EINVAL, "kafka.topics: more than %d topics", TOPICS_MAX);
		at += len + (at[len] == ',');
	}
	return WB_OK;
}

/* Clients make topics too: whatever they ask for springs into being. */
static void discover(struct wb_kafka_mock *m)
{
	const struct rd_kafka_metadata *metadata = NULL;

	if (rd_kafka_metadata(m->watcher, 1, NULL, &metadata, ANSWER_MS))
		return;
	wb_mutex_lock(&m->lock);
	for (int i = 0; i < metadata->topic_cnt; i++)
		(void)find_topic(m, metadata->topics[i].topic, metadata->topics[i].partition_cnt);
	wb_mutex_unlock(&m->lock);
	rd_kafka_metadata_destroy(metadata);
}

static int64_t sum(const int64_t *values, int count)
{
	int64_t total = 0;

	for (int i = 0; i < count; i++)
		total += values[i];
	return total;
}

static void say_what_is_gone(struct wb_kafka_mock *m, struct topic *t, int64_t now_ms)
{
	int64_t gone = sum(t->low, t->partitions);

	if (gone == t->said || (t->said_ms && now_ms - t->said_ms < SAY_AGAIN_MS))
		return;
	wb_log_error(m->log,
		"RECORDS DROPPED: Kafka's mock keeps only 5 MiB or 100,000 batches of a partition; what no consumer "
		"had read "
		"is lost. Use a real Kafka for this much, or more kafka.partitions",
		WB_STR("topic", t->name), WB_INT("dropped", gone), WB_INT("of", sum(t->high, t->partitions)));
	t->said = gone;
	t->said_ms = now_ms;
}

/* What is dropped stays dropped, so a quiet topic is looked at once a second: it is found a little later then. */
static void watch_topic(struct wb_kafka_mock *m, struct topic *t)
{
	int64_t before = sum(t->high, t->partitions);

	if (t->skip > 0) {
		t->skip--;
		return;
	}
	for (int p = 0; p < t->partitions; p++) {
		int64_t low = 0, high = 0;

		if (rd_kafka_query_watermark_offsets(m->watcher, t->name, p, &low, &high, ANSWER_MS))
			continue;
		wb_mutex_lock(&m->lock);
		t->low[p] = low;
		t->high[p] = high;
		wb_mutex_unlock(&m->lock);
	}
	wb_mutex_lock(&m->lock);
	say_what_is_gone(m, t, wb_clock_mono_ms());
	t->skip = before == sum(t->high, t->partitions) ? QUIET_SKIPS : 0;
	wb_mutex_unlock(&m->lock);
}

/* Sleeps until the next look; false when the end was asked for. */
static bool wait_for_next(struct wb_kafka_mock *m, int64_t deadline_ms)
{
	bool stopping;

	wb_mutex_lock(&m->lock);
	while (!m->stopping && wb_cond_wait_until(&m->wake, &m->lock, deadline_ms))
		;
	stopping = m->stopping;
	wb_mutex_unlock(&m->lock);
	return !stopping;
}

static void *watch(void *arg)
{
	struct wb_kafka_mock *m = arg;
	int64_t next_ms = wb_clock_mono_ms(), discover_ms = next_ms + DISCOVER_EVERY_MS;

	while (wait_for_next(m, next_ms)) {
		struct topic *topics[TOPICS_MAX];
		size_t count;

		next_ms = wb_clock_mono_ms() + WATCH_EVERY_MS;
		if (next_ms > discover_ms) {
			discover(m);
			discover_ms = next_ms + DISCOVER_EVERY_MS;
		}
		/* Topics are only ever added, so a copy of the list is enough. */
		wb_mutex_lock(&m->lock);
		count = m->topic_count;
		memcpy(topics, m->topics, count * sizeof topics[0]);
		wb_mutex_unlock(&m->lock);
		for (size_t i = 0; i < count; i++)
			watch_topic(m, topics[i]);
	}
	return NULL;
}

/* librdkafka ends the process when it cannot bind, so we try first. */
static enum wb_err try_port(uint16_t port, struct wb_error *e)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	enum wb_err err = WB_OK;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
		bind(fd, (const struct sockaddr *)&in, sizeof in))
		err = wb_error_set(e, WB_EIO, "cannot listen on 127.0.0.1:%u for Kafka: %s", port, strerror(errno));
	if (fd >= 0)
		(void)close(fd); /* it held nothing */
	return err;
}

static enum wb_err check_port(const struct wb_kafka_mock *m, uint16_t port, struct wb_error *e)
{
	const char *address = wb_kafka_mock_address(m), *colon = strrchr(address, ':');
	int64_t is = 0;

	if (!port || (colon && !wb_strict_int64(wb_slice_cstr(colon + 1), 1, 65535, &is, NULL) && is == port))
		return WB_OK;
	return wb_error_set(e, WB_EIO, "this librdkafka's mock listens on %s and not on port %u", address, port);
}

struct wb_kafka_mock *wb_kafka_mock_new(const struct wb_kafka_mock_settings *settings, struct wb_error *e)
{
	struct wb_kafka_mock *m = wb_xcalloc(1, sizeof *m);
	bool ok = false;

	m->log = settings->log;
	wb_mutex_init(&m->lock);
	wb_cond_init(&m->wake);
	if (!settings->port || !try_port(settings->port, e))
		m->host = new_client(m, NULL, e);
	if (m->host) {
		wanted_port = settings->port;
		m->cluster = rd_kafka_mock_cluster_new(m->host, 1);
		wanted_port = 0;
		if (!m->cluster)
			(void)wb_error_set(e, WB_EIO, "cannot start Kafka's mock cluster on port %u", settings->port);
	}
	if (m->cluster)
		ok = !check_port(m, settings->port, e) && !create_topics(m, settings->topics, settings->partitions, e);
	if (ok)
		m->watcher = new_client(m, wb_kafka_mock_address(m), e);
	if (!m->watcher) {
		wb_kafka_mock_free(&m);
		return NULL;
	}
	m->thread = wb_thread_start("kafka-watch", watch, m);
	m->running = true;
	return m;
}

const char *wb_kafka_mock_address(const struct wb_kafka_mock *m)
{
	return rd_kafka_mock_cluster_bootstraps(m->cluster);
}

void wb_kafka_mock_stats(struct wb_kafka_mock *m, struct wb_buf *ret)
{
	int64_t dropped = 0;

	wb_buf_appendf(ret, "{\"address\":\"%s\",\"topics\":[", wb_kafka_mock_address(m));
	wb_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->topic_count; i++) {
		const struct topic *t = m->topics[i];
		int64_t gone = sum(t->low, t->partitions);

		wb_buf_append_cstr(ret, i ? ",{\"topic\":" : "{\"topic\":");
		wb_buf_append_json_string(ret, wb_slice_cstr(t->name));
		wb_buf_appendf(ret, ",\"partitions\":%d,\"records\":%lld,\"dropped\":%lld}", t->partitions,
			(long long)sum(t->high, t->partitions), (long long)gone);
		dropped += gone;
	}
	wb_mutex_unlock(&m->lock);
	wb_buf_appendf(ret, "],\"dropped\":%lld}", (long long)dropped);
}

void wb_kafka_mock_free(struct wb_kafka_mock **mock)
{
	struct wb_kafka_mock *m = *mock;

	if (!m)
		return;
	if (m->running) {
		wb_mutex_lock(&m->lock);
		m->stopping = true;
		wb_cond_broadcast(&m->wake);
		wb_mutex_unlock(&m->lock);
		wb_thread_join(m->thread);
	}
	if (m->watcher)
		rd_kafka_destroy(m->watcher);
	if (m->cluster)
		rd_kafka_mock_cluster_destroy(m->cluster);
	if (m->host)
		rd_kafka_destroy(m->host);
	for (size_t i = 0; i < m->topic_count; i++) {
		free(m->topics[i]->name);
		free(m->topics[i]);
	}
	wb_cond_release(&m->wake);
	wb_mutex_release(&m->lock);
	free(m);
	*mock = NULL;
}
