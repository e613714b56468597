"""What writebehind-producer says about jobs: waiting, conditions, pages, and jobs whose details it has forgotten; on real
Kafka, with the records of the results topic written by hand."""

import json
import threading
import time

import pytest
from confluent_kafka import Producer

from harness.process import wait_until
from test_producer_http import murmur2_partition

AT = int(time.time() * 1000)  # what ended long ago would be forgotten
URL = "https://reports.example/done"


@pytest.fixture
def results(topics):
    """publish(type, job, **members): one record of the results topic."""
    def publish(kind, job, **members):
        client = Producer({"bootstrap.servers": topics.broker.bootstrap, "acks": "all", "linger.ms": 0})
        record = {"type": kind, "at": AT, "job": job, **members}
        if kind == "outcomes":
            record = {"type": kind, "at": record["at"], "jobs": [{"job": job, **members}]}
        client.produce(topics.results, json.dumps(record), partition=murmur2_partition(job, 4))
        assert client.flush(20) == 0
    return publish


def job_id(number):
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:016x}"


def rfc3339(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def read_to_the_end(producer):
    assert producer.get("/v1/ledger").status_code == 200


def test_a_tag_says_whether_a_job_has_changed_on_any_instance(topics, start, results):
    one, two = start("producer", env=topics.env), start("producer", env=topics.env)
    job = job_id(1)
    results("accepted", job, count=2)
    first = one.get(f"/v1/jobs/{job}")
    tag = first.headers["ETag"]
    assert first.headers["Retry-After"] == "1"
    for instance in (one, two):
        same = instance.get(f"/v1/jobs/{job}", headers={"If-None-Match": f'"other", W/{tag}'})
        assert (same.status_code, same.headers["ETag"], same.content) == (304, tag, b"")
        assert same.headers["Retry-After"] == "1"
    results("outcomes", job, written=[0, 1], charge=1.5)
    read_to_the_end(one)
    changed = one.get(f"/v1/jobs/{job}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "Succeeded")
    assert changed.headers["ETag"] != tag and "Retry-After" not in changed.headers


def test_waiting_for_an_end_and_for_a_change(topics, start, results):
    producer = start("producer", env=topics.env)
    job, answers = job_id(2), {}
    results("accepted", job, count=2)
    tag = producer.get(f"/v1/jobs/{job}").headers["ETag"]

    def ask(name, headers):
        begin = time.monotonic()
        answers[name] = (producer.get(f"/v1/jobs/{job}?wait=30", headers=headers, timeout=40), time.monotonic() - begin)
    threads = [threading.Thread(target=ask, args=("end", {})),
               threading.Thread(target=ask, args=("change", {"If-None-Match": tag}))]
    for thread in threads:
        thread.start()
    wait_until(lambda: producer.metric("writebehind_view_waits") == 2, 10, "both to wait")
    results("outcomes", job, written=[0, 0])
    threads[1].join(20)
    assert answers["change"][0].json()["written"] == 1 and "end" not in answers
    results("outcomes", job, dead=[1, 1])
    threads[0].join(20)
    assert answers["end"][0].json()["status"] == "Failed"
    # What has ended is not waited for, nor is a job in another state than the client's.
    for headers in ({}, {"If-None-Match": tag}):
        ask("now", headers)
        assert answers["now"][0].json()["status"] == "Failed" and answers["now"][1] < 10


def test_a_wait_has_an_end(topics, start, results):
    producer = start("producer", env=topics.env)
    job = job_id(3)
    results("accepted", job, count=1)
    begin = time.monotonic()
    answer = producer.get(f"/v1/jobs/{job}?wait=1")
    assert (answer.status_code, answer.json()["status"]) == (200, "NotStarted")
    assert time.monotonic() - begin >= 1
    same = producer.get(f"/v1/jobs/{job}?wait=1", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    assert producer.get(f"/v1/jobs/{job_id(4)}?wait=1").status_code == 404
    for wait in ("61", "-1", "x", ""):
        refused = producer.get(f"/v1/jobs/{job}?wait={wait}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid-query-argument")


def test_pages_cover_all_jobs_once_while_others_come(topics, start, results):
    producer = start("producer", env=topics.env)
    for number in range(25):
        results("accepted", job_id(number), count=1, at=AT + number // 4)
    read_to_the_end(producer)
    listed, cursor, pages = [], None, 0
    while True:
        page = producer.get("/v1/jobs", params={"limit": 10, **({"cursor": cursor} if cursor else {})}).json()
        listed += [job["jobId"] for job in page["jobs"]]
        pages += 1
        cursor = page["nextCursor"]
        if not cursor:
            break
        results("accepted", job_id(100 + pages), count=1, at=AT + 1000000)
        read_to_the_end(producer)
    assert pages == 3 and sorted(listed) == sorted(job_id(number) for number in range(25))
    since = producer.get("/v1/jobs", params={"since": rfc3339(AT + 6)}).json()
    assert sorted(job["jobId"] for job in since["jobs"]) == sorted(job_id(n) for n in [24, 101, 102])
    for name, value in (("cursor", "x"), ("since", "yesterday"), ("limit", "0")):
        refused = producer.get("/v1/jobs", params={name: value})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid-query-argument")


def test_details_are_forgotten_beyond_the_maximum(topics, start, results):
    producer = start("producer", env=topics.env, settings={"jobs.max": "2"})
    for number in range(5):
        results("accepted", job_id(number), count=1)
        results("outcomes", job_id(number), written=[0, 0])
    read_to_the_end(producer)
    answers = [producer.get(f"/v1/jobs/{job_id(number)}?wait=5") for number in range(5)]
    by_number = [(a.status_code, a.json().get("code")) for a in answers]
    # Jobs of different partitions are read in any order: which three are gone is not said here.
    assert sorted(by_number, key=str) == [(200, None)] * 2 + [(410, "job-details-forgotten")] * 3
    assert len(producer.get("/v1/jobs").json()["jobs"]) == 2
    assert producer.get("/v1/ledger").json()["written"] == 5


def test_a_callbacks_state_is_shown(topics, start, results):
    producer = start("producer", env=topics.env)
    job = job_id(5)
    results("accepted", job, count=2, callback=URL)
    read_to_the_end(producer)
    assert producer.get(f"/v1/jobs/{job}").json()["callback"] == {
        "url": URL, "state": "pending", "attempts": 0, "lastStatus": None, "lastAttemptAt": None}
    results("callback", job, attempt=3, status=503, state="retrying", at=AT + 123)
    read_to_the_end(producer)
    shown = producer.get("/v1/jobs").json()["jobs"][0]["callback"]
    assert shown == {"url": URL, "state": "retrying", "attempts": 3, "lastStatus": 503,
                     "lastAttemptAt": rfc3339(AT + 123)}


def test_a_stop_does_not_wait_for_those_who_wait(topics, start):
    producer = start("producer", env=topics.env)
    job = producer.post("/v1/jobs", json=[{"id": "1"}]).json()["jobId"]
    answers = []

    def poll():
        answers.append(producer.get(f"/v1/jobs/{job}", params={"wait": 60}, timeout=60))

    def publish():
        answers.append(producer.post("/v1/jobs", json=[{"id": "2"}], headers={"Prefer": "wait=60"}, timeout=60))
    threads = [threading.Thread(target=poll), threading.Thread(target=publish)]
    for thread in threads:
        thread.start()
    wait_until(lambda: producer.metric("writebehind_view_waits") == 2, 10, "both to wait")
    started = time.monotonic()
    producer.stop()
    assert time.monotonic() - started < 10
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [200, 202]


def test_preferences_may_stand_in_several_lines_and_a_key_in_one(topics, start):
    import http.client
    producer = start("producer", env=topics.env)

    def post(*fields):
        connection = http.client.HTTPConnection("127.0.0.1", producer.port, timeout=20)
        connection.putrequest("POST", "/v1/jobs")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", "12"), *fields):
            connection.putheader(name, value)
        connection.endheaders(b'[{"id":"1"}]')
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    started = time.monotonic()
    status, headers, _ = post(("Prefer", "respond-async"), ("Prefer", "wait=1"))
    assert status == 202 and headers["Preference-Applied"] == "respond-async" and time.monotonic() - started >= 1
    status, _, problem = post(("Idempotency-Key", "a"), ("Idempotency-Key", "b"))
    assert (status, problem["code"]) == (400, "invalid-idempotency-key")
