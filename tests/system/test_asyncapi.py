"""docs/asyncapi.yaml says of the topics what is there: its examples fit its schemas, and so do the records of a real run."""

import json

import jsonschema_rs
import yaml

from harness.paths import ROOT
from harness.process import wait_until
from test_producer_http import murmur2_partition

DOCUMENT = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
MESSAGES = DOCUMENT["components"]["messages"]


def judge(schema, value):
    """Raises where value is not what the schema says."""
    validator = jsonschema_rs.Draft202012Validator({"components": DOCUMENT["components"], **schema})
    validator.validate(value)


def judge_record(message, payload, headers):
    name = MESSAGES[message]
    judge(name["payload"], payload)
    if "headers" in name:
        judge(name["headers"], headers)


def test_the_examples_are_what_the_schemas_say():
    for name, message in MESSAGES.items():
        assert message["examples"], name
        for example in message["examples"]:
            judge_record(name, example["payload"], example.get("headers", {}))


def test_the_examples_of_the_contract_are_what_the_schemas_say():
    """docs/CONTRACT.md shows results: those with a type are told apart by it."""
    text = (ROOT / "docs" / "CONTRACT.md").read_text()
    shown = [json.loads(part.split("```")[0]) for part in text.split("```json\n")[1:]]
    results = [value for value in shown if "type" in value]
    assert len(results) >= 2
    for value in results:
        judge_record(value["type"], value, {})


def test_topics_and_reasons_are_those_of_the_contract():
    text = (ROOT / "docs" / "CONTRACT.md").read_text()
    topics = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert topics == {f"writebehind.{name}" for name in ("writes", "results", "dead-letters", "dead-letters.state")}
    assert all(f"`{topic}`" in text for topic in topics)
    rows = text.split("| reason | what is wrong |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rows] == DOCUMENT["components"]["schemas"]["Reason"]["enum"]


def text_headers(message):
    return {name: value.decode() for name, value in message.headers() or []}


def test_the_records_of_a_run_are_what_the_schemas_say(topics, sandbox, start):
    producer = start("producer", env=topics.env)
    start("consumer", env=[sandbox.env, topics.env])
    good = producer.post("/v1/jobs", json=[{"id": f"{i}", "pk": "a"} for i in range(20)]).json()["jobId"]
    deletes = {"operations": [{"op": "delete", "id": "1", "partitionKey": ["a"]}]}
    job = producer.post("/v1/jobs?container=elsewhere", json=deletes).json()["jobId"]
    topics.broker.publish(topics.writes, [("k", b'{"id":"a/b"}'), ("k", b"no JSON"), ("k", b'{"id":"u","pk":"a"}')])
    wait_until(lambda: producer.get(f"/v1/jobs/{good}").json()["status"] == "Succeeded", 30, "the job to end")
    wait_until(lambda: producer.get(f"/v1/jobs/{job}").json()["status"] == "Failed", 30, "the other to end")
    wait_until(lambda: producer.get("/v1/ledger").json()["dead"] == 3, 30, "three dead letters")

    for message in topics.broker.read_topic(topics.writes):
        if message.headers():
            payload = json.loads(message.value()) if message.value() else None
            judge_record("write", payload, text_headers(message))
    seen = set()
    for message in topics.broker.read_topic(topics.results):
        record = json.loads(message.value())
        seen.add(record["type"])
        judge_record(record["type"], record, {})
        for part in [record] if "job" in record else record.get("jobs", []):
            assert message.partition() == murmur2_partition(part["job"], 4)
    assert seen == {"accepted", "outcomes"}
    letters = topics.broker.read_topic(topics.dead_letters)
    assert len(letters) == 3
    for message in letters:
        judge_record("deadLetter", None, text_headers(message))
