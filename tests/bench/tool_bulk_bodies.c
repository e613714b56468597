/* Prebuilt, signed bulk requests for a load generator: real entries in documents of about 1 KB, each request's
 * documents all in one partition key range.
 *
 * usage: tool_bulk_bodies KEY DATABASE CONTAINER RANGES BODIES ENTRIES.json
 * Prints Lua that returns { path, date, authorization, bodies = { { range = "0", body = "…" }, … } }, which is good
 * for 15 minutes. RANGES is the number of equal ranges that the sandbox was started with. ENTRIES.json is iso-codes'
 * iso_3166-2.json.
 */
#include "common/base/clock.h"
#include "common/base/strict.h"
#include "common/cosmos/partition_key.h"
#include "common/cosmos/sign.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define OPERATIONS     100
#define DOCUMENT_BYTES 1000
#define BODY_MAX       (OPERATIONS * 4096)
#define RANGES_MAX     256

struct body {
	struct wb_buf text;
	unsigned operations;
};

static void append_document(struct wb_buf *b, json_t *entries, size_t number, const char *key)
{
	size_t start = b->len;

	wb_buf_appendf(b, "{\"id\":\"doc-%08zu\",\"pk\":\"%s\",\"seq\":%zu,\"entries\":[", number, key, number);
	for (size_t at = number; b->len - start < DOCUMENT_BYTES; at++) {
		char *entry = json_dumps(json_array_get(entries, at % json_array_size(entries)), JSON_COMPACT);

		wb_buf_appendf(b, "%s%s", at == number ? "" : ",", entry ? entry : "null");
		free(entry);
	}
	wb_buf_append_cstr(b, "]}");
}

/* Which of n equal ranges a key falls into: keys use 62 bits. */
static unsigned range_of(const char *key, unsigned n)
{
	struct wb_pk pk = { .count = 1 };
	struct wb_epk epk;
	uint64_t top = 0;
	unsigned range;

	pk.component[0] = (struct wb_pk_component){ .type = WB_PK_STRING, .string = wb_slice_cstr(key) };
	wb_pk_hash(WB_PK_HASH_V2, &pk, &epk);
	for (int i = 0; i < 8; i++)
		top = top << 8 | epk.bytes[i];
	range = (unsigned)(top / ((UINT64_C(1) << 62) / n));
	return range < n ? range : n - 1;
}

static void print_lua_string(struct wb_slice s)
{
	(void)putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '"' || s.data[i] == '\\')
			(void)putchar('\\');
		(void)putchar(s.data[i]);
	}
	(void)putchar('"');
}

static void print_body(struct body *b, unsigned range)
{
	wb_buf_append_char(&b->text, ']');
	(void)printf("{range=\"%u\",body=", range);
	print_lua_string(wb_buf_slice(&b->text));
	(void)printf("},\n");
	wb_buf_clear(&b->text);
	b->operations = 0;
}

static void print_bodies(json_t *entries, unsigned ranges, unsigned count)
{
	static struct body open[RANGES_MAX];
	unsigned printed = 0;

	for (unsigned i = 0; i < ranges; i++)
		wb_buf_init(&open[i].text, BODY_MAX);
	for (size_t number = 0; printed < count; number++) {
		char key[32];
		unsigned range;
		struct body *b;

		(void)snprintf(key, sizeof key, "tenant-%zu", number * 7919 % 5000);
		range = range_of(key, ranges);
		b = &open[range];
		wb_buf_appendf(&b->text,
			"%s{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"%s\\\"]\",\"minimalReturnPreference\":"
			"true,"
			"\"resourceBody\":",
			b->operations ? "," : "[", key);
		append_document(&b->text, entries, number, key);
		wb_buf_append_char(&b->text, '}');
		if (++b->operations < OPERATIONS)
			continue;
		if (wb_buf_status(&b->text))
			abort(); /* the entries are small */
		print_body(b, range);
		printed++;
	}
	for (unsigned i = 0; i < ranges; i++)
		wb_buf_release(&open[i].text);
}

int main(int argc, char **argv)
{
	char date[WB_CLOCK_RFC1123_SIZE], link[512];
	struct wb_cosmos_key key;
	struct wb_buf authorization;
	json_t *file, *entries;
	int64_t ranges, bodies;

	if (argc != 7) {
		(void)fprintf(stderr, "usage: tool_bulk_bodies KEY DATABASE CONTAINER RANGES BODIES ENTRIES.json\n");
		return 2;
	}
	file = json_load_file(argv[6], 0, NULL);
	entries = json_object_get(file, "3166-2");
	if (wb_strict_int64(wb_slice_cstr(argv[4]), 1, RANGES_MAX, &ranges, NULL) ||
		wb_strict_int64(wb_slice_cstr(argv[5]), 1, 100000, &bodies, NULL) || json_array_size(entries) == 0 ||
		wb_cosmos_key_parse(wb_slice_cstr(argv[1]), &key)) {
		(void)fprintf(stderr, "tool_bulk_bodies: a bad key, count or file\n");
		return 2;
	}
	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	(void)snprintf(link, sizeof link, "dbs/%s/colls/%s", argv[2], argv[3]);
	wb_buf_init(&authorization, 1024);
	wb_cosmos_sign(&key, wb_slice_cstr("POST"), wb_slice_cstr("docs"), wb_slice_cstr(link), wb_slice_cstr(date),
		&authorization);
	(void)printf("return {path=\"/%s/docs\",date=\"%s\",authorization=\"%s\",bodies={\n", link, date,
		authorization.data);
	print_bodies(entries, (unsigned)ranges, (unsigned)bodies);
	(void)printf("}}\n");
	wb_buf_release(&authorization);
	json_decref(file);
	return ferror(stdout) ? 1 : 0;
}
