"""Every operation, through bulk and through single requests, on a real Kafka; read back by both official clients."""

import json
import subprocess
import uuid
from typing import NamedTuple

import pytest
import requests

from harness.cosmos import Target, own_members, same
from harness.paths import NODE_DIR, node
from harness.process import wait_until

PK = "tenant ü"
OTHER_ETAG = '"00000000-0000-0000-0000-000000000000"'


class Work:
    """Writes of one job, published as any Kafka client would, and what became of each: work.outcomes[seq]."""

    def __init__(self, kafka, topics):
        self.kafka, self.topics = kafka, topics
        self.job = uuid.uuid4().hex
        self.count = 0
        self.outcomes = {}
        self.letters = {}

    def publish(self, writes):
        """(key, value, headers); values that are no bytes become JSON. Returns the sequence number of the first."""
        first, records = self.count, []
        for key, value, headers in writes:
            if value is not None and not isinstance(value, bytes):
                value = json.dumps(value).encode()
            names = {"wb-job": self.job, "wb-seq": str(self.count)} | headers
            records.append((key.encode() if key is not None else None, value, list(names.items())))
            self.count += 1
        self.kafka.publish(self.topics.writes, records)
        return first

    def wait(self, timeout_s=40):
        """Waits until all that was published has an outcome; work.letters[seq] are the headers of what is dead."""
        wait_until(self._all_known, timeout_s, f"{self.count} outcomes of job {self.job}", every_s=0.2)
        for message in self.kafka.read_topic(self.topics.dead_letters):
            headers = {name: value.decode() for name, value in message.headers()}
            if headers.get("wb-job") == self.job:
                self.letters[int(headers["wb-seq"])] = headers
        return self.outcomes

    def _all_known(self):
        for message in self.kafka.read_topic(self.topics.results):
            for job in json.loads(message.value()).get("jobs", []):
                if job["job"] == self.job:
                    self._add(job)
        return len(self.outcomes) == self.count

    def _add(self, job):
        for outcome in ("written", "superseded", "dead"):
            borders = job.get(outcome, [])
            for first, last in zip(borders[::2], borders[1::2]):
                for seq in range(first, last + 1):
                    self.outcomes.setdefault(seq, outcome)

    def became(self, seq):
        """"written", "superseded", or the reason of the dead letter."""
        outcome = self.outcomes[seq]
        return self.letters[seq]["wb-error-reason"] if outcome == "dead" else outcome


@pytest.fixture
def work(kafka, topics):
    return Work(kafka, topics)


SANDBOX_WAYS = ["sandbox-bulk", "sandbox-point"]
WAYS = [*SANDBOX_WAYS, "independent-bulk", "independent-point"]


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def place(way, make_sandbox, request):
    """A new, empty container for this way of writing."""
    if way.startswith("sandbox"):
        sandbox = make_sandbox()
        if way == "sandbox-point":
            assert sandbox.post("/_sandbox/bulk", json={"enabled": False}).ok
        return sandbox.target
    server = request.getfixturevalue("private_cosmos_server")
    if way == "independent-point":
        server.refuse_bulk()
    return server.create_container()


class Case(NamedTuple):
    name: str
    before: dict | None  # members of the item before, None: there is none
    headers: dict        # {etag} stands for the item's
    value: object        # a dict is the document's members; anything else is sent as it is
    becomes: str
    after: object        # members of the item in the end, None: there is none; "before": it is as it was


B, N = {"n": 1, "list": [1]}, {"n": 2, "list": []}
CREATE, REPLACE, DELETE, PATCH = ({"wb-op": op} for op in ("create", "replace", "delete", "patch"))
MATCH, WRONG, ABSENT = {"wb-if-match": "{etag}"}, {"wb-if-match": OTHER_ETAG}, {"wb-if-none-match": "*"}
STAR, NONE_MATCH = {"wb-if-match": "*"}, {"wb-if-none-match": "{etag}"}
REPLAY = {"wb-replay-of": "origin/0/1"}

CASES = [
    Case("upsert new", None, {}, N, "written", N),
    Case("upsert existing", B, {}, N, "written", N),
    Case("create new", None, CREATE, N, "written", N),
    Case("create what is there already", N, CREATE, N | {"n": 2.0}, "written", N),
    Case("create what is there otherwise", B, CREATE, N, "conflict", "before"),
    Case("create with star", None, CREATE | ABSENT, N, "written", N),
    Case("replace existing", B, REPLACE, N, "written", N),
    Case("replace absent", None, REPLACE, N, "not-found", None),
    Case("replace if-match right", B, REPLACE | MATCH, N, "written", N),
    Case("replace if-match wrong", B, REPLACE | WRONG, N, "precondition-failed", "before"),
    Case("replace if-match star absent", None, REPLACE | STAR, N, "not-found", None),
    Case("replace if-match wrong, but done", N, REPLACE | WRONG, N, "written", N),
    Case("upsert if-match right", B, MATCH, N, "written", N),
    Case("upsert if-match wrong", B, WRONG, N, "precondition-failed", "before"),
    Case("upsert if-match absent", None, WRONG, N, "written", N),
    Case("upsert if-none-match another etag", B, {"wb-if-none-match": OTHER_ETAG}, N, "written", N),
    Case("upsert if-none-match an etag, absent", None, {"wb-if-none-match": OTHER_ETAG}, N, "written", N),
    Case("upsert if-none-match star new", None, ABSENT, N, "written", N),
    Case("upsert if-none-match star existing", B, ABSENT, N, "precondition-failed", "before"),
    Case("upsert if-none-match star, but done", N, ABSENT, N, "written", N),
    Case("delete existing", B, DELETE, None, "written", None),
    Case("delete absent", None, DELETE, None, "written", None),
    Case("delete if-match right", B, DELETE | MATCH, b"ignored", "written", None),
    Case("delete if-match wrong", B, DELETE | WRONG, None, "precondition-failed", "before"),
    Case("delete if-match absent", None, DELETE | WRONG, None, "written", None),
    Case("replay if-match wrong", B, REPLACE | WRONG | REPLAY, N, "superseded", "before"),
    Case("replay of what is gone", None, REPLACE | WRONG | REPLAY, N, "superseded", None),
    Case("replay of what is gone, without condition", None, REPLACE | REPLAY, N, "not-found", None),
    Case("replay of the absent", B, ABSENT | REPLAY, N, "superseded", "before"),
    Case("replay of the absent, but done", N, ABSENT | REPLAY, N, "written", N),
    Case("replay without condition", B, CREATE, N, "conflict", "before"),
    Case("create with an etag", None, CREATE | WRONG, N, "invalid-header", None),
    Case("delete with star", B, DELETE | ABSENT, None, "invalid-header", "before"),
    Case("two conditions", B, WRONG | ABSENT, N, "invalid-header", "before"),
    Case("too large", B, {}, {"filler": "x" * 2_200_000}, "too-large", "before"),
    Case("an unknown operation", B, {"wb-op": "merge"}, N, "unknown-operation", "before"),
]

PATCHES = [
    Case("patch existing", B, PATCH, {"operations": [
        {"op": "incr", "path": "/n", "value": 4}, {"op": "add", "path": "/list/-", "value": {"x": "ü"}},
        {"op": "set", "path": "/new", "value": None}, {"op": "replace", "path": "/list/0", "value": 7}]},
        "written", {"n": 5, "list": [7, {"x": "ü"}], "new": None}),
    Case("patch in the bare form", B, PATCH, [{"op": "remove", "path": "/list"}], "written", {"n": 1}),
    Case("patch absent", None, PATCH, [{"op": "set", "path": "/n", "value": 1}], "not-found", None),
    Case("patch if-match right", B, PATCH | MATCH, [{"op": "set", "path": "/n", "value": 2}], "written", B | {"n": 2}),
    Case("patch if-match wrong", B, PATCH | WRONG, [{"op": "set", "path": "/n", "value": 2}], "precondition-failed",
         "before"),
    Case("patch with ten operations", B, PATCH, [{"op": "incr", "path": "/n", "value": 1}] * 10, "written", B | {"n": 11}),
    Case("patch with eleven operations", B, PATCH, [{"op": "incr", "path": "/n", "value": 1}] * 11, "bad-request", "before"),
    Case("patch that is none", B, PATCH, b'{"operations":[{"op":"test","path":"/n"}]}', "bad-request", "before"),
    Case("patch of what is not there", B, PATCH, [{"op": "remove", "path": "/never"}], "bad-request", "before"),
]

CONDITIONAL_PATCHES = [
    Case("patch with a condition that holds", B, PATCH, {"operations": [{"op": "incr", "path": "/n", "value": 1}],
                                                        "condition": "from c where c.n = 1"}, "written", B | {"n": 2}),
    Case("patch with a condition that fails", B, PATCH, {"operations": [{"op": "incr", "path": "/n", "value": 1}],
                                                        "condition": "from c where c.n > 1"}, "precondition-failed",
         "before"),
]

# The independent server takes no star for an etag, and knows If-None-Match of an upsert not at all.
RARE_CONDITIONS = [
    Case("upsert if-none-match its etag", B, NONE_MATCH, N, "precondition-failed", "before"),
    Case("upsert if-none-match its etag, but done", N, NONE_MATCH, N, "written", N),
    Case("replace if-match star", B, REPLACE | STAR, N, "written", N),
]

# The independent server has no patch in a bulk.
CASES_OF = {way: CASES + (RARE_CONDITIONS if way in SANDBOX_WAYS else [])
            + ([] if way == "independent-bulk" else PATCHES + CONDITIONAL_PATCHES) for way in WAYS}


def document(case, members):
    return {"id": case.name, "pk": PK} | members


def record(case, etag):
    """The write of a case: key, value, headers."""
    headers = {name: value.replace("{etag}", etag) for name, value in case.headers.items()}
    value = case.value
    if headers.get("wb-op") in ("delete", "patch"):
        headers |= {"wb-id": case.name, "wb-partition-key": json.dumps([PK])}
    elif isinstance(value, dict):
        value = document(case, value)
    return case.name, value, headers


@pytest.mark.timeout(180)
def test_every_operation(way, place, work, start):
    cases = CASES_OF[way]
    etags = {}
    for case in cases:
        if case.before is not None:
            etags[case.name] = place.proxy.create_item(document(case, case.before))["_etag"]
    consumer = start("consumer", [work.topics.env, place.env])
    work.publish([record(case, etags.get(case.name, "")) for case in cases])
    work.wait()
    wrong = [(case.name, work.became(seq), case.becomes, work.letters.get(seq, {}).get("wb-error-message"))
             for seq, case in enumerate(cases) if work.became(seq) != case.becomes]
    assert not wrong
    kept = [document(case, case.before if case.after == "before" else case.after) for case in cases if case.after is not None]
    place.assert_holds(kept)
    place.assert_holds_js(kept)
    for seq, case in enumerate(cases):
        if case.becomes in ("conflict", "precondition-failed", "not-found", "too-large"):
            assert work.letters[seq]["wb-item-etag"] == etags.get(case.name, "absent"), case.name
    # They really went this way.
    operations, requests_sent = (consumer.metric(f"writebehind_cosmos_batch_operations_{part}") for part in ("sum", "count"))
    assert operations > requests_sent > 0 if way.endswith("bulk") else operations == requests_sent > 0


def test_one_items_operations_take_effect_in_their_order(way, place, work, start):
    """A chain over one item: each link only succeeds upon the one before it."""
    start("consumer", [work.topics.env, place.env])
    name = {"wb-id": "chain", "wb-partition-key": json.dumps([PK])}
    links = []
    for i in range(25):
        links += [({"id": "chain", "pk": PK, "n": i}, CREATE), ({"id": "chain", "pk": PK, "n": i, "m": 1}, REPLACE)]
        if way != "independent-bulk":
            links.append(([{"op": "incr", "path": "/m", "value": i}], PATCH | name))
        links.append((None, DELETE | name))
    links.pop()  # the last one stays
    work.publish([("chain", value, headers) for value, headers in links])
    work.wait()
    assert set(work.outcomes.values()) == {"written"}, work.letters
    last = {"id": "chain", "pk": PK, "n": 24, "m": 1 if way == "independent-bulk" else 25}
    place.assert_holds([last])
    place.assert_holds_js([last])


def container(target, name, **definition):
    database = target.account.client.get_database_client(target.database)
    database.create_container(name, **definition)
    return Target(target.account, target.database, name)


def read_js(target, items):
    """Documents without the server's members, None where there is none, by the JavaScript client."""
    done = subprocess.run([node(), NODE_DIR / "read_items.mjs", target.account.endpoint, target.account.key, target.database],
                          input=json.dumps(items), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [own_members(d) if d else None for d in json.loads(done.stdout)]


# Patches of {"n": 1} by 1: members beside the operations, headers, how often one counts whose reply is lost once, what
# becomes of it. docs/GUARANTEES.md says of patches: at least once, unless their own condition ends with them.
LOST = {
    "plain": ({}, {}, 2, "written"),
    "condition-that-it-ends": ({"condition": "from c where c.n = 1"}, {}, 1, "precondition-failed"),
    "condition-that-it-keeps": ({"condition": "from c where c.n > 0"}, {}, 2, "written"),
    "if-match": ({}, MATCH, 1, "precondition-failed"),
}


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_promise_10_a_patch_whose_reply_is_lost_counts_as_is_said(way, place, work, start):
    """Each has a container of its own: what is lost of a request is lost for all in it."""
    from azure.cosmos import PartitionKey
    faults = f"{place.account.endpoint}/_sandbox/faults"
    writes, cases = [], []
    for name, (more, headers, times, outcome) in LOST.items():
        for action in ("reset-after", "reset-before"):
            target = container(place, f"{name}-{action}", partition_key=PartitionKey("/pk"))
            before = target.proxy.create_item({"id": "patched", "pk": PK, "n": 1})
            rule = {"match": {"op": "patch", "container": target.container, "bulk": way == "sandbox-bulk"},
                    "action": action, "count": 1}
            requests.post(faults, json=rule, timeout=10).raise_for_status()
            match = {header: value.replace("{etag}", before["_etag"]) for header, value in headers.items()}
            writes.append((None, {"operations": [{"op": "incr", "path": "/n", "value": 1}]} | more,
                           {"wb-container": target.container, "wb-id": "patched", "wb-partition-key": json.dumps([PK])}
                           | PATCH | match))
            # What was lost before it was applied counts once, whatever its condition.
            cases.append((target, before, *((times, outcome) if action == "reset-after" else (1, "written"))))
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": ",".join(t.container for t, *_ in cases)}])
    work.publish(writes)
    work.wait()
    assert [entry["fired"] for entry in requests.get(faults, timeout=10).json()] == [1] * len(cases)
    for seq, (target, before, times, outcome) in enumerate(cases):
        after = target.proxy.read_item("patched", PK)
        assert (work.became(seq), after["n"]) == (outcome, 1 + times), target.container
        if outcome != "written":
            assert work.letters[seq]["wb-item-etag"] == after["_etag"] != before["_etag"]
            assert work.letters[seq]["wb-error-status"] == "412"


def keys():
    """Containers by how they are partitioned: name → (definition, items of two kinds, each with its partition key)."""
    from azure.cosmos import PartitionKey
    return {
        "v1": (PartitionKey("/t", version=1), lambda i: {"t": f"{'long ' * 30}{i}"}, lambda d: [d["t"]]),
        "nested": (PartitionKey("/a/b", version=2), lambda i: {"a": {"b": i / 4}}, lambda d: [d["a"]["b"]]),
        "quoted": (PartitionKey('/"a b"'), lambda i: {"a b": i % 2 == 0}, lambda d: [d["a b"]]),
        "two": (PartitionKey(["/t", "/u/v"], kind="MultiHash"), lambda i: {"t": f"ü{i}", "u": {"v": i}},
                lambda d: [d["t"], d["u"]["v"]]),
        "three": (PartitionKey(["/t", "/u", "/id"], kind="MultiHash"), lambda i: {"t": "t", "u": None},
                  lambda d: [d["t"], d["u"], d["id"]]),
        "byid": (PartitionKey("/id"), lambda i: {"i": i}, lambda d: [d["id"]]),
    }


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
@pytest.mark.timeout(180)
def test_every_kind_of_partition_key(way, place, work, start):
    kinds = keys()
    for name, (definition, _, _) in kinds.items():
        container(place, name, partition_key=definition)
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": ",".join(kinds)}])
    expected, writes = [], []
    for name, (_, members, key_of) in kinds.items():
        for i in range(12):
            d = {"id": f"{name}-{i}"} | members(i)
            headers = {"wb-container": name}
            named = headers | {"wb-id": d["id"], "wb-partition-key": json.dumps(key_of(d))}
            writes.append((d["id"], d | {"n": 1}, headers | CREATE))
            after = d | {"n": 1}
            if i % 4 == 0:
                writes.append((d["id"], d | {"n": 2}, headers | REPLACE))
                after = d | {"n": 2}
            elif i % 4 == 1:
                writes.append((d["id"], [{"op": "incr", "path": "/n", "value": 2}], named | PATCH))
                after = d | {"n": 3}
            elif i % 4 == 2:
                writes.append((d["id"], b"", named | DELETE))
                after = None
            else:
                writes.append((d["id"], d, headers | {"wb-partition-key": json.dumps(key_of(d))}))
                after = d
            expected.append((name, d["id"], key_of(d), after))
    work.publish(writes)
    work.wait()
    assert set(work.outcomes.values()) == {"written"}, work.letters
    for name, id, key, after in expected:
        value = key if len(key) > 1 else key[0]
        found = Target(place.account, place.database, name).read(id, value)
        assert found is None if after is None else same(found, after), (name, id, found, after)
    found = read_js(place, [{"container": name, "id": id, "partitionKey": key if len(key) > 1 else key[0]}
                            for name, id, key, _ in expected])
    assert found == [after for _, _, _, after in expected]


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_without_partition_key(way, place, work, start):
    from azure.cosmos import PartitionKey
    from azure.cosmos.partition_key import NonePartitionKeyValue
    container(place, "v1", partition_key=PartitionKey("/a/b", version=1))
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": "docs,v1"}])
    wanted = {}
    for name in (place.container, "v1"):
        here = {} if name == place.container else {"wb-container": name}
        named = here | {"wb-partition-key": "[{}]"}
        work.publish([
            ("kept", {"id": "kept", "a": 1}, here | CREATE), ("kept", {"id": "kept", "a": {"c": 2}}, named | REPLACE),
            ("patched", {"id": "patched"}, here),
            ("patched", [{"op": "set", "path": "/x", "value": 1}], named | PATCH | {"wb-id": "patched"}),
            ("gone", {"id": "gone"}, here), ("gone", None, named | DELETE | {"wb-id": "gone"}),
            ("null", {"id": "null", "pk": None, "a": {"b": None}}, here)])
        wanted[name] = {"kept": {"id": "kept", "a": {"c": 2}}, "patched": {"id": "patched", "x": 1}, "gone": None}
    work.wait()
    assert set(work.outcomes.values()) == {"written"}, work.letters
    for name, items in wanted.items():
        target = Target(place.account, place.database, name)
        assert {id: target.read(id, NonePartitionKeyValue) for id in items} == items
        assert target.read("null", None) is not None and target.read("null", NonePartitionKeyValue) is None
        assert read_js(place, [{"container": name, "id": id} for id in items]) == list(items.values())


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_a_hierarchical_key_without_some_of_its_paths(way, place, work, start):
    """Items that differ in nothing but which of the paths they have: each is one of its own."""
    from azure.cosmos import PartitionKey
    container(place, "two", partition_key=PartitionKey(["/t", "/u/v"], kind="MultiHash"))
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": "two"}])
    keys = {"both": {"t": "x", "u": {"v": 1}}, "no second": {"t": "x"}, "null second": {"t": "x", "u": {"v": None}},
            "no leaf": {"t": "y", "u": {"w": 1}}, "no first": {"u": {"v": 1}}, "neither": {}}
    key_of = {"both": ["x", 1], "no second": ["x", {}], "null second": ["x", None], "no leaf": ["y", {}],
              "no first": [{}, 1], "neither": [{}, {}]}
    here, expected = {"wb-container": "two"}, []
    for name, members in keys.items():
        key = {"wb-partition-key": json.dumps(key_of[name])}
        expected += [("kept", name, members | {"is": name, "n": 2}), ("patched", name, members | {"is": name, "n": 3}),
                     ("gone", name, None)]
        work.publish([
            (f"kept {name}", {"id": "kept", "is": name} | members, here | CREATE),
            (f"kept {name}", {"id": "kept", "is": name, "n": 2} | members, here | key | REPLACE),
            (f"patched {name}", {"id": "patched", "is": name, "n": 1} | members, here | key),
            (f"patched {name}", [{"op": "incr", "path": "/n", "value": 2}], here | key | PATCH | {"wb-id": "patched"}),
            (f"gone {name}", {"id": "gone", "is": name} | members, here),
            (f"gone {name}", None, here | key | DELETE | {"wb-id": "gone"})])
    work.wait()
    assert set(work.outcomes.values()) == {"written"}, work.letters
    target = Target(place.account, place.database, "two")
    kept = [{"id": id} | document for id, _, document in expected if document]
    by_text = sorted(kept, key=lambda d: (d["id"], d["is"]))
    assert same(sorted(map(own_members, target.all()), key=lambda d: (d["id"], d["is"])), by_text)
    found = read_js(target, [{"container": "two", "id": id, "partitionKey": key_of[name]} for id, name, _ in expected])
    assert found == [{"id": id} | document if document else None for id, _, document in expected]


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_documents_that_live_for_a_time(way, place, work, start):
    from azure.cosmos import PartitionKey
    container(place, "short", partition_key=PartitionKey("/pk"), default_ttl=-1)
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": "short"}])
    here = {"wb-container": "short"}
    target = Target(place.account, place.database, "short")
    work.publish([("soon", {"id": "soon", "pk": "p", "ttl": 2, "n": 1}, here | CREATE),
                  ("late", {"id": "late", "pk": "p", "ttl": 3600}, here), ("ever", {"id": "ever", "pk": "p"}, here)])
    work.wait()
    wait_until(lambda: target.read("soon", "p") is None, 20, "the end of a time to live")
    seq = work.publish([("soon", {"id": "soon", "pk": "p", "ttl": 3600, "n": 2}, here | CREATE)])
    work.wait()
    assert work.became(seq) == "written"
    kept = [{"id": "soon", "pk": "p", "ttl": 3600, "n": 2}, {"id": "late", "pk": "p", "ttl": 3600}, {"id": "ever", "pk": "p"}]
    target.assert_holds(kept)
    target.assert_holds_js(kept)


@pytest.mark.parametrize("policy", ["delete", "dead-letter"])
@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_tombstones(way, place, work, start, policy):
    from azure.cosmos import PartitionKey
    byid = container(place, "byid", partition_key=PartitionKey("/id"))
    place.proxy.create_item({"id": "a", "pk": "p"})
    place.proxy.create_item({"id": "b", "pk": "p"})
    byid.proxy.create_item({"id": "c"})
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": "byid"}], {"consumer.tombstones": policy})
    pk, there = {"wb-partition-key": '["p"]'}, {"wb-container": "byid"}
    records = [("a", None, pk), ("not its id", None, pk | {"wb-id": "b"}), ("c", None, there), ("never was", None, there),
               ("a", None, {}), (None, None, there), ("a", b"", pk)]
    work.publish(records)
    work.wait()
    became = [work.became(seq) for seq in range(len(records))]
    if policy == "delete":
        assert became == ["written"] * 4 + ["missing-partition-key", "missing-id", "invalid-json"]
        place.assert_holds([])
        byid.assert_holds([])
    else:
        assert became == ["tombstone"] * 6 + ["invalid-json"]
        place.assert_holds([{"id": "a", "pk": "p"}, {"id": "b", "pk": "p"}])
        place.assert_holds_js([{"id": "a", "pk": "p"}, {"id": "b", "pk": "p"}])


@pytest.mark.parametrize("way", SANDBOX_WAYS, indirect=True)
def test_a_unique_key_that_an_earlier_write_frees(way, make_sandbox, place, work, start):
    """The earlier write is held up by the service, so the later one meets its conflict first, and waits for it."""
    from azure.cosmos import PartitionKey
    target = container(place, "unique", partition_key=PartitionKey("/pk"),
                       unique_key_policy={"uniqueKeys": [{"paths": ["/mail"]}]})
    target.proxy.create_item({"id": "first", "pk": "p", "mail": "m@example.org"})
    faults = f"{place.account.endpoint}/_sandbox/faults"
    rule = {"match": {"id": "first", "op": "upsert"}, "scope": "operation", "status": 449}
    requests.post(faults, json=rule, timeout=10).raise_for_status()

    def conflicts():
        stats = requests.get(f"{place.account.endpoint}/_sandbox/stats", timeout=10).json()
        operations = next(c for c in stats["containers"] if c["container"] == "unique")["operations"]
        return operations.get("upsert", {}).get("409", 0)
    start("consumer", [work.topics.env, place.env, {"COSMOS_CONTAINERS": "unique"}])
    here = {"wb-container": "unique"}
    work.publish([("p", {"id": "first", "pk": "p", "mail": "other@example.org"}, here),
                  ("p", {"id": "second", "pk": "p", "mail": "m@example.org"}, here),
                  ("p", {"id": "third", "pk": "p", "mail": "m@example.org"}, here),
                  ("p", {"id": "elsewhere", "pk": "q", "mail": "m@example.org"}, here)])
    wait_until(lambda: conflicts() == 2, 20, "both to meet the conflict")
    requests.delete(faults, timeout=10).raise_for_status()
    work.wait()
    assert work.became(0) == "written" and work.became(3) == "written"
    assert conflicts() == 3, "both met the conflict, one of them a second time"
    # Who of the two gets the freed key is nobody's promise; the other one dies of it.
    assert sorted([work.became(1), work.became(2)]) == ["conflict", "written"]
    winner = "second" if work.became(1) == "written" else "third"
    kept = [{"id": "first", "pk": "p", "mail": "other@example.org"}, {"id": winner, "pk": "p", "mail": "m@example.org"},
            {"id": "elsewhere", "pk": "q", "mail": "m@example.org"}]
    target.assert_holds(kept)
    target.assert_holds_js(kept)
