"""Promise 12: a consumer that is asked to stop while it owes the group an answer leaves at once, not by its time-out."""

import time

import pytest

from harness.group import assigned, make_documents, records, wait_committed
from harness.process import wait_until


@pytest.mark.timeout(120)
def test_promise_12_stopped_while_a_revocation_waits_for_hanging_requests(topics, private_cosmos_server, start):
    cosmos = private_cosmos_server.create_container()
    env = topics.env | cosmos.env
    old = start("consumer", env, {"shutdown.timeout.ms": "1s"})
    wait_until(lambda: assigned(old) == 8, 30, "it to have all")
    private_cosmos_server.pause()
    try:
        documents = make_documents(200)
        topics.broker.publish(topics.writes, records(documents))
        wait_until(lambda: old.metric("writebehind_pending_writes") == 200, 30, "its requests to hang")
        new = start("consumer", env, wait=False)
        new.wait_log("started")
        time.sleep(4)  # it joins, and the old one is asked for its half, which it cannot finish
        assert assigned(old) == 8
        assert old.stop(20) == 0
        assert "did not let us go" not in old.log(), old.log_tail()
    finally:
        private_cosmos_server.resume()
    wait_until(lambda: assigned(new) == 8, 20, "the other to have all")
    wait_committed(topics, timeout_s=30)
    cosmos.assert_holds(documents)
