#include "consumer/metadata.h"

#include "common/base/clock.h"
#include "common/base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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

#define ONE_RANGE "{\"id\":\"0\",\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}"
#define TWO_RANGES                                                                          \
	"{\"id\":\"1\",\"minInclusive\":\"\",\"maxExclusive\":\"20\",\"parents\":[\"0\"]}," \
	"{\"id\":\"2\",\"minInclusive\":\"20\",\"maxExclusive\":\"FF\",\"parents\":[\"0\"]}"
#define HASH_V2     "{\"paths\":[\"/pk\"],\"kind\":\"Hash\",\"version\":2}"
#define CONNECTIONS 8

/* What a service answers, on one endpoint. All under lock; strings are literals. */
struct service {
	int listener;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	bool stop;
	const char *rid, *key, *ranges; /* rid NULL: there is no such container */
	const char *place; /* where the account is written to */
	bool bulk, away, hold; /* away: hangs up; hold: keeps the answers back */
	bool moved_away; /* documents are refused: 403/3 */
	unsigned containers, range_pages, probes, accounts; /* requests of each kind */
};

static void set_text(struct service *s, const char **at, const char *text)
{
	wb_mutex_lock(&s->lock);
	*at = text;
	wb_mutex_unlock(&s->lock);
}

static void set_flag(struct service *s, bool *at, bool value)
{
	wb_mutex_lock(&s->lock);
	*at = value;
	wb_mutex_unlock(&s->lock);
}

static unsigned count_of(struct service *s, const unsigned *at)
{
	unsigned count;

	wb_mutex_lock(&s->lock);
	count = *at;
	wb_mutex_unlock(&s->lock);
	return count;
}

/* Under lock. Fills body and returns the status line's end. */
static const char *answer_to(struct service *s, const char *request, char *body, size_t size)
{
	bool known = s->rid != NULL;

	body[0] = '\0';
	if (strncmp(request, "GET / ", 6) == 0) {
		s->accounts++;
		(void)snprintf(body, size, "{\"writableLocations\":[{\"databaseAccountEndpoint\":\"%s\"}]}",
			s->place ? s->place : "");
		return "200 OK\r\n";
	}
	if (strncmp(request, "GET /dbs/d/colls/c ", 19) == 0) {
		s->containers++;
		(void)snprintf(body, size, "{\"id\":\"c\",\"_rid\":\"%s\",\"partitionKey\":%s}", known ? s->rid : "",
			known ? s->key : "{}");
		return known ? "200 OK\r\n" : "404 Not Found\r\nx-ms-substatus: 1003\r\n";
	}
	if (strstr(request, "/pkranges ")) {
		s->range_pages++;
		(void)snprintf(body, size, "{\"PartitionKeyRanges\":[%s]}", known ? s->ranges : "");
		return known ? "200 OK\r\n" : "404 Not Found\r\n";
	}
	s->probes++;
	if (s->moved_away)
		return "403 Forbidden\r\nx-ms-substatus: 3\r\n";
	(void)snprintf(body, size, "%s", s->bulk ? "[{\"statusCode\":404}]" : "{\"code\":\"BadRequest\"}");
	return s->bulk ? "200 OK\r\n" : "400 Bad Request\r\n";
}

/* Reads one request and answers it; false when the connection is to be closed. Requests are small: one read each. */
static bool serve_one(struct service *s, int fd)
{
	char request[8192], body[1024], answer[2048];
	ssize_t n = read(fd, request, sizeof request - 1);
	const char *status;
	bool away;

	if (n <= 0)
		return false;
	request[n] = '\0';
	while (!strstr(request, "\r\n\r\n") || (strstr(request, "POST ") && request[n - 1] != ']')) {
		ssize_t more = read(fd, request + n, sizeof request - 1 - (size_t)n);

		if (more <= 0)
			return false;
		request[n += more] = '\0';
	}
	wb_mutex_lock(&s->lock);
	status = answer_to(s, request, body, sizeof body);
	away = s->away;
	while (s->hold && !s->stop) {
		wb_mutex_unlock(&s->lock);
		(void)poll(NULL, 0, 5);
		wb_mutex_lock(&s->lock);
	}
	wb_mutex_unlock(&s->lock);
	if (away)
		return false;
	n = snprintf(answer, sizeof answer, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	return write(fd, answer, (size_t)n) == n;
}

static bool is_stopped(struct service *s)
{
	bool stop;

	wb_mutex_lock(&s->lock);
	stop = s->stop;
	wb_mutex_unlock(&s->lock);
	return stop;
}

static void *serve(void *arg)
{
	struct service *s = arg;
	struct pollfd fds[1 + CONNECTIONS] = { { .fd = s->listener, .events = POLLIN } };
	nfds_t count = 1;

	while (!is_stopped(s)) {
		if (poll(fds, count, 20) <= 0)
			continue;
		for (nfds_t i = 1; i < count; i++) {
			if (fds[i].revents && !serve_one(s, fds[i].fd)) {
				(void)close(fds[i].fd);
				fds[i--] = fds[--count];
			}
		}
		if (fds[0].revents && count <= CONNECTIONS)
			fds[count++] = (struct pollfd){ .fd = accept(s->listener, NULL, NULL), .events = POLLIN };
	}
	while (count > 1)
		(void)close(fds[--count].fd);
	return NULL;
}

static void service_start(struct service *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	*s = (struct service){ .rid = "rid1", .key = HASH_V2, .ranges = ONE_RANGE, .bulk = true };
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	wb_mutex_init(&s->lock);
	s->thread = wb_thread_start("service", serve, s);
}

static void service_stop(struct service *s)
{
	set_flag(s, &s->stop, true);
	wb_thread_join(s->thread);
	(void)close(s->listener);
	wb_mutex_release(&s->lock);
}

struct fixture {
	struct service s;
	struct wb_cosmos_options options;
	struct wb_metadata *m;
	struct wb_container *c;
	struct wb_health *health;
	struct wb_metrics *metrics;
	atomic_uint changes;
	char endpoint[64];
};

static void count_change(void *arg)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->changes, 1);
}

static void start(struct fixture *f)
{
	struct wb_metadata_settings settings = {
		.options = &f->options, .client = "tester", .workers = 3, .on_change = count_change, .arg = f
	};

	*f = (struct fixture){ .m = NULL };
	service_start(&f->s);
	(void)snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%u", f->s.port);
	f->options = (struct wb_cosmos_options){
		.endpoint = f->endpoint, .request_timeout_ms = 20000, .connect_timeout_ms = 5000
	};
	f->options.key.len = 64;
	settings.health = f->health = wb_health_new();
	settings.metrics = f->metrics = wb_metrics_new();
	f->m = wb_metadata_new(&settings, NULL);
	assert_non_null(f->m);
}

static void stop(struct fixture *f)
{
	wb_metadata_free(&f->m);
	assert_null(f->m);
	service_stop(&f->s);
	wb_health_free(&f->health);
	wb_metrics_free(&f->metrics);
}

static struct wb_container *ask_for(struct fixture *f)
{
	return wb_metadata_container(f->m, wb_slice_cstr("d"), wb_slice_cstr("c"));
}

#define UNTIL(condition)                                                 \
	do {                                                             \
		int64_t deadline_ms = wb_clock_mono_ms() + 30000;        \
                                                                         \
		while (!(condition) && wb_clock_mono_ms() < deadline_ms) \
			(void)poll(NULL, 0, 2);                          \
		assert_true(condition);                                  \
	} while (0)

static void start_known(struct fixture *f)
{
	start(f);
	f->c = ask_for(f);
	UNTIL(wb_container_state(f->c) == WB_CONTAINER_KNOWN);
}

static struct wb_epk key_of(uint8_t first)
{
	return (struct wb_epk){ .len = 16, .bytes = { first, 1, 2, 3 } };
}

static struct wb_range *route(struct wb_container *c, uint8_t first)
{
	struct wb_epk key = key_of(first);

	return wb_container_route(c, &key);
}

static bool health_says(struct fixture *f, const char *text)
{
	struct wb_buf page;
	bool found;

	wb_buf_init(&page, 4096);
	wb_health_render(f->health, &page);
	wb_buf_append(&page, "", 1);
	found = strstr(page.data, text) != NULL;
	wb_buf_release(&page);
	return found;
}

static void a_container_is_read_when_it_is_asked_for(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	UNTIL(wb_health_ready(f.health));
	assert_ptr_equal(ask_for(&f), f.c);
	assert_int_equal(wb_container_definition(f.c)->kind, WB_PK_HASH_V2);
	assert_int_equal(wb_container_definition(f.c)->paths.count, 1);
	assert_string_equal(route(f.c, 0x30)->id, "0");
	assert_true(route(f.c, 0x30)->bulk);
	assert_true(wb_container_bulk(f.c));
	assert_string_equal(wb_container_docs_path(f.c), "/dbs/d/colls/c/docs");
	assert_true(wb_slice_eq_cstr(wb_container_link(f.c), "dbs/d/colls/c"));
	UNTIL(atomic_load(&f.changes) > 0);
	stop(&f);
}

static void a_split_and_a_merge_are_followed_after_a_refresh(void **state)
{
	struct wb_range *whole, *half;
	struct fixture f;

	(void)state;
	start_known(&f);
	whole = route(f.c, 0x30);
	set_text(&f.s, &f.s.ranges, TWO_RANGES);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&whole->gone));
	half = route(f.c, 0x30);
	assert_string_equal(half->id, "2");
	assert_string_equal(route(f.c, 0x10)->id, "1");
	assert_false(atomic_load(&half->gone));
	set_text(&f.s, &f.s.ranges, "{\"id\":\"3\",\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}");
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&half->gone));
	assert_string_equal(route(f.c, 0x10)->id, "3");
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_KNOWN);
	assert_int_equal(count_of(&f.s, &f.s.probes), 1); /* whether it does bulk is known */
	UNTIL(atomic_load(&f.changes) >= 3);
	stop(&f);
}

static void made_anew_with_its_key_all_ranges_are_new_and_bulk_is_asked_again(void **state)
{
	struct wb_range *before, *after;
	struct fixture f;

	(void)state;
	start_known(&f);
	before = route(f.c, 0x30);
	set_flag(&f.s, &f.s.bulk, false);
	set_text(&f.s, &f.s.rid, "rid2");
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&before->gone));
	after = route(f.c, 0x30);
	assert_ptr_not_equal(after, before);
	assert_string_equal(after->id, "0");
	assert_false(after->bulk);
	assert_true(before->bulk);
	assert_ptr_equal(ask_for(&f), f.c);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_KNOWN);
	stop(&f);
}

static void made_anew_with_another_key_it_is_another_object(void **state)
{
	static const char *const keys[] = { "{\"paths\":[\"/other\"],\"kind\":\"Hash\",\"version\":2}",
		"{\"paths\":[\"/pk\"],\"kind\":\"Hash\"}",
		"{\"paths\":[\"/pk\",\"/b\"],\"kind\":\"MultiHash\",\"version\":2}" };
	static const enum wb_pk_kind kinds[] = { WB_PK_HASH_V2, WB_PK_HASH_V1, WB_PK_MULTI_HASH };
	struct fixture f;

	(void)state;
	start_known(&f);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		struct wb_container *old = f.c;

		set_text(&f.s, &f.s.key, keys[i]);
		wb_metadata_refresh(f.m, old);
		UNTIL(wb_container_state(old) == WB_CONTAINER_STALE);
		assert_non_null(route(old, 0x30)); /* for those who still hold it */
		f.c = ask_for(&f);
		assert_ptr_not_equal(f.c, old);
		UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
		assert_int_equal(wb_container_definition(f.c)->kind, kinds[i]);
		assert_int_equal(wb_container_state(old), WB_CONTAINER_STALE);
	}
	UNTIL(wb_health_ready(f.health));
	stop(&f);
}

static void a_key_that_is_not_handled_is_told(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_text(&f.s, &f.s.key, "{\"paths\":[\"/pk\"],\"kind\":\"Range\"}");
	f.c = ask_for(&f);
	UNTIL(health_says(&f, "kind Range version 1"));
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	set_text(&f.s, &f.s.key, HASH_V2);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	stop(&f);
}

static void what_does_not_exist_is_missing_until_it_does(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_text(&f.s, &f.s.rid, NULL);
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_MISSING);
	UNTIL(health_says(&f, "container c of database d does not exist since 20"));
	assert_true(health_says(&f, "its writes wait"));
	assert_false(wb_health_ready(f.health));
	set_text(&f.s, &f.s.rid, "rid1");
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN); /* nobody has to ask for it */
	UNTIL(wb_health_ready(f.health));
	stop(&f);
}

static void what_was_known_can_go_missing_and_come_back(void **state)
{
	struct wb_range *before;
	struct fixture f;

	(void)state;
	start_known(&f);
	before = route(f.c, 0x30);
	set_text(&f.s, &f.s.rid, NULL);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_MISSING);
	assert_ptr_equal(route(f.c, 0x30), before); /* it was known: its functions go on */
	set_text(&f.s, &f.s.rid, "rid2");
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(atomic_load(&before->gone)); /* before anybody is told */
	assert_ptr_not_equal(route(f.c, 0x30), before);
	stop(&f);
}

static void *ask_often(void *arg)
{
	struct fixture *f = arg;

	for (unsigned i = 0; i < 1000; i++)
		wb_metadata_refresh(f->m, f->c);
	return NULL;
}

static void a_storm_is_one_reading_at_a_time(void **state)
{
	struct wb_range *whole;
	pthread_t threads[4];
	unsigned before;
	struct fixture f;

	(void)state;
	start_known(&f);
	whole = route(f.c, 0x30);
	before = count_of(&f.s, &f.s.containers);
	set_flag(&f.s, &f.s.hold, true);
	set_text(&f.s, &f.s.ranges, TWO_RANGES);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&f.s, &f.s.containers) == before + 1);
	for (unsigned i = 0; i < 4; i++)
		threads[i] = wb_thread_start("storm", ask_often, &f);
	for (unsigned i = 0; i < 4; i++)
		wb_thread_join(threads[i]);
	set_flag(&f.s, &f.s.hold, false);
	UNTIL(atomic_load(&whole->gone));
	/* What was asked for during the reading is answered by one more. */
	UNTIL(count_of(&f.s, &f.s.containers) == before + 2);
	(void)poll(NULL, 0, 300);
	assert_int_equal(count_of(&f.s, &f.s.containers), before + 2);
	stop(&f);
}

static bool is_at(struct fixture *f, const char *endpoint)
{
	return strcmp(wb_account_endpoint(wb_metadata_account(f->m)), endpoint) == 0;
}

static void a_fail_over_is_followed_there_and_back(void **state)
{
	struct service other;
	char place[64], slashed[80], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(slashed, sizeof slashed, "%s/", place);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, slashed);
	assert_true(is_at(&f, f.endpoint)); /* what an account advertises counts only once writes are refused */
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&other, &other.containers) > 0);
	set_text(&f.s, &f.s.place, home);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void a_dead_place_is_left_when_the_account_says_so(void **state)
{
	struct service other;
	char place[64], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, place);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	set_flag(&other, &other.away, true);
	set_text(&f.s, &f.s.place, home);
	wb_metadata_refresh(f.m, f.c); /* nobody there says 403; it gets no answer at all */
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void when_home_is_dead_the_place_we_are_at_is_asked(void **state)
{
	struct service other;
	char place[64], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, place);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	set_flag(&f.s, &f.s.away, true);
	set_text(&other, &other.place, home);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void a_useless_place_moves_nothing(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	set_text(&f.s, &f.s.place, "ftp://nowhere/");
	wb_metadata_relocate(f.m);
	UNTIL(count_of(&f.s, &f.s.accounts) == 1);
	set_text(&f.s, &f.s.place, "");
	wb_metadata_relocate(f.m);
	UNTIL(count_of(&f.s, &f.s.accounts) == 2);
	assert_true(is_at(&f, f.endpoint));
	stop(&f);
}

/* No write is sent before the container is known, so nobody else would hear of the fail-over. */
static void a_fail_over_before_the_first_write_is_followed(void **state)
{
	struct service other;
	char place[64];
	struct fixture f;

	(void)state;
	start(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	set_text(&f.s, &f.s.place, place);
	set_flag(&f.s, &f.s.moved_away, true);
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(is_at(&f, place));
	stop(&f);
	service_stop(&other);
}

static void a_service_that_is_away_is_waited_for(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_flag(&f.s, &f.s.away, true);
	f.c = ask_for(&f);
	UNTIL(count_of(&f.s, &f.s.containers) >= 2);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	UNTIL(health_says(&f, "dbs/d/colls/c: "));
	set_flag(&f.s, &f.s.away, false);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(is_at(&f, f.endpoint));
	assert_int_equal(count_of(&f.s, &f.s.accounts), 0);
	stop(&f);
}

static void the_end_does_not_wait_for_an_answer(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	set_flag(&f.s, &f.s.hold, true);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&f.s, &f.s.containers) == 2);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_read_when_it_is_asked_for),
		cmocka_unit_test(a_split_and_a_merge_are_followed_after_a_refresh),
		cmocka_unit_test(made_anew_with_its_key_all_ranges_are_new_and_bulk_is_asked_again),
		cmocka_unit_test(made_anew_with_another_key_it_is_another_object),
		cmocka_unit_test(a_key_that_is_not_handled_is_told),
		cmocka_unit_test(what_does_not_exist_is_missing_until_it_does),
		cmocka_unit_test(what_was_known_can_go_missing_and_come_back),
		cmocka_unit_test(a_storm_is_one_reading_at_a_time),
		cmocka_unit_test(a_fail_over_is_followed_there_and_back),
		cmocka_unit_test(a_dead_place_is_left_when_the_account_says_so),
		cmocka_unit_test(when_home_is_dead_the_place_we_are_at_is_asked),
		cmocka_unit_test(a_useless_place_moves_nothing),
		cmocka_unit_test(a_fail_over_before_the_first_write_is_followed),
		cmocka_unit_test(a_service_that_is_away_is_waited_for),
		cmocka_unit_test(the_end_does_not_wait_for_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
