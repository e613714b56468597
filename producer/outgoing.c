#include "producer/outgoing.h"

#include "common/base/crypto.h"

void wb_job_id_new(char ret[WB_JOB_ID_SIZE])
{
	uint8_t bytes[WB_JOB_ID_LEN / 2];

	wb_crypto_random(bytes, sizeof bytes);
	wb_hex_encode(bytes, sizeof bytes, ret);
}

enum wb_err wb_outgoing_write(struct wb_kafka_producer *kafka, const struct wb_outgoing_target *target, uint64_t seq,
	const struct wb_batch_write *write, wb_kafka_ack_fn fn, void *arg)
{
	struct wb_header headers[WB_RECORD_HEADERS_MAX];
	struct wb_record_meta meta = {
		.job = target->job,
		.seq = seq,
		.op = write->op,
		.database = target->database,
		.container = target->container,
	};
	struct wb_kafka_record record = {
		.topic = target->topic,
		.partition = -1,
		.key = write->id,
		.value = write->document,
		.value_stays = target->values_stay,
		.headers = headers,
	};
	char seq_text[24];

	if (write->op == WB_OP_DELETE) {
		meta.id = write->id;
		meta.partition_key = write->partition_key;
		record.value = wb_slice("", 0);
	}
	record.header_count = wb_record_headers(&meta, seq_text, headers);
	return wb_kafka_producer_send(kafka, &record, fn, arg);
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
