"""The scripts that docker-compose.yml runs once, against a real Kafka and an independent Cosmos."""

import http.server
import os
import subprocess
import threading

import pytest

from harness.paths import ROOT, need_tool

DEPLOY = ROOT / "deploy"


def run(script, *args, **env):
    return subprocess.run([DEPLOY / script, *args], env={"PATH": os.environ["PATH"]} | env, capture_output=True,
                          text=True, timeout=60)


def test_topics_are_created_as_the_design_says_and_only_once(private_kafka, tmp_path):
    kafka = private_kafka()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kafka-topics.sh").write_text(
        f'#!/bin/sh\nexec "{ROOT}/tests/system/kafka/kafka.sh" topics "$@"\n')
    (tools / "kafka-topics.sh").chmod(0o755)
    for _ in range(2):
        done = run("create-topics.sh", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap, KAFKA_TOOLS=str(tools))
        assert done.returncode == 0, done.stderr
    described = {line.split()[1]: line for line in kafka.tool("topics", "--describe").splitlines()
                 if line.startswith("Topic:") and not line.split()[1].startswith("__")}
    assert sorted(described) == ["writebehind.dead-letters", "writebehind.dead-letters.state", "writebehind.results",
                                 "writebehind.writes"]
    writes, results = described["writebehind.writes"], described["writebehind.results"]
    assert "PartitionCount: 16" in writes and "max.message.bytes=3145728" in writes
    assert "cleanup.policy=delete" in results and "retention.ms=1209600000" in results
    letters, state = described["writebehind.dead-letters"], described["writebehind.dead-letters.state"]
    assert "retention.ms=-1" in letters and "max.message.bytes=4194304" in letters
    assert "cleanup.policy=compact" in state


def test_database_and_container_are_created_and_only_once(cosmos_server):
    need_tool("openssl")
    env = {"COSMOS_ENDPOINT": cosmos_server.endpoint, "COSMOS_KEY": cosmos_server.key,
           "COSMOS_DATABASE": "deployed", "COSMOS_CONTAINER": "docs", "PARTITION_KEY_PATH": "/a/b"}
    first, second = run("create-container.sh", **env), run("create-container.sh", **env)
    assert first.returncode == 0 and first.stdout.split() == "database deployed: created container docs: created".split(), first
    assert second.returncode == 0 and second.stdout.count("is there") == 2, second
    read = cosmos_server.client.get_database_client("deployed").get_container_client("docs").read()
    assert read["partitionKey"]["paths"] == ["/a/b"] and read["partitionKey"]["version"] == 2


def test_database_creation_fails_with_the_wrong_key_and_does_not_show_it(cosmos_server, tmp_path):
    key = tmp_path / "key"
    key.write_text("d3Jvbmc=\n")
    done = run("create-container.sh", COSMOS_ENDPOINT=cosmos_server.endpoint, COSMOS_KEY_FILE=str(key),
               COSMOS_DATABASE="never", COSMOS_CONTAINER="docs")
    assert done.returncode == 1 and "HTTP 401" in done.stderr
    assert "d3Jvbmc" not in done.stdout + done.stderr


@pytest.mark.parametrize("status, code", [(200, 0), (503, 1)])
def test_healthcheck_reads_readyz(status, code):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert run("healthcheck.sh", str(server.server_port)).returncode == code
    finally:
        server.shutdown()
    server.server_close()


def test_healthcheck_fails_where_nothing_listens():
    assert run("healthcheck.sh", "1").returncode != 0
