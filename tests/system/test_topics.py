"""The topics at the start of each program, on a real Kafka: what is missing, what is created, what is refused."""

import json
import uuid

import pytest

from harness.process import wait_until
from harness.programs import run

USES = {"producer": ("writes", "results"), "publish": ("writes", "results"),
        "consumer": ("writes", "results", "dead.letters")}
# docs/CONTRACT.md, "What the topics need".
CREATED = {
    "writes": {"cleanup.policy": "delete", "max.message.bytes": "3000000", "retention.ms": str(7 * 86_400_000)},
    "results": {"cleanup.policy": "delete", "max.message.bytes": "1000000", "retention.ms": str(14 * 86_400_000)},
    "dead.letters": {"cleanup.policy": "delete", "max.message.bytes": "4000000", "retention.ms": "-1"},
}
GOOD = {"writes": {"max_message_bytes": 3_000_000}, "results": {},
        "dead.letters": {"max_message_bytes": 4_000_000, "retention_ms": -1}}


class Names:
    """Names of topics that nobody has, and the environment that tells them to a program."""

    def __init__(self, kafka):
        prefix = f"n{uuid.uuid4().hex[:10]}"
        self.kafka = kafka
        self.names = {use: f"{prefix}.{use.replace('.', '-')}" for use in CREATED}
        self.env = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "KAFKA_GROUP_ID": f"{prefix}.group"}
        self.env |= {f"TOPIC_{use.replace('.', '_').upper()}": name for use, name in self.names.items()}

    def make(self, **changed):
        """Creates all of them as they should be, but for changed: make(writes={"cleanup_policy": "compact"})."""
        for use, name in self.names.items():
            self.kafka.create_topic(name, 2, **GOOD[use] | changed.get(use.replace(".", "_"), {}))

    def exist(self):
        return {use for use, name in self.names.items() if name in self.kafka.admin().list_topics(timeout=10).topics}

    def settings(self, use):
        from confluent_kafka.admin import ConfigResource
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.names[use])
        admin = self.kafka.admin()
        entries = admin.describe_configs([resource])[resource].result(20)
        return {name: entries[name].value for name in CREATED[use]}

    def partitions(self, use):
        return len(self.kafka.admin().list_topics(self.names[use], timeout=10).topics[self.names[use]].partitions)


@pytest.fixture
def names(kafka):
    return Names(kafka)


@pytest.fixture
def refused(cosmos, names):
    """refused("producer"): starts the program, which must end by itself and write nothing; returns what it said."""
    def start(program, settings=None):
        args = ["-"] if program == "publish" else []
        code = 3 if program == "publish" else 1
        where = {"producer": {"HTTP_LISTEN": "127.0.0.1:0"}, "consumer": cosmos.env | {"ADMIN_LISTEN": "127.0.0.1:0"}}
        done = run(program, *args, env=names.env | where.get(program, {}), settings=settings, check=False,
                   input='{"id":"1","pk":"p"}\n', timeout_s=60)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout == ""
        return done.stderr
    return start


@pytest.mark.parametrize("program", USES)
def test_a_missing_topic_is_named_and_nothing_is_created(program, names, refused):
    said = refused(program)
    assert f"topic {names.names['writes']} (topic.writes) does not exist" in said
    assert "topic.create=true" in said
    assert names.exist() == set()
    # The first that is missing is the one that is named.
    for use in USES[program][:-1]:
        names.kafka.create_topic(names.names[use], 2, **GOOD[use])
    last = USES[program][-1]
    assert f"topic {names.names[last]} (topic.{last}) does not exist" in refused(program)


@pytest.mark.parametrize("program", USES)
def test_topic_create_makes_what_is_missing_as_the_contract_says(program, names, cosmos, start):
    settings = {"topic.create": "true", "topic.partitions": 3, "topic.replication.factor": 1}
    if program == "publish":
        run("publish", "-", env=names.env, settings=settings, input='{"id":"1","pk":"p"}\n')
    else:
        start(program, [names.env, cosmos.env] if program == "consumer" else names.env, settings)
    assert names.exist() == set(USES[program])
    for use in USES[program]:
        assert names.settings(use) == CREATED[use], use
        assert names.partitions(use) == 3


def test_two_that_create_the_same_topics_at_once_both_start(names, start):
    settings = {"topic.create": "true", "topic.partitions": 3, "topic.replication.factor": 1}
    both = [start("producer", names.env, settings, wait=False) for _ in range(2)]
    for producer in both:
        producer.wait_ready()
        assert producer.post("/v1/jobs", json=[{"id": "1"}]).status_code == 202


def test_topic_create_changes_no_topic_that_exists(names, start):
    names.make(writes={"max_message_bytes": 2_200_000, "retention_ms": 3_600_000})
    before = {use: names.settings(use) for use in CREATED}
    settings = {"topic.create": "true", "topic.partitions": 7, "topic.replication.factor": 1}
    start("producer", names.env, settings)
    assert {use: names.settings(use) for use in CREATED} == before
    assert names.partitions("writes") == 2


def test_what_the_broker_says_about_a_topic_that_cannot_be_made_is_passed_on(names, refused):
    said = refused("producer", {"topic.create": "true", "topic.replication.factor": 3})
    assert f"topic {names.names['writes']} (topic.writes) was not created with 8 partitions and 3 copies" in said
    assert "eplication factor" in said
    assert names.exist() == set()


REFUSED = {
    "records of a large document do not fit": (
        {"writes": {"max_message_bytes": 1_048_588}}, "writes",
        ["max.message.bytes=1048588", "needs at least 2162688"]),
    "a record of results does not fit": (
        {"results": {"max_message_bytes": 500_000}}, "results", ["max.message.bytes=500000", "needs at least 1000000"]),
    "results go before their writes": (
        {"results": {"retention_ms": 3_600_000}}, "results", ["retention.ms=3600000", "needs at least"]),
    "results go although writes stay": (
        {"writes": {"retention_ms": -1}}, "results", ["retention.ms=604800000", "needs -1 (unlimited)"]),
}
REFUSED_BY_PUBLISHERS = {
    "writes would be compacted": (
        {"writes": {"cleanup_policy": "compact"}}, "writes", ["cleanup.policy=compact", "needs delete"]),
    "writes would be compacted too": (
        {"writes": {"cleanup_policy": "compact,delete"}}, "writes", ["cleanup.policy=compact,delete", "needs delete"]),
}
REFUSED_BY_CONSUMER = {
    "a letter of a large record does not fit": (
        {"dead_letters": {"max_message_bytes": 3_000_000}}, "dead.letters",
        ["max.message.bytes=3000000", "needs more than the 3000000"]),
    "letters would be compacted": (
        {"dead_letters": {"cleanup_policy": "compact"}}, "dead.letters", ["cleanup.policy=compact", "needs delete"]),
}
CASES = [pytest.param(program, *case, id=f"{program}: {what}") for program in USES
         for what, case in (REFUSED | (REFUSED_BY_CONSUMER if program == "consumer" else REFUSED_BY_PUBLISHERS)).items()]


@pytest.mark.parametrize("program, changed, use, words", CASES)
def test_a_setting_that_would_break_a_promise_is_refused(program, changed, use, words, names, refused):
    names.make(**changed)
    said = refused(program)
    assert f"topic {names.names[use]} (topic.{use}) has" in said
    for word in words:
        assert word in said, said
    for name in names.names.values():
        assert all(high == 0 for _, high in names.kafka.end_offsets(name).values()), "something was published"


def test_untracked_records_need_the_writes_topic_alone(names):
    names.kafka.create_topic(names.names["writes"], 2, **GOOD["writes"])
    run("publish", "--untracked", "-", env=names.env, input='{"id":"1"}\n')
    wait_until(lambda: len(names.kafka.read_topic(names.names["writes"])) == 1, 10, "the record")
    assert names.exist() == {"writes"}


def test_a_service_that_takes_one_megabyte_serves_once_it_is_told_so(names, cosmos, start):
    """As an Event Hubs namespace of the standard tier: all topics take the same, less than Cosmos DB's largest document."""
    names.make(**{use: {"max_message_bytes": 1_048_576} for use in ("writes", "results", "dead_letters")})
    settings = {"kafka.message.max.bytes": 1_046_528, "kafka.compression.type": "none"}
    producer = start("producer", names.env, settings)
    start("consumer", [names.env, cosmos.env], settings)
    large = {"id": "1", "pk": "a", "text": "x" * 1_000_000}
    answer = producer.post("/v1/jobs", json=[large, large | {"id": "a/b"}])
    assert answer.status_code == 400, "an id with a slash"
    answer = producer.post("/v1/jobs", json=[large | {"text": "x" * 1_100_000}])
    assert answer.status_code == 413 and answer.json()["code"] == "document-too-large"
    # Poison that only the consumer finds: it becomes a letter as large as its write and the headers.
    names.kafka.publish(names.names["writes"], [("1", json.dumps(large).encode() + b"}")])
    job = producer.post("/v1/jobs", json=[large], headers={"Prefer": "wait=30"}).json()
    assert job["status"] == "Succeeded", job
    wait_until(lambda: names.kafka.read_topic(names.names["dead.letters"]), 30, "the letter")
    assert cosmos.read("1", "a")["text"] == large["text"]
