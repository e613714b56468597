"""The sandbox under clients whose knowledge grows old: every kind of partition key, splits, merges, recreation, fail-over."""

import json
import subprocess
import threading

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.partition_key import NonePartitionKeyValue

from harness.cosmos import Account, Target, own_members
from harness.paths import NODE_DIR, node
from harness.process import wait_until
from harness.wire import Wire, upsert_operation

KINDS = {
    "v1": {"paths": ["/tenant"], "kind": "Hash"},
    "v1-nested": {"paths": ["/user/name"], "kind": "Hash", "version": 1},
    "nested": {"paths": ["/user/name"], "kind": "Hash", "version": 2},
    "multi-hash": {"paths": ["/tenant", "/user/name"], "kind": "MultiHash", "version": 2},
    "multi-hash-of-3": {"paths": ["/tenant", "/user/name", "/n"], "kind": "MultiHash", "version": 2},
}


def change(sandbox, what, **order):
    where = {"database": sandbox.info["database"], "container": sandbox.info["container"]}
    answer = sandbox.post(f"/_sandbox/{what}", json=where | order)
    answer.raise_for_status()
    return answer.json()


def status(answer):
    return answer.status_code, int(answer.headers.get("x-ms-substatus", 0))


@pytest.mark.parametrize("kind", ["v1-nested", "multi-hash"])
def test_javascript_through_splits_and_merges(sandbox, kind):
    definition = json.dumps({"id": kind, "partitionKey": KINDS[kind]})
    done = subprocess.run(
        [node(), NODE_DIR / "sandbox_routing.mjs", sandbox.info["cosmos"], sandbox.info["key"], definition],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "first": [[201], True], "split": [True, [200], True], "merge": [True, [200], True],
        "completing": [[200], True],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_python_through_splits_and_merges(sandbox, kind):
    client = CosmosClient(sandbox.info["cosmos"], sandbox.info["key"])
    database = client.get_database_client(sandbox.info["database"])
    paths = KINDS[kind]["paths"]
    key = PartitionKey(paths if len(paths) > 1 else paths[0], kind=KINDS[kind]["kind"],
                       version=KINDS[kind].get("version", 1))
    container = database.create_container(kind, key)
    shown = container.read()["partitionKey"]
    assert (shown["paths"], shown["kind"]) == (paths, KINDS[kind]["kind"])
    documents = {f"d{i}": {"id": f"d{i}", "tenant": f"t{i % 17}ß", "user": {"name": f"{'u' * (i % 120)}{i % 31}"}, "n": i}
                 for i in range(150)}
    if len(paths) == 1:
        documents["none"] = {"id": "none", "m": 1}
    for document in documents.values():
        container.upsert_item(document)

    def key_of(document):
        values = [document.get(p[1:]) if p.count("/") == 1 else document.get("user", {}).get("name") for p in paths]
        return NonePartitionKeyValue if values == [None] else values if len(values) > 1 else values[0]

    def read():
        for id, document in documents.items():
            assert own_members(container.read_item(id, key_of(document))) == document
        for listed in (container.read_all_items(max_item_count=40),
                       container.query_items("SELECT * FROM c", enable_cross_partition_query=True)):
            assert {d["id"]: own_members(d) for d in listed} == documents

    read()
    etags = {d["id"]: (d["_etag"], d["_ts"], d["_rid"]) for d in container.read_all_items()}
    children = change(sandbox, "split", container=kind)["children"]
    change(sandbox, "split", container=kind, range=children[0])
    read()
    container.upsert_item(documents["d7"])
    wire = Wire(Target(Account(sandbox.info["cosmos"], sandbox.info["key"]), sandbox.info["database"], kind))
    ids = [r["id"] for r in wire.ranges()]
    change(sandbox, "merge", container=kind, ranges=[ids[1], ids[0]])
    read()
    after = {d["id"]: (d["_etag"], d["_ts"], d["_rid"]) for d in container.read_all_items()}
    assert {id for id in after if after[id] != etags[id]} == {"d7"}


def test_python_reads_the_beginning_of_a_hierarchical_key(sandbox):
    client = CosmosClient(sandbox.info["cosmos"], sandbox.info["key"])
    container = client.get_database_client(sandbox.info["database"]).create_container(
        "h", PartitionKey(["/tenant", "/n"], kind="MultiHash"))
    for i in range(60):
        container.upsert_item({"id": f"d{i}", "tenant": f"t{i % 3}", "n": i})
    change(sandbox, "split", container="h")
    found = {d["n"] for d in container.query_items("SELECT * FROM c", partition_key=["t1"])}
    assert found == {i for i in range(60) if i % 3 == 1}


def test_ranges_after_a_split_and_a_merge(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 3})
    wire = Wire(sandbox.target)
    incremental = {"A-IM": "Incremental Feed"}
    first = wire.send("GET", "pkranges", headers=incremental).headers["etag"]
    made = change(sandbox, "split", range="1")
    assert made["children"] == ["3", "4"]
    full = wire.ranges()
    assert [(r["id"], r["parents"]) for r in full] == [("0", []), ("3", ["1"]), ("4", ["1"]), ("2", [])]
    assert all(a["maxExclusive"] == b["minInclusive"] for a, b in zip(full, full[1:]))
    news = wire.send("GET", "pkranges", headers=incremental | {"If-None-Match": first})
    assert [r["id"] for r in news.json()["PartitionKeyRanges"]] == ["3", "4"] and news.headers["etag"] != first
    last = wire.send("GET", "pkranges", headers=incremental | {"If-None-Match": news.headers["etag"]})
    assert last.status_code == 304
    assert change(sandbox, "merge", ranges=["0", "3"])["child"] == "5"
    news = wire.send("GET", "pkranges", headers=incremental | {"If-None-Match": news.headers["etag"]})
    assert [(r["id"], r["parents"]) for r in news.json()["PartitionKeyRanges"]] == [("5", ["0", "1", "3"])]


def test_requests_to_ranges_that_are_gone(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 1})
    wire = Wire(sandbox.target)
    operation = [upsert_operation({"id": "a", "pk": "p"})]
    assert wire.bulk(operation).status_code == 200
    children = change(sandbox, "split", at="10")["children"]
    assert status(wire.bulk(operation)) == (410, 1002)
    assert status(wire.bulk(operation, "77")) == (410, 1002)
    answers = [wire.bulk(operation, child).json()[0] for child in children]
    assert sorted((a["statusCode"], a.get("subStatusCode", 0)) for a in answers) == [(200, 0), (410, 1002)]
    point = {"x-ms-documentdb-is-upsert": "true", "x-ms-documentdb-partitionkey": '["p"]'}
    routed = wire.send("POST", "docs", body='{"id":"a","pk":"p"}',
                       headers=point | {"x-ms-documentdb-partitionkeyrangeid": "0"})
    assert status(routed) == (410, 1002)
    assert wire.upsert({"id": "a", "pk": "p"}).status_code == 200
    stats = sandbox.get("/_sandbox/stats").json()["containers"][0]
    assert stats["ranges"] == 2 and stats["documents"] == 1 and stats["gone_requests"] == 3
    # What the range that is gone had counted is counted still.
    assert stats["operations"]["upsert"] == {"201": 1, "200": 2, "410": 1}


@pytest.mark.parametrize("substatus", [None, 1007, 1008])
def test_a_split_that_goes_on_for_a_while(make_sandbox, substatus):
    sandbox = make_sandbox({"cosmos.ranges": 2})
    wire = Wire(sandbox.target)
    operation = [upsert_operation({"id": "a", "pk": "p"})]
    home = next(i for i in "01" if wire.bulk(operation, i).status_code == 200)
    away = "1" if home == "0" else "0"
    order = {"substatus": substatus} if substatus else {}
    children = change(sandbox, "split", range=home, completing_ms=3000, **order)["children"]
    wanted = (410, substatus or 1007)
    assert status(wire.upsert({"id": "a", "pk": "p"})) == wanted
    assert [status(wire.bulk(operation, i)) for i in [home, *children]] == [wanted] * 3
    assert wire.bulk(operation, away).status_code == 207
    wait_until(lambda: wire.upsert({"id": "a", "pk": "p"}).status_code == 200, 10, "the split to be complete")
    assert status(wire.bulk(operation, home)) == (410, 1002)


def test_a_container_made_anew(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 2})
    wire = Wire(sandbox.target)
    assert wire.upsert({"id": "a", "pk": "p"}).status_code == 201
    old = sandbox.target.proxy.read()["_rid"]
    operation = [upsert_operation({"id": "a", "pk": "p"})]
    made = change(sandbox, "recreate")
    assert made["_rid"] != old and made["partitionKey"]["paths"] == ["/pk"]
    assert [r["id"] for r in wire.ranges()] == ["2", "3"]
    assert {status(wire.bulk(operation, i)) for i in "01"} == {(410, 1000)}
    assert status(wire.bulk(operation, f"{old},2")) == (410, 1000)
    assert status(wire.bulk(operation, "9")) == (410, 1002)
    intended = {"x-ms-cosmos-intended-collection-rid": old, "x-ms-documentdb-partitionkey": '["p"]'}
    link = f"{wire.link}/docs/a"
    assert status(wire.send("GET", "docs", link=link, path="/" + link, headers=intended)) == (400, 1024)
    assert sandbox.target.count() == 0
    assert wire.upsert({"id": "b", "pk": "p"}).status_code == 201
    kept = change(sandbox, "recreate", keep_documents=True)
    assert kept["_rid"] != made["_rid"]
    where = f"database={wire.target.database}&container={wire.target.container}"
    assert [json.loads(line)["id"] for line in sandbox.get("/_sandbox/documents?" + where).text.splitlines()] == ["b"]
    other = {"id": sandbox.info["container"], "partitionKey": {"paths": ["/other"], "kind": "Hash", "version": 2}}
    change(sandbox, "recreate", definition=other, missing_ms=3000)
    assert status(wire.upsert({"id": "b", "pk": "p"})) == (404, 1003)
    assert wire.send("GET", "colls", path="/" + wire.link).status_code == 404
    wait_until(lambda: status(wire.upsert({"id": "b", "pk": "p"})) == (400, 1001), 10, "the new container")


def test_a_container_deleted_and_created_by_a_client(make_sandbox):
    sandbox = make_sandbox({"cosmos.ranges": 2})
    wire = Wire(sandbox.target)
    definition = sandbox.target.proxy.read()
    operation = [upsert_operation({"id": "a", "pk": "p"})]
    assert wire.send("DELETE", "colls", path="/" + wire.link).status_code == 204
    assert status(wire.upsert({"id": "a", "pk": "p"})) == (404, 1003)
    database = f"dbs/{wire.target.database}"
    body = json.dumps({"id": definition["id"], "partitionKey": definition["partitionKey"]})
    made = wire.send("POST", "colls", link=database, path=f"/{database}/colls", body=body)
    assert made.status_code == 201 and made.json()["_rid"] != definition["_rid"]
    assert {status(wire.bulk(operation, i)) for i in "01"} == {(410, 1000)}


def test_fail_over(make_sandbox):
    sandbox = make_sandbox({"cosmos.regions": 3})
    wires = []
    for url in sandbox.info["cosmosRegions"]:
        target = Target(Account(url, sandbox.info["key"]), sandbox.info["database"], sandbox.info["container"])
        wires.append(Wire(target))
    read = f"{wires[0].link}/docs/a"

    def writable(wire):
        account = wire.send("GET", "", link="", path="/").json()
        return [place["databaseAccountEndpoint"].rstrip("/") for place in account["writableLocations"]]

    def states():
        return [status(wire.upsert({"id": "a", "pk": "p"})) for wire in wires]

    def reads():
        headers = {"x-ms-documentdb-partitionkey": '["p"]'}
        return [status(wire.send("GET", "docs", link=read, path="/" + read, headers=headers)) for wire in wires]

    places = sandbox.info["cosmosRegions"]
    assert states() == [(201, 0), (403, 3), (403, 3)] and reads() == [(200, 0)] * 3
    assert [writable(wire) for wire in wires] == [[places[0]]] * 3
    sandbox.post("/_sandbox/failover", json={"to": 1}).raise_for_status()
    assert states() == [(403, 3), (200, 0), (403, 3)] and reads() == [(200, 0)] * 3
    assert [writable(wire) for wire in wires] == [[places[1]]] * 3
    sandbox.post("/_sandbox/failover", json={"to": 2, "substatus": 1008}).raise_for_status()
    assert states() == [(403, 3), (403, 1008), (200, 0)] and reads() == [(200, 0), (403, 1008), (200, 0)]
    assert [writable(wire) for wire in wires] == [[places[2]]] * 3
    sandbox.post("/_sandbox/failover", json={"to": 0}).raise_for_status()
    assert states() == [(200, 0), (403, 1008), (403, 3)]
    client = CosmosClient(places[2], sandbox.info["key"])  # finds the writable location by itself
    proxy = client.get_database_client(sandbox.info["database"]).get_container_client(sandbox.info["container"])
    assert proxy.upsert_item({"id": "by-client", "pk": "p"})["id"] == "by-client"


def test_writers_lose_nothing_while_ranges_change(make_sandbox):
    """Each writer counts its own item up by conditional replaces: one that was lost or applied twice would show."""
    sandbox = make_sandbox({"cosmos.ranges": 2, "cosmos.threads": 4})
    rounds, writers = 150, 4
    failures = []

    def write(number):
        wire = Wire(sandbox.target)
        document = {"id": f"w{number}", "pk": f"p{number}", "n": 0}
        etag = wire.upsert(document).headers["etag"]
        link = f"{wire.link}/docs/w{number}"
        for n in range(1, rounds + 1):
            answer = wire.send("PUT", "docs", link=link, path="/" + link, body=json.dumps(document | {"n": n}),
                               headers={"x-ms-documentdb-partitionkey": json.dumps([document["pk"]]), "If-Match": etag})
            if answer.status_code != 200:
                failures.append((number, n, status(answer)))
                return
            etag = answer.headers["etag"]

    threads = [threading.Thread(target=write, args=(i,)) for i in range(writers)]
    for thread in threads:
        thread.start()
    changes = 0
    while any(thread.is_alive() for thread in threads):
        children = change(sandbox, "split")["children"]
        change(sandbox, "merge", ranges=children)
        changes += 1
    for thread in threads:
        thread.join()
    assert not failures and changes > 10
    sandbox.target.assert_holds([{"id": f"w{i}", "pk": f"p{i}", "n": rounds} for i in range(writers)])
