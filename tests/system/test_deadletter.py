"""writebehind-deadletter on a real Kafka: what a person at 3 a.m. sees of a dead letter."""

import json
import subprocess

from harness.paths import binary
from harness.process import wait_until
from harness.programs import environment, run

POISON = [
    (b"k1", b"this is not JSON", "invalid-json"),
    (b"k2", b'{"pk":"p"}', "missing-id"),
    (b"k3", b'{"id":"a/b","pk":"p"}', "invalid-id"),
    (b"k4", b'{"id":"x","pk":{"no":"scalar"}}', "invalid-partition-key"),
    (b"k5", b'[1,2]', "not-an-object"),
    (b"k6", b'{"id":"x\xff","pk":"p"}', "invalid-json"),
    (b"k7", b'{"id":"\x1b[2J","pk":"p"}', "invalid-json"),
]


def letters(topics):
    done = run("deadletter", "ls", "--json", "--limit", "1000", env=topics.env, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


def die(kafka, topics, cosmos, start):
    kafka.publish(topics.writes, [(key, value, [("trace", b"\x00\xff"), ("wb-job", b"0" * 32), ("wb-seq", str(i).encode())])
                                  for i, (key, value, _) in enumerate(POISON)])
    start("consumer", [topics.env, cosmos.env])
    wait_until(lambda: len(letters(topics)) == len(POISON), 30, "the dead letters", every_s=0.3)


def test_ls_and_show(kafka, topics, cosmos, start):
    die(kafka, topics, cosmos, start)
    found = {letter["seq"]: letter for letter in letters(topics)}
    for seq, (_, value, reason) in enumerate(POISON):
        letter = found[seq]
        assert letter["reason"] == reason and letter["bytes"] == len(value)
        assert letter["origin"]["topic"] == topics.writes
        shown = run("deadletter", "show", letter["letter"], env=topics.env).stdout
        assert f"letter {letter['letter']}: {reason}" in shown and "\x1b" not in shown
        raw = run("deadletter", "show", "--raw", letter["letter"], env=topics.env, input=b"").stdout
        assert raw == value
        as_json = json.loads(run("deadletter", "show", "--json", letter["letter"], env=topics.env).stdout)
        assert {"name": "trace", "valueBase64": "AP8="} in as_json["headers"]
    table = run("deadletter", "ls", env=topics.env).stdout
    assert "7 letters: invalid-json 3" in table and "\x1b" not in table
    lines = table.splitlines()
    assert len(lines) == 1 + len(POISON) + 1
    column = lines[0].index("REASON")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines[:-1]), table


def test_filters_and_exit_codes(kafka, topics, cosmos, start):
    assert run("deadletter", "ls", env=topics.env, check=False).returncode == 1
    die(kafka, topics, cosmos, start)
    only = run("deadletter", "ls", "--reason", "missing-id", "--json", env=topics.env).stdout.splitlines()
    assert [json.loads(line)["reason"] for line in only] == ["missing-id"]
    newest = run("deadletter", "ls", "--limit", "2", env=topics.env).stdout
    assert "the newest 2 of 7 letters" in newest
    assert run("deadletter", "ls", "--job", "1" * 32, env=topics.env, check=False).returncode == 1
    missing = run("deadletter", "show", "0/999999", env=topics.env, check=False)
    assert missing.returncode == 1 and "0/999999" in missing.stderr
    for words in (["show", "x"], ["list"], ["ls", "--state", "gone"], ["ls", "--where", "x"], ["ls", "--reason", "sad"], ["ls", "--limit", "0"], ["show"]):
        assert run("deadletter", *words, env=topics.env, check=False).returncode == 2, words


def test_a_list_that_could_not_be_written_is_no_success(kafka, topics):
    kafka.publish(topics.dead_letters, [(None, None, [("wb-error-message", b"m" * 1000)])] * 100)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([binary("deadletter"), "ls", "--json"], env=environment(topics.env), text=True, stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 3 and "cannot write the output" in done.stderr


def test_a_letter_with_many_headers_keeps_its_reason(kafka, topics, cosmos, start):
    headers = [(f"h{i}", b"v") for i in range(200)]
    kafka.publish(topics.writes, [(b"k", b"not JSON", headers)])
    start("consumer", [topics.env, cosmos.env])
    letter, = wait_until(lambda: letters(topics), 30, "the dead letter", every_s=0.3)
    assert letter["reason"] == "invalid-json"
    shown = run("deadletter", "show", letter["letter"], env=topics.env).stdout
    assert all(f"h{i} " in shown for i in range(200))


def test_kafka_away_is_its_own_exit_code(topics):
    done = run("deadletter", "ls", "--set", "read.timeout.ms=2000", check=False, timeout_s=30,
               env=topics.env | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert done.returncode == 3 and done.stderr.strip()
