/* The certificate and key that a server shows. GnuTLS, which libmicrohttpd speaks TLS with, stays behind this header.
 *
 * A loaded pair never changes and is counted: each connection holds the one that it began with, so that a reload disturbs
 * nobody. Thread-safe, but for what concerns one session.
 */
#ifndef WB_COMMON_HTTP_TLS_H
#define WB_COMMON_HTTP_TLS_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/http/server.h"

/* TLS 1.2 and 1.3, as GnuTLS writes it. */
#define WB_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct wb_tls_pair;

/* Held once by the caller; NULL with a sentence in e. */
struct wb_tls_pair *wb_tls_pair_load(const struct wb_http_tls *files, struct wb_error *e) WB_MUST_USE;
/* Returns p. */
struct wb_tls_pair *wb_tls_pair_hold(struct wb_tls_pair *p);
/* Lets go; sets NULL. */
void wb_tls_pair_release(struct wb_tls_pair **p);
/* session is libmicrohttpd's gnutls_session_t, before its handshake. It needs p until it ends. */
void wb_tls_use(void *session, struct wb_tls_pair *p);
/* Sends as much as the socket takes at once; false where that was not all. */
bool wb_tls_send(void *session, struct wb_slice data);
/* Tells the other side that no more comes. */
void wb_tls_finish(void *session);
/* The function that libmicrohttpd wants for certificates, of GnuTLS's type; never called, as every session has a pair of
 * its own. */
void *wb_tls_no_certificate(void);

#endif
