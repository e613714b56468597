/* A small HTTP client for tests: raw bytes over loopback, so that it can be as rude as clients are.
 *
 * Shares no code with the server. Every failure of a call fails the test. Not thread-safe but by connection.
 */
#ifndef WB_TESTS_UNIT_COMMON_HTTP_CLIENT_H
#define WB_TESTS_UNIT_COMMON_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct answer {
	int status;       /* 0: the connection ended without an answer */
	char head[4096];  /* status line and headers, lines ended with \r\n */
	char *body;       /* terminated, for free() */
	size_t body_len;
};

/* Connects to "127.0.0.1:PORT"; -1 when nobody listens. */
static inline int client_try_connect(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	to.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	(void)close(fd); /* was never connected */
	return -1;
}

static inline int client_connect(const char *address)
{
	int fd = client_try_connect(address);

	assert_true(fd >= 0);
	return fd;
}

/* False when the other side has closed. */
static inline bool client_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool client_send_text(int fd, const char *text)
{
	return client_send(fd, text, strlen(text));
}

static inline const char *client_find_header(const struct answer *a, const char *name, char ret[512])
{
	size_t len = strlen(name);

	for (const char *line = strstr(a->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
			continue;
		line += 2 + len + 1;
		line += strspn(line, " ");
		(void)snprintf(ret, 512, "%.*s", (int)strcspn(line, "\r"), line); /* cutting is fine */
		return ret;
	}
	return NULL;
}

/* Reads one answer; the head byte by byte, which is slow and simple. */
static inline struct answer client_read(int fd, bool has_body)
{
	struct answer a = { .status = 0 };
	char length[512];
	size_t len = 0;

	while (len + 1 < sizeof a.head && recv(fd, a.head + len, 1, 0) == 1) {
		a.head[++len] = '\0';
		if (len >= 4 && strcmp(a.head + len - 4, "\r\n\r\n") == 0)
			break;
	}
	if (sscanf(a.head, "HTTP/1.1 %d", &a.status) != 1)
		return a;
	if (has_body && client_find_header(&a, "Content-Length", length))
		a.body_len = (size_t)strtoul(length, NULL, 10);
	a.body = calloc(1, a.body_len + 1);
	assert_non_null(a.body);
	for (size_t got = 0; got < a.body_len;) {
		ssize_t n = recv(fd, a.body + got, a.body_len - got, 0);

		assert_true(n > 0);
		got += (size_t)n;
	}
	return a;
}

/* Sends the text and reads the answer; the connection stays open. */
static inline struct answer client_talk(int fd, const char *request)
{
	assert_true(client_send_text(fd, request));
	return client_read(fd, strncmp(request, "HEAD", 4) != 0);
}

/* The same on a connection of its own. head: "GET /path HTTP/1.1\r\nX: y\r\n" without the empty line; body may be NULL. */
static inline struct answer client_once(const char *address, const char *head, const char *body, size_t body_len)
{
	int fd = client_connect(address);
	char text[2048];
	struct answer a;

	if (body)
		(void)snprintf(text, sizeof text, "%sHost: x\r\nContent-Length: %zu\r\n\r\n", head, body_len);
	else
		(void)snprintf(text, sizeof text, "%sHost: x\r\n\r\n", head);
	assert_true(client_send_text(fd, text));
	if (body)
		(void)client_send(fd, body, body_len); /* the server may refuse it on the way */
	a = client_read(fd, strncmp(head, "HEAD", 4) != 0);
	assert_int_equal(close(fd), 0);
	return a;
}

static inline void answer_release(struct answer *a)
{
	free(a->body);
	a->body = NULL;
}

#endif
