"""The tools of the other tests, tested first: what they start is real, and what they compare can differ."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import time
from email.utils import formatdate
from urllib.parse import quote

import pytest
import requests

from harness.cosmos import same
from harness.paths import need_tool
from harness.ports import free_port, listens
from harness.process import Process, ProcessFailed, wait_until


# ---- Kafka


def test_kafka_takes_from_kcat_and_gives_to_java(kafka):
    topic = kafka.create_topic(f"harness-{free_port()}", 3)
    kcat = need_tool("kcat")
    subprocess.run([kcat, "-P", "-b", kafka.bootstrap, "-t", topic, "-K", "|"], input="k1|one\nk2|two\nk3|three\n",
                   text=True, check=True, timeout=30)
    lines = kafka.java_consume(topic, 3, "--formatter-property", "print.key=true",
                               "--formatter-property", "key.separator=|")
    assert sorted(lines) == ["k1|one", "k2|two", "k3|three"]


def test_kafka_takes_from_java_and_gives_to_kcat(kafka):
    topic = kafka.create_topic(f"harness-{free_port()}", 3)
    kafka.java_produce(topic, ["a|1", "b|2"], separator="|")
    out = subprocess.run([need_tool("kcat"), "-C", "-b", kafka.bootstrap, "-t", topic, "-e", "-q", "-f", "%k=%s\n"],
                         capture_output=True, text=True, check=True, timeout=30).stdout
    assert sorted(out.split()) == ["a=1", "b=2"]


def test_kafka_partitions_as_java_does(kafka):
    topic = kafka.create_topic(f"harness-{free_port()}", 8)
    keys = [f"key-{i}" for i in range(40)]
    kafka.java_produce(topic, [f"{k}|java" for k in keys], separator="|")
    kafka.publish(topic, [(k, "client") for k in keys])
    where = {}
    for message in kafka.read_topic(topic):
        where.setdefault(message.key(), set()).add(message.partition())
    assert len(where) == 40
    assert all(len(partitions) == 1 for partitions in where.values())


def test_kafka_topic_settings_and_offsets(kafka):
    topic = kafka.create_topic(f"harness-{free_port()}", 2, cleanup_policy="compact", max_message_bytes=3_000_000)
    described = kafka.tool("topics", "--describe", "--topic", topic)
    assert "cleanup.policy=compact" in described and "max.message.bytes=3000000" in described
    kafka.publish(topic, [("k", "x" * 2_000_000, [("h", b"v")])])
    messages = kafka.read_topic(topic)
    assert len(messages) == 1 and messages[0].headers() == [("h", b"v")]
    assert sorted(kafka.end_offsets(topic).values()) == [(0, 0), (0, 1)]
    assert kafka.committed("nobody", topic) == {}


def test_kafka_keeps_its_data_over_a_kill_and_freezes(private_kafka):
    kafka = private_kafka()
    topic = kafka.create_topic("kept", 1)
    kafka.publish(topic, [(None, f"{i}") for i in range(100)])
    kafka.kill()
    assert not listens(kafka.port)
    kafka.restart()
    kafka.pause()
    outcome = []
    producer = kafka.producer(message_timeout_ms=500)
    producer.produce(topic, b"x", on_delivery=lambda error, _: outcome.append(error.name()))
    producer.flush(30)
    assert outcome == ["_MSG_TIMED_OUT"]
    kafka.resume()
    assert [m.value() for m in kafka.read_topic(topic)][:100] == [b"%d" % i for i in range(100)]


# ---- the independent Cosmos


def signed(server, verb, kind, link, date=None, key=None):
    """Headers by the published recipe, written here once more: Microsoft's library judges it on the other side."""
    date = date or formatdate(usegmt=True)
    text = f"{verb.lower()}\n{kind}\n{link}\n{date.lower()}\n\n"
    digest = hmac.new(base64.b64decode(key or server.key), text.encode(), hashlib.sha256).digest()
    token = f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}"
    return {"authorization": quote(token, safe=""), "x-ms-date": date, "x-ms-version": "2018-12-31"}


def test_cosmos_server_takes_the_right_signature(cosmos_server):
    answer = requests.get(f"{cosmos_server.endpoint}/dbs", headers=signed(cosmos_server, "GET", "dbs", ""), timeout=10)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("wrong", ["key", "verb", "link", "absent"])
def test_cosmos_server_refuses_a_wrong_signature(cosmos_server, wrong):
    headers = {
        "key": signed(cosmos_server, "GET", "dbs", "", key=base64.b64encode(os.urandom(64)).decode()),
        "verb": signed(cosmos_server, "POST", "dbs", ""),
        "link": signed(cosmos_server, "GET", "dbs", "dbs/other"),
        "absent": {},
    }[wrong]
    answer = requests.get(f"{cosmos_server.endpoint}/dbs", headers=headers, timeout=10)
    assert answer.status_code == 401


@pytest.mark.parametrize("off_s, status", [(-3600, 403), (3600, 403), (-600, 200), (600, 200)])
def test_cosmos_server_judges_the_date(cosmos_server, off_s, status):
    headers = signed(cosmos_server, "GET", "dbs", "", date=formatdate(time.time() + off_s, usegmt=True))
    assert requests.get(f"{cosmos_server.endpoint}/dbs", headers=headers, timeout=10).status_code == status


def test_cosmos_server_survives_a_malformed_path_and_a_missing_document(cosmos):
    connection = http.client.HTTPConnection("127.0.0.1", int(cosmos.account.endpoint.rsplit(":", 1)[1]), timeout=10)
    connection.request("GET", "/dbs/%zz")  # requests would mend this path
    assert connection.getresponse().status == 400
    assert cosmos.read("nobody", "nowhere") is None


DOCUMENTS = [{"id": f"doc {i}", "pk": f"p{i % 7}", "n": i, "text": "ä€😀\"\\", "deep": {"list": [1, 2.5, None, True]}}
             for i in range(300)]


def test_readback_by_both_clients(cosmos):
    for document in DOCUMENTS:
        cosmos.proxy.upsert_item(document)
    cosmos.assert_holds(DOCUMENTS)
    cosmos.assert_holds_js(DOCUMENTS)
    assert cosmos.count() == 300
    assert cosmos.read("doc 7", "p0") == DOCUMENTS[7]


@pytest.mark.parametrize("kind", ["missing", "different", "extra"])
def test_readback_finds_what_is_wrong(cosmos, kind):
    stored, expected = DOCUMENTS[:20], [dict(d) for d in DOCUMENTS[:20]]
    if kind == "missing":
        stored = stored[:-1]
    elif kind == "extra":
        expected = expected[:-1]
    else:
        expected[5]["deep"] = {"list": [1, 2.5, None, 1]}
    for document in stored:
        cosmos.proxy.upsert_item(document)
    counts = {k: len(v) for k, v in cosmos.differences(expected).items()}
    assert counts == {"missing": 0, "different": 0, "extra": 0} | {kind: 1}
    report = cosmos.readback_js(expected, points=0)
    assert report["exit"] == 1
    assert {k: report[k] for k in counts} == counts


def test_readback_refuses_to_guess(cosmos):
    cosmos.container = "no-such-container"
    with pytest.raises(RuntimeError, match="exit 2"):
        cosmos.readback_js(DOCUMENTS[:1])


def test_cosmos_server_fails_and_freezes_when_told(private_cosmos_server):
    server = private_cosmos_server
    headers = signed(server, "GET", "dbs", "")
    server.fail_with(503)
    assert requests.get(f"{server.endpoint}/dbs", headers=headers, timeout=10).status_code == 503
    server.fail_with(0)
    assert requests.get(f"{server.endpoint}/dbs", headers=headers, timeout=10).status_code == 200
    server.pause()
    with pytest.raises(requests.Timeout):
        requests.get(f"{server.endpoint}/dbs", headers=headers, timeout=0.3)
    server.resume()
    assert requests.get(f"{server.endpoint}/dbs", headers=headers, timeout=10).status_code == 200
    assert server.counts()["requests"] >= 3


# ---- processes and comparing


def test_process_stop_kill_and_leftovers(tmp_path):
    process = Process(["sh", "-c", "sleep 60 & echo up; wait"], tmp_path / "log").start()
    process.wait_log("up")
    process.pause()
    process.resume()
    assert process.stop() == -15
    left = process.end()
    assert len(left) == 1
    wait_until(lambda: not process.leftovers(), 10, "the killed one to be gone")


def test_process_that_ends_early_is_reported_with_its_log(tmp_path):
    process = Process(["sh", "-c", "echo the reason; exit 3"], tmp_path / "log").start()
    with pytest.raises(ProcessFailed, match="the reason"):
        process.wait_log("never", 10)
    assert process.returncode == 3


@pytest.mark.parametrize("a, b, equal", [
    (1, 1.0, True), (1, True, False), (0, False, False), (None, False, False), ([1, 2], [2, 1], False),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True), ({"a": None}, {}, False), ("1", 1, False)])
def test_comparing_is_json_s_equality(a, b, equal):
    assert same(json.loads(json.dumps(a)), json.loads(json.dumps(b))) is equal
