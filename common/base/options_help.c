#include "common/base/options_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 100, INDENT = 34, KEY_INDENT = 2 };

const char *wb_options_type_text(const struct wb_option *o)
{
	switch (o->type) {
	case WB_OPT_STRING:
		return "text";
	case WB_OPT_INT:
		return "number";
	case WB_OPT_BYTES:
		return "size";
	case WB_OPT_DURATION:
		return "duration";
	case WB_OPT_BOOL:
		return "true or false";
	case WB_OPT_ENUM:
		return "choice";
	case WB_OPT_PREFIX:
		return "keys";
	}
	return "";
}

static bool has_range(const struct wb_option *o, enum wb_strict_kind *ret)
{
	*ret = o->type == WB_OPT_BYTES       ? WB_STRICT_BYTES
		: o->type == WB_OPT_DURATION ? WB_STRICT_DURATION
					     : WB_STRICT_NUMBER;
	return o->type == WB_OPT_INT || o->type == WB_OPT_BYTES || o->type == WB_OPT_DURATION;
}

void wb_options_default_text(const struct wb_option *o, struct wb_buf *ret)
{
	struct wb_slice def = wb_slice_cstr(o->def);
	char text[WB_STRICT_VALUE_SIZE];
	enum wb_strict_kind kind;
	int64_t value = 0;
	enum wb_err err = WB_OK;

	if (!o->def)
		return;
	if (!has_range(o, &kind)) {
		wb_buf_append_slice(ret, def);
		return;
	}
	if (kind == WB_STRICT_BYTES)
		err = wb_strict_bytes(def, o->min, o->max, &value, NULL);
	else if (kind == WB_STRICT_DURATION)
		err = wb_strict_duration_ms(def, o->min, o->max, &value, NULL);
	else
		err = wb_strict_int64(def, o->min, o->max, &value, NULL);
	assert(err == WB_OK); /* a default that its own row refuses */
	(void)err;
	wb_strict_value_text(kind, value, text);
	wb_buf_append_cstr(ret, text);
}

void wb_options_allowed_text(const struct wb_option *o, struct wb_buf *ret)
{
	char text[WB_STRICT_RANGE_SIZE];
	enum wb_strict_kind kind;

	if (o->type == WB_OPT_ENUM) {
		for (const char *c = o->choices; *c; c++) {
			if (*c == '|')
				wb_buf_append_cstr(ret, strchr(c + 1, '|') ? ", " : " and ");
			else
				wb_buf_append_char(ret, *c);
		}
	} else if (has_range(o, &kind)) {
		wb_strict_range_text(kind, o->min, o->max, text);
		wb_buf_append_cstr(ret, text);
	}
}

/* How many columns a word takes, taking every character for one column wide. */
static size_t columns(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static void pad(struct wb_buf *b, size_t from, size_t to)
{
	for (; from < to; from++)
		wb_buf_append_char(b, ' ');
}

/* Appends words from column `at`, wrapped before WIDTH to lines that begin at column indent. Ends the line. */
static void wrap(struct wb_buf *b, const char *text, size_t at, size_t indent)
{
	bool first = true;

	for (const char *word = text; *word;) {
		size_t len = strcspn(word, " "), width = columns(word, len);

		if (!first && at + 1 + width > WIDTH) {
			wb_buf_append_char(b, '\n');
			pad(b, 0, indent);
			at = indent;
		} else if (!first) {
			wb_buf_append_char(b, ' ');
			at++;
		}
		wb_buf_append(b, word, len);
		at += width;
		first = false;
		word += len + strspn(word + len, " ");
	}
	wb_buf_append_char(b, '\n');
}

/* "  term        text", the text on lines of its own where the term is long. */
static void entry(struct wb_buf *b, const char *term, const char *text)
{
	size_t at = KEY_INDENT + columns(term, strlen(term));

	pad(b, 0, KEY_INDENT);
	wb_buf_append_cstr(b, term);
	if (at + 2 > INDENT) {
		wb_buf_append_char(b, '\n');
		at = 0;
	}
	pad(b, at, INDENT);
	wrap(b, text, INDENT, INDENT);
}

/* What stands behind an option's sentence: "(default 16MiB; 1KiB to 1GiB)". */
static void append_facts(const struct wb_option *o, struct wb_buf *b)
{
	struct wb_buf allowed;
	const char *between = " (";

	wb_buf_init(&allowed, 512);
	wb_options_allowed_text(o, &allowed);
	if (o->required && !o->def) {
		wb_buf_appendf(b, "%srequired", between);
		between = "; ";
	}
	if (o->def) {
		wb_buf_appendf(b, "%sdefault ", between);
		wb_options_default_text(o, b);
		between = "; ";
	}
	if (o->secret) {
		wb_buf_appendf(b, "%ssecret", between);
		between = "; ";
	}
	if (allowed.len > 0 || o->type == WB_OPT_BOOL) {
		wb_buf_appendf(b, "%s%s", between, allowed.len ? allowed.data : "true or false");
		between = "; ";
	}
	if (between[0] == ';')
		wb_buf_append_char(b, ')');
	wb_buf_release(&allowed);
}

static void help_group(const struct wb_option_group *g, struct wb_buf *ret)
{
	struct wb_buf text, term;

	wb_buf_init(&text, 4096);
	wb_buf_init(&term, WB_OPTIONS_KEY_SIZE);
	wb_buf_appendf(ret, "\n%s\n", g->title);
	for (size_t i = 0; i < g->count; i++) {
		const struct wb_option *o = &g->options[i];

		wb_buf_clear(&text);
		wb_buf_clear(&term);
		wb_buf_appendf(&term, "%s%s", o->key, o->type == WB_OPT_PREFIX ? "*" : "");
		wb_buf_append_cstr(&text, o->help);
		append_facts(o, &text);
		entry(ret, wb_buf_slice(&term).data, wb_buf_slice(&text).data);
	}
	wb_buf_release(&term);
	wb_buf_release(&text);
}

static void help_flags(const struct wb_option_table *t, struct wb_buf *ret)
{
	struct wb_buf term;

	wb_buf_init(&term, 128);
	wb_buf_append_cstr(ret, "\nOptions\n");
	for (size_t i = 0; i < t->flag_count; i++) {
		const struct wb_flag *f = &t->flags[i];

		wb_buf_clear(&term);
		if (f->letter)
			wb_buf_appendf(&term, "-%c, ", f->letter);
		wb_buf_appendf(&term, "--%s%s%s", f->name, f->arg ? " " : "", f->arg ? f->arg : "");
		entry(ret, wb_buf_slice(&term).data, f->help);
	}
	entry(ret, "--config FILE", "Read keys from a Java properties file; may be given more than once");
	entry(ret, "--set key=value", "Set one key; not for secrets, since every user can read a command line");
	entry(ret, "-h, --help", "Show this text");
	entry(ret, "--version", "Show the version");
	entry(ret, "--markdown", "Show this reference in Markdown");
	wb_buf_release(&term);
}

/* The first key that is a secret, or that is none, so that the explanation speaks of keys that this program has. A
 * prefix row stands for the secrets below it. */
static bool example_key(const struct wb_option_table *t, bool secret, char ret[WB_OPTIONS_KEY_SIZE])
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			bool prefix = o->type == WB_OPT_PREFIX;

			if (prefix ? !secret : o->secret != secret)
				continue;
			(void)snprintf(ret, WB_OPTIONS_KEY_SIZE, "%s%s", o->key, prefix ? "sasl.password" : "");
			return true;
		}
	}
	return false;
}

static void help_sources(const struct wb_option_table *t, struct wb_buf *ret)
{
	char key[WB_OPTIONS_KEY_SIZE], env[WB_OPTIONS_KEY_SIZE];
	struct wb_buf text;

	if (!example_key(t, false, key))
		return;
	wb_buf_init(&text, 4096);
	wb_options_env_name(key, env);
	wb_buf_appendf(&text,
		"Keys below come from --config, the environment and --set; a later one of these wins. In the "
		"environment a key is in upper case, with underscores for dots: %s is %s.",
		key, env);
	if (example_key(t, true, key)) {
		wb_options_env_name(key, env);
		wb_buf_appendf(&text,
			" A secret may also be the content of a file that %s.file or %s_FILE names; --set "
			"refuses secrets.",
			key, env);
	}
	wb_buf_append_cstr(
		&text, " Sizes take B, KB, MB, GB, KiB, MiB or GiB; durations ms, s, min, h or d, and are ms without.");
	wb_buf_append_cstr(ret, "\nConfiguration\n");
	pad(ret, 0, KEY_INDENT);
	wrap(ret, wb_buf_slice(&text).data, KEY_INDENT, KEY_INDENT);
	wb_buf_release(&text);
}

void wb_options_help(const struct wb_option_table *t, struct wb_buf *ret)
{
	wrap(ret, t->summary, 0, 0);
	wb_buf_append_cstr(ret, "\nUsage: ");
	wrap(ret, t->usage, 7, 7);
	help_flags(t, ret);
	help_sources(t, ret);
	for (size_t g = 0; g < t->group_count; g++)
		help_group(&t->groups[g], ret);
	if (t->epilogue)
		wb_buf_appendf(ret, "\n%s%s", t->epilogue, t->epilogue[strlen(t->epilogue) - 1] == '\n' ? "" : "\n");
}

/* Text inside a table's cell. */
static void cell(struct wb_buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '<')
			wb_buf_append_char(b, '\\');
		wb_buf_append_char(b, *text);
	}
}

static void markdown_row(const struct wb_option *o, struct wb_buf *ret)
{
	bool prefix = o->type == WB_OPT_PREFIX;
	char env[WB_OPTIONS_KEY_SIZE];
	struct wb_buf text;

	wb_buf_init(&text, 1024);
	wb_options_env_name(o->key, env);
	wb_buf_appendf(ret, "| `%s%s` | `%s%s` | %s%s | ", o->key, prefix ? "*" : "", env, prefix ? "*" : "",
		wb_options_type_text(o), o->secret ? ", secret" : "");
	wb_options_default_text(o, &text);
	if (text.len > 0)
		wb_buf_appendf(ret, "`%s`", text.data);
	else if (o->required)
		wb_buf_append_cstr(ret, "(required)");
	wb_buf_append_cstr(ret, " | ");
	wb_buf_clear(&text);
	wb_options_allowed_text(o, &text);
	cell(ret, wb_buf_slice(&text).data);
	wb_buf_append_cstr(ret, " | ");
	cell(ret, o->help);
	wb_buf_append_cstr(ret, " |\n");
	wb_buf_release(&text);
}

static void markdown_flags(const struct wb_option_table *t, struct wb_buf *ret)
{
	if (t->flag_count == 0)
		return;
	wb_buf_append_cstr(ret, "\n### Options of the command line\n\n| option | meaning |\n|---|---|\n");
	for (size_t i = 0; i < t->flag_count; i++) {
		const struct wb_flag *f = &t->flags[i];

		wb_buf_append_cstr(ret, "| ");
		if (f->letter)
			wb_buf_appendf(ret, "`-%c`, ", f->letter);
		wb_buf_appendf(ret, "`--%s%s%s` | ", f->name, f->arg ? " " : "", f->arg ? f->arg : "");
		cell(ret, f->help);
		wb_buf_append_cstr(ret, " |\n");
	}
}

void wb_options_markdown(const struct wb_option_table *t, struct wb_buf *ret)
{
	wb_buf_appendf(ret, "## %s\n\n", t->program);
	cell(ret, t->summary);
	wb_buf_appendf(ret, "\n\n    %s\n", t->usage);
	markdown_flags(t, ret);
	for (size_t g = 0; g < t->group_count; g++) {
		wb_buf_appendf(ret,
			"\n### %s\n\n| key | environment | type | default | allowed | meaning "
			"|\n|---|---|---|---|---|---|\n",
			t->groups[g].title);
		for (size_t i = 0; i < t->groups[g].count; i++)
			markdown_row(&t->groups[g].options[i], ret);
	}
}
