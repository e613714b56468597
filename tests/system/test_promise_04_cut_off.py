"""Promise 4: a consumer that is cut off from Kafka alone sends nothing more once others have its partitions, in whatever state
of the group that happens: librdkafka tells of a lost membership only while the group is steady."""

import json
import time

import pytest

from harness.fault_proxy import FaultProxy
from harness.group import assigned, conditions, journal, journal_on, wait_committed, written, written_by
from harness.kafka import Kafka
from harness.ports import free_port
from harness.process import wait_until

SESSION_MS = 4000


@pytest.fixture
def cut_kafka(tmp_path, request):
    """A broker with two listeners, and the proxy in front of the second one, which only its client can be cut off by."""
    plain, second, controller = free_port(), free_port(), free_port()
    proxy = FaultProxy(second)
    request.addfinalizer(proxy.close)
    broker = Kafka(tmp_path / "kafka", {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{second},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{proxy.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}"}, port=plain)
    request.addfinalizer(broker.stop)
    broker.start()
    return broker, proxy


def has(program):
    """0 also while it does not answer yet."""
    try:
        return assigned(program)
    except OSError:
        return 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("state", ["steady", "draining"])
def test_promise_4_one_that_is_cut_off_sends_nothing_for_its_successors(cut_kafka, make_topics, make_sandbox, start, state):
    broker, proxy = cut_kafka
    topics = make_topics(broker)
    sandbox = make_sandbox({"cosmos.ranges": 1})
    journal_on(sandbox)
    faults = [{"latency_ms": 200}]
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": SESSION_MS}
    settings = {"cosmos.range.concurrency": 1}
    documents = [{"id": f"d{i}", "pk": f"p{i % 50}"} for i in range(20_000)]
    if state == "draining":
        # What does not end keeps a revocation from being answered.
        faults.insert(0, {"match": {"id_prefix": "stuck-"}, "status": 449})
        documents = [{"id": f"stuck-{i}", "pk": "p"} for i in range(100)] + documents
    sandbox.post("/_sandbox/faults", json=faults).raise_for_status()
    cut = start("consumer", env | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}"}, settings)
    wait_until(lambda: has(cut) == 8, 30, "the first to have all")
    other = None
    if state == "steady":
        other = start("consumer", env, settings, wait=False)
        wait_until(lambda: has(cut) == 4 and has(other) == 4, 40, "each to have its half")
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in documents))
    wait_until(lambda: written(cut) > 500, 30, "the middle of the work")
    if state == "draining":
        other = start("consumer", env, settings, wait=False)
        time.sleep(3)
        assert has(cut) == 8 and has(other) == 0
    proxy.refuse()
    wait_until(lambda: has(other) == 8, 40, "the other to have all")
    since_ms = time.time() * 1000
    time.sleep(8)
    late = [line["at_ms"] - since_ms for line in written_by(journal(sandbox), cut) if line["at_ms"] > since_ms]
    assert len(late) == 0, f"{len(late)} late writes, the last one {max(late):.0f} ms late"
    assert conditions(cut)[0] == 503
    # It comes back as a member like any other, and everything is written.
    proxy.accept()
    sandbox.delete("/_sandbox/faults").raise_for_status()
    wait_until(lambda: has(cut) == 4 and has(other) == 4, 60, "each to have its half again")
    more = [{"id": f"more{i}", "pk": "p"} for i in range(500)]
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in more))
    wait_committed(topics)
    assert sandbox.target.count() == len(documents) + len(more)
