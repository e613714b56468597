#include "sandbox/emulator.h"

#include "common/base/clock.h"
#include "common/base/thread.h"
#include "common/cosmos/sign.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define KEY     "c2VjcmV0"
#define CLIENTS 4
#define ROUNDS  200

static struct wb_emulator *start(const char *rules)
{
	const struct wb_emulator_settings settings = { .host = "127.0.0.1",
		.key = KEY,
		.ranges = 4,
		.threads = 3,
		.store_max_bytes = 1 << 30,
		.fault_rules = rules };
	struct wb_error why = { "" };
	struct wb_emulator *e = wb_emulator_new(&settings, &why);

	if (!e)
		fail_msg("%s", why.text);
	assert_int_equal(wb_emulator_create(e, "db", "c", "/pk", &why), WB_OK);
	return e;
}

static int connect_to(const struct wb_emulator *e)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(wb_emulator_port(e, 0)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&in, sizeof in))
		abort();
	return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* Reads one reply with a Content-Length; its status, or 0 when the connection ended. */
static int read_text(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);
		const char *end, *length;

		if (n <= 0)
			return 0;
		len += (size_t)n;
		buf[len] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (!end)
			continue;
		length = strstr(buf, "Content-Length: ");
		if (len >= (size_t)(end + 4 - buf) + (length && length < end ? strtoul(length + 16, NULL, 10) : 0))
			return (int)strtol(buf + 9, NULL, 10);
	}
}

static int read_reply(int fd)
{
	char buf[65536];

	return read_text(fd, buf, sizeof buf);
}

static int request(int fd, const char *verb, const char *type, const char *link, const char *path, const char *headers,
	const char *body)
{
	char date[WB_CLOCK_RFC1123_SIZE];
	struct wb_cosmos_key key;
	struct wb_buf text;
	int status;

	wb_buf_init(&text, 65536);
	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	assert_int_equal(wb_cosmos_key_parse(wb_slice_cstr(KEY), &key), WB_OK);
	wb_buf_appendf(
		&text, "%s %s HTTP/1.1\r\nHost: h\r\nx-ms-date: %s\r\n%sAuthorization: ", verb, path, date, headers);
	wb_cosmos_sign(&key, wb_slice_cstr(verb), wb_slice_cstr(type), wb_slice_cstr(link), wb_slice_cstr(date), &text);
	wb_buf_appendf(&text, "\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	send_all(fd, text.data, text.len);
	status = read_reply(fd);
	wb_buf_release(&text);
	return status;
}

static int upsert(int fd, const char *id)
{
	char body[200];

	(void)snprintf(body, sizeof body, "{\"id\":\"%s\",\"pk\":\"p\"}", id);
	return request(fd, "POST", "docs", "dbs/db/colls/c", "/dbs/db/colls/c/docs",
		"x-ms-documentdb-is-upsert: true\r\nx-ms-documentdb-partitionkey: [\"p\"]\r\n", body);
}

static int plain(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
	return read_reply(fd);
}

static int order(int fd, const char *what, const char *body)
{
	char text[512];

	(void)snprintf(text, sizeof text, "POST /_sandbox/%s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", what,
		strlen(body), body);
	return plain(fd, text);
}

struct client {
	struct wb_emulator *emulator;
	pthread_t thread;
	int number;
	unsigned bad;
};

/* Does a bit of everything beside the others; a sanitizer sees what they share. */
static void *run_client(void *arg)
{
	struct client *c = arg;
	int fd = connect_to(c->emulator);
	char id[32], body[100];

	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(id, sizeof id, "d%d-%d", c->number, i % 20);
		c->bad += upsert(fd, id) / 100 != 2;
		c->bad += request(fd, "GET", "docs", "dbs/db/colls/c", "/dbs/db/colls/c/docs", "", "") != 200;
		c->bad += plain(fd, "GET /_sandbox/stats HTTP/1.1\r\n\r\n") != 200;
		if (i % 20 == c->number) {
			c->bad += plain(fd,
					  "POST /_sandbox/faults HTTP/1.1\r\nContent-Length: "
					  "16\r\n\r\n{\"latency_ms\":1}") != 200;
			c->bad += plain(fd, "DELETE /_sandbox/faults HTTP/1.1\r\n\r\n") != 200;
		}
		/* The ranges change under the others: splits until there are as many as there can be, merges of two. */
		if (c->number == 1 && i % 4 == 0)
			c->bad += order(fd, "split", "{\"database\":\"db\",\"container\":\"c\"}") == 0;
		if (c->number == 2 && i % 4 == 0) {
			(void)snprintf(body, sizeof body,
				"{\"database\":\"db\",\"container\":\"c\",\"ranges\":[\"%d\",\"%d\"]}", i, i + 1);
			c->bad += order(fd, "merge", body) == 0;
			c->bad += plain(fd, "GET /_sandbox/failover HTTP/1.1\r\n\r\n") != 200;
			(void)request(fd, "GET", "pkranges", "dbs/db/colls/c", "/dbs/db/colls/c/pkranges", "", "");
		}
		if (c->number == 3 && i % 50 == 0)
			c->bad += order(fd, "recreate",
					  "{\"database\":\"db\",\"container\":\"c\",\"keep_documents\":true}") != 200;
		if (i % 10 == 0) {
			(void)close(fd);
			fd = connect_to(c->emulator);
		}
		if (c->number == 0 && i % 5 == 0) {
			(void)request(fd, "POST", "colls", "dbs/db", "/dbs/db/colls", "",
				"{\"id\":\"other\",\"partitionKey\":{\"paths\":[\"/pk\"]}}");
			(void)request(fd, "DELETE", "colls", "dbs/db/colls/other", "/dbs/db/colls/other", "", "");
		}
	}
	(void)close(fd);
	return NULL;
}

static void clients_beside_one_another_are_all_served(void **state)
{
	struct wb_emulator *e = start(NULL);
	struct client clients[CLIENTS];
	unsigned bad = 0;
	static const char stats[] = "GET /_sandbox/stats HTTP/1.1\r\n\r\n";
	char want[64], reply[16384];
	int fd;

	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .emulator = e, .number = i };
		clients[i].thread = wb_thread_start("client", run_client, &clients[i]);
	}
	for (int i = 0; i < CLIENTS; i++) {
		wb_thread_join(clients[i].thread);
		bad += clients[i].bad;
	}
	assert_int_equal(bad, 0);
	fd = connect_to(e);
	(void)snprintf(want, sizeof want, "\"documents\":%d,", CLIENTS * 20);
	send_all(fd, stats, strlen(stats));
	assert_int_equal(read_text(fd, reply, sizeof reply), 200);
	assert_non_null(strstr(reply, want));
	(void)close(fd);
	wb_emulator_free(&e);
}

static void it_ends_with_requests_delayed_hung_and_half_sent(void **state)
{
	struct wb_emulator *e = start("[{\"match\":{\"id\":\"hung\"},\"action\":\"hang\"},"
				      "{\"match\":{\"id\":\"slow\"},\"latency_ms\":3600000}]");
	int quick = connect_to(e), half = connect_to(e), odd = connect_to(e);

	(void)state;
	assert_int_equal(upsert(quick, "quick"), 201);
	send_all(half, "POST / HTTP/1.1\r\nContent-Le", 28);
	send_all(odd, "\0\0\0", 3);
	for (int i = 0; i < 2; i++) {
		struct timeval soon = { .tv_usec = 50000 };
		int fd = connect_to(e);

		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
		assert_int_equal(upsert(fd, i ? "hung" : "slow"), 0);
		(void)close(fd);
	}
	wb_emulator_free(&e);
	assert_null(e);
	assert_int_equal(upsert(quick, "quick"), 0);
	(void)close(quick);
	(void)close(half);
	(void)close(odd);
}

static void bad_settings_are_told(void **state)
{
	struct wb_emulator_settings settings = { .host = "127.0.0.1", .key = "no base64!", .ranges = 1, .threads = 1 };
	struct wb_error why = { "" };

	(void)state;
	assert_null(wb_emulator_new(&settings, &why));
	assert_non_null(strstr(why.text, "base64"));
	assert_null(strstr(why.text, "no base64!"));
	settings.key = KEY;
	settings.fault_rules = "[{\"status\":1}]";
	assert_null(wb_emulator_new(&settings, &why));
	assert_non_null(strstr(why.text, "status"));
	settings.fault_rules = NULL;
	settings.host = "localhost";
	assert_null(wb_emulator_new(&settings, &why));
	assert_non_null(strstr(why.text, "localhost"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_beside_one_another_are_all_served),
		cmocka_unit_test(it_ends_with_requests_delayed_hung_and_half_sent),
		cmocka_unit_test(bad_settings_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
