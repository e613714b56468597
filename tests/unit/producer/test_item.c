#include "producer/item.h"

#include "common/base/mem.h"
#include "common/cosmos/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define JOB "00112233445566778899aabbccddeeff"

struct judging {
	struct wb_item_rules rules;
	struct wb_item_judge judge;
	struct wb_batch_write write;
	struct wb_error why;
};

static void begin(struct judging *g, const char *path)
{
	*g = (struct judging){ .rules = { .record_bytes_max = 3000000, .generate_id = true } };
	if (path)
		assert_int_equal(wb_json_paths_add(&g->rules.paths, wb_slice_cstr(path), NULL), WB_OK);
	assert_int_equal(wb_item_judge_init(&g->judge, &g->rules, wb_slice_cstr(JOB)), WB_OK);
}

static void end(struct judging *g)
{
	wb_item_judge_release(&g->judge);
	wb_json_paths_release(&g->rules.paths);
}

static enum wb_reason check(struct judging *g, enum wb_op op, const char *text, const char *key, uint64_t seq)
{
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_item item = { .op = op, .document = &found };

	assert_int_equal(wb_json_scan_document(wb_slice_cstr(text), &g->rules.paths, &found, &where), WB_JSON_OK);
	if (key)
		assert_int_equal(wb_json_scan_value(wb_slice_cstr(key), &item.partition_key, &where), WB_JSON_OK);
	return wb_item_check(&g->judge, &item, seq, &g->write, &g->why);
}

static void a_document_without_id_gets_that_of_its_job_and_place(void **state)
{
	struct judging g;

	(void)state;
	begin(&g, "/pk");
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"pk\":1}", NULL, 0), WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(g.write.id, JOB "-0"));
	assert_true(g.write.id_made);
	assert_true(wb_slice_eq_cstr(g.write.document, "{\"pk\":1}"));
	assert_int_equal(check(&g, WB_OP_CREATE, "{}", NULL, WB_SEQ_MAX), WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(g.write.id, JOB "-9007199254740991"));
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"own\"}", NULL, 0), WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(g.write.id, "own"));
	assert_false(g.write.id_made);
	end(&g);
}

static void only_what_may_be_new_gets_an_id(void **state)
{
	struct judging g;

	(void)state;
	begin(&g, NULL);
	assert_int_equal(check(&g, WB_OP_REPLACE, "{}", NULL, 0), WB_REASON_MISSING_ID);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":null}", NULL, 0), WB_REASON_INVALID_ID);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"\"}", NULL, 0), WB_REASON_INVALID_ID);
	g.rules.generate_id = false;
	assert_int_equal(check(&g, WB_OP_UPSERT, "{}", NULL, 0), WB_REASON_MISSING_ID);
	end(&g);
}

static void a_made_id_may_be_the_partition_key(void **state)
{
	struct judging g;

	(void)state;
	begin(&g, "/id");
	assert_int_equal(check(&g, WB_OP_UPSERT, "{}", "\"" JOB "-3\"", 3), WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(g.write.more->partition_key, "[\"" JOB "-3\"]"));
	assert_int_equal(check(&g, WB_OP_UPSERT, "{}", "\"" JOB "-3\"", 4), WB_REASON_PARTITION_KEY_MISMATCH);
	end(&g);
}

static void a_stated_key_is_compared_by_value(void **state)
{
	struct judging g;

	(void)state;
	begin(&g, "/a/b");
	assert_int_equal(wb_json_paths_add(&g.rules.paths, wb_slice_cstr("/c"), NULL), WB_OK);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"a\",\"a\":{\"b\":1e1},\"c\":\"\\u0078\"}", "[10,\"x\"]", 0),
		WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(g.write.more->partition_key, "[10,\"x\"]"));
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"a\"}", "[{},{}]", 0), WB_REASON_NONE);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"a\"}", "[{},null]", 0), WB_REASON_PARTITION_KEY_MISMATCH);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{\"id\":\"a\"}", "\"x\"", 0), WB_REASON_INVALID_PARTITION_KEY);
	assert_non_null(strstr(g.why.text, "array of 2"));
	end(&g);
}

/* All that can be decoded is as long as it may be, and written with the longest escapes. */
static void the_longest_strings_fit(void **state)
{
	enum { ESCAPE = 6 };
	static char id[ESCAPE * WB_DOCUMENT_ID_MAX + 3], key[ESCAPE * WB_PK_STRING_MAX + 3], etag[WB_ETAG_LEN_MAX + 9];
	static char text[3 * sizeof key + sizeof id + 64], stated[3 * sizeof key + 8];
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_item item = { .document = &found };
	struct judging g;
	size_t at = 0;

	(void)state;
	for (char *c = id + sprintf(id, "\""); c < id + sizeof id - 2; c += ESCAPE)
		(void)sprintf(c, "\\u0061");
	strcat(id, "\"");
	/* DEL is one byte and becomes six in the canonical text. */
	for (char *c = key + sprintf(key, "\""); c < key + sizeof key - 2; c += ESCAPE)
		(void)sprintf(c, "\\u007f");
	strcat(key, "\"");
	etag[0] = '"';
	memset(etag + 1, 'e', WB_ETAG_LEN_MAX - 1);
	strcat(etag, "\\u0065\"");
	(void)snprintf(text, sizeof text, "{\"id\":%s,\"a\":%s,\"b\":%s,\"c\":%s}", id, key, key, key);
	(void)snprintf(stated, sizeof stated, "[%s,%s,%s]", key, key, key);
	begin(&g, "/a");
	assert_int_equal(wb_json_paths_add(&g.rules.paths, wb_slice_cstr("/b"), NULL), WB_OK);
	assert_int_equal(wb_json_paths_add(&g.rules.paths, wb_slice_cstr("/c"), NULL), WB_OK);
	assert_int_equal(wb_json_scan_document(wb_slice_cstr(text), &g.rules.paths, &found, &where), WB_JSON_OK);
	assert_int_equal(wb_json_scan_value(wb_slice_cstr(stated), &item.partition_key, &where), WB_JSON_OK);
	assert_int_equal(wb_json_scan_value(wb_slice_cstr(etag), &item.if_match, &where), WB_JSON_OK);
	assert_int_equal(wb_item_check(&g.judge, &item, 0, &g.write, &g.why), WB_REASON_NONE);
	assert_int_equal(g.write.id.len, WB_DOCUMENT_ID_MAX);
	assert_int_equal(g.write.more->if_match.len, WB_ETAG_LEN_MAX);
	assert_true(g.write.more->partition_key.len > (size_t)3 * ESCAPE * WB_PK_STRING_MAX);
	for (; at < g.write.id.len; at++)
		assert_int_equal(g.write.id.data[at], 'a');
	end(&g);
}

static char *document_of(size_t bytes)
{
	char *text = wb_xmalloc(bytes + 1);

	memset(text, 'x', bytes);
	memcpy(text, "{\"x\":\"", 6);
	memcpy(text + bytes - 2, "\"}", 3);
	return text;
}

static void a_made_id_counts_as_part_of_the_document(void **state)
{
	size_t added = sizeof "\"id\":\"" JOB "-0\"," - 1;
	char *fits = document_of(WB_DOCUMENT_SIZE_MAX - added), *beyond = document_of(WB_DOCUMENT_SIZE_MAX - added + 1);
	struct judging g;

	(void)state;
	begin(&g, NULL);
	assert_int_equal(check(&g, WB_OP_UPSERT, fits, NULL, 0), WB_REASON_NONE);
	assert_int_equal(wb_batch_value_len(&g.write), WB_DOCUMENT_SIZE_MAX);
	assert_int_equal(check(&g, WB_OP_UPSERT, beyond, NULL, 0), WB_REASON_TOO_LARGE);
	g.rules.record_bytes_max = 1000000;
	assert_int_equal(check(&g, WB_OP_UPSERT, fits, NULL, 0), WB_REASON_TOO_LARGE);
	assert_non_null(strstr(g.why.text, "1000000"));
	end(&g);
	free(fits);
	free(beyond);
}

static void a_kept_write_outlives_the_judge(void **state)
{
	struct wb_batch batch;
	struct judging g;

	(void)state;
	begin(&g, NULL);
	wb_batch_init(&batch, 2);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{}", "\"x\"", 0), WB_REASON_NONE);
	assert_int_equal(wb_item_keep(&g.judge, &g.write, &batch), WB_OK);
	assert_int_equal(check(&g, WB_OP_UPSERT, "{}", "\"y\"", 1), WB_REASON_NONE);
	assert_int_equal(wb_item_keep(&g.judge, &g.write, &batch), WB_OK);
	end(&g);
	assert_true(wb_slice_eq_cstr(batch.writes[0].id, JOB "-0"));
	assert_true(wb_slice_eq_cstr(batch.writes[0].more->partition_key, "[\"x\"]"));
	assert_true(wb_slice_eq_cstr(batch.writes[1].more->partition_key, "[\"y\"]"));
	wb_batch_release(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_without_id_gets_that_of_its_job_and_place),
		cmocka_unit_test(only_what_may_be_new_gets_an_id),
		cmocka_unit_test(a_made_id_may_be_the_partition_key),
		cmocka_unit_test(a_stated_key_is_compared_by_value),
		cmocka_unit_test(the_longest_strings_fit),
		cmocka_unit_test(a_made_id_counts_as_part_of_the_document),
		cmocka_unit_test(a_kept_write_outlives_the_judge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
