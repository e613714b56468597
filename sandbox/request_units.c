#include "sandbox/request_units.h"

#define WINDOW_MS       1000
#define WRITE_PER_KB    5.5
#define WRITE_BASE      0.79
#define DELETE_CHARGE   6.29
#define READ_PER_KB     1.0
#define FAILED_CHARGE   1.24
#define THROTTLE_CHARGE 0.38

static double kilobytes(size_t bytes)
{
	return bytes > 1024 ? (double)bytes / 1024 : 1;
}

double wb_request_units_charge(enum wb_operation operation, unsigned status, size_t bytes)
{
	if (status == 429)
		return THROTTLE_CHARGE;
	if (status >= 400)
		return FAILED_CHARGE;
	switch (operation) {
	case WB_OPERATION_CREATE:
	case WB_OPERATION_UPSERT:
	case WB_OPERATION_REPLACE:
	case WB_OPERATION_PATCH:
		return WRITE_BASE + WRITE_PER_KB * kilobytes(bytes);
	case WB_OPERATION_DELETE:
		return DELETE_CHARGE;
	default:
		return READ_PER_KB * kilobytes(bytes);
	}
}

void wb_request_units_append(struct wb_buf *b, double charge)
{
	uint64_t hundredths = (uint64_t)(charge * 100 + 0.5);

	wb_buf_append_u64(b, hundredths / 100);
	wb_buf_append_char(b, '.');
	wb_buf_append_char(b, (char)('0' + hundredths / 10 % 10));
	wb_buf_append_char(b, (char)('0' + hundredths % 10));
}

bool wb_request_units_admit(struct wb_request_units *u, double limit, int64_t now_ms, int64_t *ret_retry_after_ms)
{
	int64_t windows = (now_ms - u->window_ms) / WINDOW_MS;
	double over;

	if (limit <= 0)
		return true;
	if (windows > 0) {
		u->used -= limit * (double)windows;
		if (u->used < 0)
			u->used = 0;
		u->window_ms += windows * WINDOW_MS;
	}
	if (u->used < limit)
		return true;
	over = (u->used - limit) / limit;
	*ret_retry_after_ms = u->window_ms + WINDOW_MS * (1 + (int64_t)over) - now_ms;
	if (*ret_retry_after_ms < 1)
		*ret_retry_after_ms = 1;
	return false;
}

void wb_request_units_spend(struct wb_request_units *u, double charge)
{
	u->used += charge;
}
