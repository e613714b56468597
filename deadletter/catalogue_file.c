#include "deadletter/catalogue_file.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_MAX_BYTES 3500
#define NAME_BYTES     8 /* of a digest: no two sources of a person share one */

/* Every folder on the way, for this user only. */
static enum wb_err make_folders(char *path, struct wb_error *e)
{
	for (char *at = path + 1;; at++) {
		char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return wb_error_set(
				e, WB_EIO, "%s: %s; --no-index does without it", path, strerrordesc_np(errno));
		*at = c;
		if (c == '\0')
			return WB_OK;
	}
}

enum wb_err wb_catalogue_file(
	const struct wb_deadletter_config *config, struct wb_slice source, char **ret, struct wb_error *e)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char folder[PATH_MAX_BYTES], path[PATH_MAX_BYTES + 64], name[2 * NAME_BYTES + 1];
	uint8_t digest[WB_SHA256_SIZE];
	int len = 0;
	enum wb_err err;

	*ret = NULL;
	if (config->no_index)
		return WB_OK;
	/* A relative path is to be ignored (XDG Base Directory Specification). */
	if (cache && cache[0] == '/')
		len = snprintf(folder, sizeof folder, "%s/writebehind", cache);
	else if (home && home[0] == '/')
		len = snprintf(folder, sizeof folder, "%s/.cache/writebehind", home);
	if (len <= 0 || (size_t)len >= sizeof folder)
		return WB_OK;
	err = make_folders(folder, e);
	if (err != WB_OK)
		return err;
	wb_crypto_sha256(source, digest);
	wb_hex_encode(digest, NAME_BYTES, name);
	(void)snprintf(path, sizeof path, "%s/deadletter-%s.sqlite", folder, name);
	*ret = wb_xstrdup(path);
	return WB_OK;
}
