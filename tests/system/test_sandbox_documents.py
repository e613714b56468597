"""What the sandbox's Cosmos DB knows of documents: patch, unique keys, time to live, etags, faults and the journal."""

import json
import subprocess
import time

import pytest
import requests
from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey, exceptions

from harness.cosmos import own_members
from harness.paths import NODE_DIR, node
from harness.wire import Wire, upsert_operation


def make_container(sandbox, **policies):
    client = CosmosClient(sandbox.info["cosmos"], sandbox.info["key"])
    database = client.create_database_if_not_exists("by-python")
    return database.create_container("things", PartitionKey("/pk"), **policies)


@pytest.fixture
def one(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 1})
    sandbox.wire = Wire(sandbox.target)
    return sandbox


def status_of(call, *args, **kwargs):
    with pytest.raises(exceptions.CosmosHttpResponseError) as refused:
        call(*args, **kwargs)
    return refused.value.status_code


def test_python_patches(sandbox):
    container = make_container(sandbox)
    made = container.create_item({"id": "a", "pk": "p", "n": 1, "tags": ["x"], "deep": {"er": True}})
    patched = container.patch_item("a", "p", [
        {"op": "add", "path": "/color", "value": "silver"},
        {"op": "remove", "path": "/deep/er"},
        {"op": "incr", "path": "/n", "value": 1.5},
        {"op": "add", "path": "/tags/-", "value": "y"},
        {"op": "move", "from": "/color", "path": "/deep/color"},
    ])
    assert own_members(patched) == {"id": "a", "pk": "p", "n": 2.5, "tags": ["x", "y"], "deep": {"color": "silver"}}
    one_more = [{"op": "incr", "path": "/n", "value": 1}]
    assert container.patch_item("a", "p", one_more, filter_predicate="from c where c.n = 2.5")["n"] == 3.5
    patch = container.patch_item
    assert status_of(patch, "a", "p", one_more, filter_predicate="from c where c.n = 2.5") == 412
    assert status_of(patch, "a", "p", one_more, filter_predicate="c.n = 3.5") == 400
    assert status_of(patch, "a", "p", one_more, etag=made["_etag"],
                     match_condition=MatchConditions.IfNotModified) == 412
    assert status_of(patch, "a", "p", one_more * 11) == 400
    assert status_of(patch, "a", "p", [{"op": "set", "path": "/pk", "value": "q"}]) == 400
    assert status_of(patch, "b", "p", one_more) == 404
    assert container.read_item("a", "p")["n"] == 3.5


def test_python_unique_keys(sandbox):
    container = make_container(sandbox, unique_key_policy={"uniqueKeys": [{"paths": ["/mail"]}]})
    container.create_item({"id": "a", "pk": "p", "mail": "x"})
    assert status_of(container.create_item, {"id": "b", "pk": "p", "mail": "x"}) == 409
    assert status_of(container.upsert_item, {"id": "b", "pk": "p", "mail": "x"}) == 409
    container.upsert_item({"id": "b", "pk": "q", "mail": "x"})
    container.delete_item("a", "p")
    container.create_item({"id": "b", "pk": "p", "mail": "x"})
    for _ in range(4):
        sandbox.post("/_sandbox/split", json={"database": "by-python", "container": "things"}).raise_for_status()
    assert status_of(container.upsert_item, {"id": "c", "pk": "p", "mail": "x"}) == 409


def test_python_time_to_live(sandbox):
    container = make_container(sandbox, default_ttl=1)
    container.create_item({"id": "a", "pk": "p"})
    container.create_item({"id": "ever", "pk": "p", "ttl": -1})
    assert status_of(container.create_item, {"id": "b", "pk": "p", "ttl": 0}) == 400
    time.sleep(2.1)
    assert status_of(container.read_item, "a", "p") == 404
    assert status_of(container.replace_item, "a", {"id": "a", "pk": "p"}) == 404
    assert [d["id"] for d in container.read_all_items()] == ["ever"]
    container.create_item({"id": "a", "pk": "p"})


def test_python_etags(sandbox):
    container = make_container(sandbox)
    first = container.create_item({"id": "a", "pk": "p", "n": 1})
    unchanged = {"match_condition": MatchConditions.IfNotModified}
    second = container.replace_item("a", {"id": "a", "pk": "p", "n": 2}, etag=first["_etag"], **unchanged)
    assert status_of(container.replace_item, "a", {"id": "a", "pk": "p"}, etag=first["_etag"], **unchanged) == 412
    assert status_of(container.upsert_item, {"id": "a", "pk": "p"}, etag=first["_etag"], **unchanged) == 412
    assert status_of(container.delete_item, "a", "p", etag=first["_etag"], **unchanged) == 412
    assert status_of(container.create_item, {"id": "a", "pk": "p"}) == 409
    container.delete_item("a", "p", etag=second["_etag"], **unchanged)
    assert container.upsert_item({"id": "a", "pk": "p"}, etag=second["_etag"], **unchanged)["id"] == "a"


def test_javascript_documents(sandbox):
    done = subprocess.run([node(), NODE_DIR / "sandbox_documents.mjs", sandbox.info["cosmos"], sandbox.info["key"]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "uniqueKeyPolicy": [{"paths": ["/mail", "/name/first"]}],
        "patch": {"id": "a", "pk": "p", "mail": "m", "n": 5, "list": [0, 9, 2, {"z": None}], "out": {"x": "y"}},
        "patchIf": [200, 412, 400, 400, 400, 400, 412, 404], "n": 5,
        "unique": [409, 409, 201, 201, 409, 409],
        "bulk": [200, 412, 409, 412, 412, 204], "bulkN": 15,
        "expired": [404, ["ap", "bp"], 201],
    }


def journal(sandbox, after=0):
    answer = sandbox.get(f"/_sandbox/journal?after={after}")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_journal_has_every_write_that_took_effect(one):
    def faults(*rules):
        requests.delete(one.info["cosmos"] + "/_sandbox/faults", timeout=5).raise_for_status()
        one.post("/_sandbox/faults", json=list(rules)).raise_for_status()

    one.wire.upsert({"id": "before", "pk": "p"})
    one.post("/_sandbox/journal", json={"enabled": True}).raise_for_status()
    assert journal(one) == []
    one.wire.session.headers["User-Agent"] = "tester/1"
    one.wire.upsert({"id": "a", "pk": "p", "n": 1})
    one.wire.bulk([upsert_operation({"id": "a", "pk": "p", "n": 2}), {"operationType": "Delete", "id": "absent",
                                                                     "partitionKey": '["p"]'},
                   {"operationType": "Patch", "id": "a", "partitionKey": '["p"]',
                    "resourceBody": {"operations": [{"op": "incr", "path": "/n", "value": 1}]}},
                   {"operationType": "Delete", "id": "a", "partitionKey": '["p"]'}])
    faults({"match": {"id": "lost"}, "status": 503}, {"match": {"id": "kept"}, "status": 503, "applied": True},
           {"match": {"id": "reset"}, "action": "reset-after"}, {"match": {"id": "hung"}, "action": "reset-before"})
    assert one.wire.upsert({"id": "lost", "pk": "p"}).status_code == 503
    assert one.wire.upsert({"id": "kept", "pk": "p"}).status_code == 503
    for id in ("reset", "hung"):
        with pytest.raises(requests.ConnectionError):
            one.wire.upsert({"id": id, "pk": "p"})
    lines = journal(one)
    assert [(x["op"], x["id"], x["status"], x.get("document", {}).get("n")) for x in lines] == [
        ("upsert", "a", 201, 1), ("upsert", "a", 200, 2), ("patch", "a", 200, 3), ("delete", "a", 204, None),
        ("upsert", "kept", 201, None), ("upsert", "reset", 201, None)]
    assert [x["n"] for x in lines] == list(range(1, 7))
    assert lines[0]["client"] == "tester/1" and lines[0]["pk"] == ["p"] and lines[0]["etag"]
    assert abs(lines[0]["at_ms"] - time.time() * 1000) < 60000
    assert [x["n"] for x in journal(one, 4)] == [5, 6]
    requests.delete(one.info["cosmos"] + "/_sandbox/journal", timeout=5).raise_for_status()
    assert journal(one) == []


def test_replies_that_are_wrong(one):
    two = [upsert_operation({"id": f"d{i}", "pk": "p"}) for i in range(2)]

    def bulk_with(rule, client="someone"):
        requests.delete(one.info["cosmos"] + "/_sandbox/faults", timeout=5).raise_for_status()
        one.post("/_sandbox/faults", json=rule).raise_for_status()
        one.wire.session.headers["User-Agent"] = client
        return one.wire.bulk(two)

    assert [len(bulk_with({"action": a}).json()) for a in ("short-array", "long-array")] == [1, 3]
    garbled = bulk_with({"action": "garbage", "status": 207})
    assert garbled.status_code == 207
    with pytest.raises(ValueError):
        garbled.json()
    with pytest.raises(requests.RequestException):
        _ = bulk_with({"action": "truncate"}).content
    too_large = bulk_with({"scope": "request", "status": 413, "substatus": 3402})
    assert too_large.status_code == 413 and too_large.headers["x-ms-substatus"] == "3402"
    each = bulk_with({"match": {"id": "d1"}, "status": 413, "substatus": 3402})
    assert each.status_code == 207
    assert [(x["statusCode"], x.get("subStatusCode")) for x in each.json()] == [(200, None), (413, 3402)]
    assert [x["statusCode"] for x in bulk_with({"status": 424}).json()] == [424, 424]
    rule = {"match": {"client": "writebehind-"}, "scope": "request", "status": 503}
    assert bulk_with(rule, "writebehind-consumer/1").status_code == 503
    assert bulk_with(rule).ok


def test_a_redirect_names_its_target(one):
    one.post("/_sandbox/faults", json={"count": 1, "status": 307, "location": "http://127.0.0.1:9/x"}).raise_for_status()
    link = one.wire.link
    headers = one.wire.headers("GET", "colls", link)
    answer = requests.get(f"{one.info['cosmos']}/{link}", headers=headers, allow_redirects=False, timeout=5)
    assert answer.status_code == 307 and answer.headers["Location"] == "http://127.0.0.1:9/x"


def test_a_bad_document_fails_alone(one):
    raw = ('[{"operationType":"Upsert","partitionKey":"[\\"p\\"]","resourceBody":{"id":"a","pk":"p"}},'
           '{"operationType":"Upsert","partitionKey":"[\\"p\\"]","resourceBody":{"id":"b","id":"b","pk":"p"}}]')
    answer = one.wire.bulk(raw)
    assert answer.status_code == 207 and [x["statusCode"] for x in answer.json()] == [201, 400]
    assert one.wire.bulk(raw[:-1]).status_code == 400
