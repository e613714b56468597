#include "producer/content_digest.h"

#include <stdbool.h>
#include <string.h>

#define NAME         "sha-256"
#define ALLOWED      "sha-256=:<the digest in base64>:"
#define BASE64_BYTES 44 /* of 32 bytes, with padding */

static struct wb_slice skip_space(struct wb_slice s)
{
	while (s.len && (*s.data == ' ' || *s.data == '\t')) {
		s.data++;
		s.len--;
	}
	return s;
}

static size_t key_len(struct wb_slice s)
{
	size_t len = 0;

	while (len < s.len && s.data[len] && strchr("abcdefghijklmnopqrstuvwxyz0123456789_-.*", s.data[len]))
		len++;
	return len;
}

/* Up to the comma that ends the member; one in a string does not. */
static size_t member_len(struct wb_slice s)
{
	bool quoted = false;
	size_t len = 0;

	for (; len < s.len && (quoted || s.data[len] != ','); len++) {
		if (s.data[len] == '"')
			quoted = !quoted;
		else if (quoted && s.data[len] == '\\' && len + 1 < s.len)
			len++;
	}
	return len;
}

/* value: what stands behind the name. Parameters of the value are allowed and mean nothing. */
static bool read_value(struct wb_slice value, uint8_t ret[WB_SHA256_SIZE])
{
	struct wb_slice after;
	struct wb_buf bytes;
	bool good;

	if (value.len < BASE64_BYTES + 3 || memcmp(value.data, "=:", 2) != 0 || value.data[2 + BASE64_BYTES] != ':')
		return false;
	after = skip_space(wb_slice(value.data + BASE64_BYTES + 3, value.len - BASE64_BYTES - 3));
	if (after.len && *after.data != ';')
		return false;
	wb_buf_init(&bytes, WB_SHA256_SIZE + 1);
	good = wb_base64_decode(wb_slice(value.data + 2, BASE64_BYTES), &bytes) == WB_OK && bytes.len == WB_SHA256_SIZE;
	if (good)
		memcpy(ret, bytes.data, WB_SHA256_SIZE);
	wb_buf_release(&bytes);
	return good;
}

enum wb_err wb_content_digest_parse(struct wb_slice header, uint8_t ret[WB_SHA256_SIZE], struct wb_error *why)
{
	struct wb_slice rest = skip_space(header), name = { 0 };
	uint8_t digest[WB_SHA256_SIZE];
	bool found = false;

	while (rest.len) {
		size_t len = member_len(rest);

		name = wb_slice(rest.data, key_len(wb_slice(rest.data, len)));
		/* The last one of a name counts, as in every dictionary. */
		if (wb_slice_eq_cstr(name, NAME)) {
			if (!read_value(wb_slice(rest.data + name.len, len - name.len), digest))
				return wb_error_set(why, WB_EINVAL, "Content-Digest must have " ALLOWED);
			found = true;
		} else if (name.len == 0) {
			return wb_error_set(why, WB_EINVAL,
				"Content-Digest is no list of digests with commas between them: " ALLOWED);
		}
		rest = skip_space(wb_slice(rest.data + len + (len < rest.len), rest.len - len - (len < rest.len)));
	}
	if (found) {
		memcpy(ret, digest, WB_SHA256_SIZE);
		return WB_OK;
	}
	if (name.len)
		return wb_error_set(why, WB_ENOTFOUND,
			"Content-Digest has no sha-256, the only algorithm that is verified here: " ALLOWED);
	return wb_error_set(why, WB_ENOTFOUND, "Content-Digest is missing: " ALLOWED);
}
