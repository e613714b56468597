"""Publishes a job straight to Kafka by the record contract (docs/CONTRACT.md), and waits for its end.

    pip install confluent-kafka
    python3 publish.py DOCUMENTS.ndjson      a document a line; exit 0: Succeeded, 1: anything else
    KAFKA_BOOTSTRAP_SERVERS, TOPIC_WRITES, TOPIC_RESULTS
"""

import json
import os
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
WRITES = os.environ.get("TOPIC_WRITES", "writebehind.writes")
RESULTS = os.environ.get("TOPIC_RESULTS", "writebehind.results")
PATIENCE_S = 120


def murmur2(data):
    """Java's org.apache.kafka.common.utils.Utils.murmur2; confluent-kafka has it inside, for keys only."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if length % 4:
        h = (h ^ int.from_bytes(data[length - length % 4:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def publish(producer, topic, records):
    """Returns when every (key, value, headers, partition) is acknowledged; raises when one is not."""
    errors = []

    def delivered(error, message):
        # A report without an offset is one that librdkafka only infers (docs/CONTRACT.md).
        if error or message.offset() < 0:
            errors.append(error or "not confirmed by the broker")

    for key, value, headers, partition in records:
        while True:
            try:
                producer.produce(topic, value, key, partition, headers=headers, on_delivery=delivered)
                break
            except BufferError:  # the client's queue is full
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(PATIENCE_S) or errors:
        raise SystemExit(f"not published: {errors[:1] or 'no acknowledgement in time'}")


def publish_job(producer, job, results_partition, lines):
    """The records first, then, when Kafka holds all of them, the job's accepted record: it is the commit mark."""
    publish(producer, WRITES, ((json.loads(line)["id"], line, [("wb-job", job), ("wb-seq", str(seq))], -1)
                               for seq, line in enumerate(lines)))
    accepted = {"type": "accepted", "job": job, "count": len(lines), "at": int(time.time() * 1000)}
    publish(producer, RESULTS, [(None, json.dumps(accepted), [], results_partition)])


def numbers(flat):
    """first,last,first,last… as a set."""
    return {n for first, last in zip(flat[::2], flat[1::2]) for n in range(first, last + 1)}


def wait_for_end(consumer, job, count):
    """Returns the dead sequence numbers and their failures. The first outcome of a write counts; later ones repeat it."""
    ended, dead, failures = set(), set(), []
    give_up = time.monotonic() + PATIENCE_S
    while len(ended) < count:
        if time.monotonic() > give_up:
            raise SystemExit(f"not ended yet: {len(ended)} of {count}")
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        record = json.loads(message.value())
        if record["type"] != "outcomes":  # skip what you do not know
            continue
        for part in record.get("jobs", []):
            if part["job"] == job:
                dead |= numbers(part.get("dead", [])) - ended
                ended |= dead | numbers(part.get("written", [])) | numbers(part.get("superseded", []))
                failures += part.get("failures", [])
    return dead, failures


def main(path):
    with open(path, "rb") as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    # The partitioner makes every client agree where a key goes: Java's default, but not librdkafka's.
    producer = Producer({"bootstrap.servers": SERVERS, "partitioner": "murmur2_random", "acks": "all",
                         "enable.idempotence": True, "message.max.bytes": 3_000_000})
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": "unused", "enable.auto.commit": False})
    job = uuid.uuid4().hex
    partitions = len(consumer.list_topics(RESULTS, timeout=30).topics[RESULTS].partitions)
    partition = (murmur2(job.encode()) & 0x7FFFFFFF) % partitions
    # Outcomes can be there before the accepted record is: read from where the topic ends now.
    _, end = consumer.get_watermark_offsets(TopicPartition(RESULTS, partition), timeout=30)
    consumer.assign([TopicPartition(RESULTS, partition, end)])
    publish_job(producer, job, partition, lines)
    print(f"accepted: {job}", flush=True)
    dead, failures = wait_for_end(consumer, job, len(lines))
    consumer.close()
    for failure in failures:
        print(f"dead: {failure.get('id')}: {failure['reason']}", file=sys.stderr)
    print("Failed" if dead else "Succeeded")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
