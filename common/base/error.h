/* What went wrong: a code for the program and a sentence for the person.
 *
 * Codes tell a caller what to do; the sentence names what, where and what is allowed. Functions that can fail for a
 * reason worth telling take a `struct wb_error *`, which may be NULL. A secret never goes into a sentence.
 * Thread-safety: each object belongs to its caller.
 */
#ifndef WB_COMMON_BASE_ERROR_H
#define WB_COMMON_BASE_ERROR_H

#include "common/base/compiler.h"

/* symbol, text */
#define WB_ERR_LIST(X)                                        \
	X(WB_OK, "success")                                   \
	X(WB_EINVAL, "invalid input")                         \
	X(WB_ENOMEM, "out of memory")                         \
	X(WB_ETOOBIG, "larger than the limit")                \
	X(WB_EFULL, "queue full, try again")                  \
	X(WB_ENOTFOUND, "not found")                          \
	X(WB_ETIMEDOUT, "timed out")                          \
	X(WB_EIO, "input/output error")                       \
	X(WB_ECLOSED, "closed")                               \
	X(WB_EUNSUPPORTED, "not supported by the other side") \
	X(WB_EFATAL, "cannot go on")

enum wb_err {
#define X(symbol, text) symbol,
	WB_ERR_LIST(X)
#undef X
};

struct wb_error {
	char text[512];
};

/* The code's text: a static string, never NULL. */
const char *wb_err_text(enum wb_err err);

/* Writes the sentence, cut to fit, and returns err, so that `return wb_error_set(e, WB_EINVAL, "…")` reads well.
 * e may be NULL; one of the values may be e->text itself, to add to the sentence. */
enum wb_err wb_error_set(struct wb_error *e, enum wb_err err, const char *format, ...) WB_PRINTF(3, 4);

#endif
