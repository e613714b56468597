"""Idempotency-Key: the same request is the same job, from any instance, while the first is in flight, after a restart, and
after an answer that never came. On real Kafka."""

import base64
import hashlib
import threading
import time

import pytest
import requests

from harness.process import wait_until
from test_producer_http import publish_outcomes, writes

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
BODY = b'[{"id":"1","n":1},{"id":"2","n":2}]'


def keyed(key, **headers):
    return JSON | {"Idempotency-Key": key} | headers


def accepted_records(topics):
    import json
    return [json.loads(m.value()) for m in topics.broker.read_topic(topics.results)
            if b'"accepted"' in m.value()]


@pytest.fixture
def producer(topics, start):
    return start("producer", env=topics.env)


def test_a_repeat_is_the_same_job_and_writes_nothing_again(producer, topics):
    first = producer.post("/v1/jobs", data=BODY, headers=keyed("k-1"))
    again = producer.post("/v1/jobs", data=BODY, headers=keyed('"k-1"'))
    other = producer.post("/v1/jobs", data=BODY, headers=keyed("k-2"))
    assert [first.status_code, again.status_code, other.status_code] == [202] * 3
    assert again.json() == first.json()
    assert other.json()["jobId"] != first.json()["jobId"]
    assert len(writes(topics)) == 4
    assert len(accepted_records(topics)) == 2


@pytest.mark.parametrize("change", [
    {"data": b'[{"id":"1","n":1},{"id":"2","n":3}]'},
    {"params": {"container": "other"}},
    {"params": {"op": "create"}},
])
def test_a_key_with_another_request_is_422(producer, topics, change):
    assert producer.post("/v1/jobs", data=BODY, headers=keyed("k")).status_code == 202
    answer = producer.post("/v1/jobs", **({"data": BODY, "headers": keyed("k")} | change))
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key-reused"
    assert len(writes(topics)) == 2


def test_any_instance_and_a_restarted_one_know_the_key(topics, start):
    one, two = start("producer", env=topics.env), start("producer", env=topics.env)
    job = one.post("/v1/jobs", data=BODY, headers=keyed("k")).json()["jobId"]
    assert two.post("/v1/jobs", data=BODY, headers=keyed("k")).json()["jobId"] == job
    one.kill()
    one.start()
    again = one.post("/v1/jobs", data=BODY, headers=keyed("k"))
    assert again.status_code == 202 and again.json()["jobId"] == job and again.json()["accepted"] == 2
    assert len(writes(topics)) == 2


def test_repeats_while_the_first_is_in_flight_get_its_answer(producer, topics):
    topics.broker.pause()
    answers = []

    def send():
        answers.append(producer.post("/v1/jobs", data=BODY, headers=keyed("k"), timeout=60))
    threads = [threading.Thread(target=send) for _ in range(5)]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 5, 10, "five requests to wait")
    finally:
        topics.broker.resume()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [202] * 5
    assert len({a.json()["jobId"] for a in answers}) == 1
    assert len(writes(topics)) == 2


def test_a_request_without_an_answer_is_made_whole_by_its_repeat(topics, start):
    producer = start("producer", env=topics.env, settings={"publish.timeout.ms": 1000})
    topics.broker.pause()
    try:
        failed = producer.post("/v1/jobs", data=BODY, headers=keyed("k"))
    finally:
        topics.broker.resume()
    assert failed.status_code == 503 and int(failed.headers["Retry-After"]) > 0

    def repeat():
        answer = producer.post("/v1/jobs", data=BODY, headers=keyed("k"))
        return answer if answer.status_code == 202 else None
    job = wait_until(repeat, 20, "the repeat to be accepted").json()["jobId"]
    records = writes(topics)
    assert {r[2]["wb-job"] for r in records} == {job.encode()}
    assert {r[2]["wb-seq"] for r in records} == {b"0", b"1"}
    publish_outcomes(topics, job, written=[0, 1])
    publish_outcomes(topics, job, written=[0, 1])
    status = producer.get(f"/v1/jobs/{job}", params={"wait": 10}).json()
    assert (status["accepted"], status["written"], status["status"]) == (2, 2, "Succeeded")
    assert producer.get("/v1/ledger").json()["unaccepted"] == 0


@pytest.mark.parametrize("key,says", [
    ("", "Idempotency-Key"), ("a b", "Idempotency-Key"), ("x" * 256, "255"), ('"open', "Idempotency-Key")])
def test_a_key_that_is_none_is_refused(producer, key, says):
    answer = producer.post("/v1/jobs", data=BODY, headers=keyed(key))
    assert answer.status_code == 400 and answer.json()["code"] == "invalid-idempotency-key"
    assert says in answer.json()["detail"]


def test_a_key_is_its_principals(topics, start, tmp_path):
    from test_producer_auth import Tokens, bearer
    tokens = Tokens(tmp_path / "tokens.json")
    a, b = tokens.add("a"), tokens.add("b")
    producer = start("producer", env=topics.env | tokens.env)
    jobs = [producer.post("/v1/jobs", data=BODY, headers=bearer(t, **keyed("k"))).json()["jobId"] for t in (a, b, a)]
    assert jobs[0] == jobs[2] != jobs[1]


def digest(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def test_content_digest_is_checked_where_it_is_given(producer, topics):
    good = producer.post("/v1/jobs", data=BODY, headers=JSON | {"Content-Digest": digest(BODY)})
    bad = producer.post("/v1/jobs", data=BODY, headers=JSON | {"Content-Digest": digest(b"x")})
    odd = producer.post("/v1/jobs", data=BODY, headers=JSON | {"Content-Digest": "sha-256=:?:"})
    assert good.status_code == 202
    assert (bad.status_code, bad.json()["code"]) == (400, "content-digest-mismatch")
    assert (odd.status_code, odd.json()["code"]) == (400, "invalid-content-digest")
    assert len(writes(topics)) == 2


class TestStreams:
    """Bodies beyond http.validate.max.bytes."""

    LINES = b"".join(b'{"id":"%d","pad":"%s"}\n' % (i, b"x" * 1000) for i in range(300))

    @pytest.fixture
    def producer(self, topics, start):
        return start("producer", env=topics.env, settings={"http.validate.max.bytes": 64 * 1024})

    def post(self, producer, **headers):
        return producer.post("/v1/jobs", data=self.LINES, headers=NDJSON | headers)

    def test_a_key_needs_the_digest(self, producer):
        answer = self.post(producer, **{"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (400, "content-digest-required")

    def test_a_repeat_is_the_same_job(self, producer, topics):
        headers = {"Idempotency-Key": "k", "Content-Digest": digest(self.LINES)}
        first, again = self.post(producer, **headers), self.post(producer, **headers)
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json() and first.json()["accepted"] == 300
        assert len(writes(topics)) == 300

    def test_the_job_is_the_one_that_the_same_body_makes_when_it_is_validated_whole(self, producer, topics, start):
        whole = start("producer", env=topics.env)
        headers = {"Idempotency-Key": "k", "Content-Digest": digest(self.LINES)}
        job = self.post(producer, **headers).json()["jobId"]
        assert whole.post("/v1/jobs", data=self.LINES, headers=NDJSON | headers).json()["jobId"] == job
        assert len(writes(topics)) == 300

    def test_a_wrong_digest_makes_no_job(self, producer, topics):
        headers = {"Idempotency-Key": "k", "Content-Digest": digest(b"another body")}
        answer = self.post(producer, **headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "content-digest-mismatch")
        assert accepted_records(topics) == []
        right = self.post(producer, **(headers | {"Content-Digest": digest(self.LINES)}))
        assert right.status_code == 202

    def test_a_mended_body_may_have_the_key_of_the_bad_one(self, producer, topics):
        bad = self.LINES + b'{"id":7}\n'
        first = producer.post("/v1/jobs", data=bad, headers=NDJSON | {
            "Idempotency-Key": "k", "Content-Digest": digest(bad)})
        assert (first.status_code, first.json()["index"], first.json()["reason"]) == (400, 301, "invalid-id")
        assert accepted_records(topics) == []
        mended = self.LINES + b'{"id":"7"}\n'
        answer = producer.post("/v1/jobs", data=mended, headers=NDJSON | {
            "Idempotency-Key": "k", "Content-Digest": digest(mended)})
        assert answer.status_code == 202 and answer.json()["accepted"] == 301
        job = answer.json()["jobId"].encode()
        assert {r[2]["wb-seq"] for r in writes(topics) if r[2]["wb-job"] == job} == {b"%d" % i for i in range(301)}

    def test_a_client_that_is_gone_leaves_no_job_and_its_repeat_is_whole(self, producer, topics):
        headers = NDJSON | {"Idempotency-Key": "k", "Content-Digest": digest(self.LINES)}

        def half():
            yield self.LINES[:150000]
            wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 1, 10, "the stream to begin")
            raise ConnectionError("as the test wants it")
        with pytest.raises((requests.RequestException, ConnectionError)):
            requests.post(producer.url + "/v1/jobs", data=half(), headers=headers, timeout=10)
        wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 0, 10, "the cut-off request to be forgotten")
        assert accepted_records(topics) == []
        answer = self.post(producer, **headers)
        assert answer.status_code == 202
        assert {r[2]["wb-seq"] for r in writes(topics)} == {b"%d" % i for i in range(300)}
        assert {r[2]["wb-job"] for r in writes(topics)} == {answer.json()["jobId"].encode()}


def test_a_stop_ends_a_stream_and_those_that_repeat_it(topics, start):
    producer = start("producer", env=topics.env, settings={
        "http.validate.max.bytes": 64 * 1024, "shutdown.timeout.ms": 1000, "http.threads": 4})
    body = TestStreams.LINES
    headers = NDJSON | {"Idempotency-Key": "k", "Content-Digest": digest(body)}
    outcomes, on = [], threading.Event()

    def slow():
        yield body[:150000]
        on.wait(20)
        yield body[150000:]

    def send(data):
        try:
            outcomes.append(requests.post(producer.url + "/v1/jobs", data=data, headers=headers, timeout=30).status_code)
        except requests.RequestException as error:
            outcomes.append(type(error))
    threads = [threading.Thread(target=send, args=(slow(),), daemon=True)]
    threads[0].start()
    wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 1, 10, "the first stream")
    time.sleep(0.5)  # until its view has caught up and it reads
    threads += [threading.Thread(target=send, args=(body,), daemon=True) for _ in range(6)]
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: producer.metric("writebehind_jobs_in_flight") == 7, 10, "its repeats to wait")
    producer.stop()
    on.set()
    assert producer.returncode == 0, producer.log_tail()
    for thread in threads:
        thread.join(20)
    assert 202 not in outcomes and len(outcomes) == 7


def test_keys_wait_for_the_view_and_requests_without_do_not(topics, start):
    producer = start("producer", env=topics.env, settings={"jobs.read.timeout.ms": 500})
    topics.broker.pause()
    try:
        started = time.monotonic()
        answer = producer.post("/v1/jobs", data=BODY, headers=keyed("k"))
        assert answer.status_code == 503 and answer.json()["code"] == "view-behind"
        assert time.monotonic() - started < 10
    finally:
        topics.broker.resume()
