#include "common/base/crypto.h"

#include "common/base/mem.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wb_crypto_sha256(struct wb_slice data, uint8_t ret[WB_SHA256_SIZE])
{
	if (!SHA256((const unsigned char *)data.data, data.len, ret))
		abort();
}

struct wb_sha256 {
	EVP_MD_CTX *context;
};

static EVP_MD_CTX *new_context(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (!context)
		abort();
	return context;
}

struct wb_sha256 *wb_sha256_new(void)
{
	struct wb_sha256 *d = wb_xmalloc(sizeof *d);

	d->context = new_context();
	if (EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1)
		abort();
	return d;
}

void wb_sha256_add(struct wb_sha256 *d, struct wb_slice piece)
{
	if (piece.len > 0 && EVP_DigestUpdate(d->context, piece.data, piece.len) != 1)
		abort();
}

void wb_sha256_value(const struct wb_sha256 *d, uint8_t ret[WB_SHA256_SIZE])
{
	EVP_MD_CTX *copy = new_context();

	if (EVP_MD_CTX_copy_ex(copy, d->context) != 1 || EVP_DigestFinal_ex(copy, ret, NULL) != 1)
		abort();
	EVP_MD_CTX_free(copy);
}

void wb_sha256_free(struct wb_sha256 **d)
{
	if (!*d)
		return;
	EVP_MD_CTX_free((*d)->context);
	free(*d);
	*d = NULL;
}

void wb_crypto_hmac_sha256(struct wb_slice key, struct wb_slice data, uint8_t ret[WB_SHA256_SIZE])
{
	unsigned int len = 0;

	assert(key.len <= INT_MAX);
	/* A NULL key would mean "the key of the last call" to HMAC(). */
	if (!HMAC(EVP_sha256(), key.data ? key.data : "", (int)key.len, (const unsigned char *)data.data, data.len, ret,
		    &len) ||
		len != WB_SHA256_SIZE)
		abort();
}

void wb_crypto_random(void *ret, size_t len)
{
	assert(len <= INT_MAX);
	if (RAND_bytes(ret, (int)len) != 1)
		abort();
}

bool wb_crypto_equal(struct wb_slice a, struct wb_slice b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

void wb_crypto_wipe(void *data, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(data, len);
}

void wb_base64_encode(struct wb_slice data, struct wb_buf *ret)
{
	const unsigned char *in = (const unsigned char *)data.data;
	char *out = wb_buf_reserve(ret, (data.len / 3 + (data.len % 3 != 0)) * 4);

	if (!out)
		return;
	for (size_t at = 0; at < data.len; at += 3) {
		size_t left = data.len - at;
		uint32_t bits = (uint32_t)in[at] << 16;

		if (left > 1)
			bits |= (uint32_t)in[at + 1] << 8;
		if (left > 2)
			bits |= in[at + 2];
		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? base64_digits[bits & 63] : '=';
		ret->len += 4;
	}
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters of which the last `pad` are '='; false for anything but their canonical form. */
static bool decode_group(const char *text, size_t pad, unsigned char out[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - pad ? digit_value(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
		return false;
	out[0] = (unsigned char)(bits >> 16);
	out[1] = (unsigned char)(bits >> 8);
	out[2] = (unsigned char)bits;
	return true;
}

enum wb_err wb_base64_decode(struct wb_slice text, struct wb_buf *ret)
{
	size_t before = ret->len, pad = 0;
	unsigned char three[3];

	if (text.len % 4 != 0)
		return WB_EINVAL;
	if (text.len > 0 && text.data[text.len - 1] == '=')
		pad = text.data[text.len - 2] == '=' ? 2 : 1;
	for (size_t at = 0; at < text.len; at += 4) {
		size_t group_pad = at + 4 == text.len ? pad : 0;

		if (!decode_group(text.data + at, group_pad, three)) {
			wb_buf_truncate(ret, before);
			return WB_EINVAL;
		}
		wb_buf_append(ret, three, 3 - group_pad);
	}
	wb_crypto_wipe(three, sizeof three);
	return wb_buf_status(ret);
}

void wb_hex_encode(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[data[i] >> 4];
		ret[2 * i + 1] = digits[data[i] & 15];
	}
	ret[2 * len] = '\0';
}
