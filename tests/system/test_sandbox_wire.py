"""The sandbox on the wire: signatures, limits, throttling, ranges, faults, and its Kafka."""

import json
import socket
import time
from email.utils import formatdate

import pytest
import requests
from confluent_kafka import Consumer, Producer

from harness.ports import free_port
from harness.process import wait_until
from harness.wire import Wire, upsert_operation


@pytest.fixture
def one(make_sandbox):
    """A sandbox with one range, so that every operation may go into any bulk."""
    sandbox = make_sandbox({"cosmos.ranges": 1})
    sandbox.wire = Wire(sandbox.target)
    return sandbox


def documents(count, prefix="d"):
    return [{"id": f"{prefix}{i}", "pk": f"p{i % 7}", "n": i} for i in range(count)]


def faults(sandbox, *rules):
    sandbox.post("/_sandbox/faults", json=list(rules)).raise_for_status()


def test_signatures_and_dates(one):
    assert one.wire.upsert({"id": "a", "pk": "p"}).status_code == 201
    refused = one.wire.upsert({"id": "a", "pk": "p"}, key="QUFBQQ==")
    assert refused.status_code == 401 and refused.json()["code"] == "Unauthorized"
    for offset in (-16 * 60, 16 * 60):
        stale = one.wire.upsert({"id": "a", "pk": "p"}, date=formatdate(time.time() + offset, usegmt=True))
        assert stale.status_code == 403
    assert one.wire.upsert({"id": "a", "pk": "p"}, date=formatdate(time.time() - 14 * 60, usegmt=True)).ok
    unsigned = requests.get(one.info["cosmos"] + "/" + one.wire.link, timeout=5)
    assert unsigned.status_code == 401


def test_ranges_and_their_etag(make_sandbox):
    wire = Wire(make_sandbox({"cosmos.ranges": 8}).target)
    answer = wire.send("GET", "pkranges", headers={"A-IM": "Incremental Feed"})
    ranges = answer.json()["PartitionKeyRanges"]
    assert [r["id"] for r in ranges] == [str(i) for i in range(8)]
    assert ranges[0]["minInclusive"] == "" and ranges[-1]["maxExclusive"] == "FF"
    assert all(a["maxExclusive"] == b["minInclusive"] for a, b in zip(ranges, ranges[1:]))
    again = wire.send("GET", "pkranges", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_addressed_by_resource_ids(one):
    """As the Java client does: it signs the last id alone, in lower case."""
    container = one.target.proxy.read()
    path = "/" + container["_self"].strip("/")
    signed = container["_rid"].lower()
    answer = one.wire.send("GET", "pkranges", link=signed, path=f"{path}/pkranges/")
    assert answer.status_code == 200 and len(answer.json()["PartitionKeyRanges"]) == 1
    assert answer.json()["_rid"] == container["_rid"]
    assert one.wire.send("GET", "colls", link=signed, path=path).json()["id"] == one.info["container"]


def test_a_missing_container_is_not_a_missing_document(one):
    missing = one.wire.send("GET", "docs", link=one.wire.link + "-not")
    assert (missing.status_code, missing.headers["x-ms-substatus"]) == (404, "1003")
    key = {"x-ms-documentdb-partitionkey": '["p"]'}
    link = f"{one.wire.link}/docs/absent"
    missing = one.wire.send("GET", "docs", link=link, path="/" + link, headers=key)
    assert missing.status_code == 404 and "x-ms-substatus" not in missing.headers


def test_bulk_judges_every_operation(one):
    operations = [upsert_operation(d) for d in documents(3)]
    assert one.wire.bulk(operations).status_code == 200
    bad = {"operationType": "Create", "partitionKey": '["p1"]', "resourceBody": {"id": "d1", "pk": "p1"}}
    mismatch = upsert_operation({"id": "x", "pk": "p"}) | {"partitionKey": '["q"]'}
    answer = one.wire.bulk([operations[0], bad, mismatch, operations[2]])
    assert answer.status_code == 207
    assert [r["statusCode"] for r in answer.json()] == [200, 409, 400, 200]
    assert all("resourceBody" not in r for r in answer.json() if r["statusCode"] >= 400)
    assert float(answer.headers["x-ms-request-charge"]) > 12
    one.target.assert_holds(documents(3))


def test_bulk_limits(one):
    assert one.wire.bulk([upsert_operation(d) for d in documents(100)]).status_code == 200
    assert one.wire.bulk([upsert_operation(d) for d in documents(101, "more")]).status_code == 400
    large = {"id": "large", "pk": "p", "text": "x" * (1024 * 1024)}
    assert one.wire.bulk([upsert_operation(large), upsert_operation(large | {"id": "2"})]).status_code == 413
    assert one.wire.bulk([upsert_operation(large)]).status_code == 200
    assert one.wire.upsert({"id": "huge", "pk": "p", "text": "x" * (2 * 1024 * 1024)}).status_code == 413
    assert one.target.count() == 101


def test_bulk_reply_has_a_largest_size(one):
    large = {"id": "large", "pk": "p", "text": "x" * 1_900_000}
    assert one.wire.upsert(large).status_code == 201
    read = {"operationType": "Read", "partitionKey": '["p"]', "id": "large"}
    answer = one.wire.bulk([read] * 4)
    assert answer.status_code == 207
    assert [(r["statusCode"], r.get("subStatusCode")) for r in answer.json()] == [(200, None)] * 2 + [(413, 3402)] * 2
    assert answer.json()[0]["resourceBody"]["text"] == large["text"]


def test_bulk_that_is_not_json_applies_nothing(one):
    good = json.dumps(upsert_operation({"id": "a", "pk": "p"}))
    for body in (f"[{good},{{]", f"[{good},7]", "", "{}", f"[{good}"):
        assert one.wire.bulk(body).status_code == 400
    assert one.target.count() == 0


def test_operations_outside_their_range(make_sandbox):
    wire = Wire(make_sandbox({"cosmos.ranges": 4}).target)
    operations = [upsert_operation(d) for d in documents(50)]
    statuses = [[r["statusCode"] for r in wire.bulk(operations, str(i)).json()] for i in range(4)]
    for of_one in zip(*statuses):
        assert sorted(of_one) == [201, 410, 410, 410]
    assert all(r["subStatusCode"] == 1002 for r in wire.bulk(operations, "0").json() if r["statusCode"] == 410)
    gone = wire.bulk(operations, "4")
    assert gone.status_code == 410 and gone.headers["x-ms-substatus"] == "1002"


def test_request_units_throttle_bulk_and_points(one):
    one.post("/_sandbox/throughput", json={"range_ru": 100}).raise_for_status()
    answer = one.wire.bulk([upsert_operation(d) for d in documents(60)])
    assert answer.status_code == 207
    results = answer.json()
    throttled = [r for r in results if r["statusCode"] == 429]
    assert 10 <= 60 - len(throttled) <= 40
    assert all(r["subStatusCode"] == 3200 and 1 <= r["retryAfterMilliseconds"] <= 1000 for r in throttled)

    def spent_and_asked():
        """A point write after a bulk; the next second may have begun between them, and then it is let in."""
        one.wire.bulk([upsert_operation(d) for d in documents(60)])
        answer = one.wire.upsert({"id": "x", "pk": "p"})
        return [answer] if not answer.ok else None
    point, = wait_until(spent_and_asked, 20, "a point write to be throttled")
    assert point.status_code == 429 and int(point.headers["x-ms-retry-after-ms"]) >= 1
    assert point.headers["x-ms-substatus"] == "3200"
    wait_until(lambda: one.wire.upsert({"id": "y", "pk": "p"}).status_code == 201, 20, "the next second")


def test_bulk_can_be_switched_off(one):
    one.post("/_sandbox/bulk", json={"enabled": False}).raise_for_status()
    assert one.wire.bulk([upsert_operation({"id": "a", "pk": "p"})]).status_code == 400
    assert one.wire.upsert({"id": "a", "pk": "p"}).status_code == 201
    one.post("/_sandbox/bulk", json={"enabled": True}).raise_for_status()
    assert one.wire.bulk([upsert_operation({"id": "a", "pk": "p"})]).status_code == 200


def test_faults_of_operations(one):
    faults(one, {"match": {"op": "upsert", "bulk": True, "id_prefix": "d1"}, "status": 449, "count": 5},
           {"match": {"id": "d2"}, "status": 503, "substatus": 20001, "retry_after_ms": 7, "applied": True})
    answer = one.wire.bulk([upsert_operation(d) for d in documents(20)])
    statuses = {i: r["statusCode"] for i, r in enumerate(answer.json())}
    assert [i for i, s in statuses.items() if s == 449] == [1, 10, 11, 12, 13]
    assert answer.json()[2] | {"requestCharge": 0} == {
        "statusCode": 503, "subStatusCode": 20001, "retryAfterMilliseconds": 7, "requestCharge": 0}
    assert {d["id"] for d in one.target.all()} == {f"d{i}" for i, s in statuses.items() if s != 449}
    assert [r["fired"] for r in one.get("/_sandbox/faults").json()] == [5, 1]
    requests.delete(one.info["cosmos"] + "/_sandbox/faults", timeout=5).raise_for_status()
    assert one.wire.bulk([upsert_operation(d) for d in documents(20)]).status_code == 200


def test_faults_of_whole_requests(one):
    faults(one, {"scope": "request", "status": 429, "substatus": 3200, "retry_after_ms": 30, "count": 1,
                 "match": {"bulk": True}})
    answer = one.wire.bulk([upsert_operation(d) for d in documents(5)])
    assert (answer.status_code, answer.headers["x-ms-substatus"]) == (429, "3200")
    assert answer.headers["x-ms-retry-after-ms"] == "30"
    assert one.target.count() == 0
    faults(one, {"scope": "request", "status": 408, "applied": True, "count": 1, "match": {"op": "upsert"}})
    assert one.wire.upsert({"id": "a", "pk": "p"}).status_code == 408
    assert one.target.count() == 1


@pytest.mark.parametrize("action, applied", [("reset-before", False), ("reset-after", True), ("truncate", True)])
@pytest.mark.parametrize("bulk", [True, False])
def test_broken_replies(one, action, applied, bulk):
    faults(one, {"action": action, "count": 1, "match": {"op": "upsert"}})
    document = {"id": "a", "pk": "p"}
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        one.wire.bulk([upsert_operation(document)]) if bulk else one.wire.upsert(document)
    one.wire.session.close()
    assert one.target.count() == applied
    assert one.wire.upsert({"id": "b", "pk": "p"}).status_code == 201


def test_hanging_and_garbage(one):
    faults(one, {"action": "hang", "count": 1, "match": {"id": "a"}},
           {"action": "hang", "applied": True, "count": 1, "match": {"id": "b"}},
           {"action": "garbage", "count": 1, "match": {"id": "c"}})
    for name in ("a", "b"):
        with pytest.raises(requests.exceptions.ReadTimeout):
            one.wire.upsert({"id": name, "pk": "p"}, timeout=1)
    garbage = one.wire.upsert({"id": "c", "pk": "p"})
    assert garbage.status_code == 200
    with pytest.raises(ValueError):
        garbage.json()
    assert {d["id"] for d in one.target.all()} == {"b", "c"}


def test_latency_delays_the_reply(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 1, "fault.latency.ms": "200ms"})
    started = time.monotonic()
    assert Wire(sandbox.target).upsert({"id": "a", "pk": "p"}).ok
    assert time.monotonic() - started >= 0.2


def test_faults_by_option(make_sandbox):
    rule = '[{"match":{"op":"upsert"},"status":503}]'
    sandbox = make_sandbox({"fault.rules": rule})
    assert Wire(sandbox.target).upsert({"id": "a", "pk": "p"}).status_code == 503


def test_a_full_store_says_so(make_sandbox):
    sandbox = make_sandbox({"store.max.bytes": "1MiB"})
    wire = Wire(sandbox.target)
    assert wire.upsert({"id": "a", "pk": "p", "text": "x" * 700_000}).status_code == 201
    assert wire.upsert({"id": "b", "pk": "p", "text": "x" * 700_000}).status_code == 507
    assert wire.upsert({"id": "c", "pk": "p"}).status_code == 201


def test_every_document_as_lines(one):
    expected = documents(3000)
    for i in range(0, 3000, 100):
        assert one.wire.bulk([upsert_operation(d) for d in expected[i:i + 100]]).status_code == 200
    text = one.get(f"/_sandbox/documents?database={one.info['database']}&container={one.info['container']}").text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["document"] for line in lines] == expected
    assert lines[3] == {"id": "d3", "pk": ["p3"], "document": expected[3]}
    container, = one.get("/_sandbox/stats").json()["containers"]
    assert (container["documents"], container["bulk_requests"]) == (3000, 30)
    assert container["operations"] == {"upsert": {"201": 3000}}


def raw(sandbox, data, wait_s=2):
    """Sends bytes and returns all that comes back."""
    host, port = sandbox.info["cosmos"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait_s) as s:
        s.sendall(data)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except TimeoutError:
            pass
        return out


def test_garbage_is_refused_and_harms_nobody(one):
    for data, status in [(b"\r\n\r\n", b"400"), (b"GET / HTTP/3.0\r\n\r\n", b"505"), (b"x" * 40000, b"431"),
                         (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
                         (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
                         (b"GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
                         (b"GET /dbs/%00 HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
                         (b"GET /a/b/c/d/e/f/g/h/i HTTP/1.1\r\nConnection: close\r\n\r\n", b"400")]:
        assert raw(one, data).split(b" ")[1] == status, data[:60]
    assert raw(one, b"\x00\xff" * 5000, 0.3) == b""
    assert one.wire.upsert({"id": "a", "pk": "p"}).ok


def test_requests_can_be_pipelined_and_chunked(one):
    stats = b"GET /_sandbox/bulk HTTP/1.1\r\n\r\n"
    switch = b'POST /_sandbox/bulk HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"enabl\r\na\r\ned":false}\r\n0\r\n\r\n'
    last = b"GET /_sandbox/bulk HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = raw(one, stats + switch + last)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.count(b'{"enabled":true}') == 1 and answer.count(b'{"enabled":false}') == 2


def test_expect_100_continue(one):
    host, port = one.info["cosmos"].removeprefix("http://").split(":")
    body = b'{"enabled":true}'
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.sendall(b"POST /_sandbox/bulk HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert s.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(body)
        assert s.recv(1000).startswith(b"HTTP/1.1 200")


TOPICS = ["writebehind.writes", "writebehind.results", "writebehind.dead-letters", "writebehind.dead-letters.state"]


def test_kafka_has_its_topics_on_a_fixed_port(make_sandbox):
    port = free_port()
    sandbox = make_sandbox({"kafka.port": port, "kafka.partitions": 3})
    assert sandbox.kafka == f"127.0.0.1:{port}"
    producer = Producer({"bootstrap.servers": sandbox.kafka})
    metadata = producer.list_topics(timeout=10)
    assert {t: len(metadata.topics[t].partitions) for t in TOPICS} == {t: 3 for t in TOPICS}
    for i in range(100):
        producer.produce(TOPICS[0], key=str(i), value=f"v{i}", headers={"h": b"\x00\xff"})
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": sandbox.kafka, "group.id": "g", "auto.offset.reset": "earliest",
                         "session.timeout.ms": 6000})
    consumer.subscribe([TOPICS[0]])
    seen = []
    wait_until(lambda: seen.extend(m for m in consumer.consume(100, 0.5) if not m.error()) or len(seen) == 100, 30,
               "all records")
    consumer.close()
    assert {m.value() for m in seen} == {f"v{i}".encode() for i in range(100)}
    assert all(m.headers() == [("h", b"\x00\xff")] for m in seen)


def test_kafka_says_loudly_what_it_drops(make_sandbox):
    sandbox = make_sandbox({"kafka.partitions": 1})
    assert sandbox.get("/_sandbox/stats").json()["kafka"]["dropped"] == 0
    producer = Producer({"bootstrap.servers": sandbox.kafka, "linger.ms": 50})
    for i in range(9000):
        producer.produce(TOPICS[0], value=bytes([i % 251]) * 1000)
        producer.poll(0)
    assert producer.flush(20) == 0
    sandbox.process.wait_log("RECORDS DROPPED", 20)

    def counted():
        kafka = sandbox.get("/_sandbox/stats").json()["kafka"]
        topic = next(t for t in kafka["topics"] if t["topic"] == TOPICS[0])
        return kafka["dropped"] == topic["dropped"] > 3000 and topic["records"] == 9000
    wait_until(counted, 20, "the count of what was dropped")


def test_a_taken_port_is_an_error(sandbox, make_sandbox):
    port = int(sandbox.info["cosmos"].rsplit(":", 1)[1])
    for key in ("cosmos.port", "kafka.port"):
        with pytest.raises(Exception, match="cannot (listen|start)"):
            make_sandbox({key: port})
