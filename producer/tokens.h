/* The tokens file: who may use the service, for what, how much, and until when.
 *
 *   {"tokens":[{"name":"billing","sha256":"<64 hexadecimal digits>","scopes":["publish","read"],
 *               "databases":["*"],"containers":["invoices",""],
 *               "rate":{"requestsPerSecond":50,"documentsPerSecond":5000,"burstSeconds":10},
 *               "expires":"2027-01-01T00:00:00Z"}]}
 *
 * rate and its members, and expires, may be absent; nothing else may, and nothing else is taken, so that a mistyped
 * member never grants more than was meant. "*" stands for every name, "" for the database or container that a request
 * does not name: the consumers' own.
 *
 * A token is "wb_" and 256 random bits in base64url, and only that form is ever accepted. The file has the SHA-256 of
 * a token: a slow hash is for secrets that can be guessed, and nobody guesses one of 2^256; a fast one costs a request
 * a microsecond. Looking one up compares with every token, without regard to which one it is.
 * No error shows what may be a token. Pure. Thread-safe: tokens are read-only once they are parsed.
 */
#ifndef WB_PRODUCER_TOKENS_H
#define WB_PRODUCER_TOKENS_H

#include "common/base/crypto.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WB_TOKENS_MAX      1000
#define WB_TOKENS_BYTES    (4 * 1024 * 1024) /* of the file */
#define WB_TOKEN_LEN       46
#define WB_TOKEN_SIZE      47 /* with the terminating zero */
#define WB_TOKEN_NAME_MAX  64
#define WB_TOKEN_RATE_MAX  INT64_C(1000000000)
#define WB_TOKEN_BURST_MAX INT64_C(3600)

enum wb_scope {
	WB_SCOPE_PUBLISH = 1, /* POST /v1/jobs */
	WB_SCOPE_READ = 2,    /* the GETs */
};

struct wb_token_names {
	char **names; /* "" stands for the consumers' own */
	size_t count;
	bool any; /* "*" is among them */
};

struct wb_token_rate {
	int64_t requests_per_s, documents_per_s; /* 0: no limit */
	int64_t burst_s; /* that many seconds' worth may come at once */
};

struct wb_token {
	char *name; /* letters, digits, and . _ - @ : at most WB_TOKEN_NAME_MAX */
	uint8_t sha256[WB_SHA256_SIZE];
	unsigned scopes; /* of enum wb_scope */
	struct wb_token_names databases, containers;
	struct wb_token_rate rate;
	int64_t expires_ms; /* wall clock; INT64_MAX: never */
};

struct wb_tokens {
	struct wb_token *items;
	size_t count;
};

/* Reads the text of a file; source is how errors call it. WB_EINVAL with a sentence that names the file, the token and
 * the member. No token at all is fine: nobody gets in then. */
enum wb_err wb_tokens_parse(
	struct wb_slice text, const char *source, struct wb_tokens *ret, struct wb_error *e) WB_MUST_USE;
/* Zeroed memory is fine. */
void wb_tokens_release(struct wb_tokens *t);

/* The token that is presented, NULL when it is none of them. Expiry is the caller's to look at. */
const struct wb_token *wb_tokens_find(const struct wb_tokens *t, struct wb_slice presented);
/* Whether a list allows a name; the absent slice stands for the consumers' own. */
bool wb_token_names_allow(const struct wb_token_names *names, struct wb_slice name);

/* Makes a new one: unpredictable, to be shown once and wiped. */
void wb_token_make(char ret[WB_TOKEN_SIZE]);
/* Whether a text has the form of a token. */
bool wb_token_form(struct wb_slice text);

#endif
