#include "common/contract/reason.h"

#include "common/base/compiler.h"

static const char *const texts[] = {
#define X(symbol, text) [symbol] = text,
	WB_REASON_LIST(X)
#undef X
};

const char *wb_reason_text(enum wb_reason reason)
{
	return (size_t)reason < WB_ARRAY_LEN(texts) ? texts[reason] : "";
}

enum wb_reason wb_reason_parse(struct wb_slice text)
{
	for (size_t i = 1; i < WB_ARRAY_LEN(texts); i++) {
		if (wb_slice_eq_cstr(text, texts[i]))
			return (enum wb_reason)i;
	}
	return WB_REASON_NONE;
}
