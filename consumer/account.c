#include "consumer/account.h"

#include "common/base/mem.h"

#include <stdlib.h>

void wb_account_init(struct wb_account *a, const char *configured)
{
	*a = (struct wb_account){ .endpoints = { wb_xstrdup(configured) } };
	atomic_init(&a->count, 1);
	atomic_init(&a->current, 0);
}

void wb_account_release(struct wb_account *a)
{
	for (unsigned i = 0; i < WB_ACCOUNT_ENDPOINTS_MAX; i++) {
		free(a->endpoints[i]);
		a->endpoints[i] = NULL;
	}
}

const char *wb_account_endpoint(const struct wb_account *a)
{
	return a->endpoints[atomic_load(&a->current)];
}

static size_t scheme_len(const char *endpoint)
{
	const char *end = strstr(endpoint, "://");

	return end ? (size_t)(end - endpoint) + 3 : 0;
}

/* What another server says becomes part of URLs: a host and perhaps a port, nothing else. */
static bool is_endpoint(const struct wb_account *a, struct wb_slice endpoint)
{
	size_t scheme = scheme_len(a->endpoints[0]);

	if (endpoint.len <= scheme || memcmp(endpoint.data, a->endpoints[0], scheme) != 0)
		return false;
	for (size_t i = scheme; i < endpoint.len; i++) {
		if (endpoint.data[i] <= ' ' || endpoint.data[i] > '~' || strchr("/\\?#@", endpoint.data[i]))
			return false;
	}
	return true;
}

bool wb_account_move(struct wb_account *a, struct wb_slice endpoint)
{
	unsigned count = atomic_load(&a->count), at = 0;

	while (endpoint.len && endpoint.data[endpoint.len - 1] == '/')
		endpoint.len--;
	if (!is_endpoint(a, endpoint))
		return false;
	while (at < count && !wb_slice_eq_cstr(endpoint, a->endpoints[at]))
		at++;
	if (at == atomic_load(&a->current))
		return false;
	if (at == count) {
		if (count == WB_ACCOUNT_ENDPOINTS_MAX)
			return false;
		a->endpoints[at] = wb_xmemdup(endpoint.data, endpoint.len);
		atomic_store(&a->count, count + 1);
	}
	atomic_store(&a->current, at);
	return true;
}
