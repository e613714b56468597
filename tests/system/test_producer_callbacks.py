"""Done callbacks of writebehind-producer: against a real receiver over TLS, verified by a library that is not ours."""

import base64
import json
import time
import uuid

import pytest
from confluent_kafka import Producer
from standardwebhooks import Webhook, WebhookVerificationError

from harness.process import wait_until
from harness.receiver import Receiver, Silent
from test_producer_http import murmur2_partition

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PREVIOUS = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()


@pytest.fixture
def make_receiver(tmp_path, request):
    def make(answer=lambda path, n: 204):
        receiver = Receiver(tmp_path, answer)
        request.addfinalizer(receiver.stop)
        return receiver
    return make


@pytest.fixture
def silent(request):
    silent = Silent()
    request.addfinalizer(silent.stop)
    return silent


def settings_of(topics, *hosts, **more):
    """Settings of a producer that calls these hosts of this machine."""
    settings = {"callback.hosts": ",".join(hosts), "callback.allow.private": "true",
                "callback.group.id": topics.group + ".callbacks"}
    return settings | {key.replace("_", "."): value for key, value in more.items()}


def env_of(topics, receiver=None):
    env = topics.env | {"CALLBACK_SECRET": SECRET}
    return env | {"CALLBACK_CA_FILE": str(receiver.certificate)} if receiver else env


class Results:
    """Writes what a producer and a consumer would say, and reads what was said of callbacks."""

    def __init__(self, topics):
        self.topics = topics
        self.producer = Producer({"bootstrap.servers": topics.broker.bootstrap, "acks": "all"})

    def say(self, job, /, **record):
        self.producer.produce(self.topics.results, json.dumps(record), partition=murmur2_partition(job, 4))

    def end_job(self, callback, count=2, dead=()):
        """A job that has ended and asked to be called; returns its id."""
        job = uuid.uuid4().hex
        now = int(time.time() * 1000)
        self.say(job, type="accepted", job=job, count=count, at=now, callback=callback)
        outcome = {"job": job, "charge": 12.5}
        written = [seq for seq in range(count) if seq not in dead]
        if written:
            outcome["written"] = [n for seq in written for n in (seq, seq)]
        if dead:
            outcome["dead"] = [n for seq in dead for n in (seq, seq)]
            outcome["failures"] = [{"seq": seq, "id": f"id-{seq}", "reason": "invalid-id"} for seq in dead]
        self.say(job, type="outcomes", consumer="test", at=now + 1, jobs=[outcome])
        assert self.producer.flush(20) == 0
        return job

    def callbacks(self, job=None):
        records = [json.loads(m.value()) for m in self.topics.broker.read_topic(self.topics.results)]
        return [r for r in records if r["type"] == "callback" and job in (None, r["job"])]


@pytest.fixture
def results(topics):
    return Results(topics)


def wait_joined(*producers):
    """Until each has its share of the partitions and has read what it needs to."""
    for producer in producers:
        producer.wait_log("callbacks: partitions assigned", 30)


def delivered(producer):
    return producer.metric("writebehind_callbacks_total", result="delivered")


def test_a_callback_is_signed_and_delivered(topics, start, make_receiver, results):
    receiver = make_receiver()
    producer = start("producer", env_of(topics, receiver) | {"CALLBACK_SECRET_PREVIOUS": PREVIOUS},
                     settings_of(topics, receiver.host))
    job = results.end_job(receiver.url("/hook?token=1"), count=3, dead=[1])
    wait_until(lambda: receiver.calls, 30, "the callback")
    path, headers, body, _ = receiver.calls[0]
    assert path == "/hook?token=1"
    assert headers["webhook-id"] == f"job_{job}"
    assert headers["content-type"] == "application/json"
    assert "cookie" not in headers and "expect" not in headers and "transfer-encoding" not in headers
    for secret in (SECRET, PREVIOUS):
        event = Webhook(secret).verify(body, headers)
    assert event["type"] == "job.ended"
    assert event["data"] == producer.get(f"/v1/jobs/{job}").json() | {"callback": None}
    assert event["data"]["status"] == "Failed" and event["data"]["dead"] == 1
    assert event["data"]["failures"][0]["id"] == "id-1"
    assert event["timestamp"] == event["data"]["completedAt"]
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"Failed", b"Failes"), headers)
    wait_until(lambda: results.callbacks(job), 20, "the record of the attempt")
    record, = results.callbacks(job)
    assert record == {"type": "callback", "job": job, "at": record["at"], "attempt": 1, "status": 204,
                      "state": "delivered"}
    assert abs(record["at"] / 1000 - time.time()) < 60
    wait_until(lambda: delivered(producer) == 1 and producer.metric("writebehind_callbacks_waiting") == 0, 10,
               "the metrics")
    assert producer.metric("writebehind_callback_seconds_count") == 1
    assert SECRET not in producer.log() and "token=1" not in producer.log()


def test_a_published_job_is_called_when_it_ends(topics, start, make_receiver, results):
    receiver = make_receiver()
    producer = start("producer", env_of(topics, receiver), settings_of(topics, receiver.host))
    answer = producer.post("/v1/jobs", json={"documents": [{"id": "1"}], "callback": receiver.url("/a?b=c")})
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    results.say(job, type="outcomes", consumer="test", at=int(time.time() * 1000), jobs=[{"job": job, "written": [0, 0]}])
    results.producer.flush(20)
    wait_until(lambda: receiver.count("/a?b=c") == 1, 30, "the callback")
    assert Webhook(SECRET).verify(receiver.calls[0][2], receiver.calls[0][1])["data"]["jobId"] == job
    assert producer.get(f"/v1/jobs/{job}").json()["callback"]["url"] == receiver.url("/a"), "a query may hold a secret"


def test_callbacks_that_are_refused_at_once(topics, start):
    host = "localhost:8443"
    producer = start("producer", env_of(topics), settings_of(topics, host))
    for callback, code in (
            ("https://elsewhere.example/", "callback-not-allowed"),
            ("https://localhost/", "callback-not-allowed"),
            (f"http://{host}/", "invalid-callback"),
            (f"https://user@{host}/", "invalid-callback"),
            (f"https://{host}/#x", "invalid-callback"),
            (f"https://{host}/" + "x" * 2048, "invalid-request"),
            (7, "invalid-request")):
        answer = producer.post("/v1/jobs", json={"documents": [{"id": "1"}], "callback": callback})
        assert (answer.status_code, answer.json()["code"]) == (400, code), (callback, answer.text)
    assert producer.get("/v1/jobs").json()["jobs"] == []


def test_a_job_that_is_not_ended_or_asked_for_nothing_is_not_told(topics, start, make_receiver, results):
    receiver = make_receiver()
    start("producer", env_of(topics, receiver), settings_of(topics, receiver.host))
    job = uuid.uuid4().hex
    results.say(job, type="accepted", job=job, count=2, at=1, callback=receiver.url("/unfinished"))
    results.say(job, type="outcomes", consumer="test", at=2, jobs=[{"job": job, "written": [0, 0]}])
    last = results.end_job(receiver.url("/last"))
    wait_until(lambda: receiver.count("/last") == 1, 30, "the callback")
    assert [record["job"] for record in results.callbacks()] in ([], [last])
    results.say(job, type="outcomes", consumer="test", at=3, jobs=[{"job": job, "written": [1, 1]}])
    results.producer.flush(20)
    wait_until(lambda: receiver.count("/unfinished") == 1, 20, "the callback of the job that ended later")


@pytest.mark.timeout(180)
def test_what_fails_is_tried_again_with_the_same_id(topics, start, make_receiver, results):
    def answer(path, n):
        if path == "/gone":
            return 410
        if path == "/redirect":
            return 307, {"Location": receiver.url("/target")}
        if path == "/later":
            return (429, {"Retry-After": "9"}) if n == 0 else 204
        return (500 if n == 0 else 200), {}, b"x" * 1_000_000

    receiver = make_receiver(answer)
    producer = start("producer", env_of(topics, receiver), settings_of(topics, receiver.host))
    jobs = {path: results.end_job(receiver.url(path)) for path in ("/again", "/gone", "/redirect", "/later")}
    wait_until(lambda: receiver.count("/again") == 2 and receiver.count("/later") == 2, 60, "the second attempts")
    calls = {path: [c for c in receiver.calls if c[0] == path] for path in jobs}
    for path, pause_s in (("/again", 5), ("/later", 9)):
        first, second = calls[path]
        assert pause_s - 0.5 <= second[3] - first[3] < pause_s + 8
        assert first[1]["webhook-id"] == second[1]["webhook-id"] == f"job_{jobs[path]}"
        assert first[2] == second[2]
        assert int(second[1]["webhook-timestamp"]) >= int(first[1]["webhook-timestamp"]) + pause_s - 1
        Webhook(SECRET).verify(second[2], second[1])

    def states(path):
        return [(r["attempt"], r["status"], r["state"]) for r in results.callbacks(jobs[path])]
    wait_until(lambda: len(states("/again")) == len(states("/later")) == 2, 20, "the records")
    assert states("/again") == [(1, 500, "retrying"), (2, 200, "delivered")]
    assert states("/later") == [(1, 429, "retrying"), (2, 204, "delivered")]
    assert states("/gone") == [(1, 410, "failed")]
    assert states("/redirect")[0] == (1, 307, "retrying")
    assert receiver.count("/target") == 0
    assert receiver.count("/gone") == 1
    assert "callback failed for good" in producer.log() and jobs["/gone"] in producer.log()
    assert producer.metric("writebehind_callbacks_total", result="failed") == 1


def test_private_addresses_are_refused_after_the_resolution(topics, start, make_receiver, results):
    receiver = make_receiver()
    producer = start("producer", env_of(topics, receiver),
                     settings_of(topics, receiver.host, callback_allow_private="false", log_level="debug"))
    job = results.end_job(receiver.url())
    wait_until(lambda: results.callbacks(job), 30, "the record of the attempt")
    record, = results.callbacks(job)
    assert (record["attempt"], record["status"], record["state"]) == (1, 0, "retrying")
    assert receiver.calls == []
    assert "address that is loopback" in producer.log()


def test_certificates_are_verified(topics, start, make_receiver, results):
    receiver = make_receiver()
    start("producer", env_of(topics), settings_of(topics, receiver.host))
    job = results.end_job(receiver.url())
    wait_until(lambda: results.callbacks(job), 30, "the record of the attempt")
    assert (results.callbacks(job)[0]["status"], receiver.calls) == (0, [])


def test_a_proxy_of_the_environment_is_not_used(topics, start, make_receiver, results, silent):
    receiver = make_receiver()
    proxy = f"http://{silent.host}"
    start("producer", env_of(topics, receiver) | {"https_proxy": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy},
          settings_of(topics, receiver.host))
    results.end_job(receiver.url())
    wait_until(lambda: receiver.calls, 30, "the callback")


def test_dead_endpoints_do_not_hold_others(topics, start, make_receiver, results, silent, request):
    silents = [Silent() for _ in range(7)] + [silent]
    for one in silents[:-1]:
        request.addfinalizer(one.stop)
    receiver = make_receiver()
    producer = start("producer", env_of(topics, receiver),
                     settings_of(topics, receiver.host, *(s.host for s in silents), callback_max_in_flight=16))
    wait_joined(producer)
    for i in range(80):
        results.end_job(silents[i % 8].url())
    time.sleep(2)  # all places go to those that say nothing, for 5 s each
    wait_until(lambda: producer.metric("writebehind_callbacks_total", result="retrying") >= 16, 60, "the first to fail")
    assert producer.metric("writebehind_callbacks_waiting") > 60
    for i in range(5):
        before = time.time()
        results.end_job(receiver.url(f"/{i}"))
        wait_until(lambda: receiver.count(f"/{i}") == 1, 30, "the callback beside the dead ones")
        assert time.time() - before < 5


@pytest.mark.timeout(180)
def test_promise_3_a_killed_producer_has_its_callbacks_made_by_the_next(topics, start, make_receiver, results):
    receiver = make_receiver(lambda path, n: None if path == "/hang" and n == 0 else 204)
    producer = start("producer", env_of(topics, receiver), settings_of(topics, receiver.host))
    hung = results.end_job(receiver.url("/hang"))
    done = results.end_job(receiver.url("/done"))
    wait_until(lambda: receiver.count("/hang") == 1 and results.callbacks(done), 30, "the first calls")
    producer.kill()
    meanwhile = results.end_job(receiver.url("/meanwhile"))
    producer.start()
    wait_until(lambda: receiver.count("/hang") == 2 and receiver.count("/meanwhile") == 1, 60, "the callbacks")
    wait_until(lambda: results.callbacks(hung) and results.callbacks(meanwhile), 20, "their records")
    assert [(r["attempt"], r["state"]) for r in results.callbacks(hung)] == [(1, "delivered")]
    assert receiver.count("/done") == 1


@pytest.mark.timeout(180)
def test_two_instances_share_and_each_callback_is_made_once(topics, start, make_receiver, results):
    def answer(path, n):
        time.sleep(0.2)
        return 204

    receiver = make_receiver(answer)
    settings = settings_of(topics, receiver.host)
    producers = [start("producer", env_of(topics, receiver), settings)]
    wait_joined(*producers)
    jobs = [results.end_job(receiver.url(f"/{i}")) for i in range(40)]
    # The second one joins while callbacks are made, and the first one leaves while they are.
    producers.append(start("producer", env_of(topics, receiver), settings))
    wait_joined(*producers)
    wait_until(lambda: "callbacks: partitions given back" in producers[0].log(), 30, "the hand-over")
    jobs += [results.end_job(receiver.url(f"/{i}")) for i in range(40, 100)]
    wait_until(lambda: all(delivered(p) > 0 for p in producers), 30, "both to call")
    producers[0].stop()
    jobs += [results.end_job(receiver.url(f"/{i}")) for i in range(100, 120)]
    wait_until(lambda: len(results.callbacks()) >= 120, 60, "all records")
    assert {r["job"]: r["state"] for r in results.callbacks()} == dict.fromkeys(jobs, "delivered")
    assert sorted(c[0] for c in receiver.calls) == sorted(f"/{i}" for i in range(120))


def test_sigterm_finishes_what_is_under_way(topics, start, make_receiver, results):
    def answer(path, n):
        time.sleep(2)
        return 204

    receiver = make_receiver(answer)
    producer = start("producer", env_of(topics, receiver), settings_of(topics, receiver.host))
    job = results.end_job(receiver.url())
    wait_until(lambda: receiver.calls, 30, "the callback")
    assert producer.stop() == 0
    assert [r["state"] for r in results.callbacks(job)] == ["delivered"]


@pytest.mark.parametrize("settings, env, says", [
    ({"callback.hosts": "example.com"}, {}, "callback.secret"),
    ({"callback.hosts": "example.com"}, {"CALLBACK_SECRET": "whsec_short"}, "callback.secret: "),
    ({"callback.hosts": "example.com"}, {"CALLBACK_SECRET": SECRET, "CALLBACK_SECRET_PREVIOUS": "x"},
     "callback.secret.previous: "),
    ({"callback.hosts": "https://example.com"}, {"CALLBACK_SECRET": SECRET}, "callback.hosts"),
    ({"callback.hosts": "example.com", "callback.ca.file": "/nowhere"}, {"CALLBACK_SECRET": SECRET},
     "callback.ca.file"),
])
def test_wrong_options_are_named(topics, start, settings, env, says):
    producer = start("producer", topics.env | env, settings, wait=False)
    wait_until(lambda: not producer.running(), 30, "it to end")
    assert producer.returncode in (1, 2)
    assert says in producer.log() and "whsec_short" not in producer.log()
