#include "common/http/loopback.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The host of "host:port" or "[v6]:port", terminated in place; NULL when it is neither. */
static char *host_of(char *listen)
{
	char *colon = strrchr(listen, ':');

	if (!colon || colon == listen)
		return NULL;
	*colon = '\0';
	if (listen[0] != '[')
		return strchr(listen, ':') ? NULL : listen;
	if (colon[-1] != ']')
		return NULL;
	colon[-1] = '\0';
	return listen + 1;
}

static bool is_loopback(const struct sockaddr *address)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof v6);
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
		(IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

enum wb_err wb_listen_is_loopback(const char *listen, bool *ret, struct wb_error *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	bool loopback = true;
	char copy[256], *host;
	int problem;

	host = snprintf(copy, sizeof copy, "%s", listen) < (int)sizeof copy ? host_of(copy) : NULL;
	if (!host)
		return wb_error_set(e, WB_EINVAL,
			"%.200s: not an address to listen on; it must be HOST:PORT or [IPv6]:PORT", listen);
	problem = getaddrinfo(host, NULL, &hints, &found);
	if (problem)
		return wb_error_set(e, WB_EINVAL, "cannot listen on %s: %s", listen, gai_strerror(problem));
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		loopback &= is_loopback(a->ai_addr);
	freeaddrinfo(found);
	*ret = loopback;
	return WB_OK;
}
