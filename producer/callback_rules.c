#include "producer/callback_rules.h"

#include "common/base/mem.h"
#include "common/base/strict.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME       "https://"
#define NAME_MAX_LEN 253
#define ENTRIES_MAX  1000
#define PORT_DEFAULT 443
#define LITERAL_SIZE 64

/* Where a URL points to. name: lower case, an IPv6 address with its brackets. */
struct target {
	char name[NAME_MAX_LEN + 3];
	int64_t port;
};

struct wb_callback_rules {
	bool allow_private;
	size_t count;
	struct target *entries; /* a name that begins with "*." stands for what is below it */
};

struct net {
	const char *what;
	uint8_t bytes[16];
	unsigned bits;
};

/* IANA's registries of special-purpose addresses (RFC 6890) and of multicast. */
static const struct net nets4[] = {
	{ "unspecified", { 0 }, 8 },
	{ "private", { 10 }, 8 },
	{ "shared (carrier-grade NAT)", { 100, 64 }, 10 },
	{ "loopback", { 127 }, 8 },
	{ "link-local", { 169, 254 }, 16 },
	{ "private", { 172, 16 }, 12 },
	{ "reserved", { 192, 0, 0 }, 24 },
	{ "for documentation", { 192, 0, 2 }, 24 },
	{ "reserved", { 192, 88, 99 }, 24 },
	{ "private", { 192, 168 }, 16 },
	{ "for benchmarks", { 198, 18 }, 15 },
	{ "for documentation", { 198, 51, 100 }, 24 },
	{ "for documentation", { 203, 0, 113 }, 24 },
	{ "multicast", { 224 }, 4 },
	{ "broadcast", { 255, 255, 255, 255 }, 32 },
	{ "reserved", { 240 }, 4 },
};

static const struct net nets6[] = {
	{ "unspecified", { 0 }, 128 },
	{ "loopback", { [15] = 1 }, 128 },
	{ "discard-only", { 0x01, 0x00 }, 64 },
	{ "reserved", { 0x20, 0x01, 0x00, 0x00 }, 23 }, /* Teredo, ORCHID, benchmarks and others */
	{ "for documentation", { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
	{ "for documentation", { 0x3f, 0xff }, 20 },
	{ "segment routing", { 0x5f, 0x00 }, 16 },
	{ "private", { 0xfc }, 7 },
	{ "link-local", { 0xfe, 0x80 }, 10 },
	{ "private", { 0xfe, 0xc0 }, 10 }, /* site-local, as it was */
	{ "multicast", { 0xff }, 8 },
};

/* Nets of IPv6 that stand for addresses of IPv4, which begin at byte `at`. */
static const struct {
	struct net net;
	unsigned at;
} embedding[] = {
	{ { "IPv4-mapped", { [10] = 0xff, [11] = 0xff }, 96 }, 12 },
	{ { "IPv4-compatible", { 0 }, 96 }, 12 },
	{ { "IPv4-translated", { [8] = 0xff, [9] = 0xff }, 96 }, 12 },
	{ { "NAT64", { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 },
	{ { "6to4", { 0x20, 0x02 }, 16 }, 2 },
};

/* The operator's own NAT64 prefix may be any; what stands in it is not known, so it is local. */
static const struct net nat64_local = { "private", { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 };

static bool within(const struct net *net, const uint8_t *bytes)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	return memcmp(net->bytes, bytes, whole) == 0 &&
		(rest == 0 || ((net->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0);
}

static const char *find_net(const struct net *nets, size_t count, const uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++) {
		if (within(&nets[i], bytes))
			return nets[i].what;
	}
	return NULL;
}

static const char *special6(const uint8_t *bytes)
{
	const char *what = find_net(nets6, WB_ARRAY_LEN(nets6), bytes);

	if (what || within(&nat64_local, bytes))
		return what ? what : nat64_local.what;
	for (size_t i = 0; i < WB_ARRAY_LEN(embedding); i++) {
		if (within(&embedding[i].net, bytes))
			return find_net(nets4, WB_ARRAY_LEN(nets4), bytes + embedding[i].at);
	}
	/* What else has no place in the global unicast space (2000::/3). */
	return bytes[0] >> 5 == 1 ? NULL : "reserved";
}

const char *wb_callback_rules_refuse(const struct wb_callback_rules *rules, const uint8_t *bytes, size_t len)
{
	if (len != 4 && len != 16)
		return "of an unknown family";
	if (rules->allow_private)
		return NULL;
	return len == 4 ? find_net(nets4, WB_ARRAY_LEN(nets4), bytes) : special6(bytes);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_alnum(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* Labels of letters, digits, dashes and underscores with dots between them, none of them empty. */
static bool is_name(struct wb_slice name)
{
	char before = '.';

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; before = name.data[i++]) {
		char c = name.data[i];

		if (c == '.' ? before == '.' : !is_alnum(c) && c != '-' && c != '_')
			return false;
	}
	return before != '.';
}

/* An address in brackets. */
static bool is_literal6(struct wb_slice name)
{
	char text[LITERAL_SIZE];
	uint8_t bytes[16];

	if (name.len < 4 || name.len >= sizeof text || name.data[0] != '[' || name.data[name.len - 1] != ']')
		return false;
	(void)snprintf(text, sizeof text, "%.*s", (int)name.len - 2, name.data + 1); /* fits */
	return inet_pton(AF_INET6, text, bytes) == 1;
}

static bool parse_port(struct wb_slice text, int64_t *ret)
{
	return text.len <= 5 && wb_strict_int64(text, 1, 65535, ret, NULL) == WB_OK;
}

/* A host with its port, of a URL or of the list. */
static bool parse_target(struct wb_slice text, bool wildcard, struct target *ret)
{
	const char *end = text.len && text.data[0] == '[' ? memchr(text.data, ']', text.len) : text.data;
	const char *colon = end ? memchr(end, ':', text.len - (size_t)(end - text.data)) : NULL;
	struct wb_slice name = colon ? wb_slice(text.data, (size_t)(colon - text.data)) : text, port;
	size_t skip = wildcard && name.len > 2 && memcmp(name.data, "*.", 2) == 0 ? 2 : 0;
	struct target target = { .port = PORT_DEFAULT };

	if (!is_name(wb_slice(name.data + skip, name.len - skip)) && !is_literal6(name))
		return false;
	if (colon) {
		port = wb_slice(colon + 1, text.len - name.len - 1);
		if (!parse_port(port, &target.port))
			return false;
	}
	for (size_t i = 0; i < name.len; i++)
		target.name[i] = lower(name.data[i]);
	*ret = target;
	return true;
}

static bool covers(const struct target *entry, const struct target *target)
{
	size_t entry_len = strlen(entry->name), len = strlen(target->name);

	if (entry->port != target->port)
		return false;
	if (entry->name[0] != '*')
		return strcmp(entry->name, target->name) == 0;
	/* "*.example.com": what ends in ".example.com". */
	return len >= entry_len && strcmp(entry->name + 1, target->name + len - (entry_len - 1)) == 0;
}

static struct wb_slice trimmed(struct wb_slice text)
{
	while (text.len && text.data[0] == ' ')
		text = wb_slice(text.data + 1, text.len - 1);
	while (text.len && text.data[text.len - 1] == ' ')
		text.len--;
	return text;
}

struct wb_callback_rules *wb_callback_rules_new(const char *hosts, bool allow_private, struct wb_error *e)
{
	struct wb_callback_rules *rules = wb_xcalloc(1, sizeof *rules);
	const char *at = hosts;

	rules->allow_private = allow_private;
	for (;;) {
		size_t len = strcspn(at, ",");
		struct wb_slice entry = trimmed(wb_slice(at, len));
		struct target target;

		if (!parse_target(entry, true, &target) || rules->count == ENTRIES_MAX) {
			(void)wb_error_set(e, WB_EINVAL,
				"callback.hosts: \"%.*s\" is no host; allowed are up to %d names such as example.com, "
				"*.example.com and example.com:8443, with commas between them",
				entry.len > 100 ? 100 : (int)entry.len, entry.data, ENTRIES_MAX);
			wb_callback_rules_free(&rules);
			return NULL;
		}
		rules->entries = wb_xrealloc(rules->entries, (rules->count + 1) * sizeof *rules->entries);
		rules->entries[rules->count++] = target;
		if (!at[len])
			return rules;
		at += len + 1;
	}
}

void wb_callback_rules_free(struct wb_callback_rules **rules)
{
	if (*rules)
		free((*rules)->entries);
	free(*rules);
	*rules = NULL;
}

/* The part between the scheme and the path; absent when it is no https URL. */
static struct wb_slice authority_of(struct wb_slice url)
{
	const size_t skip = sizeof SCHEME - 1;
	struct wb_slice rest;
	size_t len = 0;

	if (url.len < skip)
		return wb_slice(NULL, 0);
	for (size_t i = 0; i < skip; i++) {
		if (lower(url.data[i]) != SCHEME[i])
			return wb_slice(NULL, 0);
	}
	rest = wb_slice(url.data + skip, url.len - skip);
	while (len < rest.len && !strchr("/?#", rest.data[len]))
		len++;
	return wb_slice(rest.data, len);
}

/* Characters of RFC 3986, so that no two readers of the URL see different ones in it. */
static bool is_url_text(struct wb_slice url)
{
	static const char marks[] = "-._~:/?[]@!$&'()*+,;=%";

	for (size_t i = 0; i < url.len; i++) {
		if (!is_alnum(url.data[i]) && (url.data[i] == '\0' || !strchr(marks, url.data[i])))
			return false;
	}
	return true;
}

/* Why the host, where it is an address, is not called; NULL where it may be, or is a name. */
static const char *refused_literal(const struct wb_callback_rules *rules, const struct target *target)
{
	char text[LITERAL_SIZE];
	uint8_t bytes[16];

	if (inet_pton(AF_INET, target->name, bytes) == 1)
		return wb_callback_rules_refuse(rules, bytes, 4);
	if (target->name[0] != '[')
		return NULL;
	(void)snprintf(text, sizeof text, "%.*s", (int)strlen(target->name) - 2, target->name + 1); /* fits */
	return inet_pton(AF_INET6, text, bytes) == 1 ? wb_callback_rules_refuse(rules, bytes, 16) : "malformed";
}

static bool listed(const struct wb_callback_rules *rules, const struct target *target)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (covers(&rules->entries[i], target))
			return true;
	}
	return false;
}

enum wb_err wb_callback_rules_check(const struct wb_callback_rules *rules, struct wb_slice url, struct wb_error *why)
{
	struct wb_slice authority;
	struct target target;
	const char *refused;

	if (!rules)
		return wb_error_set(why, WB_EUNSUPPORTED, "callbacks are not configured here (callback.hosts)");
	if (url.len > WB_CALLBACK_URL_MAX)
		return wb_error_set(why, WB_EINVAL, "the callback has more than %d bytes", WB_CALLBACK_URL_MAX);
	if (url.len && memchr(url.data, '#', url.len))
		return wb_error_set(why, WB_EINVAL, "the callback must not have a fragment (#)");
	if (!is_url_text(url))
		return wb_error_set(
			why, WB_EINVAL, "the callback has a character that must be percent-encoded in a URL");
	authority = authority_of(url);
	if (!authority.data)
		return wb_error_set(why, WB_EINVAL, "the callback must be a URL that begins with https://");
	if (memchr(authority.data, '@', authority.len))
		return wb_error_set(why, WB_EINVAL, "the callback must not name a user (@ before the host)");
	if (!parse_target(authority, false, &target))
		return wb_error_set(why, WB_EINVAL, "the callback's host or port is malformed");
	if (!listed(rules, &target))
		return wb_error_set(why, WB_EUNSUPPORTED,
			"the callback's host and port (%s:%d) are not in the list of those that are called",
			target.name, (int)target.port);
	refused = refused_literal(rules, &target);
	if (refused)
		return wb_error_set(why, WB_EINVAL, "the callback's address is %s; such are not called", refused);
	return WB_OK;
}

void wb_callback_host(struct wb_slice url, char ret[WB_CALLBACK_HOST_MAX])
{
	struct wb_slice authority = authority_of(url);
	struct target target;

	ret[0] = '\0';
	if (!authority.data || !parse_target(authority, false, &target))
		return;
	if (target.port == PORT_DEFAULT)
		(void)snprintf(ret, WB_CALLBACK_HOST_MAX, "%s", target.name); /* fits, here and below */
	else
		(void)snprintf(ret, WB_CALLBACK_HOST_MAX, "%s:%d", target.name, (int)target.port);
}
