"""What the consumer promises, tried on a real Kafka: each test is named after the promise that it tries to break.

The sandbox's emulator stands for Cosmos DB where faults or exact counts of what was applied are needed, the independent
server elsewhere.
"""

import itertools
import json
import subprocess
import threading
import time

import pytest
import requests

from harness.process import ProcessFailed, wait_until
from harness.programs import ledger


def make_documents(count, prefix="doc", size=400):
    return [{"id": f"{prefix}-{i:06d}", "pk": f"p{i % 313}", "n": i, "text": "x" * (i % size)} for i in range(count)]


def records(documents):
    return [(d["id"], json.dumps(d, separators=(",", ":"))) for d in documents]


def wait_committed(topics, timeout_s=60):
    """Until the group has committed the end of every partition of the writes topic that has records."""
    ends = {p: high for p, (low, high) in topics.broker.end_offsets(topics.writes).items() if high > low}

    def look():
        committed = topics.broker.committed(topics.group, topics.writes)
        return all(committed.get(p, 0) >= high for p, high in ends.items())
    wait_until(look, timeout_s, f"commits up to {ends}", every_s=0.2)


def outcomes(topics):
    """(partition, offset) → the first outcome in the results topic, of untracked writes."""
    found = {}
    for message in topics.broker.read_topic(topics.results):
        for entry in json.loads(message.value()).get("untracked", []):
            for kind in ("written", "superseded", "dead"):
                flat = entry.get(kind, [])
                for first, last in zip(flat[::2], flat[1::2]):
                    for offset in range(first, last + 1):
                        found.setdefault((entry["partition"], offset), kind)
    return found


def applied(sandbox):
    """How many writes the emulator carried out."""
    operations = sandbox.get("/_sandbox/stats").json()["containers"][0]["operations"]
    return sum(operations.get("upsert", {}).get(status, 0) for status in ("200", "201"))


def written(consumer):
    return consumer.metric("writebehind_outcomes_total", outcome="written")


def conditions(program):
    answer = program.get("/readyz")
    return answer.status_code, {c["name"]: c for c in answer.json()["conditions"]}


def trouble(program):
    """What readyz says is wrong: {name: condition}; empty when it is ready."""
    status, found = conditions(program)
    return {} if status == 200 else {name: c for name, c in found.items() if not c["ok"]}


def reset_offsets(topics, to="--to-earliest"):
    def attempt():
        try:
            return topics.broker.tool("groups", "--group", topics.group, "--topic", topics.writes, "--reset-offsets", to,
                                      "--execute")
        except ProcessFailed:
            return None  # a member may not have left yet
    wait_until(attempt, 20, "the group to be empty")


@pytest.mark.timeout(240)
def test_promise_3_sigkill_in_the_middle_of_50000(topics, make_sandbox, start):
    sandbox = make_sandbox({"fault.latency.ms": 20})
    documents = make_documents(50_000)
    topics.broker.publish(topics.writes, records(documents))
    consumer = start("consumer", [topics.env, sandbox.target.env], {"kafka.session.timeout.ms": 6000})
    for done in (8_000, 16_000):
        wait_until(lambda mark=done: written(consumer) >= mark / 2, 60, f"{done // 2} writes of this life")
        consumer.kill()
        consumer.start()
    wait_committed(topics, 120)
    sandbox.target.assert_holds(documents)
    found = ledger(topics.env)
    assert found["accepted"] == found["written"] == 50_000
    assert topics.broker.read_topic(topics.dead_letters) == []


def test_promise_3_no_committed_offset_starts_at_the_earliest(topics, cosmos, start):
    documents = make_documents(500)
    topics.broker.publish(topics.writes, records(documents))
    start("consumer", [topics.env, cosmos.env])
    wait_committed(topics)
    cosmos.assert_holds(documents)


def test_promise_3_lost_range_stops_its_partition_alone(topics, cosmos, start):
    from confluent_kafka import TopicPartition
    first = make_documents(800, "a")
    topics.broker.publish(topics.writes, records(first))
    consumer = start("consumer", [topics.env, cosmos.env])
    wait_committed(topics)
    assert consumer.stop() == 0
    position = topics.broker.committed(topics.group, topics.writes)[0]
    second = make_documents(800, "b")
    topics.broker.publish(topics.writes, records(second))
    end = topics.broker.end_offsets(topics.writes)[0][1]
    admin = topics.broker.admin()
    for future in admin.delete_records([TopicPartition(topics.writes, 0, end - 5)]).values():
        future.result(20)
    wait_until(lambda: topics.broker.end_offsets(topics.writes)[0][0] == end - 5, 20, "records to be deleted")
    consumer.start(wait=False)
    consumer.wait_log("fell out of retention")
    assert f"partition=0 first_lost_offset={position} last_lost_offset={end - 6}" in consumer.log(this_life=True)
    others = {p: high for p, (low, high) in topics.broker.end_offsets(topics.writes).items() if p != 0}
    wait_until(lambda: all(topics.broker.committed(topics.group, topics.writes).get(p) == high
                           for p, high in others.items()), 30, "the other partitions to go on")
    status, why = conditions(consumer)
    assert status == 503 and not why["retention"]["ok"]
    assert f"{topics.writes}/0" in why["retention"]["why"]
    assert topics.broker.committed(topics.group, topics.writes)[0] == position


@pytest.mark.timeout(240)
def test_promise_4_the_last_write_of_an_item_wins(topics, make_sandbox, start):
    rules = [{"match": {"op": "upsert"}, "probability": 0.05, "status": 429, "substatus": 3200, "retry_after_ms": 5},
             {"match": {"op": "upsert"}, "probability": 0.03, "status": 449},
             {"scope": "request", "probability": 0.03, "status": 503},
             {"scope": "request", "probability": 0.02, "action": "reset-after"},
             {"scope": "request", "probability": 0.02, "action": "truncate"},
             {"latency_ms": 2, "jitter_ms": 10}]
    sandbox = make_sandbox({"fault.rules": json.dumps(rules)})
    documents = [{"id": f"item-{i % 150:03d}", "pk": f"p{i % 150 % 7}", "version": i} for i in range(6_000)]
    topics.broker.publish(topics.writes, records(documents))
    start("consumer", [topics.env, sandbox.target.env], wait=False)
    wait_committed(topics, 120)
    requests.delete(sandbox.info["cosmos"] + "/_sandbox/faults", timeout=10)
    sandbox.target.assert_holds(documents)
    assert topics.broker.read_topic(topics.dead_letters) == []


@pytest.mark.timeout(180)
def test_promise_5_cosmos_answers_503_for_10_seconds(topics, private_cosmos_server, start):
    target = private_cosmos_server.create_container()
    consumer = start("consumer", [topics.env, target.env])
    documents = make_documents(3_000)
    private_cosmos_server.fail_with(503)
    topics.broker.publish(topics.writes, records(documents))
    why = wait_until(lambda: trouble(consumer).get("cosmos"), 20, "readyz to tell of the outage")
    assert "503" in why["why"]
    time.sleep(10)
    assert consumer.running() and written(consumer) == 0
    assert sum(topics.broker.committed(topics.group, topics.writes).values()) == 0
    private_cosmos_server.fail_with(0)
    healed = time.monotonic()
    wait_until(lambda: written(consumer) > 0, 10, "the first write after the outage")
    assert time.monotonic() - healed < 6  # 2 s, and what a slow server takes for the request
    wait_committed(topics)
    target.assert_holds(documents)
    assert topics.broker.read_topic(topics.dead_letters) == []
    assert consumer.log().count("does not take requests") <= 8  # once an outage, not once a record
    wait_until(consumer.ready, 10, "readyz to be content again")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_promise_5_kafka_away_for_10_seconds(private_kafka, make_topics, make_sandbox, start, how):
    kafka = private_kafka()
    topics = make_topics(kafka)
    sandbox = make_sandbox({"fault.latency.ms": 30})
    documents = make_documents(30_000)
    kafka.publish(topics.writes, records(documents))
    consumer = start("consumer", [topics.env, sandbox.target.env])
    wait_until(lambda: written(consumer) > 1000, 30, "the middle of the work")
    if how == "frozen":
        kafka.pause()
    else:
        kafka.kill()
    time.sleep(10)
    assert consumer.running()
    wait_until(lambda: "kafka" in trouble(consumer), 10, "readyz to tell of Kafka")
    if how == "frozen":
        kafka.resume()
    else:
        kafka.restart()
    more = make_documents(1_000, "later")
    kafka.publish(topics.writes, records(more))
    wait_committed(topics, 90)
    sandbox.target.assert_holds(documents + more)
    found = ledger(topics.env)
    assert found["accepted"] == found["written"] == 31_000
    wait_until(lambda: conditions(consumer)[0] == 200, 20, "the consumer to be ready again")


def test_promise_6_one_poison_among_1000(topics, make_sandbox, start):
    sandbox = make_sandbox()
    documents = make_documents(999)
    poison = {"id": "poison", "pk": "p1"}
    # Alone refused by the server; and the whole request with it fails, as a gateway does that chokes on one operation.
    sandbox.post("/_sandbox/faults", json=[{"match": {"id": "poison"}, "scope": "request", "status": 400}])
    start("consumer", [topics.env, sandbox.target.env])
    middle = documents[:500] + [poison] + documents[500:]
    topics.broker.publish(topics.writes, records(middle) + [("no-json", "{"), ("no-id", '{"pk":"p1"}')])
    wait_committed(topics)
    sandbox.target.assert_holds(documents)
    letters = {m.key(): dict(m.headers()) for m in topics.broker.read_topic(topics.dead_letters)}
    assert {k: h["wb-error-reason"] for k, h in letters.items()} == {
        b"poison": b"bad-request", b"no-json": b"invalid-json", b"no-id": b"missing-id"}
    assert letters[b"poison"]["wb-error-status"] == b"400"
    assert sorted(outcomes(topics).values()).count("dead") == 3


def test_promise_6_what_fails_alone_ends_and_holds_up_nobody(topics, make_sandbox, start):
    sandbox = make_sandbox()
    sandbox.post("/_sandbox/faults", json=[{"match": {"id": "sick"}, "status": 500}])
    consumer = start("consumer", [topics.env, sandbox.target.env], {"cosmos.operation.retry.max.ms": "2s"})
    sick = {"id": "sick", "pk": "p1"}
    stop = threading.Event()
    sent = []

    def keep_publishing():
        """As long as it takes: its patience counts only while neighbours go through."""
        for number in itertools.count():
            part = make_documents(50, f"doc{number}")
            topics.broker.publish(topics.writes, records(part))
            sent.extend(part)
            if stop.wait(0.1):
                return
    topics.broker.publish(topics.writes, records([sick]))
    publisher = threading.Thread(target=keep_publishing)
    publisher.start()
    try:
        wait_until(lambda: written(consumer) > 200, 20, "neighbours to be written")
        wait_until(lambda: consumer.metric("writebehind_dead_total", reason="server-error") == 1, 60,
                   "its patience to end")
    finally:
        stop.set()
        publisher.join()
    wait_committed(topics)
    sandbox.target.assert_holds(sent)
    (letter,) = topics.broker.read_topic(topics.dead_letters)
    assert dict(letter.headers())["wb-error-reason"] == b"server-error"
    assert int(dict(letter.headers())["wb-error-attempts"]) > 3


def test_promise_7_dead_letter_is_the_original(topics, cosmos, start):
    every_byte = bytes(range(256))
    written_at = int(time.time() * 1000) - 3_600_123
    originals = [
        (b"key-1", b"not json \x00\xff", [("plain", b"value"), ("binary", every_byte), ("empty", b""), ("none", None),
                                          ("plain", b"again"), ("wb-trace", b"x")]),
        (None, b'{"id":"no key","pk":[1]}', []),
        (every_byte, b"", [("wb-op", b"upsert")]),
        (b"tombstone", None, []),
        (b"op", b'{"id":"op","pk":"a"}', [("wb-op", b"no-such-operation")]),
        (b"container", b'{"id":"c","pk":"a"}', [("wb-container", b"forbidden")]),
    ]
    for key, value, headers in originals:
        producer = topics.broker.producer()
        producer.produce(topics.writes, value=value, key=key, headers=headers, timestamp=written_at)
        assert producer.flush(20) == 0
    consumer = start("consumer", [topics.env, cosmos.env])
    wait_committed(topics)
    letters = topics.broker.read_topic(topics.dead_letters)
    assert len(letters) == len(originals)
    wanted = {(key, value): headers for key, value, headers in originals}
    reasons = set()
    for letter in letters:
        headers = wanted.pop((letter.key(), letter.value()))
        ours = letter.headers() or []
        assert ours[:len(headers)] == headers
        facts = dict(ours[len(headers):])
        assert facts["wb-origin-topic"].decode() == topics.writes
        assert facts["wb-origin-timestamp"] == str(written_at).encode()
        assert facts["wb-item-etag"] == b"unknown"
        assert facts["__connect.errors.topic"].decode() == topics.writes
        reasons.add(facts["wb-error-reason"].decode())
    assert reasons == {"invalid-json", "invalid-partition-key", "tombstone", "unknown-operation",
                       "container-not-allowed"}
    assert consumer.metric("writebehind_dead_total") == len(originals)


def test_promise_10_redelivery_of_everything(topics, cosmos, start):
    documents = make_documents(3_000)
    topics.broker.publish(topics.writes, records(documents) + [("bad", "nonsense")])
    consumer = start("consumer", [topics.env, cosmos.env])
    wait_committed(topics)
    assert consumer.stop() == 0
    before = outcomes(topics)
    reset_offsets(topics)
    assert sum(topics.broker.committed(topics.group, topics.writes).values()) == 0
    consumer.start()
    wait_committed(topics)
    cosmos.assert_holds(documents)
    assert outcomes(topics) == before and len(before) == 3_001
    found = ledger(topics.env)
    assert (found["written"], found["dead"], found["repeats"], found["letterRepeats"]) == (3_000, 1, 3_001, 1)


@pytest.mark.timeout(180)
def test_promise_12_sigterm_in_the_middle_writes_nothing_twice(topics, make_sandbox, start):
    sandbox = make_sandbox({"fault.latency.ms": 20, "fault.jitter.ms": 20})
    documents = make_documents(60_000)
    topics.broker.publish(topics.writes, records(documents))
    # A small budget, so that each life reads a part only: what was read is finished before it ends.
    consumer = start("consumer", [topics.env, sandbox.target.env], {"memory.budget.bytes": "16MiB"})
    for _ in range(3):
        wait_until(lambda: written(consumer) > 3_000, 30, "the middle of the work")
        assert consumer.stop() == 0
        consumer.start()
    wait_committed(topics)
    sandbox.target.assert_holds(documents)
    assert applied(sandbox) == len(documents)


def test_promise_12_shutdown_has_a_deadline(topics, private_cosmos_server, start):
    target = private_cosmos_server.create_container()
    consumer = start("consumer", [topics.env, target.env], {"shutdown.timeout.ms": "1s"})
    private_cosmos_server.fail_with(503)
    documents = make_documents(200)
    topics.broker.publish(topics.writes, records(documents))
    wait_until(lambda: "cosmos" in trouble(consumer), 20, "the outage to be noticed")
    began = time.monotonic()
    assert consumer.stop() == 0
    assert time.monotonic() - began < 10  # 1 s, and leaving the group; without the setting it would be 25 s
    private_cosmos_server.fail_with(0)
    consumer.start()
    wait_committed(topics)
    target.assert_holds(documents)


@pytest.mark.timeout(240)
def test_promise_12_rebalance_from_1_to_3_and_back(topics, make_sandbox, start):
    sandbox = make_sandbox({"fault.latency.ms": 10, "fault.jitter.ms": 10})
    documents = []
    stop = threading.Event()

    def keep_publishing():
        """As long as it takes: each of them has to find work."""
        for number in itertools.count():
            part = make_documents(300, f"doc{number}")
            topics.broker.publish(topics.writes, records(part))
            documents.extend(part)
            if stop.wait(0.1):
                return
    publisher = threading.Thread(target=keep_publishing)
    publisher.start()
    try:
        first = start("consumer", [topics.env, sandbox.target.env])
        wait_until(lambda: written(first) > 500, 30, "the first to work")
        others = [start("consumer", [topics.env, sandbox.target.env]) for _ in range(2)]
        for one in others:
            wait_until(lambda one=one: one.metric("writebehind_assigned_partitions") > 0 and written(one) > 200, 30,
                       "the others to have their share")
        wait_until(lambda: sum(c.metric("writebehind_assigned_partitions") for c in [first, *others]) == 8, 30,
                   "all partitions to be somebody's")
        for one in others:
            assert one.stop() == 0
        wait_until(lambda: first.metric("writebehind_assigned_partitions") == 8, 30, "the first to have all again")
    finally:
        stop.set()
        publisher.join()
    wait_committed(topics, 90)
    sandbox.target.assert_holds(documents)
    assert applied(sandbox) == len(documents)
    assert topics.broker.read_topic(topics.dead_letters) == []


@pytest.mark.parametrize("bulk", [True, False])
def test_deletes_and_upserts_through_bulk_and_through_single_writes(topics, make_sandbox, start, bulk):
    sandbox = make_sandbox()
    sandbox.post("/_sandbox/bulk", json={"enabled": bulk})
    documents = make_documents(300) + [{"id": "späce % ü", "pk": 'q"uote\u20ac', "n": 1}]
    gone = documents[:100] + documents[-1:]
    deletes = [(d["id"], b"", [("wb-op", b"delete"), ("wb-id", d["id"].encode()),
                               ("wb-partition-key", json.dumps([d["pk"]]).encode())]) for d in gone]
    absent = [("never-there", b"", [("wb-op", b"delete"), ("wb-id", b"never-there"), ("wb-partition-key", b'["p"]')])]
    consumer = start("consumer", [topics.env, sandbox.target.env])
    assert f"bulk={'true' if bulk else 'false'}" in consumer.log()
    topics.broker.publish(topics.writes, records(documents))
    topics.broker.publish(topics.writes, deletes + absent)
    wait_committed(topics)
    sandbox.target.assert_holds([d for d in documents if d not in gone])
    assert set(outcomes(topics).values()) == {"written"}


def test_a_single_write_is_quick(topics, sandbox, start):
    start("consumer", [topics.env, sandbox.target.env])
    topics.broker.publish(topics.writes, records([{"id": "warm", "pk": "p"}]))
    wait_until(lambda: sandbox.target.read("warm", "p"), 10, "the first document")
    producer, took = topics.broker.producer(), []
    for i in range(10):
        (key, value), = records([{"id": f"one-{i}", "pk": "p"}])
        began = time.monotonic()
        producer.produce(topics.writes, value=value, key=key)
        assert producer.flush(10) == 0
        wait_until(lambda i=i: sandbox.target.read(f"one-{i}", "p"), 10, "the document", every_s=0.002)
        took.append(time.monotonic() - began)
    assert sorted(took)[5] < 0.5


def test_writes_wait_for_a_container_that_is_not_there_yet(topics, cosmos_server, start):
    from harness.cosmos import Target
    base = cosmos_server.create_container()
    env = base.env | {"COSMOS_CONTAINER": "late"}
    consumer = start("consumer", [topics.env, env], wait=False)
    documents = make_documents(300)
    topics.broker.publish(topics.writes, records(documents))
    wait_until(lambda: "does not exist" in consumer.log(), 20, "the log to say what is missing")
    wait_until(lambda: "container late" in trouble(consumer).get("containers", {"why": ""})["why"], 10, "readyz, too")
    cosmos_server.create_container(base.database, "late")
    wait_committed(topics)
    Target(cosmos_server, base.database, "late").assert_holds(documents)


@pytest.mark.timeout(180)
def test_a_partition_at_its_gap_limit_pauses_alone(topics, make_sandbox, start):
    sandbox = make_sandbox()
    sandbox.post("/_sandbox/faults", json=[{"match": {"id": "stuck"}, "status": 449}])
    consumer = start("consumer", [topics.env, sandbox.target.env], {"consumer.max.offset.gap": 1000})
    documents = make_documents(40_000)
    topics.broker.publish(topics.writes, records([{"id": "stuck", "pk": "p"}]))
    topics.broker.publish(topics.writes, records(documents))
    wait_until(lambda: consumer.metric("writebehind_paused_partitions") == 1, 30, "one partition to pause")
    wait_until(lambda: sum(topics.broker.committed(topics.group, topics.writes).values()) > 34_000, 30, "the others")
    wait_until(lambda: consumer.metric("writebehind_pending_writes") < 3_000, 20, "only the stuck partition to wait")
    requests.delete(sandbox.info["cosmos"] + "/_sandbox/faults", timeout=10)
    wait_committed(topics)
    sandbox.target.assert_holds([{"id": "stuck", "pk": "p"}, *documents])
    assert applied(sandbox) == 40_001


@pytest.mark.timeout(180)
def test_promise_3_a_partition_paused_when_it_went_is_read_when_it_comes_back(topics, make_sandbox, start):
    sandbox = make_sandbox()
    sandbox.post("/_sandbox/faults", json=[{"match": {"id_prefix": "stuck"}, "status": 449}])
    settings = {"consumer.max.offset.gap": 200, "consumer.drain.timeout.ms": 1000}
    documents = [{"id": f"stuck{i}", "pk": "p"} for i in range(60)] + make_documents(5_000)
    topics.broker.publish(topics.writes, records(documents))
    first = start("consumer", [topics.env, sandbox.target.env], settings)
    wait_until(lambda: first.metric("writebehind_paused_partitions") == 8, 30, "all partitions to pause")
    second = start("consumer", [topics.env, sandbox.target.env], settings)
    wait_until(lambda: second.metric("writebehind_assigned_partitions") == 4, 30, "the second to have its share")
    assert second.stop() == 0
    wait_until(lambda: first.metric("writebehind_assigned_partitions") == 8, 30, "the first to have all again")
    requests.delete(sandbox.info["cosmos"] + "/_sandbox/faults", timeout=10)
    wait_committed(topics)
    sandbox.target.assert_holds(documents)


def test_what_is_wrong_with_the_configuration_is_said(topics, cosmos, start, tmp_path):
    from harness.paths import binary
    for change, words in [({"COSMOS_ENDPOINT": "ftp://x"}, "cosmos.endpoint"), ({"COSMOS_KEY": "no base64!"}, "key"),
                          ({"COSMOS_DATABASE": "a/b"}, "cosmos.database"),
                          ({"COSMOS_REQUEST_TIMEOUT_MS": "60s"}, "cosmos.request.timeout.ms")]:
        done = subprocess.run([binary("consumer")], env=topics.env | cosmos.env | change, capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        assert cosmos.account.key not in done.stderr
    done = subprocess.run([binary("consumer")], env=topics.env | cosmos.env | {"TOPIC_WRITES": "no-such-topic",
                          "ADMIN_LISTEN": "127.0.0.1:0"}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "no-such-topic" in done.stderr, done.stderr
