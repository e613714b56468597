"""The sandbox's Cosmos DB, driven by Microsoft's own clients as they are."""

import json
import subprocess

import pytest
from azure.core import MatchConditions
from azure.cosmos import CosmosClient, PartitionKey, exceptions
from azure.cosmos.partition_key import NonePartitionKeyValue

from harness.cosmos import own_members
from harness.paths import NODE_DIR, node


@pytest.fixture
def container(sandbox):
    """A container made by the Python client, which finds its endpoints by itself, as in life."""
    client = CosmosClient(sandbox.info["cosmos"], sandbox.info["key"])
    database = client.create_database_if_not_exists("by-python")
    return database.create_container_if_not_exists("things", PartitionKey("/pk"))


def test_python_databases_and_containers(sandbox):
    client = CosmosClient(sandbox.info["cosmos"], sandbox.info["key"])
    database = client.create_database("d1")
    with pytest.raises(exceptions.CosmosResourceExistsError):
        client.create_database("d1")
    assert {d["id"] for d in client.list_databases()} == {"d1", sandbox.info["database"]}
    container = database.create_container("c1", PartitionKey("/a/b"))
    with pytest.raises(exceptions.CosmosResourceExistsError):
        database.create_container("c1", PartitionKey("/a/b"))
    properties = container.read()
    assert properties["partitionKey"] == {"paths": ["/a/b"], "kind": "Hash", "version": 2}
    assert [c["id"] for c in database.list_containers()] == ["c1"]
    database.delete_container("c1")
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        container.read()
    client.delete_database("d1")
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        database.read()


def test_python_documents(container):
    made = container.create_item({"id": "a", "pk": "p", "n": 1})
    assert made["_etag"] and made["_rid"] and made["_self"].endswith("/")
    with pytest.raises(exceptions.CosmosResourceExistsError):
        container.create_item({"id": "a", "pk": "p"})
    read = container.read_item("a", "p")
    assert read == made
    read["n"] = 2
    replaced = container.replace_item("a", read, etag=made["_etag"], match_condition=MatchConditions.IfNotModified)
    assert own_members(replaced) == {"id": "a", "pk": "p", "n": 2} and replaced["_etag"] != made["_etag"]
    with pytest.raises(exceptions.CosmosAccessConditionFailedError):
        container.replace_item("a", read, etag=made["_etag"], match_condition=MatchConditions.IfNotModified)
    assert container.upsert_item({"id": "a", "pk": "p", "n": 3})["n"] == 3
    assert container.upsert_item({"id": "a", "pk": "q", "n": 4})["n"] == 4
    assert container.read_item("a", "p")["n"] == 3
    container.delete_item("a", "p")
    with pytest.raises(exceptions.CosmosResourceNotFoundError):
        container.read_item("a", "p")
    assert container.read_item("a", "q")["n"] == 4


def test_python_partition_keys_of_every_kind(container):
    for key in [None, True, False, 0, 5, 1.5, -1e300, "", "é😀", "a/b?c#d e%", "x" * 1000]:
        container.upsert_item({"id": "é with space+%", "pk": key, "v": f"ü {key!r}"})
        read = own_members(container.read_item("é with space+%", key))
        assert read == {"id": "é with space+%", "pk": key, "v": f"ü {key!r}"}


def test_python_document_without_partition_key(container):
    container.upsert_item({"id": "none"})
    assert container.read_item("none", NonePartitionKeyValue)["id"] == "none"


def test_python_lists_everything_page_by_page(container):
    expected = {(f"i{i}", f"p{i % 13}") for i in range(700)}
    for id, key in expected:
        container.upsert_item({"id": id, "pk": key})
    for page_size in (None, 1000, 37):
        listed = [(d["id"], d["pk"]) for d in container.read_all_items(max_item_count=page_size)]
        assert len(listed) == len(expected) and set(listed) == expected
    listed = list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True, max_item_count=50))
    assert len(listed) == len(expected)
    one = list(container.query_items("SELECT * FROM c", partition_key="p3", max_item_count=10))
    assert {(d["id"], d["pk"]) for d in one} == {e for e in expected if e[1] == "p3"}


def test_python_wrong_key_is_refused(sandbox):
    with pytest.raises(exceptions.CosmosHttpResponseError) as refused:
        CosmosClient(sandbox.info["cosmos"], "QUFB" + sandbox.info["key"][4:])
    assert refused.value.status_code == 401


@pytest.mark.parametrize("ranges", [1, 8, 37])
def test_javascript_documents_and_bulk(make_sandbox, ranges):
    sandbox = make_sandbox({"cosmos.ranges": ranges})
    done = subprocess.run([node(), NODE_DIR / "sandbox_client.mjs", sandbox.info["cosmos"], sandbox.info["key"]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    bulk = seen.pop("bulk")
    assert bulk == [201] * 1000
    assert seen == {
        "again": [409, 409],
        "databases": ["by-js", sandbox.info["database"]],
        "containers": ["things"],
        "partitionKey": {"paths": ["/pk"], "kind": "Hash"},
        "create": 201, "createAgain": 409, "read": 1, "replace": 2, "replaceStale": 412,
        "upsert": [201, 200], "delete": 204, "readDeleted": 404,
        "mixed": [409, 200, 200, 204, 404], "mixedRead": 1, "olderBulk": [201, 200],
        "all": 1 + 5 + 1000 - 1 + 1, "ids": 1 + 5 + 1000 - 1 + 1, "inOneKey": True,
        "deleted": [204, 204],
    }


def test_javascript_counts_as_python_does(sandbox):
    documents = [{"id": f"{i}", "pk": f"p{i % 5}", "n": i} for i in range(300)]
    for document in documents:
        sandbox.target.proxy.upsert_item(document)
    sandbox.target.assert_holds(documents)
    sandbox.target.assert_holds_js(documents)
