/* A view of bytes that someone else owns: pointer and length, not terminated, may hold any byte.
 *
 * A slice never owns; it is valid as long as the memory it looks into. {NULL, 0} is the absent slice; an empty
 * slice with data != NULL is present and empty. Pure; thread-safe as far as the bytes behind it are.
 */
#ifndef WB_COMMON_BASE_SLICE_H
#define WB_COMMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct wb_slice {
	const char *data;
	size_t len;
};

/* A string literal as slice, also in static initialisers. */
#define WB_SLICE_LIT(s) { (s), sizeof(s) - 1 }
/* For printf's "%.*s". */
#define WB_SLICE_ARGS(s) (int)(s).len, (s).data

static inline struct wb_slice wb_slice(const char *data, size_t len)
{
	return (struct wb_slice){ data, len };
}

/* cstr may be NULL: the absent slice. */
static inline struct wb_slice wb_slice_cstr(const char *cstr)
{
	return (struct wb_slice){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline bool wb_slice_eq(struct wb_slice a, struct wb_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool wb_slice_eq_cstr(struct wb_slice a, const char *b)
{
	return wb_slice_eq(a, wb_slice_cstr(b));
}

#endif
