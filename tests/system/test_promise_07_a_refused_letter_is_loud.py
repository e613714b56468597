"""Promise 7 and design: a dead letter that Kafka refuses stops its partition alone, loudly, until Kafka takes it."""

import json
import os

from harness.process import wait_until


def test_promise_7_a_refused_letter_stops_its_partition_alone_and_says_so(kafka, topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", topics.dead_letters,
               "--add-config", "max.message.bytes=20000")
    # Random, as letters are compressed.
    big = b'{"pk":"p","x":"' + os.urandom(40_000).hex().encode() + b'"}'
    kafka.publish(topics.writes, [(b"poison", big)])
    wait_until(lambda: "a dead letter is refused" in consumer.log(), 30, "the line in the log")
    condition = {c["name"]: c for c in consumer.get("/readyz").json()["conditions"]}["letters"]
    assert condition["ok"] is False and topics.dead_letters in condition["why"] and "larger" in condition["why"]
    docs = [{"id": f"d{i}", "pk": "p"} for i in range(200)]
    kafka.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs])
    wait_until(lambda: cosmos.count() == 200, 30, "the others, of all partitions")
    assert consumer.log().count("a dead letter is refused") == 1
    kafka.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", topics.dead_letters,
               "--add-config", "max.message.bytes=4000000")
    wait_until(consumer.ready, 30, "the consumer to be ready again")
    assert [m.value() for m in kafka.read_topic(topics.dead_letters)] == [big]
