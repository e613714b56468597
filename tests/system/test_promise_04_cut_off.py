"""Promise 4: a consumer that is cut off from Kafka alone sends nothing more once others have its partitions, in whatever state
of the group that happens: librdkafka tells of a lost membership only while the group is steady."""

import json
import time

import pytest

from harness.fault_proxy import FaultProxy
from harness.group import assigned, conditions, journal, journal_on, wait_committed, written, written_by
from harness.kafka_filter import (HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, OFFSET_COMMIT, OFFSET_FETCH, SYNC_GROUP, KafkaFilter,
                                  kafka_behind)
from harness.process import wait_until

SESSION_MS = 4000


@pytest.fixture
def cut_kafka(tmp_path, request):
    """A broker, and the proxy which only its client can be cut off by."""
    broker, proxy = kafka_behind(tmp_path / "kafka", FaultProxy)
    request.addfinalizer(proxy.close)
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


class SilentCoordinator:
    """What a connection to the coordinator swallows from the first JoinGroup on after `armed`: all that is about the group."""

    def __init__(self):
        self.armed = self.silent = False

    def __call__(self, key):
        self.silent = self.silent or (self.armed and key == JOIN_GROUP)
        return self.silent and key in (OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP)


@pytest.mark.timeout(120)
def test_promise_4_one_that_is_expelled_while_it_joins_writes_no_trickle(tmp_path, request, make_topics, make_sandbox, start):
    """Its records come one by one and are finished at once, so that it holds nothing most of the time; fetching goes on."""
    silence = SilentCoordinator()
    broker, proxy = kafka_behind(tmp_path / "kafka", lambda port: KafkaFilter(port, silence))
    request.addfinalizer(proxy.close)
    request.addfinalizer(broker.stop)
    broker.start()
    topics = make_topics(broker)
    sandbox = make_sandbox({"cosmos.ranges": 1})
    journal_on(sandbox)
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": SESSION_MS}
    expelled = start("consumer", env | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}"})
    wait_until(lambda: has(expelled) == 8, 30, "the first to have all")
    topics.broker.publish(topics.writes, [(f"x{i}", json.dumps({"id": f"x{i}", "pk": "p"})) for i in range(100)])
    wait_until(lambda: written(expelled) == 100, 30, "it to work")
    silence.armed = True
    other = start("consumer", env, wait=False)
    wait_until(lambda: has(other) == 8, 60, "the other to have all")
    since_ms = time.time() * 1000
    for i in range(20):
        topics.broker.publish(topics.writes, [(f"t{i}", json.dumps({"id": f"t{i}", "pk": "p"}))])
        time.sleep(0.4)
    late = [line["id"] for line in written_by(journal(sandbox), expelled) if line["at_ms"] > since_ms]
    assert late == []
    told = conditions(expelled)
    assert told[0] == 503 and not told[1]["membership"]["ok"], told
    wait_until(lambda: written(other) >= 20, 30, "the other to write them")
    expelled.kill()
