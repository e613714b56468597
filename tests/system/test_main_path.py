"""The main job, end to end, on a real Kafka and a Cosmos DB server that is not ours."""

import json
import random
import subprocess

import pytest
import requests

from harness.group import assigned
from harness.paths import need_tool
from harness.process import wait_until
from harness.programs import run


def documents(count, tenants=500, seed=1):
    """Documents with the values that JSON tools like to spoil: big numbers, escapes, other scripts, deep nesting."""
    rng = random.Random(seed)
    words = ["naïve", "Ελλάδα", "日本語", "quote \" and \\ backslash", "tab\tand\nnewline", "emoji 🚚", "plain"]
    for i in range(count):
        yield {
            "id": f"doc-{i:07d}", "pk": f"tenant-{rng.randrange(tenants)}", "n": i, "price": rng.random() * 10 ** rng.randrange(6),
            "big": 9007199254740991 - i, "text": rng.choice(words), "flags": [True, False, None, {}],
            "nested": {"a": [{"b": {"c": rng.randrange(1000)}}]}, "filler": "x" * rng.randrange(300),
        }


def write_ndjson(path, docs):
    with open(path, "w", encoding="utf-8") as f:
        for i, document in enumerate(docs):
            f.write(json.dumps(document, ensure_ascii=i % 2 == 0, separators=(",", ":")) + "\n")
    return path


def wait_job(producer, job_id, timeout_s=60):
    def ended():
        job = producer.get(f"/v1/jobs/{job_id}").json()
        return job if job["status"] in ("Succeeded", "Failed") else None
    return wait_until(ended, timeout_s, f"job {job_id}")


def wait_written(target, count, timeout_s=60):
    wait_until(lambda: target.count() >= count, timeout_s, f"{count} documents in Cosmos DB", every_s=0.2)


@pytest.mark.timeout(300)
def test_100000_documents_arrive_unchanged(topics, cosmos, start, tmp_path):
    path = write_ndjson(tmp_path / "documents.ndjson", documents(100_000))
    start("consumer", [topics.env, cosmos.env])
    done = run("publish", "--wait", path, env=topics.env, timeout_s=200)
    assert done.returncode == 0
    report = cosmos.readback_js(path)
    assert report["exit"] == 0, report


def test_every_json_shape_is_written(topics, cosmos, start):
    producer = start("producer", topics.env)
    start("consumer", [topics.env, cosmos.env])
    docs = [{"id": f"shape-{i}", "pk": "p", "i": i} for i in range(8)]
    bodies = [
        ("application/json", json.dumps({"documents": docs[0:2]})),
        ("application/json", json.dumps(docs[2:4])),
        ("application/json", json.dumps({"operations": [{"op": "upsert", "document": docs[4]}, {"document": docs[5]}]})),
        ("application/x-ndjson", "\n".join(json.dumps(d) for d in docs[6:8]) + "\n"),
    ]
    for content_type, body in bodies:
        answer = producer.post("/v1/jobs", data=body, headers={"content-type": content_type})
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        assert accepted["success"] is True and accepted["accepted"] == 2
        job = wait_job(producer, accepted["jobId"])
        assert (job["status"], job["written"], job["dead"], job["pending"]) == ("Succeeded", 2, 0, 0)
        assert requests.get(accepted["statusUrl"], timeout=10).json()["jobId"] == accepted["jobId"]
    cosmos.assert_holds(docs)
    cosmos.assert_holds_js(docs)


def test_deletes_remove_and_absent_items_are_done(topics, cosmos, start):
    producer = start("producer", topics.env)
    start("consumer", [topics.env, cosmos.env])
    docs = [{"id": f"gone-{i}", "pk": "p"} for i in range(4)]
    first = producer.post("/v1/jobs", json={"documents": docs}).json()
    assert wait_job(producer, first["jobId"])["status"] == "Succeeded"
    operations = [{"op": "delete", "id": d["id"], "partitionKey": "p"} for d in docs[:3]]
    operations.append({"op": "delete", "id": "never-was", "partitionKey": "p"})
    answer = producer.post("/v1/jobs", json={"operations": operations})
    assert answer.status_code == 202, answer.text
    job = wait_job(producer, answer.json()["jobId"])
    assert (job["status"], job["written"]) == ("Succeeded", 4)
    cosmos.assert_holds(docs[3:])


def test_documents_from_kcat_and_from_java(kafka, topics, cosmos, start):
    docs = [{"id": f"foreign-{i}", "pk": f"t{i % 3}", "by": "kcat" if i < 50 else "java"} for i in range(100)]
    lines = [f"{d['id']}|{json.dumps(d)}" for d in docs]
    subprocess.run([need_tool("kcat"), "-P", "-b", kafka.bootstrap, "-t", topics.writes, "-K", "|",
                    "-X", "topic.partitioner=murmur2_random"], input="\n".join(lines[:50]) + "\n", text=True, check=True, timeout=60)
    kafka.java_produce(topics.writes, lines[50:], separator="|")
    start("consumer", [topics.env, cosmos.env])
    wait_written(cosmos, 100)
    cosmos.assert_holds(docs)


def test_dead_letters_can_be_read_by_kcat(kafka, topics, cosmos, start):
    poison = b'{"id":"a/b","pk":"p"}'
    kafka.publish(topics.writes, [(b"k", poison, [("trace", b"\x00\x01\xff")])])
    start("consumer", [topics.env, cosmos.env])
    wait_until(lambda: any(high for _, high in kafka.end_offsets(topics.dead_letters).values()), 30, "the dead letter")
    out = subprocess.run([need_tool("kcat"), "-C", "-b", kafka.bootstrap, "-t", topics.dead_letters, "-e", "-q", "-f",
                          "%k|%s|%h\n"], capture_output=True, check=True, timeout=30).stdout
    assert out.startswith(b"k|" + poison + b"|")
    assert b"wb-error-reason=invalid-id" in out and b"__connect.errors.topic=" + topics.writes.encode() in out


def test_many_consumers_share_the_work(kafka, topics, cosmos, start):
    consumers = [start("consumer", [topics.env, cosmos.env]) for _ in range(3)]
    wait_until(lambda: all(assigned(c) >= 2 for c in consumers), 60, "each to have its share")
    producer = start("producer", topics.env)
    docs = list(documents(20_000, seed=2))
    job_id = producer.post("/v1/jobs", json={"documents": docs}).json()["jobId"]
    job = wait_job(producer, job_id, 90)
    assert (job["status"], job["written"]) == ("Succeeded", 20_000)
    cosmos.assert_holds(docs)
    shares = [c.metric("writebehind_outcomes_total", outcome="written") for c in consumers]
    assert sum(shares) == 20_000 and all(share > 0 for share in shares), shares


def test_without_bulk_point_writes_do_the_same(topics, make_sandbox, kafka, start):
    sandbox = make_sandbox()
    assert sandbox.post("/_sandbox/bulk", json={"enabled": False}).ok
    producer = start("producer", topics.env)
    start("consumer", [topics.env, sandbox.target.env])
    docs = [{"id": f"point {i} ü", "pk": f"t{i % 7}", "i": i} for i in range(500)]
    operations = [{"document": d} for d in docs] + [{"op": "delete", "id": docs[0]["id"], "partitionKey": docs[0]["pk"]}]
    answer = producer.post("/v1/jobs", json={"operations": operations})
    assert answer.status_code == 202, answer.text
    job = wait_job(producer, answer.json()["jobId"])
    assert (job["status"], job["written"]) == ("Succeeded", 501)
    sandbox.target.assert_holds(docs[1:])
