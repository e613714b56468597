"""Promise 11: secrets are in no log, no error, no metric, no process list and no printed configuration."""

from pathlib import Path

from harness.programs import run
from harness.process import wait_until

PASSWORD = "s3cret-sasl-passphrase"


def everything_said(program):
    proc = Path(f"/proc/{program.pid}")
    said = program.log() + (proc / "cmdline").read_text().replace("\0", " ")
    for path in ("/metrics", "/readyz", "/livez", "/version"):
        said += program.get(path).text
    return said


def test_promise_11_the_account_key_shows_nowhere(topics, cosmos, start, kafka):
    key = cosmos.account.key
    consumer = start("consumer", [topics.env, cosmos.env, {"LOG_LEVEL": "debug"}])
    producer = start("producer", [topics.env, {"LOG_LEVEL": "debug"}])
    answer = producer.post("/v1/jobs", json=[{"id": "a", "pk": "p"}, {"id": "b", "pk": "p"}])
    assert answer.status_code == 202
    wait_until(lambda: cosmos.count() == 2, 30, "the documents")
    assert key not in everything_said(consumer) and key not in everything_said(producer)


def test_promise_11_a_wrong_key_is_refused_without_being_shown(topics, cosmos, start):
    wrong = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleQ=="
    consumer = start("consumer", [topics.env, cosmos.env, {"COSMOS_KEY": wrong, "LOG_LEVEL": "debug"}], wait=False)
    wait_until(lambda: "401" in consumer.log(), 20, "the refusal in the log")
    assert not consumer.ready()
    assert wrong not in everything_said(consumer)


def test_promise_11_a_malformed_key_is_not_in_the_error(topics, cosmos):
    bad = "not base64 at all!!"
    done = run("consumer", env=topics.env | cosmos.env | {"COSMOS_KEY": bad}, check=False, timeout_s=20)
    assert done.returncode == 2
    assert "cosmos.key" in done.stderr and bad not in done.stderr + done.stdout


def test_promise_11_secrets_are_refused_on_the_command_line(topics, cosmos):
    for setting in (f"cosmos.key={cosmos.account.key}", f"kafka.sasl.password={PASSWORD}"):
        done = run("consumer", "--set", setting, env=topics.env | cosmos.env, check=False, timeout_s=20)
        assert done.returncode == 2
        assert setting.split("=")[0] in done.stderr
        assert setting.split("=", 1)[1] not in done.stderr + done.stdout


def test_promise_11_a_secret_may_come_from_a_file(topics, cosmos, start, tmp_path):
    path = tmp_path / "key"
    path.write_text(cosmos.account.key + "\n")
    env = {k: v for k, v in cosmos.env.items() if k != "COSMOS_KEY"} | {"COSMOS_KEY_FILE": str(path)}
    consumer = start("consumer", [topics.env, env])
    assert cosmos.account.key not in everything_said(consumer)
    assert cosmos.account.key not in Path(f"/proc/{consumer.pid}/environ").read_text()
