"""The HTTP interface is what docs/openapi.json says, for thousands of requests that schemathesis makes from it: what the
document allows is taken, what it forbids is refused, every answer has a status, headers and a body that it names."""

import json
import os
import re
import subprocess
import sys

import pytest

from harness.paths import ROOT, need

HERE = ROOT / "tests" / "system"
# What may be said to a wrong request: schemathesis does not think of 414 and 431, which those that are too long get.
SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 414, 415, 422, 431, "5xx"]
"""
SCHEMATHESIS = [sys.executable, "-m", "schemathesis.cli"]


def seed():
    """The same one where CI=true; WB_SEED names another."""
    return int(os.environ.get("WB_SEED") or (1 if os.environ.get("CI") == "true" else int.from_bytes(os.urandom(3))))


class Run:
    """schemathesis with every check, begun; `requests()` waits for its end and returns how many were made."""

    def __init__(self, producer, directory, first_seed, phases, examples, turn=0):
        self._seed = first_seed
        document = directory / "openapi.json"
        document.write_text(producer.get("/openapi.json").text)
        (directory / "schemathesis.toml").write_text(SETTINGS)
        self._report = directory / f"report-{turn}"
        env = os.environ | {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(HERE)}
        # One worker: with more, Python 3.11 now and then fails to parse what Hypothesis shows ("recursion depth mismatch").
        with open(self._report, "wb") as report:
            self._process = subprocess.Popen(
                [*SCHEMATHESIS, "run", str(document), "--url", producer.url, "--checks", "all", "--phases", phases,
                 "--max-examples", str(examples), "--workers", "1", "--seed", str(first_seed + turn),
                 "--generation-database", "none", "--continue-on-failure", "--request-timeout", "30", "--no-color"],
                env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=report, stderr=report)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def requests(self):
        code = self._process.wait(280)
        report = self._report.read_text()
        assert code == 0, f"seed {self._seed} (WB_SEED={self._seed} repeats it)\n{report[-20000:]}"
        return int(re.search(r"(\d+) generated, \1 passed", report)[1])


@pytest.fixture
def producer(topics, start):
    need(subprocess.run([*SCHEMATHESIS, "--version"], capture_output=True).returncode == 0, "schemathesis in .venv")
    callbacks = {"CALLBACK_HOSTS": "receiver.example", "CALLBACK_SECRET": "whsec_" + "A" * 32}
    return start("producer", env=[topics.env, callbacks])


@pytest.mark.timeout(300)
def test_every_request_is_answered_as_the_document_says(producer, tmp_path):
    """Two runs at a time, with different seeds: most of the time is schemathesis's own."""
    first = seed()
    with Run(producer, tmp_path, first, "examples,coverage,fuzzing", 400) as one, \
            Run(producer, tmp_path, first, "fuzzing", 400, turn=1) as two:
        assert one.requests() + two.requests() > 3000


@pytest.mark.timeout(300)
def test_requests_in_a_row_are_answered_as_the_document_says(producer, tmp_path):
    with Run(producer, tmp_path, seed(), "stateful", 40) as run:
        assert run.requests() > 100


def test_examples_of_the_document_are_what_its_schemas_say():
    import jsonschema_rs
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    checked = 0

    def look(node):
        nonlocal checked
        if isinstance(node, dict):
            found = [e["value"] for e in node.get("examples", {}).values()] if isinstance(node.get("examples"), dict) else []
            found += [node["example"]] if "example" in node else []
            for value in found if "schema" in node else []:
                schema = {"components": document["components"], **node["schema"]}
                jsonschema_rs.validator_for(schema).validate(value)
                checked += 1
            for inner in node.values():
                look(inner)
        elif isinstance(node, list):
            for inner in node:
                look(inner)
    look(document)
    assert checked >= 5
