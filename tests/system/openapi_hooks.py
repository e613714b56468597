"""What schemathesis has to know beyond docs/openapi.json; test_producer_openapi.py names this file to it."""

import hashlib
import json
import re

import schemathesis

LINES = "application/x-ndjson"
CALLBACK = "https://receiver.example/done"  # of a host that the test's producer has in callback.hosts


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """OpenAPI 3.1 has no words for lines that have a schema each; here they are an array, which `lines` writes out.
    Nor can it say that a digest is that of the body."""
    post = raw_schema["paths"]["/v1/jobs"]["post"]
    post["requestBody"]["content"][LINES] = {"schema": {"$ref": "#/components/schemas/DocumentArray"}}
    post["parameters"] = [p for p in post["parameters"] if p["name"] != "Content-Digest"]


@schemathesis.serializer(LINES)
def lines(context, value):
    if not isinstance(value, list):
        value = [[value]]  # on purpose no array: then the line is to be no object
    return "".join(json.dumps(line) + "\n" for line in value).encode()


def is_callback(value):
    return isinstance(value, str) and value.startswith("https://")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes what is good one by one also good together, which schemas can't say; tests by hand have the rest."""
    query, body, headers = case.query, case.body, case.headers
    if isinstance(query, dict):
        if str(query.get("wait")).isdigit() and int(query["wait"]) <= 60:
            query["wait"] = 0  # nobody carries jobs out here, so each second would be waited
        if re.match(r"[01]\d{3}-\d\d-\d\dT", str(query.get("since"))):
            query["since"] = "2026-01-02T03:04:05Z"  # 1970 at the earliest
        if query.get("op") in ("create", "replace", "delete", "patch"):
            del query["op"]  # gives the body another meaning
        if is_callback(query.get("callback")):
            query["callback"] = CALLBACK
    if isinstance(body, dict) and is_callback(body.get("callback")):
        body["callback"] = CALLBACK
    key = (headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!#-~][!-~]{0,254}", key):  # comes with one request only
        headers["Idempotency-Key"] = hashlib.sha256(repr((key, query, body, case.media_type)).encode()).hexdigest()
