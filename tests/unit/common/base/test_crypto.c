#include "common/base/crypto.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_hex(const uint8_t *data, size_t len, const char *expected)
{
	char hex[2 * 64 + 1];

	wb_hex_encode(data, len, hex);
	assert_string_equal(hex, expected);
}

/* FIPS 180-2, appendix B, and the digest of nothing. */
static void sha256_vectors(void **state)
{
	uint8_t digest[WB_SHA256_SIZE];

	(void)state;
	wb_crypto_sha256(wb_slice_cstr("abc"), digest);
	assert_hex(digest, sizeof digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	wb_crypto_sha256(wb_slice_cstr(""), digest);
	assert_hex(digest, sizeof digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_digest_of_pieces_is_the_digest_of_the_whole(void **state)
{
	uint8_t whole[WB_SHA256_SIZE], pieces[WB_SHA256_SIZE];
	struct wb_sha256 *d = wb_sha256_new();
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof text);
	wb_sha256_value(d, pieces);
	assert_hex(pieces, sizeof pieces, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t at = 0; at < sizeof text; at += 100) {
		wb_sha256_add(d, wb_slice(text + at, 100));
		wb_sha256_add(d, wb_slice(NULL, 0));
		wb_sha256_value(d, pieces);
		wb_crypto_sha256(wb_slice(text, at + 100), whole);
		assert_memory_equal(pieces, whole, sizeof whole);
	}
	wb_sha256_free(&d);
	assert_null(d);
	wb_sha256_free(&d);
}

/* RFC 4231, test cases 1, 2 and 6. */
static void hmac_vectors(void **state)
{
	uint8_t mac[WB_SHA256_SIZE];
	char key[131];

	(void)state;
	memset(key, 0x0b, 20);
	wb_crypto_hmac_sha256(wb_slice(key, 20), wb_slice_cstr("Hi There"), mac);
	assert_hex(mac, sizeof mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	wb_crypto_hmac_sha256(wb_slice_cstr("Jefe"), wb_slice_cstr("what do ya want for nothing?"), mac);
	assert_hex(mac, sizeof mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	wb_crypto_hmac_sha256(wb_slice(key, sizeof key),
		wb_slice_cstr("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
	assert_hex(mac, sizeof mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* HMAC of nothing under an empty key is known; an absent key must not mean the key of an earlier call. */
static void an_absent_key_is_the_empty_key(void **state)
{
	uint8_t mac[WB_SHA256_SIZE];

	(void)state;
	wb_crypto_hmac_sha256(wb_slice(NULL, 0), wb_slice(NULL, 0), mac);
	assert_hex(mac, sizeof mac, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	wb_crypto_random(a, sizeof a);
	wb_crypto_random(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

static void equality(void **state)
{
	(void)state;
	assert_true(wb_crypto_equal(wb_slice_cstr("same"), wb_slice_cstr("same")));
	assert_false(wb_crypto_equal(wb_slice_cstr("same"), wb_slice_cstr("sane")));
	assert_false(wb_crypto_equal(wb_slice_cstr("same"), wb_slice_cstr("sam")));
	assert_true(wb_crypto_equal(wb_slice(NULL, 0), wb_slice_cstr("")));
}

static void wiped_memory_is_zero(void **state)
{
	char secret[] = "secret";

	(void)state;
	wb_crypto_wipe(secret, sizeof secret);
	for (size_t i = 0; i < sizeof secret; i++)
		assert_int_equal(secret[i], 0);
	wb_crypto_wipe(NULL, 0);
}

/* RFC 4648, section 10. */
static void base64_vectors(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	struct wb_buf text, data;

	(void)state;
	wb_buf_init(&text, 100);
	wb_buf_init(&data, 100);
	for (size_t i = 0; i < WB_ARRAY_LEN(pairs); i++) {
		wb_buf_clear(&text);
		wb_buf_clear(&data);
		wb_base64_encode(wb_slice_cstr(pairs[i][0]), &text);
		assert_true(wb_slice_eq_cstr(wb_buf_slice(&text), pairs[i][1]));
		assert_int_equal(wb_base64_decode(wb_slice_cstr(pairs[i][1]), &data), WB_OK);
		assert_true(wb_slice_eq_cstr(wb_buf_slice(&data), pairs[i][0]));
	}
	wb_buf_release(&text);
	wb_buf_release(&data);
}

static void base64_carries_every_byte(void **state)
{
	struct wb_buf text, data;
	char bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	wb_buf_init(&text, 1000);
	wb_buf_init(&data, 1000);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		wb_buf_clear(&text);
		wb_buf_clear(&data);
		wb_base64_encode(wb_slice(bytes, len), &text);
		assert_int_equal(wb_base64_decode(wb_buf_slice(&text), &data), WB_OK);
		assert_true(wb_slice_eq(wb_buf_slice(&data), wb_slice(bytes, len)));
	}
	wb_buf_release(&text);
	wb_buf_release(&data);
}

static void base64_is_strict(void **state)
{
	static const char *const texts[] = { "Z", "Zg", "Zg=", "Zg===", "====", "=Zg=", "Z===", "Zm9v\n", " Zm9v",
		"Zm-_", "Zg==Zg==", "Zh==", "Zm9=" };
	struct wb_buf data;

	(void)state;
	wb_buf_init(&data, 100);
	wb_buf_append_cstr(&data, "before");
	for (size_t i = 0; i < WB_ARRAY_LEN(texts); i++) {
		assert_int_equal(wb_base64_decode(wb_slice_cstr(texts[i]), &data), WB_EINVAL);
		assert_string_equal(data.data, "before");
	}
	wb_buf_release(&data);
}

static void base64_keeps_to_the_buffers_maximum(void **state)
{
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 3);
	wb_base64_encode(wb_slice_cstr("f"), &b);
	assert_int_equal(wb_buf_status(&b), WB_ETOOBIG);
	wb_buf_clear(&b);
	assert_int_equal(wb_base64_decode(wb_slice_cstr("Zm9vYg=="), &b), WB_ETOOBIG);
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(a_digest_of_pieces_is_the_digest_of_the_whole),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(an_absent_key_is_the_empty_key),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test(equality),
		cmocka_unit_test(wiped_memory_is_zero),
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_carries_every_byte),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(base64_keeps_to_the_buffers_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
