/* Small allocations that cannot fail: out of memory ends the process with a message.
 *
 * Only for objects whose size no stranger controls. What grows with input is a wb_buf, whose maximum is set by its
 * maker. Ending is safe here: a consumer's unfinished records are redelivered, a request that got no answer is
 * repeated (docs/adr/0002). Thread-safe.
 */
#ifndef WB_COMMON_BASE_MEM_H
#define WB_COMMON_BASE_MEM_H

#include <stddef.h>

/* Gives the system back what was freed and is kept for the next allocations: after much was held for a while. Takes some
 * milliseconds. */
void wb_mem_give_back(void);
/* Ends the process as these functions do: for a buffer that could not grow although it is small, too. */
_Noreturn void wb_mem_gone(void);
/* Never NULL. The memory is the caller's, to be freed with free(). */
void *wb_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *wb_xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *wb_xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *wb_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* Copies len bytes and adds a terminating zero. */
char *wb_xmemdup(const void *data, size_t len) __attribute__((malloc, returns_nonnull));

#endif
