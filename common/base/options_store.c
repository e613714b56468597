#include "common/base/options_internal.h"

#include "common/base/crypto.h"
#include "common/base/file.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX_BYTES = 64 * 1024 };

static void free_wiped(char *s)
{
	if (s)
		wb_crypto_wipe(s, strlen(s));
	free(s);
}

/* Index of value among the choices of o ("a|b|c"), -1 when it is none. */
static int choice_index(const struct wb_option *o, const char *value)
{
	const char *choice = o->choices;

	for (int i = 0;; i++) {
		size_t len = strcspn(choice, "|");

		if (strlen(value) == len && memcmp(choice, value, len) == 0)
			return i;
		if (!choice[len])
			return -1;
		choice += len + 1;
	}
}

static enum wb_err store_choice(const struct wb_option *o, const char *value, int *member, struct wb_error *e)
{
	int index = choice_index(o, value);
	struct wb_buf allowed;
	enum wb_err err;

	if (index >= 0) {
		*member = index;
		return WB_OK;
	}
	wb_buf_init(&allowed, 256);
	wb_options_allowed_text(o, &allowed);
	err = wb_error_set(e, WB_EINVAL, "unknown choice; allowed are %s", wb_buf_slice(&allowed).data);
	wb_buf_release(&allowed);
	return err;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct wb_option_pair *)a)->key, ((const struct wb_option_pair *)b)->key);
}

/* Pairs are kept sorted, so that what is printed does not depend on the order of the environment. */
static void store_pair(const struct wb_setting *s, const char *value, struct wb_option_map *map)
{
	map->pairs = wb_xrealloc(map->pairs, (map->count + 1) * sizeof *map->pairs);
	map->pairs[map->count++] = (struct wb_option_pair){
		.key = wb_xmemdup(s->target.subkey, s->target.subkey_len),
		.value = wb_xstrdup(value),
		.secret = s->target.secret,
	};
	qsort(map->pairs, map->count, sizeof *map->pairs, compare_keys);
}

static enum wb_err store_value(const struct wb_option *o, const char *value, void *member, struct wb_error *e)
{
	struct wb_slice text = wb_slice_cstr(value);

	switch (o->type) {
	case WB_OPT_STRING:
		free_wiped(*(char **)member);
		*(char **)member = wb_xstrdup(value);
		return WB_OK;
	case WB_OPT_INT:
		return wb_strict_int64(text, o->min, o->max, member, e);
	case WB_OPT_BYTES:
		return wb_strict_bytes(text, o->min, o->max, member, e);
	case WB_OPT_DURATION:
		return wb_strict_duration_ms(text, o->min, o->max, member, e);
	case WB_OPT_BOOL:
		return wb_strict_bool(text, member, e);
	case WB_OPT_ENUM:
		return store_choice(o, value, member, e);
	case WB_OPT_PREFIX:
		break;
	}
	abort(); /* a prefix row's values are pairs */
}

/* Reads the secret that a file holds, without the line feed that editors and `echo` put at its end. */
static enum wb_err read_secret(const struct wb_setting *s, struct wb_buf *ret, struct wb_error *e)
{
	struct wb_error why = { "" };

	if (wb_file_read(s->value, ret, &why))
		return wb_error_set(e, WB_EINVAL, "%s (from %s): %s", s->key, s->source, why.text);
	if (ret->len > 0 && ret->data[ret->len - 1] == '\n')
		wb_buf_truncate(ret, ret->len - 1);
	if (ret->len > 0 && ret->data[ret->len - 1] == '\r')
		wb_buf_truncate(ret, ret->len - 1);
	if (ret->len == 0)
		return wb_error_set(e, WB_EINVAL, "%s (from %s): %s is empty", s->key, s->source, s->value);
	if (strlen(ret->data) != ret->len)
		return wb_error_set(e, WB_EINVAL, "%s (from %s): %s holds a zero byte", s->key, s->source, s->value);
	return WB_OK;
}

static enum wb_err store_setting(const struct wb_setting *s, char *config, struct wb_error *e)
{
	void *member = config + s->target.offset;
	struct wb_error why = { "" };
	const char *value = s->value;
	enum wb_err err = WB_OK;
	struct wb_buf secret;

	wb_buf_init(&secret, SECRET_MAX_BYTES);
	if (s->target.file_form) {
		err = read_secret(s, &secret, e);
		value = wb_buf_slice(&secret).data;
	}
	if (!err && s->target.subkey) {
		store_pair(s, value, member);
	} else if (!err) {
		err = store_value(s->target.option, value, member, &why);
		if (err)
			err = wb_error_set(e, err, "%s=%.100s (from %s): %s", s->key,
				s->target.secret ? "***" : s->value, s->source, why.text);
	}
	wb_crypto_wipe(secret.data, secret.cap);
	wb_buf_release(&secret);
	return err;
}

static void store_defaults(const struct wb_option_table *t, char *config)
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			enum wb_err err = WB_OK;

			if (o->def)
				err = store_value(o, o->def, config + t->groups[g].base + o->offset, NULL);
			assert(err == WB_OK); /* a default that its own row refuses */
			(void)err;
		}
	}
}

static bool is_set(const struct wb_settings *s, const struct wb_option *o)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].target.option == o && s->items[i].value[0])
			return true;
	}
	return false;
}

/* Names everything that is missing at once, so that nobody learns it one start at a time. */
static enum wb_err check_required(const struct wb_settings *s, struct wb_error *e)
{
	const struct wb_option_table *t = s->table;
	struct wb_buf missing;
	enum wb_err err = WB_OK;

	wb_buf_init(&missing, 4096);
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			char env[WB_OPTIONS_KEY_SIZE];

			if (!o->required || o->def || is_set(s, o))
				continue;
			wb_options_env_name(o->key, env);
			wb_buf_appendf(&missing, "%s%s (%s%s%s%s)", missing.len ? ", " : "", o->key, env,
				o->secret ? " or " : "", o->secret ? env : "", o->secret ? "_FILE" : "");
		}
	}
	if (missing.len > 0)
		err = wb_error_set(e, WB_EINVAL, "required, but not set: %s", missing.data);
	wb_buf_release(&missing);
	return err;
}

enum wb_err wb_options_store(const struct wb_settings *s, void *config, struct wb_error *e)
{
	enum wb_err err;

	store_defaults(s->table, config);
	for (size_t i = 0; i < s->count; i++) {
		err = store_setting(&s->items[i], config, e);
		if (err)
			return err;
	}
	return check_required(s, e);
}

static void release_map(struct wb_option_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->pairs[i].key);
		free_wiped(map->pairs[i].value);
	}
	free(map->pairs);
	*map = (struct wb_option_map){ 0 };
}

void wb_options_release(const struct wb_option_table *t, void *config)
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			void *member = (char *)config + t->groups[g].base + o->offset;

			if (o->type == WB_OPT_PREFIX) {
				release_map(member);
			} else if (o->type == WB_OPT_STRING) {
				free_wiped(*(char **)member);
				*(char **)member = NULL;
			}
		}
	}
}

/* The choice of that index as a slice. */
static struct wb_slice choice_text(const struct wb_option *o, int index)
{
	const char *choice = o->choices;

	for (; index > 0 && strchr(choice, '|'); index--)
		choice = strchr(choice, '|') + 1;
	return wb_slice(choice, strcspn(choice, "|"));
}

static void print_value(const struct wb_option *o, const void *member, struct wb_buf *ret)
{
	char text[WB_STRICT_VALUE_SIZE];

	switch (o->type) {
	case WB_OPT_STRING:
		wb_buf_append_slice(ret, wb_slice_cstr(*(char *const *)member));
		return;
	case WB_OPT_INT:
		wb_buf_append_i64(ret, *(const int64_t *)member);
		return;
	case WB_OPT_BYTES:
	case WB_OPT_DURATION:
		wb_strict_value_text(
			o->type == WB_OPT_BYTES ? WB_STRICT_BYTES : WB_STRICT_DURATION, *(const int64_t *)member, text);
		wb_buf_append_cstr(ret, text);
		return;
	case WB_OPT_BOOL:
		wb_buf_append_cstr(ret, *(const bool *)member ? "true" : "false");
		return;
	case WB_OPT_ENUM:
		wb_buf_append_slice(ret, choice_text(o, *(const int *)member));
		return;
	case WB_OPT_PREFIX:
		return;
	}
}

static void print_row(const struct wb_option *o, const void *member, struct wb_buf *ret)
{
	const struct wb_option_map *map = member;

	if (o->type == WB_OPT_PREFIX) {
		for (size_t i = 0; i < map->count; i++)
			wb_buf_appendf(ret, "%s%s=%s\n", o->key, map->pairs[i].key,
				map->pairs[i].secret ? "***" : map->pairs[i].value);
		return;
	}
	if (o->type == WB_OPT_STRING && !*(char *const *)member)
		return;
	wb_buf_appendf(ret, "%s=", o->key);
	if (o->secret)
		wb_buf_append_cstr(ret, "***");
	else
		print_value(o, member, ret);
	wb_buf_append_char(ret, '\n');
}

void wb_options_print(const struct wb_option_table *t, const void *config, struct wb_buf *ret)
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];

			print_row(o, (const char *)config + t->groups[g].base + o->offset, ret);
		}
	}
}
