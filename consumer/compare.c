#include "consumer/compare.h"

#include "common/base/compiler.h"

#include <jansson.h>
#include <stdio.h>

/* Integers beyond 53 bits are compared as the doubles that the service keeps. */
#define FLAGS (JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)

static const char *const system_members[] = { "_rid", "_self", "_etag", "_attachments", "_ts" };

static json_t *read_object(struct wb_slice text)
{
	json_t *object = text.data ? json_loadb(text.data, text.len, FLAGS, NULL) : NULL;

	if (object && !json_is_object(object)) {
		json_decref(object);
		return NULL;
	}
	for (size_t i = 0; object && i < WB_ARRAY_LEN(system_members); i++)
		(void)json_object_del(object, system_members[i]); /* fails only where there is none */
	return object;
}

bool wb_compare_documents(struct wb_slice sent, struct wb_slice stored)
{
	json_t *a = read_object(sent), *b = read_object(stored);
	bool equal = a && b && json_equal(a, b);

	json_decref(a);
	json_decref(b);
	return equal;
}

bool wb_compare_is_item(struct wb_slice text, char *ret_etag, size_t size)
{
	json_t *object = text.data ? json_loadb(text.data, text.len, FLAGS, NULL) : NULL;
	const char *etag = json_string_value(json_object_get(object, "_etag"));

	if (etag)
		(void)snprintf(ret_etag, size, "%s", etag); /* cutting is meant */
	json_decref(object);
	return etag != NULL;
}
