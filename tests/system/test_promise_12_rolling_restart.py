"""Promise 12: a rolling restart writes nothing twice; and what a killed consumer had not finished is all that comes again."""

import collections
import itertools
import threading

import pytest

from harness.group import assigned, journal, journal_on, make_documents, places, records, wait_committed, written, written_by
from harness.process import wait_until


class Publisher(threading.Thread):
    """Publishes documents in pieces until it is told to stop."""

    def __init__(self, topics, piece=300, every_s=0.1):
        super().__init__(daemon=True)
        self._topics, self._piece, self._every_s = topics, piece, every_s
        self.published = []
        self.stopped = threading.Event()
        self.start()

    def run(self):
        for number in itertools.count():
            piece = make_documents(self._piece, f"doc{number}")
            self._topics.broker.publish(self._topics.writes, records(piece))
            self.published += piece
            if self.stopped.wait(self._every_s):
                return

    def stop(self):
        self.stopped.set()
        self.join(60)
        return self.published


@pytest.mark.timeout(300)
def test_promise_12_a_rolling_restart_of_four_writes_nothing_twice(topics, make_sandbox, start):
    sandbox = make_sandbox({"fault.latency.ms": 10, "fault.jitter.ms": 10})
    journal_on(sandbox)
    consumers = [start("consumer", [topics.env, sandbox.target.env]) for _ in range(4)]
    wait_until(lambda: all(assigned(c) == 2 for c in consumers), 40, "each to have its share")
    publisher = Publisher(topics)
    try:
        for consumer in consumers:
            wait_until(lambda one=consumer: written(one) > 100, 30, "it to work")
            assert consumer.stop() == 0
            consumer.start()
            wait_until(lambda: all(assigned(c) == 2 for c in consumers), 40, "each to have its share again")
    finally:
        documents = publisher.stop()
    wait_committed(topics)
    sandbox.target.assert_holds(documents)
    times = collections.Counter(line["id"] for line in journal(sandbox))
    assert {id: n for id, n in times.items() if n > 1} == {}
    assert len(times) == len(documents)
    assert topics.broker.read_topic(topics.dead_letters) == []


@pytest.mark.timeout(240)
def test_promise_3_of_a_killed_consumer_only_the_unfinished_gap_comes_again(topics, make_sandbox, start):
    sandbox = make_sandbox({"fault.latency.ms": 10, "fault.jitter.ms": 10})
    journal_on(sandbox)
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": 6000}
    consumers = [start("consumer", env) for _ in range(2)]
    wait_until(lambda: all(assigned(c) == 4 for c in consumers), 30, "each to have its half")
    documents = make_documents(60_000)
    topics.broker.publish(topics.writes, records(documents))
    victim = consumers[0]
    wait_until(lambda: written(victim) > 5_000, 30, "the middle of the work")
    wait_until(lambda: sum(topics.broker.committed(topics.group, topics.writes).values()) > 5_000, 30, "commits")
    victim.kill()
    committed = topics.broker.committed(topics.group, topics.writes)
    wait_until(lambda: assigned(consumers[1]) == 8, 30, "the other to have all")
    wait_committed(topics)
    sandbox.target.assert_holds(documents)
    where = places(topics.broker, topics.writes)
    times = collections.Counter(line["id"] for line in journal(sandbox))
    assert len(times) == len(documents)
    theirs = {where[line["id"]][0] for line in written_by(journal(sandbox), victim)}
    again = [where[id] for id, n in times.items() if n > 1]
    assert max(times.values()) <= 2
    assert [(p, o) for p, o in again if o < committed.get(p, 0)] == []
    assert {p for p, o in again} <= theirs
