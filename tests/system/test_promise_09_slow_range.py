"""Promise 9: what waits for a range that is slow, though nothing fails, keeps no memory of what was fetched with it."""

import pytest

from harness.group import written
from harness.process import wait_until

MIB = 1024 * 1024
BUDGET = 32 * MIB
DOCUMENTS = 150_000


@pytest.mark.timeout(180)
def test_promise_9_a_slow_range_does_not_hold_its_neighbours_memory(kafka, topics, make_sandbox, start):
    """Each write of the slow range would otherwise hold a fetch of hundreds of records of the fast ones."""
    sandbox = make_sandbox({"cosmos.ranges": 64, "store.max.bytes": 1 << 30})
    sandbox.post("/_sandbox/faults", json=[{"match": {"range": "0"}, "latency_ms": 3000}]).raise_for_status()
    fill = "x" * 1000
    kafka.publish(topics.writes,
                  ((f"d{i}", f'{{"id":"d{i}","pk":"t{i % 5000}","fill":"{fill}"}}') for i in range(DOCUMENTS)))
    consumer = start("consumer", [topics.env, sandbox.target.env, {"MEMORY_BUDGET_BYTES": BUDGET}])
    wait_until(lambda: written(consumer) > DOCUMENTS * 0.97, 120, "the fast ranges to be written")
    sandbox.delete("/_sandbox/faults").raise_for_status()
    peak = consumer.rss_bytes(peak=True)
    assert peak < BUDGET + 48 * MIB, f"{peak / MIB:.0f} MiB at the peak"
