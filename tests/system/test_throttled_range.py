"""A range that is throttled waits by itself: its retry-after is obeyed, and the others are written meanwhile."""

import pytest
import requests

from harness.group import make_documents, records
from harness.process import wait_until

COUNT = 20_000
WAIT_MS = 700


@pytest.mark.timeout(180)
def test_a_hot_range_does_not_idle_the_others(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 8})
    sandbox.post("/_sandbox/faults", json=[
        {"match": {"range": "0"}, "status": 429, "substatus": 3200, "retry_after_ms": WAIT_MS}])
    consumer = start("consumer", [topics.env, sandbox.target.env])
    documents = make_documents(COUNT)
    topics.broker.publish(topics.writes, records(documents))

    def written():
        return consumer.metric("writebehind_outcomes_total", outcome="written")

    wait_until(lambda: written() > COUNT * 3 / 4 and written() + consumer.metric("writebehind_pending_writes") == COUNT,
               60, "the other ranges to be written")
    pending = consumer.metric("writebehind_pending_writes")
    assert pending > COUNT / 32
    wait_until(lambda: consumer.metric("writebehind_cosmos_throttled_seconds_total") > 0, 30, "the wait to be counted")
    requests.delete(sandbox.info["cosmos"] + "/_sandbox/faults", timeout=30)
    wait_until(lambda: written() == COUNT, 60, "the range that was throttled to be written")
    sandbox.target.assert_holds(documents)
