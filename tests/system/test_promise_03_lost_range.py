"""Promise 3: records that fell out of retention before they were read are named, and stop their partition or not; holes that
transactions and compaction leave are no such loss."""

import json
import time

import pytest

from harness.group import assigned, conditions, make_documents, records, wait_committed
from harness.process import wait_until


def lose(topics, keep):
    """Deletes the records of partition 0 but for the last `keep`; returns the new beginning."""
    from confluent_kafka import TopicPartition
    end = topics.broker.end_offsets(topics.writes)[0][1]
    admin = topics.broker.admin()  # which has to live until the answer
    for future in admin.delete_records([TopicPartition(topics.writes, 0, end - keep)]).values():
        future.result(20)
    wait_until(lambda: topics.broker.end_offsets(topics.writes)[0][0] == end - keep, 20, "records to be deleted")
    return end - keep


def retention(consumer):
    return conditions(consumer)[1].get("retention", {"ok": True})


def with_a_lost_range(topics, cosmos, start, settings=None):
    """A consumer whose partition 0 has lost records while it was down: (consumer, first lost, first kept)."""
    topics.broker.publish(topics.writes, records(make_documents(800, "a")))
    consumer = start("consumer", [topics.env, cosmos.env], settings)
    wait_committed(topics)
    assert consumer.stop() == 0
    position = topics.broker.committed(topics.group, topics.writes)[0]
    topics.broker.publish(topics.writes, records(make_documents(800, "b")))
    return consumer, position, lose(topics, 5)


def test_promise_3_continue_goes_on_behind_a_lost_range_and_counts_it(topics, cosmos, start):
    consumer, position, low = with_a_lost_range(topics, cosmos, start, {"consumer.on.lost.range": "continue"})
    consumer.start(wait=False)
    consumer.wait_log("goes on behind them")
    assert f"partition=0 first_lost_offset={position} last_lost_offset={low - 1}" in consumer.log(this_life=True)
    wait_committed(topics)
    assert consumer.metric("writebehind_lost_offsets_total", topic=topics.writes, partition="0") == low - position
    assert consumer.metric("writebehind_lost_offsets_total") == low - position
    consumer.wait_ready()
    kept = {m.key().decode() for m in topics.broker.read_topic(topics.writes)}
    cosmos.assert_holds([d for d in make_documents(800, "a") if cosmos.read(d["id"], d["pk"])] +
                        [d for d in make_documents(800, "b") if d["id"] in kept])
    assert all(cosmos.read(d["id"], d["pk"]) for d in make_documents(800, "b") if d["id"] in kept)


@pytest.mark.timeout(120)
def test_promise_3_a_stopped_partition_is_told_by_the_one_that_has_it(topics, cosmos, start):
    first, position, low = with_a_lost_range(topics, cosmos, start)
    first.start(wait=False)
    first.wait_log("stands still")
    assert f"partition=0 first_lost_offset={position} last_lost_offset={low - 1}" in first.log(this_life=True)
    second = start("consumer", [topics.env, cosmos.env], wait=False)
    second.wait_log("partitions assigned", 40)
    wait_until(lambda: assigned(first) == 4 and assigned(second) == 4, 30, "each to have its half")

    def bad():
        return [c for c in (first, second) if c.running() and not retention(c)["ok"]]
    wait_until(lambda: len(bad()) == 1, 20, "one to tell of the lost range")
    holder = bad()[0]
    other = second if holder is first else first
    other.wait_ready()
    holder.stop()
    wait_until(lambda: conditions(other)[0] == 503 and other in bad(), 30, "the other to tell of it")
    assert topics.broker.committed(topics.group, topics.writes)[0] == position


@pytest.mark.parametrize("setting", ["stop", "continue"])
def test_promise_3_a_position_behind_the_end_of_the_log_is_told_as_such(topics, cosmos, start, setting):
    """As after an election that cut the log: the position is not in it any more."""
    from confluent_kafka import Consumer, TopicPartition
    documents = make_documents(400, "a")
    topics.broker.publish(topics.writes, records(documents))
    end = topics.broker.end_offsets(topics.writes)[0][1]
    group = Consumer({"bootstrap.servers": topics.broker.bootstrap, "group.id": topics.group})
    group.commit(offsets=[TopicPartition(topics.writes, 0, end + 100)], asynchronous=False)
    group.close()
    consumer = start("consumer", [topics.env, cosmos.env], {"consumer.on.lost.range": setting}, wait=False)
    consumer.wait_log("the topic was made anew or its log cut")
    assert f"partition=0 next_offset={end + 100} log_begins_at=0" in consumer.log()
    assert "fell out of retention" not in consumer.log()
    if setting == "continue":
        wait_committed(topics)
        consumer.wait_ready()
        cosmos.assert_holds(documents)
    else:
        words = f"offset {end + 100}, to be read next, is not in the log"
        wait_until(lambda: not retention(consumer)["ok"] and words in retention(consumer)["why"], 10, "readyz, too")
        assert conditions(consumer)[0] == 503


def transaction(producer, topic, documents, commit):
    producer.begin_transaction()
    for key, value in records(documents):
        producer.produce(topic, value=value, key=key)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


@pytest.mark.timeout(120)
def test_promise_3_transactional_records_are_written_and_aborted_ones_are_not(topics, cosmos, start):
    consumer = start("consumer", [topics.env, cosmos.env])
    producer = topics.broker.producer(transactional_id=f"{topics.group}-tx")
    producer.init_transactions(30)
    kept, dropped = [], []
    for i in range(6):
        documents = make_documents(200, f"t{i}")
        transaction(producer, topics.writes, documents, commit=i % 3 != 2)
        (dropped if i % 3 == 2 else kept).extend(documents)
    # The end of every partition is marks and aborted records: the position goes behind them.
    wait_committed(topics)
    cosmos.assert_holds(kept)
    assert not any(cosmos.read(d["id"], d["pk"]) for d in dropped[::20])
    ends = {p: high for p, (low, high) in topics.broker.end_offsets(topics.writes).items()}
    assert consumer.stop() == 0
    lose(topics, 0)
    consumer.start()
    wait_until(lambda: assigned(consumer) == 8, 30, "its partitions")
    time.sleep(1)
    assert "fell out of retention" not in consumer.log()
    assert topics.broker.committed(topics.group, topics.writes) == ends


@pytest.mark.timeout(120)
def test_promise_3_a_compacted_topic_is_read_to_its_end(topics, cosmos, start):
    compacted = topics.broker.create_topic(f"{topics.group}.compacted", 2, cleanup_policy="compact", segment_ms=500,
                                           min_cleanable_dirty_ratio=0.01, max_message_bytes=3_000_000)
    versions = [{"id": f"item{k}", "pk": f"p{k}", "version": v} for v in range(50) for k in range(40)]
    topics.broker.publish(compacted, ((d["id"], json.dumps(d)) for d in versions))

    def compacted_now():
        # A new segment is needed for the old one to be compacted.
        topics.broker.publish(compacted, [("last", json.dumps({"id": "last", "pk": "p"}))])
        time.sleep(0.7)
        return len(topics.broker.read_topic(compacted)) < 1000
    wait_until(compacted_now, 60, "compaction")
    topics.broker.publish(compacted, [("item0", None)])
    env = topics.env | cosmos.env | {"TOPIC_WRITES": compacted}
    consumer = start("consumer", env, {"consumer.tombstones": "delete"}, wait=False)
    consumer.wait_log("the topic is compacted")
    wait_committed(topics, compacted)
    # Its tombstone names the item by the key, but /pk is not the id: that is a dead letter.
    cosmos.assert_holds([*versions[-40:], {"id": "last", "pk": "p"}])
    reasons = [dict(m.headers())["wb-error-reason"] for m in topics.broker.read_topic(topics.dead_letters)]
    assert reasons in ([b"missing-partition-key"], [b"tombstone"])
