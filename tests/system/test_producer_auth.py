"""Who may use writebehind-producer: tokens, scopes, targets, rates, CORS, the audit line, and the rules of the start."""

import hashlib
import json
import re
import secrets
import signal
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import requests

from harness.fault_proxy import make_certificate
from harness.process import wait_until
from harness.programs import run

EVERYTHING = {"scopes": ["publish", "read"], "databases": ["*"], "containers": ["*"]}


def new_token():
    """A token made by other means than ours."""
    return "wb_" + urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def entry(name, token, **members):
    return {"name": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), **(EVERYTHING | members)}


class Tokens:
    """A tokens file: add(name, **members) → the token; .env for the producer; headers(token)."""

    def __init__(self, path):
        self.path = path
        self.entries = []
        self.write()

    def add(self, name, **members):
        token = new_token()
        self.entries.append(entry(name, token, **members))
        self.write()
        return token

    def remove(self, name):
        self.entries = [e for e in self.entries if e["name"] != name]
        self.write()

    def write(self, text=None):
        self.path.write_text(text if text is not None else json.dumps({"tokens": self.entries}))

    @property
    def env(self):
        return {"HTTP_TOKENS_FILE": str(self.path)}


def bearer(token, **headers):
    return {"Authorization": f"Bearer {token}"} | headers


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "tokens.json")


def reload(program, said):
    """SIGHUP, until the log has said so once more."""
    before = program.log().count(said)
    program.signal(signal.SIGHUP)
    wait_until(lambda: program.log().count(said) > before, 10, f"{said!r} in the log")


# The start


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_it_does_not_listen_for_everyone_by_itself(listen):
    done = run("producer", env={"HTTP_LISTEN": listen}, check=False, timeout_s=20)
    assert done.returncode == 2
    for words in (f"http.listen={listen}", "set http.tokens.file", "http.auth=none", "--new-token"):
        assert words in done.stderr


def test_it_listens_for_everyone_when_told_in_words(topics, start):
    producer = start("producer", [topics.env, {"HTTP_AUTH": "none", "HTTP_LISTEN": "0.0.0.0:0"}], wait=False)
    producer.wait_log("listening")
    assert "nobody is asked for a token" in producer.log()


def test_it_listens_for_everyone_with_tokens(topics, tokens, start):
    tokens.add("billing")
    producer = start("producer", [topics.env, tokens.env, {"HTTP_LISTEN": "0.0.0.0:0"}], wait=False)
    producer.wait_log("listening")
    assert "tokens read" in producer.log() and "count=1" in producer.log()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:0", "localhost:0"])
def test_loopback_needs_nothing(topics, start, listen):
    start("producer", [topics.env, {"HTTP_LISTEN": listen}], wait=False).wait_log("listening")


@pytest.mark.parametrize("env, words", [
    ({"HTTP_AUTH": "tokens"}, "http.auth=tokens needs http.tokens.file"),
    ({"HTTP_AUTH": "none", "HTTP_TOKENS_FILE": "/nowhere"}, "contradict each other"),
    ({"HTTP_AUTH": "yes"}, "allowed are auto, tokens and none"),
    ({"HTTP_CORS_ORIGINS": "app.example.com"}, "http.cors.origins: app.example.com: must begin with https://"),
])
def test_contradictions_are_told_at_the_start(env, words):
    done = run("producer", env=env, check=False, timeout_s=20)
    assert done.returncode == 2 and words in done.stderr


@pytest.mark.parametrize("text, words", [
    ('{"tokens":[', "not JSON, or a member stands twice, at line 1"),
    ('{"tokens":[{"name":"b","name":"c"}]}', "not JSON, or a member stands twice"),
    ('{"tokens":[{"name":"b","scope":["read"]}]}', "token 1 (b): it has an unknown member scope"),
    ('{"tokens":[{"name":"b","sha256":"wb_secret-secret"}]}', "looks like a token"),
])
def test_a_bad_tokens_file_is_no_start(tokens, text, words):
    tokens.write(text)
    done = run("producer", env=tokens.env, check=False, timeout_s=20)
    assert done.returncode == 1
    assert words in done.stderr and str(tokens.path) in done.stderr
    assert "secret-secret" not in done.stderr


def test_a_missing_tokens_file_is_no_start(tmp_path):
    done = run("producer", env={"HTTP_TOKENS_FILE": str(tmp_path / "none")}, check=False, timeout_s=20)
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr


# Making tokens


def test_a_new_token_is_two_lines_for_scripts():
    done = run("producer", "--new-token", "billing", env={"KAFKA_BOOTSTRAP_SERVERS": "nobody.invalid:1"})
    token, text = done.stdout.splitlines()
    assert re.fullmatch(r"wb_[A-Za-z0-9_-]{43}", token)
    assert json.loads(text) == entry("billing", token)
    assert token not in done.stderr and "billing" in done.stderr


def test_a_new_token_is_what_was_asked_for():
    done = run("producer", "--new-token", "b", "--scope", "publish", "--database", "shop", "--container", "a,b",
               "--expires", "2027-01-01T00:00:00Z")
    token, text = done.stdout.splitlines()
    assert json.loads(text) == entry("b", token, scopes=["publish"], databases=["shop"], containers=["a", "b"],
                                     expires="2027-01-01T00:00:00Z")


def test_no_two_new_tokens_are_the_same():
    made = {run("producer", "--new-token", "b").stdout.splitlines()[0] for _ in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize("args, words", [
    (["--new-token"], "--new-token needs a value"),
    (["--new-token", "a b"], '"name" must have 1 to 64 letters'),
    (["--new-token", "b", "--scope", "write"], '"scopes" may hold'),
    (["--new-token", "b", "--expires", "soon"], '"expires" must be a time'),
    (["--scope", "read"], "--scope goes with --new-token"),
])
def test_a_new_token_that_no_file_would_take_is_not_made(args, words):
    done = run("producer", *args, check=False, timeout_s=20)
    assert done.returncode == 2 and words in done.stderr and not done.stdout


# Reading the file again


def test_sighup_reads_the_tokens_again_and_a_bad_file_changes_nothing(topics, tokens, start):
    tokens.add("first")
    producer = start("producer", [topics.env, tokens.env])
    tokens.add("second")
    reload(producer, "tokens read again")
    assert "count=2" in producer.log().splitlines()[-1]
    tokens.write("{")
    reload(producer, "tokens not read again")
    assert "not JSON" in producer.log().splitlines()[-1]
    tokens.path.unlink()
    reload(producer, "tokens not read again")
    assert producer.ready()


def test_sighup_ends_nothing_where_there_is_nothing_to_read(topics, start):
    producer = start("producer", topics.env)
    reload(producer, "there is nothing to read again")
    assert producer.ready()


def test_sighup_reads_the_certificate_again_and_a_bad_one_changes_nothing(topics, start, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        directory.mkdir()
        make_certificate(directory)
    served = {name: tmp_path / name for name in ("cert.pem", "key.pem")}

    def serve(directory):
        for name, path in served.items():
            path.write_bytes((directory / f"localhost.{name}").read_bytes())

    def trusted(directory):
        try:
            return requests.get(f"https://localhost:{producer.port}/livez", timeout=5,
                                verify=str(directory / "localhost.cert.pem")).status_code == 200
        except requests.exceptions.SSLError:
            return False
    serve(old)
    producer = start("producer", [topics.env, {"HTTP_TLS_CERTIFICATE_FILE": served["cert.pem"],
                                               "HTTP_TLS_KEY_FILE": served["key.pem"]}], wait=False)
    producer.wait_log("listening")
    assert trusted(old) and not trusted(new)
    serve(new)
    reload(producer, "certificate read again")
    assert trusted(new) and not trusted(old)
    served["key.pem"].write_text("no key")
    reload(producer, "certificate not read again")
    assert trusted(new)


# Asking for tokens


@pytest.fixture
def guarded(topics, tokens, start):
    """guarded(name, **members) → (producer, token) with one token."""
    def make(name="billing", env=None, **members):
        token = tokens.add(name, **members)
        return start("producer", [topics.env, tokens.env, env or {}]), token
    return make


def publish(producer, token=None, path="/v1/jobs", documents=None, **headers):
    return producer.post(path, json=documents or [{"id": "1", "pk": "a"}],
                         headers=(bearer(token) if token else {}) | headers)


def test_only_a_token_lets_in(guarded):
    producer, token = guarded()
    answer = publish(producer)
    assert answer.status_code == 401 and answer.json()["code"] == "token-required"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="writebehind"'
    answer = publish(producer, new_token())
    assert answer.status_code == 401 and answer.json()["code"] == "invalid-token"
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert publish(producer, token).status_code == 202
    assert publish(producer, **{"x-api-key": token}).status_code == 202
    assert publish(producer, token, **{"x-api-key": new_token()}).status_code == 400
    assert producer.metric("writebehind_auth_refused_total", why="missing") in (0, 1)  # /metrics asks for a token, too


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/" + "0" * 32, "/v1/ledger", "/metrics"])
def test_reading_needs_the_scope(guarded, tokens, path):
    producer, token = guarded(scopes=["publish"])
    reader = tokens.add("reader", scopes=["read"])
    reload(producer, "tokens read again")
    assert producer.get(path).status_code == 401
    answer = producer.get(path, headers=bearer(token))
    assert answer.status_code == 403 and "insufficient_scope" in answer.headers["WWW-Authenticate"]
    assert producer.get(path, headers=bearer(reader)).status_code in (200, 404)
    assert publish(producer, reader).status_code == 403


def test_probes_and_the_description_are_open(guarded):
    producer, _ = guarded()
    for path in ("/livez", "/readyz", "/version", "/openapi.json"):
        assert producer.get(path).status_code == 200


def test_metrics_can_be_opened(guarded):
    producer, _ = guarded(env={"HTTP_METRICS_OPEN": "true"})
    assert producer.get("/metrics").status_code == 200


def test_targets_are_held_to(guarded):
    producer, token = guarded(databases=["shop"], containers=["reports"])
    assert publish(producer, token, "/v1/jobs?database=shop&container=reports").status_code == 202
    for path in ("/v1/jobs", "/v1/jobs?database=shop", "/v1/jobs?database=shop&container=users",
                 "/v1/jobs?database=other&container=reports"):
        answer = publish(producer, token, path)
        assert answer.status_code == 403 and answer.json()["code"] == "target-not-allowed", path
    # The body has the last word.
    body = {"database": "shop", "container": "users", "documents": [{"id": "1", "pk": "a"}]}
    answer = producer.post("/v1/jobs?database=shop&container=reports", json=body, headers=bearer(token))
    assert answer.status_code == 403


def test_nothing_of_a_refused_request_is_published(guarded, topics):
    producer, token = guarded(containers=["reports"])
    publish(producer)
    publish(producer, token, "/v1/jobs?container=users")
    assert not topics.broker.read_topic(topics.writes)


def test_the_jobs_of_all_are_for_who_may_do_all(guarded, tokens):
    producer, everything = guarded()
    narrow = tokens.add("narrow", containers=["reports"])
    reload(producer, "tokens read again")
    job = publish(producer, narrow, "/v1/jobs?container=reports").headers["Location"]
    assert producer.get(job, headers=bearer(narrow)).status_code == 200
    for path in ("/v1/jobs", "/v1/ledger"):
        answer = producer.get(path, headers=bearer(narrow))
        assert answer.status_code == 403 and answer.json()["code"] == "target-not-allowed"
        assert producer.get(path, headers=bearer(everything)).status_code == 200


def test_a_request_without_a_token_need_not_send_its_body(guarded):
    """A client that asks first (Expect: 100-continue) is refused before its body is there."""
    import socket
    producer, _ = guarded()
    with socket.create_connection(("127.0.0.1", producer.port), 5) as s:
        s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n"
                  b"Expect: 100-continue\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_a_token_expires_while_it_runs(guarded):
    at = time.time() + 3
    producer, token = guarded(expires=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)))
    wait_until(lambda: publish(producer, token).status_code == 401, 10, "the token to expire")
    assert publish(producer, token).json()["code"] == "expired-token"


def test_a_revoked_token_is_out_with_the_next_request(guarded, tokens):
    producer, token = guarded()
    with requests.Session() as session:
        url = producer.url + "/v1/jobs"
        assert session.get(url, headers=bearer(token), timeout=10).status_code == 200
        tokens.remove("billing")
        reload(producer, "tokens read again")
        assert session.get(url, headers=bearer(token), timeout=10).status_code == 401  # on the same connection


def test_requests_have_a_rate(guarded):
    producer, token = guarded(rate={"requestsPerSecond": 1, "burstSeconds": 3})
    answers = [publish(producer, token) for _ in range(6)]
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=3;w=3'
    assert re.fullmatch(r'"requests";r=2;t=1', answers[0].headers["RateLimit"])
    refused = [a for a in answers if a.status_code == 429]
    assert refused and refused[0].json()["code"] == "rate-limited"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].headers["RateLimit"].startswith('"requests";r=0')
    time.sleep(int(refused[-1].headers["Retry-After"]))
    assert publish(producer, token).status_code == 202


def test_documents_have_a_rate(guarded):
    producer, token = guarded(rate={"documentsPerSecond": 10})
    answer = publish(producer, token, documents=[{"id": f"{i}", "pk": "a"} for i in range(40)])
    assert answer.status_code == 202
    answer = publish(producer, token)
    assert answer.status_code == 429 and 2 <= int(answer.headers["Retry-After"]) <= 4
    assert producer.get("/v1/jobs", headers=bearer(token)).status_code == 200


# Web pages

ORIGIN = "https://app.example.com"


def test_a_listed_origin_may_read_every_answer(guarded):
    producer, token = guarded(env={"HTTP_CORS_ORIGINS": f"{ORIGIN},http://localhost:3000"})
    for answer in (publish(producer, token, Origin=ORIGIN), publish(producer, Origin=ORIGIN),
                   producer.get("/nowhere", headers={"Origin": ORIGIN}),
                   producer.get("/readyz", headers={"Origin": ORIGIN})):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Operation-Location" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"
    answer = publish(producer, token, Origin="https://evil.example")
    assert answer.status_code == 202 and "Access-Control-Allow-Origin" not in answer.headers


def test_a_preflight_needs_no_token(guarded):
    producer, _ = guarded(env={"HTTP_CORS_ORIGINS": ORIGIN})
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type"}
    answer = requests.options(producer.url + "/v1/jobs", headers=asked, timeout=10)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = requests.options(producer.url + "/v1/jobs", headers=asked | {"Origin": "https://evil.example"}, timeout=10)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_origin_is_let_in_by_default(guarded):
    producer, token = guarded()
    assert "Access-Control-Allow-Origin" not in publish(producer, token, Origin=ORIGIN).headers


# What is written down


def test_a_line_of_the_log_tells_of_every_job(guarded):
    producer, token = guarded()
    documents = [{"id": "1", "pk": "s3cret-content"}, {"id": "2", "pk": "a"}]
    job = publish(producer, token, "/v1/jobs?container=reports", documents,
                  **{"Idempotency-Key": "s3cret-key"}).json()["jobId"]
    wait_until(lambda: job in producer.log(), 5, "the audit line")
    line = next(line for line in producer.log().splitlines() if job in line)
    for part in ('msg="job"', "level=info", "principal=billing", "status=202", "op=upsert", "count=2", "keyed=true",
                 "peer=127.0.0.1", "container=reports"):
        assert part in line
    assert "s3cret" not in producer.log() and token not in producer.log()


def test_the_lines_can_be_left_out_and_are_written_at_the_end(topics, start):
    quiet = start("producer", [topics.env, {"LOG_AUDIT": "false"}])
    assert publish(quiet).status_code == 202
    quiet.stop()
    assert 'msg="job"' not in quiet.log()
    producer = start("producer", topics.env)
    job = publish(producer).json()["jobId"]
    producer.stop()
    assert job in producer.log() and "principal=anonymous" in producer.log()


def test_promise_11_tokens_show_nowhere(guarded):
    producer, token = guarded(env={"LOG_LEVEL": "debug"})
    wrong = new_token()
    answers = [publish(producer, token), publish(producer, wrong), publish(producer, token, **{"x-api-key": wrong}),
               producer.get("/metrics", headers=bearer(token)), producer.get("/v1/jobs", headers=bearer(token))]
    reload(producer, "tokens read again")
    said = producer.log() + "".join(a.text + str(a.headers) for a in answers)
    said += Path(f"/proc/{producer.pid}/cmdline").read_text() + Path(f"/proc/{producer.pid}/environ").read_text()
    assert token not in said and wrong not in said
    assert hashlib.sha256(token.encode()).hexdigest() not in said
