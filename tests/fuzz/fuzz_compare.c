/* Two documents to compare, cut from the input at its first zero byte: nothing but an answer, the same whichever is the
 * stored one; and a document that can be read equals itself. */
#include "consumer/compare.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_compare: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, 0, size) : NULL;
	size_t len = cut ? (size_t)(cut - data) : size;
	struct wb_slice a = wb_slice((const char *)data, len);
	struct wb_slice b = cut ? wb_slice((const char *)cut + 1, size - len - 1) : a;
	bool equal = wb_compare_documents(a, b);

	must(equal == wb_compare_documents(b, a), "the order matters");
	must(!equal || (wb_compare_documents(a, a) && wb_compare_documents(b, b)),
		"equal to another, but not to itself");
	return 0;
}
