#include "consumer/top.h"

#include "common/base/clock.h"
#include "common/base/lifecycle.h"
#include "common/base/mem.h"
#include "common/base/version.h"
#include "consumer/options.h"
#include "consumer/top_view.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRAM        "writebehind-consumer"
#define EVERY_MS       1000
#define TIMEOUT_MS     5000L
#define CONNECT_MS     2000L
#define STATE_MAX      (16 * 1024 * 1024)
#define SCREEN_MAX     (1024 * 1024)
#define PLAIN_WIDTH    1000
#define DEFAULT_WIDTH  80
#define DEFAULT_HEIGHT 24

enum { EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE };

/* The other screen, so that what was there before comes back; no cursor. */
#define ENTER_SCREEN "\x1b[?1049h\x1b[?25l"
#define LEAVE_SCREEN "\x1b[?25h\x1b[?1049l"
#define HOME         "\x1b[H"
#define CLEAR_LINE   "\x1b[K"
#define CLEAR_REST   "\x1b[J"

struct top {
	const char *urls[WB_TOP_URLS_MAX];
	size_t count;
	CURL *easy;
	struct wb_lifecycle *lifecycle; /* while it is live; NULL: signals end the program as they do */
	struct wb_top_view *view;
	struct wb_buf states[WB_TOP_URLS_MAX]; /* as they came */
};

bool wb_top_is_asked(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--top") == 0 || strncmp(argv[i], "--top=", 6) == 0)
			return true;
	}
	return false;
}

static int complain(int code, const char *url, const char *why)
{
	(void)fprintf(stderr, "%s: %s%s%s\n", PROGRAM, url, *url ? ": " : "", why); /* nobody is left to hear of more */
	return code;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
	struct wb_buf *to = arg;

	wb_buf_append(to, data, size * count);
	return wb_buf_status(to) == WB_OK ? size * count : 0;
}

/* Called about once a second: Ctrl-C does not wait for an answer. */
static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	const struct top *t = arg;

	(void)total;
	(void)now;
	(void)up_total;
	(void)up;
	return t->lifecycle && wb_lifecycle_state(t->lifecycle) >= WB_DRAINING;
}

/* A URL without a path gets that of the state. */
static char *address_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t len = strlen(url);
	const char *path = strchr(host, '/');
	struct wb_buf address;

	wb_buf_init(&address, 8192);
	while (path && len > 0 && url[len - 1] == '/')
		len--;
	wb_buf_append(&address, url, len);
	if (!path || strlen(path) == strspn(path, "/"))
		wb_buf_append_cstr(&address, "/v1/state");
	return wb_buf_take(&address, &len);
}

static enum wb_err set_up(struct top *t, const char *address, struct wb_buf *to, char *error)
{
	CURL *easy = t->easy;
	bool ok = curl_easy_setopt(easy, CURLOPT_URL, address) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_USERAGENT, PROGRAM "/" WB_VERSION) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, to) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error) == CURLE_OK;

	return ok ? WB_OK : WB_ENOMEM;
}

/* Reads the state of one consumer into to. */
static enum wb_err fetch(struct top *t, const char *url, struct wb_buf *to, struct wb_error *e)
{
	char error[CURL_ERROR_SIZE] = "", *address = address_of(url);
	CURLcode code = CURLE_FAILED_INIT;
	long status = 0;

	wb_buf_clear(to);
	if (set_up(t, address, to, error) == WB_OK)
		code = curl_easy_perform(t->easy);
	free(address);
	if (code != CURLE_OK)
		return wb_error_set(e, WB_EIO, "%s", error[0] ? error : curl_easy_strerror(code));
	if (curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200)
		return wb_error_set(e, WB_EIO, "it answers with status %ld%s", status,
			status == 404 ? ": no consumer, or an older one" : "");
	return WB_OK;
}

/* Asks every consumer. Returns how many answered; of the last one that did not, *ret_failed is the index and e says why. */
static size_t poll_all(struct top *t, size_t *ret_failed, struct wb_error *e)
{
	size_t reached = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct wb_error why = { "" };
		enum wb_err err = fetch(t, t->urls[i], &t->states[i], &why);

		if (err == WB_OK)
			err = wb_top_view_take(t->view, i, wb_buf_slice(&t->states[i]), wb_clock_mono_ms(), &why);
		else
			wb_top_view_fail(t->view, i, why.text);
		reached += err == WB_OK;
		if (err != WB_OK) {
			*ret_failed = i;
			*e = why;
		}
	}
	return reached;
}

static bool put(struct wb_slice text)
{
	return fwrite(text.data, 1, text.len, stdout) == text.len;
}

/* Once, as plain text or as it came. */
static int say_once(struct top *t, bool json)
{
	struct wb_error why = { "" };
	struct wb_buf text;
	size_t failed = 0, reached = poll_all(t, &failed, &why);
	bool ok = true;

	wb_buf_init(&text, STATE_MAX);
	for (size_t i = 0; i < t->count && json; i++)
		wb_buf_append_slice(&text, wb_buf_slice(&t->states[i]));
	if (!json && (reached > 0 || t->count > 1))
		wb_top_view_render(t->view, PLAIN_WIDTH, 0, &text);
	if (!json || reached == t->count)
		ok = put(wb_buf_slice(&text));
	wb_buf_release(&text);
	if (reached < t->count)
		return complain(EXIT_UNREACHABLE, t->urls[failed], why.text);
	return ok && fflush(stdout) == 0 ? EXIT_OK : complain(EXIT_UNREACHABLE, "", "cannot write the output");
}

static void window_size(size_t *ret_width, size_t *ret_height)
{
	struct winsize size = { 0 };
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

	*ret_width = known ? size.ws_col : DEFAULT_WIDTH;
	*ret_height = known ? size.ws_row : DEFAULT_HEIGHT;
}

/* Writes over what is there line by line, so that nothing flickers. The last line stays free, as a line feed there would
 * scroll the window. */
static bool draw(struct top *t)
{
	struct wb_buf text, screen;
	size_t width, height;
	bool ok;

	window_size(&width, &height);
	wb_buf_init(&text, SCREEN_MAX);
	wb_buf_init(&screen, 2 * SCREEN_MAX);
	wb_top_view_render(t->view, width, height > 1 ? height - 1 : 1, &text);
	wb_buf_append_cstr(&screen, HOME);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\n')
			wb_buf_append_cstr(&screen, CLEAR_LINE "\r");
		wb_buf_append_char(&screen, text.data[i]);
	}
	wb_buf_append_cstr(&screen, CLEAR_REST);
	ok = put(wb_buf_slice(&screen)) && fflush(stdout) == 0;
	wb_buf_release(&text);
	wb_buf_release(&screen);
	return ok;
}

/* Until Ctrl-C, SIGTERM, or the terminal is gone. Who cannot be reached later on is shown as such. */
static int watch(struct top *t)
{
	struct wb_error why = { "" };
	size_t failed = 0;

	if (poll_all(t, &failed, &why) == 0)
		return complain(EXIT_UNREACHABLE, t->urls[failed], why.text);
	(void)put(wb_slice_cstr(ENTER_SCREEN)); /* draw tells whether it can be written to */
	while (draw(t) && wb_lifecycle_wait(t->lifecycle, EVERY_MS) < WB_DRAINING)
		(void)poll_all(t, &failed, &why); /* the view tells who did not answer */
	(void)put(wb_slice_cstr(LEAVE_SCREEN));
	(void)fflush(stdout); /* it is the end in any case */
	return EXIT_OK;
}

static bool is_url(const char *text)
{
	return (strncmp(text, "http://", 7) == 0 && text[7]) || (strncmp(text, "https://", 8) == 0 && text[8]);
}

static int run(struct top *t, bool json)
{
	int code;

	for (size_t i = 0; i < t->count; i++) {
		if (!is_url(t->urls[i]))
			return complain(EXIT_USAGE, t->urls[i], "no URL such as http://127.0.0.1:8081");
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(t->easy = curl_easy_init()))
		return complain(EXIT_UNREACHABLE, "", "libcurl cannot start");
	t->view = wb_top_view_new(t->urls, t->count);
	for (size_t i = 0; i < t->count; i++)
		wb_buf_init(&t->states[i], STATE_MAX);
	if (json || !isatty(STDOUT_FILENO)) {
		code = say_once(t, json);
	} else {
		t->lifecycle = wb_lifecycle_new();
		code = watch(t);
		wb_lifecycle_free(&t->lifecycle);
	}
	for (size_t i = 0; i < t->count; i++)
		wb_buf_release(&t->states[i]);
	wb_top_view_free(&t->view);
	curl_easy_cleanup(t->easy);
	curl_global_cleanup();
	return code;
}

int wb_top_main(int argc, char **argv, char **env)
{
	struct wb_consumer_options options = { 0 };
	struct top t = { .count = 0 };
	struct wb_error e = { "" };
	size_t more = 0;
	int code = EXIT_OK;

	switch (wb_options_parse(&wb_top_option_table, argc, argv, env, &options, t.urls + 1, &more, &e)) {
	case WB_OPTIONS_DONE:
		break;
	case WB_OPTIONS_BAD:
		code = complain(EXIT_USAGE, "", e.text);
		break;
	case WB_OPTIONS_RUN:
		t.urls[0] = options.top;
		t.count = 1 + more;
		code = run(&t, options.json);
		break;
	}
	wb_options_release(&wb_top_option_table, &options);
	return code;
}
