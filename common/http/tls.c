#include "common/http/tls.h"

#include "common/base/mem.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct wb_tls_pair {
	gnutls_certificate_credentials_t credentials;
	_Atomic unsigned holders;
};

static bool readable(const char *file, const char *what, struct wb_error *e)
{
	if (access(file, R_OK) == 0)
		return true;
	(void)wb_error_set(e, WB_EIO, "cannot read the %s %.200s: %s", what, file, strerror(errno));
	return false;
}

struct wb_tls_pair *wb_tls_pair_load(const struct wb_http_tls *files, struct wb_error *e)
{
	struct wb_tls_pair *p;
	int result;

	if (!files->key_file) {
		(void)wb_error_set(e, WB_EINVAL, "the certificate %.200s has no key", files->certificate_file);
		return NULL;
	}
	if (!readable(files->certificate_file, "certificate", e) || !readable(files->key_file, "certificate's key", e))
		return NULL;
	p = wb_xcalloc(1, sizeof *p);
	atomic_init(&p->holders, 1);
	if (gnutls_certificate_allocate_credentials(&p->credentials) != GNUTLS_E_SUCCESS)
		wb_mem_gone();
	result = gnutls_certificate_set_x509_key_file2(
		p->credentials, files->certificate_file, files->key_file, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (result >= 0)
		return p;
	(void)wb_error_set(e, WB_EINVAL, "the certificate %.200s and its key %.200s cannot be used: %s",
		files->certificate_file, files->key_file, gnutls_strerror(result));
	wb_tls_pair_release(&p);
	return NULL;
}

struct wb_tls_pair *wb_tls_pair_hold(struct wb_tls_pair *p)
{
	atomic_fetch_add(&p->holders, 1);
	return p;
}

void wb_tls_pair_release(struct wb_tls_pair **p)
{
	struct wb_tls_pair *old = *p;

	*p = NULL;
	if (!old || atomic_fetch_sub(&old->holders, 1) > 1)
		return;
	gnutls_certificate_free_credentials(old->credentials);
	free(old);
}

void wb_tls_use(void *session, struct wb_tls_pair *p)
{
	/* It replaces those of libmicrohttpd; without memory for that the handshake fails. */
	(void)gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, p->credentials);
}

bool wb_tls_send(void *session, struct wb_slice data)
{
	while (data.len > 0) {
		ssize_t n = gnutls_record_send(session, data.data, data.len);

		if (n == GNUTLS_E_INTERRUPTED)
			continue;
		if (n <= 0)
			return false;
		data = wb_slice(data.data + n, data.len - (size_t)n);
	}
	return true;
}

void wb_tls_finish(void *session)
{
	(void)gnutls_bye(session, GNUTLS_SHUT_WR); /* the other side may be gone */
}

static int refuse_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
	unsigned int *ret_length, gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	(void)ret_chain;
	(void)ret_length;
	(void)ret_key;
	return -1;
}

void *wb_tls_no_certificate(void)
{
	return (void *)(uintptr_t)refuse_certificate;
}
