/* Hands a message to a mail server (SMTP by libcurl) and says what became of it.
 *
 * TLS is verified, by STARTTLS or from the first byte; without TLS only where the settings say so, and a password never goes
 * over a connection without it. A call ends within its time whatever the server does. Accepted means that the server took
 * responsibility for the message (RFC 5321 section 4.1.1.4): a connection that is lost before is a reason to try again, so
 * a recipient may get it twice, which the Message-ID tells. Nothing here logs, and no secret goes into an error.
 * Thread-safe: nothing is shared between calls.
 */
#ifndef WB_DEADLETTER_SMTP_H
#define WB_DEADLETTER_SMTP_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wb_smtp_settings {
	const char *url;      /* smtp://HOST[:PORT] or smtps://HOST[:PORT] */
	bool starttls;        /* smtp: TLS is demanded; else none is used */
	const char *user, *password; /* NULL: no AUTH */
	const char *ca_file;  /* PEM, instead of the system's authorities; NULL: those */
	int64_t timeout_ms;   /* for all of it */
	bool (*stopped)(void *arg); /* asked once a second or so: true ends the call; NULL: never */
	void *arg;
};

enum wb_smtp_verdict {
	WB_SMTP_ACCEPTED,
	WB_SMTP_REFUSED, /* for good (5xx): the same message will not be taken later, unless someone mends something */
	WB_SMTP_RETRY, /* not now (4xx), not reached, cut off, too slow, no TLS */
};

struct wb_smtp_outcome {
	enum wb_smtp_verdict verdict;
	int status; /* the server's last answer; 0: none */
	unsigned refused; /* recipients that were refused for good, also when others got it */
	char text[512]; /* one safe line: what happened, with the server's words */
};

/* WB_EINVAL with a sentence for what cannot work: another kind of URL, a password without TLS, a file that is not there. */
enum wb_err wb_smtp_check(const struct wb_smtp_settings *settings, struct wb_error *e) WB_MUST_USE;

/* message: complete, lines ending in CR LF; from and to: addresses without brackets. When some recipients are refused for
 * good the others get it; when some are put off it is RETRY, and all get it again. */
void wb_smtp_send(const struct wb_smtp_settings *settings, const char *from, const char *const *to, unsigned count,
	struct wb_slice message, struct wb_smtp_outcome *ret);

#endif
