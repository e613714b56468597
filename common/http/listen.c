#include "common/http/listen.h"

#include "common/base/strict.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Splits "host:port" or "[v6]:port"; host is terminated in place. */
static bool split(char *text, char **ret_host, char **ret_port)
{
	char *colon = strrchr(text, ':');
	int64_t number;

	if (!colon || colon == text)
		return false;
	*colon = '\0';
	*ret_port = colon + 1;
	*ret_host = text;
	if (text[0] == '[') {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		*ret_host = text + 1;
	} else if (strchr(text, ':')) {
		return false;
	}
	return wb_strict_int64(wb_slice_cstr(*ret_port), 0, 65535, &number, NULL) == WB_OK;
}

static void describe(int fd, char ret[WB_LISTEN_ADDRESS_SIZE])
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	char host[64] = "", port[8] = "";

	/* Neither call fails for a socket that was just bound; the text would be ":" then. */
	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(ret, WB_LISTEN_ADDRESS_SIZE, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port); /* fits */
}

/* A listening socket at that address, or -1 with errno. */
static int try_address(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, saved;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	saved = errno;
	(void)close(fd); /* nothing was written to it */
	errno = saved;
	return -1;
}

int wb_listen(const char *text, char ret_address[WB_LISTEN_ADDRESS_SIZE], struct wb_error *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	char copy[256], *host, *port;
	int fd = -1, problem;

	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy || !split(copy, &host, &port)) {
		(void)wb_error_set(
			e, WB_EINVAL, "%.200s: not an address to listen on; it must be HOST:PORT or [IPv6]:PORT", text);
		return -1;
	}
	problem = getaddrinfo(host, port, &hints, &found);
	if (problem) {
		(void)wb_error_set(e, WB_EINVAL, "cannot listen on %s: %s", text, gai_strerror(problem));
		return -1;
	}
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = try_address(a);
	if (fd < 0)
		(void)wb_error_set(e, WB_EIO, "cannot listen on %s: %s", text, strerror(errno));
	else
		describe(fd, ret_address);
	freeaddrinfo(found);
	return fd;
}
