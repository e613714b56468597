"""The promises that writebehind-producer keeps, each by trying to break it."""

import json
import threading
import time

import pytest
import requests

from harness.process import wait_until


def holdings(broker, topics):
    """What Kafka holds: ({job: {seq}}, {job: count of its accepted record})."""
    seqs, accepted = {}, {}
    for message in broker.read_topic(topics.writes, 60):
        headers = dict(message.headers())
        seqs.setdefault(headers["wb-job"].decode(), set()).add(int(headers["wb-seq"]))
    for message in broker.read_topic(topics.results, 60):
        record = json.loads(message.value())
        assert record["type"] == "accepted"
        accepted[record["job"]] = record["count"]
    return seqs, accepted


def assert_accepted_jobs_are_whole(seqs, accepted):
    for job, count in accepted.items():
        assert seqs.get(job) == set(range(count)), f"job {job}: {len(seqs.get(job, ()))} of {count} records"


def documents(count, size=0):
    return [{"id": f"d{i}", "x": "x" * size} for i in range(count)]


class Clients:
    """Threads that post jobs until they are told to end, and note every answer."""

    def __init__(self, producer, body, threads=4):
        self.answers, self.broken = [], 0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(producer, json.dumps(body).encode()), daemon=True)
                         for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, producer, body):
        while not self._end.is_set():
            try:
                answer = producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"})
                self.answers.append((answer.status_code, answer.json()))
            except requests.RequestException:
                self.broken += 1
                time.sleep(0.02)

    def jobs(self):
        return [body["jobId"] for status, body in list(self.answers) if status == 202]

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join(60)


def test_promise_1_202_means_that_kafka_holds_the_job_whole(topics, start):
    producer = start("producer", env=topics.env)
    counts = {}
    for count in (1, 7, 5000):
        answer = producer.post("/v1/jobs", json=documents(count))
        assert answer.status_code == 202
        counts[answer.json()["jobId"]] = count
        seqs, accepted = holdings(topics.broker, topics)
        assert accepted == counts
        assert_accepted_jobs_are_whole(seqs, accepted)


def test_promise_1_producer_killed_in_the_middle_of_requests(topics, start):
    producer = start("producer", env=topics.env)
    answered = set()
    for pause_s in (0.05, 0.2, 0.35):
        clients = Clients(producer, documents(3000, 100))
        wait_until(lambda c=clients: c.jobs(), 20, "a first 202")
        time.sleep(pause_s)
        producer.kill()
        wait_until(lambda c=clients: c.broken, 20, "a client to meet its end")
        clients.end()
        answered |= set(clients.jobs())
        producer.start()
    seqs, accepted = holdings(topics.broker, topics)
    assert answered <= set(accepted)
    assert_accepted_jobs_are_whole(seqs, accepted)
    begun = set(seqs) - set(accepted)
    for job in begun:
        assert producer.get(f"/v1/jobs/{job}").status_code == 404
    shown = {j["jobId"] for j in producer.get("/v1/jobs?limit=1000").json()["jobs"]}
    assert not shown & begun and answered <= shown
    assert producer.post("/v1/jobs", json=documents(3000)).status_code == 202


@pytest.mark.timeout(180)
def test_promise_1_kafka_frozen_for_10_s_is_a_503_in_time(private_kafka, make_topics, start):
    broker = private_kafka()
    topics = make_topics(broker)
    producer = start("producer", env=topics.env,
                     settings={"publish.timeout.ms": "3s", "jobs.read.timeout.ms": "2s"})
    first = producer.post("/v1/jobs", json=documents(100))
    assert first.status_code == 202
    assert producer.get(first.headers["Location"]).status_code == 200
    broker.pause()
    frozen = time.monotonic()
    answer = producer.post("/v1/jobs", json=documents(100))
    took = time.monotonic() - frozen
    assert (answer.status_code, answer.json()["code"]) == (503, "kafka-unavailable"), answer.text
    assert 2.5 < took < 10  # 3 s, as publish.timeout.ms says; without it 20 s
    assert int(answer.headers["Retry-After"]) > 0
    behind = producer.get("/v1/jobs/" + "0" * 32)
    assert (behind.status_code, behind.json()["code"]) == (503, "view-behind")
    assert behind.headers["Retry-After"]
    assert producer.get(first.headers["Location"]).status_code == 200
    assert producer.get("/livez").status_code == 200
    time.sleep(max(0, 10 - (time.monotonic() - frozen)))
    broker.resume()
    wait_until(lambda: producer.post("/v1/jobs", json=documents(100)).status_code == 202, 30, "a 202 again")
    wait_until(producer.ready, 20, "the producer to be ready again")
    seqs, accepted = holdings(broker, topics)
    assert_accepted_jobs_are_whole(seqs, accepted)


@pytest.mark.timeout(180)
def test_promise_1_kafka_restarted_under_load_loses_no_accepted_job(private_kafka, make_topics, start):
    broker = private_kafka()
    topics = make_topics(broker)
    producer = start("producer", env=topics.env)
    clients = Clients(producer, documents(500, 100))
    wait_until(lambda: len(clients.jobs()) > 5, 20, "some jobs")
    broker.restart()
    before = len(clients.jobs())
    wait_until(lambda: len(clients.jobs()) > before + 5, 60, "jobs after the restart")
    clients.end()
    seqs, accepted = holdings(broker, topics)
    assert set(clients.jobs()) <= set(accepted)
    assert_accepted_jobs_are_whole(seqs, accepted)


@pytest.mark.parametrize("bad, reason", [
    ('{"x":1}', "missing-id"),
    ('{"id":"a/b"}', "invalid-id"),
    ('{"id":5}', "invalid-id"),
    ('{"id":"a","id":"b"}', "duplicate-member"),
    ('{"id":"a",}', "invalid-json"),
    ('{"id":"a","x":"\udcff"}', "invalid-json"),
    ("[]", "not-an-object"),
])
def test_promise_2_one_bad_document_publishes_nothing(topics, start, bad, reason):
    producer = start("producer", env=topics.env)
    good = [json.dumps({"id": f"{i}"}) for i in range(200)]
    lines = good[:150] + [bad] + good[150:]
    for body, kind, index in (("[" + ",".join(lines) + "]", "application/json", 150),
                              ("\n".join(lines), "application/x-ndjson", 151)):
        answer = producer.post("/v1/jobs", data=body.encode("utf-8", "surrogateescape"), headers={"Content-Type": kind})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "invalid-document"), answer.text
        assert (problem["index"], problem["reason"]) == (index, reason)
    assert all(high == 0 for _, high in topics.broker.end_offsets(topics.writes).values())
    assert all(high == 0 for _, high in topics.broker.end_offsets(topics.results).values())


@pytest.mark.timeout(180)
def test_promise_9_memory_is_bounded_while_kafka_is_frozen(private_kafka, make_topics, start):
    broker = private_kafka()
    topics = make_topics(broker)
    budget = 64 << 20
    producer = start("producer", env=topics.env, settings={
        "memory.budget.bytes": budget, "http.max.body.bytes": 8 << 20, "publish.timeout.ms": "8s"})
    body = json.dumps(documents(6000, 1000)).encode()
    assert producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"}).status_code == 202
    broker.pause()
    answers = []

    def post():
        answer = producer.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"}, timeout=60)
        answers.append((answer.status_code, answer.json()["code"], answer.headers.get("Retry-After")))
    threads = [threading.Thread(target=post) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    peak = producer.rss_bytes(peak=True)
    broker.resume()
    assert len(answers) == 24
    assert {status for status, _, _ in answers} == {503}
    assert all(retry for _, _, retry in answers)
    assert {code for _, code, _ in answers} > {"kafka-unavailable"}
    assert peak <= budget + (48 << 20), f"peak {peak >> 20} MiB"


def test_promise_12_sigterm_finishes_requests_and_loses_no_accepted_job(topics, start):
    producer = start("producer", env=topics.env)
    clients = Clients(producer, documents(2000, 100))
    wait_until(lambda: len(clients.jobs()) > 3, 20, "some jobs")
    assert producer.stop() == 0
    clients.end()
    seqs, accepted = holdings(topics.broker, topics)
    assert set(clients.jobs()) == set(accepted)
    assert_accepted_jobs_are_whole(seqs, accepted)
    assert set(seqs) == set(accepted)
