"""What tests of the consumers' group life share: documents as records, commits, the sandbox's journal."""

import json

import requests

from harness.process import wait_until


def make_documents(count, prefix="doc", size=200):
    return [{"id": f"{prefix}-{i:06d}", "pk": f"p{i % 313}", "n": i, "text": "x" * (i % size)} for i in range(count)]


def records(documents):
    return [(d["id"], json.dumps(d, separators=(",", ":"))) for d in documents]


def places(broker, topic):
    """key → (partition, offset) of its last record."""
    return {m.key().decode(): (m.partition(), m.offset()) for m in broker.read_topic(topic)}


def wait_committed(topics, topic=None, timeout_s=60):
    """Until the group has committed the end of every partition of the topic that has records."""
    topic = topic or topics.writes
    ends = {p: high for p, (low, high) in topics.broker.end_offsets(topic).items() if high > low}

    def look():
        committed = topics.broker.committed(topics.group, topic)
        return all(committed.get(p, 0) >= high for p, high in ends.items())
    wait_until(look, timeout_s, f"commits up to {ends}", every_s=0.2)


def journal_on(sandbox):
    answer = sandbox.post("/_sandbox/journal", json={"enabled": True})
    assert answer.status_code < 300, answer.text


def journal(sandbox):
    """Every write that took effect since journal_on, in the order of effect per item."""
    answer = requests.get(sandbox.info["cosmos"] + "/_sandbox/journal", timeout=60)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert not any(line.get("truncated") for line in lines)
    return lines


def written_by(lines, program):
    """Those of them that this life of the program sent."""
    return [line for line in lines if line["client"].endswith(f"-{program.pid}")]


def conditions(program):
    answer = program.get("/readyz")
    return answer.status_code, {c["name"]: c for c in answer.json()["conditions"]}


def assigned(program):
    return program.metric("writebehind_assigned_partitions")


def written(program):
    return program.metric("writebehind_outcomes_total", outcome="written")
