"""topic.map: more topics than one, each for a container of its own; and tombstones."""

import json

import pytest

from harness.cosmos import Target
from harness.group import make_documents, records, wait_committed
from harness.process import wait_until


@pytest.fixture
def way(request):
    """How the server is written to: by bulk, unless BOTH_WAYS says otherwise."""
    return getattr(request, "param", "bulk")


BOTH_WAYS = pytest.mark.parametrize("way", ["bulk", "point"], indirect=True)


@pytest.fixture
def mapped(topics, way, request):
    """Two more topics for two more containers: (default target, {topic: target}, topic.map)."""
    if way == "bulk":
        server = request.getfixturevalue("cosmos_server")
    else:
        server = request.getfixturevalue("private_cosmos_server")
        server.refuse_bulk()
    base = server.create_container()
    targets, entries = {}, []
    for name in ("orders", "users"):
        topic = topics.broker.create_topic(f"{topics.group}.{name}", 3, max_message_bytes=1_000_000)
        server.create_container(base.database, name)
        targets[topic] = Target(server, base.database, name)
        entries.append(f"{topic}:{name}")
    return base, targets, ",".join(entries)


def assert_went(consumer, way):
    """The writes really went this way: many in a request, or each as its own."""
    sent, operations = (consumer.metric(f"writebehind_cosmos_batch_operations_{part}") for part in ("count", "sum"))
    assert operations > sent > 0 if way == "bulk" else operations == sent > 0


@BOTH_WAYS
def test_each_topic_is_written_to_its_container(topics, way, mapped, start):
    base, targets, topic_map = mapped
    consumer = start("consumer", [topics.env, base.env], {"topic.map": topic_map})
    wait_until(lambda: consumer.metric("writebehind_assigned_partitions") == 8 + 3 + 3, 30, "all partitions")
    default = make_documents(300, "default")
    topics.broker.publish(topics.writes, records(default))
    for topic, target in targets.items():
        topics.broker.publish(topic, records(make_documents(300, target.container)))
    wait_committed(topics)
    for topic, target in targets.items():
        wait_committed(topics, topic)
        target.assert_holds(make_documents(300, target.container))
        assert target.count() == 300
    base.assert_holds(default)
    assert base.count() == 300
    for topic in (topics.writes, *targets):
        assert any(labels.get("topic") == topic for name, labels, value in consumer.metrics()
                   if name == "writebehind_lag_records")
    assert_went(consumer, way)
    # A restart reads none of them again.
    before = consumer.metric("writebehind_records_total")
    assert before == 900
    consumer.restart()
    topics.broker.publish(list(targets)[0], [("one", json.dumps({"id": "one", "pk": "p"}))])
    wait_committed(topics, list(targets)[0])
    assert consumer.metric("writebehind_records_total") == 1


@BOTH_WAYS
def test_a_record_may_name_its_own_topics_container_only_unless_the_list_allows_more(topics, mapped, start):
    base, targets, topic_map = mapped
    orders, users = targets
    consumer = start("consumer", [topics.env, base.env], {"topic.map": topic_map})

    def one(id, container):
        return [(id, json.dumps({"id": id, "pk": "p"}), [("wb-container", container.encode())])]
    topics.broker.publish(orders, one("mine", "orders") + one("other", "users") + one("default", "docs"))
    wait_committed(topics, orders)
    assert targets[orders].read("mine", "p")
    letters = {m.key(): dict(m.headers()) for m in topics.broker.read_topic(topics.dead_letters)}
    assert {k: (h["wb-error-reason"], h["wb-origin-topic"]) for k, h in letters.items()} == {
        b"other": (b"container-not-allowed", orders.encode()), b"default": (b"container-not-allowed", orders.encode())}
    assert consumer.stop() == 0
    start("consumer", [topics.env, base.env, {"COSMOS_CONTAINERS": "docs,users"}], {"topic.map": topic_map})
    topics.broker.publish(orders, one("other2", "users"))
    wait_until(lambda: targets[users].read("other2", "p"), 20, "the allowed one")


def test_what_is_wrong_with_the_map_is_said_at_start(topics, mapped, start):
    base, targets, topic_map = mapped
    gone = f"{topics.group}.not-there"
    for value, code, words in ((f"{gone}:docs", 1, f"topic {gone} (topic.map) does not exist"),
                               (f"{topics.writes}:docs", 2, "topic.map"),
                               ("a:b,a:c", 2, "twice"),
                               ("a:", 2, "no container"),
                               ("no colon", 2, "TOPIC:CONTAINER")):
        consumer = start("consumer", [topics.env, base.env], {"topic.map": value}, wait=False)
        assert consumer.wait(20) == code
        assert words in consumer.log(), consumer.log_tail()


@pytest.mark.parametrize("how", ["dead-letter", "delete"])
def test_a_tombstone_is_a_dead_letter_or_a_delete(topics, cosmos_server, start, how):
    target = cosmos_server.create_container(partition_key="/id")
    start("consumer", [topics.env, target.env], {"consumer.tombstones": how})
    documents = [{"id": f"item{i}"} for i in range(20)]
    topics.broker.publish(topics.writes, records(documents))
    topics.broker.publish(topics.writes, [(d["id"], None) for d in documents[:5]])
    wait_committed(topics)
    target.assert_holds(documents[5:] if how == "delete" else documents)
    letters = topics.broker.read_topic(topics.dead_letters)
    if how == "delete":
        assert letters == [] and target.count() == 15
    else:
        assert [dict(m.headers())["wb-error-reason"] for m in letters] == [b"tombstone"] * 5
