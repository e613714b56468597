"""NDJSON beyond http.validate.max.bytes: published as it comes, held back by Kafka, in bounded memory. On real Kafka."""

import gzip
import json
import threading
import time

import pytest
import requests

from harness.process import wait_until
from test_producer_http import writes

NDJSON = {"Content-Type": "application/x-ndjson"}
SMALL = {"http.validate.max.bytes": 64 * 1024}


def lines(count, size=1000, start=0):
    return b"".join(b'{"id":"%d","pad":"%s"}\n' % (i, b"x" * size) for i in range(start, start + count))


@pytest.fixture
def producer(topics, start):
    return start("producer", env=topics.env, settings=SMALL)


def pieces(body, size):
    for at in range(0, len(body), size):
        yield body[at:at + size]


@pytest.mark.parametrize("shape", ["length", "chunked", "gzip", "gzip-chunked", "no-newline", "crlf"])
def test_every_line_is_a_write_in_its_order_byte_for_byte(producer, topics, shape):
    body, headers = lines(500), dict(NDJSON)
    wanted = body.split(b"\n")[:-1]
    if shape == "no-newline":
        body = body[:-1]
    if shape == "crlf":
        body = body.replace(b"\n", b"\r\n")
    if shape.startswith("gzip"):
        headers["Content-Encoding"] = "gzip"
        # Other bytes that compress badly would do as well: the limit is on what comes out.
        body = gzip.compress(body)
    data = pieces(body, 7001) if "chunked" in shape else body
    answer = producer.post("/v1/jobs", data=data, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 500
    found = {int(headers["wb-seq"]): value for _, value, headers, _ in writes(topics)}
    assert [found[i].rstrip(b"\r") for i in range(500)] == wanted


def test_a_bad_line_ends_it_with_its_number_and_there_is_no_job(producer, topics):
    body = lines(200) + b'{"id":""}\n' + lines(200)
    answer = producer.post("/v1/jobs", data=body, headers=NDJSON)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason"], problem["index"]) == (
        400, "invalid-document", "invalid-id", 201)
    assert "earlier lines may be written" in problem["detail"]
    assert producer.get("/v1/jobs").json()["jobs"] == []
    assert len(writes(topics)) <= 200


def test_json_beyond_the_limit_is_refused_before_anything_is_published(producer, topics):
    body = b"[" + lines(200).replace(b"\n", b",")[:-1] + b"]"
    answer = producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert "x-ndjson" in answer.json()["detail"]
    assert writes(topics) == []


def test_a_line_larger_than_a_record_is_refused_and_a_large_one_is_not(producer, topics):
    large = lines(2, 1_900_000)
    assert producer.post("/v1/jobs", data=large, headers=NDJSON).status_code == 202
    answer = producer.post("/v1/jobs", data=lines(1, 3_500_000), headers=NDJSON)
    assert answer.status_code == 413 and answer.json()["reason"] == "too-large"
    assert len(writes(topics)) == 2


def test_memory_stays_bounded_while_kafka_holds_it_back(topics, start):
    producer = start("producer", env=topics.env, settings={"memory.budget.bytes": 32 << 20, "publish.timeout.ms": 60000})
    done, answers = 0, []

    def body():
        nonlocal done
        for n in range(150):
            yield lines(1000, start=n * 1000)
            done = n + 1

    def send():
        answers.append(producer.post("/v1/jobs", data=body(), headers=NDJSON, timeout=120))
    thread = threading.Thread(target=send)
    wait_until(lambda: producer.ready(), 10, "ready")
    before = producer.rss_bytes()
    topics.broker.pause()
    try:
        thread.start()
        time.sleep(5)
        held_at = done
        time.sleep(1)
        assert done == held_at < 100, "Kafka takes nothing, so the sender is held back"
        peak = producer.rss_bytes(peak=True)
    finally:
        topics.broker.resume()
    thread.join()
    assert answers[0].status_code == 202 and answers[0].json()["accepted"] == 150_000
    assert peak < (32 + 48) << 20
    assert producer.rss_bytes(peak=True) < max(before, (32 + 48) << 20)
    counts = set()
    for _, _, headers, _ in writes(topics):
        counts.add(int(headers["wb-seq"]))
    assert counts == set(range(150_000))


def test_a_stream_that_kafka_takes_nothing_of_fails_in_time(topics, start):
    producer = start("producer", env=topics.env, settings=SMALL | {"publish.timeout.ms": 1500})
    topics.broker.pause()
    try:
        started = time.monotonic()
        answer = producer.post("/v1/jobs", data=lines(40_000), headers=NDJSON, timeout=30)
        assert answer.status_code == 503 and answer.json()["code"] == "kafka-unavailable"
        assert "Retry-After" in answer.headers
        assert time.monotonic() - started < 15
    finally:
        topics.broker.resume()


def test_a_stop_ends_a_stream_that_stands_still(topics, start):
    producer = start("producer", env=topics.env, settings=SMALL | {"shutdown.timeout.ms": 1000})

    def body():
        yield lines(100)
        time.sleep(20)
        yield lines(1)
    outcome = []

    def send():
        try:
            outcome.append(requests.post(producer.url + "/v1/jobs", data=body(), headers=NDJSON, timeout=30).status_code)
        except requests.RequestException as error:
            outcome.append(error)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 1, 10, "the stream to be open")
    started = time.monotonic()
    producer.stop()
    assert producer.returncode == 0 and time.monotonic() - started < 10
    assert json.dumps([m.value().decode() for m in topics.broker.read_topic(topics.results)]) == "[]"


def test_more_streams_at_once_than_blocks_fit_end_all(topics, start):
    producer = start("producer", env=topics.env, settings=SMALL | {"memory.budget.bytes": 16 << 20})
    places = (16 << 20) // 8 // (256 << 10)
    answers = []

    def send(n):
        answers.append(producer.post("/v1/jobs", data=lines(700, start=n * 1000), headers=NDJSON, timeout=60))
    threads = [threading.Thread(target=send, args=(n,)) for n in range(places)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status_code for a in answers} <= {202, 503}
    assert [a.status_code for a in answers].count(202) >= places // 2
    wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 0, 10, "every stream to end")


def test_a_large_document_passes_a_small_budget(topics, start):
    producer = start("producer", env=topics.env, settings=SMALL | {"memory.budget.bytes": 8 << 20})
    assert producer.post("/v1/jobs", data=lines(3, 1_500_000), headers=NDJSON, timeout=30).status_code == 202


def test_a_last_line_without_a_newline_waits_for_room_in_kafkas_queue(topics, start):
    producer = start("producer", env=topics.env, settings=SMALL | {"memory.budget.bytes": 8 << 20, "publish.linger.ms": 200})
    answer = producer.post("/v1/jobs", data=lines(4097, 10)[:-1], headers=NDJSON)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 4097
