/* `writebehind-producer --new-token NAME`: a new token, and its entry for the tokens file.
 *
 * Standard output gets two lines, for scripts to read: the token, and the entry, which holds only its digest. What they
 * are is told on standard error, in between, so that a terminal shows all of it in order. The token is nowhere else
 * and cannot be shown again. Not thread-safe: a program's only thread.
 */
#ifndef WB_PRODUCER_NEW_TOKEN_H
#define WB_PRODUCER_NEW_TOKEN_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdio.h>

/* As the flags give it; NULL: the default. Lists have commas between their elements. */
struct wb_new_token {
	const char *name;
	const char *scopes;                 /* "publish,read" */
	const char *databases, *containers; /* "*" */
	const char *expires;                /* never */
};

/* Appends the entry of a token. WB_EINVAL with a sentence for what a tokens file would not take. */
enum wb_err wb_new_token_entry(
	const struct wb_new_token *wanted, const char *token, struct wb_buf *ret, struct wb_error *e) WB_MUST_USE;
/* Makes a token and says all of it. WB_EINVAL, with nothing said, or WB_EIO. */
enum wb_err wb_new_token_print(
	const struct wb_new_token *wanted, FILE *out, FILE *notes, struct wb_error *e) WB_MUST_USE;

#endif
