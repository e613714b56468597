#include "sandbox/resource_id.h"

#include <stddef.h>

static void base64(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t word = (uint32_t)data[i] << 16;

		word |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		word |= left > 2 ? data[i + 2] : 0;
		*out++ = digits[word >> 18];
		*out++ = digits[word >> 12 & 63];
		*out++ = left > 1 ? digits[word >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[word & 63] : '=';
	}
	*out = '\0';
}

static void put_u32(uint8_t *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(n >> (24 - 8 * i));
}

void wb_rid_database(uint32_t database, char ret[WB_RID_DATABASE_SIZE])
{
	uint8_t bytes[4];

	put_u32(bytes, database);
	base64(bytes, sizeof bytes, ret);
}

static void put_container(uint8_t bytes[8], uint32_t database, uint32_t container)
{
	put_u32(bytes, database);
	put_u32(bytes + 4, container | UINT32_C(0x80000000));
}

void wb_rid_container(uint32_t database, uint32_t container, char ret[WB_RID_CONTAINER_SIZE])
{
	uint8_t bytes[8];

	put_container(bytes, database, container);
	base64(bytes, sizeof bytes, ret);
}

void wb_rid_child(
	uint32_t database, uint32_t container, enum wb_rid_child kind, uint64_t number, char ret[WB_RID_CHILD_SIZE])
{
	uint8_t bytes[16];

	put_container(bytes, database, container);
	/* Little-endian, so that the kind stands in the upper half of the last byte. */
	for (int i = 0; i < 8; i++)
		bytes[8 + i] = (uint8_t)(number >> (8 * i));
	bytes[15] = (uint8_t)((bytes[15] & 0x0f) | kind << 4);
	base64(bytes, sizeof bytes, ret);
}

void wb_etag_text(uint64_t version, uint32_t written_s, char ret[WB_ETAG_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	static const char shape[] = "\"vvvvvvvv-vvvv-vvvv-0000-0000tttttttt\"";
	unsigned v = 60, t = 28;

	for (size_t i = 0; i < sizeof shape; i++) {
		ret[i] = shape[i];
		if (shape[i] == 'v') {
			ret[i] = digits[version >> v & 15];
			v -= 4;
		} else if (shape[i] == 't') {
			ret[i] = digits[written_s >> t & 15];
			t -= 4;
		}
	}
}
