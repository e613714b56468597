#include "producer/job_key.h"

#include <assert.h>
#include <stdbool.h>

/* Names what is hashed and how; a change of either needs another word. */
#define JOB_DOMAIN "writebehind job 1"
#define KEY_DOMAIN "writebehind key 1"

static enum wb_err refuse(struct wb_error *why)
{
	return wb_error_set(why, WB_EINVAL,
		"Idempotency-Key must be 1 to %d visible ASCII characters, or a string of as many in quotes, where \\ "
		"may stand "
		"before \" and \\ only",
		WB_IDEMPOTENCY_KEY_LEN_MAX);
}

static struct wb_slice trimmed(struct wb_slice s)
{
	while (s.len && (*s.data == ' ' || *s.data == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Appends a character; false when it may not stand in a key, or the key is full. */
static bool put(struct wb_idempotency_key *key, char c, char lowest)
{
	if (c < lowest || c > '~' || key->len == WB_IDEMPOTENCY_KEY_LEN_MAX)
		return false;
	key->text[key->len++] = c;
	return true;
}

/* RFC 8941, section 3.3.3; s is what stands behind the first quote. */
static bool unquote(struct wb_slice s, struct wb_idempotency_key *key)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '"')
			return i + 1 == s.len;
		if (c == '\\') {
			if (++i == s.len || (s.data[i] != '"' && s.data[i] != '\\'))
				return false;
			c = s.data[i];
		}
		if (!put(key, c, ' '))
			return false;
	}
	return false;
}

enum wb_err wb_idempotency_key_parse(struct wb_slice header, struct wb_idempotency_key *ret, struct wb_error *why)
{
	struct wb_idempotency_key key = { 0 };
	struct wb_slice s = trimmed(header);
	bool good = true;

	if (s.len && *s.data == '"') {
		good = unquote(wb_slice(s.data + 1, s.len - 1), &key);
	} else {
		for (size_t i = 0; good && i < s.len; i++)
			good = put(&key, s.data[i], '!');
	}
	if (!good || key.len == 0)
		return refuse(why);
	*ret = key;
	return WB_OK;
}

#define PARTS_MAX 10
#define PART_MAX  255

/* A part as it is hashed: what it is, its length, its bytes, so that no two lists of parts are one text. Long ones go in
 * as their digests, and an absent part is not an empty one. */
static size_t put_part(struct wb_slice part, uint8_t *ret)
{
	enum { ABSENT, TEXT, DIGEST };

	ret[0] = !part.data ? ABSENT : part.len <= PART_MAX ? TEXT : DIGEST;
	ret[1] = (uint8_t)(ret[0] == TEXT ? part.len : ret[0] == DIGEST ? WB_SHA256_SIZE : 0);
	if (ret[0] == DIGEST)
		wb_crypto_sha256(part, ret + 2);
	else if (ret[0] == TEXT && part.len)
		memcpy(ret + 2, part.data, part.len);
	return 2U + ret[1];
}

static void hash_parts(const struct wb_slice *parts, size_t count, uint8_t ret[WB_SHA256_SIZE])
{
	uint8_t text[PARTS_MAX * (2 + PART_MAX)];
	size_t len = 0;

	assert(count <= PARTS_MAX);
	for (size_t i = 0; i < count; i++)
		len += put_part(parts[i], text + len);
	wb_crypto_sha256(wb_slice((const char *)text, len), ret);
}

void wb_job_key_id(const struct wb_job_key_request *request, char ret[WB_JOB_ID_SIZE])
{
	const struct wb_slice parts[] = {
		WB_SLICE_LIT(JOB_DOMAIN),
		request->principal,
		request->key,
		request->database,
		request->container,
		request->op,
		request->callback,
		request->content_type,
		request->content_encoding,
		{ (const char *)request->body_sha256, WB_SHA256_SIZE },
	};
	uint8_t digest[WB_SHA256_SIZE];

	hash_parts(parts, WB_ARRAY_LEN(parts), digest);
	wb_hex_encode(digest, WB_JOB_ID_LEN / 2, ret);
}

void wb_job_key_digest(struct wb_slice principal, struct wb_slice key, uint8_t ret[WB_JOB_KEY_SIZE])
{
	const struct wb_slice parts[] = { WB_SLICE_LIT(KEY_DOMAIN), principal, key };
	uint8_t digest[WB_SHA256_SIZE];

	hash_parts(parts, WB_ARRAY_LEN(parts), digest);
	memcpy(ret, digest, WB_JOB_KEY_SIZE);
}
