#include "deadletter/smtp.h"

#include "deadletter/text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define VERB_SIZE     5
#define ANSWER_CHARS  200
#define URL_CHARS_MAX 300
#define SOCKETS_MAX   8 /* of addresses that are tried at once */

struct sending {
	const struct wb_smtp_settings *settings;
	struct wb_slice left; /* of the message */
	char verb[VERB_SIZE]; /* of the last command */
	char answer[ANSWER_CHARS]; /* the server's last line */
	int status;
	curl_socket_t socket[SOCKETS_MAX]; /* -1: none */
	unsigned taken, refused, put_off; /* recipients */
	int refusal; /* the first answer that refused a recipient */
	char why[ANSWER_CHARS];
	char error[CURL_ERROR_SIZE];
};

static void die_of_curl(const char *what)
{
	/* libcurl only says no to these when memory is out or an argument is wrong. */
	(void)fprintf(stderr, "libcurl: %s failed\n", what);
	abort();
}

static bool begins(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

enum wb_err wb_smtp_check(const struct wb_smtp_settings *s, struct wb_error *e)
{
	bool tls = begins(s->url, "smtps://");
	size_t scheme = tls ? 8 : 7;

	if (!tls && !begins(s->url, "smtp://"))
		return wb_error_set(e, WB_EINVAL, "smtp.url: not smtp://HOST:PORT or smtps://HOST:PORT");
	/* A user or path in it would be used by libcurl. */
	if (!s->url[scheme] || strlen(s->url) > URL_CHARS_MAX ||
		strspn(s->url + scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") !=
			strlen(s->url + scheme))
		return wb_error_set(
			e, WB_EINVAL, "smtp.url: only a host and a port may follow %s", tls ? "smtps://" : "smtp://");
	if (!s->user != !s->password)
		return wb_error_set(
			e, WB_EINVAL, "smtp.user and smtp.password (or smtp.password.file) belong together");
	if (s->password && !tls && !s->starttls)
		return wb_error_set(
			e, WB_EINVAL, "smtp.password is not sent without TLS: smtp.starttls=required or smtps://");
	if (s->ca_file && access(s->ca_file, R_OK) != 0)
		return wb_error_set(e, WB_EINVAL, "smtp.ca.file: %s cannot be read", s->ca_file);
	return WB_OK;
}

static void copy_line(char ret[ANSWER_CHARS], struct wb_slice line)
{
	struct wb_buf safe;

	while (line.len && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	wb_buf_init(&safe, 16 * ANSWER_CHARS);
	(void)wb_text_line(&safe, line, ANSWER_CHARS / 4);
	(void)snprintf(ret, ANSWER_CHARS, "%.*s", WB_SLICE_ARGS(wb_buf_slice(&safe)));
	wb_buf_release(&safe);
}

/* A line "250 …" ends an answer, "250-…" goes on. */
static void on_answer(struct sending *s, struct wb_slice line)
{
	int status = 0;

	if (line.len < 3 || (line.len > 3 && line.data[3] == '-'))
		return;
	for (unsigned i = 0; i < 3; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return;
		status = 10 * status + line.data[i] - '0';
	}
	/* The farewell is no answer to what went before. */
	if (strcmp(s->verb, "QUIT") == 0)
		return;
	s->status = status;
	copy_line(s->answer, line);
	if (strcmp(s->verb, "RCPT") != 0)
		return;
	if (status < 300) {
		s->taken++;
		return;
	}
	s->refused += status >= 500;
	s->put_off += status < 500;
	if (s->refusal == 0 || (s->refusal >= 500 && status < 500)) {
		s->refusal = status;
		memcpy(s->why, s->answer, sizeof s->why);
	}
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct sending *s = arg;
	curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	for (unsigned i = 0; fd >= 0 && i < SOCKETS_MAX; i++) {
		if (s->socket[i] < 0) {
			s->socket[i] = fd;
			break;
		}
	}
	return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
	struct sending *s = arg;

	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (s->socket[i] == fd)
			s->socket[i] = -1;
	return close(fd);
}

/* libcurl says QUIT whatever went before and waits for the answer with a time of its own, of minutes. Nobody needs that
 * answer, and a server that says nothing any more would hold us. */
static void stop_listening(const struct sending *s)
{
	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (s->socket[i] >= 0)
			(void)shutdown(s->socket[i], SHUT_RD); /* what cannot be shut is closed soon */
}

/* Of what is sent only the command's name is looked at: secrets go by here. */
static int watch(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
	struct sending *s = arg;

	(void)easy;
	if (type == CURLINFO_HEADER_IN)
		on_answer(s, wb_slice(data, size));
	if (type != CURLINFO_HEADER_OUT)
		return 0;
	(void)snprintf(s->verb, sizeof s->verb, "%.*s", (int)(size < 4 ? size : 4), data);
	if (strcmp(s->verb, "QUIT") == 0)
		stop_listening(s);
	return 0;
}

static size_t give(char *to, size_t size, size_t count, void *arg)
{
	struct sending *s = arg;
	size_t n = size * count < s->left.len ? size * count : s->left.len;

	if (n)
		memcpy(to, s->left.data, n);
	s->left = wb_slice(s->left.data + n, s->left.len - n);
	return n;
}

static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct sending *s = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return s->settings->stopped && s->settings->stopped(s->settings->arg);
}

static bool set_up(CURL *c, struct sending *s)
{
	const struct wb_smtp_settings *settings = s->settings;
	bool ok = true;

#define SET(option, value) ok = curl_easy_setopt(c, option, value) == CURLE_OK && ok
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, s->error);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_PROXY, ""); /* none, whatever the environment says */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_USE_SSL, settings->starttls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	SET(CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)settings->timeout_ms);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_URL, settings->url);
	if (settings->user) {
		SET(CURLOPT_USERNAME, settings->user);
		SET(CURLOPT_PASSWORD, settings->password);
	}
	if (settings->ca_file) {
		SET(CURLOPT_CAINFO, settings->ca_file);
		SET(CURLOPT_CAPATH, NULL); /* that file instead of the system's authorities, not beside them */
	}
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, s);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_CLOSESOCKETDATA, s);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, give);
	SET(CURLOPT_READDATA, s);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->left.len);
	SET(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	SET(CURLOPT_DEBUGFUNCTION, watch);
	SET(CURLOPT_DEBUGDATA, s);
	SET(CURLOPT_VERBOSE, 1L); /* to watch, not to print */
	SET(CURLOPT_XFERINFOFUNCTION, progress);
	SET(CURLOPT_XFERINFODATA, s);
	SET(CURLOPT_NOPROGRESS, 0L);
#undef SET
	return ok;
}

/* An answer of the server decides; but not what it said before it fell silent. */
static enum wb_smtp_verdict verdict(const struct sending *s, CURLcode code)
{
	if (s->put_off > 0)
		return WB_SMTP_RETRY;
	if (code == CURLE_OK)
		return WB_SMTP_ACCEPTED;
	return s->status >= 500 && code != CURLE_OPERATION_TIMEDOUT ? WB_SMTP_REFUSED : WB_SMTP_RETRY;
}

static void judge(const struct sending *s, CURLcode code, struct wb_smtp_outcome *ret)
{
	struct wb_buf what;

	memset(ret, 0, sizeof *ret);
	ret->verdict = verdict(s, code);
	ret->status = s->status;
	ret->refused = s->refused;
	wb_buf_init(&what, 16 * CURL_ERROR_SIZE);
	(void)wb_text_line(&what, wb_slice_cstr(s->error[0] ? s->error : curl_easy_strerror(code)), CURL_ERROR_SIZE);
	if (s->put_off > 0)
		(void)snprintf(ret->text, sizeof ret->text, "%s", s->why);
	else if (code == CURLE_OK && s->refused > 0)
		(void)snprintf(ret->text, sizeof ret->text, "%s; but not for %u of %u: %s", s->answer, s->refused,
			s->refused + s->taken, s->why);
	else if (code == CURLE_OK || s->status >= 400)
		(void)snprintf(ret->text, sizeof ret->text, "%s", s->answer);
	else
		(void)snprintf(ret->text, sizeof ret->text, "%.*s", WB_SLICE_ARGS(wb_buf_slice(&what)));
	wb_buf_release(&what);
}

void wb_smtp_send(const struct wb_smtp_settings *settings, const char *from, const char *const *to, unsigned count,
	struct wb_slice message, struct wb_smtp_outcome *ret)
{
	struct sending s = { .settings = settings, .left = message };
	struct curl_slist *recipients = NULL, *more;
	CURL *c;

	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		s.socket[i] = -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted by libcurl */
		die_of_curl("curl_global_init");
	c = curl_easy_init();
	if (!c)
		die_of_curl("curl_easy_init");
	for (unsigned i = 0; i < count; i++) {
		more = curl_slist_append(recipients, to[i]);
		if (!more)
			die_of_curl("curl_slist_append");
		recipients = more;
	}
	if (!set_up(c, &s) || curl_easy_setopt(c, CURLOPT_MAIL_FROM, from) != CURLE_OK ||
		curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients) != CURLE_OK)
		die_of_curl("curl_easy_setopt");
	judge(&s, curl_easy_perform(c), ret);
	stop_listening(&s);
	curl_easy_cleanup(c);
	curl_slist_free_all(recipients);
	curl_global_cleanup();
}
