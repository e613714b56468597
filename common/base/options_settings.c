#include "common/base/options_internal.h"

#include "common/base/crypto.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/properties.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 1024 * 1024 };

static void free_wiped(char *s)
{
	if (s)
		wb_crypto_wipe(s, strlen(s));
	free(s);
}

void wb_settings_release(struct wb_settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].key);
		free_wiped(s->items[i].value);
		free(s->items[i].source);
	}
	free(s->items);
	s->items = NULL;
	s->count = 0;
}

static bool same_target(const struct wb_option_target *a, const struct wb_option_target *b)
{
	return a->option == b->option && a->subkey_len == b->subkey_len &&
		(!a->subkey || memcmp(a->subkey, b->subkey, a->subkey_len) == 0);
}

static struct wb_setting *setting_of(struct wb_settings *s, const struct wb_option_target *target)
{
	for (size_t i = 0; i < s->count; i++) {
		if (same_target(&s->items[i].target, target))
			return &s->items[i];
	}
	return NULL;
}

static enum wb_err unknown_key(const struct wb_settings *s, const char *key, const char *source, struct wb_error *e)
{
	char near[WB_OPTIONS_KEY_SIZE];

	if (wb_options_suggest(s->table, key, near))
		return wb_error_set(e, WB_EINVAL, "unknown key %.100s (from %s); did you mean %s?", key, source, near);
	return wb_error_set(e, WB_EINVAL, "unknown key %.100s (from %s); --help lists all keys", key, source);
}

enum wb_err wb_settings_put(
	struct wb_settings *s, const char *key, const char *value, const char *source, bool public, struct wb_error *e)
{
	struct wb_option_target target;
	struct wb_setting *old;
	char env[WB_OPTIONS_KEY_SIZE];

	if (!wb_options_find(s->table, key, &target))
		return unknown_key(s, key, source, e);
	if (public && target.secret && !target.file_form) {
		wb_options_env_name(key, env);
		return wb_error_set(e, WB_EINVAL,
			"%s (from %s): refused, because every user of the machine can read a command line; use %s, "
			"%s_FILE, %s.file or the configuration file",
			key, source, env, env, key);
	}
	old = setting_of(s, &target);
	if (old && old->target.file_form != target.file_form)
		return wb_error_set(e, WB_EINVAL, "%s (from %s) and %s (from %s) exclude each other; give one of them",
			old->key, old->source, key, source);
	if (old) {
		free(old->key);
		free_wiped(old->value);
		free(old->source);
	} else {
		s->items = wb_xrealloc(s->items, (s->count + 1) * sizeof *s->items);
		old = &s->items[s->count++];
	}
	*old = (struct wb_setting){ target, wb_xstrdup(key), wb_xstrdup(value), wb_xstrdup(source) };
	if (target.subkey) /* into our own copy of the key */
		old->target.subkey = old->key + strlen(target.option->key);
	return WB_OK;
}

struct file_reading {
	struct wb_settings *settings;
	const char *path;
	bool refused; /* a pair was, with a sentence that names the file */
};

static enum wb_err put_pair(void *arg, const char *key, const char *value, size_t line, struct wb_error *e)
{
	struct file_reading *f = arg;
	char source[256];
	enum wb_err err;

	(void)snprintf(source, sizeof source, "%.200s:%zu", f->path, line); /* a long path is cut */
	err = wb_settings_put(f->settings, key, value, source, false, e);
	f->refused = err != WB_OK;
	return err;
}

enum wb_err wb_settings_put_file(struct wb_settings *s, const char *path, struct wb_error *e)
{
	struct file_reading reading = { .settings = s, .path = path };
	struct wb_error why = { "" };
	enum wb_err err;
	struct wb_buf text;

	wb_buf_init(&text, CONFIG_MAX_BYTES);
	err = wb_file_read(path, &text, &why);
	if (!err)
		err = wb_properties_read(wb_buf_slice(&text), put_pair, &reading, &why);
	if (err && reading.refused)
		err = wb_error_set(e, WB_EINVAL, "%s", why.text);
	else if (err)
		err = wb_error_set(e, WB_EINVAL, "--config %.100s: %s", path, why.text);
	wb_crypto_wipe(text.data, text.cap);
	wb_buf_release(&text);
	return err;
}

/* Empty is as good as absent: compose files and charts set variables for which nobody gave a value. */
static const char *env_value(char **env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return (*env)[len + 1] ? *env + len + 1 : NULL;
	}
	return NULL;
}

static enum wb_err put_env_key(struct wb_settings *s, char **env, const char *key, struct wb_error *e)
{
	char name[WB_OPTIONS_KEY_SIZE], source[WB_OPTIONS_KEY_SIZE + 16];
	const char *value;

	wb_options_env_name(key, name);
	value = env_value(env, name);
	if (!value)
		return WB_OK;
	(void)snprintf(source, sizeof source, "environment %s", name); /* fits: 12 bytes more than name */
	return wb_settings_put(s, key, value, source, false, e);
}

static enum wb_err put_env_row(struct wb_settings *s, char **env, const struct wb_option *o, struct wb_error *e)
{
	char file_key[WB_OPTIONS_KEY_SIZE];
	enum wb_err err = put_env_key(s, env, o->key, e);

	if (err || !o->secret)
		return err;
	(void)snprintf(file_key, sizeof file_key, "%s.file", o->key); /* keys are short */
	return put_env_key(s, env, file_key, e);
}

/* The key that an environment variable under the prefix means; false for one that is none of our business. */
static bool prefix_key(const struct wb_option *o, const char *variable, char ret[WB_OPTIONS_KEY_SIZE])
{
	char start[WB_OPTIONS_KEY_SIZE], name[WB_OPTIONS_KEY_SIZE];
	const char *equals = strchr(variable, '=');
	size_t len = equals ? (size_t)(equals - variable) : 0;

	wb_options_env_name(o->key, start);
	if (len <= strlen(start) || len >= sizeof name || memcmp(variable, start, strlen(start)) != 0)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = i < len ? variable[i] : '\0';

		name[i] = c;
		ret[i] = c == '_' ? '.' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return !wb_options_foreign_env(name);
}

static enum wb_err put_env_prefix(struct wb_settings *s, char **env, const struct wb_option *o, struct wb_error *e)
{
	struct wb_option_target target;
	char key[WB_OPTIONS_KEY_SIZE];

	for (char **variable = env; *variable; variable++) {
		enum wb_err err;

		/* A key with a row of its own was read as that row. */
		if (!prefix_key(o, *variable, key) || !wb_options_find(s->table, key, &target) || target.option != o)
			continue;
		err = put_env_key(s, env, key, e);
		if (err)
			return err;
	}
	return WB_OK;
}

enum wb_err wb_settings_put_env(struct wb_settings *s, char **env, struct wb_error *e)
{
	for (size_t g = 0; g < s->table->group_count; g++) {
		for (size_t i = 0; i < s->table->groups[g].count; i++) {
			const struct wb_option *o = &s->table->groups[g].options[i];
			enum wb_err err = o->type == WB_OPT_PREFIX ? put_env_prefix(s, env, o, e)
								   : put_env_row(s, env, o, e);

			if (err)
				return err;
		}
	}
	return WB_OK;
}
