"""Promise 3: a partition that the group gives us while we still ask where the ones before it begin is not forgotten."""

import json
import threading
import time

import pytest

from harness.group import assigned, written
from harness.kafka_filter import OFFSET_FETCH, KafkaFilter, kafka_behind
from harness.process import wait_until


@pytest.mark.timeout(120)
def test_promise_3_partitions_told_while_offsets_are_asked_for_are_not_forgotten(tmp_path, request, make_topics,
                                                                                  make_sandbox, start):
    answers = threading.Event()
    broker, proxy = kafka_behind(tmp_path / "kafka", lambda port: KafkaFilter(
        port, lambda key: key == OFFSET_FETCH and not answers.is_set()))
    request.addfinalizer(proxy.close)
    request.addfinalizer(broker.stop)
    broker.start()
    topics = make_topics(broker)
    sandbox = make_sandbox()
    env = topics.env | sandbox.target.env | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}",
                                             "KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": 500}
    topics.broker.publish(topics.writes, [(f"d{i}", json.dumps({"id": f"d{i}", "pk": "p"})) for i in range(1000)])
    consumer = start("consumer", env, wait=False)
    wait_until(lambda: proxy.swallowed > 0, 30, "it to ask where its partitions begin")
    # More partitions: librdkafka joins again without waiting for our answer.
    broker.tool("topics", "--alter", "--topic", topics.writes, "--partitions", "10")
    time.sleep(5)  # nothing tells from outside that it has joined again
    answers.set()
    wait_until(lambda: assigned(consumer) == 10, 60, "all ten partitions")
    wait_until(lambda: written(consumer) >= 1000, 60, "everything to be written")
    assert consumer.stop() == 0
