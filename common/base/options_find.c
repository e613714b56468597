#include "common/base/options_internal.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(s + len - end_len, end, end_len) == 0;
}

bool wb_options_secret_key(const char *key, size_t len)
{
	/* librdkafka's names of 2.x (its CONFIGURATION.md), and Java's sasl.jaas.config, which people copy over. */
	static const char *const ends[] = { "password", "passphrase", "secret", "key.pem", "token", "jaas.config",
		"oauthbearer.config" };

	for (size_t i = 0; i < WB_ARRAY_LEN(ends); i++) {
		if (ends_with(key, len, ends[i]))
			return true;
	}
	return false;
}

bool wb_options_foreign_env(const char *name)
{
	/* Kafka's shell scripts and images; Kubernetes sets the others for a service that is called kafka. */
	static const char *const names[] = { "KAFKA_HOME", "KAFKA_VERSION", "KAFKA_OPTS", "KAFKA_HEAP_OPTS",
		"KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_LOG4J_CMD_OPTS", "KAFKA_GC_LOG_OPTS",
		"KAFKA_JMX_OPTS", "KAFKA_JMX_PORT", "KAFKA_PORT", "KAFKA_SERVICE_HOST" };
	static const char *const starts[] = { "KAFKA_PORT_", "KAFKA_SERVICE_PORT" };

	for (size_t i = 0; i < WB_ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(starts); i++) {
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

void wb_options_env_name(const char *key, char ret[WB_OPTIONS_KEY_SIZE])
{
	size_t i;

	for (i = 0; key[i] && i + 1 < WB_OPTIONS_KEY_SIZE; i++)
		ret[i] = key[i] == '.' ? '_' : key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 32) : key[i];
	ret[i] = '\0';
}

/* A row that is exactly the len bytes at key, or NULL. */
static bool find_row(
	const struct wb_option_table *t, const char *key, size_t len, bool secret_only, struct wb_option_target *ret)
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];

			if (o->type == WB_OPT_PREFIX || strlen(o->key) != len || memcmp(o->key, key, len) != 0 ||
				(secret_only && !o->secret))
				continue;
			*ret = (struct wb_option_target){
				.option = o,
				.offset = t->groups[g].base + o->offset,
				.secret = o->secret,
				.file_form = secret_only,
			};
			return true;
		}
	}
	return false;
}

static bool find_prefix(const struct wb_option_table *t, const char *key, struct wb_option_target *ret)
{
	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			size_t prefix_len = strlen(o->key);

			if (o->type != WB_OPT_PREFIX || strncmp(key, o->key, prefix_len) != 0 || !key[prefix_len])
				continue;
			*ret = (struct wb_option_target){
				.option = o,
				.offset = t->groups[g].base + o->offset,
				.subkey = key + prefix_len,
				.subkey_len = strlen(key + prefix_len),
			};
			return true;
		}
	}
	return false;
}

bool wb_options_find(const struct wb_option_table *t, const char *key, struct wb_option_target *ret)
{
	size_t len = strlen(key), file_len = strlen(".file");
	bool is_file = ends_with(key, len, ".file");

	if (len + file_len >= WB_OPTIONS_KEY_SIZE)
		return false;
	if (find_row(t, key, len, false, ret) || (is_file && find_row(t, key, len - file_len, true, ret)))
		return true;
	if (!find_prefix(t, key, ret))
		return false;
	ret->secret = wb_options_secret_key(ret->subkey, ret->subkey_len);
	if (!ret->secret && is_file && wb_options_secret_key(ret->subkey, ret->subkey_len - file_len)) {
		ret->subkey_len -= file_len;
		ret->secret = ret->file_form = true;
	}
	return true;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t wb_options_distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	size_t len_a = strlen(a), len_b = strlen(b);
	size_t rows[3][MAX + 1]; /* of the table of prefixes: two before, one before, this one */

	if (len_a >= MAX || len_b >= MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[len_a % 3][len_b];
}

/* The key with its beginning put right, where that is a prefix row's but for a slip. */
static bool suggest_prefix(const struct wb_option *o, const char *key, char ret[WB_OPTIONS_KEY_SIZE])
{
	const char *dot = strchr(key, '.');
	char start[WB_OPTIONS_KEY_SIZE];

	if (!dot || strlen(key) + strlen(o->key) >= WB_OPTIONS_KEY_SIZE)
		return false;
	(void)snprintf(start, sizeof start, "%.*s", (int)(dot + 1 - key), key); /* fits: just measured */
	if (wb_options_distance(start, o->key) > 1)
		return false;
	(void)snprintf(ret, WB_OPTIONS_KEY_SIZE, "%s%s", o->key, dot + 1); /* fits too */
	return true;
}

bool wb_options_suggest(const struct wb_option_table *t, const char *key, char ret[WB_OPTIONS_KEY_SIZE])
{
	size_t best = least(3, strlen(key) / 4) + 1;
	bool found = false;

	for (size_t g = 0; g < t->group_count; g++) {
		for (size_t i = 0; i < t->groups[g].count; i++) {
			const struct wb_option *o = &t->groups[g].options[i];
			size_t distance;

			if (o->type == WB_OPT_PREFIX) {
				if (!found && suggest_prefix(o, key, ret))
					found = true;
				continue;
			}
			distance = wb_options_distance(key, o->key);
			if (distance >= best)
				continue;
			best = distance;
			found = true;
			(void)snprintf(ret, WB_OPTIONS_KEY_SIZE, "%s", o->key); /* keys are short */
		}
	}
	return found;
}
