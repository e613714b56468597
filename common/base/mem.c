#include "common/base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* There only in programs that are linked with tcmalloc. */
void MallocExtension_ReleaseFreeMemory(void) __attribute__((weak));

void wb_mem_give_back(void)
{
	if (MallocExtension_ReleaseFreeMemory)
		MallocExtension_ReleaseFreeMemory();
	else
		(void)malloc_trim(0);
}

void wb_mem_gone(void)
{
	static const char message[] = "writebehind: out of memory\n";

	/* stdio, atexit handlers and a core dump could all want memory or show secrets. */
	if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
		_exit(EX_OSERR);
	_exit(EX_OSERR);
}

static void *checked(void *p)
{
	if (!p)
		wb_mem_gone();
	return p;
}

void *wb_xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *wb_xcalloc(size_t count, size_t size)
{
	return count && size ? checked(calloc(count, size)) : checked(calloc(1, 1));
}

void *wb_xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size ? size : 1));
}

char *wb_xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *wb_xmemdup(const void *data, size_t len)
{
	char *copy = wb_xmalloc(len + 1);

	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}
