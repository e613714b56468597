#include "producer/callback_sender.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

/* Answers over TLS are in test_producer_callbacks.py. */

#define SLOW_HOST "slow.invalid"
#define SLOW_MS   2500

static atomic_int slow_look_ups;

/* libcurl's resolver finds this one before the C library's. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (name && strcmp(name, SLOW_HOST) == 0) {
		(void)usleep(SLOW_MS * 1000); /* a name server that does not answer */
		atomic_fetch_add(&slow_look_ups, 1);
		return EAI_AGAIN;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(name, service, hints, ret);
}

struct seen {
	unsigned count;
	struct wb_callback_answer answer;
	char error[512];
};

static void on_answer(void *arg, const struct wb_callback_answer *answer)
{
	struct seen *seen = arg;

	seen->count++;
	seen->answer = *answer;
	(void)snprintf(seen->error, sizeof seen->error, "%s", answer->error ? answer->error : "");
}

static void drop(void *arg)
{
	struct seen *seen = arg;

	seen->count += 100;
}

/* A port of this machine that takes connections and says nothing, or, closed, takes none. */
static int open_port(char *ret_url, size_t size)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(ret_url, size, "https://localhost:%d/", (int)ntohs(address.sin_port));
	return fd;
}

static struct wb_callback_sender *sender_of(struct wb_callback_rules *rules, int64_t timeout_ms)
{
	const struct wb_callback_sender_settings settings = {
		.rules = rules,
		.user_agent = "test",
		.timeout_ms = timeout_ms,
		.connect_timeout_ms = timeout_ms,
		.max_in_flight = 8,
	};
	struct wb_callback_sender *s = wb_callback_sender_new(&settings, NULL);

	assert_non_null(s);
	return s;
}

static void send_to(struct wb_callback_sender *s, const char *url, struct seen *seen)
{
	const struct wb_callback_request request = {
		.url = wb_slice_cstr(url),
		.id = "job_1",
		.timestamp_s = 1,
		.signature = WB_SLICE_LIT("v1,x"),
		.body = WB_SLICE_LIT("{}"),
	};

	wb_callback_sender_send(s, &request, on_answer, seen);
}

static void wait_for(struct wb_callback_sender *s, const struct seen *seen)
{
	int64_t deadline_ms = wb_clock_mono_ms() + 20000;

	while (seen->count == 0 && wb_clock_mono_ms() < deadline_ms)
		wb_callback_sender_run(s, 50);
	assert_int_equal(seen->count, 1);
	assert_int_equal(wb_callback_sender_in_flight(s), 0);
}

static void an_address_is_judged_after_the_resolution(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", false, NULL);
	struct wb_callback_sender *s = sender_of(rules, 10000);
	struct seen seen = { 0 };
	char url[64];
	int fd = open_port(url, sizeof url);

	(void)state;
	send_to(s, url, &seen);
	assert_int_equal(wb_callback_sender_in_flight(s), 1);
	wait_for(s, &seen);
	assert_int_equal(seen.answer.status, 0);
	assert_non_null(strstr(seen.error, "loopback"));
	wb_callback_sender_free(&s, drop);
	wb_callback_rules_free(&rules);
	(void)close(fd);
}

static void nobody_there_and_no_such_name(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	struct wb_callback_sender *s = sender_of(rules, 10000);
	struct seen seen = { 0 };
	char url[64];

	(void)state;
	(void)close(open_port(url, sizeof url));
	send_to(s, url, &seen);
	wait_for(s, &seen);
	assert_int_equal(seen.answer.status, 0);
	assert_true(seen.error[0] != '\0');
	seen = (struct seen){ 0 };
	send_to(s, "https://nowhere.invalid/", &seen); /* RFC 6761: it does not exist */
	wait_for(s, &seen);
	assert_int_equal(seen.answer.status, 0);
	wb_callback_sender_free(&s, drop);
	wb_callback_rules_free(&rules);
}

static void only_https(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	struct wb_callback_sender *s = sender_of(rules, 10000);
	static const char *const urls[] = { "http://localhost/", "file:///etc/passwd", "ftp://localhost/",
		"gopher://a/" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(urls); i++) {
		struct seen seen = { 0 };

		send_to(s, urls[i], &seen);
		wait_for(s, &seen);
		assert_int_equal(seen.answer.status, 0);
	}
	wb_callback_sender_free(&s, drop);
	wb_callback_rules_free(&rules);
}

static void a_silent_host_costs_its_time_and_no_more(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	struct wb_callback_sender *s = sender_of(rules, 300);
	struct seen seen = { 0 };
	char url[64];
	int fd = open_port(url, sizeof url);

	(void)state;
	send_to(s, url, &seen);
	wait_for(s, &seen);
	assert_int_equal(seen.answer.status, 0);
	assert_in_range(seen.answer.took_ms, 250, 10000);
	wb_callback_sender_free(&s, drop);
	wb_callback_rules_free(&rules);
	(void)close(fd);
}

/* The resolver's threads cannot be stopped; nobody waits for them. */
static void a_name_server_that_does_not_answer_holds_nobody(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	struct wb_callback_sender *s = sender_of(rules, 300);
	struct seen slow[4] = { { 0 } }, other = { 0 };
	int64_t start_ms = wb_clock_mono_ms();
	char url[64];

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(slow); i++)
		send_to(s, "https://" SLOW_HOST "/", &slow[i]);
	(void)close(open_port(url, sizeof url));
	send_to(s, url, &other);
	while (wb_callback_sender_in_flight(s) > 0)
		wb_callback_sender_run(s, 50);
	assert_int_equal(other.count, 1);
	for (size_t i = 0; i < WB_ARRAY_LEN(slow); i++)
		assert_int_equal(slow[i].count, 1);
	assert_true(wb_clock_mono_ms() - start_ms < SLOW_MS);
	wb_callback_sender_free(&s, drop);
	assert_true(wb_clock_mono_ms() - start_ms < SLOW_MS);
	while (atomic_load(&slow_look_ups) < (int)WB_ARRAY_LEN(slow))
		(void)usleep(10000); /* woken early is fine */
	(void)usleep(100000); /* they end by themselves */
	wb_callback_rules_free(&rules);
}

static void what_is_under_way_is_dropped_at_the_end(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	struct wb_callback_sender *s = sender_of(rules, 60000);
	struct seen seen = { 0 };
	char url[64];
	int fd = open_port(url, sizeof url);
	int64_t start_ms = wb_clock_mono_ms();

	(void)state;
	send_to(s, url, &seen);
	send_to(s, url, &seen);
	wb_callback_sender_run(s, 20);
	wb_callback_sender_wake(s);
	wb_callback_sender_run(s, 20000); /* does not wait */
	assert_int_equal(wb_callback_sender_in_flight(s), 2);
	wb_callback_sender_free(&s, drop);
	assert_null(s);
	assert_int_equal(seen.count, 200);
	assert_true(wb_clock_mono_ms() - start_ms < 20000);
	wb_callback_rules_free(&rules);
	(void)close(fd);
}

static void authorities_that_cannot_be_read(void **state)
{
	struct wb_callback_rules *rules = wb_callback_rules_new("localhost", true, NULL);
	const struct wb_callback_sender_settings settings = {
		.rules = rules, .ca_file = "/nowhere", .user_agent = "t"
	};
	struct wb_error e = { "" };

	(void)state;
	assert_null(wb_callback_sender_new(&settings, &e));
	assert_non_null(strstr(e.text, "callback.ca.file"));
	wb_callback_rules_free(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_judged_after_the_resolution),
		cmocka_unit_test(nobody_there_and_no_such_name),
		cmocka_unit_test(only_https),
		cmocka_unit_test(a_silent_host_costs_its_time_and_no_more),
		cmocka_unit_test(a_name_server_that_does_not_answer_holds_nobody),
		cmocka_unit_test(what_is_under_way_is_dropped_at_the_end),
		cmocka_unit_test(authorities_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
