/* The scanner against jansson: on every input both must agree whether it is JSON, apart from the differences below, and
 * on the id and the partition key values that are in it.
 *
 * Where they may differ (docs/adr/0003-scanner.md), each judged from the text and never from the other's verdict:
 * - depth: jansson nests 2048 deep, the scanner WB_JSON_DEPTH_MAX;
 * - jansson refuses numbers that overflow (integers beyond 64 bits, reals beyond a double), the scanner passes them;
 * - jansson refuses escaped lone surrogates, the scanner passes them;
 * - jansson refuses \u0000 in member names even when it is told to allow it in strings;
 * - jansson passes a zero byte directly behind a number or a literal (it loses a zero byte that it puts back), the
 *   scanner refuses it.
 * Every instruction set of this machine must say the same as the tokens alone.
 * jansson keeps the last of duplicate members, so that the found values are compared only where the scanner saw none.
 */
#include "common/base/json_blocks.h"
#include "tests/unit/common/base/json_judgement.h"

#include <jansson.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths_text[] = { "/pk", "/a/b", "/a" };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_json_scan: %s\n", what);
	abort();
}

/* What jansson cannot take although it is JSON, found by reading an accepted text with the reader. */
struct features {
	bool overflow;
	bool lone_surrogate;
	bool nul_in_name;
};

static bool overflows(struct wb_slice raw)
{
	double value = wb_json_number(raw);
	char text[32];

	if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308)
		return true;
	if (memchr(raw.data, '.', raw.len) || memchr(raw.data, 'e', raw.len) || memchr(raw.data, 'E', raw.len))
		return false;
	if (raw.len >= sizeof text)
		return true;
	memcpy(text, raw.data, raw.len);
	text[raw.len] = '\0';
	errno = 0;
	(void)strtoll(text, NULL, 10);
	return errno == ERANGE;
}

/* Decodes a raw string and notes what is special in it. */
static void look_at_string(struct wb_slice raw, bool is_name, struct features *f)
{
	char *out = malloc(raw.len);
	size_t len;

	must(out != NULL, "out of memory");
	len = wb_json_string_decode_into(raw, out);
	must(len == SIZE_MAX || len <= raw.len - 2, "a decoded string is longer than its text");
	f->lone_surrogate = f->lone_surrogate || len == SIZE_MAX;
	if (is_name && len != SIZE_MAX)
		f->nul_in_name = f->nul_in_name || memchr(out, 0, len) != NULL;
	free(out);
}

static void look_at_value(struct wb_json_reader *r, struct features *f)
{
	struct wb_json_value value;
	struct wb_slice name;

	if (wb_json_reader_enter(r)) {
		while (wb_json_reader_next(r, &name) == 1) {
			if (name.data)
				look_at_string(name, true, f);
			look_at_value(r, f);
		}
		return;
	}
	if (wb_json_reader_skip(r, &value) != WB_JSON_OK)
		return;
	if (value.type == WB_JSON_NUMBER)
		f->overflow = f->overflow || overflows(value.raw);
	if (value.type == WB_JSON_STRING)
		look_at_string(value.raw, false, f);
}

/* How deep the text nests; its strings are skipped as far as they are well formed. */
static unsigned nesting(struct wb_slice text)
{
	unsigned depth = 0, deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
			deepest = depth > deepest ? depth : deepest;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

static void same_value(const struct wb_json_value *found, const json_t *expected)
{
	struct wb_json_value again;
	struct wb_json_error error;
	json_t *parsed;

	must((found->type == WB_JSON_ABSENT) == (expected == NULL), "a value is found by one only");
	if (!expected)
		return;
	must(wb_json_scan_value(found->raw, &again, &error) == WB_JSON_OK, "a found value is no value");
	must(again.type == found->type && wb_slice_eq(again.raw, found->raw), "a found value has space around it");
	parsed = json_loadb(found->raw.data, found->raw.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	must(parsed && json_equal(parsed, expected), "a found value is another one");
	json_decref(parsed);
}

static const json_t *at_path(const json_t *root, const char *first, const char *second)
{
	const json_t *member = json_object_get(root, first);

	return second ? json_object_get(member, second) : member;
}

static void same_found(const struct wb_json_value *a, const struct wb_json_value *b)
{
	must(a->type == b->type && a->raw.data == b->raw.data && a->raw.len == b->raw.len,
		"an instruction set finds something else");
}

static void check_instruction_sets(struct wb_slice text, const struct wb_json_paths *paths)
{
	struct judgement tokens = judge(WB_JSON_ISA_NONE, text, paths);

	for (enum wb_json_isa isa = WB_JSON_ISA_NONE + 1; isa < WB_JSON_ISAS; isa++) {
		struct judgement f;

		if (!wb_json_isa_runs(isa))
			continue;
		f = judge(isa, text, paths);
		must(f.status == tokens.status && f.after == tokens.after, "an instruction set judges differently");
		if (!f.after)
			must(f.x.error_at == tokens.x.error_at && f.x.error_text == tokens.x.error_text,
				"an instruction set sees another error");
		if (f.status != WB_JSON_OK)
			continue;
		must(wb_slice_eq(f.document.raw, tokens.document.raw), "an instruction set finds another end");
		same_found(&f.document.id, &tokens.document.id);
		for (size_t i = 0; i < WB_ARRAY_LEN(paths_text); i++)
			same_found(&f.document.keys[i], &tokens.document.keys[i]);
	}
}

static void check_document(struct wb_slice text, const json_t *root)
{
	struct wb_json_paths paths = { .count = 0 };
	struct wb_json_document document, pulled;
	struct wb_json_error error;
	struct wb_json_reader r;
	enum wb_json_status status;

	for (size_t i = 0; i < WB_ARRAY_LEN(paths_text); i++)
		must(wb_json_paths_add(&paths, wb_slice_cstr(paths_text[i]), NULL) == WB_OK, "a path was refused");
	status = wb_json_scan_document(text, &paths, &document, &error);
	wb_json_reader_init(&r, text);
	must(wb_json_reader_document(&r, &paths, &pulled) == status || status == WB_JSON_INVALID,
		"reader and scanner judge a document differently");
	if (status == WB_JSON_DUPLICATE) {
		must(error.offset < text.len && text.data[error.offset] == '"', "the second member is somewhere else");
	} else if (root) {
		must(status == (json_is_object(root) ? WB_JSON_OK : WB_JSON_NOT_OBJECT), "jansson sees another type");
	}
	if (status == WB_JSON_OK) {
		must(wb_slice_eq(document.raw, pulled.raw), "reader and scanner find different documents");
		must(document.id.raw.data == pulled.id.raw.data, "reader and scanner find different ids");
		for (size_t i = 0; i < WB_ARRAY_LEN(paths_text); i++)
			must(document.keys[i].raw.data == pulled.keys[i].raw.data, "different keys");
	}
	if (status == WB_JSON_OK && root) {
		same_value(&document.id, at_path(root, "id", NULL));
		same_value(&document.keys[0], at_path(root, "pk", NULL));
		same_value(&document.keys[1], at_path(root, "a", "b"));
		same_value(&document.keys[2], at_path(root, "a", NULL));
	}
	if (text.len > 0)
		check_instruction_sets(text, &paths);
	wb_json_paths_release(&paths);
}

static bool pull_all(struct wb_slice text, struct features *f)
{
	struct wb_json_reader r;

	wb_json_reader_init(&r, text);
	look_at_value(&r, f);
	return wb_json_reader_end(&r) == WB_JSON_OK;
}

/* Whether the text would be accepted without the zero bytes that jansson does not see. */
static bool lost_zero_bytes(struct wb_slice text)
{
	char *kept = malloc(text.len + 1);
	struct wb_json_value value;
	struct wb_json_error error;
	size_t len = 0;
	bool accepted;

	must(kept != NULL, "out of memory");
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] || i == 0 || !isalnum((unsigned char)text.data[i - 1]))
			kept[len++] = text.data[i];
	accepted = len < text.len && wb_json_scan_value(wb_slice(kept, len), &value, &error) == WB_JSON_OK;
	free(kept);
	return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_slice text = wb_slice((const char *)data, size);
	struct features features = { false, false, false };
	struct wb_json_value value;
	struct wb_json_error error;
	bool accepted = wb_json_scan_value(text, &value, &error) == WB_JSON_OK;
	json_t *root = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	must(accepted || error.offset <= size, "an error behind the text");
	must(pull_all(text, &features) == accepted, "reader and scanner judge a text differently");
	if (accepted) {
		bool refusable = features.overflow || features.lone_surrogate || features.nul_in_name;

		must(root || refusable, "the scanner accepts what jansson refuses");
		must(nesting(text) <= WB_JSON_DEPTH_MAX, "the scanner accepts too deep a text");
	} else {
		must(!root || nesting(text) > WB_JSON_DEPTH_MAX || lost_zero_bytes(text),
			"the scanner refuses what jansson accepts");
	}
	check_document(text, accepted ? root : NULL);
	json_decref(root);
	return 0;
}
