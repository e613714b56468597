"""writebehind-deadletter audit: the ledger from Kafka alone, on real topics, with what the programs wrote and what was damaged by
hand."""

import json
import uuid

import pytest

from harness.process import wait_until
from harness.programs import audit, run

POISON = [b"this is not JSON", b'{"pk":"p"}', b'{"id":"a/b","pk":"p"}', b'{"id":"x","pk":{"no":"scalar"}}', b"[1,2]"]


def sides(found):
    return [found[name] for name in ("accepted", "unaccepted", "written", "superseded", "dead", "pending")]


def publish_job(topics, documents):
    """A job of documents that nobody has looked at, as lines of the command line."""
    done = run("publish", "--unchecked", "-", env=topics.env, input=b"\n".join(documents) + b"\n")
    return done.stdout.decode().split()[0] if isinstance(done.stdout, bytes) else done.stdout.split()[0]


def publish_untracked(kafka, topics, documents):
    kafka.publish(topics.writes, [(str(i).encode(), document) for i, document in enumerate(documents)])


def good(prefix, count):
    return [json.dumps({"id": f"{prefix}-{i}", "pk": f"p{i % 7}", "n": i}).encode() for i in range(count)]


def wait_until_written(topics, expected, timeout_s=60):
    """Until nothing is pending and so many writes have an outcome."""
    def done():
        _, found = audit(topics.env)
        return found["pending"] == 0 and sum(sides(found)[2:5]) == expected
    wait_until(done, timeout_s, "every write to have an outcome", every_s=0.5)


def outcomes(**members):
    return json.dumps({"type": "outcomes", "consumer": "by hand", "at": 1_760_000_000_000, **members}).encode()


def accepted(job, count):
    return json.dumps({"type": "accepted", "job": job, "count": count, "at": 1_760_000_000_000}).encode()


def test_a_mixed_run_balances(kafka, topics, cosmos, start):
    publish_job(topics, good("job", 500) + POISON)
    publish_untracked(kafka, topics, good("raw", 300) + POISON)
    # Before anybody has read them all are pending.
    code, found = audit(topics.env)
    assert code == 0 and sides(found) == [810, 0, 0, 0, 0, 810] and not found["groupKnown"]
    start("consumer", [topics.env, cosmos.env])
    wait_until_written(topics, 810)
    code, found = audit(topics.env)
    assert code == 0 and sides(found)[:2] == [810, 0] and found["dead"] == 10 and found["misfits"] == []
    assert found["jobs"]["count"] == 1 and found["untracked"]["accepted"] == 305 and found["groupKnown"]
    table = run("deadletter", "audit", env=topics.env).stdout.splitlines()
    assert table[-1] == "ledger: accepted 810 = written {} + superseded {} + dead 10 + pending 0".format(
        found["written"], found["superseded"])
    assert {line.rindex(" ") < len(line) == len(table[0]) for line in table[:3]} == {True}, table
    # All of it is younger than an hour; of what is younger than a millisecond nothing is.
    assert sides(audit(topics.env, "--since", "1h")[1]) == sides(found)
    assert audit(topics.env, "--since", "1ms")[0] == 0


@pytest.mark.timeout(240)
def test_a_consumer_killed_in_the_middle_balances(kafka, topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env], settings={"kafka.session.timeout.ms": "3000"})
    count = 0
    for round_number in range(4):
        publish_job(topics, good(f"job{round_number}", 3000) + POISON)
        publish_untracked(kafka, topics, good(f"raw{round_number}", 2000) + POISON)
        count += 5010
        consumer.kill()
        # While nobody reads, nothing is lost.
        code, found = audit(topics.env)
        assert code == 0, found
        consumer.start()
    wait_until_written(topics, count, 90)
    code, found = audit(topics.env)
    assert code == 0 and sides(found)[:2] == [count, 0] and found["dead"] == 40, found
    # And all of it once more: nothing of that counts.
    consumer.stop()
    kafka.tool("groups", "--group", topics.group, "--topic", topics.writes, "--reset-offsets", "--to-earliest", "--execute")
    consumer.start()
    wait_until(lambda: audit(topics.env)[1]["repeats"] >= found["repeats"] + count, 60, "everything to come again", every_s=0.5)
    code, again = audit(topics.env)
    assert code == 0 and sides(again) == sides(found) and again["letterRepeats"] >= 40, again


def test_what_does_not_fit_is_named(kafka, topics, cosmos, start):
    job = publish_job(topics, good("job", 20) + POISON)
    publish_untracked(kafka, topics, good("raw", 20))
    start("consumer", [topics.env, cosmos.env]).wait_ready()
    wait_until_written(topics, 45)
    assert audit(topics.env)[0] == 0
    no_letter, beyond, twice, gone = (uuid.uuid4().hex for _ in range(4))
    end = kafka.end_offsets(topics.writes)[3][1]
    kafka.publish(topics.results, [
        (None, accepted(no_letter, 3)), (None, accepted(beyond, 2)), (b"t", accepted(twice, 1)), (None, accepted(gone, 4)),
        (None, outcomes(jobs=[{"job": no_letter, "written": [0, 0, 2, 2], "dead": [1, 1]},
                              {"job": beyond, "written": [0, 4]}, {"job": twice, "written": [0, 0]},
                              {"job": gone, "written": [0, 1]}],
                        untracked=[{"topic": topics.writes, "partition": 3, "written": [end + 5, end + 6]}])),
        (b"t", accepted(twice, 2)), (None, b"no record of ours")])
    code, found = audit(topics.env)
    assert code == 1 and not found["balances"]
    named = {(misfit["fault"], misfit.get("job"), misfit.get("first"), misfit.get("last")) for misfit in found["misfits"]}
    assert named == {("no-letter", no_letter, 1, 1), ("beyond", beyond, 2, 4), ("two-accepted", twice, None, None),
                     ("gone", gone, 2, 3), ("unknown", None, end + 5, end + 6)}, named
    assert found["faults"] == {"lost": 0, "gone": 2, "no-letter": 1, "stray-letter": 0, "beyond": 3, "unknown": 2,
                               "two-accepted": 1}
    assert {owner.get("job", topics.writes) for owner in found["unbalanced"]} == {no_letter, beyond, twice, gone,
                                                                                 topics.writes}
    assert found["unreadable"] == 1 and job not in json.dumps(found)
    shown = run("deadletter", "audit", "--limit", "2", env=topics.env, check=False)
    assert shown.returncode == 1 and "and 3 more" in shown.stdout
    assert shown.stdout.splitlines()[-1].endswith(": it does not balance")


def test_a_lost_write_is_named(kafka, topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    publish_untracked(kafka, topics, good("raw", 40))
    wait_until_written(topics, 40)
    consumer.stop()
    job = publish_job(topics, good("lost", 6))
    kafka.publish(topics.writes, [(b"k", b'{"id":"k","pk":"p"}')])
    assert audit(topics.env)[0] == 0
    # Somebody moves the group behind them.
    kafka.tool("groups", "--group", topics.group, "--topic", topics.writes, "--reset-offsets", "--to-latest", "--execute")
    code, found = audit(topics.env)
    assert code == 1 and found["faults"]["lost"] == 7 and found["pending"] == 0
    assert found["accepted"] == 47 and sum(sides(found)[2:]) == 40
    lost = [misfit for misfit in found["misfits"] if misfit["fault"] == "lost"]
    assert sum(misfit["last"] - misfit["first"] + 1 for misfit in lost) == 7
    for misfit in lost:
        assert misfit["record"]["topic"] == topics.writes
        assert misfit.get("job") == job or misfit["first"] == misfit["record"]["offset"]


def test_a_letter_of_a_write_that_was_written_is_named(kafka, topics, cosmos, start):
    job = publish_job(topics, good("job", 3))
    start("consumer", [topics.env, cosmos.env])
    wait_until_written(topics, 3)
    ours = [("wb-error-reason", b"conflict"), ("wb-origin-topic", topics.writes.encode()), ("wb-origin-partition", b"0"),
            ("wb-origin-offset", b"0")]
    tracked = [("wb-job", job.encode()), ("wb-seq", b"1")]
    kafka.publish(topics.dead_letters, [(b"k", b"{}", tracked + ours), (b"k", b"another program's", [("x", b"y")])])
    code, found = audit(topics.env)
    misfit, = found["misfits"]
    assert code == 1 and (misfit["fault"], misfit["job"], misfit["first"]) == ("stray-letter", job, 1)
    assert "letter" in misfit and found["foreignLetters"] == 1
    # It died when it came again, and the first outcome counts: its letter is a repeat's.
    kafka.publish(topics.results, [(job.encode(), outcomes(jobs=[{"job": job, "dead": [1, 1]}]))])
    code, found = audit(topics.env)
    assert code == 0 and found["letterRepeats"] == 1 and found["repeats"] == 1 and found["dead"] == 0


def test_usage_and_kafka_have_exit_codes_of_their_own(topics):
    assert run("deadletter", "audit", "now", env=topics.env, check=False).returncode == 2
    assert run("deadletter", "audit", "--since", "today", env=topics.env, check=False).returncode == 2
    done = run("deadletter", "audit", "--set", "read.timeout.ms=2000", check=False, timeout_s=30,
               env=topics.env | {"TOPIC_RESULTS": "no-such-topic"})
    assert done.returncode == 3 and "no-such-topic" in done.stderr
    done = run("deadletter", "audit", "--set", "read.timeout.ms=2000", check=False, timeout_s=30,
               env=topics.env | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert done.returncode == 3 and done.stderr.strip()
