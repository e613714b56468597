/* Replies of a bulk against jansson: what is accepted is an array of that many objects, with the same numbers in it,
 * and everything found lies inside the reply. The first byte is the number of operations expected. */
#include "consumer/bulk.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_bulk_reply: %s\n", what);
	abort();
}

static bool inside(struct wb_slice part, struct wb_slice whole)
{
	return !part.data || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static double number_or(const json_t *object, const char *name, double otherwise)
{
	const json_t *value = json_object_get(object, name);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void compare(const struct wb_operation_reply *r, const json_t *object)
{
	double charge = number_or(object, "requestCharge", 0);

	must(json_is_object(object), "an element is no object");
	must(number_or(object, "statusCode", -1) == r->status, "another statusCode");
	must(number_or(object, "subStatusCode", 0) == r->substatus, "another subStatusCode");
	must((charge > 0 ? charge : 0) == r->request_charge, "another requestCharge");
	must(json_is_string(json_object_get(object, "eTag")) == (r->etag.data != NULL), "another eTag");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_operation_reply replies[16];
	size_t expected;
	struct wb_slice body;
	struct wb_error e = { "" };
	json_t *root;

	if (size == 0)
		return 0;
	expected = data[0] % (WB_ARRAY_LEN(replies) + 1);
	body = wb_slice((const char *)data + 1, size - 1);
	if (wb_bulk_reply_parse(body, replies, expected, &e)) {
		must(e.text[0] != '\0', "refused without a sentence");
		return 0;
	}
	for (size_t i = 0; i < expected; i++) {
		must(replies[i].status >= 100 && replies[i].status <= 999, "no status");
		must(replies[i].request_charge >= 0, "a negative charge");
		must(replies[i].retry_after_ms >= -1, "a negative wait");
		must(inside(replies[i].etag, body) && inside(replies[i].message, body), "outside the reply");
	}
	/* jansson refuses some valid JSON (docs/adr/0003-scanner.md); then there is nothing to compare. */
	root = json_loadb(body.data, body.len, JSON_ALLOW_NUL, NULL);
	if (root) {
		must(json_is_array(root) && json_array_size(root) == expected, "another length");
		for (size_t i = 0; i < expected; i++)
			compare(&replies[i], json_array_get(root, i));
	}
	json_decref(root);
	return 0;
}
