#include "common/contract/header.h"

const struct wb_header *wb_header_find(const struct wb_header *headers, size_t count, const char *name)
{
	struct wb_slice wanted = wb_slice_cstr(name);

	for (size_t i = count; i > 0; i--) {
		if (wb_slice_eq(headers[i - 1].name, wanted))
			return &headers[i - 1];
	}
	return NULL;
}
