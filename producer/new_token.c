#include "producer/new_token.h"

#include "common/base/crypto.h"
#include "producer/tokens.h"

#include <string.h>

enum { ENTRY_BYTES_MAX = 64 * 1024 };

/* "a,b" as ["a","b"]. */
static void append_list(struct wb_buf *b, const char *member, const char *list)
{
	wb_buf_appendf(b, ",\"%s\":[", member);
	for (;;) {
		size_t len = strcspn(list, ",");

		wb_buf_append_json_string(b, wb_slice(list, len));
		if (!list[len])
			break;
		wb_buf_append_char(b, ',');
		list += len + 1;
	}
	wb_buf_append_char(b, ']');
}

/* A file with this entry alone is read as the service would read it. */
static enum wb_err check_entry(struct wb_slice entry, struct wb_error *e)
{
	struct wb_tokens tokens = { 0 };
	enum wb_err err;
	struct wb_buf file;

	wb_buf_init(&file, 2 * ENTRY_BYTES_MAX);
	wb_buf_append_cstr(&file, "{\"tokens\":[");
	wb_buf_append_slice(&file, entry);
	wb_buf_append_cstr(&file, "]}");
	err = wb_tokens_parse(wb_buf_slice(&file), "--new-token", &tokens, e);
	wb_buf_release(&file);
	wb_tokens_release(&tokens);
	return err;
}

enum wb_err wb_new_token_entry(
	const struct wb_new_token *wanted, const char *token, struct wb_buf *ret, struct wb_error *e)
{
	uint8_t digest[WB_SHA256_SIZE];
	char hex[2 * WB_SHA256_SIZE + 1];
	size_t start = ret->len;

	wb_crypto_sha256(wb_slice_cstr(token), digest);
	wb_hex_encode(digest, sizeof digest, hex);
	wb_buf_append_cstr(ret, "{\"name\":");
	wb_buf_append_json_string(ret, wb_slice_cstr(wanted->name));
	wb_buf_appendf(ret, ",\"sha256\":\"%s\"", hex);
	append_list(ret, "scopes", wanted->scopes ? wanted->scopes : "publish,read");
	append_list(ret, "databases", wanted->databases ? wanted->databases : "*");
	append_list(ret, "containers", wanted->containers ? wanted->containers : "*");
	if (wanted->expires) {
		wb_buf_append_cstr(ret, ",\"expires\":");
		wb_buf_append_json_string(ret, wb_slice_cstr(wanted->expires));
	}
	wb_buf_append_char(ret, '}');
	if (wb_buf_status(ret) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "--new-token: the entry is too long");
	return check_entry(wb_slice(ret->data + start, ret->len - start), e);
}

enum wb_err wb_new_token_print(const struct wb_new_token *wanted, FILE *out, FILE *notes, struct wb_error *e)
{
	char token[WB_TOKEN_SIZE];
	struct wb_buf entry;
	enum wb_err err;
	bool said;

	wb_token_make(token);
	wb_buf_init(&entry, ENTRY_BYTES_MAX);
	err = wb_new_token_entry(wanted, token, &entry, e);
	if (err == WB_OK) {
		said = fprintf(notes, "The token, shown this once, for whoever sends as %s:\n", wanted->name) > 0 &&
			fprintf(out, "%s\n", token) > 0 && fflush(out) == 0 &&
			fputs("Its entry for the tokens of http.tokens.file (no secret). SIGHUP has the file read "
			      "again:\n",
				notes) >= 0 &&
			fprintf(out, "%s\n", entry.data) > 0 && fflush(out) == 0;
		if (!said)
			err = wb_error_set(e, WB_EIO, "--new-token: cannot write the token out; make another one");
	}
	wb_crypto_wipe(token, sizeof token);
	wb_buf_release(&entry);
	return err;
}
