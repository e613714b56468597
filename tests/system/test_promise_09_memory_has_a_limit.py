"""Promise 9: a consumer's memory stays below its budget and 48 MiB, whatever it is that makes much of it wait."""

import itertools
import json
import time

import pytest

from harness.group import written
from harness.process import wait_until

MIB = 1024 * 1024
BEYOND = 48 * MIB
BUDGET = 32 * MIB
STORE = {"store.max.bytes": 1 << 30}
QUICK = {"shutdown.timeout.ms": "2s"}


def documents(count, size=1000):
    fill = "x" * size
    return ((f"d{i}", f'{{"id":"d{i}","pk":"t{i % 5000}","fill":"{fill}"}}') for i in range(count))


def fill(broker, topic, partitions, each, first=None):
    """As many documents into each of the partitions, in one batch each; first(partition): the id of one before them."""
    producer = broker.producer(linger_ms=100)
    rest = documents(len(partitions) * each)
    for partition in partitions:
        if first:
            key = first(partition)
            producer.produce(topic, partition=partition, key=key, value=json.dumps({"id": key, "pk": "p"}))
        for key, value in itertools.islice(rest, each):
            producer.produce(topic, partition=partition, key=key, value=value)
        producer.poll(0)
    assert producer.flush(60) == 0
    return len(partitions) * each


def begin(start, topics, sandbox, budget=BUDGET):
    return start("consumer", [topics.env, sandbox.target.env], QUICK | {"memory.budget.bytes": budget})


def fault(sandbox, **rule):
    sandbox.post("/_sandbox/faults", json=[rule]).raise_for_status()


def no_faults(sandbox):
    sandbox.delete("/_sandbox/faults").raise_for_status()


def wait_full(consumer, budget=BUDGET):
    """Until there is no memory to read more."""
    limit = consumer.metric("writebehind_held_limit_bytes")
    assert limit > budget / 2
    wait_until(lambda: consumer.metric("writebehind_held_bytes") >= limit, 60, "the budget to be used")


def assert_within(consumer, budget=BUDGET):
    peak = consumer.rss_bytes(peak=True)
    assert peak <= budget + BEYOND, f"{peak / MIB:.0f} MiB at the peak with a budget of {budget / MIB:.0f} MiB"


def test_promise_9_documents_of_2_mb(topics, make_sandbox, start):
    """With the smallest budget that takes them: first nothing is written, then all."""
    budget, count = 16 * MIB, 40
    sandbox = make_sandbox(STORE)
    topics.broker.publish(topics.writes, documents(count, 2_000_000))
    fault(sandbox, match={}, status=503)
    consumer = begin(start, topics, sandbox, budget)
    wait_full(consumer, budget)
    no_faults(sandbox)
    wait_until(lambda: written(consumer) >= count, 60, "all to be written")
    assert_within(consumer, budget)


def test_promise_9_a_thousand_partitions(topics, make_sandbox, start):
    """Of which every twentieth has records. First nothing is written, then all."""
    sandbox = make_sandbox(STORE)
    topics.writes = topics.broker.create_topic(f"{topics.writes}.wide", 1000, max_message_bytes=3_000_000)
    count = fill(topics.broker, topics.writes, range(0, 1000, 20), 800)
    fault(sandbox, match={}, status=503)
    consumer = begin(start, topics, sandbox)
    wait_full(consumer)
    no_faults(sandbox)
    wait_until(lambda: written(consumer) >= count, 60, "all to be written")
    assert_within(consumer)
    consumer.stop(60)
    topics.broker.delete_topic(topics.writes)


@pytest.mark.parametrize("partitions, each", [(64, 900), (1000, 60)])
def test_promise_9_a_stuck_write_in_every_partition(topics, make_sandbox, start, partitions, each):
    """The backlog behind it passes it by."""
    sandbox = make_sandbox(STORE)
    topics.writes = topics.broker.create_topic(f"{topics.writes}.stuck", partitions, max_message_bytes=3_000_000)
    fault(sandbox, match={"id_prefix": "stuck-"}, status=449)
    count = fill(topics.broker, topics.writes, range(partitions), each, first=lambda partition: f"stuck-{partition}")
    consumer = begin(start, topics, sandbox)
    wait_until(lambda: written(consumer) >= count, 60, "all others to be written")
    wait_until(lambda: consumer.metric("writebehind_pending_writes") == partitions, 10, "the stuck ones to be left")
    assert_within(consumer)
    consumer.kill()  # what is stuck would be waited for
    topics.broker.delete_topic(topics.writes)


@pytest.mark.parametrize("budget", [128 * MIB, BUDGET])
def test_promise_9_a_backlog_that_is_compressed_a_hundredfold(topics, make_sandbox, start, budget):
    """Kafka counts what it sends as it is compressed."""
    count = 150_000
    sandbox = make_sandbox(STORE)
    producer = topics.broker.producer(**{"compression.type": "zstd", "linger.ms": 50, "batch.size": 1_000_000,
                                         "queue.buffering.max.messages": count})
    for key, value in documents(count):
        producer.produce(topics.writes, key=key, value=value)
    assert producer.flush(60) == 0
    consumer = begin(start, topics, sandbox, budget)
    wait_until(lambda: written(consumer) >= count, 60, "all to be written")
    assert_within(consumer, budget)


def test_promise_9_throttled(topics, make_sandbox, start):
    """To about a fifth of what it could write."""
    count = 60_000
    sandbox = make_sandbox(STORE | {"cosmos.ranges": 8, "cosmos.range.ru": 12_000})
    topics.broker.publish(topics.writes, documents(count))
    consumer = begin(start, topics, sandbox)
    wait_until(lambda: written(consumer) >= count, 60, "all to be written")
    assert consumer.metric("writebehind_cosmos_retries_total", kind="throttled") > 0
    assert_within(consumer)


@pytest.mark.parametrize("rule", [{"status": 503}, {"status": 449, "probability": 0.97}], ids=["outage", "each_by_itself"])
def test_promise_9_many_small_documents_wait(topics, make_sandbox, start, rule):
    """What belongs to a write beside its document counts most; and each of those that failed by itself knows why."""
    count = 60_000
    sandbox = make_sandbox(STORE)
    topics.broker.publish(topics.writes, documents(count, 10))
    fault(sandbox, match={}, **rule)
    consumer = begin(start, topics, sandbox)
    wait_full(consumer)
    time.sleep(2)  # failures go on
    assert_within(consumer)
