"""Promise 9: a producer's memory stays below its budget and 48 MiB, whatever bodies come one after the other, and each of
them gets the answer that docs/HTTP.md says."""

import gzip
import json
import os
import socket

import pytest

from harness.process import wait_until

MIB = 1024 * 1024
BEYOND = 48 * MIB
BUDGET = 32 * MIB
WHOLE = BUDGET // 4  # http.validate.max.bytes
LARGE = 40_000_000  # more than all of the budget
JSON, LINES = "application/json", "application/x-ndjson"


def lines(count, fill=b"x" * 900):
    return b"".join(b'{"id":"%d","pk":"a","v":"%s"}\n' % (i, fill) for i in range(count))


def array_of(size):
    """Documents in an array of so many bytes."""
    documents = [b'{"id":"%d","pk":"a","v":"%s"}' % (i, b"y" * 900) for i in range(size // 1000)]
    body = b"[" + b",".join(documents)
    return body + b" " * (size - len(body) - 1) + b"]"


def hardly_compressed(count):
    """Lines that gzip leaves half of."""
    return b"".join(b'{"id":"%d","pk":"a","v":"%s"}\n' % (i, os.urandom(400).hex().encode()) for i in range(count))


def many_members(count):
    return b"{" + b",".join(b'"m%d":1' % i for i in range(count)) + b"}"


def zipped(body):
    return gzip.compress(body, 1)


def writes_as_json(count):
    return json.dumps({"documents": [{"id": str(i), "pk": "a"} for i in range(count)]}).encode()


# name: type, body, whether it is in gzip, status, code
CASES = {
    "a line of 40 MB": (LINES, lambda: lines(1, b"x" * LARGE), False, 413, "document-too-large"),
    "blanks": (LINES, lambda: b" " * LARGE, False, 413, "document-too-large"),
    "newlines": (LINES, lambda: b"\n" * LARGE, False, 400, "empty-batch"),
    "100,001 writes": (JSON, lambda: writes_as_json(100_001), False, 413, "too-many-operations"),
    "100,001 lines": (LINES, lambda: lines(100_001, b""), False, 413, "too-many-operations"),
    "tiny lines": (LINES, lambda: b"".join(b'{"id":"%d"}\n' % i for i in range(800_000)), False, 202, None),
    "gzip cut off": (LINES, lambda: zipped(hardly_compressed(15_000))[:-5000], True, 400, "invalid-encoding"),
    "gzip of one line": (LINES, lambda: zipped(lines(1, b"x" * 300_000_000)), True, 413, "document-too-large"),
    "gzip of one document": (JSON, lambda: zipped(b'[{"id":"1","v":"' + b"x" * 300_000_000), True, 413, "body-too-large"),
    "bad UTF-8 at the end": (LINES, lambda: lines(20_000) + b'{"id":"\xff"}\n', False, 400, "invalid-document"),
    "as large as is validated": (JSON, lambda: array_of(WHOLE), False, 202, None),
    "a byte larger": (JSON, lambda: array_of(WHOLE + 1), False, 413, "body-too-large"),
    "deep": (JSON, lambda: b"[" * (WHOLE - 1), False, 400, "invalid-document"),
    "many members around documents": (JSON, lambda: many_members(500_000), False, 400, "unknown-member"),
    "many members of a document": (JSON, lambda: b'[{"id":"1",' + many_members(150_000)[1:] + b"]", False, 202, None),
}


def go_in_mid_stream(producer):
    with socket.create_connection(("127.0.0.1", producer.port)) as s:
        s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                  b"Content-Length: %d\r\n\r\n" % LARGE)
        s.sendall(lines(20_000))


@pytest.mark.timeout(240)
def test_promise_9_odd_bodies_one_after_another(topics, start):
    producer = start("producer", env=topics.env, settings={"memory.budget.bytes": BUDGET})
    bodies = {name: make() for name, (_, make, *_) in CASES.items()}
    accepted = []
    for turn in ("first", "second"):
        for name, (kind, _, packed, status, code) in CASES.items():
            headers = {"Content-Type": kind} | ({"Content-Encoding": "gzip"} if packed else {})
            answer = producer.post("/v1/jobs", data=bodies[name], headers=headers, timeout=60)
            assert answer.status_code == status, f"{name}, {turn} time: {answer.status_code} {answer.text[:300]}"
            assert answer.json().get("code") == code, f"{name}, {turn} time: {answer.text[:300]}"
            accepted += [answer.json()["jobId"]] if status == 202 else []
        go_in_mid_stream(producer)
        wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 0, 30, "the cut-off stream to end")
        ordinary = producer.post("/v1/jobs", json=[{"id": "ordinary", "pk": "a"}])
        assert ordinary.status_code == 202
        accepted.append(ordinary.json()["jobId"])
        peak = producer.rss_bytes(peak=True)
        assert peak <= BUDGET + BEYOND, f"{peak / MIB:.0f} MiB at the peak, {turn} time, with a budget of {BUDGET / MIB:.0f} MiB"

    def listed():  # what the instance has read so far
        return sorted(job["jobId"] for job in producer.get("/v1/jobs").json()["jobs"])
    wait_until(lambda: len(listed()) >= len(accepted), 10, "all jobs to be listed")
    assert listed() == sorted(accepted)


@pytest.mark.parametrize("body, status", [(array_of(WHOLE), 202), (b"[" * WHOLE, 400)], ids=["accepted", "refused"])
def test_a_client_that_waits_for_its_answers_finds_room(topics, start, body, status):
    """Two such bodies at a time would be too much for the budget: what one holds is let go before it is answered."""
    producer = start("producer", env=topics.env, settings={"memory.budget.bytes": BUDGET})
    found = [producer.post("/v1/jobs", data=body, headers={"Content-Type": JSON}).status_code for _ in range(60)]
    assert found == [status] * 60
