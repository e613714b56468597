#include "common/cosmos/sign.h"

#include "common/base/crypto.h"

enum { PAYLOAD_MAX = 8192 };

enum wb_err wb_cosmos_key_parse(struct wb_slice base64, struct wb_cosmos_key *ret)
{
	struct wb_buf decoded;
	enum wb_err err;

	wb_buf_init(&decoded, WB_COSMOS_KEY_MAX);
	err = wb_base64_decode(base64, &decoded);
	if (err || decoded.len == 0) {
		err = WB_EINVAL;
	} else {
		memcpy(ret->bytes, decoded.data, decoded.len);
		ret->len = decoded.len;
	}
	if (decoded.data)
		wb_crypto_wipe(decoded.data, decoded.cap);
	wb_buf_release(&decoded);
	return err;
}

void wb_cosmos_key_wipe(struct wb_cosmos_key *key)
{
	wb_crypto_wipe(key, sizeof *key);
}

static void append_lower(struct wb_buf *b, struct wb_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		wb_buf_append_char(b, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
	wb_buf_append_char(b, '\n');
}

/* Base64 has three characters that a URL escapes. */
static void append_url_encoded(struct wb_buf *ret, struct wb_slice base64)
{
	for (size_t i = 0; i < base64.len; i++) {
		switch (base64.data[i]) {
		case '+':
			wb_buf_append_cstr(ret, "%2b");
			break;
		case '/':
			wb_buf_append_cstr(ret, "%2f");
			break;
		case '=':
			wb_buf_append_cstr(ret, "%3d");
			break;
		default:
			wb_buf_append_char(ret, base64.data[i]);
		}
	}
}

void wb_cosmos_sign(const struct wb_cosmos_key *key, struct wb_slice verb, struct wb_slice type, struct wb_slice link,
	struct wb_slice date, struct wb_buf *ret)
{
	uint8_t mac[WB_SHA256_SIZE];
	struct wb_buf payload, signature;

	wb_buf_init(&payload, PAYLOAD_MAX);
	wb_buf_init(&signature, 2 * WB_SHA256_SIZE);
	append_lower(&payload, verb);
	append_lower(&payload, type);
	wb_buf_append_slice(&payload, link);
	wb_buf_append_char(&payload, '\n');
	append_lower(&payload, date);
	wb_buf_append_char(&payload, '\n');
	if (wb_buf_status(&payload)) {
		ret->err = wb_buf_status(&payload);
	} else {
		wb_crypto_hmac_sha256(wb_slice((const char *)key->bytes, key->len), wb_buf_slice(&payload), mac);
		wb_base64_encode(wb_slice((const char *)mac, sizeof mac), &signature);
		wb_buf_append_cstr(ret, "type%3dmaster%26ver%3d1.0%26sig%3d");
		append_url_encoded(ret, wb_buf_slice(&signature));
	}
	wb_buf_release(&payload);
	wb_buf_release(&signature);
}
