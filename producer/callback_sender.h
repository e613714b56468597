/* Sends callbacks: HTTPS requests to hosts that strangers named, so nothing of what libcurl could do is left open.
 *
 * TLS is verified; nothing but https; redirects are not followed; proxies, cookies and netrc are not used; an address is
 * judged by the rules when the connection is made, after the name's resolution; an answer's body is dropped, and cut off
 * after 64 KiB. A request ends within its time whatever the other side or the name server does.
 * Not thread-safe: one owner, which calls run again and again; but for wake.
 */
#ifndef WB_PRODUCER_CALLBACK_SENDER_H
#define WB_PRODUCER_CALLBACK_SENDER_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "producer/callback_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_callback_sender; /* opaque */

struct wb_callback_sender_settings {
	const struct wb_callback_rules *rules; /* the owner's, as long as the sender lives */
	const char *ca_file;                   /* PEM, instead of the system's authorities; NULL: those */
	const char *user_agent;
	int64_t timeout_ms, connect_timeout_ms;
	unsigned max_in_flight;
};

struct wb_callback_request {
	struct wb_slice url;
	const char *id;            /* webhook-id */
	int64_t timestamp_s;       /* webhook-timestamp */
	struct wb_slice signature; /* webhook-signature */
	struct wb_slice body;
};

struct wb_callback_answer {
	int status;             /* 0: none; error says why */
	int64_t retry_after_ms; /* 0: not said */
	int64_t took_ms;
	const char *error; /* valid during the call; NULL with a status */
};
/* May send again. */
typedef void (*wb_callback_answer_fn)(void *arg, const struct wb_callback_answer *answer);

/* WB_EINVAL, through NULL and a sentence, when ca_file cannot be read; WB_EIO when libcurl cannot start. */
struct wb_callback_sender *wb_callback_sender_new(
	const struct wb_callback_sender_settings *settings, struct wb_error *e) WB_MUST_USE;
/* What is in flight is cut off: instead of its fn, drop runs with its arg. */
void wb_callback_sender_free(struct wb_callback_sender **sender, void (*drop)(void *arg));

/* Copies the request and starts it; fn runs once, from run. */
void wb_callback_sender_send(
	struct wb_callback_sender *s, const struct wb_callback_request *request, wb_callback_answer_fn fn, void *arg);
/* Moves everything on and waits up to timeout_ms for more to do. */
void wb_callback_sender_run(struct wb_callback_sender *s, int64_t timeout_ms);
/* Ends a wait in run, or the next one. Any thread. */
void wb_callback_sender_wake(struct wb_callback_sender *s);
size_t wb_callback_sender_in_flight(const struct wb_callback_sender *s);

#endif
