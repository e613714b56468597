/* One table of options per program drives parsing, --help, the generated docs/CONFIGURATION.md and validation.
 *
 * Sources, later wins: defaults, --config FILE (Java properties), environment, --set key=value. The environment name
 * of a key is the key in upper case with dots as underscores. An unknown key in the file or on the command line, or a
 * bad value anywhere, is an error that names the key, the source and what is allowed; unknown environment variables
 * are none of our business. Every secret key has a KEY_FILE form (cosmos.key.file, COSMOS_KEY_FILE), and --set is
 * refused for secrets (argv is public). A prefix row (`kafka.`) collects every key under it, from all sources:
 * KAFKA_SASL_PASSWORD becomes kafka.sasl.password.
 * Not thread-safe; used once at start.
 */
#ifndef WB_COMMON_BASE_OPTIONS_H
#define WB_COMMON_BASE_OPTIONS_H

#include "common/base/buf.h"
#include "common/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wb_option_type {
	WB_OPT_STRING,      /* char *, owned by the config struct; NULL when absent and without default */
	WB_OPT_INT,         /* int64_t */
	WB_OPT_BYTES,       /* int64_t */
	WB_OPT_DURATION,    /* int64_t, ms */
	WB_OPT_BOOL,        /* bool */
	WB_OPT_ENUM,        /* int: index into choices */
	WB_OPT_PREFIX,      /* struct wb_option_map: every key that starts with `key` */
};

struct wb_option {
	const char *key;           /* "http.listen"; for a prefix row "kafka." */
	enum wb_option_type type;
	size_t offset;             /* of the member in the group's struct */
	const char *def;           /* default as text, NULL: none */
	int64_t min, max;          /* for INT, BYTES, DURATION */
	const char *choices;       /* for ENUM: "logfmt|json" */
	bool required;
	bool secret;
	const char *help;          /* one sentence, no full stop at the end needed */
};

/* A titled part of a table; several programs may share it. */
struct wb_option_group {
	const char *title;
	const struct wb_option *options;
	size_t count;
	size_t base;               /* offset of the group's struct in the program's config struct */
};

/* Flags and positional arguments that only make sense on the command line ("--json", "--wait", FILE). */
enum wb_flag_type { WB_FLAG_BOOL, WB_FLAG_STRING, WB_FLAG_INT };
struct wb_flag {
	const char *name;          /* without dashes: "unchecked" */
	char letter;               /* or 0 */
	enum wb_flag_type type;    /* bool, char * (owned by argv), int64_t */
	size_t offset;             /* in the program's config struct */
	int64_t min, max;
	const char *arg;           /* "N" in help; NULL for BOOL */
	const char *help;
};

struct wb_option_table {
	const char *program;       /* "writebehind-producer" */
	const char *summary;       /* one line */
	const char *usage;         /* "writebehind-publish [options] FILE|-" */
	const char *epilogue;      /* examples and exit codes for --help; may be NULL */
	const struct wb_option_group *groups;
	size_t group_count;
	const struct wb_flag *flags;
	size_t flag_count;
	size_t max_positionals;    /* 0: none allowed */
};

struct wb_option_pair {
	char *key, *value;         /* key without the prefix's "kafka." */
	bool secret;               /* looks like a secret: …password, …secret, …key.pem, sasl.oauthbearer.config … */
};
struct wb_option_map {
	struct wb_option_pair *pairs;
	size_t count;
};

enum wb_options_result {
	WB_OPTIONS_RUN,     /* go on */
	WB_OPTIONS_DONE,    /* --help, --version or --markdown was printed to standard output: exit 0 */
	WB_OPTIONS_BAD,     /* the error says why: print it, exit 2 */
};

/* Reads everything into config (zeroed by the caller). env: the process's environment. Positional arguments (owned by
 * argv) go to ret_positionals (may be NULL when none are allowed; has max_positionals places).
 * Prints to standard output only for --help (plain text that fits 100 columns), --version and --markdown. */
enum wb_options_result wb_options_parse(const struct wb_option_table *t, int argc, char **argv, char **env,
	void *config, const char **ret_positionals, size_t *ret_count, struct wb_error *e) WB_MUST_USE;
/* Frees strings and maps in config. Secrets are wiped. */
void wb_options_release(const struct wb_option_table *t, void *config);
/* Appends "key=value" lines of the effective configuration, secrets as "***". */
void wb_options_print(const struct wb_option_table *t, const void *config, struct wb_buf *ret);

#endif
