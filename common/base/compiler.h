/* Compiler attributes under names of our own, so that gcc and clang read the same sources.
 *
 * Depends on nothing. Pure; thread-safety does not apply.
 */
#ifndef WB_COMMON_BASE_COMPILER_H
#define WB_COMMON_BASE_COMPILER_H

#include <stddef.h>

/* The caller has to look at the return value. */
#define WB_MUST_USE __attribute__((warn_unused_result))
/* printf-like: the format is argument number f, its values start at argument number a. */
#define WB_PRINTF(f, a) __attribute__((format(printf, f, a)))
/* Runs fn(&variable) when the variable leaves its scope; every *_free of this project can be used so. */
#define WB_CLEANUP(fn)  __attribute__((cleanup(fn)))
#define WB_NORETURN     __attribute__((noreturn))
#define WB_LIKELY(x)    __builtin_expect(!!(x), 1)
#define WB_UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define WB_ARRAY_LEN(a) (sizeof(a) / sizeof *(a))
/* Of every x86-64 and of most ARM processors: for what is only faster by it. */
#define WB_CACHE_LINE_BYTES 64

/* Fetches bytes that will be read, or written, soon: another thread had them last. Nothing has to be
 * there, but NULL must not be given. */
static inline void wb_prefetch(const void *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += WB_CACHE_LINE_BYTES)
		__builtin_prefetch((const char *)bytes + at);
}

static inline void wb_prefetch_to_write(const void *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += WB_CACHE_LINE_BYTES)
		__builtin_prefetch((const char *)bytes + at, 1);
}

#endif
