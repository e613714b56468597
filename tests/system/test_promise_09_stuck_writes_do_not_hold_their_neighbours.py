"""Promise 9: writes that wait for long keep their own bytes, not those of the fetch that brought them."""

import json
import time

from harness.process import wait_until

import pytest
import requests

MIB = 1024 * 1024
BUDGET = 32 * MIB
STUCK = [("source", b"first"), ("source", b"second"), ("nothing", None), ("empty", b""), ("bytes", bytes(range(256)))]


@pytest.mark.timeout(240)
def test_promise_9_stuck_writes_do_not_hold_their_neighbours(kafka, topics, make_sandbox, start):
    """200 MB go by while one write in 150 is tried again and again. Then those die, and their letters are what was read."""
    sandbox = make_sandbox()
    stuck = [{"match": {"id_prefix": "stuck-"}, "status": 449}]
    sandbox.post("/_sandbox/faults", json=stuck).raise_for_status()
    count, each = 200_000, 150
    fill = "x" * 1000

    def record(i):
        name = f"stuck-{i}" if i % each == 0 else f"d{i}"
        value = f' {{"id":"{name}","pk":"t{i % 500}","fill":"{fill}"}} '
        return (name, value, STUCK) if i % each == 0 else (name, value)

    kafka.publish(topics.writes, (record(i) for i in range(count)))
    waiting = len(range(0, count, each))
    consumer = start("consumer", [topics.env, sandbox.target.env, {"MEMORY_BUDGET_BYTES": str(BUDGET)}])
    wait_until(lambda: consumer.metric("writebehind_outcomes_total", outcome="written") == count - waiting, 120, "the others")
    wait_until(lambda: consumer.metric("writebehind_pending_writes") == waiting, 10, "the stuck ones alone to be left")
    wait_until(lambda: waiting * 1000 < consumer.metric("writebehind_held_bytes") < waiting * 4000, 10,
               "their own memory alone to be held")
    peak = consumer.rss_bytes(peak=True)
    assert peak < BUDGET + 48 * MIB, f"{peak / MIB:.0f} MiB at the peak"

    consumer.pause()  # it sends nothing while there is no rule
    time.sleep(0.5)
    requests.delete(f"{sandbox.info['cosmos']}/_sandbox/faults", timeout=10).raise_for_status()
    sandbox.post("/_sandbox/faults", json=[{"match": {"id_prefix": "stuck-"}, "status": 400}]).raise_for_status()
    consumer.resume()
    wait_until(lambda: consumer.metric("writebehind_outcomes_total", outcome="dead") == waiting, 60, "the stuck ones to die")
    letters = {m.key(): m for m in kafka.read_topic(topics.dead_letters)}
    assert len(letters) == waiting
    for i in range(0, count, each):
        name, value, headers = record(i)
        letter = letters[name.encode()]
        assert letter.value() == value.encode()
        assert letter.headers()[:len(headers)] == headers
        assert {name for name, _ in letter.headers()[len(headers):]}.isdisjoint(name for name, _ in headers)
    wait_until(lambda: consumer.metric("writebehind_held_bytes") == 0, 10, "all memory to be given back")


def test_promise_9_writes_behind_their_item_are_written_as_they_were(kafka, topics, make_sandbox, start):
    """Copied out while they wait behind their item; the last state of each item is right."""
    sandbox = make_sandbox()
    slow = [{"match": {"id_prefix": "hot-"}, "probability": 0.5, "status": 449}]
    sandbox.post("/_sandbox/faults", json=slow).raise_for_status()
    docs = [{"id": f"hot-{i % 5}", "pk": "p", "n": i, "text": "ä" * (i % 50)} for i in range(400)]
    kafka.publish(topics.writes, [(d["id"], json.dumps(d), [("note", None)]) for d in docs])
    consumer = start("consumer", [topics.env, sandbox.target.env])
    wait_until(lambda: consumer.metric("writebehind_outcomes_total") == 400, 60, "all to be written or superseded")
    assert consumer.metric("writebehind_outcomes_total", outcome="dead") == 0
    sandbox.target.assert_holds(docs[-5:])
    wait_until(lambda: consumer.metric("writebehind_held_bytes") == 0, 10, "all memory to be given back")
