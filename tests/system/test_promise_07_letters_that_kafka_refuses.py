"""Promises 3 and 7: what becomes of dead letters and outcomes while their topics refuse them, on a real Kafka."""

import json
import os

import pytest

from harness.process import wait_until

JOB = "0123456789abcdef0123456789abcdef"


def limit(topics, topic, max_message_bytes):
    topics.broker.tool("configs", "--alter", "--entity-type", "topics", "--entity-name", topic,
                       "--add-config", f"max.message.bytes={max_message_bytes}")


def condition(consumer, name):
    return {c["name"]: c for c in consumer.get("/readyz").json()["conditions"]}.get(name, {"ok": True})


def outcomes(topics):
    """(what, number) → {kinds}: what is a job, or the partition of an untracked write."""
    found = {}
    for message in topics.broker.read_topic(topics.results):
        record = json.loads(message.value())
        entries = [(e["job"], e) for e in record.get("jobs", [])]
        entries += [(e["partition"], e) for e in record.get("untracked", [])]
        for what, entry in entries:
            for kind in ("written", "superseded", "dead"):
                flat = entry.get(kind, [])
                for first, last in zip(flat[::2], flat[1::2]):
                    for number in range(first, last + 1):
                        found.setdefault((what, number), set()).add(kind)
    return found


def all_committed(topics):
    ends = {p: high for p, (low, high) in topics.broker.end_offsets(topics.writes).items() if high > low}
    committed = topics.broker.committed(topics.group, topics.writes)
    return all(committed.get(p, 0) >= high for p, high in ends.items())


def assert_commits_stay_behind_outcomes(topics):
    """Every untracked write below a committed offset has its outcome on the results topic."""
    committed, found = topics.broker.committed(topics.group, topics.writes), outcomes(topics)
    missing = [(p, o) for p, end in committed.items() for o in range(end) if (p, o) not in found]
    assert not missing


def form(letter):
    names = [name for name, _ in letter.headers()]
    if "__connect.errors.stage" in names:
        return "full"
    return "short" if "wb-error-message" in names else "least"


def test_promise_7_letters_are_trimmed_until_the_topic_takes_them(topics, cosmos, start):
    """Documents of ever larger size against one limit: each letter is cut as far as it must be, and the job ends."""
    # Not compressed, so that sizes are known.
    consumer = start("consumer", [topics.env, cosmos.env, {"KAFKA_COMPRESSION_TYPE": "none"}])
    limit(topics, topics.dead_letters, 20_000)
    values = [os.urandom(18_300 + 50 * i) for i in range(25)]
    headers = [("wb-job", JOB.encode()), ("theirs", b"x"), ("__connect.errors.topic", b"theirs too")]
    topics.broker.publish(topics.writes, [(f"key-{i}", value, [*headers, ("wb-seq", b"%d" % i)])
                                          for i, value in enumerate(values)])
    wait_until(lambda: all_committed(topics), 60, "everything to be committed")
    letters = topics.broker.read_topic(topics.dead_letters)
    assert sorted(letter.value() for letter in letters) == sorted(values)
    for letter in letters:
        number = int(letter.key().decode().split("-")[1])
        assert letter.value() == values[number]
        assert letter.headers()[:4] == [*headers, ("wb-seq", b"%d" % number)]
        ours = dict(letter.headers()[4:])
        assert {"wb-error-reason", "wb-item-etag", "wb-origin-topic", "wb-origin-partition",
                "wb-origin-offset"} <= ours.keys()
    forms = [form(letter) for letter in sorted(letters, key=lambda m: len(m.value()))]
    assert forms == sorted(forms, key=["full", "short", "least"].index) and set(forms) == {"full", "short", "least"}
    for kept in ("short", "least"):
        assert consumer.metric("writebehind_letters_trimmed_total", headers=kept) == forms.count(kept)
    assert outcomes(topics) == {(JOB, i): {"dead"} for i in range(25)}
    wait_until(consumer.ready, 10, "readyz to be content")


def test_promise_7_small_letters_do_not_suffer_from_their_batch(topics, cosmos, start):
    """A topic whose limit is below that of a batch refuses whole batches; alone, each letter fits, whole."""
    env = {"KAFKA_COMPRESSION_TYPE": "none"}
    topics.broker.publish(topics.writes, [(f"k{i}", b"no json " + b"x" * 500) for i in range(2_000)])
    consumer = start("consumer", [topics.env, cosmos.env, env], wait=False)
    limit(topics, topics.dead_letters, 5_000)
    topics.broker.publish(topics.writes, [(f"l{i}", b"no json " + b"x" * 500) for i in range(2_000)])
    wait_until(lambda: all_committed(topics), 90, "everything to be committed")
    letters = topics.broker.read_topic(topics.dead_letters)
    assert {letter.key() for letter in letters} == {f"{k}{i}".encode() for k in "kl" for i in range(2_000)}
    assert {form(letter) for letter in letters} == {"full"}
    assert consumer.metric("writebehind_letters_trimmed_total") == 0


def test_promise_7_a_letter_too_large_for_good_stops_its_partition_alone(topics, make_sandbox, start):
    rule = {"match": {"op": "upsert", "id": "poison"}, "status": 400}
    sandbox = make_sandbox({"fault.rules": json.dumps([rule])})
    consumer = start("consumer", [topics.env, sandbox.target.env], {"shutdown.timeout.ms": 3000})
    limit(topics, topics.dead_letters, 20_000)
    poison = {"id": "poison", "pk": "p", "x": os.urandom(40_000).hex()}
    topics.broker.publish(topics.writes, [("poison", json.dumps(poison))])
    line = wait_until(lambda: [x for x in consumer.log().splitlines() if "a dead letter is refused" in x], 30, "it")[0]
    (part, at), = [(p, high - 1) for p, (_, high) in topics.broker.end_offsets(topics.writes).items() if high]
    for text in (f"partition={part}", f"offset={at}", "id=poison", '[\\"p\\"]', "larger than the limit"):
        assert text in line
    docs = [{"id": f"d{i}", "pk": "p"} for i in range(400)]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs])
    wait_until(lambda: sandbox.target.count() == 400, 30, "the others, of all partitions")
    ends = {p: high for p, (_, high) in topics.broker.end_offsets(topics.writes).items() if p != part}
    wait_until(lambda: all(topics.broker.committed(topics.group, topics.writes).get(p) == high
                           for p, high in ends.items()), 30, "the other partitions to be committed")
    assert topics.broker.committed(topics.group, topics.writes).get(part, 0) <= at
    assert consumer.metric("writebehind_refused_letters") == 1
    assert consumer.stop() == 0
    assert topics.broker.committed(topics.group, topics.writes).get(part, 0) <= at
    limit(topics, topics.dead_letters, 4_000_000)
    consumer.start()
    wait_until(lambda: all_committed(topics), 30, "the poison to be buried")
    assert [json.loads(m.value()) for m in topics.broker.read_topic(topics.dead_letters)] == [poison]
    assert consumer.metric("writebehind_refused_letters") == 0


@pytest.mark.timeout(240)
def test_promise_3_the_dead_letter_topic_deleted_and_made_again_under_load(topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    docs = [{"id": f"d{i}", "pk": f"p{i % 7}"} for i in range(6_000)]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs[:2_000]] + [("first", b"no json")])
    wait_until(lambda: all_committed(topics), 60, "the first part to be committed")
    assert [m.key() for m in topics.broker.read_topic(topics.dead_letters)] == [b"first"]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs[2_000:4_000]])
    topics.broker.delete_topic(topics.dead_letters)
    load = [(d["id"], json.dumps(d)) for d in docs[4_000:]]
    dead = {f"dead{i}": b"no json %d" % i for i in range(2_000)}
    topics.broker.publish(topics.writes, [r for pair in zip(load, dead.items()) for r in pair])
    wait_until(lambda: not condition(consumer, "letters")["ok"], 60, "readyz to say it")
    assert topics.dead_letters in condition(consumer, "letters")["why"]
    cosmos_has_all = lambda: cosmos.count() == 6_000  # noqa: E731
    wait_until(cosmos_has_all, 60, "what is not dead to be written all the same")
    assert sum("dead" in kinds for kinds in outcomes(topics).values()) == 1
    assert_commits_stay_behind_outcomes(topics)
    assert not all_committed(topics)
    topics.broker.create_topic(topics.dead_letters, 8, max_message_bytes=4_000_000)
    wait_until(lambda: all_committed(topics), 90, "everything to be committed")
    wait_until(consumer.ready, 30, "the consumer to be ready again")
    letters = {m.key().decode(): m.value() for m in topics.broker.read_topic(topics.dead_letters)}
    assert letters == dead
    kinds = list(outcomes(topics).values())
    assert kinds.count({"dead"}) == 2_001 and kinds.count({"written"}) == 6_000 and len(kinds) == 8_001
    cosmos.assert_holds(docs)


@pytest.mark.timeout(240)
def test_promise_3_the_results_topic_refuses_for_a_while(topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    limit(topics, topics.results, 100)
    docs = [{"id": f"d{i}", "pk": f"p{i % 7}"} for i in range(3_000)]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs] + [("x", b"no json")])
    wait_until(lambda: not condition(consumer, "results")["ok"], 60, "readyz to say it")
    assert topics.results in condition(consumer, "results")["why"]
    wait_until(lambda: cosmos.count() == 3_000, 60, "the documents")
    assert not any(topics.broker.committed(topics.group, topics.writes).values()) and outcomes(topics) == {}
    assert "outcomes are refused" in consumer.log()
    # Still smaller than what is gathered: records are split until they fit.
    limit(topics, topics.results, 400)
    wait_until(lambda: all_committed(topics), 90, "everything to be committed")
    wait_until(consumer.ready, 30, "the consumer to be ready again")
    kinds = list(outcomes(topics).values())
    assert kinds.count({"written"}) == 3_000 and kinds.count({"dead"}) == 1 and len(kinds) == 3_001
    assert len(topics.broker.read_topic(topics.dead_letters)) == 1


@pytest.mark.timeout(240)
def test_promise_3_the_results_topic_deleted_and_made_again(topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    wait_until(lambda: condition(consumer, "kafka")["ok"], 30, "Kafka")
    topics.broker.delete_topic(topics.results)
    docs = [{"id": f"d{i}", "pk": f"p{i % 7}"} for i in range(3_000)]
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in docs])
    wait_until(lambda: cosmos.count() == 3_000, 60, "the documents")
    wait_until(lambda: not condition(consumer, "results")["ok"], 60, "readyz to say it")
    assert not any(topics.broker.committed(topics.group, topics.writes).values())
    topics.broker.create_topic(topics.results, 4)
    wait_until(lambda: all_committed(topics), 90, "everything to be committed")
    wait_until(consumer.ready, 30, "the consumer to be ready again")
    kinds = list(outcomes(topics).values())
    assert kinds.count({"written"}) == len(kinds) == 3_000
