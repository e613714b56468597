#include "producer/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A tokens file that can be written anew, and two tokens that may stand in it. */
struct fixture {
	char path[64];
	char a[WB_TOKEN_SIZE], b[WB_TOKEN_SIZE];
	struct wb_metrics *metrics;
	struct wb_auth *auth;
};

/* Later than the clock by which the file is read, so that only the tests say how time goes by. */
static const struct wb_auth_time now = { .wall_ms = INT64_C(1790000000000), .mono_ms = INT64_C(1) << 45 };

static struct wb_auth_time later(int64_t ms)
{
	return (struct wb_auth_time){ now.wall_ms + ms, now.mono_ms + ms };
}

static void write_text(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* An entry without its braces; rest begins with a comma or is empty. */
static void append_entry(struct wb_buf *b, const char *name, const char *token, const char *rest)
{
	uint8_t digest[WB_SHA256_SIZE];
	char hex[2 * WB_SHA256_SIZE + 1];

	wb_crypto_sha256(wb_slice_cstr(token), digest);
	wb_hex_encode(digest, sizeof digest, hex);
	wb_buf_appendf(b, "{\"name\":\"%s\",\"sha256\":\"%s\"%s}", name, hex, rest);
}

#define EVERYTHING ",\"scopes\":[\"publish\",\"read\"],\"databases\":[\"*\"],\"containers\":[\"*\"]"

/* Tokens a ("first", with rest_a) and, unless rest_b is NULL, b ("second"). */
static void write_tokens(const struct fixture *f, const char *rest_a, const char *rest_b)
{
	struct wb_buf text;

	wb_buf_init(&text, 10000);
	wb_buf_append_cstr(&text, "{\"tokens\":[");
	append_entry(&text, "first", f->a, rest_a);
	if (rest_b) {
		wb_buf_append_char(&text, ',');
		append_entry(&text, "second", f->b, rest_b);
	}
	wb_buf_append_cstr(&text, "]}");
	assert_int_equal(wb_buf_status(&text), WB_OK);
	write_text(f, text.data);
	wb_buf_release(&text);
}

static void open_auth(struct fixture *f, const char *rest_a, const char *rest_b)
{
	struct wb_error e = { "" };
	int fd;

	(void)snprintf(f->path, sizeof f->path, "/tmp/wb-test-auth-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	wb_token_make(f->a);
	wb_token_make(f->b);
	write_tokens(f, rest_a, rest_b);
	f->metrics = wb_metrics_new();
	f->auth = wb_auth_new(f->path, f->metrics, &e);
	if (!f->auth)
		fail_msg("%s", e.text);
}

static void close_auth(struct fixture *f)
{
	wb_auth_free(&f->auth);
	assert_null(f->auth);
	wb_auth_free(&f->auth);
	wb_metrics_free(&f->metrics);
	assert_int_equal(unlink(f->path), 0);
}

static struct wb_identity *admit_key(
	struct fixture *f, const char *key, enum wb_scope scope, struct wb_auth_time at, struct wb_auth_refusal *ret)
{
	const struct wb_credentials shown = { .api_key = wb_slice_cstr(key) };

	return wb_auth_admit(f->auth, &shown, scope, at, ret);
}

static struct wb_identity *admit_bearer(struct fixture *f, const char *authorization, struct wb_auth_refusal *ret)
{
	const struct wb_credentials shown = { .authorization = wb_slice_cstr(authorization) };

	return wb_auth_admit(f->auth, &shown, WB_SCOPE_READ, now, ret);
}

static void without_a_file_everyone_is_anonymous(void **state)
{
	const struct wb_credentials shown = { .api_key = wb_slice_cstr("whatever") };
	struct wb_auth *auth = wb_auth_new(NULL, NULL, NULL);
	struct wb_rate_texts texts;
	struct wb_auth_refusal refusal;
	struct wb_identity *i;

	(void)state;
	i = wb_auth_admit(auth, &shown, WB_SCOPE_PUBLISH, now, &refusal);
	assert_string_equal(wb_identity_principal(i), "anonymous");
	assert_true(wb_identity_may_publish(i, wb_slice_cstr("d"), wb_slice(NULL, 0), &refusal));
	assert_true(wb_identity_may_list(i, &refusal));
	assert_true(wb_identity_take_documents(i, UINT64_MAX, now, &refusal));
	wb_identity_owe_documents(i, UINT64_MAX, now);
	wb_identity_rate_texts(i, now, &texts);
	assert_string_equal(texts.limit, "");
	assert_int_equal(wb_auth_reload(auth, NULL), WB_OK);
	assert_int_equal(wb_auth_count(auth), 0);
	wb_identity_release(&i);
	assert_null(i);
	wb_identity_release(&i);
	wb_auth_free(&auth);
}

static void a_token_comes_as_bearer_or_as_key(void **state)
{
	static const char *const forms[] = { "Bearer %s", "bearer  %s", "BEARER %s ", " Bearer \t%s" };
	struct wb_auth_refusal refusal;
	struct wb_identity *i;
	struct fixture f;
	char text[100];

	(void)state;
	open_auth(&f, EVERYTHING, EVERYTHING);
	assert_int_equal(wb_auth_count(f.auth), 2);
	for (size_t n = 0; n < WB_ARRAY_LEN(forms); n++) {
		(void)snprintf(text, sizeof text, forms[n], f.b);
		i = admit_bearer(&f, text, &refusal);
		assert_non_null(i);
		assert_string_equal(wb_identity_principal(i), "second");
		wb_identity_release(&i);
	}
	i = admit_key(&f, f.a, WB_SCOPE_PUBLISH, now, &refusal);
	assert_string_equal(wb_identity_principal(i), "first");
	wb_identity_release(&i);
	close_auth(&f);
}

static void assert_unauthorized(const struct wb_auth_refusal *refusal, const char *code, const char *authenticate)
{
	assert_int_equal(refusal->status, 401);
	assert_string_equal(refusal->code, code);
	assert_string_equal(refusal->authenticate, authenticate);
}

static void who_has_no_good_token_is_told_as_rfc_6750_says(void **state)
{
	struct wb_auth_refusal refusal;
	struct fixture f;
	char text[200];

	(void)state;
	open_auth(&f, EVERYTHING, NULL);
	assert_null(admit_key(&f, NULL, WB_SCOPE_READ, now, &refusal));
	assert_unauthorized(&refusal, "token-required", "Bearer realm=\"writebehind\"");
	assert_null(admit_bearer(&f, "Basic d3I6dGU=", &refusal));
	assert_unauthorized(&refusal, "token-required", "Bearer realm=\"writebehind\"");
	(void)snprintf(text, sizeof text, "Bearer%s", f.a);
	assert_null(admit_bearer(&f, text, &refusal));
	assert_null(admit_bearer(&f, "Bearer ", &refusal));
	assert_null(admit_bearer(&f, "", &refusal));
	assert_null(admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal));
	assert_unauthorized(&refusal, "invalid-token",
		"Bearer realm=\"writebehind\", error=\"invalid_token\", error_description=\"not in force\"");
	assert_null(strstr(refusal.detail.text, f.b));
	assert_null(admit_key(&f, "", WB_SCOPE_READ, now, &refusal));
	assert_unauthorized(&refusal, "invalid-token",
		"Bearer realm=\"writebehind\", error=\"invalid_token\", error_description=\"not in force\"");
	close_auth(&f);
}

static void two_different_tokens_are_refused_and_the_same_twice_is_not(void **state)
{
	struct wb_credentials shown;
	struct wb_auth_refusal refusal;
	struct wb_identity *i;
	struct fixture f;
	char text[100];

	(void)state;
	open_auth(&f, EVERYTHING, EVERYTHING);
	(void)snprintf(text, sizeof text, "Bearer %s", f.a);
	shown = (struct wb_credentials){ wb_slice_cstr(text), wb_slice_cstr(f.b) };
	assert_null(wb_auth_admit(f.auth, &shown, WB_SCOPE_READ, now, &refusal));
	assert_int_equal(refusal.status, 400);
	assert_string_equal(refusal.code, "ambiguous-token");
	shown.api_key = wb_slice_cstr(f.a);
	i = wb_auth_admit(f.auth, &shown, WB_SCOPE_READ, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	/* Another scheme is somebody else's, a gateway's for example. */
	shown.authorization = wb_slice_cstr("Basic d3I6dGU=");
	i = wb_auth_admit(f.auth, &shown, WB_SCOPE_READ, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	close_auth(&f);
}

static void a_token_expires(void **state)
{
	struct wb_auth_refusal refusal;
	struct wb_identity *i;
	struct fixture f;
	/* 1790000000 s is 2026-09-21T14:13:20Z */
	(void)state;
	open_auth(&f, EVERYTHING ",\"expires\":\"2026-09-21T14:13:21Z\"", NULL);
	i = admit_key(&f, f.a, WB_SCOPE_READ, later(999), &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	assert_null(admit_key(&f, f.a, WB_SCOPE_READ, later(1000), &refusal));
	assert_unauthorized(&refusal, "expired-token",
		"Bearer realm=\"writebehind\", error=\"invalid_token\", error_description=\"expired\"");
	close_auth(&f);
}

static void scopes_are_held_to(void **state)
{
	struct wb_auth_refusal refusal;
	struct wb_identity *i;
	struct fixture f;

	(void)state;
	open_auth(&f, ",\"scopes\":[\"read\"],\"databases\":[\"*\"],\"containers\":[\"*\"]",
		",\"scopes\":[\"publish\"],\"databases\":[\"*\"],\"containers\":[\"*\"]");
	i = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	i = admit_key(&f, f.b, WB_SCOPE_PUBLISH, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	assert_null(admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal));
	assert_null(admit_key(&f, f.a, WB_SCOPE_PUBLISH, now, &refusal));
	assert_int_equal(refusal.status, 403);
	assert_string_equal(refusal.code, "insufficient-scope");
	assert_string_equal(
		refusal.authenticate, "Bearer realm=\"writebehind\", error=\"insufficient_scope\", scope=\"publish\"");
	close_auth(&f);
}

static void targets_are_held_to(void **state)
{
	const struct wb_slice absent = { NULL, 0 };
	struct wb_auth_refusal refusal;
	struct wb_identity *a, *b;
	struct fixture f;

	(void)state;
	open_auth(&f, ",\"scopes\":[\"publish\"],\"databases\":[\"shop\",\"\"],\"containers\":[\"reports\"]",
		",\"scopes\":[\"publish\"],\"databases\":[\"*\"],\"containers\":[\"\"]");
	a = admit_key(&f, f.a, WB_SCOPE_PUBLISH, now, &refusal);
	b = admit_key(&f, f.b, WB_SCOPE_PUBLISH, now, &refusal);
	assert_true(wb_identity_may_publish(a, wb_slice_cstr("shop"), wb_slice_cstr("reports"), &refusal));
	assert_true(wb_identity_may_publish(a, absent, wb_slice_cstr("reports"), &refusal));
	assert_false(wb_identity_may_publish(a, wb_slice_cstr("shop"), wb_slice_cstr("users"), &refusal));
	assert_int_equal(refusal.status, 403);
	assert_string_equal(refusal.code, "target-not-allowed");
	assert_string_equal(refusal.detail.text, "the token first is not for the container users");
	assert_false(wb_identity_may_publish(a, wb_slice_cstr("other"), wb_slice_cstr("reports"), &refusal));
	assert_string_equal(refusal.detail.text, "the token first is not for the database other");
	assert_false(wb_identity_may_publish(a, absent, absent, &refusal));
	assert_string_equal(refusal.detail.text,
		"the token first is not for the consumers' own container: name the container that is meant");
	assert_true(wb_identity_may_publish(b, wb_slice_cstr("x"), absent, &refusal));
	assert_false(wb_identity_may_publish(b, absent, wb_slice_cstr("reports"), &refusal));
	wb_identity_release(&a);
	wb_identity_release(&b);
	close_auth(&f);
}

static void what_shows_all_jobs_is_for_who_may_do_all(void **state)
{
	static const char *const narrow[] = {
		",\"scopes\":[\"read\"],\"databases\":[\"*\"],\"containers\":[\"c\"]",
		",\"scopes\":[\"read\"],\"databases\":[],\"containers\":[\"*\"]",
	};

	(void)state;
	for (size_t n = 0; n < WB_ARRAY_LEN(narrow); n++) {
		struct wb_auth_refusal refusal;
		struct wb_identity *a, *b;
		struct fixture f;

		open_auth(&f, EVERYTHING, narrow[n]);
		a = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal);
		b = admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal);
		assert_true(wb_identity_may_list(a, &refusal));
		assert_false(wb_identity_may_list(b, &refusal));
		assert_int_equal(refusal.status, 403);
		assert_string_equal(refusal.code, "target-not-allowed");
		assert_string_equal(refusal.detail.text,
			"the token second is not for every database and container, and this shows the jobs of all");
		wb_identity_release(&a);
		wb_identity_release(&b);
		close_auth(&f);
	}
}

static void requests_have_a_rate(void **state)
{
	struct wb_http_response_header headers[WB_RATE_HEADERS];
	struct wb_auth_refusal refusal;
	struct wb_rate_texts texts;
	struct wb_identity *i;
	struct fixture f;

	(void)state;
	open_auth(&f, EVERYTHING ",\"rate\":{\"requestsPerSecond\":2,\"burstSeconds\":2}", EVERYTHING);
	for (int n = 0; n < 4; n++) {
		i = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal);
		assert_non_null(i);
		wb_identity_rate_texts(i, now, &texts);
		wb_identity_release(&i);
	}
	assert_string_equal(texts.limit, "\"requests\";r=0;t=2");
	assert_string_equal(texts.policy, "\"requests\";q=4;w=2");
	assert_null(admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal));
	assert_int_equal(refusal.status, 429);
	assert_string_equal(refusal.code, "rate-limited");
	assert_string_equal(refusal.detail.text, "the token first may send 2 requests a second");
	assert_int_equal(refusal.retry_after_s, 1);
	assert_int_equal(wb_rate_headers(&refusal.rate, headers), 2);
	assert_string_equal(headers[0].name, "RateLimit");
	assert_string_equal(headers[0].value, "\"requests\";r=0;t=2");
	assert_string_equal(headers[1].name, "RateLimit-Policy");
	i = admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal); /* one's rate is not another's */
	assert_non_null(i);
	wb_identity_rate_texts(i, now, &texts);
	assert_int_equal(wb_rate_headers(&texts, headers), 0);
	wb_identity_release(&i);
	i = admit_key(&f, f.a, WB_SCOPE_READ, later(500), &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	close_auth(&f);
}

static void documents_have_a_rate_that_a_batch_may_overdraw(void **state)
{
	struct wb_auth_refusal refusal;
	struct wb_rate_texts texts;
	struct wb_identity *i, *j;
	struct fixture f;

	(void)state;
	open_auth(&f, EVERYTHING ",\"rate\":{\"documentsPerSecond\":100,\"requestsPerSecond\":1000000}", NULL);
	i = admit_key(&f, f.a, WB_SCOPE_PUBLISH, now, &refusal);
	j = admit_key(&f, f.a, WB_SCOPE_PUBLISH, now, &refusal);
	assert_true(wb_identity_take_documents(i, 500, now, &refusal));
	assert_false(wb_identity_take_documents(j, 1, now, &refusal));
	assert_int_equal(refusal.status, 429);
	assert_string_equal(refusal.detail.text, "the token first may send 100 documents a second");
	assert_int_equal(refusal.retry_after_s, 5); /* 4.01 s */
	wb_identity_rate_texts(i, now, &texts);
	assert_string_equal(texts.limit, "\"requests\";r=999998;t=1, \"documents\";r=0;t=5");
	assert_string_equal(texts.policy, "\"requests\";q=1000000;w=1, \"documents\";q=100;w=1");
	wb_identity_release(&i);
	wb_identity_release(&j);
	assert_null(admit_key(&f, f.a, WB_SCOPE_PUBLISH, later(4000), &refusal));
	i = admit_key(&f, f.a, WB_SCOPE_READ, later(4000), &refusal); /* who owes documents may still ask */
	assert_non_null(i);
	wb_identity_release(&i);
	i = admit_key(&f, f.a, WB_SCOPE_PUBLISH, later(4010), &refusal);
	assert_non_null(i);
	wb_identity_owe_documents(i, 1000, later(4010)); /* a stream */
	wb_identity_owe_documents(i, 1000, later(4010));
	wb_identity_release(&i);
	assert_null(admit_key(&f, f.a, WB_SCOPE_PUBLISH, later(10000), &refusal));
	close_auth(&f);
}

static void a_reload_replaces_the_tokens_at_once(void **state)
{
	struct wb_auth_refusal refusal;
	struct wb_error e = { "" };
	struct wb_identity *old, *i;
	struct fixture f;

	(void)state;
	open_auth(&f, EVERYTHING, NULL);
	old = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal);
	write_text(&f, "{\"tokens\":[");
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, f.path));
	i = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal); /* a bad file changes nothing */
	assert_non_null(i);
	wb_identity_release(&i);
	assert_int_equal(unlink(f.path), 0);
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_EINVAL);
	assert_int_equal(wb_auth_count(f.auth), 1);
	write_text(&f, "{\"tokens\":[]}");
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_OK);
	assert_null(admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal));
	assert_string_equal(wb_identity_principal(old), "first"); /* a request in flight goes on */
	assert_true(wb_identity_may_publish(old, wb_slice_cstr("d"), wb_slice_cstr("c"), &refusal));
	wb_identity_release(&old);
	write_tokens(&f, EVERYTHING, EVERYTHING);
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_OK);
	i = admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	close_auth(&f);
}

static void a_reload_gives_no_fresh_burst(void **state)
{
	static const char rate[] = EVERYTHING ",\"rate\":{\"requestsPerSecond\":1}";
	struct wb_auth_refusal refusal;
	struct wb_error e = { "" };
	struct wb_identity *i;
	struct fixture f;

	(void)state;
	open_auth(&f, rate, NULL);
	i = admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal);
	assert_non_null(i);
	wb_identity_release(&i);
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_OK);
	assert_null(admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal));
	wb_token_make(f.a); /* a new secret for the same name */
	write_tokens(&f, rate, NULL);
	assert_int_equal(wb_auth_reload(f.auth, &e), WB_OK);
	assert_null(admit_key(&f, f.a, WB_SCOPE_READ, now, &refusal));
	assert_int_equal(refusal.status, 429);
	close_auth(&f);
}

static void refusals_are_counted_by_why(void **state)
{
	struct wb_auth_refusal refusal;
	struct fixture f;
	struct wb_buf page;

	(void)state;
	open_auth(&f, EVERYTHING, NULL);
	assert_null(admit_key(&f, f.b, WB_SCOPE_READ, now, &refusal));
	assert_null(admit_key(&f, NULL, WB_SCOPE_READ, now, &refusal));
	wb_buf_init(&page, 100000);
	wb_metrics_render(f.metrics, &page);
	assert_non_null(strstr(page.data, "writebehind_auth_refused_total{why=\"invalid\"} 1\n"));
	assert_non_null(strstr(page.data, "writebehind_auth_refused_total{why=\"missing\"} 1\n"));
	assert_non_null(strstr(page.data, "writebehind_auth_refused_total{why=\"rate\"} 0\n"));
	assert_null(strstr(page.data, f.b));
	wb_buf_release(&page);
	close_auth(&f);
}

static void *ask_often(void *arg)
{
	struct fixture *f = arg;
	uintptr_t admitted = 0;

	for (int n = 0; n < 2000; n++) {
		struct wb_auth_refusal refusal;
		struct wb_identity *i = admit_key(f, f->a, WB_SCOPE_PUBLISH, now, &refusal);

		admitted += i != NULL;
		if (i)
			wb_identity_owe_documents(i, 1, now);
		wb_identity_release(&i);
	}
	return (void *)admitted;
}

/* With the clock standing still, exactly the burst gets through, however many threads ask while the file is read. */
static void a_rate_holds_over_threads_and_reloads(void **state)
{
	uintptr_t admitted = 0;
	pthread_t threads[3];
	struct wb_error e;
	struct fixture f;

	(void)state;
	open_auth(&f, EVERYTHING ",\"rate\":{\"requestsPerSecond\":1000}", NULL);
	for (size_t t = 0; t < WB_ARRAY_LEN(threads); t++)
		assert_int_equal(pthread_create(&threads[t], NULL, ask_often, &f), 0);
	for (int n = 0; n < 20; n++)
		assert_int_equal(wb_auth_reload(f.auth, &e), WB_OK);
	for (size_t t = 0; t < WB_ARRAY_LEN(threads); t++) {
		void *count;

		assert_int_equal(pthread_join(threads[t], &count), 0);
		admitted += (uintptr_t)count;
	}
	assert_int_equal(admitted, 1000);
	close_auth(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_everyone_is_anonymous),
		cmocka_unit_test(a_token_comes_as_bearer_or_as_key),
		cmocka_unit_test(who_has_no_good_token_is_told_as_rfc_6750_says),
		cmocka_unit_test(two_different_tokens_are_refused_and_the_same_twice_is_not),
		cmocka_unit_test(a_token_expires),
		cmocka_unit_test(scopes_are_held_to),
		cmocka_unit_test(targets_are_held_to),
		cmocka_unit_test(what_shows_all_jobs_is_for_who_may_do_all),
		cmocka_unit_test(requests_have_a_rate),
		cmocka_unit_test(documents_have_a_rate_that_a_batch_may_overdraw),
		cmocka_unit_test(a_reload_replaces_the_tokens_at_once),
		cmocka_unit_test(a_reload_gives_no_fresh_burst),
		cmocka_unit_test(refusals_are_counted_by_why),
		cmocka_unit_test(a_rate_holds_over_threads_and_reloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
