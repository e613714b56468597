"""What a seed means: the writes with their times, the weather at Cosmos DB, and what happens to the consumers."""

import json
import random
from dataclasses import dataclass, field

PUBLISH_S = 8.0
# Faults go on for a little while after the last write, so that some hit what is left over.
FAULTS_S = PUBLISH_S + 1.0
FORGED_ETAG = '"00000000-0000-0000-0000-000000000000"'


@dataclass(eq=False)
class Write:
    """One record for the writes topic, and what is known of it later."""
    at_s: float
    item: "Item" = None        # None: nobody can say which item it is
    op: str = "upsert"
    seq: int = -1              # its place in its item's log
    document: dict = None      # upsert, create, replace
    condition: str = None      # "match" (of an etag that is seen when it is published), "forged", "none-match"
    key: bytes = b""
    value: bytes = None
    headers: list = field(default_factory=list)
    dead_as: str = None        # the reason that it dies of before it is sent
    job: str = None
    job_seq: int = None
    # filled in by the run
    etag: str = None
    partition: int = None
    offset: int = None

    @property
    def is_plain_upsert(self):
        return self.op == "upsert" and not self.condition

    def name(self):
        what = f"{self.op}{'/' + self.condition if self.condition else ''}"
        item = f"{self.item.id!r}#{self.seq}" if self.item else "no item"
        return f"{what} {item} at {self.partition}/{self.offset}"


@dataclass(eq=False)
class Item:
    id: str
    pk: object
    key: bytes
    sick: bool = False         # every request with a write of it fails as a whole with 400
    log: list = field(default_factory=list)

    @property
    def name(self):
        return item_name(self.pk, self.id)


def item_name(pk, id):
    """How an item is told from others: partition keys by value, where 5 is 5.0 but no boolean."""
    if isinstance(pk, (int, float)) and not isinstance(pk, bool):
        pk = float(pk)
    return json.dumps(pk), id


@dataclass(eq=False)
class Scenario:
    seed: int
    items: list
    writes: list
    weather: list              # (at_s, fault rules)
    topology: list             # (at_s, "split" | "merge", which of the ranges as a part of 1, for how long, substatus)
    events: list               # (at_s, what, which consumer)
    settings: dict             # of the consumers
    sandbox: dict              # of the sandbox
    consumers: int
    bulk: bool
    violent: bool              # consumers are killed or frozen: writes may be delivered again

    def summary(self):
        kinds = [what for _, what, _ in self.events]
        parts = [f"items={len(self.items)}", f"writes={len(self.writes)}", "bulk" if self.bulk else "point"]
        for kind in ("kill", "freeze", "stop"):
            if kind in kinds:
                parts.append(f"{kind}={kinds.count(kind)}")
        if self.topology:
            parts.append(f"topology={len(self.topology)}")
        return " ".join(parts)


# ---- writes

PARTITION_KEYS = ["a", "b", "ü \"q\" 😀", 5, -0.5, True, None, ""]
IDS = ["item-{}", "späce {}", "q\"uote{}", "{}%25", "emoji😀{}"]
OPERATIONS = ["upsert", "delete", "create", "replace", "patch", "replace/match", "upsert/match", "delete/match",
              "replace/forged", "upsert/none-match", "poison"]
PLAIN_OPERATIONS = ["upsert", "delete", "poison"]


def make_items(rng):
    items = []
    for i in range(rng.choice([3, 5, 8, 12, 30])):
        id = rng.choice(IDS[:1] * 4 + IDS[1:]).format(i)
        key = id.encode() if rng.random() < 0.8 else f"key {i}".encode()
        items.append(Item(id, rng.choice(PARTITION_KEYS), key))
    if rng.random() < 0.3:
        # Another item with the same id: only the partition key tells them apart.
        twin = items[0]
        others = [pk for pk in PARTITION_KEYS if item_name(pk, "") != item_name(twin.pk, "")]
        items.append(Item(twin.id, rng.choice(others), twin.key))
    if rng.random() < 0.3:
        items.append(Item("sick", "a", b"sick", sick=True))
    return items


def encode_document(rng, document):
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    if isinstance(document["pk"], int) and not isinstance(document["pk"], bool) and rng.random() < 0.5:
        text = text.replace(f'"pk": {document["pk"]}', f'"pk": {document["pk"]}.0')
    return (f" {text}\n" if rng.random() < 0.2 else text).encode()


def make_poison(rng, at_s, item):
    """A record that dies before anything is sent, on the item's own key."""
    value, headers, reason = rng.choice([
        (b'{"id":', [], "invalid-json"), (b"[1]", [], "not-an-object"), (b'{"pk":"a"}', [], "missing-id"),
        (b'{"id":"a/b","pk":"a"}', [], "invalid-id"), (b'{"id":"x","pk":[]}', [], "invalid-partition-key"),
        (b'{"id":"x","id":"y","pk":"a"}', [], "duplicate-member"),
        (b'{"id":"x","pk":"a"}', [("wb-op", b"levitate")], "unknown-operation"),
        (b'{"id":"x","pk":"a"}', [("wb-container", b"elsewhere")], "container-not-allowed"),
        (None, [], "tombstone")])
    return Write(at_s, None, "poison", key=item.key, value=value, headers=headers, dead_as=reason)


def make_write(rng, at_s, item, kind, text_max):
    if kind == "poison":
        return make_poison(rng, at_s, item)
    op, _, condition = kind.partition("/")
    write = Write(at_s, item, op, seq=len(item.log), condition=condition or None, key=item.key)
    target = [("wb-id", item.id.encode()), ("wb-partition-key", json.dumps([item.pk]).encode())]
    if op in ("upsert", "create", "replace"):
        write.document = {"id": item.id, "pk": item.pk, "seq": write.seq, "text": "x" * rng.randrange(text_max)}
        write.value = encode_document(rng, write.document)
        write.headers = target if rng.random() < 0.1 else []
        if op != "upsert" or rng.random() < 0.1:
            write.headers = write.headers + [("wb-op", op.encode())]
    elif op == "delete":
        write.value, write.headers = b"", [("wb-op", b"delete"), *target]
    else:
        write.value = json.dumps([{"op": "set", "path": "/patched", "value": write.seq}]).encode()
        write.headers = [("wb-op", b"patch"), *target]
    if condition == "none-match":
        write.headers = write.headers + [("wb-if-none-match", b"*")]
    item.log.append(write)
    return write


def make_writes(rng, items, plain):
    weights = {"upsert": rng.choice([3, 8, 20]), "delete": rng.choice([0, 1, 3]), "poison": rng.choice([0, 0.1, 0.3])}
    for kind in OPERATIONS:
        weights.setdefault(kind, rng.choice([0, 0.5, 1]))
    kinds = PLAIN_OPERATIONS if plain else OPERATIONS
    hot = rng.choice(items)
    text_max = rng.choice([2, 200, 4000])
    jobs = [f"{rng.getrandbits(128):032x}" for _ in range(4)]
    next_seq = dict.fromkeys(jobs, 0)
    tracked = rng.choice([0.2, 0.6, 1])
    writes, at_s = [], 0.0
    while at_s < PUBLISH_S:
        for _ in range(rng.choice([1, 2, 5, 20, 60])):
            item = hot if rng.random() < 0.3 else rng.choice(items)
            kind = rng.choices(kinds, [weights[k] for k in kinds])[0]
            write = make_write(rng, at_s, item, kind, text_max)
            if rng.random() < tracked:
                write.job = rng.choice(jobs)
                write.job_seq = next_seq[write.job]
                next_seq[write.job] += 1
                write.headers = write.headers + [("wb-job", write.job.encode()),
                                                 ("wb-seq", str(write.job_seq).encode())]
            writes.append(write)
        at_s += rng.expovariate(4)
    return writes


# ---- faults

# "hang" is never applied here: an answer that never comes to a write that was applied is what reset-after does sooner.
def weathers(rng):
    few, some, many = rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.3), rng.uniform(0.3, 0.6)
    request = {"scope": "request", "probability": some}
    return {
        "calm": [],
        "throttled": [{"probability": many, "status": 429, "substatus": 3200,
                       "retry_after_ms": rng.choice([1, 10, 100])}],
        "throttled requests": [request | {"status": 429, "substatus": 3200, "retry_after_ms": 20}],
        "retry with": [{"probability": some, "status": 449}],
        "ailing": [{"probability": some, "status": rng.choice([408, 500, 503])}],
        "gone": [{"probability": few, "status": 410, "substatus": rng.choice([1002, 1007, 1008])}],
        "errors": [request | {"status": rng.choice([408, 500, 502, 503])}],
        "resets": [request | {"action": "reset-before"}, request | {"action": "reset-after"}],
        # Garbage comes with 200, which of a single write would be a lie about what became of it.
        "bad replies": [request | {"action": "truncate", "probability": few},
                        request | {"action": "garbage", "probability": few, "match": {"bulk": True}}],
        "hangs": [request | {"action": "hang", "probability": few, "count": 4}],
        "outage": [request | {"status": rng.choice([401, 500, 503]), "probability": 1}],
    }


def sick_rules(items):
    return [{"match": {"op": op, "id": item.id}, "scope": "request", "status": 400}
            for item in items if item.sick for op in ("upsert", "create", "replace", "delete", "patch")]


def make_weather(rng, items):
    latency = rng.choice([0, 5, 20])
    always = sick_rules(items) + ([{"latency_ms": latency, "jitter_ms": latency}] if latency else [])
    weather, at_s = [(0.0, always)], rng.uniform(0, 1)
    while at_s < FAULTS_S:
        kinds = weathers(rng)
        chosen = rng.sample(sorted(kinds), rng.choice([1, 1, 2, 3]))
        weather.append((at_s, always + [rule for kind in chosen for rule in kinds[kind]]))
        at_s += rng.uniform(0.5, 2.0)
    weather.append((FAULTS_S, sick_rules(items)))
    return weather


def make_topology(rng):
    changes = []
    for _ in range(rng.choice([0, 1, 3, 6])):
        completing_ms = rng.choice([0, 0, 300, 1000])
        changes.append((rng.uniform(0.5, PUBLISH_S), rng.choice(["split", "split", "merge"]), rng.random(),
                        completing_ms, rng.choice([1007, 1008])))
    return sorted(changes)


def make_events(rng, consumers, violent):
    """(time, what, which consumer): what is kill, freeze, thaw, stop, start. A consumer has one trouble at a time."""
    events = []
    kinds = ["stop"] * 2 + (["kill", "freeze"] * 2 if violent else [])
    for which in range(consumers):
        at_s = rng.uniform(0.5, 4)
        while at_s < PUBLISH_S and rng.random() < 0.7:
            kind = rng.choice(kinds)
            # Longer than the session, so that the group goes on without it; sometimes shorter.
            away_s = rng.choice([1.0, 4.5, 4.5]) if kind == "freeze" else rng.uniform(0.1, 2)
            events += [(at_s, kind, which), (at_s + away_s, "thaw" if kind == "freeze" else "start", which)]
            at_s += away_s + rng.uniform(0.5, 4)
    if violent and not any(kind in ("kill", "freeze") for _, kind, _ in events):
        events += [(3.0, "kill", 0), (3.5, "start", 0)]
    return sorted(events)


def make_scenario(seed, plain=False, topology=True):
    """plain: upserts and deletes only. topology: partition key ranges are split and merged."""
    rng = random.Random(seed)
    items = make_items(rng)
    violent = rng.random() < 0.6
    consumers = rng.choice([2, 3])
    settings = {
        "kafka.session.timeout.ms": 3000 if violent else 10000, "kafka.heartbeat.interval.ms": 300,
        "cosmos.request.timeout.ms": 1500, "consumer.workers": rng.choice([1, 2, 3]),
        "cosmos.range.concurrency": rng.choice([1, 4]), "results.interval.ms": rng.choice([5, 50, 200]),
        "consumer.max.offset.gap": rng.choice([20, 1000, 100000]), "memory.budget.bytes": "16MiB",
        "consumer.drain.timeout.ms": rng.choice([3000, 20000]) if violent else 20000,
    }
    sandbox = {"cosmos.ranges": rng.choice([1, 2, 5]), "cosmos.range.ru": rng.choice([0, 0, 400, 4000])}
    writes = make_writes(rng, items, plain)
    changes = make_topology(rng) if topology else []
    return Scenario(seed, items, writes, make_weather(rng, items), changes, make_events(rng, consumers, violent),
                    settings, sandbox, consumers, rng.random() < 0.8, violent)
