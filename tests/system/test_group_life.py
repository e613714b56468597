"""How a consumer lives with its group: static membership, being fenced, and what it stands still at."""

import json

import pytest
import requests

from harness.group import assigned, make_documents, records, wait_committed
from harness.process import wait_until


def changes(consumer):
    return consumer.metric("writebehind_assignment_changes_total")


@pytest.mark.timeout(120)
def test_a_static_member_restarts_without_a_rebalance(topics, make_sandbox, start):
    sandbox = make_sandbox()
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": 20_000}
    a, b = (start("consumer", env | {"KAFKA_GROUP_INSTANCE_ID": name}) for name in "ab")
    wait_until(lambda: assigned(a) == 4 and assigned(b) == 4, 30, "each to have its half")
    first = make_documents(1000)
    topics.broker.publish(topics.writes, records(first))
    wait_committed(topics)
    before = changes(b)
    assert a.stop() == 0
    second = make_documents(1000, "second")
    topics.broker.publish(topics.writes, records(second))
    a.start()
    wait_until(lambda: assigned(a) == 4, 30, "it to have its half again")
    wait_committed(topics)
    a.kill()
    a.start()
    wait_until(lambda: assigned(a) == 4, 30, "it to have its half again")
    assert changes(b) == before and assigned(b) == 4
    sandbox.target.assert_holds(first + second)


@pytest.mark.timeout(120)
def test_a_fenced_member_ends_and_says_why(topics, make_sandbox, start):
    sandbox = make_sandbox()
    env = topics.env | sandbox.target.env | {"KAFKA_GROUP_INSTANCE_ID": "same"}
    old = start("consumer", env)
    wait_until(lambda: assigned(old) == 8, 30, "it to have all")
    new = start("consumer", env)
    assert old.wait(30) == 1
    assert "FENCED_INSTANCE_ID" in old.log() and "cannot go on" in old.log()
    wait_until(lambda: assigned(new) == 8, 30, "the new one to have all")
    documents = make_documents(500)
    topics.broker.publish(topics.writes, records(documents))
    wait_committed(topics)
    sandbox.target.assert_holds(documents)


@pytest.mark.timeout(120)
def test_a_stuck_partition_pauses_alone_and_is_named(topics, make_sandbox, start):
    sandbox = make_sandbox()
    sandbox.post("/_sandbox/faults", json=[{"match": {"id": "stuck"}, "status": 449}])
    consumer = start("consumer", [topics.env, sandbox.target.env], {"consumer.max.offset.gap": 500})
    topics.broker.publish(topics.writes, [("stuck", json.dumps({"id": "stuck", "pk": "böse"}))])
    documents = make_documents(20_000)
    topics.broker.publish(topics.writes, records(documents))
    where = next(m for m in topics.broker.read_topic(topics.writes) if m.key() == b"stuck")
    consumer.wait_log("id=stuck")
    line = next(line for line in consumer.log().splitlines() if "id=stuck" in line)
    for part in ("partition paused", f"topic={topics.writes} partition={where.partition()} ",
                 f"unfinished_offset={where.offset()} ", r"b\\u00f6se"):
        assert part in line
    # The others may stand at the gap for a moment, too, until their own writes are done.
    others = {p: high for p, (_, high) in topics.broker.end_offsets(topics.writes).items() if p != where.partition()}
    wait_until(lambda: others.items() <= topics.broker.committed(topics.group, topics.writes).items(), 60,
               "the others to be finished", every_s=0.2)
    wait_until(lambda: consumer.metric("writebehind_paused_partitions") == 1, 10, "it alone to be paused")
    labels = {"topic": topics.writes, "partition": str(where.partition())}
    assert consumer.metric("writebehind_first_unfinished_offset", **labels) == where.offset()
    wait_until(lambda: consumer.metric("writebehind_first_unfinished_seconds", **labels) > 0.5, 10, "its age to grow")
    requests.delete(sandbox.info["cosmos"] + "/_sandbox/faults", timeout=10)
    wait_committed(topics)
    sandbox.target.assert_holds([{"id": "stuck", "pk": "böse"}, *documents])
