/* What the files of common/base/options*.c share: finding keys, gathering settings from their sources, storing them.
 *
 * A setting is a key with the value and the source that won so far. It is text until wb_options_store reads it.
 * Not for others: common/base/options.h is the interface. Not thread-safe; used once at start.
 */
#ifndef WB_COMMON_BASE_OPTIONS_INTERNAL_H
#define WB_COMMON_BASE_OPTIONS_INTERNAL_H

#include "common/base/options.h"
#include "common/base/strict.h"

#define WB_OPTIONS_KEY_SIZE 160 /* longest key or environment name with its zero */

/* What a key means to a table. */
struct wb_option_target {
	const struct wb_option *option;
	size_t offset;      /* of the option's member in the program's config struct */
	const char *subkey; /* for a prefix row: the rest of the key; points into it. Else NULL */
	size_t subkey_len;  /* without ".file" */
	bool file_form;     /* the value is the name of a file that holds the secret */
	bool secret;
};

struct wb_setting {
	struct wb_option_target target;
	char *key;    /* as given */
	char *value;
	char *source; /* "environment HTTP_LISTEN", "--set", "app.properties:3" */
};

struct wb_settings {
	const struct wb_option_table *table;
	struct wb_setting *items;
	size_t count;
};

/* False when the table knows no such key. ret->subkey points into key. */
bool wb_options_find(const struct wb_option_table *t, const char *key, struct wb_option_target *ret) WB_MUST_USE;
/* The nearest known key, when it is near enough to be what was meant; else false. */
bool wb_options_suggest(const struct wb_option_table *t, const char *key, char ret[WB_OPTIONS_KEY_SIZE]) WB_MUST_USE;
/* How many single insertions, deletions, replacements and swaps of neighbours make b of a; both below 64 bytes,
 * otherwise SIZE_MAX. */
size_t wb_options_distance(const char *a, const char *b);
/* cosmos.endpoint -> COSMOS_ENDPOINT, cut to fit. */
void wb_options_env_name(const char *key, char ret[WB_OPTIONS_KEY_SIZE]);
/* Whether a pass-through key names a secret, by how such keys end. */
bool wb_options_secret_key(const char *key, size_t len);
/* Whether an environment variable under a prefix belongs to someone else (Kafka's shell scripts, Kubernetes). */
bool wb_options_foreign_env(const char *name);

/* Puts one value in, over an earlier one of the same key. WB_EINVAL with a sentence for an unknown key, for a secret
 * where public is set (argv), and when a secret comes both as itself and as a file. */
enum wb_err wb_settings_put(struct wb_settings *s, const char *key, const char *value, const char *source, bool public,
	struct wb_error *e) WB_MUST_USE;
enum wb_err wb_settings_put_file(struct wb_settings *s, const char *path, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_settings_put_env(struct wb_settings *s, char **env, struct wb_error *e) WB_MUST_USE;
/* Frees and wipes. */
void wb_settings_release(struct wb_settings *s);

/* Reads defaults and settings into config; checks types, ranges and what is required. */
enum wb_err wb_options_store(const struct wb_settings *s, void *config, struct wb_error *e) WB_MUST_USE;

/* The type, as help and documentation call it: "text", "size" … */
const char *wb_options_type_text(const struct wb_option *o);
/* The default as people write it, "" when there is none. */
void wb_options_default_text(const struct wb_option *o, struct wb_buf *ret);
/* What is allowed: a range or the choices; "" when anything is. */
void wb_options_allowed_text(const struct wb_option *o, struct wb_buf *ret);

/* The texts of --help and --markdown. */
void wb_options_help(const struct wb_option_table *t, struct wb_buf *ret);
void wb_options_markdown(const struct wb_option_table *t, struct wb_buf *ret);

#endif
