#include "producer/outgoing.h"

#include "common/base/crypto.h"

void wb_job_id_new(char ret[WB_JOB_ID_SIZE])
{
	uint8_t bytes[WB_JOB_ID_LEN / 2];

	wb_crypto_random(bytes, sizeof bytes);
	wb_hex_encode(bytes, sizeof bytes, ret);
}

static struct wb_record_meta meta_of(
	const struct wb_outgoing_target *target, uint64_t seq, const struct wb_batch_write *write)
{
	struct wb_record_meta meta = {
		.job = target->job,
		.seq = seq,
		.op = write->op,
		.database = target->database,
		.container = target->container,
	};

	if (write->op == WB_OP_DELETE || write->op == WB_OP_PATCH)
		meta.id = write->id;
	if (write->more) {
		meta.partition_key = write->more->partition_key;
		meta.if_match = write->more->if_match;
		meta.if_none_match = write->more->if_none_match;
	}
	return meta;
}

enum wb_err wb_outgoing_write(struct wb_kafka_producer *kafka, const struct wb_outgoing_target *target, uint64_t seq,
	const struct wb_batch_write *write, wb_kafka_ack_fn fn, void *arg)
{
	struct wb_header headers[WB_RECORD_HEADERS_MAX];
	const struct wb_record_meta meta = meta_of(target, seq, write);
	struct wb_kafka_record record = {
		.topic = target->topic,
		.partition = -1,
		.key = write->id,
		.value_stays = target->values_stay && !write->id_made,
		.headers = headers,
	};
	struct wb_buf made;
	char seq_text[24];
	enum wb_err err;

	wb_buf_init(&made, wb_batch_value_len(write) + 1);
	err = wb_batch_value(write, &made, &record.value);
	if (err == WB_OK) {
		record.header_count = wb_record_headers(&meta, seq_text, headers);
		err = wb_kafka_producer_send(kafka, &record, fn, arg);
	}
	wb_buf_release(&made);
	return err;
}

enum wb_err wb_outgoing_accepted(struct wb_kafka_producer *kafka, const char *topic, int32_t partitions,
	struct wb_slice job, struct wb_slice record, wb_kafka_ack_fn fn, void *arg)
{
	const struct wb_kafka_record accepted = {
		.topic = topic,
		.partition = wb_murmur2_partition(job, partitions),
		.key = job,
		.value = record,
	};

	return wb_kafka_producer_send(kafka, &accepted, fn, arg);
}
