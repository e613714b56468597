"""Promise 9: memory is bounded by one configured budget, whatever the backlog and the length of an outage."""

import time
from pathlib import Path

import pytest

from harness.process import wait_until

MIB = 1024 * 1024


def resident_peak(program):
    for line in Path(f"/proc/{program.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@pytest.mark.timeout(240)
def test_promise_9_a_backlog_during_an_outage_does_not_grow_memory(kafka, topics, cosmos, private_cosmos_server, start):
    """300 MB wait in Kafka while Cosmos DB takes nothing; afterwards all of it is written."""
    target = private_cosmos_server.create_container()
    count, size = 15_000, 20_000
    kafka.publish(topics.writes, ((f"d{i}", f'{{"id":"d{i}","pk":"t{i % 50}","fill":"{"x" * size}"}}') for i in range(count)))
    consumer = start("consumer", [topics.env, target.env, {"MEMORY_BUDGET_BYTES": "64MiB"}])
    private_cosmos_server.fail_with(503)
    time.sleep(8)
    held = resident_peak(consumer)
    assert consumer.running()
    private_cosmos_server.fail_with(0)
    wait_until(lambda: consumer.metric("writebehind_outcomes_total", outcome="written") >= count, 120, "all to be written")
    peak = resident_peak(consumer)
    assert max(held, peak) < 64 * MIB + 48 * MIB, f"{held / MIB:.0f} MiB in the outage, {peak / MIB:.0f} MiB in all"
    assert kafka.end_offsets(topics.dead_letters) == {p: (0, 0) for p in range(8)}


@pytest.mark.timeout(120)
def test_promise_9_reading_stops_for_what_is_in_headers_too(kafka, topics, private_cosmos_server, start):
    """200 MB wait in Kafka, nearly all of it in headers, while Cosmos DB takes nothing."""
    target = private_cosmos_server.create_container()
    fill = [("fill", b"x" * 500_000)]
    consumer = start("consumer", [topics.env, target.env, {"MEMORY_BUDGET_BYTES": "32MiB"}])
    private_cosmos_server.fail_with(503)
    kafka.publish(topics.writes, ((f"d{i}", f'{{"id":"d{i}","pk":"p"}}', fill) for i in range(400)))
    wait_until(lambda: consumer.metric("writebehind_held_bytes") > 16 * MIB, 30, "the budget to be used")
    time.sleep(2)
    assert consumer.metric("writebehind_pending_writes") < 60, "reading goes on beyond the budget"
    private_cosmos_server.fail_with(0)
    wait_until(lambda: consumer.metric("writebehind_outcomes_total", outcome="written") >= 400, 60, "all to be written")
