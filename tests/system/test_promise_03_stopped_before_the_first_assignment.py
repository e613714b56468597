"""Promise 3: a consumer that is asked to stop before the group gave it anything ends like any other."""

import time


def test_promise_3_a_consumer_stopped_before_its_first_assignment_ends_in_order(private_kafka, make_topics, cosmos, start):
    """Two join a new group; the one that is to hand out the partitions stands still, and the other is stopped."""
    broker = private_kafka(group_initial_rebalance_delay_ms=6000)
    topics = make_topics(broker)
    leader = start("consumer", [topics.env, cosmos.env], wait=False)
    leader.wait_log("container known")
    time.sleep(1.5)
    follower = start("consumer", [topics.env, cosmos.env], wait=False)
    follower.wait_log("container known")
    time.sleep(1.5)
    leader.pause()
    try:
        time.sleep(6)
        assert "partitions assigned" not in follower.log()
        assert follower.stop(30) == 0, follower.log_tail()
        assert "stopped" in follower.log()
    finally:
        leader.resume()
    leader.wait_log("partitions assigned")
