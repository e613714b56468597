"""writebehind-deadletter on a real Kafka: what a person at 3 a.m. sees of a dead letter."""

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

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
    assert done.returncode == 3 and "no Kafka broker answered" in done.stderr


def test_a_wrong_setting_of_kafka_is_a_usage_error(topics):
    done = run("deadletter", "ls", env=topics.env | {"KAFKA_NO_SUCH_SETTING": "1"}, check=False)
    assert done.returncode == 2 and "no.such.setting" in done.stderr


def dead(reason, job_seq=None, origin=None, container=None, replay_of=None):
    headers = [("wb-error-reason", reason.encode()), ("wb-error-status", b"409")]
    if job_seq is not None:
        headers += [("wb-job", b"%032x" % job_seq[0]), ("wb-seq", b"%d" % job_seq[1])]
    if origin is not None:
        headers += [("wb-origin-topic", b"writes"), ("wb-origin-partition", b"0"), ("wb-origin-offset", b"%d" % origin)]
    if container:
        headers += [("wb-database", b"shop"), ("wb-container", container.encode())]
    if replay_of:
        headers += [("wb-replay-of", replay_of.encode())]
    return headers


def ls(topics, *words, env=None):
    done = run("deadletter", "ls", "--json", "--limit", "100000", *words, env=topics.env | (env or {}), check=False)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def publish(kafka, topics, count, start=0, **settings):
    kafka.publish(topics.dead_letters, [
        (b"k%d" % i, b'{"id":"k%d","pk":"p","n":%d}' % (i, i), dead("conflict", origin=i, **settings))
        for i in range(start, start + count)])


def index_file(folder):
    found, = Path(folder, "writebehind").glob("*.sqlite")
    return found


def test_filters_pages_and_documents(kafka, topics):
    publish(kafka, topics, 10, container="orders")
    publish(kafka, topics, 5, start=10)
    kafka.publish(topics.dead_letters, [(b"other", b"{", dead("invalid-json", job_seq=(1, 2)))])
    assert len(ls(topics)) == 16
    assert len(ls(topics, "--container", "shop/orders")) == 10
    assert [letter["id"] for letter in ls(topics, "--key", "k3")] == ["k3"]
    assert [letter["identity"] for letter in ls(topics, "--job", "%032x" % 1)] == ["%032x/2" % 1]
    assert [letter["id"] for letter in ls(topics, "--where", "/n=12")] == ["k12"]
    assert len(ls(topics, "--where", "/pk=p")) == 15 and not ls(topics, "--where", "/pk=q")
    assert len(ls(topics, "--status", "409")) == 16 and not ls(topics, "--until", "1h")
    for filters in ([], ["--where", "/pk=p"]):
        pages, cursor = [], []
        while True:
            page = run("deadletter", "ls", "--json", "--limit", "3", *filters, *cursor, env=topics.env, check=False).stdout
            if not page:
                break
            pages += [json.loads(line) for line in page.splitlines()]
            cursor = ["--cursor", pages[-1]["cursor"]]
        assert [p["letter"] for p in pages] == [letter["letter"] for letter in ls(topics, *filters)]
        times = [p["diedAt"] for p in pages]
        assert times == sorted(times, reverse=True)


def test_states_make_letters_open_or_not(kafka, topics):
    publish(kafka, topics, 4)
    place = {letter["identity"]: letter["letter"] for letter in ls(topics)}

    def act(identity, state):
        value = {"state": state, "at": int(time.time() * 1000), "letter": place[identity], "by": "ann@ops", "why": "tested"}
        kafka.publish(topics.state, [(identity.encode(), json.dumps(value).encode())])

    act("writes/0/0", "discarded")
    act("writes/0/1", "replayed")
    kafka.publish(topics.state, [(b"alert:x", b"{}"), (b"writes/0/2", b"no JSON")])
    assert {letter["identity"] for letter in ls(topics)} == {"writes/0/2", "writes/0/3"}
    assert [letter["identity"] for letter in ls(topics, "--state", "replayed")] == ["writes/0/1"]
    assert len(ls(topics, "--state", "all")) == 4
    # Its replay died: it is open again, once, as its newest copy.
    kafka.publish(topics.dead_letters, [(b"k1", b'{"id":"k1"}', dead("conflict", replay_of="writes/0/1"))])
    again, = ls(topics, "--key", "k1")
    assert again["identity"] == "writes/0/1" and again["letter"] != place["writes/0/1"]
    shown = run("deadletter", "show", "writes/0/1", env=topics.env).stdout
    assert f"letter {again['letter']}: conflict" in shown and "older copy" in shown
    assert "replayed" in shown and "by ann@ops: tested" in shown


def test_letters_of_others_are_read(kafka, topics):
    kafka.publish(topics.dead_letters, [
        (b"s", b'{"id":"s"}', [("kafka_dlt-original-topic", b"orders"), ("kafka_dlt-original-partition", struct.pack(">i", 2)),
                              ("kafka_dlt-original-offset", struct.pack(">q", 2**40)),
                              ("kafka_dlt-exception-fqcn", b"org.example.Broken"), ("kafka_dlt-exception-message", b"no way")]),
        (b"c", b'{"id":"c"}', [("__connect.errors.topic", b"orders"), ("__connect.errors.partition", b"1"),
                              ("__connect.errors.offset", b"7"), ("__connect.errors.exception.message", b"bad")]),
        (b"d", b'{"id":"d"}', [("__dlq.errors.topic", b"orders"), ("__dlq.errors.partition", b"0"), ("__dlq.errors.offset", b"x")]),
        (b"n", None)])
    found = {letter["dialect"]: letter for letter in ls(topics, "--reason", "none")}
    assert found["spring"]["identity"] == f"orders/2/{2**40}" and found["spring"]["exception"] == "org.example.Broken"
    assert found["kafka-connect"]["identity"] == "orders/1/7" and found["kafka-connect"]["message"] == "bad"
    assert found["kip-1191"]["identity"] == f"{topics.dead_letters}/{found['kip-1191']['letter']}"
    assert found["none"]["bytes"] == 0
    shown = run("deadletter", "show", "orders/1/7", env=topics.env).stdout
    assert "__connect" not in shown and "orders, partition 1, offset 7" in shown


def test_export_loses_nothing(kafka, topics):
    kafka.publish(topics.dead_letters, [(b"\xff", b"\x00\xff", dead("invalid-json") + [("h", None), ("h", b"\xfe")]),
                                        (b"k", b'{"id":"k"}', dead("conflict"))])
    lines = run("deadletter", "export", env=topics.env).stdout.splitlines()
    by_reason = {line["reason"]: line for line in map(json.loads, lines)}
    assert len(lines) == 2 and by_reason["conflict"]["value"] == '{"id":"k"}' and by_reason["conflict"]["key"] == "k"
    binary_one = by_reason["invalid-json"]
    assert binary_one["valueBase64"] == "AP8=" and binary_one["keyBase64"] == "/w=="
    assert [h for h in binary_one["headers"] if h["name"] == "h"] == [{"name": "h", "value": None}, {"name": "h", "valueBase64": "/g=="}]
    assert run("deadletter", "export", "--reason", "too-large", env=topics.env, check=False).returncode == 1


def test_stats_count_and_tell_when_letters_expire(kafka, make_topics):
    topics = make_topics(kafka)
    publish(kafka, topics, 7, container="orders")
    publish(kafka, topics, 3, start=7)
    text = run("deadletter", "stats", env=topics.env).stdout
    assert "10 open letters" in text and "shop/orders" in text and "\u2588" in text
    stats = json.loads(run("deadletter", "stats", "--json", env=topics.env).stdout)
    assert stats["total"] == 10 and stats["reasons"] == {"conflict": 10}
    assert sum(hour["count"] for hour in stats["hours"]) == 10
    if stats["retentionMs"] == -1:
        assert "expires never" in text
    else:
        assert 0 < stats["oldestExpiresInMs"] <= stats["retentionMs"]


def test_watch_prints_what_comes_and_ends_in_order(kafka, topics, tmp_path):
    publish(kafka, topics, 3)
    with open(tmp_path / "out", "w+b") as out:
        watching = subprocess.Popen([binary("deadletter"), "watch"], env=environment(topics.env), stdout=out)
        try:
            for start in (3, 4, 5):
                time.sleep(1.5)
                publish(kafka, topics, 1, start=start)
            wait_until(lambda: (tmp_path / "out").read_bytes().count(b"\n") == 3, 20, "three lines")
        finally:
            watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
    text = (tmp_path / "out").read_text()
    assert all(f"  k{i}: " in text for i in (3, 4, 5)) and "k0" not in text


def test_the_index_goes_on_and_is_made_again(kafka, topics, tmp_path):
    env = {"XDG_CACHE_HOME": tmp_path}
    publish(kafka, topics, 50)
    assert len(ls(topics, env=env)) == 50
    publish(kafka, topics, 10, start=50)
    assert len(ls(topics, env=env)) == 60
    file = index_file(tmp_path)
    # Damaged at its beginning, in its middle, cut short, no file at all.
    for damage in (lambda b: b"\xff" * 100 + b[100:], lambda b: b[:4096] + os.urandom(len(b) - 4096), lambda b: b[:5000], lambda b: b""):
        for other in Path(tmp_path, "writebehind").glob("*.sqlite-*"):
            other.unlink()
        file.write_bytes(damage(file.read_bytes()))
        assert len(ls(topics, env=env)) == 60
    # The topic is made anew, with as many letters as it had, and others.
    kafka.delete_topic(topics.dead_letters)
    wait_until(lambda: topics.dead_letters not in kafka.admin().list_topics(timeout=10).topics, 20, "the topic to go")
    kafka.create_topic(topics.dead_letters, 8)
    publish(kafka, topics, 60, start=1000)
    assert {letter["id"] for letter in ls(topics, env=env)} == {f"k{i}" for i in range(1000, 1060)}


def test_the_index_survives_kills_and_company(kafka, topics, tmp_path):
    env = topics.env | {"XDG_CACHE_HOME": tmp_path}
    publish(kafka, topics, 20000)
    for _ in range(8):
        killed = subprocess.Popen([binary("deadletter"), "stats"], env=environment(env), stdout=subprocess.DEVNULL)
        time.sleep(0.05 + (time.time_ns() % 400) / 1000)
        killed.kill()
        killed.wait()
    many = [subprocess.Popen([binary("deadletter"), "stats", "--json"], env=environment(env), stdout=subprocess.PIPE)
            for _ in range(4)]
    for one in many:
        out, _ = one.communicate(timeout=60)
        assert one.returncode == 0 and json.loads(out)["total"] == 20000


def test_letters_that_retention_removed_are_forgotten(kafka, topics, tmp_path):
    from confluent_kafka import TopicPartition
    env = {"XDG_CACHE_HOME": tmp_path}
    publish(kafka, topics, 100)
    assert len(ls(topics, env=env)) == 100
    ends = {p: high for p, (_, high) in kafka.end_offsets(topics.dead_letters).items()}
    admin = kafka.admin()
    gone = admin.delete_records([TopicPartition(topics.dead_letters, p, end // 2) for p, end in ends.items()])
    for future in gone.values():
        future.result(30)
    assert len(ls(topics, env=env)) == sum(end - end // 2 for end in ends.values())
