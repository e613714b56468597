"""Promise 4: a consumer that was frozen for longer than its session sends nothing for what it has lost meanwhile."""

import json
import time

import pytest

from harness.group import assigned, journal, journal_on, wait_committed, written, written_by
from harness.process import wait_until

BULK = 100  # operations of a request at most
SESSION_MS = 3000


@pytest.mark.timeout(180)
@pytest.mark.parametrize("round_", range(2))
def test_promise_4_a_thawed_consumer_sends_nothing_for_what_it_lost(topics, make_sandbox, start, round_):
    sandbox = make_sandbox({"cosmos.ranges": 4})
    journal_on(sandbox)
    sandbox.post("/_sandbox/faults", json=[{"latency_ms": 1000}]).raise_for_status()
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": SESSION_MS}
    settings = {"cosmos.range.concurrency": 1}
    frozen, other = (start("consumer", env, settings) for _ in range(2))
    wait_until(lambda: assigned(frozen) == 4 and assigned(other) == 4, 30, "each to have its half")
    versions = [{"id": f"item{k}", "pk": f"p{k % 50}", "version": v} for v in range(20) for k in range(3000)]
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in versions))
    wait_until(lambda: written(frozen) > 500, 30, "the middle of the work")
    # While all its requests hang it sends nothing. One that is frozen between its last look and the sending of a request
    # sends that one when it is thawed, which nothing can prevent.
    wait_until(lambda: frozen.metric("writebehind_cosmos_requests_in_flight") == 4, 30, "a request to every range")
    absences = frozen.metric("writebehind_absences_total")
    frozen.pause()
    sandbox.delete("/_sandbox/faults").raise_for_status()
    assert len(written_by(journal(sandbox), frozen)) < 30_000 * 0.9  # it has much left to send
    wait_until(lambda: assigned(other) == 8, 30, "the other to have all")
    wait_committed(topics)
    before = journal(sandbox)
    frozen.resume()
    wait_until(lambda: "partitions lost" in frozen.log() or assigned(frozen) == 4, 30, "it to hear what it lost")
    time.sleep(2)
    late = written_by(journal(sandbox)[len(before):], frozen)
    # Of those that completed just before the freeze one may have been followed by a request that was being sent: that one
    # goes out. Whoever did not look at all would send thousands in these two seconds.
    assert len(late) <= BULK, [(line["id"], line["at_ms"], before[-1]["at_ms"]) for line in late[:5]]
    assert frozen.metric("writebehind_absences_total") > absences
    last = versions[-3000:]
    spoiled = {line["id"] for line in late}

    def holds(expected):
        report = sandbox.target.differences(expected)
        assert not report["missing"] and not report["extra"], report
        assert {name[1] for name in report["different"]} <= spoiled, report["different"][:3]
    holds(last)
    # And it goes on as a member like any other.
    wait_until(lambda: assigned(frozen) == 4 and assigned(other) == 4, 30, "each to have its half again")
    more = [{"id": f"more{k}", "pk": "p"} for k in range(2000)]
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in more))
    wait_committed(topics)
    holds(last + more)
    assert written_by(journal(sandbox)[len(before):], frozen)


@pytest.mark.timeout(120)
def test_promise_4_one_that_was_away_for_less_than_its_session_goes_on(topics, make_sandbox, start):
    """Longer than half of it, so that it has to prove its membership, which it still has."""
    sandbox = make_sandbox({"fault.latency.ms": 20})
    journal_on(sandbox)
    consumer = start("consumer", topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": 10_000})
    documents = [{"id": f"item{k}", "pk": f"p{k % 50}"} for k in range(30_000)]
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in documents))
    wait_until(lambda: written(consumer) > 500, 30, "the middle of the work")
    consumer.pause()
    time.sleep(6)
    consumer.resume()
    wait_committed(topics)
    sandbox.target.assert_holds(documents)
    assert consumer.metric("writebehind_absences_total") == 1
    assert "membership" in consumer.log()
    assert consumer.log().count("partitions assigned") == 1
