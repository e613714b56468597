"""Judges a run from what it left: the results and dead-letter topics, the container, the journal, the logs."""

import json
import re
from datetime import datetime

from harness.cosmos import own_members, same

from model.oracle import Etags, once, with_repeats
from model.scenario import item_name

# What a consumer says when it leaves something undone for others, which then carry it out again.
FORFEITS = ("partitions lost", "did not drain in time", "the group did not let us go in time", "handed back at the end")
MOST = 8  # findings of one kind; more would say nothing new


def ranges(flat):
    for first, last in zip(flat[::2], flat[1::2]):
        yield from range(first, last + 1)


def identity(write):
    return (write.job, write.job_seq) if write.job else (write.partition, write.offset)


class Check:
    def __init__(self, run):
        self.run, self.scenario = run, run.scenario
        self.findings = []
        self.outcomes = {}        # identity → the first outcome
        self.letters = {}         # (partition, offset) of the original → messages
        self.etags = Etags()
        self.items = {item.name: item for item in self.scenario.items}
        self.repeats = None
        self.counts = {}

    def find(self, kind, text):
        found = [f for f in self.findings if f.startswith(kind)]
        if len(found) < MOST:
            self.findings.append(f"{kind}: {text}")

    def everything(self):
        self.read_outcomes()
        self.read_letters()
        self.repeats = self.was_repeated()
        self.check_journal()
        self.check_completeness()
        self.check_items()
        self.check_dead_before_sending()
        self.check_letters()
        self.check_order()
        return self.findings

    # ---- what was left

    def read_outcomes(self):
        for message in self.run.broker.read_topic(self.run.topics.results):
            record = json.loads(message.value())
            for entry in record.get("jobs", []) + record.get("untracked", []):
                for outcome in ("written", "superseded", "dead"):
                    for number in ranges(entry.get(outcome, [])):
                        key = (entry["job"], number) if "job" in entry else (entry["partition"], number)
                        self.outcomes.setdefault(key, outcome)

    def read_letters(self):
        for message in self.run.broker.read_topic(self.run.topics.dead_letters):
            facts = dict(message.headers() or [])
            origin = int(facts["wb-origin-partition"]), int(facts["wb-origin-offset"])
            self.letters.setdefault(origin, []).append(message)

    def was_repeated(self):
        """Whether anything may have been delivered twice: a consumer was killed, or the group went on without it, or it
        could not finish within its deadlines and said so. Nor does Kafka take commits of the others for as long as a
        rebalance goes on that a member was stopped in before it had its first share."""
        said = [life for life in self.run.lives if any(text in life.program.log() for text in FORFEITS)
                or (life.stopping and "partitions assigned" not in life.program.log())]
        self.counts["forfeits"] = len(said)
        return bool(said) or any(what in ("kill", "freeze") for _, what, _ in self.scenario.events)

    def state_of(self, document):
        return document["seq"], document.get("patched")

    # ---- checks

    def check_journal(self):
        """Whatever was applied is something that was asked for."""
        for entry in self.run.journal.entries:
            item = self.items.get(item_name(entry["pk"][0], entry["id"]))
            if not item:
                self.find("journal", f"a write to an item that nobody wrote: {entry}")
                continue
            document = entry.get("document")
            if not document:
                continue
            state = self.state_of(document)
            self.etags.add(item.name, entry["etag"], state)
            if not same(own_members(document), self.document_of(item, state)):
                self.find("journal", f"a document that nobody published: {entry}")

    def document_of(self, item, state):
        document = dict(item.log[state[0]].document)
        return document if state[1] is None else document | {"patched": state[1]}

    def check_completeness(self):
        wanted = {identity(w): w for w in self.scenario.writes}
        for key, write in wanted.items():
            if key not in self.outcomes:
                self.find("no outcome", write.name())
        for key in self.outcomes.keys() - wanted.keys():
            self.find("outcome of nothing", str(key))
        for write in self.scenario.writes:
            outcome = self.outcomes.get(identity(write))
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            if outcome == "dead" and (write.partition, write.offset) not in self.letters:
                self.find("no letter", write.name())

    def told(self, write):
        return self.outcomes.get(identity(write))

    def check_items(self):
        stored = {}
        for document in self.run.sandbox.target.all():
            name = item_name(document.get("pk"), document["id"])
            if name in stored:
                self.find("twice in the container", str(name))
            stored[name] = own_members(document)
        for name in stored.keys() - self.items.keys():
            self.find("extra in the container", str(name))
        for item in self.items.values():
            possible = with_repeats(item, self.etags) if self.repeats else once(item, self.etags, self.told)
            self.check_outcomes(item, possible)
            document = stored.get(item.name)
            wanted = [state and self.document_of(item, state) for state in possible.final]
            if not any(same(document, w) for w in wanted):
                self.find("item", f"{item.name} holds {document}, not one of {wanted[:3]}; its log ends with "
                                  f"{[(w.name(), self.told(w)) for w in item.log[-4:]]}")

    def check_outcomes(self, item, possible):
        applied = {state for name, state in self.etags.made if name == item.name}
        for write in item.log:
            told = self.told(write)
            if told and told not in {outcome for outcome, _ in possible.outcomes[write.seq]}:
                self.find("outcome", f"{write.name()} is {told}, but could only be {possible.outcomes[write.seq]}")
            if told == "written" and write.document and (write.seq, None) not in applied:
                self.find("written", f"{write.name()} is told to be written, and never was")
            for letter in self.letters.get((write.partition, write.offset), []):
                self.check_reason(write, letter, possible)

    def check_reason(self, write, letter, possible):
        facts = dict(letter.headers())
        reason = facts["wb-error-reason"].decode()
        if reason not in possible.reasons(write.seq):
            self.find("reason", f"{write.name()} died of {reason} ({facts.get('wb-error-message')}), "
                                f"but could only die of {sorted(possible.reasons(write.seq))}")
        if not self.repeats and self.told(write) != "dead":
            self.find("letter of the living", f"{write.name()} is {self.told(write)} and has a letter: {reason}")
        if not self.repeats and not write.item.sick:
            self.check_item_etag(write, facts["wb-item-etag"].decode(), possible.before[write.seq])

    def check_item_etag(self, write, etag, states):
        """The letter names the item as it was when the write died, if it could be read: nothing newer had been written."""
        if etag == "unknown":
            return
        allowed = {"absent"} if states == {None} else {
            e for e, state in self.etags.state_of.items() if state in states} | ({"absent"} if None in states else set())
        if etag not in allowed:
            self.find("wb-item-etag", f"{write.name()}: {etag} is not the item's before it: {sorted(allowed)[:4]}")

    def check_dead_before_sending(self):
        for write in self.scenario.writes:
            if not write.dead_as:
                continue
            if self.told(write) not in ("dead", None):
                self.find("outcome", f"a record that must die of {write.dead_as} is {self.told(write)}")
            for letter in self.letters.get((write.partition, write.offset), []):
                reason = dict(letter.headers())["wb-error-reason"].decode()
                if reason != write.dead_as:
                    self.find("reason", f"a record died of {reason} instead of {write.dead_as}: {write.value}")

    def check_letters(self):
        """Each letter is its original, byte for byte; without repetition there is one."""
        originals = {(w.partition, w.offset): w for w in self.scenario.writes}
        for origin, messages in self.letters.items():
            write = originals.get(origin)
            if not write:
                self.find("letter of nothing", str(origin))
                continue
            if len(messages) > 1 and not self.repeats:
                self.find("letter twice", write.name())
            given = [(k, v) for k, v in write.headers]
            for message in messages:
                headers = (message.headers() or [])[:len(given)]
                if (message.key(), message.value(), headers) != (write.key, write.value, given):
                    self.find("letter", f"of {write.name()} is not the original")

    # ---- order within a life

    def check_order(self):
        """No older version after a newer one of an item within one life of a consumer, unless it gave the item's
        partition away in between."""
        departures = {life.pid: list(self.departures(life)) for life in self.run.lives}
        last = {}
        for entry in self.run.journal.entries:
            item = self.items.get(item_name(entry["pk"][0], entry["id"]))
            pid = self.pid_of(entry)
            if not item or pid is None:
                continue
            before, at_ms = last.get((pid, item.name), (-1, 0))
            if any(at_ms - 100 <= t <= entry["at_ms"] + 100 and item.log[0].partition in gone
                   for t, gone in departures[pid]):
                before = -1
            version = self.version(item, entry, before)
            if version is None:
                self.find("order", f"{item.name}: {entry['op']} after version {before} in one life ({pid}) was not asked for")
                continue
            if version < before:
                self.find("order", f"{item.name}: version {version} after {before} in one life ({pid}): {entry}")
            last[pid, item.name] = version, entry["at_ms"]

    def version(self, item, entry, before):
        """Which write of the log an entry is. A delete shows nothing: the next one of the log that it can be."""
        if entry.get("document"):
            seq, patched = self.state_of(entry["document"])
            return patched if entry["op"] == "patch" else seq
        deletes = [w.seq for w in item.log if w.op == "delete"]
        later = [seq for seq in deletes if seq >= before]
        return later[0] if later else (deletes[0] if self.repeats and deletes else None)

    def pid_of(self, entry):
        pids = {life.pid for life in self.run.lives}
        found = re.search(r"-(\d+)(?:\D|$)", entry.get("client") or "")
        if not found or int(found[1]) not in pids:
            self.find("client", f"the User-Agent {entry.get('client')!r} names no consumer of ours")
            return None
        return int(found[1])

    def departures(self, life):
        """When it gave partitions away or lost them, and which: milliseconds of the wall clock, their numbers."""
        for line in life.program.log().splitlines():
            if "partitions given back" in line:
                stamp = re.search(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line)
                at_ms = datetime.fromisoformat(stamp[0].replace("Z", "+00:00")).timestamp() * 1000
                yield at_ms, {int(number) for number in re.findall(r"/(\d+)", line)}
