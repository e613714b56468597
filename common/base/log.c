#include "common/base/log.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log_buffer.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LINE_BYTES = 8192,
	/* Kept free for what closes a line: the mark of a cut, the quote, the brace, the line feed. */
	END_BYTES = 8,
};

struct wb_log {
	char *program;
	enum wb_log_level level;
	enum wb_log_format format;
	struct wb_log_buffer *buffer;
};

/* The one thing here that is global: a signal's handler is given no argument. */
static _Atomic(struct wb_log *) kept_at_abort;

struct line {
	char data[LINE_BYTES];
	size_t len;
	bool json;
};

struct wb_log *wb_log_new(const char *program, int fd, enum wb_log_level level, enum wb_log_format format)
{
	struct wb_log *log = wb_xcalloc(1, sizeof *log);

	log->program = wb_xstrdup(program);
	log->level = level;
	log->format = format;
	log->buffer = wb_log_buffer_new(fd);
	return log;
}

void wb_log_free(struct wb_log **log)
{
	struct wb_log *old = *log;

	if (!old)
		return;
	(void)atomic_compare_exchange_strong(&kept_at_abort, log, NULL); /* another one may be kept */
	wb_log_buffer_free(&old->buffer);
	free(old->program);
	free(old);
	*log = NULL;
}

void wb_log_rescue(struct wb_log *log)
{
	if (log)
		wb_log_buffer_rescue(log->buffer);
}

/* Returns to abort(), which then ends the process as if there were no handler. */
static void on_abort(int number)
{
	(void)number;
	wb_log_rescue(atomic_load(&kept_at_abort));
}

void wb_log_keep_at_abort(struct wb_log *log)
{
	struct sigaction action = { .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND };

	atomic_store(&kept_at_abort, log);
	if (log && sigaction(SIGABRT, &action, NULL) != 0)
		abort(); /* a handler for it can always be set */
}

bool wb_log_enabled(const struct wb_log *log, enum wb_log_level level)
{
	return log && level >= log->level;
}

static bool fits(const struct line *l, size_t len)
{
	return l->len + len <= sizeof l->data - END_BYTES;
}

static void put_raw(struct line *l, const char *text, size_t len)
{
	memcpy(l->data + l->len, text, len);
	l->len += len;
}

/* How the character at s is written inside quotes: its length there, with *ret_used bytes of s. out has 8 bytes. */
static size_t quoted_char(const char *s, size_t len, size_t *ret_used, char *out)
{
	unsigned char c = (unsigned char)s[0];
	size_t n = wb_utf8_char_len(s, len);
	const char *short_form = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;

	*ret_used = n ? n : 1;
	if (n == 0) {
		memcpy(out, "\xEF\xBF\xBD", 3);
		return 3;
	}
	if (short_form || c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = short_form ? short_form[1] : (char)c;
		return 2;
	}
	/* Both sets of control characters: either can drive the terminal of whoever reads the log. */
	if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0))
		return (size_t)snprintf(out, 8, "\\u%04x", c == 0xc2 ? (unsigned char)s[1] : c);
	memcpy(out, s, n);
	return n;
}

/* How many bytes at s are written as they are, which nearly all are: printable ASCII but quote and backslash. */
static size_t plain_run(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

static void put_quoted(struct line *l, struct wb_slice s)
{
	size_t used, run;
	char out[8];

	if (!fits(l, 1))
		return;
	put_raw(l, "\"", 1);
	run = plain_run(s.data, s.len);
	if (!fits(l, run))
		run = 0;
	put_raw(l, s.data, run);
	for (size_t at = run; at < s.len; at += used) {
		size_t len = quoted_char(s.data + at, s.len - at, &used, out);

		if (!fits(l, len)) {
			put_raw(l, "\xE2\x80\xA6", 3);
			break;
		}
		put_raw(l, out, len);
	}
	put_raw(l, "\"", 1);
}

/* logfmt wants quotes around everything but plain words. */
static bool plain_word(struct wb_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0;
}

static void put_string(struct line *l, struct wb_slice s)
{
	if (l->json || !plain_word(s) || !fits(l, s.len))
		put_quoted(l, s);
	else
		put_raw(l, s.data, s.len);
}

/* False when no room is left for the key and a value of at least some bytes. */
static bool put_key(struct line *l, const char *key)
{
	size_t len = strlen(key);

	if (!fits(l, len + 40))
		return false;
	if (l->len > (l->json ? 1U : 0U))
		put_raw(l, l->json ? "," : " ", 1);
	if (l->json)
		put_raw(l, "\"", 1);
	put_raw(l, key, len);
	put_raw(l, l->json ? "\":" : "=", l->json ? 2 : 1);
	return true;
}

static void put_integer(struct line *l, int64_t value)
{
	char digits[WB_U64_DIGITS];

	if (value < 0)
		put_raw(l, "-", 1);
	put_raw(l, digits, wb_u64_digits(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, digits));
}

static void put_field(struct line *l, const struct wb_log_field *f)
{
	char text[32];

	if (!put_key(l, f->key))
		return;
	switch (f->type) {
	case WB_LOG_FIELD_STR:
		if (!f->str.data && l->json)
			put_raw(l, "null", 4);
		else
			put_string(l, f->str);
		return;
	case WB_LOG_FIELD_INT:
		put_integer(l, f->integer);
		return;
	case WB_LOG_FIELD_DOUBLE:
		if (l->json && !isfinite(f->number)) /* JSON has no such numbers */
			(void)snprintf(text, sizeof text, "null");
		else
			(void)snprintf(text, sizeof text, "%.10g", f->number); /* 17 characters at most */
		break;
	case WB_LOG_FIELD_BOOL:
		(void)snprintf(text, sizeof text, "%s", f->integer ? "true" : "false");
		break;
	}
	put_raw(l, text, strlen(text));
}

/* A whole line from an event and its fields. */
static void render(const struct wb_log *log, enum wb_log_level level, const char *event, va_list fields, struct line *l)
{
	static const char *const level_names[] = { "debug", "info", "warn", "error" };
	char time[WB_CLOCK_RFC3339_SIZE];
	struct wb_log_field f;

	l->json = log->format == WB_LOG_JSON;
	l->len = 0;
	if (l->json)
		put_raw(l, "{", 1);
	wb_clock_rfc3339(wb_clock_wall_ms(), time);
	put_field(l, &WB_STR("time", time));
	put_field(l, &WB_STR("level", level_names[level]));
	put_field(l, &WB_STR("program", log->program));
	if (put_key(l, "msg"))
		put_quoted(l, wb_slice_cstr(event));
	for (f = va_arg(fields, struct wb_log_field); f.key; f = va_arg(fields, struct wb_log_field))
		put_field(l, &f);
	if (l->json)
		put_raw(l, "}", 1);
	put_raw(l, "\n", 1);
}

void wb_log_event(struct wb_log *log, enum wb_log_level level, const char *event, ...)
{
	int saved = errno;
	va_list fields;
	struct line l;

	if (!wb_log_enabled(log, level))
		return;
	va_start(fields, event);
	render(log, level, event, fields, &l);
	va_end(fields);
	wb_log_buffer_write(log->buffer, l.data, l.len);
	errno = saved;
}

void wb_log_event_later(struct wb_log *log, enum wb_log_level level, const char *event, ...)
{
	int saved = errno;
	va_list fields;
	struct line l;

	if (!wb_log_enabled(log, level))
		return;
	va_start(fields, event);
	render(log, level, event, fields, &l);
	va_end(fields);
	wb_log_buffer_add(log->buffer, l.data, l.len);
	errno = saved;
}
