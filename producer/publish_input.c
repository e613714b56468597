#include "producer/publish_input.h"

#include "common/base/buf.h"
#include "common/cosmos/text.h"
#include "common/cosmos/document.h"

#include <errno.h>
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
		wb_cosmos_text_decode(found.id.raw, WB_DOCUMENT_ID_MAX, &judge->scratch, &id) != WB_OK)
		return (struct wb_slice){ NULL, 0 };
	return id;
}

static enum wb_err next_unchecked(struct wb_request_stream *stream, struct wb_slice *block, bool last,
	struct wb_batch_write *ret, struct wb_error *e)
{
	struct wb_slice text;
	enum wb_err err = wb_splitter_next(&stream->splitter, block, last, &text, e);

	if (err == WB_OK)
		*ret = (struct wb_batch_write){
			.document = text, .id = readable_id(&stream->judge, text), .op = stream->op
		};
	return err == WB_ETOOBIG ? WB_EINVAL : err;
}

static enum wb_err next_checked(struct wb_request_stream *stream, struct wb_slice *block, bool last,
	struct wb_batch_write *ret, struct wb_error *e)
{
	enum wb_err err = wb_request_stream_next(stream, block, last, ret);
	const struct wb_request_error *why = &stream->error;

	if (err != WB_EINVAL)
		return err;
	if (why->index < 0)
		return wb_error_set(e, err, "%s", why->detail.text);
	return wb_error_set(e, err, "line %lld: %s: %s", (long long)why->index,
		why->reason == WB_REASON_NONE ? why->code : wb_reason_text(why->reason), why->detail.text);
}

/* Sends what is whole of a block. */
static enum wb_err send_block(
	const struct wb_publish_input *in, struct wb_slice *block, bool last, bool *ret_kafka, struct wb_error *e)
{
	struct wb_batch_write write;
	enum wb_err err;

	for (;;) {
		err = in->unchecked ? next_unchecked(in->stream, block, last, &write, e)
				    : next_checked(in->stream, block, last, &write, e);
		if (err != WB_OK)
			return err == WB_ENOTFOUND ? WB_OK : err;
		err = wb_sender_send(in->sender, &write, e);
		if (err != WB_OK) {
			*ret_kafka = true;
			return err;
		}
	}
}

/* Appends what is there to read; *ret_last: nothing more comes. */
static enum wb_err read_more(
	const struct wb_publish_input *in, struct wb_buf *buffer, bool *ret_last, struct wb_error *e)
{
	char *to = wb_buf_reserve(buffer, READ_BYTES);
	ssize_t n;

	if (!to)
		return wb_error_set(e, wb_buf_status(buffer), "%s: no memory to read on", in->name);
	do
		n = read(in->fd, to, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return wb_error_set(e, WB_EIO, "%s: %s", in->name, strerror(errno));
	buffer->len += (size_t)n;
	*ret_last = n == 0;
	return WB_OK;
}

enum wb_err wb_publish_input_run(const struct wb_publish_input *in, bool *ret_kafka, struct wb_error *e)
{
	enum wb_err err = WB_OK;
	struct wb_buf buffer;
	bool last = false;

	*ret_kafka = false;
	wb_buf_init(&buffer, in->stream->splitter.item_bytes_max + READ_BYTES + 1);
	while (err == WB_OK && !last) {
		struct wb_slice block;

		err = read_more(in, &buffer, &last, e);
		if (err != WB_OK)
			break;
		block = wb_buf_slice(&buffer);
		err = send_block(in, &block, last, ret_kafka, e);
		/* The beginning of an item goes before what is read next. */
		(void)memmove(buffer.data, block.data, block.len);
		wb_buf_truncate(&buffer, block.len);
	}
	wb_buf_release(&buffer);
	return err;
}
