/* Ends TLS in front of a plain server on loopback, as a service's own front does, for as long as it runs.
 *
 * usage: tool_tls CERTIFICATE.pem KEY.pem TARGET_PORT
 * Prints the port that it listens on. A thread for each connection, at most CONNECTIONS_MAX of them.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define PIECE           ((size_t)64 * 1024)

struct front {
	SSL_CTX *tls;
	uint16_t target;
	_Atomic unsigned connections;
};

struct pair {
	struct front *front;
	int client; /* owned */
};

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) == 1 || errno == EINTR;
}

static bool send_plain(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_tls(SSL *ssl, int fd, const char *data, size_t len)
{
	for (;;) {
		size_t written;

		ERR_clear_error();
		if (SSL_write_ex(ssl, data, len, &written))
			return true; /* without partial writes it is all or nothing */
		switch (SSL_get_error(ssl, 0)) {
		case SSL_ERROR_WANT_WRITE:
			if (!wait_for(fd, POLLOUT))
				return false;
			break;
		case SSL_ERROR_WANT_READ:
			if (!wait_for(fd, POLLIN))
				return false;
			break;
		default:
			return false;
		}
	}
}

/* Carries bytes both ways until one side ends. Requests and replies take turns, so neither side can wait for the other
 * to read. */
static void carry(SSL *ssl, int client, int server)
{
	char *piece = malloc(PIECE);
	struct pollfd both[2] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };

	while (piece) {
		bool moved = false;
		size_t got;
		ssize_t n;

		ERR_clear_error();
		if (SSL_read_ex(ssl, piece, PIECE, &got)) {
			if (!send_plain(server, piece, got))
				break;
			moved = true;
		} else if (SSL_get_error(ssl, 0) != SSL_ERROR_WANT_READ) {
			break;
		}
		n = recv(server, piece, PIECE, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (n > 0) {
			if (!send_tls(ssl, client, piece, (size_t)n))
				break;
			moved = true;
		}
		if (!moved && poll(both, 2, -1) < 0 && errno != EINTR)
			break;
	}
	free(piece);
}

/* Shakes hands on a socket that does not block. */
static bool shake_hands(SSL *ssl, int fd)
{
	int rc;

	while ((rc = SSL_accept(ssl)) != 1) {
		int why = SSL_get_error(ssl, rc);

		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return false;
		if (!wait_for(fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
			return false;
	}
	return true;
}

static void *serve(void *arg)
{
	struct pair *p = arg;
	struct sockaddr_in address = loopback(p->front->target);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(p->front->tls);
	const int on = 1;

	(void)setsockopt(p->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* only costs time when refused */
	(void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (ssl && server >= 0 && SSL_set_fd(ssl, p->client) &&
		connect(server, (const struct sockaddr *)&address, sizeof address) == 0 && shake_hands(ssl, p->client))
		carry(ssl, p->client, server);
	SSL_free(ssl);
	if (server >= 0)
		(void)close(server);
	(void)close(p->client);
	atomic_fetch_sub(&p->front->connections, 1);
	free(p);
	return NULL;
}

static void take(struct front *f, int client)
{
	struct pair *p = malloc(sizeof *p);
	pthread_t thread;

	if (!p || atomic_fetch_add(&f->connections, 1) >= CONNECTIONS_MAX) {
		fprintf(stderr, "tool_tls: too many connections\n");
		exit(1);
	}
	*p = (struct pair){ .front = f, .client = client };
	if (pthread_create(&thread, NULL, serve, p) || pthread_detach(thread)) {
		fprintf(stderr, "tool_tls: no thread for a connection\n");
		exit(1);
	}
}

static int listen_anywhere(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) || listen(fd, 1024) ||
		getsockname(fd, (struct sockaddr *)&address, &len)) {
		perror("tool_tls");
		exit(1);
	}
	printf("%u\n", ntohs(address.sin_port));
	return fd;
}

int main(int argc, char **argv)
{
	struct front f = { .tls = SSL_CTX_new(TLS_server_method()) };
	long target = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
	int listener;

	if (target < 1 || target > UINT16_MAX) {
		fprintf(stderr, "usage: tool_tls CERTIFICATE.pem KEY.pem TARGET_PORT\n");
		return 2;
	}
	f.target = (uint16_t)target;
	if (!f.tls || SSL_CTX_use_certificate_chain_file(f.tls, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(f.tls, argv[2], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "tool_tls: the certificate or its key cannot be read\n");
		return 1;
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return 1;
	listener = listen_anywhere();
	if (fflush(stdout))
		return 1;
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0)
			take(&f, client);
		else if (errno != EINTR && errno != ECONNABORTED)
			return 1;
	}
}
