"""writebehind-publish on real Kafka."""

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.paths import binary
from harness.programs import environment, run
from harness.process import wait_until
from test_producer_http import publish_outcomes, writes


def accepted_records(topics):
    return [json.loads(m.value()) for m in topics.broker.read_topic(topics.results)]


def lines(count, start_=0):
    return "".join(json.dumps({"id": f"d{i}", "pk": f"p{i % 7}"}) + "\n" for i in range(start_, start_ + count))


def test_a_file_is_one_job(topics, tmp_path):
    path = tmp_path / "documents.ndjson"
    path.write_text(lines(1000))
    done = run("publish", path, env=topics.env)
    job = done.stdout.strip()
    found = writes(topics)
    assert sorted(int(w[2]["wb-seq"]) for w in found) == list(range(1000))
    assert {w[2]["wb-job"].decode() for w in found} == {job}
    assert all(json.loads(w[1]) == {"id": w[0], "pk": f"p{int(w[0][1:]) % 7}"} for w in found)
    assert [(r["type"], r["job"], r["count"]) for r in accepted_records(topics)] == [("accepted", job, 1000)]


def test_an_array_is_cut_into_its_elements_byte_for_byte(topics):
    elements = ['{"id":"a", "n":1.0}', '{"x":"],[","id":"b"}', '{"id":"c","deep":[[{}]]}']
    done = run("publish", "--json", "--container", "c", "-", env=topics.env, input="[\n" + " ,\n".join(elements) + "]\n")
    assert json.loads(done.stdout)["accepted"] == 3
    assert sorted(w[1].decode().strip() for w in writes(topics)) == sorted(elements)
    assert {w[2]["wb-container"] for w in writes(topics)} == {b"c"}


def test_the_job_is_shown_by_the_service(topics, start):
    producer = start("producer", env=topics.env)
    job = run("publish", "-", env=topics.env, input=lines(3)).stdout.strip()
    assert producer.get(f"/v1/jobs/{job}").json()["accepted"] == 3


def test_deletes(topics):
    run("publish", "--op", "delete", "-", env=topics.env, input='{"id":"a","partitionKey":["x"]}\n')
    (key, value, headers, _), = writes(topics)
    assert (key, value, headers["wb-op"], headers["wb-partition-key"]) == ("a", b"", b"delete", b'["x"]')


def test_other_operations(topics):
    patch = '{"operations":[{"op":"remove","path":"/x"}],"condition":"from c"}'
    run("publish", "--op", "create", "-", env=topics.env, input='{"id":"a"}\n')
    run("publish", "--op", "patch", "-", env=topics.env,
        input='{"id":"b","partitionKey":"x","ifMatch":"e","operations":' + patch + "}\n")
    run("publish", "--op", "replace", "-", env=topics.env, input='[{"id":"c"}]')
    found = {key: (value.decode(), headers["wb-op"]) for key, value, headers, _ in writes(topics)}
    assert found == {"a": ('{"id":"a"}', b"create"), "b": (patch, b"patch"), "c": ('{"id":"c"}', b"replace")}


def test_documents_get_ids_of_their_job_and_place(topics):
    job = run("publish", "--generate-ids", "-", env=topics.env, input='{"n":1.0}\n{"id":"own"}\n{}\n').stdout.strip()
    assert {(w[0], w[1].decode()) for w in writes(topics)} == {
        (f"{job}-0", f'{{"id":"{job}-0","n":1.0}}'), ("own", '{"id":"own"}'), (f"{job}-2", f'{{"id":"{job}-2"}}')}


def test_lines_of_any_length_pass_through_a_buffer_that_holds_one(topics):
    """Lines on both sides of the 256 KiB that are read at once, the largest document among them."""
    sizes = [10, 262_143, 262_144, 262_145, 2 * 1024 * 1024 - 60, 5, 700_000]
    text = "".join(json.dumps({"id": f"d{i}", "x": "y" * size}) + "\r\n" for i, size in enumerate(sizes))
    run("publish", "-", env=topics.env, input=text)
    assert {w[0]: len(json.loads(w[1])["x"]) for w in writes(topics)} == {f"d{i}": s for i, s in enumerate(sizes)}


def test_promise_2_a_bad_line_ends_it_without_a_job_and_says_which(topics):
    done = run("publish", "-", env=topics.env, input=lines(500) + '{"id":"a/b"}\n' + lines(500, 501), check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "line 501: invalid-id" in done.stderr
    assert "500 items before it were published" in done.stderr
    assert len(writes(topics)) == 500
    assert accepted_records(topics) == []


def test_unchecked_passes_everything_on(topics):
    raw = ['{"id":"good"}', "nonsense", '{"no":"id"}', '{"id":"a/b"}', '[{"id":"x"}]', '{"id":"pk","pk":{}}']
    job = run("publish", "--unchecked", "-", env=topics.env, input="\n".join(raw)).stdout.strip()
    found = {int(dict(m.headers())["wb-seq"]): (m.key(), m.value()) for m in topics.broker.read_topic(topics.writes)}
    assert [found[i][1].decode() for i in range(6)] == raw
    assert [found[i][0] for i in range(6)] == [b"good", None, None, b"a/b", None, b"pk"]
    assert [(r["job"], r["count"]) for r in accepted_records(topics)] == [(job, 6)]


def test_untracked_writes_have_no_job(topics):
    done = run("publish", "--untracked", "--json", "-", env=topics.env, input=lines(5))
    assert json.loads(done.stdout) == {"jobId": None, "published": 5}
    assert all(w[2] == {} for w in writes(topics))
    assert accepted_records(topics) == []


@pytest.mark.parametrize("outcome, code", [({"written": [0, 9]}, 0), ({"written": [0, 8], "dead": [9, 9], "failures": [
    {"seq": 9, "id": "d9", "reason": "conflict", "status": 409}]}, 1)])
def test_wait_ends_with_the_job(topics, outcome, code):
    done = []

    def publish():
        done.append(run("publish", "--wait", "-", env=topics.env, input=lines(10), check=False, timeout_s=60))
    thread = threading.Thread(target=publish)
    thread.start()
    record, = wait_until(lambda: accepted_records(topics), 20, "the accepted record", every_s=0.2)
    time.sleep(0.3)
    assert not done
    publish_outcomes(topics, record["job"], **outcome)
    thread.join(30)
    assert done[0].returncode == code, done[0].stderr
    assert done[0].stdout.strip() == record["job"]
    assert ("conflict" in done[0].stderr) == (code == 1)


@pytest.mark.parametrize("args, code, says", [
    (["--wait", "--untracked", "-"], 2, "--wait"),
    (["--op", "explode", "-"], 2, "--op"),
    (["--op", "patch", "--unchecked", "-"], 2, "--unchecked"),
    (["--op", "replace", "--generate-ids", "-"], 2, "--generate-ids"),
    (["--format", "xml", "-"], 2, "--format"),
    (["--container", "a/b", "-"], 2, "--container"),
    ([], 2, "FILE"),
    (["/nonexistent"], 1, "/nonexistent"),
    (["-"], 1, "nothing to publish"),
])
def test_what_is_wrong_is_said(topics, args, code, says):
    done = run("publish", *args, env=topics.env, input="", check=False)
    assert done.returncode == code
    assert says in done.stderr and done.stdout == ""


def test_a_job_id_that_could_not_be_written_is_no_success(topics):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([binary("publish"), "-"], input=lines(1), env=environment(topics.env), text=True,
                              stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1 and "standard output could not be written" in done.stderr
    # It is accepted nevertheless, so the id is said where somebody may still see it.
    job, = [r["job"] for r in accepted_records(topics)]
    assert job in done.stderr


def test_kafka_that_is_not_there_is_exit_3():
    done = run("publish", "-", env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, settings={"startup.timeout.ms": "1s"},
               input=lines(1), check=False)
    assert done.returncode == 3 and done.stdout == ""


def peak_memory(pid):
    """VmHWM in bytes; None when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    sizes = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return sizes[0] if sizes else None


def test_promise_9_memory_does_not_grow_with_the_input(topics):
    line = json.dumps({"id": "same", "x": "x" * 1000}).encode() + b"\n"
    total = 200_000
    publish = subprocess.Popen([binary("publish"), "--set", "memory.budget.bytes=32MiB", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment(topics.env))
    for _ in range(total // 1000):
        publish.stdin.write(line * 1000)
    publish.stdin.close()
    # Not ru_maxrss: the kernel counts the memory of the process that forked, which may be larger, into it.
    peak = 0
    while publish.poll() is None:
        peak = peak_memory(publish.pid) or peak
        time.sleep(0.005)
    assert publish.returncode == 0
    assert 0 < peak < (32 + 48) << 20, f"peak {peak >> 20} MiB"
    assert [r["count"] for r in accepted_records(topics)] == [total]
