#include "common/base/options.h"

#include "common/base/options_internal.h"
#include "common/base/mem.h"
#include "common/base/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX_BYTES = 256 * 1024 };

/* The command line while it is read. */
struct command {
	const struct wb_option_table *table;
	char **args; /* what is left, ends with NULL */
	char *config;
	const char **positionals;
	size_t positional_count;
	bool flags_ended;
	/* --config and --set wait here until all is read, because the file comes before the environment. */
	const char **files, **sets;
	size_t file_count, set_count;
	enum { PAGE_NONE, PAGE_HELP, PAGE_VERSION, PAGE_MARKDOWN } page;
};

static enum wb_err take_value(
	struct command *c, const char *flag, const char *inline_value, const char **ret, struct wb_error *e)
{
	if (inline_value) {
		*ret = inline_value;
		return WB_OK;
	}
	if (!*c->args)
		return wb_error_set(e, WB_EINVAL, "%s needs a value", flag);
	*ret = *c->args++;
	return WB_OK;
}

static enum wb_err store_flag(
	struct command *c, const struct wb_flag *f, const char *shown, const char *inline_value, struct wb_error *e)
{
	void *member = c->config + f->offset;
	struct wb_error why;
	const char *value = NULL;

	if (f->type == WB_FLAG_BOOL) {
		if (inline_value)
			return wb_error_set(e, WB_EINVAL, "%s takes no value", shown);
		*(bool *)member = true;
		return WB_OK;
	}
	if (take_value(c, shown, inline_value, &value, e))
		return WB_EINVAL;
	if (f->type == WB_FLAG_STRING) {
		*(const char **)member = value;
		return WB_OK;
	}
	if (wb_strict_int64(wb_slice_cstr(value), f->min, f->max, member, &why))
		return wb_error_set(e, WB_EINVAL, "%s %.100s: %s", shown, value, why.text);
	return WB_OK;
}

/* Reads "-n5", "-n 5" or "-ab". */
static enum wb_err take_letters(struct command *c, const char *letters, struct wb_error *e)
{
	for (const char *at = letters; *at; at++) {
		const struct wb_flag *f = NULL;
		const char shown[] = { '-', *at, '\0' };
		bool takes_value;

		for (size_t i = 0; i < c->table->flag_count && !f; i++) {
			if (c->table->flags[i].letter == *at)
				f = &c->table->flags[i];
		}
		if (!f && *at == 'h') {
			c->page = PAGE_HELP;
			continue;
		}
		if (!f)
			return wb_error_set(e, WB_EINVAL, "unknown option %s; --help lists all", shown);
		takes_value = f->type != WB_FLAG_BOOL;
		if (store_flag(c, f, shown, takes_value && at[1] ? at + 1 : NULL, e))
			return WB_EINVAL;
		if (takes_value)
			break;
	}
	return WB_OK;
}

static enum wb_err unknown_flag(const struct command *c, const char *name, struct wb_error *e)
{
	static const char *const own[] = { "config", "set", "help", "version", "markdown" };
	const char *best = NULL;
	size_t distance = 3;

	for (size_t i = 0; i < c->table->flag_count + WB_ARRAY_LEN(own); i++) {
		const char *known = i < WB_ARRAY_LEN(own) ? own[i] : c->table->flags[i - WB_ARRAY_LEN(own)].name;
		size_t d = wb_options_distance(name, known);

		if (d < distance) {
			distance = d;
			best = known;
		}
	}
	if (best)
		return wb_error_set(e, WB_EINVAL, "unknown option --%.60s; did you mean --%s?", name, best);
	/* Not the value: it may be a secret. */
	return wb_error_set(
		e, WB_EINVAL, "unknown option --%.60s; --help lists all; keys are set with --set key=value", name);
}

/* Reads the flags that every program has; *ret_known tells whether it was one. */
static enum wb_err take_own_flag(
	struct command *c, const char *name, const char *value, bool *ret_known, struct wb_error *e)
{
	static const char *const pages[] = {
		[PAGE_HELP] = "help", [PAGE_VERSION] = "version", [PAGE_MARKDOWN] = "markdown"
	};

	*ret_known = true;
	/* A place stays unused where the value is missing; reading ends then. */
	if (strcmp(name, "config") == 0)
		return take_value(c, "--config", value, &c->files[c->file_count++], e);
	if (strcmp(name, "set") == 0)
		return take_value(c, "--set", value, &c->sets[c->set_count++], e);
	for (int page = PAGE_HELP; page <= PAGE_MARKDOWN; page++) {
		if (strcmp(name, pages[page]) != 0)
			continue;
		if (value)
			return wb_error_set(e, WB_EINVAL, "--%s takes no value", name);
		c->page = page;
		return WB_OK;
	}
	*ret_known = false;
	return WB_OK;
}

static enum wb_err take_long(struct command *c, const char *arg, struct wb_error *e)
{
	const char *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL;
	char name[64], shown[70];
	enum wb_err err;
	bool known;

	(void)snprintf(name, sizeof name, "%.*s", (int)(equals ? equals - arg : (ptrdiff_t)strlen(arg)), arg); /* cut */
	(void)snprintf(shown, sizeof shown, "--%s", name); /* fits */
	for (size_t i = 0; i < c->table->flag_count; i++) {
		if (strcmp(c->table->flags[i].name, name) == 0)
			return store_flag(c, &c->table->flags[i], shown, value, e);
	}
	err = take_own_flag(c, name, value, &known, e);
	return err || known ? err : unknown_flag(c, name, e);
}

static enum wb_err take_positional(struct command *c, const char *arg, struct wb_error *e)
{
	if (c->positional_count == c->table->max_positionals)
		return wb_error_set(e, WB_EINVAL, "unexpected argument %.100s; usage: %s", arg, c->table->usage);
	c->positionals[c->positional_count++] = arg;
	return WB_OK;
}

static enum wb_err read_command(struct command *c, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	while (!err && *c->args) {
		const char *arg = *c->args++;

		if (c->flags_ended || arg[0] != '-' || !arg[1])
			err = take_positional(c, arg, e);
		else if (strcmp(arg, "--") == 0)
			c->flags_ended = true;
		else if (arg[1] == '-')
			err = take_long(c, arg + 2, e);
		else
			err = take_letters(c, arg + 1, e);
		if (c->page)
			break;
	}
	return err;
}

static enum wb_err put_set(struct wb_settings *s, const char *text, struct wb_error *e)
{
	const char *equals = strchr(text, '=');
	char key[WB_OPTIONS_KEY_SIZE];

	if (!equals || equals == text)
		return wb_error_set(e, WB_EINVAL, "--set: write key=value");
	if ((size_t)(equals - text) >= sizeof key)
		return wb_error_set(e, WB_EINVAL, "--set: no key is that long");
	(void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text); /* fits */
	return wb_settings_put(s, key, equals + 1, "--set", true, e);
}

static enum wb_err read_sources(const struct command *c, char **env, struct wb_error *e)
{
	struct wb_settings s = { .table = c->table };
	enum wb_err err = WB_OK;

	for (size_t i = 0; i < c->file_count && !err; i++)
		err = wb_settings_put_file(&s, c->files[i], e);
	if (!err)
		err = wb_settings_put_env(&s, env, e);
	for (size_t i = 0; i < c->set_count && !err; i++)
		err = put_set(&s, c->sets[i], e);
	if (!err)
		err = wb_options_store(&s, c->config, e);
	wb_settings_release(&s);
	return err;
}

static enum wb_options_result print_page(const struct command *c, struct wb_error *e)
{
	struct wb_buf page;
	bool written;

	wb_buf_init(&page, PAGE_MAX_BYTES);
	if (c->page == PAGE_HELP)
		wb_options_help(c->table, &page);
	else if (c->page == PAGE_MARKDOWN)
		wb_options_markdown(c->table, &page);
	else
		wb_buf_appendf(&page, "%s %s\n", c->table->program, WB_VERSION);
	written = wb_buf_status(&page) == WB_OK && fwrite(page.data, 1, page.len, stdout) == page.len &&
		fflush(stdout) == 0;
	wb_buf_release(&page);
	if (written)
		return WB_OPTIONS_DONE;
	(void)wb_error_set(e, WB_EIO, "cannot write to standard output"); /* the result says it too */
	return WB_OPTIONS_BAD;
}

enum wb_options_result wb_options_parse(const struct wb_option_table *t, int argc, char **argv, char **env,
	void *config, const char **ret_positionals, size_t *ret_count, struct wb_error *e)
{
	struct command c = { .table = t, .args = argv + (argc > 0), .config = config, .positionals = ret_positionals };
	enum wb_options_result result = WB_OPTIONS_RUN;

	c.files = wb_xcalloc((size_t)argc + 1, sizeof *c.files);
	c.sets = wb_xcalloc((size_t)argc + 1, sizeof *c.sets);
	if (read_command(&c, e))
		result = WB_OPTIONS_BAD;
	else if (c.page)
		result = print_page(&c, e);
	else if (read_sources(&c, env, e))
		result = WB_OPTIONS_BAD;
	free(c.sets);
	free(c.files);
	if (result != WB_OPTIONS_RUN)
		wb_options_release(t, config);
	else if (ret_count)
		*ret_count = c.positional_count;
	return result;
}
