"""writebehind-producer as a custom handler of Azure Functions: both forms in which the host passes requests on."""

import json

import pytest
import requests

from harness.ports import free_port
from test_producer_http import publish_outcomes, writes

BODY = b'{"container":"reports","documents":[{"id":"1","big":12345678901234567890},{"id":"2"}]}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def producer(topics, start):
    port = free_port()
    producer = start("producer", env=topics.env | {"FUNCTIONS_CUSTOMHANDLER_PORT": port}, wait=False)
    producer.port, producer.url = port, f"http://127.0.0.1:{port}"
    producer.wait_ready()
    return producer


def invoke(producer, method, url, headers=None, body=None):
    """As the host does it: the inner status, headers and body."""
    payload = {"Data": {"req": {"Url": url, "Method": method, "Query": {}, "Params": {},
                                "Headers": {k: [v] for k, v in (headers or {}).items()}}},
               "Metadata": {"sys": {"MethodName": "jobs"}}}
    if body is not None:
        payload["Data"]["req"]["Body"] = body
    answer = producer.post("/jobs", json=payload)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    out = answer.json()["Outputs"]["res"]
    return int(out["statusCode"]), out["headers"], out["body"]


def test_forwarded_requests_come_under_api(producer, topics):
    answer = producer.post("/api/v1/jobs", data=BODY, headers=JSON | {"Host": "app.azurewebsites.net"})
    assert answer.status_code == 202
    job = answer.json()["jobId"]
    assert answer.headers["Location"] == f"/api/v1/jobs/{job}"
    assert answer.headers["Operation-Location"] == f"http://app.azurewebsites.net/api/v1/jobs/{job}"
    assert producer.get(f"/api/v1/jobs/{job}").json()["accepted"] == 2
    assert producer.get("/api/openapi.json").status_code == 200
    assert len(writes(topics)) == 2


def test_the_payload_form_is_the_same_interface(producer, topics):
    status, headers, body = invoke(producer, "POST", "https://app.azurewebsites.net/api/v1/jobs?op=upsert&database=a+b%2B",
                                   JSON | {"Host": "app.azurewebsites.net", "Idempotency-Key": "k"}, BODY.decode())
    assert status == 202, body
    job = json.loads(body)["jobId"]
    assert headers["Location"] == f"/api/v1/jobs/{job}"
    records = writes(topics)
    assert {r[1] for r in records} == {b'{"id":"1","big":12345678901234567890}', b'{"id":"2"}'}
    assert records[0][2]["wb-database"] == b"a b+" and records[0][2]["wb-container"] == b"reports"
    again = invoke(producer, "POST", "https://app.azurewebsites.net/api/v1/jobs?op=upsert&database=a+b%2B",
                   JSON | {"Host": "app.azurewebsites.net", "Idempotency-Key": "k"}, BODY.decode())
    assert json.loads(again[2])["jobId"] == job and len(writes(topics)) == 2
    publish_outcomes(topics, job, written=[0, 1])
    status, _, body = invoke(producer, "GET", f"https://app.azurewebsites.net/api/v1/jobs/{job}?wait=10")
    assert (status, json.loads(body)["status"]) == (200, "Succeeded")


@pytest.mark.parametrize("method, path, body, status, code", [
    ("POST", "/api/v1/jobs", "[{}]", 400, "invalid-document"),
    ("GET", "/api/v1/jobs/" + "0" * 32, None, 404, "job-not-found"),
    ("GET", "/api/nowhere", None, 404, "no-such-path"),
    ("PUT", "/api/v1/jobs", "[]", 405, "method-not-allowed"),
    ("GET", "/api/v1/jobs?nonsense=1", None, 400, "unknown-query-argument"),
    ("GET", "/api/v1/jobs/%zz" + "x" * 3000, None, 400, "malformed-path"),
])
def test_errors_travel_inside(producer, method, path, body, status, code):
    got, headers, text = invoke(producer, method, "https://app.azurewebsites.net" + path, JSON, body)
    assert (got, json.loads(text)["code"]) == (status, code)
    assert headers["x-ms-error-code"] == code


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"Data":{"req":{"Url":"nowhere","Method":"GET"}}}', b"\xff"])
def test_what_is_no_invocation_is_refused(producer, payload):
    answer = producer.post("/jobs", data=payload, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-invocation")


def test_a_port_that_is_none_is_an_error_that_names_it(topics, start):
    producer = start("producer", env=topics.env | {"FUNCTIONS_CUSTOMHANDLER_PORT": "http"}, wait=False)
    assert producer.wait(20) == 2
    assert "FUNCTIONS_CUSTOMHANDLER_PORT" in producer.log()


def test_without_the_host_there_is_no_api_prefix(topics, start):
    producer = start("producer", env=topics.env)
    assert requests.post(producer.url + "/api/v1/jobs", data=BODY, headers=JSON, timeout=10).status_code == 404
