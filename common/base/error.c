#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *wb_err_text(enum wb_err err)
{
	switch (err) {
#define X(symbol, text) \
	case symbol:    \
		return text;
		WB_ERR_LIST(X)
#undef X
	}
	return "unknown error";
}

enum wb_err wb_error_set(struct wb_error *e, enum wb_err err, const char *format, ...)
{
	struct wb_error text;
	va_list values;

	if (!e)
		return err;
	/* Written aside first, since one of the values may be e->text. */
	va_start(values, format);
	if (vsnprintf(text.text, sizeof text.text, format, values) < 0)
		text.text[0] = '\0';
	va_end(values);
	memcpy(e->text, text.text, strlen(text.text) + 1);
	return err;
}
