"""Fixtures of the system tests; README.md in this folder tells how to use them."""

import itertools
import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
# Nothing that these tests talk to is beyond loopback.
for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
    os.environ.pop(variable, None)

from harness.cosmos import CosmosServer  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.paths import ROOT, need, need_tool  # noqa: E402
from harness.programs import Program, Sandbox  # noqa: E402


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A real Apache Kafka, shared by all tests: use topics and groups of your own (fixture `topics`)."""
    need_tool("java")
    need((ROOT / ".deps" / "kafka" / "libs").is_dir(), "Kafka in .deps/kafka")
    # Never killed, so nothing waits for its session to end; on a busy machine, three seconds would have it shut out.
    broker = Kafka(tmp_path_factory.mktemp("kafka"), {"broker.session.timeout.ms": "30000"}).start()
    yield broker
    broker.stop()


@pytest.fixture
def private_kafka(tmp_path, request):
    """A factory of brokers of this test alone, to kill and freeze: private_kafka(**settings), underscores for dots."""
    need_tool("java")
    need((ROOT / ".deps" / "kafka" / "libs").is_dir(), "Kafka in .deps/kafka")
    numbers = itertools.count(1)

    def make(**settings):
        broker = Kafka(tmp_path / f"kafka-{next(numbers)}", {k.replace("_", "."): v for k, v in settings.items()})
        request.addfinalizer(broker.stop)
        return broker.start()
    return make


class Topics:
    """The four topics of a Writebehind installation, under names that nobody else uses, on one broker.
    writes: further settings of the topic of writes, with underscores for dots."""

    def __init__(self, broker, partitions=8, results_partitions=4, **writes):
        self.broker = broker
        prefix = f"t{uuid.uuid4().hex[:10]}"
        self.group = f"{prefix}.group"
        self.writes = broker.create_topic(f"{prefix}.writes", partitions, max_message_bytes=3_000_000, **writes)
        self.results = broker.create_topic(f"{prefix}.results", results_partitions, retention_ms=30 * 86_400_000)
        self.dead_letters = broker.create_topic(f"{prefix}.dead-letters", partitions, max_message_bytes=4_000_000,
                                                retention_ms=-1)
        self.state = broker.create_topic(f"{prefix}.dead-letters.state", 1, cleanup_policy="compact")

    @property
    def env(self):
        """What a Writebehind program needs to use them."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap, "KAFKA_GROUP_ID": self.group,
                "TOPIC_WRITES": self.writes, "TOPIC_RESULTS": self.results,
                "TOPIC_DEAD_LETTERS": self.dead_letters, "TOPIC_DEAD_LETTERS_STATE": self.state}


@pytest.fixture
def topics(kafka):
    """The four topics, new, on the shared broker: topics.writes, .results, .dead_letters, .state, .group, .env."""
    return Topics(kafka)


@pytest.fixture
def make_topics():
    """make_topics(broker, partitions=8): the same on any broker, as often as needed."""
    return Topics


@pytest.fixture(scope="session")
def cosmos_server(tmp_path_factory):
    """The independent Cosmos server, shared: take a database of your own (fixture `cosmos`)."""
    server = CosmosServer(tmp_path_factory.mktemp("cosmos")).start()
    yield server
    server.stop()


@pytest.fixture
def private_cosmos_server(tmp_path):
    """An independent Cosmos server of this test alone, to freeze and to fail."""
    server = CosmosServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def cosmos(cosmos_server):
    """A new database with a container `docs`, partitioned by /pk, on the independent server: a harness.cosmos.Target."""
    return cosmos_server.create_container()


@pytest.fixture
def start(tmp_path, request):
    """Starts services: start("consumer", env={...}, settings={...}) → harness.programs.Program, ready.

    Given a list of env, settings merge left to right: start("producer", [topics.env, {"HTTP_MAX_BODY_BYTES": 1000}]).
    At the end of the test each one gets SIGTERM if it still runs; the test fails if one left a process behind, died of
    a signal that the test did not send, or wrote a sanitizer's report."""
    numbers = itertools.count(1)
    programs = []

    def begin(name, env=None, settings=None, args=(), wait=True, timeout_s=30):
        merged = {}
        for part in env if isinstance(env, (list, tuple)) else [env or {}]:
            merged |= part
        program = Program(name, tmp_path, merged, settings, args, tag=f"-{next(numbers)}")
        programs.append(program)
        return program.start(wait, timeout_s)

    def finish():
        found = []
        for program in reversed(programs):
            if program.running():
                try:
                    program.stop(30)
                except Exception as e:  # all of them are to be ended, whatever one does
                    found.append(str(e))
            found += program.complaints()
            left = program.end()
            if left:
                found.append(f"{program.name} left processes behind: {left}")
        assert not found, "\n".join(found)
    request.addfinalizer(finish)
    return begin


@pytest.fixture
def make_sandbox(tmp_path, request):
    """Starts sandboxes: make_sandbox({"cosmos.ranges": 8}) → harness.programs.Sandbox."""
    numbers = itertools.count(1)

    def make(settings=None, args=(), env=None):
        directory = tmp_path / f"sandbox-{next(numbers)}"
        directory.mkdir()
        sandbox = Sandbox(directory, settings, args, env)

        def finish():
            found = []
            if sandbox.process.running():
                try:
                    sandbox.process.stop(20)
                except Exception as e:
                    found.append(str(e))
            found += sandbox.complaints()
            left = sandbox.process.end()
            assert not left and not found, f"left behind: {left}\n" + "\n".join(found)
        request.addfinalizer(finish)
        return sandbox.start()
    return make


@pytest.fixture
def sandbox(make_sandbox):
    """writebehind-sandbox with its defaults, this test's own: .kafka, .target, .env."""
    return make_sandbox()


# The files that take longest, in this order, so that none of them begins when the others are about to end.
LONGEST_FIRST = ("test_consumer_promises", "test_promise_05_bad_networks", "test_promise_05_outage_lasts",
                 "test_promise_04_model", "test_promise_09_memory_has_a_limit", "test_operations",
                 "test_producer_promises", "test_promise_04_cut_off", "test_ru_budget", "test_promise_05_routing",
                 "test_main_path", "test_sandbox_routing")


def pytest_collection_modifyitems(items):
    """No test may hang: two minutes unless it asks for more by @pytest.mark.timeout."""
    turn = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


def pytest_terminal_summary(terminalreporter, config):
    """Adds this run's counts to the file that WB_SUMMARY names, one line: `system: N passed, M failed, K skipped`."""
    path = os.environ.get("WB_SUMMARY")
    if not path or hasattr(config, "workerinput"):  # what workers ran is counted by who started them
        return
    count = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    with open(path, "a", encoding="utf-8") as summary:
        summary.write(f"system: {count['passed']} passed, {count['failed'] + count['error']} failed, "
                      f"{count['skipped']} skipped\n")
