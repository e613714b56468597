"""Cosmos DB as the tests see it: a server that is not ours, and the official clients as witnesses."""

import base64
import json
import os
import subprocess
import tempfile
import uuid

import requests

from harness.paths import NODE_DIR, node
from harness.process import Process

SYSTEM_MEMBERS = {"_rid", "_self", "_etag", "_attachments", "_ts"}


def same(a, b):
    """Equality as JSON means it: 1 equals 1.0, but no number equals a boolean, as it does in Python."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def member_at(document, path):
    """member_at({"a": {"b": 1}}, "/a/b") → 1; None where it is absent."""
    for name in path.strip("/").split("/"):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def own_members(document):
    return {k: v for k, v in document.items() if k not in SYSTEM_MEMBERS}


class Account:
    """An endpoint with its key, through the official Python client."""

    def __init__(self, endpoint, key):
        self.endpoint = endpoint
        self.key = key
        self._client = None

    @property
    def client(self):
        if self._client is None:
            from azure.cosmos import CosmosClient
            # Emulators advertise addresses of their own (https, another host): stay at the one that was given.
            self._client = CosmosClient(self.endpoint, self.key, enable_endpoint_discovery=False)
        return self._client

    def create_container(self, database=None, container="docs", partition_key="/pk"):
        """Creates a database (a new name unless given) and a container in it; returns a Target."""
        from azure.cosmos import PartitionKey
        database = database or f"db-{uuid.uuid4().hex[:12]}"
        self.client.create_database_if_not_exists(database)
        self.client.get_database_client(database).create_container_if_not_exists(
            container, PartitionKey(path=partition_key))
        return Target(self, database, container, partition_key)


class Target:
    """One container: where programs write, and where the tests look."""

    def __init__(self, account, database, container, partition_key="/pk"):
        self.account = account
        self.database = database
        self.container = container
        self.partition_key = partition_key

    @property
    def env(self):
        """What a Writebehind program needs to write here."""
        return {"COSMOS_ENDPOINT": self.account.endpoint, "COSMOS_KEY": self.account.key,
                "COSMOS_DATABASE": self.database, "COSMOS_CONTAINER": self.container}

    @property
    def proxy(self):
        """azure-cosmos's ContainerProxy: create_item, upsert_item, read_item, read_all_items, ..."""
        return self.account.client.get_database_client(self.database).get_container_client(self.container)

    def all(self):
        """Every document, with the server's own members."""
        return list(self.proxy.read_all_items(max_item_count=1000))

    def read(self, id, partition_key):
        """The document without the server's members, or None if there is none."""
        from azure.cosmos.exceptions import CosmosResourceNotFoundError
        try:
            return own_members(self.proxy.read_item(id, partition_key))
        except CosmosResourceNotFoundError:
            return None

    def count(self):
        return len(self.all())

    def differences(self, expected):
        """What is not as `expected` (documents; a later one replaces an earlier one with the same identity):
        {"missing": [...], "different": [...], "extra": [...]} of (partition key, id), all empty if all is well."""
        wanted = {self._name(d): d for d in expected}
        report = {"missing": [], "different": [], "extra": []}
        seen = set()
        for document in self.all():
            name = self._name(document)
            if name in seen or name not in wanted:
                report["extra"].append(name)
            elif not same(own_members(document), own_members(wanted[name])):
                report["different"].append(name)
            seen.add(name)
        report["missing"] = [name for name in wanted if name not in seen]
        return report

    def _name(self, document):
        return json.dumps(member_at(document, self.partition_key)), document["id"]

    def assert_holds(self, expected):
        """Fails unless the container holds exactly these documents, by the Python client."""
        report = self.differences(expected)
        counts = {kind: len(names) for kind, names in report.items()}
        assert not any(counts.values()), f"{counts}, such as { {k: v[:3] for k, v in report.items()} }"

    def assert_holds_js(self, expected, points=200):
        """The same by the JavaScript client. `expected`: documents, or the path of an NDJSON file."""
        report = self.readback_js(expected, points)
        assert report["exit"] == 0, report

    def readback_js(self, expected, points=200):
        """readback.mjs's report, with its exit code as "exit"."""
        if isinstance(expected, (str, os.PathLike)):
            return self._readback_js(expected, points)
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as file:
            for document in expected:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
            file.flush()
            return self._readback_js(file.name, points)

    def _readback_js(self, path, points):
        done = subprocess.run(
            [node(), NODE_DIR / "readback.mjs", self.account.endpoint, self.account.key, self.database, self.container,
             path, self.partition_key, "--points", str(points)], capture_output=True, text=True, timeout=600)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"readback.mjs: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1]) | {"exit": done.returncode}


class CosmosServer(Account):
    """The independent server of node/cosmos_server.mjs, running. It keeps everything in memory: a restart is empty."""

    def __init__(self, directory, port=0):
        key = base64.b64encode(os.urandom(64)).decode()
        super().__init__(None, key)
        env = {"PATH": os.environ["PATH"], "COSMOS_KEY": key, "NODE_OPTIONS": "--max-old-space-size=2048"}
        self.process = Process([node(), NODE_DIR / "cosmos_server.mjs", str(port)], directory / "cosmos-server.log", env)

    def start(self):
        self.process.start()
        self.process.wait_log('{"endpoint":', 30)
        for line in self.process.log(this_life=True).splitlines():
            if line.startswith('{"endpoint":'):
                self.endpoint = json.loads(line)["endpoint"]
        return self

    def stop(self):
        self.process.end()

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def fail_with(self, status):
        """Every request fails with this HTTP status from now on; 0 ends it."""
        requests.post(f"{self.endpoint}/_control", json={"status": status}, timeout=10).raise_for_status()

    def refuse_bulk(self):
        """From now on it is a server without bulk."""
        requests.post(f"{self.endpoint}/_control", json={"bulk": False}, timeout=10).raise_for_status()

    def counts(self):
        """{"requests", "refused", "bulk", "queries", "upserts"} since its start."""
        return requests.get(f"{self.endpoint}/_control", timeout=10).json()
