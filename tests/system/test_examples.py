"""The examples of every language against the real programs: they publish, wait for the end, and say by their exit code
how it ended; what may pass they send again with the same key; what is refused they tell."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from harness.paths import ROOT, need, need_tool, node
from test_producer_http import murmur2_partition

EXAMPLES = ROOT / "examples"
LANGUAGES = ["python", "node", "java", "go", "curl"]


class Door:
    """Stands before the producer: refuses or loses the first answers as told, and notes what came.

    A producer that does not know ?wait= yet is asked without it."""

    def __init__(self, producer, troubles=()):
        self.requests = []
        self._troubles = list(troubles)
        knows_wait = producer.get("/v1/jobs/x?wait=1").status_code == 404
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path if knows_wait else self.path.split("?")[0]
                self.answer(requests.get(producer.url + path, timeout=60))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    raise AssertionError("not expected of small bodies")
                trouble = door._troubles.pop(0) if door._troubles else None
                door.requests.append((self.headers, body))
                if trouble == 503:
                    self.send_response(503)
                    self.send_header("Retry-After", "1")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                answer = requests.post(producer.url + self.path, data=body, headers=headers, timeout=60)
                if trouble == "lost":
                    self.close_connection = True
                    return
                self.answer(answer)

            def answer(self, answer):
                self.send_response(answer.status_code)
                for name in ("Content-Type", "Retry-After", "Operation-Location"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def call(argv, env, cwd=None):
    """Runs an example; nothing but PATH and the like is inherited."""
    inherited = {k: os.environ[k] for k in ("PATH", "HOME", "GOCACHE", "LANG") if k in os.environ}
    return subprocess.run([str(a) for a in argv], env=inherited | env, cwd=cwd, capture_output=True, text=True, timeout=90)


@pytest.fixture(scope="session")
def go_binary(tmp_path_factory):
    go = need_tool("go")
    binary = tmp_path_factory.mktemp("go") / "publish"
    subprocess.run([go, "build", "-o", binary, EXAMPLES / "go" / "publish.go"], check=True, timeout=300,
                   env=os.environ | {"GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    return binary


@pytest.fixture
def run_example(request):
    """run_example("go", url, path of a body) → CompletedProcess."""
    def run(language, url, body):
        env = {"WRITEBEHIND_URL": url}
        if language == "python":  # takes documents, not a body: the recipe makes them
            text = json.loads(body.read_text())
            program = ("import json,os,sys; sys.path.insert(0, sys.argv[1])\n"
                       "from writebehind import Writebehind, Refused\n"
                       "try:\n    f = Writebehind(os.environ['WRITEBEHIND_URL']).publish(**json.load(open(sys.argv[2])))\n"
                       "    print('accepted:', f.job_id, flush=True)\n    print(f.result()['status'])\n"
                       "except Exception as e: sys.exit(f'refused: {e}')\n")
            assert "documents" in text
            return call([sys.executable, "-c", program, EXAMPLES / "python", body], env)
        if language == "node":
            return call([node(), EXAMPLES / "node" / "publish.mjs", body], env)
        if language == "java":
            return call([need_tool("java"), "-XX:TieredStopAtLevel=1", EXAMPLES / "java" / "Publish.java", body], env)
        if language == "go":
            return call([request.getfixturevalue("go_binary"), body], env)
        return call(["sh", EXAMPLES / "curl" / "publish.sh", body], env)
    return run


@pytest.fixture
def running(sandbox, start):
    """Producer and consumer on the sandbox, and the sandbox."""
    need_tool("curl")
    producer = start("producer", env=sandbox.env)
    start("consumer", env=sandbox.env)
    return producer, sandbox


def accepted_job(done):
    found = re.search(r"accepted: ([0-9a-f]{32})", done.stdout)
    assert found, done
    return found[1]


def write_body(tmp_path, language, **more):
    """A body of three documents that no other language has."""
    documents = [{"id": f"{language}-{i}", "pk": "p", "text": "ünï"} for i in range(3)]
    path = tmp_path / "body.json"
    path.write_text(json.dumps({"documents": documents} | more))
    return path, documents


@pytest.mark.timeout(300)  # Go compiles its standard library once
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_job_is_published_and_waited_for(running, run_example, tmp_path, language):
    producer, sandbox = running
    door = Door(producer, [503, "lost"])
    body, documents = write_body(tmp_path, language)
    done = run_example(language, door.url, body)
    assert done.returncode == 0, done
    assert "Succeeded" in done.stdout
    assert producer.get(f"/v1/jobs/{accepted_job(done)}").json()["written"] == 3
    sandbox.target.assert_holds(documents)
    # Refused once, its answer lost once, then taken: the same request with the same key each time.
    assert len(door.requests) == 3
    assert len({headers["Idempotency-Key"] for headers, _ in door.requests}) == 1
    assert len({content for _, content in door.requests}) == 1
    door.close()

    refused = write_body(tmp_path, language, documents=[{"id": "a/b", "pk": "p"}])[0]
    done = run_example(language, producer.url, refused)
    assert done.returncode == 1
    assert "refused:" in done.stderr and "invalid-document" in done.stderr

    # No consumer writes to that container, so the job's writes die.
    dead = write_body(tmp_path, language, container="elsewhere")[0]
    door = Door(producer)
    done = run_example(language, door.url, dead)
    assert done.returncode == 1, done
    assert producer.get(f"/v1/jobs/{accepted_job(done)}").json()["status"] == "Failed"
    door.close()


def test_the_documents_that_come_with_the_examples(running, run_example):
    producer, sandbox = running
    door = Door(producer)
    assert run_example("curl", door.url, EXAMPLES / "documents.json").returncode == 0
    sandbox.target.assert_holds(json.loads((EXAMPLES / "documents.json").read_text())["documents"])
    door.close()


def test_execute_report_answers_and_its_callback_is_called_at_the_end(running):
    producer, sandbox = running
    door = Door(producer)
    report = [sys.executable, EXAMPLES / "python" / "report.py"]
    done = call(report, {"WRITEBEHIND_URL": door.url})
    assert done.returncode == 0, done
    answer, result = done.stdout.splitlines()
    job = json.loads(answer)
    assert job == {"success": True, "jobId": job["jobId"]}
    assert result.startswith("written: 3 of 3, ")
    assert sandbox.target.read("total-ada", "london")["total"] == 43.7
    done = call(report, {"WRITEBEHIND_URL": door.url, "WRITEBEHIND_CONTAINER": "elsewhere"})
    assert done.returncode == 1
    assert "report failed: job " in done.stderr and "container-not-allowed" in done.stderr
    door.close()


def test_the_python_helper_is_small():
    assert len((EXAMPLES / "python" / "writebehind.py").read_text().splitlines()) <= 80


KAFKA = {
    "python": lambda path: [sys.executable, EXAMPLES / "kafka-python" / "publish.py", path],
    "java": lambda path: [need_tool("java"), "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                          "-cp", ROOT / ".deps" / "kafka" / "libs" / "*", EXAMPLES / "kafka-java" / "Publish.java", path],
}


def test_over_plain_kafka_every_language_agrees_where_a_key_goes(topics, sandbox, start, tmp_path):
    need((ROOT / ".deps" / "kafka" / "libs").is_dir(), "Kafka in .deps/kafka")
    producer = start("producer", env=topics.env)
    start("consumer", env=[sandbox.env, topics.env])
    keys = [f"{'é' * (i % 5)}{'k' * (i % 7)}{i}" for i in range(200)]
    documents = [{"id": key, "pk": f"p{i % 9}", "n": i} for i, key in enumerate(keys)]
    lines = tmp_path / "documents.ndjson"
    lines.write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")

    jobs = [producer.post("/v1/jobs", json=documents).json()["jobId"]]  # librdkafka
    for argv in KAFKA.values():
        done = call(argv(lines), topics.env)
        assert done.returncode == 0 and "Succeeded" in done.stdout, done
        jobs.append(accepted_job(done))
    sandbox.target.assert_holds(documents)

    places = {}
    for message in topics.broker.read_topic(topics.writes):
        places.setdefault(message.key().decode(), []).append(message.partition())
    assert set(places) == set(keys)
    for key, partitions in places.items():
        assert partitions == [murmur2_partition(key, 8)] * 3, key
    accepted = {}
    for message in topics.broker.read_topic(topics.results):
        record = json.loads(message.value())
        if record["type"] == "accepted":
            accepted[record["job"]] = message.partition()
    assert accepted == {job: murmur2_partition(job, 4) for job in jobs}
    for job in jobs:  # a job is a job, whoever published it
        found = producer.get(f"/v1/jobs/{job}").json()
        assert (found["status"], found["accepted"]) == ("Succeeded", 200)


@pytest.mark.parametrize("language", KAFKA)
def test_over_plain_kafka_a_dead_write_is_told(topics, sandbox, start, tmp_path, language):
    need((ROOT / ".deps" / "kafka" / "libs").is_dir(), "Kafka in .deps/kafka")
    start("consumer", env=[sandbox.env, topics.env])
    lines = tmp_path / "documents.ndjson"
    lines.write_text('{"id":"a","pk":"p"}\n{"id":"a/b","pk":"p"}\n')
    done = call(KAFKA[language](lines), topics.env)
    assert done.returncode == 1, done
    assert "Failed" in done.stdout and "invalid-id" in done.stderr


def test_the_pom_has_the_versions_that_the_tests_use():
    pom = (EXAMPLES / "kafka-java" / "pom.xml").read_text()
    libs = {path.name for path in (ROOT / ".deps" / "kafka" / "libs").glob("*.jar")}
    need(libs, "Kafka in .deps/kafka")
    for artifact, version in re.findall(r"<artifactId>([\w-]+)</artifactId>\s*<version>([\d.]+)</version>", pom)[1:]:
        assert f"{artifact}-{version}.jar" in libs
