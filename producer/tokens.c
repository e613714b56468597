#include "producer/tokens.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX     "wb_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define RANDOM_LEN 32

/* What errors are told with: the file, and the token that is read. */
struct reading {
	const char *source;
	size_t index; /* from 0 */
	const char *name; /* NULL: not known yet */
	struct wb_error *error;
};

/* The form of tokens */

static bool base64url_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool wb_token_form(struct wb_slice text)
{
	if (text.len != WB_TOKEN_LEN || memcmp(text.data, PREFIX, PREFIX_LEN) != 0)
		return false;
	for (size_t i = PREFIX_LEN; i < text.len; i++) {
		if (!base64url_digit(text.data[i]))
			return false;
	}
	return true;
}

/* Anything that begins like a token may be one, mistyped or cut. */
static bool may_be_token(const char *text)
{
	return strncmp(text, PREFIX, PREFIX_LEN) == 0;
}

void wb_token_make(char ret[WB_TOKEN_SIZE])
{
	uint8_t bits[RANDOM_LEN];
	struct wb_buf text;

	wb_crypto_random(bits, sizeof bits);
	wb_buf_init(&text, 2 * WB_TOKEN_SIZE);
	wb_base64_encode(wb_slice((const char *)bits, sizeof bits), &text);
	if (wb_buf_status(&text) != WB_OK)
		wb_mem_gone();
	memcpy(ret, PREFIX, PREFIX_LEN);
	for (size_t i = PREFIX_LEN; i < WB_TOKEN_LEN; i++) {
		char digit = text.data[i - PREFIX_LEN];

		ret[i] = digit;
		if (digit == '+')
			ret[i] = '-';
		if (digit == '/')
			ret[i] = '_';
	}
	ret[WB_TOKEN_LEN] = '\0';
	wb_crypto_wipe(bits, sizeof bits);
	wb_crypto_wipe(text.data, text.cap);
	wb_buf_release(&text);
}

/* Looking up */

/* 1 for equal digests, else 0, in the same time: no branch depends on them. */
static uint64_t digests_equal(const uint8_t a[WB_SHA256_SIZE], const uint8_t b[WB_SHA256_SIZE])
{
	uint64_t left[WB_SHA256_SIZE / 8], right[WB_SHA256_SIZE / 8], differing = 0;

	memcpy(left, a, sizeof left);
	memcpy(right, b, sizeof right);
	for (size_t i = 0; i < WB_SHA256_SIZE / 8; i++)
		differing |= left[i] ^ right[i];
	return 1 ^ ((differing | (0 - differing)) >> 63);
}

const struct wb_token *wb_tokens_find(const struct wb_tokens *t, struct wb_slice presented)
{
	uint8_t digest[WB_SHA256_SIZE];
	uint64_t found = 0;

	if (!wb_token_form(presented))
		return NULL;
	wb_crypto_sha256(presented, digest);
	for (size_t i = 0; i < t->count; i++)
		found |= (0 - digests_equal(digest, t->items[i].sha256)) & (i + 1);
	wb_crypto_wipe(digest, sizeof digest);
	return found ? &t->items[found - 1] : NULL;
}

bool wb_token_names_allow(const struct wb_token_names *names, struct wb_slice name)
{
	bool allowed = names->any;

	for (size_t i = 0; i < names->count; i++)
		allowed |= wb_slice_eq(wb_slice_cstr(names->names[i]), name); /* an absent name is as good as "" */
	return allowed;
}

/* Reading */

static enum wb_err refuse(const struct reading *r, const char *member, const char *why)
{
	return wb_error_set(r->error, WB_EINVAL, "%s: token %zu%s%s%s: %s %s", r->source, r->index + 1,
		r->name ? " (" : "", r->name ? r->name : "", r->name ? ")" : "", member, why);
}

static enum wb_err check_members(
	const struct reading *r, const json_t *object, const char *where, const char *const *known)
{
	char why[160];
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value) { /* only read */
		size_t i = 0;

		while (known[i] && strcmp(known[i], name) != 0)
			i++;
		if (known[i])
			continue;
		(void)snprintf(why, sizeof why, "has an unknown member %.40s", may_be_token(name) ? "" : name);
		return refuse(r, where, why);
	}
	return WB_OK;
}

static bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len > WB_TOKEN_NAME_MAX || strlen(name) != len || may_be_token(name))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!base64url_digit(name[i]) && name[i] != '.' && name[i] != '@')
			return false;
	}
	return true;
}

static enum wb_err read_name(struct reading *r, const json_t *value, struct wb_token *ret)
{
	if (!json_is_string(value))
		return refuse(r, "\"name\"", "must be there, and a string");
	if (!name_valid(json_string_value(value), json_string_length(value)))
		return refuse(
			r, "\"name\"", "must have 1 to 64 letters, digits and . _ - @, and must not begin with wb_");
	if (strcmp(json_string_value(value), "anonymous") == 0)
		return refuse(r, "\"name\"", "must not be anonymous: that is who has no token");
	ret->name = wb_xstrdup(json_string_value(value));
	r->name = ret->name;
	return WB_OK;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum wb_err read_sha256(const struct reading *r, const json_t *value, struct wb_token *ret)
{
	const char *text = json_string_value(value);

	if (text && may_be_token(text))
		return refuse(r, "\"sha256\"",
			"holds what looks like a token; its SHA-256 belongs there, and the token nowhere");
	if (!text || json_string_length(value) != 2 * WB_SHA256_SIZE)
		return refuse(r, "\"sha256\"", "must be a string of 64 hexadecimal digits in lower case");
	for (size_t i = 0; i < WB_SHA256_SIZE; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return refuse(r, "\"sha256\"", "must be a string of 64 hexadecimal digits in lower case");
		ret->sha256[i] = (uint8_t)(high << 4 | low);
	}
	return WB_OK;
}

static enum wb_err read_scopes(const struct reading *r, const json_t *value, struct wb_token *ret)
{
	size_t i;
	const json_t *scope;

	if (json_array_size(value) == 0)
		return refuse(r, "\"scopes\"", "must be an array with \"publish\", \"read\" or both");
	json_array_foreach(value, i, scope) {
		const char *word = json_string_value(scope);

		if (word && strcmp(word, "publish") == 0)
			ret->scopes |= WB_SCOPE_PUBLISH;
		else if (word && strcmp(word, "read") == 0)
			ret->scopes |= WB_SCOPE_READ;
		else
			return refuse(r, "\"scopes\"", "may hold \"publish\" and \"read\", nothing else");
	}
	return WB_OK;
}

static enum wb_err read_names(
	const struct reading *r, const char *member, const json_t *value, struct wb_token_names *ret)
{
	size_t i;
	const json_t *name;

	if (!json_is_array(value))
		return refuse(r, member, "must be there, and an array of names; [\"*\"] is every name");
	ret->names = wb_xcalloc(json_array_size(value) + 1, sizeof *ret->names);
	json_array_foreach(value, i, name) {
		if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name))
			return refuse(r, member, "may hold names only");
		if (strcmp(json_string_value(name), "*") == 0)
			ret->any = true;
		ret->names[ret->count++] = wb_xstrdup(json_string_value(name));
	}
	return WB_OK;
}

static enum wb_err read_number(
	const struct reading *r, const json_t *rate, const char *member, int64_t max, int64_t *ret)
{
	const json_t *value = json_object_get(rate, member);
	char where[64], why[80];

	if (!value)
		return WB_OK;
	if (json_is_integer(value) && json_integer_value(value) >= 1 && json_integer_value(value) <= max) {
		*ret = json_integer_value(value);
		return WB_OK;
	}
	(void)snprintf(where, sizeof where, "\"rate\".\"%s\"", member); /* fits */
	(void)snprintf(why, sizeof why, "must be a whole number from 1 to %lld", (long long)max);
	return refuse(r, where, why);
}

static enum wb_err read_rate(const struct reading *r, const json_t *value, struct wb_token_rate *ret)
{
	static const char *const known[] = { "requestsPerSecond", "documentsPerSecond", "burstSeconds", NULL };
	enum wb_err err;

	ret->burst_s = 1;
	if (!value)
		return WB_OK;
	if (!json_is_object(value))
		return refuse(r, "\"rate\"", "must be an object");
	err = check_members(r, value, "\"rate\"", known);
	if (err == WB_OK)
		err = read_number(r, value, known[0], WB_TOKEN_RATE_MAX, &ret->requests_per_s);
	if (err == WB_OK)
		err = read_number(r, value, known[1], WB_TOKEN_RATE_MAX, &ret->documents_per_s);
	if (err == WB_OK)
		err = read_number(r, value, known[2], WB_TOKEN_BURST_MAX, &ret->burst_s);
	return err;
}

static enum wb_err read_expiry(const struct reading *r, const json_t *value, int64_t *ret)
{
	*ret = INT64_MAX;
	if (!value)
		return WB_OK;
	if (!json_is_string(value) ||
		!wb_clock_parse_rfc3339(wb_slice(json_string_value(value), json_string_length(value)), ret))
		return refuse(r, "\"expires\"", "must be a time, like \"2027-01-01T00:00:00Z\"");
	return WB_OK;
}

static enum wb_err read_token(struct reading *r, const json_t *value, struct wb_token *ret)
{
	static const char *const known[] = { "name", "sha256", "scopes", "databases", "containers", "rate", "expires",
		NULL };
	enum wb_err err;

	if (!json_is_object(value))
		return refuse(r, "it", "must be an object");
	err = read_name(r, json_object_get(value, "name"), ret);
	if (err == WB_OK)
		err = check_members(r, value, "it", known);
	if (err == WB_OK)
		err = read_sha256(r, json_object_get(value, "sha256"), ret);
	if (err == WB_OK)
		err = read_scopes(r, json_object_get(value, "scopes"), ret);
	if (err == WB_OK)
		err = read_names(r, "\"databases\"", json_object_get(value, "databases"), &ret->databases);
	if (err == WB_OK)
		err = read_names(r, "\"containers\"", json_object_get(value, "containers"), &ret->containers);
	if (err == WB_OK)
		err = read_rate(r, json_object_get(value, "rate"), &ret->rate);
	if (err == WB_OK)
		err = read_expiry(r, json_object_get(value, "expires"), &ret->expires_ms);
	return err;
}

/* The last token of t against the earlier ones. */
static enum wb_err check_unique(const struct reading *r, const struct wb_tokens *t)
{
	const struct wb_token *last = &t->items[t->count - 1];
	char why[120];

	for (size_t i = 0; i + 1 < t->count; i++) {
		(void)snprintf(why, sizeof why, "is that of token %zu (%s), too", i + 1, t->items[i].name);
		if (strcmp(t->items[i].name, last->name) == 0)
			return refuse(r, "\"name\"", why);
		if (memcmp(t->items[i].sha256, last->sha256, WB_SHA256_SIZE) == 0)
			return refuse(r, "\"sha256\"", why);
	}
	return WB_OK;
}

static enum wb_err read_all(const json_t *root, const char *source, struct wb_tokens *ret, struct wb_error *e)
{
	const json_t *list = json_object_get(root, "tokens"), *value;
	enum wb_err err = WB_OK;
	size_t i;

	if (!json_is_array(list) || json_object_size(root) != 1)
		return wb_error_set(
			e, WB_EINVAL, "%s: must be an object with one member, \"tokens\", an array", source);
	if (json_array_size(list) > WB_TOKENS_MAX)
		return wb_error_set(e, WB_EINVAL, "%s: has %zu tokens, at most %d are allowed", source,
			json_array_size(list), WB_TOKENS_MAX);
	ret->items = wb_xcalloc(json_array_size(list) + 1, sizeof *ret->items);
	json_array_foreach(list, i, value) {
		struct reading r = { .source = source, .index = i, .error = e };

		err = read_token(&r, value, &ret->items[ret->count++]);
		if (err == WB_OK)
			err = check_unique(&r, ret);
		if (err != WB_OK)
			break;
	}
	return err;
}

enum wb_err wb_tokens_parse(struct wb_slice text, const char *source, struct wb_tokens *ret, struct wb_error *e)
{
	struct wb_tokens read = { 0 };
	json_error_t where;
	json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	enum wb_err err;

	/* Not jansson's own words: they cite the text, which may hold a token by mistake. */
	if (!root)
		return wb_error_set(e, WB_EINVAL, "%s: not JSON, or a member stands twice, at line %d, column %d",
			source, where.line, where.column);
	err = read_all(root, source, &read, e);
	json_decref(root);
	if (err != WB_OK)
		wb_tokens_release(&read);
	else
		*ret = read;
	return err;
}

static void release_names(struct wb_token_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

void wb_tokens_release(struct wb_tokens *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->items[i].name);
		release_names(&t->items[i].databases);
		release_names(&t->items[i].containers);
	}
	free(t->items);
	*t = (struct wb_tokens){ 0 };
}
