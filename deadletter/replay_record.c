#include "deadletter/replay_record.h"

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/crypto.h"

#include <assert.h>

/* Those that the replay has its own of. */
static const char *const replaced[] = { WB_HEADER_JOB, WB_HEADER_SEQ, WB_HEADER_OP, WB_HEADER_IF_MATCH,
	WB_HEADER_IF_NONE_MATCH, WB_HEADER_REPLAY_OF };

void wb_replay_job_id(struct wb_slice identity, int64_t attempts, char ret[WB_JOB_ID_SIZE])
{
	struct wb_sha256 *digest = wb_sha256_new();
	uint8_t value[WB_SHA256_SIZE];
	char digits[WB_U64_DIGITS];

	assert(attempts >= 0);
	wb_sha256_add(digest, identity);
	wb_sha256_add(digest, wb_slice_cstr("\n"));
	wb_sha256_add(digest, wb_slice(digits, wb_u64_digits((uint64_t)attempts, digits)));
	wb_sha256_value(digest, value);
	wb_sha256_free(&digest);
	wb_hex_encode(value, WB_JOB_ID_LEN / 2, ret);
}

static bool is_replaced(struct wb_slice name)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(replaced); i++)
		if (wb_slice_eq_cstr(name, replaced[i]))
			return true;
	return false;
}

static size_t put(struct wb_header *ret, size_t n, const char *name, struct wb_slice value)
{
	ret[n] = (struct wb_header){ wb_slice_cstr(name), value };
	return n + 1;
}

/* The operation in words that the condition goes with; false where the original's says none. */
static bool operation_of(const struct wb_replay_letter *letter, struct wb_slice *ret_text, enum wb_op *ret)
{
	const struct wb_header *op = wb_header_find(letter->headers, letter->header_count, WB_HEADER_OP);

	*ret = letter->has_value ? WB_OP_UPSERT : WB_OP_DELETE;
	*ret_text = wb_slice(NULL, 0);
	if (!op)
		return true;
	*ret_text = op->value;
	return op->value.data && wb_op_parse(op->value, ret);
}

static enum wb_err refuse(struct wb_error *why, const char *sentence)
{
	return wb_error_set(why, WB_EINVAL, "%s", sentence);
}

/* Adds operation and condition. An upsert of an item that was there goes out as a replace: Cosmos DB would create the item
 * again where somebody has deleted it since, whatever etag an upsert names. */
static enum wb_err put_guarded(
	const struct wb_replay_letter *letter, struct wb_header *ret, size_t *n, struct wb_error *why)
{
	struct wb_slice text, etag = letter->item_etag;
	enum wb_op op;

	if (!operation_of(letter, &text, &op))
		return refuse(why, "its wb-op is none, so nothing can tell whether its item has changed since");
	if (!etag.data || wb_slice_eq_cstr(etag, "unknown"))
		return refuse(
			why, "it is not known how its item was when it died, so it could overwrite something newer");
	if (wb_slice_eq_cstr(etag, "absent")) {
		if (op != WB_OP_UPSERT && op != WB_OP_CREATE)
			return refuse(why, "its item was not there when it died; what is there now is newer");
		if (text.data)
			*n = put(ret, *n, WB_HEADER_OP, text);
		*n = put(ret, *n, WB_HEADER_IF_NONE_MATCH, wb_slice_cstr("*"));
		return WB_OK;
	}
	if (op == WB_OP_CREATE) { /* its conflict is the condition: the item is there */
		*n = put(ret, *n, WB_HEADER_OP, text);
		return WB_OK;
	}
	if (op == WB_OP_UPSERT)
		text = wb_slice_cstr(wb_op_text(WB_OP_REPLACE));
	if (text.data)
		*n = put(ret, *n, WB_HEADER_OP, text);
	*n = put(ret, *n, WB_HEADER_IF_MATCH, etag);
	return WB_OK;
}

enum wb_err wb_replay_headers(const struct wb_replay_letter *letter, struct wb_slice identity, struct wb_slice job,
	bool forced, struct wb_header *ret, size_t *ret_count, struct wb_error *why)
{
	const struct wb_header *op = wb_header_find(letter->headers, letter->header_count, WB_HEADER_OP);
	enum wb_err err = WB_OK;
	size_t n = 0;

	for (size_t i = 0; i < letter->header_count; i++)
		if (!wb_letter_header_is_added(letter->headers[i].name) && !is_replaced(letter->headers[i].name))
			ret[n++] = letter->headers[i];
	n = put(ret, n, WB_HEADER_JOB, job);
	n = put(ret, n, WB_HEADER_SEQ, wb_slice_cstr("0"));
	n = put(ret, n, WB_HEADER_REPLAY_OF, identity);
	if (!forced)
		err = put_guarded(letter, ret, &n, why);
	else if (op)
		n = put(ret, n, WB_HEADER_OP, op->value);
	*ret_count = n;
	return err;
}
