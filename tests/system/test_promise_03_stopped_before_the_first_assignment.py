"""Promise 3: a consumer that is asked to stop before the group gave it anything ends like any other."""

import time

from harness.process import wait_until


def members(topics):
    """How many have joined the group, as the broker sees it."""
    from confluent_kafka import KafkaException
    admin = topics.broker.admin()  # which has to live until the answer
    try:
        return len(admin.describe_consumer_groups([topics.group])[topics.group].result(20).members)
    except KafkaException:
        return 0  # the broker is young and has no coordinator for the group yet


def test_promise_3_a_consumer_stopped_before_its_first_assignment_ends_in_order(private_kafka, make_topics, cosmos, start):
    """Two join a new group; the one that is to hand out the partitions stands still, and the other is stopped."""
    broker = private_kafka(group_initial_rebalance_delay_ms=6000)
    topics = make_topics(broker)
    leader = start("consumer", [topics.env, cosmos.env], wait=False)
    wait_until(lambda: members(topics) == 1, 30, "the first to join")
    follower = start("consumer", [topics.env, cosmos.env], wait=False)
    wait_until(lambda: members(topics) == 2, 30, "the second to join")
    leader.pause()
    try:
        time.sleep(6)
        assert "partitions assigned" not in follower.log()
        assert follower.stop(30) == 0, follower.log_tail()
        assert "stopped" in follower.log()
    finally:
        leader.resume()
    leader.wait_log("partitions assigned", 40)
