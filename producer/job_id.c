#include "producer/job_id.h"

static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

bool wb_job_id_read(struct wb_slice text, uint8_t ret[WB_JOB_ID_BYTES])
{
	if (!wb_job_id_valid(text))
		return false;
	for (size_t i = 0; i < WB_JOB_ID_BYTES; i++)
		ret[i] = (uint8_t)(nibble(text.data[2 * i]) << 4 | nibble(text.data[2 * i + 1]));
	return true;
}

void wb_job_id_text(const uint8_t id[WB_JOB_ID_BYTES], char ret[WB_JOB_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < WB_JOB_ID_BYTES; i++) {
		ret[2 * i] = digits[id[i] >> 4];
		ret[2 * i + 1] = digits[id[i] & 15];
	}
	ret[WB_JOB_ID_LEN] = '\0';
}
