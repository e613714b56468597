#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Reads a piece; *ret_end tells the end of the file. */
static enum wb_err read_some(int fd, const char *path, struct wb_buf *ret, bool *ret_end, struct wb_error *e)
{
	char piece[4096];
	ssize_t n;

	do
		n = read(fd, piece, sizeof piece);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return wb_error_set(e, WB_EIO, "cannot read %.200s: %s", path, strerror(errno));
	wb_buf_append(ret, piece, (size_t)n);
	explicit_bzero(piece, sizeof piece); /* files may hold secrets */
	*ret_end = n == 0;
	if (ret->err)
		return wb_error_set(
			e, ret->err, "cannot read %.200s: %s (%zu bytes)", path, wb_err_text(ret->err), ret->max);
	return WB_OK;
}

enum wb_err wb_file_read(const char *path, struct wb_buf *ret, struct wb_error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum wb_err err = WB_OK;
	bool end = false;

	if (fd < 0)
		return wb_error_set(
			e, errno == ENOENT ? WB_ENOTFOUND : WB_EIO, "cannot open %.200s: %s", path, strerror(errno));
	while (!err && !end)
		err = read_some(fd, path, ret, &end, e);
	(void)close(fd); /* only read from */
	return err;
}
