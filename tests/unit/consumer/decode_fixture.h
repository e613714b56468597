/* What the tests of decoding share: a container partitioned by /pk, and both steps of decoding with headers as text. */
#ifndef WB_TESTS_UNIT_CONSUMER_DECODE_FIXTURE_H
#define WB_TESTS_UNIT_CONSUMER_DECODE_FIXTURE_H

#include "common/cosmos/document.h"
#include "consumer/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define JOB "0123456789abcdef0123456789abcdef"

static const struct wb_slice allowed[] = { WB_SLICE_LIT("reports"), WB_SLICE_LIT("archive") };
static const struct wb_decode_settings settings = {
	.database = WB_SLICE_LIT("db"),
	.container = WB_SLICE_LIT("reports"),
	.allowed = allowed,
	.allowed_count = 2,
	.document_max_bytes = WB_DOCUMENT_SIZE_MAX,
};

struct fixture {
	struct wb_pk_definition definition;
	struct wb_buf scratch;
	struct wb_write *w;
	struct wb_record_meta meta;
	struct wb_decode_target target;
	struct wb_epk epk;
	struct wb_error why;
};

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->definition.kind = WB_PK_HASH_V2;
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/pk"), NULL), WB_OK);
	wb_buf_init(&f->scratch, WB_DECODE_SCRATCH_BYTES);
	f->w = wb_write_new();
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	wb_json_paths_release(&f->definition.paths);
	wb_buf_release(&f->scratch);
	wb_write_free(&f->w);
	free(f);
	return 0;
}

/* Headers as "name", "value", … up to NULL. */
static inline size_t headers_of(const char *const *texts, struct wb_header *ret)
{
	size_t count = 0;

	for (; texts && *texts; texts += 2)
		ret[count++] = (struct wb_header){ .name = wb_slice_cstr(texts[0]), .value = wb_slice_cstr(texts[1]) };
	return count;
}

static inline enum wb_reason target(struct fixture *f, const struct wb_decode_settings *s, const char *const *texts)
{
	struct wb_header headers[8];
	size_t count = headers_of(texts, headers);

	f->why.text[0] = '\0';
	return wb_decode_target(s, headers, count, f->w, &f->meta, &f->target, &f->why);
}

static inline enum wb_reason decode_slice(struct fixture *f, struct wb_slice value, const char *const *texts)
{
	assert_int_equal(target(f, &settings, texts), WB_REASON_NONE);
	f->w->value = value;
	return wb_decode_document(&settings, &f->meta, &f->definition, &f->scratch, f->w, &f->epk, &f->why);
}

/* Both steps; value NULL is a null value. */
static inline enum wb_reason decode(struct fixture *f, const char *value, const char *const *texts)
{
	return decode_slice(f, wb_slice_cstr(value), texts);
}

static inline void assert_slice(struct wb_slice got, const char *want)
{
	if (!wb_slice_eq_cstr(got, want))
		fail_msg("got %.*s, want %s", WB_SLICE_ARGS(got), want);
}

static inline void assert_reason(struct fixture *f, enum wb_reason got, enum wb_reason want, const char *what)
{
	if (got != want)
		fail_msg("%s: got '%s' (%s), want '%s'", what, wb_reason_text(got), f->why.text, wb_reason_text(want));
	if (want != WB_REASON_NONE && !f->why.text[0])
		fail_msg("%s: no sentence", what);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
