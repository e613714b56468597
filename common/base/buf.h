/* A growing byte buffer with a maximum that its maker sets.
 *
 * Errors stick: an append that does not fit, or finds no memory, marks the buffer failed and changes nothing; later
 * appends are ignored. So a whole message is written first and wb_buf_status asked once. data is always terminated
 * by a zero byte that len does not count (data is NULL before the first append).
 * Not thread-safe: one owner.
 */
#ifndef WB_COMMON_BASE_BUF_H
#define WB_COMMON_BASE_BUF_H

#include "common/base/compiler.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

enum { WB_U64_DIGITS = 20 };

struct wb_buf {
	char *data;
	size_t len;
	size_t cap;       /* allocated bytes, terminator included */
	size_t max;       /* len never exceeds it */
	enum wb_err err;  /* WB_OK, WB_ETOOBIG or WB_ENOMEM */
};

/* No memory is taken before the first append. max_bytes > 0. */
void wb_buf_init(struct wb_buf *b, size_t max_bytes);
/* Frees the contents; the buffer can be used again as after init with the same maximum. Zeroed memory is fine. */
void wb_buf_release(struct wb_buf *b);
/* Forgets the contents and the error, keeps the memory. */
void wb_buf_clear(struct wb_buf *b);
/* Cuts back to len bytes; len <= b->len. */
void wb_buf_truncate(struct wb_buf *b, size_t len);

void wb_buf_append(struct wb_buf *b, const void *data, size_t len);
void wb_buf_append_cstr(struct wb_buf *b, const char *s);
void wb_buf_append_slice(struct wb_buf *b, struct wb_slice s);
/* The decimal digits of value, not terminated: how many. */
size_t wb_u64_digits(uint64_t value, char ret[WB_U64_DIGITS]);
void wb_buf_append_u64(struct wb_buf *b, uint64_t value);
void wb_buf_append_i64(struct wb_buf *b, int64_t value);
void wb_buf_appendf(struct wb_buf *b, const char *format, ...) WB_PRINTF(2, 3);
/* Appends s as a JSON string with its quotes: control bytes, quote and backslash are escaped, bytes that are not
 * UTF-8 become U+FFFD, everything else stays as it is. */
void wb_buf_append_json_string(struct wb_buf *b, struct wb_slice s);
/* wb_buf_reserve where there is no room yet. */
char *wb_buf_grow(struct wb_buf *b, size_t extra) WB_MUST_USE;
/* Makes room for at least extra more bytes and returns where they go; the writer then adds to len itself. The byte
 * after extra bytes is zero already; a writer that adds fewer ends with wb_buf_truncate(b, b->len).
 * NULL (and a failed buffer) when that would exceed the maximum. */
WB_MUST_USE static inline char *wb_buf_reserve(struct wb_buf *b, size_t extra)
{
	char *to;

	/* What is allocated is never more than the maximum and its terminator. */
	if (WB_UNLIKELY(b->err || extra >= b->cap - b->len))
		return wb_buf_grow(b, extra);
	to = b->data + b->len;
	to[0] = '\0';
	to[extra] = '\0';
	return to;
}
static inline void wb_buf_append_char(struct wb_buf *b, char c)
{
	char *to = wb_buf_reserve(b, 1);

	if (!to)
		return;
	*to = c;
	b->len++;
}

enum wb_err wb_buf_status(const struct wb_buf *b) WB_MUST_USE;
static inline struct wb_slice wb_buf_slice(const struct wb_buf *b)
{
	return (struct wb_slice){ b->data ? b->data : "", b->len };
}
/* Hands the memory over: the caller frees it with free(); the buffer is empty after. Never NULL. */
char *wb_buf_take(struct wb_buf *b, size_t *ret_len) WB_MUST_USE;

#endif
