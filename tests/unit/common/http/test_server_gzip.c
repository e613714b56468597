#include "tests/unit/common/http/bodies.h"

static void assert_gzip(const struct fixture *f, const char *path, const char *data, size_t len, int status)
{
	char head[200];
	struct answer a;

	(void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nContent-Encoding: gzip\r\n", path);
	a = client_once(f->address, head, data, len);
	assert_int_equal(a.status, status);
	if (status == 400)
		assert_non_null(strstr(a.body, "invalid-encoding"));
	answer_release(&a);
}

static void damaged_gzip_is_refused(void **state)
{
	static const char *const paths[] = { "/gather", "/stream", "/both" };
	char *text = make_text(5000), *zipped;
	struct fixture f;
	size_t len;

	(void)state;
	start(&f);
	zipped = zip(text, 5000, &len);
	for (size_t i = 0; i < WB_ARRAY_LEN(paths); i++) {
		assert_gzip(&f, paths[i], text, 500, 400); /* none at all */
		assert_gzip(&f, paths[i], zipped, len - 1, 400);
		assert_gzip(&f, paths[i], zipped, 5, 400);
		zipped[len - 6] ^= 1; /* its checksum */
		assert_gzip(&f, paths[i], zipped, len, 400);
		zipped[len - 6] ^= 1;
		zipped[len / 2] ^= 0x55;
		assert_gzip(&f, paths[i], zipped, len, 400);
		zipped[len / 2] ^= 0x55;
		assert_gzip(&f, paths[i], zipped, len, 200);
		assert_gzip(&f, paths[i], zipped, 0, 200);
	}
	stop(&f);
	assert_int_equal(atomic_load(&f.freed), atomic_load(&f.ended) + atomic_load(&f.lost));
	free(zipped);
	free(text);
}

/* 64 MiB in 64 KiB. */
static void a_bomb_is_stopped_by_the_limits(void **state)
{
	size_t len, text_len = 64 << 20;
	char *text = calloc(1, text_len), *zipped;
	struct fixture f;

	(void)state;
	assert_non_null(text);
	start(&f);
	zipped = zip(text, text_len, &len);
	assert_true(len < 100000);
	assert_gzip(&f, "/gather", zipped, len, 413);
	assert_gzip(&f, "/stream", zipped, len, 413);
	assert_gzip(&f, "/both", zipped, len, 413);
	stop(&f);
	assert_int_equal(atomic_load(&f.lost), 2);
	free(zipped);
	free(text);
}

static void decoders_are_charged_to_the_budget(void **state)
{
	struct fixture f;
	struct answer a;
	char *text = make_text(100), *zipped;
	int fds[BUDGET / (100 * 1024)];
	int refused = 0;
	size_t len;

	(void)state;
	start(&f);
	zipped = zip(text, 100, &len);
	for (size_t i = 0; i < WB_ARRAY_LEN(fds); i++) {
		fds[i] = client_connect(f.address);
		assert_true(client_send_text(fds[i],
			"POST /gather HTTP/1.1\r\nHost: x\r\nContent-Encoding: x-gzip\r\nContent-Length: "
			"10000\r\n\r\n"));
		assert_true(client_send(fds[i], zipped, len - 1));
		(void)poll(NULL, 0, 2); /* one after the other */
	}
	a = client_once(f.address, "POST /gather HTTP/1.1\r\nContent-Encoding: gzip\r\n", zipped, len);
	refused = a.status == 503;
	answer_release(&a);
	assert_true(refused);
	for (size_t i = 0; i < WB_ARRAY_LEN(fds); i++)
		assert_int_equal(close(fds[i]), 0);
	while (wb_http_server_pending(f.server) > 0)
		(void)poll(NULL, 0, 1); /* only waits */
	assert_gzip(&f, "/gather", zipped, len, 200);
	stop(&f);
	free(zipped);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_gzip_is_refused),
		cmocka_unit_test(a_bomb_is_stopped_by_the_limits),
		cmocka_unit_test(decoders_are_charged_to_the_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
