#include "consumer/bulk.h"

#include "common/base/prng.h"
#include "tests/unit/sanitizers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

static struct wb_write upsert(const char *pk_text, const char *document)
{
	return (struct wb_write){
		.op = WB_OP_UPSERT,
		.pk_text = wb_slice_cstr(pk_text),
		.document = wb_slice_cstr(document),
	};
}

static struct wb_write deletion(const char *pk_text, const char *id)
{
	return (struct wb_write){ .op = WB_OP_DELETE, .pk_text = wb_slice_cstr(pk_text), .id = wb_slice_cstr(id) };
}

#define WRITES_MAX 200

/* All that is read of a body, so many bytes at a time. */
static struct wb_buf read_all(struct wb_bulk_body *body, size_t at_once)
{
	char piece[64];
	struct wb_buf all;
	size_t n;

	assert_true(at_once <= sizeof piece);
	wb_buf_init(&all, 4 << 20);
	while ((n = wb_bulk_read(body, piece, at_once)) > 0) {
		assert_true(n == at_once || all.len + n == body->bytes);
		wb_buf_append(&all, piece, n);
	}
	assert_int_equal(all.len, body->bytes);
	return all;
}

/* In pieces of each size there may be. */
static struct wb_buf body_of(const struct wb_write *writes, size_t count)
{
	struct wb_write copies[WRITES_MAX];
	struct wb_list list = { 0 };
	struct wb_bulk_body body;
	struct wb_buf all, again;

	assert_true(count <= WRITES_MAX);
	memcpy(copies, writes, count * sizeof *writes);
	for (size_t i = 0; i < count; i++)
		wb_list_push(&list, &copies[i].link);
	wb_bulk_init(&body, 4 << 20);
	wb_bulk_write(&body, &list);
	assert_int_equal(wb_buf_status(&body.frames), WB_OK);
	all = read_all(&body, 1);
	for (size_t at_once = 2; at_once <= 64; at_once++) {
		wb_bulk_rewind(&body, &list);
		again = read_all(&body, at_once);
		assert_int_equal(again.len, all.len);
		assert_memory_equal(again.data, all.data, all.len);
		wb_buf_release(&again);
	}
	wb_bulk_release(&body);
	return all;
}

static void an_upsert_carries_the_document_byte_for_byte(void **state)
{
	struct wb_write w = upsert("[\"a\"]", "{ \"id\":\"1\",\t\"n\":1.0 }");
	struct wb_buf body = body_of(&w, 1);

	(void)state;
	assert_string_equal(body.data,
		"[{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"a\\\"]\","
		"\"resourceBody\":{ \"id\":\"1\",\t\"n\":1.0 },\"minimalReturnPreference\":true}]");
	wb_buf_release(&body);
}

static void a_delete_names_the_decoded_id(void **state)
{
	struct wb_write w = deletion("[5]", "a\"b\xc3\xa4");
	struct wb_buf body = body_of(&w, 1);

	(void)state;
	assert_string_equal(
		body.data, "[{\"operationType\":\"Delete\",\"id\":\"a\\\"b\xc3\xa4\",\"partitionKey\":\"[5]\"}]");
	wb_buf_release(&body);
}

static void every_operation_has_its_form(void **state)
{
	const struct {
		struct wb_write w;
		const char *text;
	} rows[] = {
		{ { .op = WB_OP_CREATE, .document = WB_SLICE_LIT("{\"id\":\"1\"}") },
			"{\"operationType\":\"Create\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"1\"},"
			"\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_CREATE,
			  .document = WB_SLICE_LIT("{}"),
			  .conditional = true,
			  .if_none_match = WB_SLICE_LIT("*") },
			"{\"operationType\":\"Create\",\"partitionKey\":\"[1]\",\"resourceBody\":{},"
			"\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_UPSERT,
			  .document = WB_SLICE_LIT("{}"),
			  .conditional = true,
			  .if_none_match = WB_SLICE_LIT("*") },
			"{\"operationType\":\"Create\",\"partitionKey\":\"[1]\",\"resourceBody\":{},"
			"\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_UPSERT,
			  .document = WB_SLICE_LIT("{}"),
			  .conditional = true,
			  .if_none_match = WB_SLICE_LIT("\"e\"") },
			"{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\",\"ifNoneMatch\":\"\\\"e\\\"\","
			"\"resourceBody\":{},\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_UPSERT,
			  .document = WB_SLICE_LIT("{}"),
			  .conditional = true,
			  .if_match = WB_SLICE_LIT("\"e\"") },
			"{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\",\"ifMatch\":\"\\\"e\\\"\","
			"\"resourceBody\":{},\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_REPLACE, .id = WB_SLICE_LIT("a\"b"), .document = WB_SLICE_LIT("{}") },
			"{\"operationType\":\"Replace\",\"id\":\"a\\\"b\",\"partitionKey\":\"[1]\",\"resourceBody\":{},"
			"\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_DELETE, .id = WB_SLICE_LIT("x"), .conditional = true, .if_match = WB_SLICE_LIT("*") },
			"{\"operationType\":\"Delete\",\"id\":\"x\",\"partitionKey\":\"[1]\",\"ifMatch\":\"*\"}" },
		{ { .op = WB_OP_PATCH, .id = WB_SLICE_LIT("x"), .document = WB_SLICE_LIT("{\"operations\":[{}]}") },
			"{\"operationType\":\"Patch\",\"id\":\"x\",\"partitionKey\":\"[1]\","
			"\"resourceBody\":{\"operations\":[{}]},\"minimalReturnPreference\":true}" },
		{ { .op = WB_OP_PATCH, .id = WB_SLICE_LIT("x"), .document = WB_SLICE_LIT("[{}]") },
			"{\"operationType\":\"Patch\",\"id\":\"x\",\"partitionKey\":\"[1]\","
			"\"resourceBody\":{\"operations\":[{}]},\"minimalReturnPreference\":true}" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_write w = rows[i].w;
		struct wb_buf body;

		w.pk_text = wb_slice_cstr("[1]");
		body = body_of(&w, 1);
		body.data[body.len - 1] = '\0';
		assert_string_equal(body.data + 1, rows[i].text);
		assert_int_equal(wb_bulk_operation_size(&w), body.len);
		wb_buf_release(&body);
	}
}

static void operations_stand_in_order_with_commas_between(void **state)
{
	struct wb_write writes[] = { upsert("[1]", "{\"a\":[]}"), deletion("[2]", "x["), upsert("[{}]", "{}") };
	struct wb_buf body = body_of(writes, 3);
	json_t *root = json_loads(body.data, 0, NULL);

	(void)state;
	assert_int_equal(json_array_size(root), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(root, 0), "operationType")), "Upsert");
	assert_string_equal(json_string_value(json_object_get(json_array_get(root, 1), "id")), "x[");
	assert_string_equal(json_string_value(json_object_get(json_array_get(root, 2), "partitionKey")), "[{}]");
	json_decref(root);
	wb_buf_release(&body);
}

static void the_partition_key_is_a_string_that_holds_the_array(void **state)
{
	const char *keys[] = { "[\"\\u00e4\"]", "[\"q\\\"uote\"]", "[\"back\\\\slash\"]", "[\"t\",7,\"u\"]", "[null]" };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(keys); i++) {
		struct wb_write writes[] = { upsert(keys[i], "{}"), deletion(keys[i], "d") };
		struct wb_buf body = body_of(writes, 2);
		json_t *root = json_loads(body.data, 0, NULL);

		for (size_t n = 0; n < 2; n++)
			assert_string_equal(
				json_string_value(json_object_get(json_array_get(root, n), "partitionKey")), keys[i]);
		json_decref(root);
		wb_buf_release(&body);
	}
}

static void the_probe_reads_one_id(void **state)
{
	struct wb_buf body;

	(void)state;
	wb_buf_init(&body, 1000);
	wb_bulk_probe(&body, wb_slice_cstr("none"), wb_slice_cstr("[\"k\"]"));
	assert_string_equal(
		body.data, "[{\"operationType\":\"Read\",\"id\":\"none\",\"partitionKey\":\"[\\\"k\\\"]\"}]");
	wb_buf_release(&body);
}

/* Random bytes, of which few are ASCII and many need an escape. */
static struct wb_slice random_text(struct wb_prng *random, char *bytes, size_t max)
{
	size_t len = wb_prng_next(random) % max;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)wb_prng_next(random);
	return wb_slice(bytes, len);
}

struct random_write {
	struct wb_write w;
	char id[64], etag[64];
};

static void make_random(struct wb_prng *random, struct random_write *ret)
{
	const char *keys[] = { "[\"\\\"\",{},1.5]", "[\"\\u0001\\\\\"]", "[1]" };
	const char *bodies[] = { "{\"id\":\"x\"}", "[{\"op\":\"incr\"}]", "{\"operations\":[]}" };
	struct wb_write *w = &ret->w;

	*w = (struct wb_write){ .op = (enum wb_op)(wb_prng_next(random) % 5) };
	w->pk_text = wb_slice_cstr(keys[wb_prng_next(random) % 3]);
	w->id = random_text(random, ret->id, sizeof ret->id);
	if (w->op != WB_OP_DELETE)
		w->document = wb_slice_cstr(bodies[w->op == WB_OP_PATCH ? wb_prng_next(random) % 3 : 0]);
	switch (wb_prng_next(random) % 4) {
	case 0:
		w->if_match = random_text(random, ret->etag, sizeof ret->etag);
		break;
	case 1:
		w->if_none_match = random_text(random, ret->etag, sizeof ret->etag);
		break;
	case 2:
		w->if_none_match = wb_slice_cstr("*");
		break;
	default:
		break;
	}
	w->conditional = w->if_match.data || w->if_none_match.data;
}

/* One thread makes them: what ThreadSanitizer looks for is not here. */
#define RANDOM_BODIES (WB_TEST_TSAN ? 250 : 5000)

static void the_sum_of_sizes_bounds_the_body(void **state)
{
	struct wb_prng random = { .state = 11 };

	(void)state;
	for (int round = 0; round < RANDOM_BODIES; round++) {
		struct random_write made[20];
		struct wb_write writes[20];
		size_t count = 1 + wb_prng_next(&random) % 20, sum = 0;
		struct wb_buf body;
		json_t *root;

		for (size_t i = 0; i < count; i++) {
			make_random(&random, &made[i]);
			writes[i] = made[i].w;
			sum += wb_bulk_operation_size(&writes[i]);
		}
		body = body_of(writes, count);
		assert_true(body.len <= sum);
		root = json_loadb(body.data, body.len, JSON_ALLOW_NUL, NULL);
		assert_int_equal(json_array_size(root), count);
		json_decref(root);
		wb_buf_release(&body);
	}
}

static void the_size_of_plain_writes_is_not_far_off(void **state)
{
	struct wb_write writes[] = { upsert("[\"a\"]", "{\"id\":\"1\"}"), deletion("[\"a\"]", "plain") };
	struct wb_buf body;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		body = body_of(&writes[i], 1);
		assert_int_equal(wb_bulk_operation_size(&writes[i]), body.len);
		wb_buf_release(&body);
	}
}

static void frames_that_do_not_fit_say_so(void **state)
{
	struct wb_write writes[] = { upsert("[1]", "{\"id\":\"0123456789\"}"), deletion("[1]", "0123456789") };
	struct wb_list list = { 0 };

	(void)state;
	wb_list_push(&list, &writes[0].link);
	wb_list_push(&list, &writes[1].link);
	for (size_t max = 1; max < wb_bulk_operation_size(&writes[0]) + wb_bulk_operation_size(&writes[1]); max++) {
		struct wb_bulk_body body;

		wb_bulk_init(&body, max);
		wb_bulk_write(&body, &list);
		if (wb_buf_status(&body.frames) == WB_OK)
			assert_int_equal(body.frames.data[body.frames.len - 1], ']');
		else
			assert_int_equal(wb_buf_status(&body.frames), WB_ETOOBIG);
		wb_bulk_release(&body);
	}
}

static const char full_reply[] =
	"[{\"statusCode\":201,\"requestCharge\":5.43,\"eTag\":\"\\\"0000-1\\\"\"},\n"
	" {\"statusCode\":429,\"subStatusCode\":3200,\"requestCharge\":0.38,\"retryAfterMilliseconds\":17,"
	"\"resourceBody\":{\"code\":\"429\",\"message\":\"slow \\\"down\\\"\"}},\n"
	" {\"unknown\":[{\"statusCode\":1},[]],\"resourceBody\":null,\"eTag\":null,\"subStatusCode\":null,"
	"\"requestCharge\":null,\"retryAfterMilliseconds\":null,\"statusCode\":424}]";

static void a_full_reply_is_read(void **state)
{
	struct wb_operation_reply r[3];

	(void)state;
	assert_int_equal(wb_bulk_reply_parse(wb_slice_cstr(full_reply), r, 3, NULL), WB_OK);
	assert_int_equal(r[0].status, 201);
	assert_int_equal(r[0].substatus, 0);
	assert_true(r[0].request_charge == 5.43);
	assert_int_equal(r[0].retry_after_ms, -1);
	assert_true(wb_slice_eq_cstr(r[0].etag, "\"\\\"0000-1\\\"\""));
	assert_null(r[0].message.data);
	assert_int_equal(r[1].status, 429);
	assert_int_equal(r[1].substatus, 3200);
	assert_true(r[1].request_charge == 0.38);
	assert_int_equal(r[1].retry_after_ms, 17);
	assert_null(r[1].etag.data);
	assert_true(wb_slice_eq_cstr(r[1].message, "{\"code\":\"429\",\"message\":\"slow \\\"down\\\"\"}"));
	assert_int_equal(r[2].status, 424);
	assert_int_equal(r[2].substatus, 0);
	assert_true(r[2].request_charge == 0);
	assert_int_equal(r[2].retry_after_ms, -1);
	assert_null(r[2].etag.data);
	assert_null(r[2].message.data);
}

/* In memory of its own size, so that a sanitizer sees one byte too far. */
static enum wb_err parse_exactly(const char *text, size_t len, size_t expected, struct wb_error *e)
{
	struct wb_operation_reply r[8];
	char *copy = malloc(len ? len : 1);
	enum wb_err err;

	assert_non_null(copy);
	memcpy(copy, text, len);
	err = wb_bulk_reply_parse(wb_slice(copy, len), r, expected, e);
	free(copy);
	return err;
}

static void a_reply_cut_short_anywhere_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof full_reply - 1; len++) {
		struct wb_error e = { "" };

		assert_int_equal(parse_exactly(full_reply, len, 3, &e), WB_EINVAL);
		assert_true(strlen(e.text) > 0);
	}
	assert_int_equal(parse_exactly(full_reply, sizeof full_reply - 1, 3, NULL), WB_OK);
}

static void a_reply_of_another_length_is_refused(void **state)
{
	struct wb_error e;

	(void)state;
	assert_int_equal(parse_exactly(full_reply, sizeof full_reply - 1, 2, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "more than the 2 operations"));
	assert_int_equal(parse_exactly(full_reply, sizeof full_reply - 1, 4, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "3 operations, 4 were sent"));
	assert_int_equal(parse_exactly("[]", 2, 1, &e), WB_EINVAL);
	assert_int_equal(parse_exactly("[]", 2, 0, &e), WB_OK);
}

static void what_is_no_such_array_is_refused(void **state)
{
	const char *texts[] = {
		"",
		"null",
		"{}",
		"PGCosmosError: relation does not exist",
		"<html>502</html>",
		"[1]",
		"[null]",
		"[[]]",
		"[{}]",
		"[{\"requestCharge\":1}]",
		"[{\"statusCode\":null}]",
		"[{\"statusCode\":\"200\"}]",
		"[{\"statusCode\":200.5}]",
		"[{\"statusCode\":-200}]",
		"[{\"statusCode\":1e9}]",
		"[{\"statusCode\":99}]",
		"[{\"statusCode\":200,\"subStatusCode\":\"3402\"}]",
		"[{\"statusCode\":200,\"subStatusCode\":1.5}]",
		"[{\"statusCode\":200,\"requestCharge\":\"5\"}]",
		"[{\"statusCode\":200,\"requestCharge\":1e999}]",
		"[{\"statusCode\":200,\"retryAfterMilliseconds\":true}]",
		"[{\"statusCode\":200,\"eTag\":5}]",
		"[{\"statusCode\":200}",
		"[{\"statusCode\":200}]]",
		"[{\"statusCode\":200},]",
		"[{\"statusCode\":200} {\"statusCode\":200}]",
		"[{\"statusCode\":0200}]",
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		if (parse_exactly(texts[i], strlen(texts[i]), 1, NULL) != WB_EINVAL)
			fail_msg("accepted: %s", texts[i]);
	}
}

static void numbers_are_read_whatever_their_form(void **state)
{
	const struct {
		const char *text;
		double charge;
	} rows[] = {
		{ "0", 0 },
		{ "5.43", 5.43 },
		{ "10", 10 },
		{ "0.1", 0.1 },
		{ "123456789012.345", 123456789012.345 },
		{ "1234567890123456", 1234567890123456.0 },
		{ "9007199254740993", 9007199254740992.0 },
		{ "0.30000000000000004", 0.30000000000000004 },
		{ "12345678.12345678", 12345678.12345678 },
		{ "543e-2", 5.43 },
		{ "-1.5", 0 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_operation_reply r;
		char text[100];

		assert_true(snprintf(text, sizeof text, "[{\"statusCode\":2.01e2,\"requestCharge\":%s}]",
				    rows[i].text) > 0);
		assert_int_equal(wb_bulk_reply_parse(wb_slice_cstr(text), &r, 1, NULL), WB_OK);
		assert_int_equal(r.status, 201);
		if (r.request_charge != rows[i].charge)
			fail_msg("%s read as %.17g", rows[i].text, r.request_charge);
	}
}

static void a_wait_is_rounded_up_and_bounded(void **state)
{
	const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "0", 0 },
		{ "12.25", 13 },
		{ "-5", -1 },
		{ "1e300", 24 * 3600 * 1000 },
		{ "1e999", 24 * 3600 * 1000 },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_operation_reply r;
		char text[100];

		assert_true(snprintf(text, sizeof text, "[{\"retryAfterMilliseconds\":%s,\"statusCode\":429}]",
				    rows[i].text) > 0);
		assert_int_equal(wb_bulk_reply_parse(wb_slice_cstr(text), &r, 1, NULL), WB_OK);
		assert_int_equal(r.retry_after_ms, rows[i].ms);
	}
}

static void names_may_be_escaped_and_the_last_of_a_repeated_one_counts(void **state)
{
	const char text[] = "[{\"statusCode\":500,\"status\\u0043ode\":200,\"StatusCode\":3,\"eta\\u0067\":1}]";
	struct wb_operation_reply r;

	(void)state;
	assert_int_equal(wb_bulk_reply_parse(wb_slice_cstr(text), &r, 1, NULL), WB_OK);
	assert_int_equal(r.status, 200);
}

static void the_body_of_a_successful_operation_is_no_message(void **state)
{
	const char text[] = "[{\"resourceBody\":{\"id\":\"1\"},\"statusCode\":200}]";
	struct wb_operation_reply r;

	(void)state;
	assert_int_equal(wb_bulk_reply_parse(wb_slice_cstr(text), &r, 1, NULL), WB_OK);
	assert_null(r.message.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upsert_carries_the_document_byte_for_byte),
		cmocka_unit_test(a_delete_names_the_decoded_id),
		cmocka_unit_test(every_operation_has_its_form),
		cmocka_unit_test(operations_stand_in_order_with_commas_between),
		cmocka_unit_test(the_partition_key_is_a_string_that_holds_the_array),
		cmocka_unit_test(the_probe_reads_one_id),
		cmocka_unit_test(the_sum_of_sizes_bounds_the_body),
		cmocka_unit_test(the_size_of_plain_writes_is_not_far_off),
		cmocka_unit_test(frames_that_do_not_fit_say_so),
		cmocka_unit_test(a_full_reply_is_read),
		cmocka_unit_test(a_reply_cut_short_anywhere_is_refused),
		cmocka_unit_test(a_reply_of_another_length_is_refused),
		cmocka_unit_test(what_is_no_such_array_is_refused),
		cmocka_unit_test(numbers_are_read_whatever_their_form),
		cmocka_unit_test(a_wait_is_rounded_up_and_bounded),
		cmocka_unit_test(names_may_be_escaped_and_the_last_of_a_repeated_one_counts),
		cmocka_unit_test(the_body_of_a_successful_operation_is_no_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
