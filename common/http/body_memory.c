#include "common/http/body_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool is_mapped(size_t size)
{
	return size >= WB_BODY_MAPPED_BYTES;
}

static char *new_memory(size_t size)
{
	void *data;

	if (!is_mapped(size))
		return malloc(size);
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return data == MAP_FAILED ? NULL : data;
}

char *wb_body_memory_resize(char *data, size_t old, size_t size)
{
	char *other;

	if (!data)
		return new_memory(size);
	if (is_mapped(old) && is_mapped(size)) {
		void *moved = mremap(data, old, size, MREMAP_MAYMOVE);

		return moved == MAP_FAILED ? NULL : moved;
	}
	if (!is_mapped(old) && !is_mapped(size))
		return realloc(data, size);
	other = new_memory(size);
	if (!other)
		return NULL;
	memcpy(other, data, old < size ? old : size);
	wb_body_memory_free(data, old);
	return other;
}

void wb_body_memory_free(char *data, size_t size)
{
	if (data && is_mapped(size))
		(void)munmap(data, size); /* of a whole mapping: cannot fail */
	else
		free(data);
}
