/* How fast the scanner finds id and partition key beside a parser that builds a tree (jansson).
 *
 * Inputs: every entry of the ISO registries (Debian package iso-codes) as a document of its own, documents full of
 * numbers, the documents of 1 KB that pipeline.py sends, one request body that holds all the registries' documents,
 * split by the pull reader, and replies to bulks of 100 operations, as the consumer reads them.
 * Each figure is the median of RUNS runs over the whole input, by the time on a processor: others may be at work, too.
 */
#include "common/base/buf.h"
#include "common/base/json_scan.h"
#include "consumer/bulk.h"

#include <jansson.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 5, RUN_MS = 200, DOCUMENTS_MAX = 100000, INPUT_BYTES_MAX = 64 << 20, BULK_OPERATIONS = 100 };

struct input {
	const char *name;
	struct wb_buf bytes;
	size_t offsets[DOCUMENTS_MAX + 1];
	size_t count;
};

typedef void (*scan_fn)(struct wb_slice document, const struct wb_json_paths *paths);

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_scanner: %s\n", what);
	exit(1);
}

static void input_init(struct input *in, const char *name)
{
	in->name = name;
	in->count = 0;
	in->offsets[0] = 0;
	wb_buf_init(&in->bytes, INPUT_BYTES_MAX);
}

static void input_close_document(struct input *in)
{
	must(wb_buf_status(&in->bytes) == WB_OK && in->count < DOCUMENTS_MAX, "input too large");
	in->offsets[++in->count] = in->bytes.len;
}

static struct wb_slice input_document(const struct input *in, size_t i)
{
	return wb_slice(in->bytes.data + in->offsets[i], in->offsets[i + 1] - in->offsets[i]);
}

static void add_registry(struct input *in, const char *registry, const json_t *entries)
{
	size_t i;
	json_t *entry;

	json_array_foreach(entries, i, entry) {
		json_t *document = json_pack(
			"{s:o,s:s}", "id", json_sprintf("%s-%zu", registry, i), "registry", registry);
		char *text;

		must(document && json_object_update(document, entry) == 0, "out of memory");
		text = json_dumps(document, JSON_COMPACT);
		must(text != NULL, "out of memory");
		wb_buf_append_cstr(&in->bytes, text);
		input_close_document(in);
		free(text);
		json_decref(document);
	}
}

static void load_registries(struct input *in)
{
	glob_t files;

	input_init(in, "iso-codes");
	must(glob("/usr/share/iso-codes/json/iso_*.json", 0, NULL, &files) == 0, "the package iso-codes is missing");
	for (size_t i = 0; i < files.gl_pathc; i++) {
		json_t *root = json_load_file(files.gl_pathv[i], 0, NULL), *entries;
		const char *registry;

		must(root != NULL, files.gl_pathv[i]);
		json_object_foreach(root, registry, entries) {
			add_registry(in, registry, entries);
		}
		json_decref(root);
	}
	globfree(&files);
}

/* Measurements as sensors send them: decimals of different lengths and signs, integers between them. */
static void make_numbers(struct input *in)
{
	uint64_t seed = 1;

	input_init(in, "numbers");
	for (unsigned document = 0; document < 2000; document++) {
		wb_buf_appendf(&in->bytes, "{\"id\":\"m-%u\",\"registry\":\"sensors\",\"values\":[", document);
		for (unsigned i = 0; i < 100; i++) {
			unsigned random;

			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			random = (unsigned)(seed >> 40);
			wb_buf_append_cstr(&in->bytes, i ? "," : "");
			if (random % 4 == 0)
				wb_buf_append_u64(&in->bytes, random / 4 % 100000);
			else
				wb_buf_appendf(
					&in->bytes, "%.*f", (int)(random % 8 + 1), ((double)random - (1 << 23)) / 1000);
		}
		wb_buf_append_cstr(&in->bytes, "]}");
		input_close_document(in);
	}
}

/* The documents of pipeline.py: entries of one registry in a list, as many as fill 1 KB. */
static void make_pipeline(struct input *in)
{
	json_t *root = json_load_file("/usr/share/iso-codes/json/iso_3166-2.json", 0, NULL);
	const json_t *entries = json_object_get(root, "3166-2");
	size_t count = json_array_size(entries);

	input_init(in, "pipeline");
	must(count > 0, "the package iso-codes is missing");
	for (size_t document = 0; document < 2000; document++) {
		wb_buf_appendf(&in->bytes,
			"{\"id\":\"doc-%08zu\",\"registry\":\"tenant-%zu\",\"seq\":%zu,\"entries\":[", document,
			document * 7919 % 5000, document);
		for (size_t at = document; in->bytes.len - in->offsets[document] < 1000; at++) {
			char *text = json_dumps(json_array_get(entries, at % count), JSON_COMPACT | JSON_ENSURE_ASCII);

			must(text != NULL, "out of memory");
			wb_buf_append_cstr(&in->bytes, at > document ? "," : "");
			wb_buf_append_cstr(&in->bytes, text);
			free(text);
		}
		wb_buf_append_cstr(&in->bytes, "]}");
		input_close_document(in);
	}
	json_decref(root);
}

/* As the service answers plain upserts. */
static void make_replies(struct input *in)
{
	input_init(in, "bulk-replies");
	for (unsigned reply = 0; reply < 100; reply++) {
		for (unsigned i = 0; i < BULK_OPERATIONS; i++) {
			unsigned number = reply * BULK_OPERATIONS + i;

			wb_buf_append_cstr(&in->bytes, i ? "," : "[");
			wb_buf_appendf(&in->bytes,
				"{\"statusCode\":%d,\"subStatusCode\":0,\"requestCharge\":%u.%02u,"
				"\"eTag\":\"\\\"%08x-0000-0d00-0000-%012x0000\\\"\"}",
				number % 3 ? 200 : 201, 5 + number % 7, number % 100, number * 2654435761U, number);
		}
		wb_buf_append_cstr(&in->bytes, "]");
		input_close_document(in);
	}
}

static void make_body(struct input *in, const struct input *documents)
{
	input_init(in, "request-body");
	wb_buf_append_cstr(&in->bytes, "{\"documents\":[");
	for (size_t i = 0; i < documents->count; i++) {
		wb_buf_append_cstr(&in->bytes, i ? "," : "");
		wb_buf_append_slice(&in->bytes, input_document(documents, i));
	}
	wb_buf_append_cstr(&in->bytes, "]}");
	input_close_document(in);
}

static void scan_document(struct wb_slice text, const struct wb_json_paths *paths)
{
	struct wb_json_document document;
	struct wb_json_error error;

	must(wb_json_scan_document(text, paths, &document, &error) == WB_JSON_OK &&
			document.keys[0].type == WB_JSON_STRING,
		"a document was refused");
}

static void tree_document(struct wb_slice text, const struct wb_json_paths *paths)
{
	json_t *root = json_loadb(text.data, text.len, 0, NULL);

	(void)paths;
	must(json_object_get(root, "id") && json_object_get(root, "registry"), "a document was refused");
	json_decref(root);
}

static void scan_body(struct wb_slice text, const struct wb_json_paths *paths)
{
	struct wb_json_reader r;
	struct wb_json_document document;
	struct wb_slice name;

	wb_json_reader_init(&r, text);
	must(wb_json_reader_enter(&r) == '{', "the body was refused");
	while (wb_json_reader_next(&r, &name) == 1) {
		must(wb_json_reader_enter(&r) == '[', "the body was refused");
		while (wb_json_reader_next(&r, NULL) == 1)
			must(wb_json_reader_document(&r, paths, &document) == WB_JSON_OK, "a document was refused");
	}
	must(wb_json_reader_end(&r) == WB_JSON_OK, "the body was refused");
}

static void tree_body(struct wb_slice text, const struct wb_json_paths *paths)
{
	json_t *root = json_loadb(text.data, text.len, 0, NULL), *document;
	size_t i;

	(void)paths;
	json_array_foreach(json_object_get(root, "documents"), i, document) {
		must(json_object_get(document, "id") && json_object_get(document, "registry"),
			"a document was refused");
	}
	json_decref(root);
}

static void scan_reply(struct wb_slice text, const struct wb_json_paths *paths)
{
	struct wb_operation_reply replies[BULK_OPERATIONS];

	(void)paths;
	must(wb_bulk_reply_parse(text, replies, BULK_OPERATIONS, NULL) == WB_OK && replies[0].etag.data != NULL,
		"a reply was refused");
}

static void tree_reply(struct wb_slice text, const struct wb_json_paths *paths)
{
	json_t *root = json_loadb(text.data, text.len, 0, NULL), *reply;
	size_t i;

	(void)paths;
	must(json_array_size(root) == BULK_OPERATIONS, "a reply was refused");
	json_array_foreach(root, i, reply) {
		must(json_is_integer(json_object_get(reply, "statusCode")) && json_object_get(reply, "eTag"),
			"a reply was refused");
	}
	json_decref(root);
}

static double now_s(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0, "no clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double run_gb_per_s(const struct input *in, scan_fn scan, const struct wb_json_paths *paths)
{
	double begin = now_s(), elapsed, bytes = 0;

	do {
		for (size_t i = 0; i < in->count; i++)
			scan(input_document(in, i), paths);
		bytes += (double)in->bytes.len;
		elapsed = now_s() - begin;
	} while (elapsed < RUN_MS / 1e3);
	return bytes / elapsed / 1e9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_gb_per_s(const struct input *in, scan_fn scan, const struct wb_json_paths *paths)
{
	double runs[RUNS];

	for (unsigned i = 0; i < RUNS; i++)
		runs[i] = run_gb_per_s(in, scan, paths);
	qsort(runs, RUNS, sizeof runs[0], by_value);
	return runs[RUNS / 2];
}

static void measure(const struct input *in, scan_fn scan, scan_fn tree, const struct wb_json_paths *paths)
{
	double ours = median_gb_per_s(in, scan, paths);
	double theirs = median_gb_per_s(in, tree, paths);

	printf("{\"bench\":\"scanner\",\"input\":\"%s\",\"documents\":%zu,\"bytes\":%zu,\"gb_per_s\":%.3f,"
	       "\"baseline\":\"jansson\",\"baseline_gb_per_s\":%.3f,\"ratio\":%.1f}\n",
		in->name, in->count, in->bytes.len, ours, theirs, ours / theirs);
	(void)fflush(stdout); /* a lost line shows where the lines are read */
}

int main(void)
{
	static struct input registries, numbers, pipeline, body, replies;
	struct wb_json_paths paths = { .count = 0 };
	struct wb_slice path = WB_SLICE_LIT("/registry");

	must(wb_json_paths_add(&paths, path, NULL) == WB_OK, "bad path");
	load_registries(&registries);
	make_numbers(&numbers);
	make_pipeline(&pipeline);
	make_body(&body, &registries);
	make_replies(&replies);
	measure(&registries, scan_document, tree_document, &paths);
	measure(&numbers, scan_document, tree_document, &paths);
	measure(&pipeline, scan_document, tree_document, &paths);
	measure(&body, scan_body, tree_body, &paths);
	measure(&replies, scan_reply, tree_reply, &paths);
	wb_buf_release(&registries.bytes);
	wb_buf_release(&numbers.bytes);
	wb_buf_release(&pipeline.bytes);
	wb_buf_release(&body.bytes);
	wb_buf_release(&replies.bytes);
	wb_json_paths_release(&paths);
	return 0;
}
