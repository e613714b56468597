"""Promise 5: splits, merges, containers made anew or missing and fail-overs are nobody's poison. Writes go on as soon as
they can, none is lost, none dies, and every item sees its versions in order."""

import json
import threading
import time
from collections import defaultdict

import pytest
import requests

from harness.cosmos import Target
from harness.fault_proxy import FaultProxy
from harness.process import wait_until

ITEMS = 300


class Load:
    """Publishes version after version of every item until it is told to stop; `last` are the final ones."""

    def __init__(self, kafka, topic, pause_s=0.05):
        self._kafka, self._topic, self._pause_s = kafka, topic, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failed = None
        self.rounds = 0
        self.last = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._failed:
            raise self._failed

    def round(self):
        self.last = [{"id": f"i{i}", "pk": f"p{i % 97}", "other": f"o{i % 89}", "v": self.rounds} for i in range(ITEMS)]
        self._kafka.publish(self._topic, [(d["id"], json.dumps(d)) for d in self.last])
        self.rounds += 1

    def _run(self):
        try:
            while not self._stop.wait(self._pause_s):
                self.round()
        except Exception as e:  # shown by the test's own thread
            self._failed = e

    @property
    def published(self):
        return self.rounds * ITEMS


def outcomes(consumer, outcome):
    try:
        return consumer.metric("writebehind_outcomes_total", outcome=outcome)
    except requests.ConnectionError:
        return 0


def wait_all(consumer, load, timeout_s=60):
    wait_until(lambda: outcomes(consumer, "written") + outcomes(consumer, "superseded") >= load.published, timeout_s,
               "every write to have its end")


def act(sandbox, what, **how):
    names = {} if what == "failover" else {"database": sandbox.target.database, "container": sandbox.target.container}
    answer = sandbox.post(f"/_sandbox/{what}", json=names | how)
    assert answer.status_code == 200, answer.text
    return answer.json()


def assert_in_order(sandbox):
    """Nothing older took effect after something newer."""
    versions = defaultdict(list)
    text = sandbox.get("/_sandbox/journal").text
    assert "truncated" not in text
    for line in text.splitlines():
        effect = json.loads(line)
        if "document" in effect:
            versions[effect["id"]].append(effect["document"]["v"])
    assert len(versions) == ITEMS
    for name, seen in versions.items():
        assert seen == sorted(seen), (name, seen)


BOTH_WAYS = pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "point"])


@pytest.fixture
def begin(kafka, topics, make_sandbox, start):
    """begin(sandbox settings, consumer settings) → sandbox with its journal on, consumer, load. Without `bulk` every write
    is a request of its own."""
    def run(sandbox_settings=None, consumer_env=None, bulk=True, watch=None):
        sandbox = make_sandbox({"cosmos.ranges": 4} | (sandbox_settings or {}))
        sandbox.post("/_sandbox/journal", json={"enabled": True}).raise_for_status()
        sandbox.post("/_sandbox/bulk", json={"enabled": bulk}).raise_for_status()
        more = watch(sandbox) if watch else {}
        consumer = start("consumer", [topics.env, sandbox.target.env, more, consumer_env or {}])
        assert f"bulk={'true' if bulk else 'false'}" in consumer.log()
        return sandbox, consumer, Load(kafka, topics.writes, 0.05 if bulk else 0.2)
    return run


@pytest.fixture
def begin_watched(begin, request):
    """begin_watched(bulk) → likewise, and the proxy between consumer and sandbox, whose `answers` tell what the consumer
    met."""
    def run(bulk):
        proxies = []

        def watch(sandbox):
            proxies.append(FaultProxy(int(sandbox.info["cosmos"].rsplit(":", 1)[1])))
            request.addfinalizer(proxies[0].close)
            return {"COSMOS_ENDPOINT": f"http://127.0.0.1:{proxies[0].port}"}
        return *begin(bulk=bulk, watch=watch), proxies[0]
    return run


def assert_nothing_died(kafka, topics):
    assert not kafka.read_topic(topics.dead_letters)


@pytest.mark.parametrize("substatus", [1007, 1008])
def test_promise_5_splits_and_merges_under_load_lose_nothing(kafka, topics, begin, substatus):
    sandbox, consumer, load = begin()
    with load:
        wait_until(lambda: outcomes(consumer, "written") > 2 * ITEMS, 30, "the load to run")
        for _ in range(3):
            children = act(sandbox, "split", completing_ms=300, substatus=substatus)["children"]
            time.sleep(0.5)
            act(sandbox, "merge", ranges=children, completing_ms=300, substatus=substatus)
            time.sleep(0.5)
            act(sandbox, "split")
            time.sleep(0.2)
    wait_all(consumer, load)
    sandbox.target.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)
    stats = sandbox.get("/_sandbox/stats").json()["containers"][0]
    assert stats["gone_requests"] > 0, "the load never met a range that is gone"
    wait_until(consumer.ready, 10, "readyz to be content")


def test_promise_5_a_storm_of_410_is_one_reading_at_a_time(kafka, topics, begin):
    """Each reading takes at least as long as its slowed requests, so readings side by side would be too many."""
    sandbox, consumer, load = begin({"cosmos.ranges": 8})
    for op in ("metadata", "pkranges"):
        sandbox.post("/_sandbox/faults", json={"match": {"op": op}, "latency_ms": 200}).raise_for_status()
    before = consumer.metric("writebehind_container_reads_total")
    began = time.monotonic()
    with load:
        wait_until(lambda: outcomes(consumer, "written") > ITEMS, 30, "the load to run")
        for _ in range(4):
            act(sandbox, "split", completing_ms=1000)
        time.sleep(1)
    wait_all(consumer, load)
    took_s = time.monotonic() - began
    reads = consumer.metric("writebehind_container_reads_total") - before
    assert 1 <= reads <= took_s / 0.4 + 2
    sandbox.target.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)


def test_promise_5_a_container_made_anew_with_its_key_goes_on(kafka, topics, begin_watched):
    sandbox, consumer, load, proxy = begin_watched(True)
    with load:
        for _ in range(3):
            written = outcomes(consumer, "written")
            wait_until(lambda: outcomes(consumer, "written") > written + ITEMS, 30, "the load to run")
            act(sandbox, "recreate")
    load.round()
    wait_all(consumer, load)
    sandbox.target.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)
    assert proxy.answers[410, 1000] > 0, "a range of the container before was never named"


@BOTH_WAYS
def test_promise_5_a_container_made_anew_with_another_key_goes_on(kafka, topics, begin_watched, bulk):
    sandbox, consumer, load, proxy = begin_watched(bulk)
    keys = ["/other", "/pk"]
    with load:
        for path in keys:
            written = outcomes(consumer, "written")
            wait_until(lambda: outcomes(consumer, "written") > written + ITEMS, 30, "the load to run")
            act(sandbox, "recreate", definition={
                "id": sandbox.target.container, "partitionKey": {"paths": [path], "kind": "Hash", "version": 2}})
        written = outcomes(consumer, "written")
        wait_until(lambda: outcomes(consumer, "written") > written + ITEMS, 30, "the load to run")
        act(sandbox, "recreate", definition={
            "id": sandbox.target.container, "partitionKey": {"paths": ["/other"], "kind": "Hash", "version": 2}})
    load.round()
    wait_all(consumer, load)
    there = Target(sandbox.target.account, sandbox.target.database, sandbox.target.container, "/other")
    there.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)
    assert outcomes(consumer, "dead") == 0
    # A single write names no range, so what is wrong with it is its key.
    met = (410, 1000) if bulk else (400, 1001)
    assert proxy.answers[met] > 0, f"{met} was never met: {proxy.answers}"


def conditions(consumer):
    return {c["name"]: c for c in consumer.get("/readyz").json()["conditions"]}


@BOTH_WAYS
def test_promise_5_a_missing_container_is_waited_for(kafka, topics, begin_watched, bulk):
    sandbox, consumer, load, proxy = begin_watched(bulk)
    with load:
        wait_until(lambda: outcomes(consumer, "written") > ITEMS, 30, "the load to run")
        act(sandbox, "recreate", missing_ms=8000)

        def told():
            condition = conditions(consumer).get("containers", {"ok": True})
            return not condition["ok"] and condition["why"]
        why = wait_until(told, 7, "readyz to say it")
        assert sandbox.target.container in why and sandbox.target.database in why and "does not exist since" in why
        assert not consumer.ready()
        wait_until(consumer.ready, 20, "the container to be found again")
    load.round()
    wait_all(consumer, load)
    sandbox.target.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)
    told = [line for line in consumer.log().splitlines() if "container does not exist" in line]
    assert len(told) == 1, told
    assert proxy.answers[404, 1003] > 0, f"404/1003 was never met: {proxy.answers}"


def test_promise_5_writes_to_a_missing_container_die_where_that_is_wanted(kafka, topics, begin):
    sandbox, consumer, load = begin(consumer_env={"COSMOS_MISSING_CONTAINER": "dead-letter"})
    load.round()
    wait_all(consumer, load)
    sandbox.target.account.client.get_database_client(sandbox.target.database).delete_container(sandbox.target.container)
    load.round()
    wait_until(lambda: outcomes(consumer, "dead") >= ITEMS, 30, "the letters")
    letters = kafka.read_topic(topics.dead_letters)
    assert len(letters) == ITEMS
    assert {dict(m.headers())["wb-error-reason"] for m in letters} == {b"unknown-container"}
    assert sorted(m.value() for m in letters) == sorted(json.dumps(d).encode() for d in load.last)
    sandbox.target.account.create_container(sandbox.target.database, sandbox.target.container, "/pk")
    wait_until(consumer.ready, 20, "the container to be found")
    load.round()
    wait_until(lambda: outcomes(consumer, "written") >= 2 * ITEMS, 30, "what comes after")
    sandbox.target.assert_holds(load.last)
    assert len(kafka.read_topic(topics.dead_letters)) == ITEMS


@pytest.mark.parametrize("substatus, bulk", [(3, True), (1008, True), (3, False)], ids=["3", "1008", "3-point"])
def test_promise_5_a_fail_over_there_and_back_is_followed(kafka, topics, begin, substatus, bulk):
    sandbox, consumer, load = begin({"cosmos.regions": 2}, bulk=bulk)
    with load:
        for moves, to in ((1, 1), (2, 0)):
            written = outcomes(consumer, "written")
            wait_until(lambda: outcomes(consumer, "written") > written + ITEMS, 30, "the load to run")
            act(sandbox, "failover", to=to, substatus=substatus)
            # What was written before it is still being counted, so only this tells that it was met.
            wait_until(lambda n=moves: consumer.metric("writebehind_account_moves_total") == n, 30, "the move")
        written = outcomes(consumer, "written")
        wait_until(lambda: outcomes(consumer, "written") > written + ITEMS, 30, "the load to run")
    wait_all(consumer, load)
    sandbox.target.assert_holds(load.last)
    assert_in_order(sandbox)
    assert_nothing_died(kafka, topics)
    assert consumer.metric("writebehind_account_moves_total") == 2
    assert consumer.metric("writebehind_account_reads_total") < 20
    assert "the account is written to elsewhere now" in consumer.log()
