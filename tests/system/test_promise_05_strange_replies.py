"""Promise 5: answers that make no sense are nobody's poison. Each kind of strange answer has a container of its own, so
that one consumer meets all of them at once: while they last nothing is taken for written and nothing dies, and when they
are gone every write takes effect, in the order of its item."""

import json
import select
import socket
import time
from collections import defaultdict

import pytest

from harness.group import journal, journal_on, wait_committed
from harness.process import wait_until

OPERATIONS = ("create", "upsert", "replace", "delete")
ITEMS = 6       # of each kind of write
MEETINGS = 4    # one more than it takes until a request that fails again and again is split
PK = "p"


def whole(status, substatus=0, **more):
    return {"scope": "request", "status": status, "substatus": substatus} | more


def each(status, substatus=0, **more):
    return {"status": status, "substatus": substatus} | more


STRANGE = {
    "garbage": {"action": "garbage"},
    "garbage-502": {"action": "garbage", "status": 502},
    "redirect-302": {"status": 302, "location": "{elsewhere}"},
    "redirect-307": {"status": 307, "location": "{elsewhere}"},
    "redirect-nowhere": whole(308),
    "reset-after": {"action": "reset-after"},
    "no-write-at-all": whole(200),
    "whole-400-1001": whole(400, 1001),
    "whole-401": whole(401),
    "whole-403": whole(403),
    "whole-403-3": whole(403, 3),
    "whole-404-1002": whole(404, 1002),
    "whole-404-1003": whole(404, 1003),
    "whole-407": whole(407),
    "whole-408": whole(408),
    "whole-410-1000": whole(410, 1000),
    "whole-410-1002": whole(410, 1002),
    "whole-418": whole(418),
    "whole-424": whole(424),
    "whole-429": whole(429, 3200, retry_after_ms=20),
    "whole-429-3092": whole(429, 3092),
    "whole-449": whole(449),
    "whole-500": whole(500),
    "whole-503": whole(503),
    "each-400-1001": each(400, 1001),
    "each-403": each(403),
    "each-404-1003": each(404, 1003),
    "each-410-1000": each(410, 1000),
    "each-413-3402": each(413, 3402),
    "each-418": each(418),
    "each-424": each(424),
    "each-449": each(449),
    "each-500": each(500),
}
# Of a body: a single write's reply has none to be cut.
OF_BULK_ALONE = {
    "truncate": {"action": "truncate"},
    "short-array": {"action": "short-array"},
    "long-array": {"action": "long-array"},
}


class Place:
    """One container, and what happens to the writes to it."""

    def __init__(self, account, database, name):
        self.name = name
        self.target = account.create_container(database, name)

    def record(self, name, version, op="upsert"):
        value, headers = json.dumps({"id": name, "pk": PK, "v": version}), {"wb-op": op, "wb-container": self.name}
        if op == "delete":
            value, headers = None, headers | {"wb-id": name, "wb-partition-key": json.dumps([PK])}
        return f"{self.name}/{name}", value, list(headers.items())

    def before(self):
        return [self.record(f"{kind}-{i}", 0) for kind in ("old", "gone") for i in range(ITEMS)]

    def during(self):
        records = []
        for i in range(ITEMS):
            records += [self.record(f"new-{i}", 1), self.record(f"made-{i}", 1, "create"), self.record(f"new-{i}", 2),
                        self.record(f"old-{i}", 1, "replace"), self.record(f"gone-{i}", 1, "delete")]
        return records

    def after(self):
        """What it holds in the end."""
        return [{"id": f"{kind}-{i}", "pk": PK, "v": version}
                for kind, version in (("new", 2), ("made", 1), ("old", 1)) for i in range(ITEMS)]

    def rules(self, fault):
        """For writes alone: reading the container's definition, its ranges and its items goes on."""
        return [fault | {"match": {"op": op, "container": self.name}} for op in OPERATIONS]


@pytest.fixture(params=["bulk", "point"])
def bulk(request):
    return request.param == "bulk"


@pytest.fixture
def elsewhere():
    """A server that nobody may ask: the socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def fired(sandbox):
    """container → how often its rules decided."""
    counts = defaultdict(int)
    for entry in sandbox.get("/_sandbox/faults").json():
        counts[entry["rule"]["match"]["container"]] += entry["fired"]
    return counts


def ends(consumer):
    return consumer.metric("writebehind_outcomes_total")


def assert_in_order(sandbox):
    """No item went back to an older version, however often its writes were sent."""
    versions = defaultdict(list)
    for line in journal(sandbox):
        if "document" in line:
            versions[line["container"], line["id"]].append(line["document"]["v"])
    assert all(seen == sorted(seen) for seen in versions.values())


def begin(topics, make_sandbox, start, bulk, names):
    """Sandbox with its journal on, a consumer that has written to every one of these containers, the containers."""
    sandbox = make_sandbox({"cosmos.ranges": 1})
    assert sandbox.post("/_sandbox/bulk", json={"enabled": bulk}).ok
    journal_on(sandbox)
    places = {name: Place(sandbox.target.account, sandbox.target.database, name) for name in names}
    consumer = start("consumer", [topics.env, sandbox.target.env, {"COSMOS_CONTAINERS": ",".join(names)}])
    known = [record for place in places.values() for record in place.before()]
    topics.broker.publish(topics.writes, known)
    wait_until(lambda: ends(consumer) >= len(known), 30, "every container to be known")
    return sandbox, consumer, places


@pytest.mark.timeout(180)
def test_promise_5_strange_answers_are_waited_out(topics, make_sandbox, start, elsewhere, bulk):
    strange = STRANGE | (OF_BULK_ALONE if bulk else {})
    sandbox, consumer, places = begin(topics, make_sandbox, start, bulk, strange)
    address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
    for name, fault in strange.items():
        if "location" in fault:
            fault = fault | {"location": address}
        assert sandbox.post("/_sandbox/faults", json=places[name].rules(fault)).ok, name
    before = ends(consumer)
    for place in places.values():
        topics.broker.publish(topics.writes, place.during())
    wait_until(lambda: all(fired(sandbox)[name] >= MEETINGS for name in strange), 60, "every strange answer to be met")
    time.sleep(2)  # most are met again
    assert ends(consumer) == before, "a strange answer was taken for an outcome"
    for status in {fault["status"] for fault in strange.values() if fault.get("scope") == "request"}:
        assert consumer.metric("writebehind_cosmos_requests_total", status=str(status)) > 0, status

    assert sandbox.delete("/_sandbox/faults").ok
    wait_committed(topics)
    for name, place in places.items():
        differences = place.target.differences(place.after())
        assert not any(differences.values()), (name, differences)
    assert_in_order(sandbox)
    assert topics.broker.read_topic(topics.dead_letters) == []
    assert consumer.metric("writebehind_outcomes_total", outcome="dead") == 0
    assert not select.select([elsewhere], [], [], 0)[0], "a redirect was followed"
    wait_until(consumer.ready, 20, "readyz to be content again")


def test_promise_5_a_full_partition_condemns_its_write_alone(topics, make_sandbox, start, bulk):
    """Said of one operation in the reply, and of the whole request that has the operation in it."""
    sandbox, consumer, places = begin(topics, make_sandbox, start, bulk, ["alone", "in-the-whole"])
    for name, fault in (("alone", each(403, 1014)), ("in-the-whole", whole(403, 1014))):
        rule = fault | {"match": {"op": "upsert", "container": name, "id": "full"}}
        assert sandbox.post("/_sandbox/faults", json=rule).ok
    full = [place.record("full", 1) for place in places.values()]
    for place, record in zip(places.values(), full):
        records = place.during()
        topics.broker.publish(topics.writes, records[:9] + [record] + records[9:])
    wait_committed(topics)
    for place in places.values():
        place.target.assert_holds(place.after())
    letters = topics.broker.read_topic(topics.dead_letters)
    assert sorted(m.key().decode() for m in letters) == sorted(key for key, _, _ in full)
    for headers in (dict(m.headers()) for m in letters):
        assert headers["wb-error-reason"] == b"partition-full" and headers["wb-item-etag"] == b"absent"
        assert (headers["wb-error-status"], headers["wb-error-substatus"]) == (b"403", b"1014")
    assert consumer.metric("writebehind_outcomes_total", outcome="dead") == len(full)
    wait_until(consumer.ready, 10, "readyz to be content")
