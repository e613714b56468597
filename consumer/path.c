#include "consumer/path.h"

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		c == '_' || c == '~';
}

void wb_path_append(struct wb_buf *path, struct wb_slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (unreserved(c))
			wb_buf_append_char(path, (char)c);
		else
			wb_buf_append(path, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
	}
}
