#include "producer/publish_input.h"

#include "common/base/mem.h"
#include "common/cosmos/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)

/* A key for what nobody judged: the decoded id, if there is one that reads like one. */
static struct wb_slice readable_id(struct wb_item_judge *judge, struct wb_slice text)
{
	struct wb_json_document found;
	struct wb_json_error at;
	struct wb_slice id;

	wb_buf_clear(&judge->scratch);
	if (wb_json_scan_document(text, NULL, &found, &at) != WB_JSON_OK || found.id.type != WB_JSON_STRING ||
		found.id.raw.len > WB_DOCUMENT_ID_MAX ||
		wb_json_string_decode(found.id.raw, &judge->scratch, &id) != WB_OK)
		return (struct wb_slice){ NULL, 0 };
	return id;
}

static enum wb_reason judge_item(
	const struct wb_publish_input *in, struct wb_slice text, struct wb_batch_write *ret, struct wb_error *why)
{
	if (in->unchecked) {
		*ret = (struct wb_batch_write){ .document = text, .id = readable_id(in->judge, text), .op = in->op };
		return WB_REASON_NONE;
	}
	if (in->op == WB_OP_DELETE)
		return wb_item_delete_text(in->judge, text, ret, why);
	return wb_item_document(in->judge, text, ret, why);
}

static enum wb_err send_item(const struct wb_publish_input *in, const struct wb_splitter *splitter,
	struct wb_slice text, bool *ret_kafka, struct wb_error *e)
{
	struct wb_batch_write item;
	struct wb_error why;
	enum wb_reason reason = judge_item(in, text, &item, &why);
	enum wb_err err;

	if (reason != WB_REASON_NONE)
		return wb_error_set(e, WB_EINVAL, "line %lld: %s: %s", (long long)splitter->item_line,
			wb_reason_text(reason), why.text);
	err = wb_sender_send(in->sender, &item, e);
	*ret_kafka = err != WB_OK;
	return err;
}

static enum wb_err send_piece(const struct wb_publish_input *in, struct wb_splitter *splitter, struct wb_slice piece,
	bool *ret_kafka, struct wb_error *e)
{
	struct wb_slice item;
	enum wb_err err;

	while ((err = wb_splitter_next(splitter, &piece, &item, e)) == WB_OK) {
		err = send_item(in, splitter, item, ret_kafka, e);
		if (err != WB_OK)
			return err;
	}
	if (err == WB_ENOTFOUND)
		return WB_OK;
	return err == WB_ETOOBIG ? WB_EINVAL : err;
}

static enum wb_err run(const struct wb_publish_input *in, struct wb_splitter *splitter, char *buffer, bool *ret_kafka,
	struct wb_error *e)
{
	struct wb_slice item;
	enum wb_err err;
	ssize_t n;

	for (;;) {
		n = read(in->fd, buffer, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wb_error_set(e, WB_EIO, "%s: %s", in->name, strerror(errno));
		if (n == 0)
			break;
		err = send_piece(in, splitter, wb_slice(buffer, (size_t)n), ret_kafka, e);
		if (err != WB_OK)
			return err;
	}
	err = wb_splitter_end(splitter, &item, e);
	if (err == WB_OK)
		return send_item(in, splitter, item, ret_kafka, e);
	return err == WB_ENOTFOUND ? WB_OK : err;
}

enum wb_err wb_publish_input_run(const struct wb_publish_input *in, bool *ret_kafka, struct wb_error *e)
{
	char *buffer = wb_xmalloc(READ_BYTES);
	struct wb_splitter splitter;
	enum wb_err err;

	*ret_kafka = false;
	wb_splitter_init(&splitter, in->format, in->judge->record_bytes_max);
	err = run(in, &splitter, buffer, ret_kafka, e);
	wb_splitter_release(&splitter);
	free(buffer);
	return err;
}
