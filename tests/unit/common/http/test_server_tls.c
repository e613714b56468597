#include "common/http/server.h"

#include "tests/unit/common/http/client.h"

#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static const char default_priorities[] = "NORMAL";

struct fixture {
	struct wb_http_server *server;
	char address[64];
	char folder[64], certificate[100], key[100];
	atomic_int lost;
};

static void run(const char *format, ...)
{
	char command[1000];
	va_list values;

	va_start(values, format);
	assert_true(vsnprintf(command, sizeof command, format, values) < (int)sizeof command);
	va_end(values);
	assert_int_equal(system(command), 0);
}

static void make_certificate(const struct fixture *f, const char *name)
{
	run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s -keyout %s -out "
	    "%s "
	    "2>/dev/null",
		name, f->key, f->certificate);
}

static void echo(void *arg, struct wb_http_request *r)
{
	(void)arg;
	assert_true(wb_http_secure(r));
	wb_http_respond(r, 200, "text/plain", wb_http_body(r), NULL);
}

static void *answer_later(void *arg)
{
	wb_http_respond(arg, 202, "text/plain", wb_slice_cstr("later"), NULL);
	return NULL;
}

static void later(void *arg, struct wb_http_request *r)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, answer_later, r) || pthread_detach(thread))
		abort();
}

static size_t refuse(void *arg, struct wb_http_request *r, struct wb_slice piece)
{
	(void)arg;
	wb_http_respond(r, 400, "text/plain", wb_slice_cstr("bad line"), NULL);
	return piece.len;
}

static void end(void *arg, struct wb_http_request *r)
{
	(void)arg;
	wb_http_respond(r, 500, NULL, wb_slice(NULL, 0), NULL);
}

static void lost(void *arg)
{
	atomic_fetch_add(&((struct fixture *)arg)->lost, 1);
}

static void stream(void *arg, struct wb_http_request *r)
{
	static const struct wb_http_sink sink = { refuse, end, lost };

	wb_http_stream(r, &sink, arg);
}

static struct wb_http_server *new_server(
	struct fixture *f, const char *certificate, const char *key, struct wb_error *e)
{
	const struct wb_http_route routes[] = {
		{ .method = "POST", .path = "/echo", .handler = echo, .arg = f, .max_body_bytes = 4 << 20 },
		{ .method = "GET", .path = "/later", .handler = later, .arg = f },
		{ .method = "POST",
			.path = "/stream",
			.handler = echo,
			.arg = f,
			.begin = stream,
			.max_stream_bytes = (uint64_t)1 << 40 },
	};
	const struct wb_http_settings settings = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = WB_ARRAY_LEN(routes),
		.threads = 2,
		.max_connections = 50,
		.idle_timeout_ms = 30000,
		.header_timeout_ms = 500,
		.body_budget_bytes = 16 << 20,
		.tls = { certificate, key } };

	return wb_http_server_new(&settings, e);
}

static void start(struct fixture *f)
{
	struct wb_error e = { "" };

	memset(f, 0, sizeof *f);
	(void)snprintf(f->folder, sizeof f->folder, "/tmp/test_tls_XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->certificate, sizeof f->certificate, "%s/certificate.pem", f->folder);
	(void)snprintf(f->key, sizeof f->key, "%s/key.pem", f->folder);
	make_certificate(f, "first.test");
	f->server = new_server(f, f->certificate, f->key, &e);
	assert_string_equal(e.text, "");
	(void)snprintf(f->address, sizeof f->address, "%s", wb_http_server_address(f->server));
}

static void stop(struct fixture *f)
{
	wb_http_server_free(&f->server);
	run("rm -r %s", f->folder);
}

struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

/* False where the handshake fails. */
static bool connect_tls(struct client *c, const struct fixture *f, const char *priorities)
{
	int result;

	c->fd = client_connect(f->address);
	assert_int_equal(gnutls_certificate_allocate_credentials(&c->credentials), 0);
	assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT), 0);
	assert_int_equal(gnutls_priority_set_direct(c->session, priorities, NULL), 0);
	assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials), 0);
	gnutls_transport_set_int(c->session, c->fd);
	do
		result = gnutls_handshake(c->session);
	while (result < 0 && !gnutls_error_is_fatal(result));
	return result == 0;
}

static void disconnect(struct client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->credentials);
	assert_int_equal(close(c->fd), 0);
}

static void assert_certificate_of(const struct client *c, const char *name)
{
	gnutls_datum_t text;
	unsigned count;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(c->session, &count);
	char *found;

	assert_non_null(chain);
	assert_int_equal(count, 1);
	text = chain[0];
	found = memmem(text.data, text.size, name, strlen(name));
	assert_non_null(found);
}

static bool send_tls(struct client *c, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = gnutls_record_send(c->session, data, len);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Reads until so many bytes of a body have come; returns the status. */
static int read_tls(struct client *c, char *ret_body, size_t size)
{
	static char bytes[5 << 20];
	size_t got = 0, want = 0;
	const char *body = NULL, *length;
	int status = 0;

	while (got < sizeof bytes - 1 && !(body && got - (size_t)(body - bytes) >= want)) {
		ssize_t n = gnutls_record_recv(c->session, bytes + got, sizeof bytes - 1 - got);

		if (n <= 0)
			return 0;
		got += (size_t)n;
		bytes[got] = '\0';
		if (body || !(body = strstr(bytes, "\r\n\r\n")))
			continue;
		body += 4;
		assert_int_equal(sscanf(bytes, "HTTP/1.1 %d", &status), 1);
		length = strstr(bytes, "Content-Length: ");
		want = length ? strtoul(length + 16, NULL, 10) : 0;
	}
	assert_true(want < size);
	memcpy(ret_body, body, want);
	ret_body[want] = '\0';
	return status;
}

static int talk_tls(struct client *c, const char *text, char *ret_body, size_t size)
{
	assert_true(send_tls(c, text, strlen(text)));
	return read_tls(c, ret_body, size);
}

static void assert_works(struct client *c)
{
	char body[100];

	assert_int_equal(
		talk_tls(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", body, sizeof body), 200);
	assert_string_equal(body, "hi");
}

static void requests_come_by_tls(void **state)
{
	size_t len = 3 << 20;
	char *large = malloc(len + 1), *back = malloc(len + 1), text[100];
	struct fixture f;
	struct client c;

	(void)state;
	assert_non_null(large);
	assert_non_null(back);
	memset(large, 'x', len);
	large[len] = '\0';
	start(&f);
	assert_true(connect_tls(&c, &f, default_priorities));
	assert_certificate_of(&c, "first.test");
	for (int i = 0; i < 3; i++) {
		assert_works(&c);
		assert_int_equal(talk_tls(&c, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", back, len), 202);
		assert_string_equal(back, "later");
		(void)snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
		assert_true(send_tls(&c, text, strlen(text)));
		assert_true(send_tls(&c, large, len));
		assert_int_equal(read_tls(&c, back, len + 1), 200);
		assert_string_equal(back, large);
	}
	disconnect(&c);
	stop(&f);
	free(large);
	free(back);
}

static void only_new_versions_are_spoken(void **state)
{
	static const struct {
		const char *priorities;
		bool works;
	} versions[] = {
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.3", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2", true },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.1", false },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.0", false },
	};
	struct fixture f;
	struct client c;
	int fd;

	(void)state;
	start(&f);
	for (size_t i = 0; i < WB_ARRAY_LEN(versions); i++) {
		assert_int_equal(connect_tls(&c, &f, versions[i].priorities), versions[i].works);
		if (versions[i].works)
			assert_works(&c);
		disconnect(&c);
	}
	/* Somebody who speaks plain HTTP, and one who says nothing: neither stays. */
	for (int i = 0; i < 2; i++) {
		struct pollfd p = { .events = POLLIN };
		char rest[100];

		fd = p.fd = client_connect(f.address);
		if (i == 0)
			assert_true(client_send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_int_equal(poll(&p, 1, 10000), 1);
		while (recv(fd, rest, sizeof rest, 0) > 0) {
		}
		assert_int_equal(close(fd), 0);
	}
	stop(&f);
}

static void certificates_are_read_anew(void **state)
{
	struct wb_error e = { "" };
	struct client old, c;
	struct fixture f;

	(void)state;
	start(&f);
	assert_true(connect_tls(&old, &f, default_priorities));
	assert_works(&old);
	make_certificate(&f, "second.test");
	assert_int_equal(wb_http_server_reload_tls(f.server, &e), WB_OK);
	assert_works(&old);
	assert_true(connect_tls(&c, &f, default_priorities));
	assert_certificate_of(&c, "second.test");
	assert_works(&c);
	disconnect(&c);
	/* Of no use: the one before stays. */
	run("echo nonsense > %s", f.certificate);
	assert_int_equal(wb_http_server_reload_tls(f.server, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, f.certificate));
	run("rm %s", f.key);
	assert_int_equal(wb_http_server_reload_tls(f.server, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, f.key));
	assert_true(connect_tls(&c, &f, default_priorities));
	assert_certificate_of(&c, "second.test");
	assert_works(&c);
	assert_works(&old);
	disconnect(&c);
	disconnect(&old);
	stop(&f);
}

static void files_of_no_use_are_told_at_the_start(void **state)
{
	char other[120];
	struct wb_error e = { "" };
	struct fixture f;
	struct wb_http_server *plain;

	(void)state;
	start(&f);
	assert_null(new_server(&f, "/nowhere/certificate.pem", f.key, &e));
	assert_non_null(strstr(e.text, "/nowhere/certificate.pem: No such file"));
	assert_null(new_server(&f, f.certificate, NULL, &e));
	assert_non_null(strstr(e.text, "no key"));
	assert_null(new_server(&f, f.key, f.key, &e));
	(void)snprintf(other, sizeof other, "%s/other.pem", f.folder);
	run("openssl ecparam -name prime256v1 -genkey -noout -out %s 2>/dev/null", other);
	assert_null(new_server(&f, f.certificate, other, &e)); /* another's key */
	assert_non_null(strstr(e.text, "cannot be used"));
	plain = new_server(&f, NULL, NULL, &e);
	assert_non_null(plain);
	assert_int_equal(wb_http_server_reload_tls(plain, &e), WB_EUNSUPPORTED);
	wb_http_server_free(&plain);
	stop(&f);
}

static void a_refusal_in_the_middle_comes_by_tls_too(void **state)
{
	char body[100];
	struct fixture f;
	struct client c;

	(void)state;
	start(&f);
	assert_true(connect_tls(&c, &f, default_priorities));
	assert_int_equal(talk_tls(&c, "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000000\r\n\r\nabc",
				 body, sizeof body),
		400);
	assert_string_equal(body, "bad line");
	disconnect(&c);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_int_equal(atomic_load(&f.lost), 0);
	stop(&f);
}

struct reloader {
	struct fixture *f;
	atomic_bool stop;
};

static void *reload_all_the_time(void *arg)
{
	struct reloader *r = arg;
	struct wb_error e;

	while (!atomic_load(&r->stop))
		if (wb_http_server_reload_tls(r->f->server, &e) != WB_OK)
			abort(); /* not the test's thread: a failed assertion could not be caught */
	return NULL;
}

static void handshakes_and_reloads_at_the_same_time(void **state)
{
	struct reloader r = { 0 };
	struct fixture f;
	struct client c;
	pthread_t thread;

	(void)state;
	start(&f);
	r.f = &f;
	assert_int_equal(pthread_create(&thread, NULL, reload_all_the_time, &r), 0);
	for (int i = 0; i < 30; i++) {
		assert_true(connect_tls(&c, &f, default_priorities));
		assert_works(&c);
		disconnect(&c);
	}
	atomic_store(&r.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_by_tls),
		cmocka_unit_test(only_new_versions_are_spoken),
		cmocka_unit_test(certificates_are_read_anew),
		cmocka_unit_test(files_of_no_use_are_told_at_the_start),
		cmocka_unit_test(a_refusal_in_the_middle_comes_by_tls_too),
		cmocka_unit_test(handshakes_and_reloads_at_the_same_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
