"""Cosmos DB requests by hand: what the official clients hide, such as other range ids, dates and signatures."""

import base64
import hashlib
import hmac
import json
import urllib.parse
from email.utils import formatdate

import requests


def authorization(key, verb, resource_type, link, date):
    """The master-key signature as Microsoft documents it."""
    text = f"{verb.lower()}\n{resource_type.lower()}\n{link}\n{date.lower()}\n\n"
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return urllib.parse.quote("type=master&ver=1.0&sig=" + base64.b64encode(digest).decode(), safe="")


class Wire:
    """One container: requests are signed with the target's key unless the test gives another."""

    def __init__(self, target):
        self.target = target
        self.link = f"dbs/{target.database}/colls/{target.container}"
        self.session = requests.Session()

    def headers(self, verb, resource_type, link, key=None, date=None, **more):
        date = date or formatdate(usegmt=True)
        return {"x-ms-date": date, "x-ms-version": "2020-07-15", "Content-Type": "application/json",
                "Authorization": authorization(key or self.target.account.key, verb, resource_type, link, date)} | more

    def send(self, verb, resource_type, link=None, path=None, body=None, timeout=10, key=None, date=None, headers=None):
        link = self.link if link is None else link
        path = f"/{link}/{resource_type}" if path is None else path
        return self.session.request(verb, self.target.account.endpoint + path, data=body, timeout=timeout,
                                    headers=self.headers(verb, resource_type, link, key, date) | (headers or {}))

    def ranges(self):
        return self.send("GET", "pkranges").json()["PartitionKeyRanges"]

    def upsert(self, document, partition_key=None, **kwargs):
        key = json.dumps([document.get("pk") if partition_key is None else partition_key])
        headers = {"x-ms-documentdb-is-upsert": "true", "x-ms-documentdb-partitionkey": key}
        return self.send("POST", "docs", body=json.dumps(document), headers=headers, **kwargs)

    def bulk(self, operations, range_id="0", **kwargs):
        """operations: dicts, or the body as it is."""
        body = operations if isinstance(operations, (str, bytes)) else json.dumps(operations)
        headers = {"x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "False",
                   "x-ms-cosmos-batch-continue-on-error": "True", "x-ms-documentdb-partitionkeyrangeid": range_id}
        return self.send("POST", "docs", body=body, headers=headers, **kwargs)


def upsert_operation(document, **more):
    return {"operationType": "Upsert", "partitionKey": json.dumps([document["pk"]]), "resourceBody": document} | more
